//! Certificate signing requests (certificates.k8s.io): `../shared/spec/auth.md` §9. Who asks is written by admission,
//! what is asked for is read by the crate `strongroom-certificates`; here is what the object may look like, and which
//! part of it each of its endpoints writes.

mod conditions;
mod validate;

use jiff::Timestamp;
use strongroom_objects::{ColumnDefinition, FieldError, Map, Object, Value, age, time};

use crate::names::NameRule;
use crate::printing;
use crate::resource::{ALL_VERBS, Resource, StoredAs, Strategy, Subresource};
use crate::tree::{integer, keep, list, object_mut, part, text};
use conditions::{APPROVED, DENIED, FAILED};

/// The row of the table.
pub static CERTIFICATE_SIGNING_REQUESTS: Resource = Resource {
    group: "certificates.k8s.io",
    version: "v1",
    kind: "CertificateSigningRequest",
    plural: "certificatesigningrequests",
    singular: "certificatesigningrequest",
    short_names: &["csr"],
    categories: &[],
    namespaced: false,
    verbs: ALL_VERBS,
    subresources: &[
        Subresource {
            name: "approval",
            verbs: &["get", "patch", "update"],
            payload: None,
        },
        Subresource {
            name: "status",
            verbs: &["get", "patch", "update"],
            payload: None,
        },
    ],
    storage: StoredAs {
        path: "certificatesigningrequests",
        api_version: "certificates.k8s.io/v1",
        kind: "CertificateSigningRequest",
    },
    name_rule: NameRule::PathSegment,
    returns_deleted_object: false,
    create_on_update: false,
    unconditional_update: true,
    selectable_fields: &["spec.signerName"],
    strategy: &CertificateSigningRequests,
};

struct CertificateSigningRequests;

impl Strategy for CertificateSigningRequests {
    fn prepare_create(&self, object: &mut Object) {
        object.body.insert("status".to_owned(), Value::Object(Map::new()));
    }

    fn prepare_update(&self, new: &mut Object, old: &Object, subresource: &str) {
        keep(new, old, "spec");
        match subresource {
            "approval" => {
                let conditions = object_mut(&mut new.body, "status").remove("conditions");
                keep(new, old, "status");
                let status = object_mut(&mut new.body, "status");
                match conditions {
                    Some(conditions) => drop(status.insert("conditions".to_owned(), conditions)),
                    None => drop(status.remove("conditions")),
                }
            }
            "status" => conditions::keep_approval(new, old),
            _ => keep(new, old, "status"),
        }
    }

    fn set_times(&self, new: &mut Object, old: &Object, subresource: &str, now: Timestamp) {
        if !subresource.is_empty() {
            conditions::set_times(new, old, &time::seconds(now));
        }
    }

    fn validate(&self, object: &Object, errors: &mut Vec<FieldError>) {
        validate::spec(part(object, "spec"), errors);
        validate::status(part(object, "status"), errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, subresource: &str, errors: &mut Vec<FieldError>) {
        validate::change(part(new, "status"), part(old, "status"), subresource, errors);
    }

    fn selectable_field(&self, object: &Object, path: &str) -> Option<String> {
        (path == "spec.signerName").then(|| text(part(object, "spec"), "signerName").to_owned())
    }

    fn columns(&self) -> Vec<ColumnDefinition> {
        let column = |name, description| ColumnDefinition::new(name, "string", "", description, 0);
        vec![
            printing::name_column(),
            printing::age_column(),
            column("SignerName", "Who is to sign."),
            column("Requestor", "Who asked."),
            column(
                "RequestedDuration",
                "For how long the certificate is asked to hold.",
            ),
            column("Condition", "What has come of the request."),
        ]
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let spec = part(object, "spec");
        let duration = integer(spec, "expirationSeconds").map_or_else(|| "<none>".to_owned(), age::duration);
        vec![
            object.metadata.name.clone().into(),
            printing::age(object, now),
            text(spec, "signerName").into(),
            text(spec, "username").into(),
            duration.into(),
            state(part(object, "status")).into(),
        ]
    }
}

fn state(status: &Value) -> String {
    let has = |wanted: &str| {
        list(status, "conditions")
            .iter()
            .any(|condition| text(condition, "type") == wanted)
    };
    let mut state = if has(DENIED) {
        "Denied"
    } else if has(APPROVED) {
        "Approved"
    } else {
        "Pending"
    }
    .to_owned();
    if has(FAILED) {
        state.push_str(",Failed");
    }
    if !text(status, "certificate").is_empty() {
        state.push_str(",Issued");
    }
    state
}

#[cfg(test)]
mod tests;
