//! Pods: `../shared/spec/pods-and-kubelet.md` §1, §2, §5.6.

mod change;
mod defaults;
#[cfg(test)]
mod fixture;
mod images;
mod payloads;
mod printing;
mod quality;
mod status;
mod validate;

use jiff::Timestamp;
use serde_json::json;
use strongroom_objects::{ColumnDefinition, FieldError, Object, TableRowCondition, Value};

use crate::names::NameRule;
use crate::resource::{ALL_VERBS, Resource, StoredAs, Strategy, Subresource};
use crate::tree::{flag, get, integer, keep, list, object_mut, part, text};

pub use payloads::{BINDINGS, EVICTIONS, POD_ATTACH_OPTIONS, POD_EXEC_OPTIONS, POD_PORT_FORWARD_OPTIONS};
pub use quality::quality_of_service;

/// The row of the table.
pub static PODS: Resource = Resource {
    group: "",
    version: "v1",
    kind: "Pod",
    plural: "pods",
    singular: "pod",
    short_names: &["po"],
    categories: &["all"],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: SUBRESOURCES,
    storage: StoredAs {
        path: "pods",
        api_version: "v1",
        kind: "Pod",
    },
    name_rule: NameRule::Subdomain,
    returns_deleted_object: true,
    create_on_update: false,
    unconditional_update: true,
    selectable_fields: &[
        "spec.hostNetwork",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.nominatedNodeName",
        "status.phase",
        "status.podIP",
        "status.podIPs",
    ],
    strategy: &Pods,
};

const SUBRESOURCES: &[Subresource] = &[
    Subresource {
        name: "attach",
        verbs: &["create", "get"],
        payload: Some(&POD_ATTACH_OPTIONS),
    },
    Subresource {
        name: "binding",
        verbs: &["create"],
        payload: Some(&BINDINGS),
    },
    Subresource {
        name: "ephemeralcontainers",
        verbs: &["get", "patch", "update"],
        payload: None,
    },
    Subresource {
        name: "eviction",
        verbs: &["create"],
        payload: Some(&EVICTIONS),
    },
    Subresource {
        name: "exec",
        verbs: &["create", "get"],
        payload: Some(&POD_EXEC_OPTIONS),
    },
    Subresource {
        name: "log",
        verbs: &["get"],
        payload: None,
    },
    Subresource {
        name: "portforward",
        verbs: &["create", "get"],
        payload: Some(&POD_PORT_FORWARD_OPTIONS),
    },
    Subresource {
        name: "status",
        verbs: &["get", "patch", "update"],
        payload: None,
    },
];

struct Pods;

impl Strategy for Pods {
    fn default_fields(&self, object: &mut Object) {
        defaults::fill_pod(object);
    }

    fn prepare_create(&self, object: &mut Object) {
        object.metadata.generation = 1;
        let mut status = json!({"phase": "Pending", "qosClass": quality_of_service(object)});
        if !list(part(object, "spec"), "schedulingGates").is_empty() {
            status["conditions"] = json!([{
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }]);
        }
        object.body.insert("status".to_owned(), status);
    }

    fn prepare_update(&self, new: &mut Object, old: &Object, subresource: &str) {
        match subresource {
            "status" => {
                keep(new, old, "spec");
                new.metadata
                    .owner_references
                    .clone_from(&old.metadata.owner_references);
                status::keep_quality(new, old);
            }
            "ephemeralcontainers" => {
                let wanted = get(part(new, "spec"), "ephemeralContainers").clone();
                keep(new, old, "spec");
                keep(new, old, "status");
                if !wanted.is_null() {
                    object_mut(&mut new.body, "spec").insert("ephemeralContainers".to_owned(), wanted);
                }
            }
            // Binding writes what nobody else may: the node and the condition that says so.
            "binding" => {}
            _ => {
                keep(new, old, "status");
                if new.body.get("spec") != old.body.get("spec") {
                    new.metadata.generation = old.metadata.generation + 1;
                }
            }
        }
    }

    fn validate(&self, object: &Object, errors: &mut Vec<FieldError>) {
        validate::pod(object, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, subresource: &str, errors: &mut Vec<FieldError>) {
        change::annotations(new, old, errors);
        match subresource {
            "status" => status::change(new, old, errors),
            // Those are refused wherever they stand; nothing else can change here.
            "binding" | "ephemeralcontainers" => {}
            _ => change::spec(new, old, errors),
        }
    }

    fn grace_period(&self, object: &Object, requested: Option<i64>) -> Option<i64> {
        let spec = part(object, "spec");
        let own = integer(spec, "terminationGracePeriodSeconds").unwrap_or(0);
        let is_over = matches!(phase(object), "Succeeded" | "Failed");
        if text(spec, "nodeName").is_empty() || is_over {
            return Some(0);
        }
        Some(match requested.unwrap_or(own) {
            ..0 => 1,
            seconds => seconds,
        })
    }

    fn selectable_field(&self, object: &Object, path: &str) -> Option<String> {
        let (member, name) = path.split_once('.')?;
        let value = part(object, member);
        Some(match name {
            "hostNetwork" => flag(value, name).to_string(),
            "podIPs" => {
                let addresses = list(value, name).iter().map(|address| text(address, "ip"));
                addresses.collect::<Vec<_>>().join(",")
            }
            _ => text(value, name).to_owned(),
        })
    }

    fn columns(&self) -> Vec<ColumnDefinition> {
        printing::columns()
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        printing::cells(object, now)
    }

    fn row_conditions(&self, object: &Object) -> Vec<TableRowCondition> {
        printing::row_conditions(object)
    }
}

fn phase(object: &Object) -> &str {
    text(part(object, "status"), "phase")
}
