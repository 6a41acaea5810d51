use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroize;

use crate::error::{KeyServiceError, KeyringError, OpenError, SealError};
use crate::key_service::{KeyService, WrappedKey};
use crate::layout::kms_v2::{self, DataKey, EncryptedObject, Seed, SourceType, encrypted_object};
use crate::transformer::{Opened, RANDOM_LENGTH, Transformer};

/// A KMS v2 provider: one seed of its own for writing, and every data key its key service can unwrap for reading.
pub struct KmsProvider {
    name: String,
    service: Arc<dyn KeyService>,
    seed: DataKey,
    wrapped: WrappedKey,
    /// All of an `EncryptedObject` behind its data: the same for every value that is written.
    trailer: Vec<u8>,
    unwrapped: Box<UnwrappedKeys>,
}

impl KmsProvider {
    /// A provider that writes with `seed`, 32 fresh random bytes. `random` serves to wrap it.
    ///
    /// # Errors
    /// When the name cannot be part of a prefix, or the key service cannot wrap the seed.
    pub fn new(
        name: &str,
        service: Arc<dyn KeyService>,
        mut seed: [u8; 32],
        random: &[u8; 12],
    ) -> Result<KmsProvider, KeyringError> {
        if name.is_empty() || name.contains(':') {
            seed.zeroize();
            return Err(KeyringError::InvalidName(name.to_owned()));
        }
        let wrapped = service.wrap(&seed, random);
        let kept = DataKey::Seed(Seed::new(&seed));
        seed.zeroize();
        let wrapped = wrapped?;
        let trailer = encrypted_object::trailer(&wrapped)?;
        Ok(KmsProvider {
            name: name.to_owned(),
            service,
            seed: kept,
            wrapped,
            trailer,
            unwrapped: Box::default(),
        })
    }

    /// What stands before this provider's values.
    pub(crate) fn prefix(&self) -> Vec<u8> {
        format!("{}{}:", kms_v2::PREFIX, self.name).into_bytes()
    }

    fn unwrap(&self, object: &EncryptedObject<'_>) -> Result<Arc<DataKey>, OpenError> {
        let digest = source_digest(object);
        if let Some(key) = self.unwrapped.get(&digest) {
            return Ok(key);
        }
        let bytes = self.service.unwrap(&object.wrapped_key())?;
        let key = DataKey::new(object.source_type, &bytes);
        let key = Arc::new(key.map_err(|_| KeyServiceError::KeyLength(bytes.len()))?);
        self.unwrapped.insert(digest, Arc::clone(&key));
        Ok(key)
    }
}

impl Transformer for KmsProvider {
    fn seal(
        &self,
        storage_key: &[u8],
        plaintext: &[u8],
        random: &[u8; RANDOM_LENGTH],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let DataKey::Seed(seed) = &self.seed else {
            return Err(SealError::Cipher);
        };
        let (info, nonce) = random.split_first_chunk().ok_or(SealError::Cipher)?;
        let nonce = nonce.try_into().map_err(|_| SealError::Cipher)?;
        encrypted_object::write_header(kms_v2::sealed_length(plaintext.len()), out);
        kms_v2::seal_data(seed, storage_key, plaintext, info, nonce, out)?;
        out.extend_from_slice(&self.trailer);
        Ok(())
    }

    fn open(&self, storage_key: &[u8], sealed: &[u8]) -> Result<Opened, OpenError> {
        let object = EncryptedObject::decode(sealed)?;
        let of_current_type = object.source_type == SourceType::Seed;
        let plaintext = if of_current_type && object.is_wrapped_with(&self.wrapped) {
            kms_v2::open_data(&self.seed, storage_key, object.encrypted_data)?
        } else {
            kms_v2::open_data(&*self.unwrap(&object)?, storage_key, object.encrypted_data)?
        };
        Ok(Opened {
            plaintext,
            stale: !of_current_type || object.key_id != self.wrapped.key_id,
        })
    }

    fn overhead(&self) -> usize {
        // One byte of tag and up to ten of length.
        11 + kms_v2::sealed_length(0) + self.trailer.len()
    }
}

impl fmt::Debug for KmsProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KmsProvider")
            .field("name", &self.name)
            .field("key_id", &self.wrapped.key_id)
            .finish_non_exhaustive()
    }
}

/// How many other data keys are remembered. Each restart begins a new one, and each is asked for once per value
/// that it sealed, so this many restarts may pass before a list of old values asks the key service twice.
const REMEMBERED_KEYS: usize = 1024;

type SourceDigest = [u8; 32];

/// Data keys of other runs, unwrapped; the oldest is forgotten first.
#[derive(Default)]
struct UnwrappedKeys(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    keys: BTreeMap<SourceDigest, Arc<DataKey>>,
    in_order: VecDeque<SourceDigest>,
}

impl UnwrappedKeys {
    fn get(&self, digest: &SourceDigest) -> Option<Arc<DataKey>> {
        self.lock().keys.get(digest).cloned()
    }

    fn insert(&self, digest: SourceDigest, key: Arc<DataKey>) {
        let mut remembered = self.lock();
        if remembered.keys.insert(digest, key).is_some() {
            return;
        }
        remembered.in_order.push_back(digest);
        if remembered.in_order.len() > REMEMBERED_KEYS
            && let Some(oldest) = remembered.in_order.pop_front()
        {
            remembered.keys.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        // Both collections stay usable whatever panicked in between: the worst is a key unwrapped again.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Over everything that unwrapping depends on, each part with its length: a hit is as good as unwrapping.
fn source_digest(object: &EncryptedObject<'_>) -> SourceDigest {
    let mut context = Context::new(&SHA256);
    let mut update = |part: &[u8]| {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    };
    update(&[object.source_type as u8]);
    update(object.encrypted_source);
    update(object.key_id.as_bytes());
    for (key, value) in &object.annotations {
        update(key.as_bytes());
        update(value);
    }
    let mut digest = SourceDigest::default();
    digest.copy_from_slice(context.finish().as_ref());
    digest
}
