//! Namespaces: their phases, their finalizer `kubernetes`, and what may be created in them (api-conventions §9).

use jiff::Timestamp;
use strongroom_objects::{ColumnDefinition, Map, Object, Value};

use crate::names::NameRule;
use crate::printing;
use crate::resource::{Resource, StoredAs, Strategy, Subresource};

/// The row of the table.
pub static NAMESPACES: Resource = Resource {
    group: "",
    version: "v1",
    kind: "Namespace",
    plural: "namespaces",
    singular: "namespace",
    short_names: &["ns"],
    categories: &[],
    namespaced: false,
    verbs: &["create", "delete", "get", "list", "patch", "update", "watch"],
    subresources: &[
        Subresource {
            name: "finalize",
            verbs: &["update"],
            payload: None,
        },
        Subresource {
            name: "status",
            verbs: &["get", "patch", "update"],
            payload: None,
        },
    ],
    storage: StoredAs {
        path: "namespaces",
        api_version: "v1",
        kind: "Namespace",
    },
    name_rule: NameRule::Label,
    returns_deleted_object: true,
    create_on_update: false,
    unconditional_update: true,
    selectable_fields: &["status.phase"],
    strategy: &Namespaces,
};

/// Namespaces that exist from the first start on.
pub const SYSTEM_NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Namespaces that may not be deleted.
pub const PROTECTED_NAMESPACES: [&str; 3] = ["default", "kube-system", "kube-public"];

const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const FINALIZER: &str = "kubernetes";

/// What a write into a namespace needs to know about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespacePhase {
    /// New content is welcome.
    Active,
    /// The namespace is going away: nothing new may be created in it.
    Terminating,
}

/// The phase of a stored namespace; one whose deletion has begun is terminating whatever its status says.
pub fn phase(namespace: &Object) -> NamespacePhase {
    if namespace.metadata.deletion_timestamp.is_some() || phase_text(namespace) == "Terminating" {
        NamespacePhase::Terminating
    } else {
        NamespacePhase::Active
    }
}

struct Namespaces;

impl Strategy for Namespaces {
    fn default_fields(&self, object: &mut Object) {
        if !object.metadata.name.is_empty() {
            object
                .metadata
                .labels
                .insert(NAME_LABEL.to_owned(), object.metadata.name.clone());
        }
    }

    fn prepare_create(&self, object: &mut Object) {
        self.default_fields(object);
        let spec = object
            .body
            .entry("spec")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(spec) = spec {
            let finalizers = spec
                .entry("finalizers")
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(finalizers) = finalizers
                && !finalizers.iter().any(|finalizer| finalizer == FINALIZER)
            {
                finalizers.push(FINALIZER.into());
            }
        }
        set_phase(object, "Active", true);
    }

    fn prepare_update(&self, new: &mut Object, old: &Object, subresource: &str) {
        let mut keep = |field: &str| match old.body.get(field) {
            Some(value) => drop(new.body.insert(field.to_owned(), value.clone())),
            None => drop(new.body.remove(field)),
        };
        match subresource {
            "status" => keep("spec"),
            "finalize" => keep("status"),
            _ => {
                keep("spec");
                keep("status");
            }
        }
    }

    fn is_held(&self, object: &Object) -> bool {
        let finalizers = object.body.get("spec").and_then(|spec| spec.get("finalizers"));
        finalizers
            .and_then(Value::as_array)
            .is_some_and(|finalizers| !finalizers.is_empty())
    }

    fn mark_deleting(&self, object: &mut Object) {
        set_phase(object, "Terminating", false);
    }

    fn selectable_field(&self, object: &Object, path: &str) -> Option<String> {
        (path == "status.phase").then(|| phase_text(object).to_owned())
    }

    fn columns(&self) -> Vec<ColumnDefinition> {
        vec![
            printing::name_column(),
            ColumnDefinition::new(
                "Status",
                "string",
                "",
                "Active, or Terminating while it is being emptied.",
                0,
            ),
            printing::age_column(),
        ]
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        vec![
            object.metadata.name.clone().into(),
            phase_text(object).into(),
            printing::age(object, now),
        ]
    }
}

fn phase_text(object: &Object) -> &str {
    let phase = object.body.get("status").and_then(|status| status.get("phase"));
    phase.and_then(Value::as_str).unwrap_or_default()
}

fn set_phase(object: &mut Object, phase: &str, reset: bool) {
    let status = object
        .body
        .entry("status")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(status) = status {
        if reset {
            status.clear();
        }
        status.insert("phase".to_owned(), phase.into());
    }
}
