//! The store as the API server sees it: a [`Store`] and the [`Keyring`] that seals what goes in.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::rand;
use bytes::Bytes;
use strongroom_encryption::{Keyring, OpenError, Opened, RANDOM_LENGTH};

use crate::error::SealingError;
use crate::store::{Record, Store};

/// A store and the keys to its values. Holds no plaintext: values are opened one by one, for the
/// request that needs them. Clones share everything.
#[derive(Clone)]
pub struct Sealed {
    store: Arc<dyn Store>,
    keyring: Arc<ArcSwap<Keyring>>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed").finish_non_exhaustive()
    }
}

impl Sealed {
    /// Puts a keyring before a store.
    pub fn new(store: Arc<dyn Store>, keyring: Arc<Keyring>) -> Sealed {
        Sealed {
            store,
            keyring: Arc::new(ArcSwap::new(keyring)),
        }
    }

    /// The value to store at `key`.
    ///
    /// # Errors
    /// [`SealingError`]; nothing may be stored then.
    pub fn seal(&self, key: &[u8], plaintext: &[u8]) -> Result<Bytes, SealingError> {
        let mut random = [0; RANDOM_LENGTH];
        rand::fill(&mut random).map_err(|_| SealingError::Random)?;
        Ok(self.keyring.load().seal(key, plaintext, &random)?.into())
    }

    /// The plaintext of a record, wiped when dropped, and whether it should be sealed anew.
    ///
    /// # Errors
    /// [`OpenError`] if the value was not sealed for this key, was changed, or no key fits.
    pub fn open(&self, record: &Record) -> Result<Opened, OpenError> {
        self.keyring.load().open(&record.key, &record.value)
    }

    /// The store beneath, which holds sealed values only.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The keyring in use.
    pub fn keyring(&self) -> Arc<Keyring> {
        self.keyring.load_full()
    }

    /// Takes another keyring into use, at once and for all clones: after a rotation or a change of
    /// the encryption configuration.
    pub fn replace_keyring(&self, keyring: Arc<Keyring>) {
        self.keyring.store(keyring);
    }
}

#[cfg(test)]
mod tests {
    use strongroom_encryption::LocalKey;

    use super::*;
    use crate::memory::Memory;
    use crate::store::Transaction;

    fn keyring(root: u8) -> Arc<Keyring> {
        let service = Arc::new(LocalKey::new(&[root; 32]).expect("key"));
        Arc::new(Keyring::new("local", service, [root; 32], &[1; 12]).expect("keyring"))
    }

    #[tokio::test]
    async fn values_are_sealed_in_the_store_and_opened_for_their_key() {
        let sealed = Sealed::new(Arc::new(Memory::default()), keyring(1));
        let key = Bytes::from_static(b"/registry/secrets/default/a");
        let value = sealed.seal(&key, b"plaintext").expect("seal");
        assert_ne!(
            value,
            sealed.seal(&key, b"plaintext").expect("seal"),
            "fresh randomness"
        );
        sealed
            .store()
            .commit(Transaction::create(key.clone(), value))
            .await
            .expect("commit");
        let record = sealed.store().get(&key).await.expect("get").expect("record");
        assert!(!record.value.windows(9).any(|window| window == b"plaintext"));
        assert_eq!(
            sealed.open(&record).expect("open").plaintext.as_slice(),
            b"plaintext"
        );

        let moved = Record {
            key: Bytes::from_static(b"/registry/secrets/default/b"),
            ..record.clone()
        };
        assert!(
            sealed.open(&moved).is_err(),
            "a value opens only where it was put"
        );
        sealed.clone().replace_keyring(keyring(2));
        assert!(sealed.open(&record).is_err(), "the other keyring is in use");
    }
}
