//! Roles and cluster roles: lists of rules.

use strongroom_objects::names::{label_value, qualified_name};
use strongroom_objects::{FieldError, Object, Value};

use super::GROUP;
use crate::names::NameRule;
use crate::resource::{ALL_VERBS, Resource, StoredAs, Strategy};

/// The row of roles.
pub static ROLES: Resource = Resource {
    group: GROUP,
    version: "v1",
    kind: "Role",
    plural: "roles",
    singular: "role",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    storage: StoredAs {
        path: "roles",
        api_version: "rbac.authorization.k8s.io/v1",
        kind: "Role",
    },
    name_rule: NameRule::PathSegment,
    returns_deleted_object: false,
    create_on_update: true,
    unconditional_update: true,
    selectable_fields: &[],
    strategy: &Roles { namespaced: true },
};

/// The row of cluster roles.
pub static CLUSTER_ROLES: Resource = Resource {
    group: GROUP,
    version: "v1",
    kind: "ClusterRole",
    plural: "clusterroles",
    singular: "clusterrole",
    short_names: &[],
    categories: &[],
    namespaced: false,
    verbs: ALL_VERBS,
    subresources: &[],
    storage: StoredAs {
        path: "clusterroles",
        api_version: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRole",
    },
    name_rule: NameRule::PathSegment,
    returns_deleted_object: false,
    create_on_update: true,
    unconditional_update: true,
    selectable_fields: &[],
    strategy: &Roles { namespaced: false },
};

struct Roles {
    namespaced: bool,
}

impl Strategy for Roles {
    fn validate(&self, object: &Object, errors: &mut Vec<FieldError>) {
        for (index, rule) in items(object.body.get("rules")).iter().enumerate() {
            self.validate_rule(rule, &format!("rules[{index}]"), errors);
        }
        if let Some(aggregation) = object.body.get("aggregationRule").filter(|rule| !rule.is_null()) {
            validate_aggregation(aggregation, errors);
        }
    }
}

impl Roles {
    fn validate_rule(&self, rule: &Value, path: &str, errors: &mut Vec<FieldError>) {
        let list = |name: &str| items(rule.get(name));
        if list("verbs").is_empty() {
            errors.push(FieldError::required(
                &format!("{path}.verbs"),
                "verbs must contain at least one value",
            ));
        }
        let urls = list("nonResourceURLs");
        if !urls.is_empty() {
            let refusal = |detail| {
                FieldError::invalid(
                    &format!("{path}.nonResourceURLs"),
                    Value::from(urls.to_vec()),
                    detail,
                )
            };
            if self.namespaced {
                errors.push(refusal("namespaced rules cannot apply to non-resource URLs"));
            }
            if ["apiGroups", "resources", "resourceNames"]
                .iter()
                .any(|name| !list(name).is_empty())
            {
                errors.push(refusal(
                    "rules cannot apply to both regular resources and non-resource URLs",
                ));
            }
            return;
        }
        if list("apiGroups").is_empty() {
            let detail = "resource rules must supply at least one api group";
            errors.push(FieldError::required(&format!("{path}.apiGroups"), detail));
        }
        if list("resources").is_empty() {
            let detail = "resource rules must supply at least one resource";
            errors.push(FieldError::required(&format!("{path}.resources"), detail));
        }
    }
}

fn validate_aggregation(aggregation: &Value, errors: &mut Vec<FieldError>) {
    const PATH: &str = "aggregationRule.clusterRoleSelectors";
    let selectors = items(aggregation.get("clusterRoleSelectors"));
    if selectors.is_empty() {
        let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        errors.push(FieldError::required(PATH, detail));
    }
    for (index, selector) in selectors.iter().enumerate() {
        validate_selector(selector, &format!("{PATH}[{index}]"), errors);
    }
}

fn validate_selector(selector: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        let at = format!("{path}.matchLabels");
        let problems = qualified_name(key);
        errors.extend(
            problems
                .iter()
                .map(|problem| FieldError::invalid(&at, key.as_str(), problem)),
        );
        let value = value.as_str().unwrap_or_default();
        errors.extend(
            label_value(value)
                .iter()
                .map(|problem| FieldError::invalid(&at, value, problem)),
        );
    }
    for (index, expression) in items(selector.get("matchExpressions")).iter().enumerate() {
        let at = |field: &str| format!("{path}.matchExpressions[{index}].{field}");
        let text = |field: &str| expression.get(field).and_then(Value::as_str).unwrap_or_default();
        let has_values = !items(expression.get("values")).is_empty();
        match text("operator") {
            "In" | "NotIn" if !has_values => errors.push(FieldError::required(
                &at("values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            )),
            "Exists" | "DoesNotExist" if has_values => errors.push(FieldError::forbidden(
                &at("values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.push(FieldError::invalid(
                &at("operator"),
                other,
                "not a valid selector operator",
            )),
        }
        for problem in qualified_name(text("key")) {
            errors.push(FieldError::invalid(&at("key"), text("key"), &problem));
        }
    }
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
