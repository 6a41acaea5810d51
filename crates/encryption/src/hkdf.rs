//! HKDF-Expand with SHA-256 (RFC 5869 §2.3) for outputs of exactly one block, without the Extract step: the keys it
//! starts from are uniformly random already.

use std::fmt;

use aws_lc_rs::hmac;
use zeroize::{Zeroize, Zeroizing};

/// What all derived keys measure, in bytes.
pub(crate) const KEY_LENGTH: usize = 32;

/// A key that other keys are derived from, as a prepared HMAC state: deriving costs two compressions of SHA-256
/// instead of four, and the key itself is in no memory any more. Boxed, so that moving it leaves no copies.
pub(crate) struct PseudorandomKey(Box<hmac::Key>);

impl PseudorandomKey {
    pub(crate) fn new(key: &[u8]) -> PseudorandomKey {
        PseudorandomKey(Box::new(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// The first and only block: HMAC(key, info ‖ 0x01).
    pub(crate) fn expand(&self, info: &[&[u8]]) -> Zeroizing<[u8; KEY_LENGTH]> {
        let mut context = hmac::Context::with_key(&self.0);
        for part in info {
            context.update(part);
        }
        context.update(&[1]);
        let mut block = [0u8; KEY_LENGTH];
        block.copy_from_slice(context.sign().as_ref());
        let key = Zeroizing::new(block);
        block.zeroize();
        key
    }
}

impl fmt::Debug for PseudorandomKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PseudorandomKey").finish_non_exhaustive()
    }
}
