//! What OpenAPI v2 and v3 have in common: the operations of the served resources, their parameters,
//! and the models of the objects that travel.

use strongroom_objects::schema;

pub(crate) mod models;
pub(crate) mod operations;
pub(crate) mod parameters;

/// Media types of objects in answers, in the server's order of preference.
pub(crate) const OBJECT_MEDIA_TYPES: &[&str] = &[
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
];

/// Media types a list operation offers on top, when it is used to watch.
pub(crate) const WATCH_MEDIA_TYPES: &[&str] = &[
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];

/// Media types of patches. Only kinds whose fields are known can be merged strategically; `kubectl
/// apply` looks for that media type and falls back to merge patches without it.
pub(crate) fn patch_media_types(kind: Kind<'_>) -> Vec<&'static str> {
    let mut media_types = vec![
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/apply-patch+yaml",
    ];
    if schema().kind(kind.group, kind.version, kind.kind).is_some() {
        media_types.push("application/strategic-merge-patch+json");
    }
    media_types
}

/// Group, version and kind by reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind<'a> {
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) kind: &'a str,
}

impl Kind<'_> {
    /// The value of one `x-kubernetes-group-version-kind`.
    pub(crate) fn extension(&self) -> serde_json::Value {
        serde_json::json!({ "group": self.group, "version": self.version, "kind": self.kind })
    }
}

/// A kind of `meta.k8s.io/v1`, which every group-version shares under the name `v1`.
pub(crate) const fn meta(kind: &'static str) -> Kind<'static> {
    Kind {
        group: "",
        version: "v1",
        kind,
    }
}
