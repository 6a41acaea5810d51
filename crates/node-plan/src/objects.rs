//! What the node has fetched for its pods, as the plan sees it.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use zeroize::Zeroizing;

use crate::references::TokenReference;

/// The node's caches of what its pods need. Answers come from memory; the shell fetches beforehand what
/// [`crate::references::references`] names.
pub trait Objects {
    /// A Secret of the pod's namespace.
    ///
    /// # Errors
    /// When it does not exist, nobody asked for it, or it could not be read yet.
    fn secret(&self, namespace: &str, name: &str) -> Result<Arc<Secret>, LookupError>;

    /// A ConfigMap of the pod's namespace.
    ///
    /// # Errors
    /// As for [`Objects::secret`].
    fn config_map(&self, namespace: &str, name: &str) -> Result<Arc<ConfigMap>, LookupError>;

    /// A token of the pod's service account, bound to the pod.
    ///
    /// # Errors
    /// [`LookupError::Token`] when none could be had.
    fn token(&self, pod_uid: &str, token: &TokenReference) -> Result<Zeroizing<String>, LookupError>;
}

/// A kind of object that pods refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Secrets.
    Secret,
    /// ConfigMaps.
    ConfigMap,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::Secret => "secret",
            Kind::ConfigMap => "configmap",
        })
    }
}

/// Why an object cannot be used; texts as in pods-and-kubelet §3.3.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The server says there is none. The only failure that `optional` forgives.
    #[error("{kind} \"{name}\" not found")]
    NotFound {
        /// What was looked for.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// No pod that the node knows refers to it.
    #[error("object \"{namespace}\"/\"{name}\" not registered")]
    NotRegistered {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The first read has not come back yet.
    #[error("failed to sync {kind} cache: timed out waiting for the condition")]
    NotSynced {
        /// What was looked for.
        kind: Kind,
    },
    /// The server's refusal or failure, in its own words.
    #[error("{message}")]
    Refused {
        /// The server's message.
        message: String,
    },
    /// No token could be had.
    #[error("failed to fetch token: {message}")]
    Token {
        /// Why.
        message: String,
    },
}

impl LookupError {
    /// Whether the object does not exist, so that an optional reference to it counts as empty.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, LookupError::NotFound { .. })
    }
}
