use std::fmt;

use zeroize::Zeroizing;

use crate::error::{KeyringError, OpenError, SealError};
use crate::kms_provider::KmsProvider;
use crate::layout::{aescbc, aesgcm, secretbox};
use crate::transformer::{Opened, PrefixTransformers, Prefixed, RANDOM_LENGTH, Transformer};

/// One provider of an `EncryptionConfiguration` (§1).
#[derive(Debug)]
pub enum Provider {
    /// AES-CBC, keys of 16, 24 or 32 bytes; the first one writes.
    Aescbc(Vec<NamedKey>),
    /// AES-GCM, keys of 16, 24 or 32 bytes; the first one writes.
    Aesgcm(Vec<NamedKey>),
    /// XSalsa20-Poly1305, keys of 32 bytes; the first one writes.
    Secretbox(Vec<NamedKey>),
    /// KMS v2.
    Kms(KmsProvider),
    /// No encryption.
    Identity,
}

/// A key of a provider that holds its keys itself.
pub struct NamedKey {
    /// Part of the stored prefix; not empty, no colon.
    pub name: String,
    /// The key's bytes, no longer in base64.
    pub secret: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for NamedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NamedKey")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Provider {
    pub(crate) fn into_prefixed(self) -> Result<Prefixed, KeyringError> {
        match self {
            Provider::Aescbc(keys) => key_list(aescbc::PREFIX, keys, "AES", |key| {
                Ok(Aescbc(aescbc::Key::new(key)?))
            }),
            Provider::Aesgcm(keys) => key_list(aesgcm::PREFIX, keys, "AES", |key| {
                Ok(Aesgcm(aesgcm::Key::new(key)?))
            }),
            Provider::Secretbox(keys) => key_list(secretbox::PREFIX, keys, "Secretbox", |key| {
                Ok(Secretbox(secretbox::Key::new(key)?))
            }),
            Provider::Kms(provider) => Ok(Prefixed {
                prefix: provider.prefix(),
                transformer: Box::new(provider),
            }),
            Provider::Identity => Ok(Prefixed::identity()),
        }
    }
}

/// The keys of one provider: pairs again, told apart by `<key name>:`.
fn key_list<T: Transformer + 'static>(
    prefix: &str,
    keys: Vec<NamedKey>,
    cipher: &'static str,
    transformer: impl Fn(&[u8]) -> Result<T, KeyringError>,
) -> Result<Prefixed, KeyringError> {
    let mut pairs = Vec::with_capacity(keys.len());
    for NamedKey { name, secret } in keys {
        if name.is_empty() || name.contains(':') {
            return Err(KeyringError::InvalidName(name));
        }
        let prefix = format!("{name}:").into_bytes();
        pairs.push(Prefixed {
            prefix,
            transformer: Box::new(transformer(&secret)?),
        });
    }
    let mut pairs = pairs.into_iter();
    let first = pairs.next().ok_or(KeyringError::Missing("keys"))?;
    let list = PrefixTransformers::new(first, pairs.collect(), OpenError::NoMatchingKey(cipher));
    Ok(Prefixed {
        prefix: prefix.as_bytes().to_vec(),
        transformer: Box::new(list),
    })
}

#[derive(Debug)]
struct Aescbc(aescbc::Key);

impl Transformer for Aescbc {
    fn seal(
        &self,
        _storage_key: &[u8],
        plaintext: &[u8],
        random: &[u8; RANDOM_LENGTH],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        aescbc::seal(&self.0, plaintext, first_bytes(random)?, out)
    }

    fn open(&self, _storage_key: &[u8], sealed: &[u8]) -> Result<Opened, OpenError> {
        aescbc::open(&self.0, sealed).map(up_to_date)
    }

    fn overhead(&self) -> usize {
        2 * aescbc::IV_LENGTH
    }
}

#[derive(Debug)]
struct Aesgcm(aesgcm::Key);

impl Transformer for Aesgcm {
    fn seal(
        &self,
        storage_key: &[u8],
        plaintext: &[u8],
        random: &[u8; RANDOM_LENGTH],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        aesgcm::seal(&self.0, storage_key, plaintext, first_bytes(random)?, out)
    }

    fn open(&self, storage_key: &[u8], sealed: &[u8]) -> Result<Opened, OpenError> {
        aesgcm::open(&self.0, storage_key, sealed).map(up_to_date)
    }

    fn overhead(&self) -> usize {
        aesgcm::NONCE_LENGTH + aesgcm::TAG_LENGTH
    }
}

#[derive(Debug)]
struct Secretbox(secretbox::Key);

impl Transformer for Secretbox {
    fn seal(
        &self,
        _storage_key: &[u8],
        plaintext: &[u8],
        random: &[u8; RANDOM_LENGTH],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        secretbox::seal(&self.0, plaintext, first_bytes(random)?, out)
    }

    fn open(&self, _storage_key: &[u8], sealed: &[u8]) -> Result<Opened, OpenError> {
        secretbox::open(&self.0, sealed).map(up_to_date)
    }

    fn overhead(&self) -> usize {
        secretbox::NONCE_LENGTH + secretbox::TAG_LENGTH
    }
}

fn up_to_date(plaintext: Zeroizing<Vec<u8>>) -> Opened {
    Opened {
        plaintext,
        stale: false,
    }
}

fn first_bytes<const N: usize>(random: &[u8; RANDOM_LENGTH]) -> Result<&[u8; N], SealError> {
    random.first_chunk().ok_or(SealError::Cipher)
}
