//! Work in progress: takes what is due from a [`WorkQueue`], a bounded number at a time.

use std::future::Future;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::work_queue::{Outcome, WorkQueue};

/// What happened among the workers.
pub(crate) enum Progress<K, R> {
    /// Work on this key is to begin now: answer with [`Workers::start`] or [`Workers::finish`].
    Begin(K),
    /// Work on this key ended: answer with [`Workers::finish`].
    Ended(K, R),
}

/// A queue and the work begun from it. Work is a future and not a task: it ends when this is
/// dropped.
pub(crate) struct Workers<K, R> {
    /// What is to be done, and when.
    pub queue: WorkQueue<K>,
    running: FuturesUnordered<BoxFuture<'static, (K, R)>>,
    limit: usize,
}

impl<K: Ord + Clone + Send + 'static, R: Send + 'static> Workers<K, R> {
    /// At most `limit` at once; failures are retried at most `longest_pause` apart.
    pub fn new(limit: usize, longest_pause: Duration) -> Self {
        Self {
            queue: WorkQueue::new(longest_pause),
            running: FuturesUnordered::new(),
            limit,
        }
    }

    /// Waits for the next thing to happen. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Progress<K, R> {
        loop {
            let free = self.running.len() < self.limit;
            if free && let Some(key) = self.queue.take(Instant::now()) {
                return Progress::Begin(key);
            }
            let due = if free { self.queue.next_due() } else { None };
            tokio::select! {
                Some((key, result)) = self.running.next() => return Progress::Ended(key, result),
                () = sleep_until(due) => {}
            }
        }
    }

    /// Begins work on a key that [`next`](Self::next) gave out.
    pub fn start(&mut self, key: K, work: impl Future<Output = R> + Send + 'static) {
        self.running.push(Box::pin(async move {
            let result = work.await;
            (key, result)
        }));
    }

    /// Ends the work on a key.
    pub fn finish(&mut self, key: &K, outcome: Outcome) {
        self.queue.finish(key, outcome, Instant::now());
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
