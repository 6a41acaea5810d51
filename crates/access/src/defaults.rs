//! The roles and bindings that every cluster has (auth.md §5.4), from `data/default-policy.txt`.

mod parse;
mod reconcile;

use std::collections::BTreeMap;

use strongroom_objects::{Map, Object, Value};

use crate::rbac::{Binding, GROUP, PolicyRule, Role};

pub use reconcile::{Change, reconcile};

#[cfg(test)]
mod tests;

const TABLE: &str = include_str!("../data/default-policy.txt");

/// Turning it to `false` keeps an object as its owner wants it.
pub const AUTOUPDATE_ANNOTATION: &str = "rbac.authorization.kubernetes.io/autoupdate";

const BOOTSTRAPPING_LABEL: (&str, &str) = ("kubernetes.io/bootstrapping", "rbac-defaults");

/// All default objects, ready to be stored: ClusterRoles, ClusterRoleBindings, Roles and RoleBindings, in this order.
/// The rules of aggregating ClusterRoles are filled in already.
pub fn objects() -> Vec<Object> {
    let (mut roles, bindings) = roles_and_bindings();
    for index in 0..roles.len() {
        roles[index].rules = gathered(&roles, index, 0);
    }
    let (cluster_roles, namespaced_roles): (Vec<Role>, Vec<Role>) =
        roles.into_iter().partition(|role| role.namespace.is_empty());
    let (cluster_bindings, namespaced_bindings): (Vec<Binding>, Vec<Binding>) = bindings
        .into_iter()
        .partition(|binding| binding.namespace.is_empty());
    let roles_first = |roles: Vec<Role>, bindings: Vec<Binding>| {
        let roles: Vec<Object> = roles.iter().map(role_object).collect();
        roles
            .into_iter()
            .chain(bindings.into_iter().map(|binding| binding_object(&binding)))
    };
    roles_first(cluster_roles, cluster_bindings)
        .chain(roles_first(namespaced_roles, namespaced_bindings))
        .collect()
}

/// The rules of `system:node`, which the Node authorizer grants without a binding.
pub fn node_rules() -> Vec<PolicyRule> {
    let (roles, _) = roles_and_bindings();
    let node = roles.into_iter().find(|role| role.name == "system:node");
    node.map(|role| role.rules).unwrap_or_default()
}

fn roles_and_bindings() -> (Vec<Role>, Vec<Binding>) {
    parse::parse(TABLE).unwrap_or_else(|error| unreachable!("the embedded table is tested: {error}"))
}

/// Rules of roles that are aggregated are gathered first; the table has no cycle, and `depth` makes sure.
fn gathered(roles: &[Role], index: usize, depth: usize) -> Vec<PolicyRule> {
    let target = &roles[index];
    if target.aggregation.is_none() || depth > roles.len() {
        return target.rules.clone();
    }
    let complete: Vec<Role> = (0..roles.len())
        .filter(|other| *other != index && is_selected(target, &roles[*other]))
        .map(|other| Role {
            rules: gathered(roles, other, depth + 1),
            ..roles[other].clone()
        })
        .collect();
    crate::rbac::aggregate(complete.iter(), target)
}

fn is_selected(target: &Role, other: &Role) -> bool {
    let selectors = target.aggregation.iter().flatten();
    selectors
        .into_iter()
        .any(|selector| selector.matches(&other.labels))
}

fn role_object(role: &Role) -> Object {
    let kind = if role.namespace.is_empty() {
        "ClusterRole"
    } else {
        "Role"
    };
    let mut object = object(kind, &role.namespace, &role.name, &role.labels);
    if let Some(selectors) = &role.aggregation {
        let selectors = Map::from_iter([("clusterRoleSelectors".to_owned(), value(selectors))]);
        object
            .body
            .insert("aggregationRule".to_owned(), Value::Object(selectors));
    }
    object.body.insert("rules".to_owned(), value(&role.rules));
    object
}

fn binding_object(binding: &Binding) -> Object {
    let kind = if binding.namespace.is_empty() {
        "ClusterRoleBinding"
    } else {
        "RoleBinding"
    };
    let mut object = object(kind, &binding.namespace, &binding.name, &binding.labels);
    object.body.insert("roleRef".to_owned(), value(&binding.role_ref));
    if !binding.subjects.is_empty() {
        object
            .body
            .insert("subjects".to_owned(), value(&binding.subjects));
    }
    object
}

fn object(kind: &str, namespace: &str, name: &str, labels: &BTreeMap<String, String>) -> Object {
    let mut object = Object {
        api_version: format!("{GROUP}/v1"),
        kind: kind.to_owned(),
        ..Object::default()
    };
    let (label, label_value) = BOOTSTRAPPING_LABEL;
    object.metadata.namespace = namespace.to_owned();
    object.metadata.name = name.to_owned();
    object.metadata.labels.clone_from(labels);
    object
        .metadata
        .labels
        .insert(label.to_owned(), label_value.to_owned());
    object
        .metadata
        .annotations
        .insert(AUTOUPDATE_ANNOTATION.to_owned(), "true".to_owned());
    object
}

fn value(from: &impl serde::Serialize) -> Value {
    serde_json::to_value(from).unwrap_or_else(|_| unreachable!("plain lists and strings"))
}
