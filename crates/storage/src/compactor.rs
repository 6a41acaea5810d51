//! Forgetting old history by itself, as kube-apiserver does with etcd.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::store::{Revision, Store};

/// How often to compact, and how much history stays at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// Time between two compactions.
    pub every: Duration,
    /// History younger than this stays.
    pub keep: Duration,
}

impl Default for Compaction {
    /// Every 5 minutes, keeping at least 5 minutes.
    fn default() -> Self {
        Compaction {
            every: Duration::from_secs(300),
            keep: Duration::from_secs(300),
        }
    }
}

/// What the revision was at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    at: Instant,
    revision: Revision,
}

/// The revision to compact to: the newest one known to be old enough. Forgets samples that no
/// later decision needs.
fn decide(samples: &mut VecDeque<Sample>, now: Instant, keep: Duration) -> Option<Revision> {
    let is_old = |sample: &Sample| now.duration_since(sample.at) >= keep;
    while samples.get(1).is_some_and(is_old) {
        samples.pop_front();
    }
    samples
        .front()
        .filter(|sample| is_old(sample))
        .map(|sample| sample.revision)
}

/// Compacts a store regularly until the returned future is dropped; the server spawns it.
pub async fn compact_regularly(store: Arc<dyn Store>, compaction: Compaction) {
    let mut samples = VecDeque::new();
    let mut ticks = tokio::time::interval(compaction.every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let now = ticks.tick().await;
        samples.push_back(Sample {
            at: now,
            revision: store.revision(),
        });
        let Some(revision) = decide(&mut samples, now, compaction.keep) else {
            continue;
        };
        match store.compact(revision).await {
            Ok(()) => tracing::debug!(revision, "compacted"),
            Err(error) => tracing::warn!(revision, %error, "compaction failed; trying again later"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_younger() {
        let start = Instant::now();
        let minute = |minutes: u64| start + Duration::from_secs(60 * minutes);
        let check = |samples: &[(u64, Revision)], now: u64, expected: Option<Revision>| {
            let samples = samples.iter();
            let mut samples = samples
                .map(|&(minutes, revision)| Sample {
                    at: minute(minutes),
                    revision,
                })
                .collect::<VecDeque<_>>();
            assert_eq!(
                decide(&mut samples, minute(now), Duration::from_secs(300)),
                expected
            );
        };
        check(&[], 10, None);
        check(&[(0, 7)], 4, None);
        check(&[(0, 7)], 5, Some(7));
        check(&[(0, 7), (5, 90)], 5, Some(7));
        check(&[(0, 7), (5, 90)], 9, Some(7));
        check(&[(0, 7), (5, 90), (10, 95)], 10, Some(90));
        check(&[(0, 7), (1, 8), (2, 9), (3, 10)], 7, Some(9));
    }

    #[tokio::test]
    async fn runs_by_itself() {
        let store: Arc<dyn Store> = Arc::new(crate::memory::Memory::default());
        let short = Duration::from_millis(10);
        let task = tokio::spawn(compact_regularly(
            Arc::clone(&store),
            Compaction {
                every: short,
                keep: short,
            },
        ));
        let key = bytes::Bytes::from_static(b"/a");
        store
            .commit(crate::store::Transaction::create(key.clone(), key))
            .await
            .expect("commit");
        while store.status().compacted == 0 {
            tokio::time::sleep(short).await;
        }
        task.abort();
    }
}
