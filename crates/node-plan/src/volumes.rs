//! What the files of a volume shall be (pods-and-kubelet §3).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Pod, ServiceAccountTokenProjection};
use k8s_openapi::api::core::v1::{Volume, VolumeProjection};
use zeroize::Zeroizing;

use crate::downward::{self, DownwardError};
use crate::node_facts::NodeFacts;
use crate::objects::{LookupError, Objects};
use crate::references::TokenReference;
use crate::{File, Payload, pod, security};

mod paths;
#[cfg(test)]
mod tests;

pub use paths::PathError;

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

/// What kind of volume it is. One without a source is an empty directory.
#[must_use]
pub fn kind(volume: &Volume) -> VolumeKind<'_> {
    if volume.secret.is_some() {
        VolumeKind::Secret
    } else if volume.projected.is_some() {
        VolumeKind::Projected
    } else if volume.config_map.is_some() {
        VolumeKind::ConfigMap
    } else if volume.downward_api.is_some() {
        VolumeKind::DownwardApi
    } else if let Some(host_path) = &volume.host_path {
        VolumeKind::HostPath {
            path: &host_path.path,
            type_: host_path.type_.as_deref().unwrap_or_default(),
        }
    } else if let Some(field) = unsupported(volume) {
        VolumeKind::Unsupported(field)
    } else {
        let written = volume.empty_dir.as_ref();
        let medium = written
            .and_then(|empty_dir| empty_dir.medium.as_deref())
            .unwrap_or_default();
        if medium.starts_with("HugePages") {
            return VolumeKind::Unsupported("emptyDir medium HugePages");
        }
        let size_limit = written.and_then(|empty_dir| empty_dir.size_limit.as_ref());
        VolumeKind::EmptyDir {
            memory: medium == "Memory",
            size_limit: size_limit.map(|size| size.0.as_str()),
        }
    }
}

fn unsupported(volume: &Volume) -> Option<&'static str> {
    let sources = [
        (volume.aws_elastic_block_store.is_some(), "awsElasticBlockStore"),
        (volume.azure_disk.is_some(), "azureDisk"),
        (volume.azure_file.is_some(), "azureFile"),
        (volume.cephfs.is_some(), "cephfs"),
        (volume.cinder.is_some(), "cinder"),
        (volume.csi.is_some(), "csi"),
        (volume.ephemeral.is_some(), "ephemeral"),
        (volume.fc.is_some(), "fc"),
        (volume.flex_volume.is_some(), "flexVolume"),
        (volume.flocker.is_some(), "flocker"),
        (volume.gce_persistent_disk.is_some(), "gcePersistentDisk"),
        (volume.git_repo.is_some(), "gitRepo"),
        (volume.glusterfs.is_some(), "glusterfs"),
        (volume.image.is_some(), "image"),
        (volume.iscsi.is_some(), "iscsi"),
        (volume.nfs.is_some(), "nfs"),
        (volume.persistent_volume_claim.is_some(), "persistentVolumeClaim"),
        (volume.photon_persistent_disk.is_some(), "photonPersistentDisk"),
        (volume.portworx_volume.is_some(), "portworxVolume"),
        (volume.quobyte.is_some(), "quobyte"),
        (volume.rbd.is_some(), "rbd"),
        (volume.scale_io.is_some(), "scaleIO"),
        (volume.storageos.is_some(), "storageos"),
        (volume.vsphere_volume.is_some(), "vsphereVolume"),
    ];
    sources
        .into_iter()
        .find_map(|(written, field)| written.then_some(field))
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
    let sources = Sources { pod, objects, node };
    let mut files = Vec::new();
    let mut errors = Vec::new();
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        let choice = Choice::new(secret.items.as_deref(), secret.default_mode, secret.optional);
        collect(sources.secret(name, &choice), &mut files, &mut errors);
    } else if let Some(config_map) = &volume.config_map {
        let choice = Choice::new(
            config_map.items.as_deref(),
            config_map.default_mode,
            config_map.optional,
        );
        collect(
            sources.config_map(&config_map.name, &choice),
            &mut files,
            &mut errors,
        );
    } else if let Some(downward) = &volume.downward_api {
        let items = downward.items.as_deref().unwrap_or_default();
        collect(
            sources.downward(items, mode(downward.default_mode)),
            &mut files,
            &mut errors,
        );
    } else if let Some(projected) = &volume.projected {
        for source in projected.sources.as_deref().unwrap_or_default() {
            collect(
                sources.projected(source, projected.default_mode),
                &mut files,
                &mut errors,
            );
        }
    } else {
        return Err(VolumeError::Unsupported("a volume of this kind"));
    }
    several(errors)?;
    paths::place(files).map_err(VolumeError::Path)
}

type Files = Vec<(String, File)>;

fn collect(found: Result<Files, VolumeError>, files: &mut Files, errors: &mut Vec<VolumeError>) {
    match found {
        Ok(found) => files.extend(found),
        Err(VolumeError::Several(more)) => errors.extend(more),
        Err(error) => errors.push(error),
    }
}

/// One error as it is, more together, each text once.
fn several(errors: Vec<VolumeError>) -> Result<(), VolumeError> {
    let mut distinct: Vec<VolumeError> = Vec::new();
    for error in errors {
        if !distinct.contains(&error) {
            distinct.push(error);
        }
    }
    match distinct.len() {
        0 => Ok(()),
        1 => Err(distinct.remove(0)),
        _ => Err(VolumeError::Several(distinct)),
    }
}

