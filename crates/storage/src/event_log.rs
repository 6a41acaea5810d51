//! The in-memory window of recent events, and who is to be woken by what.
//!
//! A watcher is a cursor. All watchers of one prefix share a [`Bucket`], which remembers at which
//! revisions something under its prefix changed; so an event costs nothing for the buckets it does
//! not touch, and a watcher that sleeps through a million changes elsewhere still knows that it
//! has missed nothing, however far the window has moved on.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::error::WatchError;
use crate::store::{Change, Event, Revision};

/// Most events of one batch a watch returns, unless a single revision has more.
const BATCH_EVENTS: usize = 1_000;
/// Most bytes of one batch, unless a single revision has more.
const BATCH_BYTES: usize = 4 << 20;

/// Bounds of the in-memory window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowLimits {
    /// Most events kept.
    pub events: usize,
    /// Most bytes of keys and values kept, previous values included.
    pub bytes: usize,
}

impl Default for WindowLimits {
    fn default() -> Self {
        WindowLimits {
            events: 20_000,
            bytes: 16 << 20,
        }
    }
}

/// Where events older than the window come from: the engine.
pub(crate) trait History: Send + Sync {
    /// Events under `prefix` with a revision above `after`, whole revisions only, until the newest
    /// revision or about `limit` events looked at.
    fn events(&self, prefix: &[u8], after: Revision, limit: usize) -> Result<HistoryBatch, WatchError>;
}

/// A stretch of history.
#[derive(Debug, Default)]
pub(crate) struct HistoryBatch {
    /// The events, in order.
    pub events: Vec<Arc<Event>>,
    /// Every event up to this revision has been looked at.
    pub through: Revision,
}

/// What a cursor finds.
#[derive(Debug)]
pub(crate) enum Found {
    /// All events up to `through` (there may be none).
    Events(HistoryBatch),
    /// The window begins behind the cursor.
    Older {
        /// The newest revision of the log, to judge how far behind the cursor is.
        head: Revision,
    },
}

/// All watchers of one prefix.
pub(crate) struct Bucket {
    pub(crate) prefix: Bytes,
    /// Revisions above `complete_after` that touched the prefix. Only locked under the window's
    /// lock; a mutex because collecting holds that for reading.
    touched: Mutex<VecDeque<Revision>>,
    /// `touched` knows every revision above this one.
    complete_after: AtomicU64,
    /// The newest revision that touched the prefix, or may have.
    last: AtomicU64,
    /// Watchers of this prefix; changed under the window's write lock.
    members: AtomicU64,
    changed: Notify,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Bucket {
    fn touch(&self, revision: Revision, window_start: Revision) {
        let mut touched = self.touched.lock().expect("bucket");
        if touched.back() != Some(&revision) {
            touched.push_back(revision);
        }
        while let Some(&first) = touched.front()
            && first <= window_start
        {
            touched.pop_front();
            self.complete_after.store(first, Ordering::Relaxed);
        }
        self.last.store(revision, Ordering::Relaxed);
    }

    pub(crate) fn changed(&self) -> &Notify {
        &self.changed
    }
}

#[derive(Default)]
struct Window {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Every event above this revision and up to `head` is in `events`.
    start: Revision,
    head: Revision,
    buckets: HashMap<Bytes, Arc<Bucket>>,
    /// Lengths of the registered prefixes, with their number: what to look up for a key.
    lengths: BTreeMap<usize, usize>,
    closed: bool,
}

/// The event log of a store.
pub(crate) struct EventLog {
    window: RwLock<Window>,
    limits: WindowLimits,
    watchers: AtomicU64,
    history: Weak<dyn History>,
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Numbers for the status.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowStatus {
    pub events: usize,
    pub bytes: usize,
    pub watchers: usize,
}

impl EventLog {
    /// An empty window behind which `history` knows everything up to `head`.
    pub(crate) fn new(head: Revision, limits: WindowLimits, history: Weak<dyn History>) -> Self {
        let window = Window {
            start: head,
            head,
            ..Window::default()
        };
        EventLog {
            window: RwLock::new(window),
            limits,
            watchers: AtomicU64::new(0),
            history,
        }
    }

    pub(crate) fn history(&self) -> Option<Arc<dyn History>> {
        self.history.upgrade()
    }

