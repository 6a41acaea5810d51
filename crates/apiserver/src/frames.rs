//! One encoded watch frame shared by all watchers who want the same: a thousand watchers of one change cost one
//! decryption. The frame holds plaintext, so it lives no longer than it takes to answer them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use strongroom_storage::Revision;

use crate::stored::Extent;

/// How long a frame is kept for the watchers that come next.
const LIFETIME: Duration = Duration::from_millis(100);

/// What a frame shows, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
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
pub struct RecentFrames(Arc<Mutex<Vec<(FrameKey, Bytes)>>>);

impl RecentFrames {
    /// The frame of `key`, if somebody has just made it.
    pub fn get(&self, key: &FrameKey) -> Option<Bytes> {
        let frames = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        frames
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, frame)| frame.clone())
    }

    /// Keeps a frame for a moment.
    pub fn keep(&self, key: FrameKey, frame: Bytes) {
        const MOST: usize = 16;
        let mut frames = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if frames.is_empty() {
            let held = Arc::clone(&self.0);
            tokio::spawn(async move {
                tokio::time::sleep(LIFETIME).await;
                // A new list rather than an emptied one: the allocator wipes what is freed.
                drop(std::mem::take(
                    &mut *held.lock().unwrap_or_else(PoisonError::into_inner),
                ));
            });
        }
        if frames.len() == MOST {
            frames.remove(0);
        }
        frames.push((key, frame));
    }
}
