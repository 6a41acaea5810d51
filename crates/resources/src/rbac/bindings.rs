//! Role bindings and cluster role bindings: who has a role.

use jiff::Timestamp;
use serde_json::json;
use strongroom_objects::{ColumnDefinition, FieldError, Map, Object, Value};

use super::GROUP;
use crate::names::{NameRule, path_segment};
use crate::printing;
use crate::resource::{ALL_VERBS, Resource, StoredAs, Strategy};

/// The row of role bindings.
pub static ROLE_BINDINGS: Resource = Resource {
    group: GROUP,
    version: "v1",
    kind: "RoleBinding",
    plural: "rolebindings",
    singular: "rolebinding",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    storage: StoredAs {
        path: "rolebindings",
        api_version: "rbac.authorization.k8s.io/v1",
        kind: "RoleBinding",
    },
    name_rule: NameRule::PathSegment,
    returns_deleted_object: false,
    create_on_update: true,
    unconditional_update: true,
    selectable_fields: &[],
    strategy: &Bindings {
        role_kinds: &["ClusterRole", "Role"],
    },
};

/// The row of cluster role bindings.
pub static CLUSTER_ROLE_BINDINGS: Resource = Resource {
    group: GROUP,
    version: "v1",
    kind: "ClusterRoleBinding",
    plural: "clusterrolebindings",
    singular: "clusterrolebinding",
    short_names: &[],
    categories: &[],
    namespaced: false,
    verbs: ALL_VERBS,
    subresources: &[],
    storage: StoredAs {
        path: "clusterrolebindings",
        api_version: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
    },
    name_rule: NameRule::PathSegment,
    returns_deleted_object: false,
    create_on_update: true,
    unconditional_update: true,
    selectable_fields: &[],
    strategy: &Bindings {
        role_kinds: &["ClusterRole"],
    },
};

struct Bindings {
    /// Kinds of role that may be bound.
    role_kinds: &'static [&'static str],
}

impl Strategy for Bindings {
    fn default_fields(&self, object: &mut Object) {
        if let Some(Value::Object(role)) = object.body.get_mut("roleRef") {
            fill_group(role);
        }
        for subject in object
            .body
            .get_mut("subjects")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let Value::Object(subject) = subject else { continue };
            if matches!(
                subject.get("kind").and_then(Value::as_str),
                Some("User" | "Group")
            ) {
                fill_group(subject);
            }
        }
    }

    fn validate(&self, object: &Object, errors: &mut Vec<FieldError>) {
        self.validate_role(object.body.get("roleRef").unwrap_or(&Value::Null), errors);
        let needs_namespace = !self.role_kinds.contains(&"Role");
        for (index, subject) in subjects(object).iter().enumerate() {
            validate_subject(subject, &format!("subjects[{index}]"), needs_namespace, errors);
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, _subresource: &str, errors: &mut Vec<FieldError>) {
        let (role, before) = (new.body.get("roleRef"), old.body.get("roleRef"));
        if role != before {
            let role = role.unwrap_or(&Value::Null);
            // The type behind the message has no JSON names.
            let shown = json!({"APIGroup": text(role, "apiGroup"), "Kind": text(role, "kind"), "Name": text(role, "name")});
            errors.push(FieldError::invalid("roleRef", shown, "cannot change roleRef"));
        }
    }

    fn columns(&self) -> Vec<ColumnDefinition> {
        let column =
            |name, description, priority| ColumnDefinition::new(name, "string", "", description, priority);
        vec![
            printing::name_column(),
            column("Role", "The role that is bound.", 0),
            printing::age_column(),
            column("Users", "Users who have the role.", 1),
            column("Groups", "Groups that have the role.", 1),
            column("ServiceAccounts", "Service accounts that have the role.", 1),
        ]
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let role = object.body.get("roleRef").unwrap_or(&Value::Null);
        let of_kind = |kind: &str| {
            let names: Vec<String> = subjects(object)
                .iter()
                .filter(|subject| text(subject, "kind") == kind)
                .map(|subject| match text(subject, "namespace") {
                    "" => text(subject, "name").to_owned(),
                    namespace => format!("{namespace}/{}", text(subject, "name")),
                })
                .collect();
            Value::from(names.join(", "))
        };
        vec![
            object.metadata.name.clone().into(),
            format!("{}/{}", text(role, "kind"), text(role, "name")).into(),
            printing::age(object, now),
            of_kind("User"),
            of_kind("Group"),
            of_kind("ServiceAccount"),
        ]
    }
}

impl Bindings {
    fn validate_role(&self, role: &Value, errors: &mut Vec<FieldError>) {
        let (group, kind, name) = (text(role, "apiGroup"), text(role, "kind"), text(role, "name"));
        if group != GROUP {
            errors.push(FieldError::not_supported("roleRef.apiGroup", group, &[GROUP]));
        }
        if !self.role_kinds.contains(&kind) {
            errors.push(FieldError::not_supported("roleRef.kind", kind, self.role_kinds));
        }
        if name.is_empty() {
            errors.push(FieldError::required("roleRef.name", ""));
        }
        for problem in path_segment(name) {
            errors.push(FieldError::invalid("roleRef.name", name, &problem));
        }
    }
}

fn validate_subject(subject: &Value, path: &str, needs_namespace: bool, errors: &mut Vec<FieldError>) {
    const KINDS: [&str; 3] = ["ServiceAccount", "User", "Group"];
    let at = |field: &str| format!("{path}.{field}");
    let (kind, group, name) = (
        text(subject, "kind"),
        text(subject, "apiGroup"),
        text(subject, "name"),
    );
    if name.is_empty() {
        errors.push(FieldError::required(&at("name"), ""));
    }
    match kind {
        "ServiceAccount" => {
            if !name.is_empty() {
                for problem in NameRule::Subdomain.check(name, false) {
                    errors.push(FieldError::invalid(&at("name"), name, &problem));
                }
            }
            if !group.is_empty() {
                errors.push(FieldError::not_supported(&at("apiGroup"), group, &[""]));
            }
            if needs_namespace && text(subject, "namespace").is_empty() {
                errors.push(FieldError::required(&at("namespace"), ""));
            }
        }
        "User" | "Group" => {
            if group != GROUP {
                errors.push(FieldError::not_supported(&at("apiGroup"), group, &[GROUP]));
            }
        }
        other => errors.push(FieldError::not_supported(&at("kind"), other, &KINDS)),
    }
}

fn fill_group(reference: &mut Map) {
    if reference
        .get("apiGroup")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .is_empty()
    {
        reference.insert("apiGroup".to_owned(), GROUP.into());
    }
}

fn subjects(object: &Object) -> &[Value] {
    let subjects = object.body.get("subjects").and_then(Value::as_array);
    subjects.map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
