use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::error::KeyServiceError;

/// A data key encrypted by a key service: what KMS v2 stores beside each value (§3.1). Not secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WrappedKey {
    /// The root key it was wrapped with; 1 to 1024 bytes.
    pub key_id: String,
    /// The encrypted data key; 1 to 1024 bytes.
    pub ciphertext: Vec<u8>,
    /// Whatever the service wants back when unwrapping. Keys are domain names with at least one dot; all keys and
    /// values together have at most 32 KiB.
    pub annotations: BTreeMap<String, Vec<u8>>,
}

/// Keeps a root key (KEK) and wraps data keys with it. The root key never leaves the service.
pub trait KeyService: Send + Sync {
    /// The id of the root key that [`KeyService::wrap`] uses now. Never the key or anything that helps guess it.
    fn key_id(&self) -> &str;

    /// Encrypts a data key.
    ///
    /// # Errors
    /// When the service cannot be reached or refuses.
    fn wrap(&self, data_key: &[u8], random: &[u8; 12]) -> Result<WrappedKey, KeyServiceError>;

    /// Decrypts a data key that any of this service's root keys wrapped.
    ///
    /// # Errors
    /// When the service cannot be reached, does not have that root key, or finds the wrapped key changed.
    fn unwrap(&self, wrapped: &WrappedKey) -> Result<Zeroizing<Vec<u8>>, KeyServiceError>;

    /// A key for another purpose, the same after every restart as long as the root key is the same.
    /// `label` names the purpose; two labels give unrelated keys.
    ///
    /// # Errors
    /// When the service cannot be reached or refuses.
    fn derive(&self, label: &str) -> Result<Zeroizing<[u8; 32]>, KeyServiceError>;

    /// One sentence for people: where the root key lives and what that protects against.
    fn describe(&self) -> String;
}
