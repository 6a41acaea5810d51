//! The parts of objects that controllers read. Annotations and data are never decoded, so they
//! are never kept.

use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Secret, Service};
use serde::{Deserialize, Serialize};

/// Anything with metadata, whatever else it has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Object {
    /// The object's metadata.
    pub metadata: Metadata,
}

/// The fields of `ObjectMeta` that controllers decide by.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// Name within its namespace and resource.
    pub name: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Identity in time: another object of the same name has another uid.
    pub uid: String,
    /// Version of the object, opaque.
    pub resource_version: String,
    /// RFC 3339.
    pub creation_timestamp: Option<String>,
    /// Present once deletion was asked for; then only finalizers hold the object.
    pub deletion_timestamp: Option<String>,
    /// Who must act before the object goes.
    pub finalizers: Vec<String>,
    /// Objects this one belongs to.
    pub owner_references: Vec<OwnerReference>,
}

impl Metadata {
    /// Whether deletion was asked for.
    pub fn is_deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    /// Whether `name` is among the finalizers.
    pub fn has_finalizer(&self, name: &str) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == name)
    }
}

/// `meta/v1 OwnerReference`, complete, so that the ones that stay can be written back.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// Group and version of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner, in the dependent's namespace or cluster-scoped.
    pub name: String,
    /// Uid of the owner.
    pub uid: String,
    /// Whether the owner is the managing controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    /// Whether a foreground deletion of the owner waits for this dependent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

/// What [`list_watch`](crate::list_watch) must know of the items it delivers.
pub trait Versioned: for<'de> Deserialize<'de> + Send + 'static {
    /// `metadata.resourceVersion`.
    fn resource_version(&self) -> &str;
}

/// A part of an object that keeps the metadata that controllers decide by.
pub trait Item: for<'de> Deserialize<'de> + Send + 'static {
    /// The object's metadata.
    fn metadata(&self) -> &Metadata;
}

impl Item for Object {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl<T: Item> Versioned for T {
    fn resource_version(&self) -> &str {
        &self.metadata().resource_version
    }
}

impl Versioned for Pod {
    fn resource_version(&self) -> &str {
        self.metadata.resource_version.as_deref().unwrap_or_default()
    }
}

impl Versioned for Node {
    fn resource_version(&self) -> &str {
        self.metadata.resource_version.as_deref().unwrap_or_default()
    }
}

impl Versioned for Service {
    fn resource_version(&self) -> &str {
        self.metadata.resource_version.as_deref().unwrap_or_default()
    }
}

impl Versioned for Secret {
    fn resource_version(&self) -> &str {
        self.metadata.resource_version.as_deref().unwrap_or_default()
    }
}

impl Versioned for ConfigMap {
    fn resource_version(&self) -> &str {
        self.metadata.resource_version.as_deref().unwrap_or_default()
    }
}