    /// Appends events (in revision order, whole revisions) and wakes the watchers they concern.
    pub(crate) fn publish(&self, events: &[Arc<Event>]) {
        let Some(last) = events.last() else { return };
        let mut woken: Vec<Arc<Bucket>> = Vec::new();
        {
            let mut window = self.window.write().expect("event window");
            window.head = last.revision;
            for event in events {
                window.bytes += event_bytes(event);
                window.events.push_back(Arc::clone(event));
            }
            window.trim(&self.limits);
            for event in events {
                window.touch(event, &mut woken);
            }
        }
        woken.sort_unstable_by_key(Arc::as_ptr);
        woken.dedup_by_key(|bucket| Arc::as_ptr(bucket));
        for bucket in woken {
            bucket.changed.notify_waiters();
        }
    }

    /// Joins the bucket of a prefix, which is made if nobody watches that prefix yet.
    pub(crate) fn join(&self, prefix: Bytes) -> Arc<Bucket> {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        let mut window = self.window.write().expect("event window");
        if let Some(bucket) = window.buckets.get(&prefix) {
            bucket.members.fetch_add(1, Ordering::Relaxed);
            return Arc::clone(bucket);
        }
        let bucket = Arc::new(Bucket {
            prefix: prefix.clone(),
            touched: Mutex::default(),
            complete_after: AtomicU64::new(window.head),
            last: AtomicU64::new(window.head),
            members: AtomicU64::new(1),
            changed: Notify::new(),
        });
        *window.lengths.entry(prefix.len()).or_default() += 1;
        window.buckets.insert(prefix, Arc::clone(&bucket));
        bucket
    }

    /// Leaves a bucket; the last watcher to go removes it.
    pub(crate) fn leave(&self, bucket: &Arc<Bucket>) {
        self.watchers.fetch_sub(1, Ordering::Relaxed);
        let mut window = self.window.write().expect("event window");
        if bucket.members.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        window.buckets.remove(&bucket.prefix);
        let length = bucket.prefix.len();
        if let Some(count) = window.lengths.get_mut(&length) {
            *count -= 1;
            if *count == 0 {
                window.lengths.remove(&length);
            }
        }
    }

    /// The next events for a cursor; `None` if there is nothing new for it.
    ///
    /// # Errors
    /// [`WatchError::Closed`].
    pub(crate) fn collect(&self, bucket: &Bucket, cursor: Revision) -> Result<Option<Found>, WatchError> {
        let window = self.window.read().expect("event window");
        if window.closed {
            return Err(WatchError::Closed);
        }
        if bucket.last.load(Ordering::Relaxed) <= cursor {
            return Ok(None);
        }
        let found = if cursor >= bucket.complete_after.load(Ordering::Relaxed) {
            window.collect_touched(bucket, cursor)
        } else if cursor >= window.start {
            Found::Events(window.scan(&bucket.prefix, cursor))
        } else {
            Found::Older { head: window.head }
        };
        Ok(Some(found))
    }

    /// Everything under the bucket's prefix up to this revision has been seen by a cursor.
    pub(crate) fn progress(&self, bucket: &Bucket, cursor: Revision) -> Revision {
        let window = self.window.read().expect("event window");
        let nothing_new = bucket.last.load(Ordering::Relaxed) <= cursor;
        if nothing_new {
            window.head
        } else {
            cursor.min(window.head)
        }
    }

    /// Ends all watches.
    pub(crate) fn close(&self) {
        let mut window = self.window.write().expect("event window");
        window.closed = true;
        for bucket in window.buckets.values() {
            bucket.changed.notify_waiters();
        }
    }

    pub(crate) fn status(&self) -> WindowStatus {
        let window = self.window.read().expect("event window");
        WindowStatus {
            events: window.events.len(),
            bytes: window.bytes,
            watchers: self.watchers.load(Ordering::Relaxed) as usize,
        }
    }
}

impl Window {
    /// Drops the oldest revisions, whole ones, but never the newest.
    fn trim(&mut self, limits: &WindowLimits) {
        while self.events.len() > limits.events || self.bytes > limits.bytes {
            let oldest = match self.events.front() {
                Some(event) if event.revision < self.head => event.revision,
                _ => return,
            };
            while let Some(event) = self.events.front()
                && event.revision == oldest
            {
                self.bytes -= event_bytes(event);
                self.events.pop_front();
            }
            self.start = oldest;
        }
    }

    fn touch(&self, event: &Event, woken: &mut Vec<Arc<Bucket>>) {
        for &length in self.lengths.keys() {
            let Some(prefix) = event.key.get(..length) else {
                return;
            };
            if let Some(bucket) = self.buckets.get(prefix) {
                bucket.touch(event.revision, self.start);
                woken.push(Arc::clone(bucket));
            }
        }
    }

    fn position(&self, after: Revision) -> usize {
        self.events.partition_point(|event| event.revision <= after)
    }

