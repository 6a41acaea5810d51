//! One encoded watch frame shared by all watchers who want the same: a thousand watchers of one change cost one
//! decryption. The frame holds plaintext, so it lives no longer than it takes to answer them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use strongroom_storage::Revision;

use crate::stored::Extent;

/// How long a frame is kept for the watchers that come next.
const LIFETIME: Duration = Duration::from_millis(100);
/// Frames that are kept at most, and their bytes.
const MOST_FRAMES: usize = 1024;
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What a frame shows, and in which form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FrameKey {
    /// Revision of the change.
    pub revision: Revision,
    /// Key that changed.
    pub key: Bytes,
    /// Served group: two groups may show one stored object.
    pub group: &'static str,
    /// How much of the object it shows.
    pub extent: Extent,
    /// Whether the frame is protobuf rather than JSON.
    pub protobuf: bool,
}

/// The latest frames.
#[derive(Default, Clone)]
pub struct RecentFrames(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    frames: HashMap<FrameKey, Bytes>,
    /// The oldest first.
    order: VecDeque<FrameKey>,
    bytes: usize,
}

impl RecentFrames {
    /// The frame of `key`, if somebody has just made it.
    pub fn get(&self, key: &FrameKey) -> Option<Bytes> {
        self.lock().frames.get(key).cloned()
    }

    /// Keeps a frame for a moment.
    pub fn keep(&self, key: FrameKey, frame: Bytes) {
        let mut kept = self.lock();
        if kept.frames.is_empty() {
            let held = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(LIFETIME).await;
                // A new map rather than an emptied one: the allocator wipes what is freed.
                let old = std::mem::take(&mut *held.lock());
                drop(old);
            });
        }
        kept.add(key, frame);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn add(&mut self, key: FrameKey, frame: Bytes) {
        while self.order.len() >= MOST_FRAMES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if let Some(dropped) = self.frames.remove(&oldest) {
                self.bytes -= dropped.len();
            }
        }
        let length = frame.len();
        if self.frames.insert(key.clone(), frame).is_none() {
            self.bytes += length;
            self.order.push_back(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(revision: Revision) -> FrameKey {
        FrameKey {
            revision,
            key: Bytes::from_static(b"/registry/secrets/default/s"),
            group: "",
            extent: Extent::Whole,
            protobuf: false,
        }
    }

    #[tokio::test]
    async fn the_latest_are_kept_and_for_a_moment() {
        let frames = RecentFrames::default();
        let large = Bytes::from(vec![b'x'; MOST_BYTES / 4]);
        for revision in 1..=7 {
            frames.keep(key(revision), large.clone());
            frames.keep(key(revision), large.clone());
        }
        assert!(frames.lock().bytes <= MOST_BYTES + large.len());
        assert_eq!(frames.get(&key(1)), None);
        assert_eq!(frames.get(&key(7)), Some(large));
        for revision in 100..3000 {
            frames.keep(key(revision), Bytes::from_static(b"small"));
        }
        assert_eq!(frames.lock().frames.len(), MOST_FRAMES);
        assert_eq!(frames.get(&key(7)), None);
        assert!(frames.get(&key(2999)).is_some());
        tokio::time::sleep(LIFETIME * 3).await;
        assert_eq!(frames.get(&key(2999)), None);
        assert_eq!(frames.lock().bytes, 0);
    }
}
