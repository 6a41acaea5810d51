use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{KeyringError, OpenError, SealError};
use crate::key_service::KeyService;
use crate::kms_provider::KmsProvider;
use crate::layout::ENCRYPTED_PREFIX;
use crate::provider::Provider;
use crate::record_key::RecordKey;
use crate::transformer::{Opened, PrefixTransformers, Prefixed, RANDOM_LENGTH, Transformer};

/// Names the purpose of the key behind [`Keyring::record_key`]; changing it makes every store unreadable.
const RECORD_KEY_LABEL: &str = "record key v1";

/// May values without encryption be in the store?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plaintext {
    /// Never: an unencrypted value was put there around the encryption, and is refused.
    Refuse,
    /// They are read, and encrypted when they are written next: while encryption is introduced.
    Read,
    /// They are read and written: someone chose to end encryption.
    Write,
}

/// Seals values for the store and opens them.
///
/// The first provider writes. For reading, all providers whose prefix matches are tried in order, and the first
/// success wins (§2.1). Cheap to share behind an `Arc`; opening and sealing take `&self`.
pub struct Keyring {
    transformers: PrefixTransformers,
    record_key: RecordKey,
    accepts_plaintext: bool,
}

impl Keyring {
    /// The default: one KMS v2 provider over `service`, which refuses everything that it did not seal.
    ///
    /// `seed` is 32 fresh random bytes, from which the key of every value written by this keyring is derived; wipe
    /// the caller's copy. `random` serves to wrap the seed.
    ///
    /// # Errors
    /// When the provider name cannot be part of a prefix, or the key service fails.
    pub fn new(
        provider_name: &str,
        service: Arc<dyn KeyService>,
        seed: [u8; 32],
        random: &[u8; 12],
    ) -> Result<Keyring, KeyringError> {
        let seed = Zeroizing::new(seed);
        let record_key = Keyring::record_key_from(&*service)?;
        let provider = KmsProvider::new(provider_name, service, *seed, random)?;
        Keyring::from_providers(vec![Provider::Kms(provider)], record_key, Plaintext::Refuse)
    }

    /// Providers in the order of an `EncryptionConfiguration`.
    ///
    /// # Errors
    /// When there is no provider, a key or name is unusable, or identity stands where `plaintext` does not allow it.
    pub fn from_providers(
        providers: Vec<Provider>,
        record_key: RecordKey,
        plaintext: Plaintext,
    ) -> Result<Keyring, KeyringError> {
        let is_identity = |provider: &Provider| matches!(provider, Provider::Identity);
        let accepts_plaintext = providers.iter().any(is_identity);
        if providers.first().is_some_and(is_identity) && plaintext < Plaintext::Write {
            return Err(KeyringError::WritesPlaintext);
        }
        if accepts_plaintext && plaintext < Plaintext::Read {
            return Err(KeyringError::ReadsPlaintext);
        }
        let mut pairs = providers.into_iter().map(Provider::into_prefixed);
        let first = pairs.next().ok_or(KeyringError::Missing("providers"))??;
        let others = pairs.collect::<Result<_, _>>()?;
        let transformers = PrefixTransformers::new(first, others, OpenError::NoMatchingPrefix);
        Ok(Keyring {
            transformers,
            record_key,
            accepts_plaintext,
        })
    }

    /// The record key that belongs to a key service: the one [`Keyring::new`] uses.
    ///
    /// # Errors
    /// When the key service fails.
    pub fn record_key_from(service: &dyn KeyService) -> Result<RecordKey, KeyringError> {
        Ok(RecordKey::new(&*service.derive(RECORD_KEY_LABEL)?))
    }

    /// This keyring, reading one provider more, after all others: for values that another server wrote.
    ///
    /// # Errors
    /// When a key or name is unusable, or the provider is identity ([`Keyring::accepting_plaintext`] is for that).
    pub fn also_reading(mut self, provider: Provider) -> Result<Keyring, KeyringError> {
        if matches!(provider, Provider::Identity) {
            return Err(KeyringError::ReadsPlaintext);
        }
        self.transformers.push(provider.into_prefixed()?);
        Ok(self)
    }

    /// This keyring, accepting unencrypted values for reading: while a store that has some is being encrypted.
    pub fn accepting_plaintext(mut self) -> Keyring {
        if !self.accepts_plaintext {
            self.transformers.push(Prefixed::identity());
            self.accepts_plaintext = true;
        }
        self
    }

    /// Whether unencrypted values are read.
    pub fn accepts_plaintext(&self) -> bool {
        self.accepts_plaintext
    }

    /// Authenticates the store's own records; the same after every restart with the same root key.
    pub fn record_key(&self) -> RecordKey {
        self.record_key.clone()
    }

    /// Seals a value for the place `storage_key` (the full etcd key). `random` must never be used again.
    ///
    /// # Errors
    /// [`SealError`]; nothing may be stored then.
    pub fn seal(
        &self,
        storage_key: &[u8],
        plaintext: &[u8],
        random: &[u8; RANDOM_LENGTH],
    ) -> Result<Vec<u8>, SealError> {
        let mut sealed = Vec::with_capacity(plaintext.len() + self.transformers.overhead());
        self.transformers
            .seal(storage_key, plaintext, random, &mut sealed)?;
        Ok(sealed)
    }

    /// Opens the value found at `storage_key`.
    ///
    /// # Errors
    /// When the value was changed, moved from another key (layouts that authenticate it), sealed with a key that is
    /// not here, or not sealed at all. Nothing of the plaintext is left in memory then.
    pub fn open(&self, storage_key: &[u8], sealed: &[u8]) -> Result<Opened, OpenError> {
        self.transformers
            .open(storage_key, sealed)
            .map_err(|failure| match failure {
                OpenError::NoMatchingPrefix if !sealed.starts_with(ENCRYPTED_PREFIX) => {
                    OpenError::PlaintextRefused
                }
                failure => failure,
            })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Keyring")
            .field("transformers", &self.transformers)
            .field("accepts_plaintext", &self.accepts_plaintext)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
