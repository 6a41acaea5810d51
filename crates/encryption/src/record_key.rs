use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;

/// Authenticates records of the store itself (positions, checkpoints), which are not sealed values.
///
/// HMAC-SHA256 with a key derived from the root key: stable across restarts, wiped when dropped.
#[derive(Clone)]
pub struct RecordKey(Arc<hmac::Key>);

impl RecordKey {
    /// From 32 bytes that serve no other purpose.
    pub fn new(key: &[u8; 32]) -> RecordKey {
        RecordKey(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// The tag over `parts`. Each part is preceded by its length, so that moving bytes from one part to the next
    /// changes the tag.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0u8; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    /// Whether `tag` is the tag over `parts`; takes the same time wherever they differ.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.tag(parts), tag).is_ok()
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RecordKey").finish_non_exhaustive()
    }
}
