//! `k8s:enc:aesgcm:v1:<key name>:` ‖ nonce (12) ‖ ciphertext ‖ tag (16). The storage key is authenticated data.
//!
//! Nonces are random, so one key seals at most 2³² values (NIST SP 800-38D); upstream advises to rotate after
//! 200,000 writes. Strongroom itself writes [`kms_v2`](super::kms_v2), where each value has its own key.

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{KeyringError, OpenError, SealError};

/// Precedes `<key name>:` in the store.
pub const PREFIX: &str = "k8s:enc:aesgcm:v1:";
/// Bytes of nonce before the ciphertext.
pub const NONCE_LENGTH: usize = 12;
/// Bytes of tag behind the ciphertext.
pub const TAG_LENGTH: usize = 16;

/// An AES-GCM key of 128, 192 or 256 bits.
#[derive(Debug)]
pub struct Key(LessSafeKey);

impl Key {
    /// From 16, 24 or 32 bytes.
    ///
    /// # Errors
    /// [`KeyringError::KeyLength`] for any other length.
    pub fn new(bytes: &[u8]) -> Result<Key, KeyringError> {
        let refused = || KeyringError::KeyLength {
            got: bytes.len(),
            expected: &[16, 24, 32],
        };
        let algorithm = match bytes.len() {
            16 => &AES_128_GCM,
            24 => &AES_192_GCM,
            32 => &AES_256_GCM,
            _ => return Err(refused()),
        };
        UnboundKey::new(algorithm, bytes)
            .map(|key| Key(LessSafeKey::new(key)))
            .map_err(|_| refused())
    }
}

/// Appends nonce, ciphertext and tag to `out`.
///
/// # Errors
/// [`SealError::Cipher`]; `out` is unchanged.
pub fn seal(
    key: &Key,
    storage_key: &[u8],
    plaintext: &[u8],
    nonce: &[u8; NONCE_LENGTH],
    out: &mut Vec<u8>,
) -> Result<(), SealError> {
    let start = out.len();
    out.reserve(NONCE_LENGTH + plaintext.len() + TAG_LENGTH);
    out.extend_from_slice(nonce);
    out.resize(start + NONCE_LENGTH + plaintext.len() + TAG_LENGTH, 0);
    let (ciphertext, tag) = out[start + NONCE_LENGTH..].split_at_mut(plaintext.len());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let sealed =
        key.0
            .seal_out_of_place_scatter(nonce, Aad::from(storage_key), plaintext, ciphertext, &[], tag);
    sealed.map_err(|_| {
        out.truncate(start);
        SealError::Cipher
    })
}

/// Opens nonce, ciphertext and tag.
///
/// # Errors
/// [`OpenError::TooShort`], or [`OpenError::NotAuthentic`] when the key, the storage key or any bit differs.
pub fn open(key: &Key, storage_key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, rest) = sealed
        .split_first_chunk::<NONCE_LENGTH>()
        .ok_or(OpenError::TooShort)?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG_LENGTH>().ok_or(OpenError::TooShort)?;
    let mut plaintext = Zeroizing::new(vec![0; ciphertext.len()]);
    let nonce = Nonce::assume_unique_for_key(*nonce);
    match key
        .0
        .open_separate_gather(nonce, Aad::from(storage_key), ciphertext, tag, &mut plaintext)
    {
        Ok(()) => Ok(plaintext),
        Err(_) => {
            // The cipher may have decrypted before it saw the wrong tag.
            plaintext.zeroize();
            Err(OpenError::NotAuthentic)
        }
    }
}