    /// Takes the revisions the bucket knows of.
    fn collect_touched(&self, bucket: &Bucket, cursor: Revision) -> Found {
        let touched = bucket.touched.lock().expect("bucket");
        let first = touched.partition_point(|revision| *revision <= cursor);
        if touched.get(first).is_some_and(|revision| *revision <= self.start) {
            return Found::Older { head: self.head };
        }
        let mut batch = Batch::default();
        for &revision in touched.range(first..) {
            let events = self.events.range(self.position(revision - 1)..);
            let events = events.take_while(|event| event.revision == revision);
            batch.add(events.filter(|event| event.key.starts_with(&bucket.prefix)));
            if batch.is_full() {
                return Found::Events(HistoryBatch {
                    events: batch.events,
                    through: revision,
                });
            }
        }
        Found::Events(HistoryBatch {
            events: batch.events,
            through: self.head,
        })
    }

    /// Looks through all events behind the cursor.
    fn scan(&self, prefix: &[u8], cursor: Revision) -> HistoryBatch {
        let mut batch = Batch::default();
        let mut through = cursor;
        for event in self.events.range(self.position(cursor)..) {
            if event.revision != through && batch.is_full() {
                return HistoryBatch {
                    events: batch.events,
                    through,
                };
            }
            through = event.revision;
            if event.key.starts_with(prefix) {
                batch.add(std::iter::once(event));
            }
        }
        HistoryBatch {
            events: batch.events,
            through: self.head,
        }
    }
}

#[derive(Default)]
struct Batch {
    events: Vec<Arc<Event>>,
    bytes: usize,
}

impl Batch {
    fn add<'a>(&mut self, events: impl Iterator<Item = &'a Arc<Event>>) {
        for event in events {
            self.bytes += event_bytes(event);
            self.events.push(Arc::clone(event));
        }
    }

    fn is_full(&self) -> bool {
        self.events.len() >= BATCH_EVENTS || self.bytes >= BATCH_BYTES
    }
}

/// What an event holds on to: its key and its values.
pub(crate) fn event_bytes(event: &Event) -> usize {
    let value = match &event.change {
        Change::Put(record) => record.value.len(),
        Change::Delete => 0,
    };
    let previous = event.previous.as_ref().map_or(0, |record| record.value.len());
    // The event itself, its Arc and its place in the window.
    160 + event.key.len() + value + previous
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Watch;

    struct Nothing;

    impl History for Nothing {
        fn events(&self, _: &[u8], _: Revision, _: usize) -> Result<HistoryBatch, WatchError> {
            panic!("nobody is behind the window")
        }
    }

    fn log() -> Arc<EventLog> {
        let history: Arc<dyn History> = Arc::new(Nothing);
        Arc::new(EventLog::new(
            0,
            WindowLimits::default(),
            Arc::downgrade(&history),
        ))
    }

    fn deletion(revision: Revision, key: String) -> Arc<Event> {
        Arc::new(Event {
            revision,
            key: key.into(),
            change: Change::Delete,
            previous: None,
        })
    }

    #[test]
    fn an_idle_watcher_is_small() {
        let registered = size_of::<Bytes>() + size_of::<Arc<Bucket>>() + 16;
        let bytes = size_of::<Watch>() + size_of::<Bucket>() + registered;
        assert!(bytes <= 300, "{bytes} bytes");
    }

    #[test]
    fn buckets_go_with_their_last_watcher() {
        let log = log();
        let watches: Vec<Watch> = (0..6)
            .map(|name| Watch::new(Arc::clone(&log), format!("/{}", name / 2).into(), 0))
            .collect();
        assert_eq!(log.window.read().unwrap().buckets.len(), 3);
        assert_eq!(log.status().watchers, 6);
        drop(watches);
        let window = log.window.read().unwrap();
        assert!(window.buckets.is_empty() && window.lengths.is_empty());
    }

    /// An event costs what it concerns, not what is watched.
    #[tokio::test]
    async fn only_the_watchers_concerned_are_woken() {
        let log = log();
        let woken = Arc::new(AtomicU64::new(0));
        for name in 0..1_000 {
            let mut watch = Watch::new(Arc::clone(&log), format!("/s/ns/{name}").into(), 0);
            let woken = Arc::clone(&woken);
            tokio::spawn(async move {
                while watch.next().await.is_ok() {
                    woken.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        // `/s/ns/7` and `/s/ns/77`, but not `/s/ns/777` or `/s/ns/8`.
        log.publish(&[deletion(1, "/s/ns/77".into())]);
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(woken.load(Ordering::Relaxed), 2);
    }
}
