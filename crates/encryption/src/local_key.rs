use std::collections::BTreeMap;
use std::fmt;

use strongroom_hardening::{LockedBytes, Shortfall, wipe_stack};
use zeroize::Zeroizing;

use crate::error::KeyServiceError;
use crate::hex;
use crate::hkdf::{KEY_LENGTH, PseudorandomKey};
use crate::key_service::{KeyService, WrappedKey};
use crate::layout::aesgcm;
use crate::passphrase::{PassphraseCost, PassphraseParameters, SALT_LENGTH, stretch};

/// Separates everything derived here from whatever else the same 32 bytes might ever be used for.
const DOMAIN: &[u8] = b"strongroom.dev/local-key/v1/";
/// Bytes of the hash that make the key id.
const KEY_ID_LENGTH: usize = 16;

/// A root key of 32 bytes in this process.
///
/// The key itself only derives other keys: one that wraps data keys (AES-256-GCM), one hash that is the key id, and
/// those of [`KeyService::derive`]. It stays in locked memory; each use copies it nowhere that is not wiped.
pub struct LocalKey {
    root: LockedBytes,
    key_id: String,
    origin: Origin,
}

#[derive(Clone, Copy)]
enum Origin {
    Bytes,
    Passphrase,
}

/// What a derived key is for. The byte strings are part of the stored format.
enum Purpose<'a> {
    Wrapping,
    KeyId,
    Verifier,
    Label(&'a str),
}

impl LocalKey {
    /// From 32 uniformly random bytes, which the caller wipes afterwards.
    ///
    /// # Errors
    /// When there is no memory to keep the key in.
    pub fn new(root: &[u8; 32]) -> Result<LocalKey, KeyServiceError> {
        LocalKey::with_origin(root, Origin::Bytes)
    }

    /// A new root key from a passphrase. Store the parameters (they are not secret): without them the passphrase
    /// does not give the same key again. `salt` is 16 fresh random bytes.
    ///
    /// Takes as long as `cost` says, and its memory: call it off the request path.
    ///
    /// # Errors
    /// When the cost is out of range, or there is no memory to keep the key in.
    pub fn new_from_passphrase(
        passphrase: &[u8],
        cost: PassphraseCost,
        salt: [u8; SALT_LENGTH],
    ) -> Result<(LocalKey, PassphraseParameters), KeyServiceError> {
        let key = LocalKey::with_origin(&*stretch(passphrase, cost, &salt)?, Origin::Passphrase)?;
        let verifier = *key.derive_for(Purpose::Verifier);
        Ok((key, PassphraseParameters { cost, salt, verifier }))
    }

    /// The root key that `passphrase` gave with these parameters before.
    ///
    /// # Errors
    /// [`KeyServiceError::WrongPassphrase`] when it is another one; otherwise as
    /// [`LocalKey::new_from_passphrase`].
    pub fn from_passphrase(
        passphrase: &[u8],
        parameters: &PassphraseParameters,
    ) -> Result<LocalKey, KeyServiceError> {
        let stretched = stretch(passphrase, parameters.cost, &parameters.salt)?;
        let key = LocalKey::with_origin(&stretched, Origin::Passphrase)?;
        let verifier = key.derive_for(Purpose::Verifier);
        aws_lc_rs::constant_time::verify_slices_are_equal(&*verifier, &parameters.verifier)
            .map_err(|_| KeyServiceError::WrongPassphrase)?;
        Ok(key)
    }

    /// Protections of the key's memory that this machine refused, to be logged once.
    pub fn shortfalls(&self) -> &[Shortfall] {
        self.root.shortfalls()
    }

    fn with_origin(root: &[u8; 32], origin: Origin) -> Result<LocalKey, KeyServiceError> {
        let root = LockedBytes::copy_of(root).map_err(KeyServiceError::Memory)?;
        let mut key = LocalKey {
            root,
            key_id: String::new(),
            origin,
        };
        key.key_id = hex::encode(&key.derive_for(Purpose::KeyId)[..KEY_ID_LENGTH]);
        Ok(key)
    }

    fn derive_for(&self, purpose: Purpose<'_>) -> Zeroizing<[u8; KEY_LENGTH]> {
        let (purpose, label) = match purpose {
            Purpose::Wrapping => ("wrapping", ""),
            Purpose::KeyId => ("key-id", ""),
            Purpose::Verifier => ("passphrase-verifier", ""),
            Purpose::Label(label) => ("label/", label),
        };
        let derived =
            PseudorandomKey::new(&self.root).expand(&[DOMAIN, purpose.as_bytes(), label.as_bytes()]);
        wipe_stack();
        derived
    }

    fn wrapping_key(&self) -> Result<aesgcm::Key, KeyServiceError> {
        aesgcm::Key::new(&*self.derive_for(Purpose::Wrapping)).map_err(|_| KeyServiceError::Cipher)
    }

    fn authenticated_data(&self) -> Vec<u8> {
        [DOMAIN, b"wrapped/", self.key_id.as_bytes()].concat()
    }
}

impl KeyService for LocalKey {
    fn key_id(&self) -> &str {
        &self.key_id
    }

    /// nonce (12) ‖ ciphertext ‖ tag (16). A keyring wraps one seed per start, far below what random nonces allow.
    fn wrap(&self, data_key: &[u8], random: &[u8; 12]) -> Result<WrappedKey, KeyServiceError> {
        let mut ciphertext = Vec::new();
        aesgcm::seal(
            &self.wrapping_key()?,
            &self.authenticated_data(),
            data_key,
            random,
            &mut ciphertext,
        )
        .map_err(|_| KeyServiceError::Cipher)?;
        Ok(WrappedKey {
            key_id: self.key_id.clone(),
            ciphertext,
            annotations: BTreeMap::new(),
        })
    }

    fn unwrap(&self, wrapped: &WrappedKey) -> Result<Zeroizing<Vec<u8>>, KeyServiceError> {
        if wrapped.key_id != self.key_id {
            return Err(KeyServiceError::UnknownKey {
                key_id: wrapped.key_id.clone(),
            });
        }
        // This service writes none, so these would be bytes that nothing authenticates.
        if !wrapped.annotations.is_empty() {
            return Err(KeyServiceError::NotAuthentic);
        }
        aesgcm::open(
            &self.wrapping_key()?,
            &self.authenticated_data(),
            &wrapped.ciphertext,
        )
        .map_err(|_| KeyServiceError::NotAuthentic)
    }

    fn derive(&self, label: &str) -> Result<Zeroizing<[u8; 32]>, KeyServiceError> {
        Ok(self.derive_for(Purpose::Label(label)))
    }

    fn describe(&self) -> String {
        match self.origin {
            Origin::Bytes => {
                "root key read from this machine: protects copies of the store (backups, disks, etcd members) that \
                 do not include the key; not against whoever can read the key's file too"
            }
            Origin::Passphrase => {
                "root key derived from a passphrase: protects everything stored, as well as the passphrase resists \
                 guessing; not against whoever learns the passphrase or controls the running process"
            }
        }
        .to_owned()
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LocalKey")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
