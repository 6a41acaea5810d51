//! How is a value sealed?
//!
//! Bytes in, bytes out: this crate knows storage keys and values, never Kubernetes objects. It has no clock, no
//! files and no randomness of its own; whoever calls brings random bytes. The stored layouts are those of
//! `spec/encryption-at-rest.md`, byte for byte, so that a kube-apiserver over the same etcd reads what is written
//! here, and the other way round.
//!
//! - [`Keyring`] seals and opens values: the first [`Provider`] writes, all of them are tried for reading.
//! - [`KeyService`] keeps the root key that wraps data keys; [`LocalKey`] is the one that lives in this process.
//! - [`layout`] has each stored form as plain functions.

mod error;
mod hex;
mod hkdf;
mod key_service;
mod keyring;
mod kms_provider;
pub mod layout;
mod local_key;
mod passphrase;
mod provider;
mod record_key;
mod transformer;

pub use error::{KeyServiceError, KeyServiceFailure, KeyringError, OpenError, SealError};
pub use key_service::{KeyService, WrappedKey};
pub use keyring::{Keyring, Plaintext};
pub use kms_provider::KmsProvider;
pub use local_key::LocalKey;
pub use passphrase::{PassphraseCost, PassphraseParameters, PassphraseParametersError};
pub use provider::{NamedKey, Provider};
pub use record_key::RecordKey;
pub use transformer::{Opened, RANDOM_LENGTH};
