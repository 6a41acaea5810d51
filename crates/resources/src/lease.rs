//! Leases (coordination.k8s.io): what leader election and node heartbeats write.

use jiff::Timestamp;
use strongroom_objects::{ColumnDefinition, FieldError, Object, Value};

use crate::names::NameRule;
use crate::printing;
use crate::resource::{ALL_VERBS, Resource, StoredAs, Strategy};

/// The row of the table.
pub static LEASES: Resource = Resource {
    group: "coordination.k8s.io",
    version: "v1",
    kind: "Lease",
    plural: "leases",
    singular: "lease",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    storage: StoredAs {
        path: "leases",
        api_version: "coordination.k8s.io/v1",
        kind: "Lease",
    },
    name_rule: NameRule::Subdomain,
    returns_deleted_object: false,
    create_on_update: true,
    unconditional_update: false,
    selectable_fields: &[],
    strategy: &Leases,
};

struct Leases;

impl Strategy for Leases {
    fn validate(&self, object: &Object, errors: &mut Vec<FieldError>) {
        let number = |field: &str| spec(object, field).and_then(Value::as_i64);
        if let Some(seconds) = number("leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
            errors.push(FieldError::invalid(
                "spec.leaseDurationSeconds",
                seconds,
                "must be greater than 0",
            ));
        }
        if let Some(count) = number("leaseTransitions").filter(|count| *count < 0) {
            let detail = "must be greater than or equal to 0";
            errors.push(FieldError::invalid("spec.leaseTransitions", count, detail));
        }
    }

    fn columns(&self) -> Vec<ColumnDefinition> {
        vec![
            printing::name_column(),
            ColumnDefinition::new("Holder", "string", "", "Who holds the lease.", 0),
            printing::age_column(),
        ]
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let holder = spec(object, "holderIdentity")
            .and_then(Value::as_str)
            .unwrap_or_default();
        vec![
            object.metadata.name.clone().into(),
            holder.into(),
            printing::age(object, now),
        ]
    }
}

fn spec<'a>(object: &'a Object, field: &str) -> Option<&'a Value> {
    object.body.get("spec")?.get(field)
}
