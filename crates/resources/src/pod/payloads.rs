//! What is sent to a pod's subresources. None of these is kept.

use crate::names::NameRule;
use crate::resource::{Resource, StoredAs, Strategy};

/// The row of bindings: which node is a pod to run on?
pub static BINDINGS: Resource = Resource {
    namespaced: true,
    ..payload("", "v1", ["Binding", "bindings", "binding"])
};

/// What is posted to a pod's `eviction`. Not in the table: it has no URL of its own.
pub static EVICTIONS: Resource = Resource {
    namespaced: true,
    ..payload("policy", "policy/v1", ["Eviction", "pods", "eviction"])
};

/// How discovery describes `exec`. Not in the table.
pub static POD_EXEC_OPTIONS: Resource = payload("", "v1", ["PodExecOptions", "pods", "pod"]);

/// How discovery describes `attach`. Not in the table.
pub static POD_ATTACH_OPTIONS: Resource = payload("", "v1", ["PodAttachOptions", "pods", "pod"]);

/// How discovery describes `portforward`. Not in the table.
pub static POD_PORT_FORWARD_OPTIONS: Resource = payload("", "v1", ["PodPortForwardOptions", "pods", "pod"]);

const fn payload(
    group: &'static str,
    api_version: &'static str,
    [kind, plural, singular]: [&'static str; 3],
) -> Resource {
    Resource {
        group,
        version: "v1",
        kind,
        plural,
        singular,
        short_names: &[],
        categories: &[],
        namespaced: false,
        verbs: &["create"],
        subresources: &[],
        storage: StoredAs {
            path: "",
            api_version,
            kind,
        },
        name_rule: NameRule::PathSegment,
        returns_deleted_object: false,
        create_on_update: false,
        unconditional_update: true,
        selectable_fields: &[],
        strategy: &Payload,
    }
}

struct Payload;

impl Strategy for Payload {}
