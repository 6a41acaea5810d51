//! `k8s:enc:secretbox:v1:<key name>:` ‖ nonce (24) ‖ NaCl secretbox: tag (16), then XSalsa20 ciphertext.
//!
//! The value is authentic, its storage key is not: it can be moved. Read to bring data in from a kube-apiserver.

use std::fmt;

use crypto_secretbox::aead::{AeadInPlace, KeyInit};
use crypto_secretbox::{Nonce, Tag, XSalsa20Poly1305};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{KeyringError, OpenError, SealError};

/// Precedes `<key name>:` in the store.
pub const PREFIX: &str = "k8s:enc:secretbox:v1:";
/// Bytes of nonce before the tag.
pub const NONCE_LENGTH: usize = 24;
/// Bytes of tag before the ciphertext.
pub const TAG_LENGTH: usize = 16;

/// An XSalsa20-Poly1305 key; wiped when dropped.
pub struct Key(Box<XSalsa20Poly1305>);

impl Key {
    /// From 32 bytes.
    ///
    /// # Errors
    /// [`KeyringError::KeyLength`] for any other length.
    pub fn new(bytes: &[u8]) -> Result<Key, KeyringError> {
        XSalsa20Poly1305::new_from_slice(bytes)
            .map(|key| Key(Box::new(key)))
            .map_err(|_| KeyringError::KeyLength {
                got: bytes.len(),
                expected: &[32],
            })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Key").finish_non_exhaustive()
    }
}

/// Appends nonce, tag and ciphertext to `out`.
///
/// # Errors
/// [`SealError::Cipher`]; `out` is unchanged.
pub fn seal(
    key: &Key,
    plaintext: &[u8],
    nonce: &[u8; NONCE_LENGTH],
    out: &mut Vec<u8>,
) -> Result<(), SealError> {
    let start = out.len();
    // All at once: a later growth would leave a copy of the plaintext behind.
    out.reserve(NONCE_LENGTH + TAG_LENGTH + plaintext.len());
    out.extend_from_slice(nonce);
    out.resize(start + NONCE_LENGTH + TAG_LENGTH, 0);
    out.extend_from_slice(plaintext);
    let (tag, ciphertext) = out[start + NONCE_LENGTH..].split_at_mut(TAG_LENGTH);
    match key
        .0
        .encrypt_in_place_detached(Nonce::from_slice(nonce), &[], ciphertext)
    {
        Ok(computed) => {
            tag.copy_from_slice(&computed);
            Ok(())
        }
        Err(_) => {
            out[start..].zeroize();
            out.truncate(start);
            Err(SealError::Cipher)
        }
    }
}

/// Opens nonce, tag and ciphertext. The tag is checked before anything is decrypted.
///
/// # Errors
/// [`OpenError::TooShort`], or [`OpenError::NotAuthentic`] when the key or any bit differs.
pub fn open(key: &Key, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, rest) = sealed
        .split_first_chunk::<NONCE_LENGTH>()
        .ok_or(OpenError::TooShort)?;
    let (tag, ciphertext) = rest
        .split_first_chunk::<TAG_LENGTH>()
        .ok_or(OpenError::TooShort)?;
    let mut plaintext = Zeroizing::new(ciphertext.to_vec());
    key.0
        .decrypt_in_place_detached(
            Nonce::from_slice(nonce),
            &[],
            &mut plaintext,
            Tag::from_slice(tag),
        )
        .map_err(|_| OpenError::NotAuthentic)?;
    Ok(plaintext)
}
