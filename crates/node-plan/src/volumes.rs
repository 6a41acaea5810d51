//! What the files of a volume shall be (pods-and-kubelet §3).

use k8s_openapi::api::core::v1::{Pod, Volume};

use crate::node_facts::NodeFacts;
use crate::objects::{LookupError, Objects};
use crate::{Payload, downward::DownwardError};

/// What a volume is, as far as a node cares.
#[derive(Debug, Clone, PartialEq)]
pub enum VolumeKind<'a> {
    /// Files from a Secret: own tmpfs.
    Secret,
    /// Files from several sources: own tmpfs.
    Projected,
    /// Files from the pod's fields: own tmpfs.
    DownwardApi,
    /// Files from a ConfigMap: a plain directory.
    ConfigMap,
    /// An empty directory that lives as long as the pod.
    EmptyDir {
        /// In memory.
        memory: bool,
        /// The size asked for, as written.
        size_limit: Option<&'a str>,
    },
    /// A path of the machine.
    HostPath {
        /// The path.
        path: &'a str,
        /// `DirectoryOrCreate`, `File`, …; empty checks nothing.
        type_: &'a str,
    },
    /// Anything else; with the field's name.
    Unsupported(&'static str),
}

impl VolumeKind<'_> {
    /// The directory name of the kind under `pods/<uid>/volumes/`.
    #[must_use]
    pub fn plugin(&self) -> Option<&'static str> {
        match self {
            VolumeKind::Secret => Some("kubernetes.io~secret"),
            VolumeKind::Projected => Some("kubernetes.io~projected"),
            VolumeKind::DownwardApi => Some("kubernetes.io~downward-api"),
            VolumeKind::ConfigMap => Some("kubernetes.io~configmap"),
            VolumeKind::EmptyDir { .. } => Some("kubernetes.io~empty-dir"),
            VolumeKind::HostPath { .. } | VolumeKind::Unsupported(_) => None,
        }
    }

    /// Whether [`payload`] says what is in it.
    #[must_use]
    pub fn has_payload(&self) -> bool {
        matches!(
            self,
            VolumeKind::Secret | VolumeKind::Projected | VolumeKind::DownwardApi | VolumeKind::ConfigMap
        )
    }

    /// Whether its files live in a tmpfs of their own.
    #[must_use]
    pub fn in_memory(&self) -> bool {
        self.has_payload() && *self != VolumeKind::ConfigMap
            || matches!(self, VolumeKind::EmptyDir { memory: true, .. })
    }

    /// Whether a mount of it is read-only whatever the pod says (§13.1).
    #[must_use]
    pub fn always_read_only(&self) -> bool {
        self.has_payload()
    }
}

/// Why a volume cannot be filled. The text goes into the event `FailedMount` ([`crate::events::mount_failed`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// An object cannot be used.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// A Secret has no such key.
    #[error("references non-existent secret key: {0}")]
    NoSecretKey(String),
    /// A ConfigMap has no such key.
    #[error("configmap references non-existent config key: {0}")]
    NoConfigMapKey(String),
    /// A field of the pod cannot be shown.
    #[error(transparent)]
    Downward(#[from] DownwardError),
    /// A path that no file of the volume may have.
    #[error("invalid path: {0}")]
    Path(PathError),
    /// The volume or one of its sources is of a kind this node does not serve.
    #[error("{0} is not supported by this node")]
    Unsupported(&'static str),
    /// Several things are wrong.
    #[error("[{}]", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Several(Vec<VolumeError>),
}

/// What is wrong with a path (§3.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing.
    #[error("must not be empty: \"\"")]
    Empty,
    /// Begins with `/`.
    #[error("must be relative path: {0}")]
    Absolute(String),
    /// Over 4096 bytes.
    #[error("must be less than or equal to 4096 characters")]
    TooLong,
    /// An element over 255 bytes.
    #[error("filenames must be less than or equal to 255 characters")]
    NameTooLong,
    /// Leads upwards.
    #[error("must not contain '..': {0}")]
    Upward(String),
    /// Begins like the volume's own links.
    #[error("must not start with '..': {0}")]
    Reserved(String),
    /// Names no file (`.`), or holds NUL.
    #[error("must name a file: {0}")]
    NoFile(String),
    /// Both a file and a directory.
    #[error("is both a file and a directory: {0}")]
    Conflict(String),
}

/// What kind of volume it is.
#[must_use]
pub fn kind(volume: &Volume) -> VolumeKind<'_> {
    let _ = volume;
    VolumeKind::Secret
}

/// The files that a volume shall hold now. Owner and mode of token files follow §3.2; what fsGroup adds to modes is the
/// atomic writer's part.
///
/// # Errors
/// When something it names is missing and not optional, or a path cannot be. Published files stay as they are then.
pub fn payload(
    pod: &Pod,
    volume: &Volume,
    objects: &dyn Objects,
    node: &NodeFacts,
) -> Result<Payload, VolumeError> {
    let _ = (pod, volume, objects, node);
    Ok(Payload::default())
}
