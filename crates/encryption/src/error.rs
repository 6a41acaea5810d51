use std::fmt;
use std::io;
use std::sync::Arc;

use crate::layout::kms_v2::MalformedObject;

/// Why a value could not be sealed. Nothing was produced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The cipher refused; with checked keys this means a value beyond the cipher's size limit.
    #[error("the value could not be encrypted")]
    Cipher,
}

/// Why a stored value could not be opened. The texts are those of `spec/encryption-at-rest.md` §2.1 where it has
/// one; none of them depends on the plaintext.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No provider reads values with this prefix.
    #[error("no matching prefix found")]
    NoMatchingPrefix,
    /// The provider reads this layout but has no key of the name in the value.
    #[error("no matching key was found for the provided {0} transformer")]
    NoMatchingKey(&'static str),
    /// The value is encrypted and the only provider left is identity.
    #[error("identity transformer tried to read encrypted data")]
    IdentityReadEncrypted,
    /// The value is not encrypted, and this store accepts only encrypted ones: someone wrote around the encryption.
    #[error(
        "no matching prefix found: the value is not encrypted and this store accepts only encrypted values"
    )]
    PlaintextRefused,
    /// Fewer bytes than the layout has at least.
    #[error("the stored value is too short for its layout")]
    TooShort,
    /// Tampered with, moved from another storage key, or sealed with another key.
    #[error("the stored value could not be decrypted: it was changed, moved, or sealed with another key")]
    NotAuthentic,
    /// The envelope of a KMS v2 value breaks the rules of §3.1.
    #[error("invalid EncryptedObject: {0}")]
    Malformed(#[from] MalformedObject),
    /// The data key could not be unwrapped.
    #[error("the data key could not be unwrapped: {0}")]
    KeyService(KeyServiceFailure),
    /// Several providers recognised the value, and all failed.
    #[error("[{}]", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Several(Vec<OpenError>),
}

/// A [`KeyServiceError`] as part of an [`OpenError`]: shared, because open errors are cloned and compared.
#[derive(Clone, Debug)]
pub struct KeyServiceFailure(Arc<KeyServiceError>);

impl KeyServiceFailure {
    /// What the key service said.
    pub fn error(&self) -> &KeyServiceError {
        &self.0
    }
}

impl From<KeyServiceError> for OpenError {
    fn from(error: KeyServiceError) -> OpenError {
        OpenError::KeyService(KeyServiceFailure(Arc::new(error)))
    }
}

impl fmt::Display for KeyServiceFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Two failures are one when they read the same.
impl PartialEq for KeyServiceFailure {
    fn eq(&self, other: &KeyServiceFailure) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for KeyServiceFailure {}

/// Why a key service did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum KeyServiceError {
    /// The key was wrapped with a root key that this service does not have.
    #[error("no root key with the id {key_id:?}")]
    UnknownKey {
        /// The id that was asked for.
        key_id: String,
    },
    /// The wrapped key was changed, or comes from another root key.
    #[error("the wrapped key was changed or wrapped with another root key")]
    NotAuthentic,
    /// The passphrase is not the one the root key was made from.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// A key or wrapped key has a length this service does not produce or accept.
    #[error("a key of {0} bytes is not supported")]
    KeyLength(usize),
    /// The passphrase could not be stretched with these parameters.
    #[error("the passphrase could not be turned into a key: {0}")]
    Passphrase(argon2::Error),
    /// No memory to keep the key in.
    #[error("no memory for the root key")]
    Memory(#[source] io::Error),
    /// The cryptographic library refused.
    #[error("the key could not be wrapped")]
    Cipher,
    /// The service could not be reached, or answered something unusable.
    #[error("the key service is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a keyring could not be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// §1.2: the name is part of the stored prefix.
    #[error("invalid provider or key name {0:?}, must not be empty or contain ':'")]
    InvalidName(String),
    /// §1.2, AES keys.
    #[error(
        "secret is not of the expected length, got {got}, expected one of [{}]",
        lengths(expected)
    )]
    KeyLength {
        /// Length given, in bytes.
        got: usize,
        /// Lengths this layout takes.
        expected: &'static [usize],
    },
    /// §1.2.
    #[error("at least one {0} is required")]
    Missing(&'static str),
    /// The first provider is identity, but nobody asked for plaintext to be written.
    #[error("the first provider is identity: values would be stored without encryption")]
    WritesPlaintext,
    /// A provider is identity, but nobody asked for plaintext to be read.
    #[error("a provider is identity: values without encryption would be accepted")]
    ReadsPlaintext,
    /// The provider's first data key could not be wrapped.
    #[error("the data key could not be wrapped")]
    KeyService(#[from] KeyServiceError),
    /// The key service answered with an envelope that §3.1 does not allow to be stored.
    #[error("the key service wrapped the data key unusably")]
    Malformed(#[from] MalformedObject),
}

/// As Go prints a list.
fn lengths(expected: &[usize]) -> String {
    expected
        .iter()
        .map(usize::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}
