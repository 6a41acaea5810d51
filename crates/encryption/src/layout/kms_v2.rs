//! `k8s:enc:kms:v2:<provider name>:` ‖ protobuf [`EncryptedObject`] (§3.1). The storage key is authenticated data.
//!
//! Written: type 1, where each value has a key of its own, derived from a seed and 32 random bytes; however many
//! values are written, no nonce repeats under one key. Read: type 0 too, where the data key is used directly.

pub(crate) mod encrypted_object;

pub use encrypted_object::{EncryptedObject, MalformedObject, SourceType};

use std::fmt;

use zeroize::Zeroizing;

use crate::error::{KeyringError, OpenError, SealError};
use crate::hkdf::PseudorandomKey;
use crate::layout::aesgcm;

/// Precedes `<provider name>:` in the store.
pub const PREFIX: &str = "k8s:enc:kms:v2:";
/// Random bytes that a value's key is derived from; they stand before the nonce.
pub const INFO_LENGTH: usize = 32;
/// Bytes of a seed (type 1) or data key (type 0).
pub const DATA_KEY_LENGTH: usize = 32;

/// What an unwrapped `encryptedDEKSource` is: 32 bytes, used according to its type.
pub enum DataKey {
    /// Type 0: the AES-256-GCM key of every value that names it.
    Key(aesgcm::Key),
    /// Type 1: the keys of values are derived from it.
    Seed(Seed),
}

/// The seed of type 1.
pub struct Seed(PseudorandomKey);

impl Seed {
    /// From 32 uniformly random bytes. Wipe them afterwards; the seed keeps none of them.
    pub fn new(bytes: &[u8; DATA_KEY_LENGTH]) -> Seed {
        Seed(PseudorandomKey::new(bytes))
    }

    /// HKDF-Expand(SHA-256, seed, info, 32), without Extract.
    fn derive(&self, info: &[u8; INFO_LENGTH]) -> Zeroizing<[u8; DATA_KEY_LENGTH]> {
        self.0.expand(&[info])
    }

    fn value_key(&self, info: &[u8; INFO_LENGTH]) -> Option<aesgcm::Key> {
        aesgcm::Key::new(&*self.derive(info)).ok()
    }
}

impl DataKey {
    /// The unwrapped source of a value, to be used according to the value's type.
    ///
    /// # Errors
    /// [`KeyringError::KeyLength`] unless it has 32 bytes.
    pub fn new(source_type: SourceType, bytes: &[u8]) -> Result<DataKey, KeyringError> {
        let bytes: &[u8; DATA_KEY_LENGTH] = bytes.try_into().map_err(|_| KeyringError::KeyLength {
            got: bytes.len(),
            expected: &[DATA_KEY_LENGTH],
        })?;
        match source_type {
            SourceType::Key => aesgcm::Key::new(bytes).map(DataKey::Key),
            SourceType::Seed => Ok(DataKey::Seed(Seed::new(bytes))),
        }
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Seed").finish_non_exhaustive()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            DataKey::Key(_) => "DataKey::Key(..)",
            DataKey::Seed(_) => "DataKey::Seed(..)",
        })
    }
}

/// Appends the `encryptedData` of type 1 to `out`: info ‖ nonce ‖ ciphertext ‖ tag.
///
/// # Errors
/// [`SealError::Cipher`]; `out` is unchanged.
pub fn seal_data(
    seed: &Seed,
    storage_key: &[u8],
    plaintext: &[u8],
    info: &[u8; INFO_LENGTH],
    nonce: &[u8; aesgcm::NONCE_LENGTH],
    out: &mut Vec<u8>,
) -> Result<(), SealError> {
    let start = out.len();
    let key = seed.value_key(info).ok_or(SealError::Cipher)?;
    out.reserve(sealed_length(plaintext.len()));
    out.extend_from_slice(info);
    aesgcm::seal(&key, storage_key, plaintext, nonce, out).inspect_err(|_| out.truncate(start))
}

/// The length of the `encryptedData` of type 1 for a plaintext of `plaintext_length` bytes.
pub fn sealed_length(plaintext_length: usize) -> usize {
    INFO_LENGTH + aesgcm::NONCE_LENGTH + plaintext_length + aesgcm::TAG_LENGTH
}

/// Opens the `encryptedData` of either type.
///
/// # Errors
/// [`OpenError::TooShort`], or [`OpenError::NotAuthentic`] when the key, the storage key or any bit differs.
pub fn open_data(key: &DataKey, storage_key: &[u8], data: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    match key {
        DataKey::Key(key) => aesgcm::open(key, storage_key, data),
        DataKey::Seed(seed) => {
            let (info, sealed) = data
                .split_first_chunk::<INFO_LENGTH>()
                .ok_or(OpenError::TooShort)?;
            let key = seed.value_key(info).ok_or(OpenError::NotAuthentic)?;
            aesgcm::open(&key, storage_key, sealed)
        }
    }
}

#[cfg(test)]
mod tests;
