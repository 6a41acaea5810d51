//! Credentials for image registries, from the pod's pull Secrets and the node's own docker configuration
//! (pods-and-kubelet §8, §12.4).

use std::collections::BTreeMap;
use std::fmt;

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine as _};
use k8s_openapi::api::core::v1::Secret;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::image;
use pattern::Pattern;

mod pattern;
#[cfg(test)]
mod tests;

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
    #[error("docker configuration is not valid: auth is not base64 of text")]
    NotBase64,
    /// `auth` has no colon.
    #[error("unable to parse auth field, must be formatted as base64(username:password)")]
    NoColon,
}

/// Credentials by registry. Two keyrings (the pod's Secrets, the node's files) are asked one after the other.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    entries: BTreeMap<Pattern, Vec<Credential>>,
}

impl Keyring {
    /// The keyring of pull Secrets, in their order. Secrets of other types or without the key of their type are
    /// passed over.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn of_secrets<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Result<Keyring, KeyringError> {
        let mut keyring = Keyring::default();
        for secret in secrets {
            let (key, format) = match secret.type_.as_deref() {
                Some("kubernetes.io/dockerconfigjson") => (".dockerconfigjson", Format::DockerConfigJson),
                Some("kubernetes.io/dockercfg") => (".dockercfg", Format::DockerCfg),
                _ => continue,
            };
            let configuration = secret.data.as_ref().and_then(|data| data.get(key));
            if let Some(configuration) = configuration.filter(|configuration| !configuration.0.is_empty()) {
                keyring.add(&configuration.0, format)?;
            }
        }
        Ok(keyring)
    }

    /// Adds a docker configuration. Entries whose key is no registry are passed over.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add(&mut self, configuration: &[u8], format: Format) -> Result<(), KeyringError> {
        let entries = match format {
            Format::DockerConfigJson => {
                let configuration: DockerConfigJson = serde_json::from_slice(configuration)?;
                configuration.auths.unwrap_or_default()
            }
            Format::DockerCfg => serde_json::from_slice(configuration)?,
        };
        for (key, entry) in entries {
            let credential = entry.unwrap_or_default().credential()?;
            if let Some(pattern) = Pattern::parse(&key) {
                self.entries.entry(pattern).or_default().push(credential);
            }
        }
        Ok(())
    }

    /// The credentials for an image (any form of its name), in the order to try them, each once. Empty: pull without.
    #[must_use]
    pub fn credentials(&self, image: &str) -> Vec<&Credential> {
        let Ok(reference) = image::normalize(image) else {
            return Vec::new();
        };
        let repository = reference.repository.as_str();
        let matching = self
            .entries
            .iter()
            .rev()
            .filter(|(pattern, _)| pattern.matches(repository));
        let mut found: Vec<&Credential> = matching.flat_map(|(_, credentials)| credentials).collect();
        if found.is_empty() && repository.starts_with("docker.io/") {
            let hub = self
                .entries
                .iter()
                .find(|(pattern, _)| pattern.as_str() == DOCKER_HUB);
            found = hub.into_iter().flat_map(|(_, credentials)| credentials).collect();
        }
        let mut distinct: Vec<&Credential> = Vec::with_capacity(found.len());
        for credential in found {
            if !distinct.contains(&credential) {
                distinct.push(credential);
            }
        }
        distinct
    }
}

/// The key that stands for Docker Hub where nothing else matches.
const DOCKER_HUB: &str = "index.docker.io";

#[derive(Deserialize)]
struct DockerConfigJson {
    auths: Option<BTreeMap<String, Option<Entry>>>,
}

/// One entry as written.
#[derive(Default, Deserialize)]
struct Entry {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
}

impl Entry {
    /// `auth` wins over name and password.
    fn credential(self) -> Result<Credential, KeyringError> {
        let password = Zeroizing::new(self.password.unwrap_or_default());
        let auth = Zeroizing::new(self.auth.unwrap_or_default());
        if !auth.is_empty() {
            return decode(&auth);
        }
        Ok(Credential {
            username: self.username.unwrap_or_default(),
            password,
        })
    }
}

/// Base64 of `user:password`, padded or not.
fn decode(auth: &str) -> Result<Credential, KeyringError> {
    let padding = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&alphabet::STANDARD, padding);
    let joined = Zeroizing::new(auth.replace(['\r', '\n'], ""));
    let decoded = Zeroizing::new(
        engine
            .decode(joined.as_bytes())
            .map_err(|_| KeyringError::NotBase64)?,
    );
    let text = std::str::from_utf8(&decoded).map_err(|_| KeyringError::NotBase64)?;
    let (username, password) = text.split_once(':').ok_or(KeyringError::NoColon)?;
    Ok(Credential {
        username: username.to_owned(),
        password: Zeroizing::new(password.to_owned()),
    })
}

impl From<serde_json::Error> for KeyringError {
    /// The error's own text may quote a value; only its place is kept.
    fn from(error: serde_json::Error) -> KeyringError {
        KeyringError::Malformed {
            line: error.line(),
            column: error.column(),
        }
    }
}
