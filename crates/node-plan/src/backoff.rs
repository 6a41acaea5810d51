//! How long to wait before the next try: containers that crash and images that cannot be pulled.
//!
//! 10 s after the first failure that follows another, doubling to 300 s; forgotten after 10 minutes without one
//! (pods-and-kubelet §5.1).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

#[cfg(test)]
mod tests;

/// The first delay.
pub const INITIAL: SignedDuration = SignedDuration::from_secs(10);
/// The longest delay.
pub const MAXIMUM: SignedDuration = SignedDuration::from_secs(300);
/// After this long without another failure the next one counts as the first.
pub const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_secs(600);

/// The delays of many things, each under a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backoffs {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    delay: SignedDuration,
    updated_at: Timestamp,
}

/// A delay that is not over yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// The whole delay in seconds, as messages say it.
    pub seconds: i64,
    /// When it is over.
    pub until: Timestamp,
}

impl Backoffs {
    /// Counts one more failure (or one more restart): the delay becomes 10 s, or twice what it was, at most 300 s.
    pub fn next(&mut self, key: &str, now: Timestamp) {
        let delay = match self.entries.get(key) {
            Some(entry) if now.duration_since(entry.updated_at) <= FORGOTTEN_AFTER => {
                entry.delay.saturating_mul(2).min(MAXIMUM)
            }
            _ => INITIAL,
        };
        self.entries.insert(
            key.to_owned(),
            Entry {
                delay,
                updated_at: now,
            },
        );
    }

    /// The delay that counts from `event` (when a container ended) and is not over at `now`.
    #[must_use]
    pub fn since(&self, key: &str, event: Timestamp, now: Timestamp) -> Option<Delay> {
        let entry = self.entries.get(key)?;
        if event.duration_since(entry.updated_at) > FORGOTTEN_AFTER {
            return None;
        }
        entry.delay_from(event, now)
    }

    /// The delay that counts from the last failure and is not over at `now`.
    #[must_use]
    pub fn current(&self, key: &str, now: Timestamp) -> Option<Delay> {
        let entry = self.entries.get(key)?;
        entry.delay_from(entry.updated_at, now)
    }

    /// Forgets one key: the pull worked, or the pod is gone.
    pub fn forget(&mut self, key: &str) {
        self.entries.remove(key);
    }

    /// Forgets every key that begins with `prefix`: all of a pod's keys begin with its UID and `/`.
    pub fn forget_all(&mut self, prefix: &str) {
        self.entries.retain(|key, _| !key.starts_with(prefix));
    }

    /// Forgets what has not failed for twice the longest delay.
    pub fn collect_garbage(&mut self, now: Timestamp) {
        self.entries
            .retain(|_, entry| now.duration_since(entry.updated_at) <= FORGOTTEN_AFTER);
    }
}

impl Entry {
    fn delay_from(self, start: Timestamp, now: Timestamp) -> Option<Delay> {
        let until = start.checked_add(self.delay).unwrap_or(Timestamp::MAX);
        (now < until).then(|| Delay {
            seconds: self.delay.as_secs(),
            until,
        })
    }
}

/// The key of a container's crashes. A changed definition starts anew.
#[must_use]
pub fn crash_key(pod_uid: &str, container: &str, spec_hash: &str) -> String {
    format!("{pod_uid}/crash/{container}/{spec_hash}")
}

/// The key of an image's failed pulls for one pod.
#[must_use]
pub fn pull_key(pod_uid: &str, image: &str) -> String {
    format!("{pod_uid}/pull/{image}")
}

/// Whole seconds as messages write them: `10s`, `1m20s`, `5m0s`.
#[must_use]
pub fn go_seconds(seconds: i64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}
