//! What OpenAPI v2 and v3 have in common: the operations of the served resources, their parameters,
//! and the models of the objects that travel.

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

/// Media types of patches. `kubectl apply` looks for the strategic one.
pub(crate) const PATCH_MEDIA_TYPES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

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
