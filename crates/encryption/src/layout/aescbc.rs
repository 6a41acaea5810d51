//! `k8s:enc:aescbc:v1:<key name>:` ‖ IV (16) ‖ AES-CBC(PKCS#7(value)). Nothing is authenticated.
//!
//! A value can be moved to another storage key, and changed bits go unnoticed more often than not. It is read to
//! bring data in from a kube-apiserver; nothing should be kept in it.

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
    UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{KeyringError, OpenError, SealError};

/// Precedes `<key name>:` in the store.
pub const PREFIX: &str = "k8s:enc:aescbc:v1:";
/// Bytes of initialisation vector before the ciphertext.
pub const IV_LENGTH: usize = 16;
const BLOCK_LENGTH: usize = 16;

/// An AES-CBC key of 128, 192 or 256 bits.
#[derive(Debug)]
pub struct Key {
    encrypting: EncryptingKey,
    decrypting: DecryptingKey,
}

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
            16 => &AES_128,
            24 => &AES_192,
            32 => &AES_256,
            _ => return Err(refused()),
        };
        Key::for_algorithm(algorithm, bytes).map_err(|_| refused())
    }

    fn for_algorithm(algorithm: &'static Algorithm, bytes: &[u8]) -> Result<Key, Unspecified> {
        Ok(Key {
            encrypting: EncryptingKey::cbc(UnboundCipherKey::new(algorithm, bytes)?)?,
            decrypting: DecryptingKey::cbc(UnboundCipherKey::new(algorithm, bytes)?)?,
        })
    }
}

/// Appends IV and padded ciphertext to `out`.
///
/// # Errors
/// [`SealError::Cipher`]; `out` is unchanged.
pub fn seal(
    key: &Key,
    plaintext: &[u8],
    initialisation_vector: &[u8; IV_LENGTH],
    out: &mut Vec<u8>,
) -> Result<(), SealError> {
    let start = out.len();
    let padding = BLOCK_LENGTH - plaintext.len() % BLOCK_LENGTH;
    // All at once: a later growth would leave a copy of the plaintext behind.
    out.reserve(IV_LENGTH + plaintext.len() + padding);
    out.extend_from_slice(initialisation_vector);
    out.extend_from_slice(plaintext);
    out.resize(out.len() + padding, padding as u8);
    let context = EncryptionContext::Iv128(FixedLength::from(initialisation_vector));
    match key
        .encrypting
        .less_safe_encrypt(&mut out[start + IV_LENGTH..], context)
    {
        Ok(_) => Ok(()),
        Err(_) => {
            out[start..].zeroize();
            out.truncate(start);
            Err(SealError::Cipher)
        }
    }
}

/// Opens IV and padded ciphertext.
///
/// # Errors
/// [`OpenError::TooShort`], or [`OpenError::NotAuthentic`] for anything else: one error for all, so that the
/// padding cannot be guessed from the answers.
pub fn open(key: &Key, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (initialisation_vector, ciphertext) = sealed
        .split_first_chunk::<IV_LENGTH>()
        .ok_or(OpenError::TooShort)?;
    if ciphertext.is_empty() {
        return Err(OpenError::TooShort);
    }
    let mut plaintext = Zeroizing::new(ciphertext.to_vec());
    let context = DecryptionContext::Iv128(FixedLength::from(initialisation_vector));
    key.decrypting
        .decrypt(&mut plaintext, context)
        .map_err(|_| OpenError::NotAuthentic)?;
    let length = unpadded_length(&plaintext).ok_or(OpenError::NotAuthentic)?;
    plaintext[length..].zeroize();
    plaintext.truncate(length);
    Ok(plaintext)
}

fn unpadded_length(padded: &[u8]) -> Option<usize> {
    let padding = usize::from(*padded.last()?);
    let length = padded.len().checked_sub(padding)?;
    let valid =
        (1..=BLOCK_LENGTH).contains(&padding) && padded[length..].iter().all(|b| usize::from(*b) == padding);
    valid.then_some(length)
}