/// Which keys become which files.
struct Choice<'a> {
    items: &'a [KeyToPath],
    mode: u32,
    optional: bool,
}

impl<'a> Choice<'a> {
    fn new(items: Option<&'a [KeyToPath]>, default_mode: Option<i32>, optional: Option<bool>) -> Choice<'a> {
        let items = items.unwrap_or_default();
        Choice {
            items,
            mode: mode(default_mode),
            optional: optional.unwrap_or(false),
        }
    }

    /// All keys, or the chosen ones; a chosen key that is not there is passed over when optional (§13.3).
    fn files<'d>(
        &self,
        all: impl Iterator<Item = (&'d str, &'d [u8])>,
        missing: impl Fn(&str) -> VolumeError,
    ) -> Result<Files, VolumeError> {
        if self.items.is_empty() {
            return Ok(all
                .map(|(key, bytes)| (key.to_owned(), file(bytes, self.mode)))
                .collect());
        }
        let all: BTreeMap<&str, &[u8]> = all.collect();
        let mut files = Vec::new();
        for item in self.items {
            match all.get(item.key.as_str()) {
                Some(bytes) => {
                    let mode = item.mode.map_or(self.mode, permission_bits);
                    files.push((item.path.clone(), file(bytes, mode)));
                }
                None if self.optional => {}
                None => return Err(missing(&item.key)),
            }
        }
        Ok(files)
    }
}

struct Sources<'a> {
    pod: &'a Pod,
    objects: &'a dyn Objects,
    node: &'a NodeFacts,
}

impl Sources<'_> {
    fn secret(&self, name: &str, choice: &Choice<'_>) -> Result<Files, VolumeError> {
        let found = match self.objects.secret(pod::namespace(self.pod), name) {
            Err(error) if error.is_not_found() && choice.optional => return Ok(Vec::new()),
            found => found?,
        };
        let data = found
            .data
            .iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value.0.as_slice()));
        choice.files(data, |key| VolumeError::NoSecretKey(key.to_owned()))
    }

    fn config_map(&self, name: &str, choice: &Choice<'_>) -> Result<Files, VolumeError> {
        let found = match self.objects.config_map(pod::namespace(self.pod), name) {
            Err(error) if error.is_not_found() && choice.optional => return Ok(Vec::new()),
            found => found?,
        };
        let text = found
            .data
            .iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value.as_bytes()));
        let binary = found
            .binary_data
            .iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value.0.as_slice()));
        choice.files(text.chain(binary), |key| {
            VolumeError::NoConfigMapKey(key.to_owned())
        })
    }

    fn downward(&self, items: &[DownwardAPIVolumeFile], default_mode: u32) -> Result<Files, VolumeError> {
        let mut files = Vec::new();
        let mut errors = Vec::new();
        for item in items {
            let value = if let Some(field) = &item.field_ref {
                downward::field(self.pod, &field.field_path)
            } else if let Some(resource) = &item.resource_field_ref {
                downward::resource(self.pod, None, resource, self.node)
            } else {
                Ok(String::new())
            };
            match value {
                Ok(value) => {
                    let mode = item.mode.map_or(default_mode, permission_bits);
                    files.push((item.path.clone(), file(value.as_bytes(), mode)));
                }
                Err(error) => errors.push(error.into()),
            }
        }
        several(errors).map(|()| files)
    }

    fn projected(&self, source: &VolumeProjection, default_mode: Option<i32>) -> Result<Files, VolumeError> {
        if let Some(secret) = &source.secret {
            let choice = Choice::new(secret.items.as_deref(), default_mode, secret.optional);
            self.secret(&secret.name, &choice)
        } else if let Some(config_map) = &source.config_map {
            let choice = Choice::new(config_map.items.as_deref(), default_mode, config_map.optional);
            self.config_map(&config_map.name, &choice)
        } else if let Some(downward) = &source.downward_api {
            self.downward(downward.items.as_deref().unwrap_or_default(), mode(default_mode))
        } else if let Some(token) = &source.service_account_token {
            self.token(token, mode(default_mode))
        } else if source.cluster_trust_bundle.is_some() {
            Err(VolumeError::Unsupported("projected source clusterTrustBundle"))
        } else if source.pod_certificate.is_some() {
            Err(VolumeError::Unsupported("projected source podCertificate"))
        } else {
            Ok(Vec::new())
        }
    }

    /// §3.2: for the pod's one user alone if there is one, and closed to others as soon as user or group is known.
    fn token(&self, token: &ServiceAccountTokenProjection, default_mode: u32) -> Result<Files, VolumeError> {
        let bytes = self
            .objects
            .token(pod::uid(self.pod), &TokenReference::of(self.pod, token))?;
        let user = security::fs_user(self.pod);
        let closed = user.is_some() || security::fs_group(self.pod).is_some();
        let mut file = file(bytes.as_bytes(), if closed { 0o600 } else { default_mode });
        file.owner = user.and_then(|user| u32::try_from(user).ok());
        Ok(vec![(token.path.clone(), file)])
    }
}

fn file(bytes: &[u8], mode: u32) -> File {
    File {
        content: Zeroizing::new(bytes.to_vec()),
        mode,
        owner: None,
    }
}

fn mode(written: Option<i32>) -> u32 {
    written.map_or(0o644, permission_bits)
}

/// What an API server lets through is 0–0777; nothing else gets set whoever sent it.
fn permission_bits(mode: i32) -> u32 {
    mode.unsigned_abs() & 0o777
}
