//! Nodes: `../shared/spec/pods-and-kubelet.md` §10.

mod validate;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;
use strongroom_objects::{ColumnDefinition, FieldError, Map, Object, Value};

use crate::names::NameRule;
use crate::printing;
use crate::resource::{ALL_VERBS, Resource, StoredAs, Strategy, Subresource};
use crate::tree::{flag, get, keep, list, object_mut, part, text};

/// The row of the table.
pub static NODES: Resource = Resource {
    group: "",
    version: "v1",
    kind: "Node",
    plural: "nodes",
    singular: "node",
    short_names: &["no"],
    categories: &[],
    namespaced: false,
    verbs: ALL_VERBS,
    subresources: &[Subresource {
        name: "status",
        verbs: &["get", "patch", "update"],
        payload: None,
    }],
    storage: StoredAs {
        path: "minions",
        api_version: "v1",
        kind: "Node",
    },
    name_rule: NameRule::Subdomain,
    returns_deleted_object: false,
    create_on_update: false,
    unconditional_update: true,
    selectable_fields: &["spec.unschedulable"],
    strategy: &Nodes,
};

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
const ROLE_LABEL: &str = "kubernetes.io/role";

struct Nodes;

impl Strategy for Nodes {
    fn default_fields(&self, object: &mut Object) {
        fill_networks(object_mut(&mut object.body, "spec"));
        let status = object_mut(&mut object.body, "status");
        if let Some(capacity) = status.get("capacity").cloned() {
            status.entry("allocatable").or_insert(capacity);
        }
    }

    fn prepare_update(&self, new: &mut Object, old: &Object, subresource: &str) {
        keep(new, old, if subresource == "status" { "spec" } else { "status" });
    }

    fn validate(&self, object: &Object, errors: &mut Vec<FieldError>) {
        validate::node(object, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, _subresource: &str, errors: &mut Vec<FieldError>) {
        validate::change(new, old, errors);
    }

    fn selectable_field(&self, object: &Object, path: &str) -> Option<String> {
        (path == "spec.unschedulable").then(|| flag(part(object, "spec"), "unschedulable").to_string())
    }

    fn columns(&self) -> Vec<ColumnDefinition> {
        let column =
            |name, description, priority| ColumnDefinition::new(name, "string", "", description, priority);
        vec![
            printing::name_column(),
            column(
                "Status",
                "Whether the node is ready, and whether it takes new pods.",
                0,
            ),
            column("Roles", "What the node is for.", 0),
            printing::age_column(),
            column("Version", "Version of the node's agent.", 0),
            column("Internal-IP", "Address inside the cluster.", 1),
            column("External-IP", "Address outside the cluster.", 1),
            column("OS-Image", "Operating system, by the name it gives itself.", 1),
            column("Kernel-Version", "Version of the kernel.", 1),
            column(
                "Container-Runtime",
                "Container runtime and version, as runtime://version.",
                1,
            ),
        ]
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let information = get(part(object, "status"), "nodeInfo");
        let or_unknown = |name| match text(information, name) {
            "" => "<unknown>".into(),
            known => known.into(),
        };
        vec![
            object.metadata.name.clone().into(),
            state(object).into(),
            roles(object).into(),
            printing::age(object, now),
            text(information, "kubeletVersion").into(),
            address(object, "InternalIP").into(),
            address(object, "ExternalIP").into(),
            or_unknown("osImage"),
            or_unknown("kernelVersion"),
            or_unknown("containerRuntimeVersion"),
        ]
    }
}

/// The network of a node's pods has an older field beside the list.
fn fill_networks(spec: &mut Map) {
    let first = spec.get("podCIDRs").and_then(|list| list.get(0)).cloned();
    let single = spec.get("podCIDR").filter(|network| *network != "").cloned();
    match (single, first) {
        (_, Some(first)) => drop(spec.insert("podCIDR".to_owned(), first)),
        (Some(single), None) => drop(spec.insert("podCIDRs".to_owned(), json!([single]))),
        (None, None) => {}
    }
}

fn state(node: &Object) -> String {
    let conditions = list(part(node, "status"), "conditions");
    let ready = conditions
        .iter()
        .find(|condition| text(condition, "type") == "Ready");
    let word = match ready {
        Some(ready) if text(ready, "status") == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    if flag(part(node, "spec"), "unschedulable") {
        format!("{word},SchedulingDisabled")
    } else {
        word.to_owned()
    }
}

fn roles(node: &Object) -> String {
    let role = |(label, value): (&'_ String, &'_ String)| match label.strip_prefix(ROLE_PREFIX) {
        Some(role) if !role.is_empty() => Some(role.to_owned()),
        _ if label == ROLE_LABEL && !value.is_empty() => Some(value.clone()),
        _ => None,
    };
    let roles: BTreeSet<String> = node.metadata.labels.iter().filter_map(role).collect();
    if roles.is_empty() {
        return "<none>".to_owned();
    }
    roles.into_iter().collect::<Vec<_>>().join(",")
}

fn address<'a>(node: &'a Object, kind: &str) -> &'a str {
    let addresses = list(part(node, "status"), "addresses");
    let found = addresses.iter().find(|address| text(address, "type") == kind);
    found.map_or("<none>", |address| text(address, "address"))
}

#[cfg(test)]
mod tests;
