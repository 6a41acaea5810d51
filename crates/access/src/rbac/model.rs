//! Roles and bindings as values.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use strongroom_objects::{Object, Value};

/// What one rule of a role allows: any of the verbs on any of the resources (auth.md §5.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyRule {
    /// `get`, …; `*` stands for all.
    #[serde(deserialize_with = "nullable")]
    pub verbs: Vec<String>,
    /// The core group is empty; `*` stands for all.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// `secrets`, `pods/exec`, `*/scale`; `*` stands for all.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Only objects with these names; empty stands for all.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Paths that are no resources; a `*` at the end stands for any rest.
    #[serde(
        rename = "nonResourceURLs",
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub non_resource_urls: Vec<String>,
}

/// Whom a binding gives its role to.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`; any other kind stands for nobody.
    #[serde(deserialize_with = "nullable")]
    pub kind: String,
    /// Empty for a service account.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub api_group: String,
    /// The name of the user, group or service account.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// Of a service account; empty stands for the binding's own.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// The role that a binding gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleRef {
    /// `rbac.authorization.k8s.io`.
    #[serde(deserialize_with = "nullable")]
    pub api_group: String,
    /// `Role` (of the binding's namespace) or `ClusterRole`.
    #[serde(deserialize_with = "nullable")]
    pub kind: String,
    /// The role's name.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
}

/// A Role or ClusterRole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Role {
    /// Empty for a ClusterRole.
    pub namespace: String,
    /// The role's name.
    pub name: String,
    /// Aggregating ClusterRoles select by them.
    pub labels: BTreeMap<String, String>,
    /// For tools; kept to tell whether a write changes anything that matters (auth.md §5.3).
    pub annotations: BTreeMap<String, String>,
    /// What it allows.
    pub rules: Vec<PolicyRule>,
    /// A ClusterRole with selectors takes its rules from the ClusterRoles that any of them selects.
    pub aggregation: Option<Vec<LabelSelector>>,
}

/// A RoleBinding or ClusterRoleBinding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binding {
    /// Empty for a ClusterRoleBinding.
    pub namespace: String,
    /// The binding's name.
    pub name: String,
    /// For tools.
    pub labels: BTreeMap<String, String>,
    /// For tools.
    pub annotations: BTreeMap<String, String>,
    /// The role it gives.
    pub role_ref: RoleRef,
    /// To whom.
    pub subjects: Vec<Subject>,
}

/// `metav1.LabelSelector`: everything in it must hold; an empty one selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels with exactly these values.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Further demands.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

/// One demand of a [`LabelSelector`] on one label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelectorRequirement {
    /// The label's key.
    #[serde(deserialize_with = "nullable")]
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`; any other selects nothing.
    #[serde(deserialize_with = "nullable")]
    pub operator: String,
    /// For `In` and `NotIn`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// A stored role or binding whose named member does not have the shape it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is malformed")]
pub struct MalformedPolicy(pub &'static str);

impl PolicyRule {
    /// Whether the rule speaks of resources at all.
    pub fn is_for_resources(&self) -> bool {
        !self.resources.is_empty()
    }
}

impl Subject {
    /// The name of the user that a service account acts as; nothing for users, groups and accounts without a
    /// namespace. `namespace` is the binding's.
    pub fn service_account_user(&self, namespace: &str) -> Option<String> {
        let own = if self.namespace.is_empty() {
            namespace
        } else {
            &self.namespace
        };
        (self.kind == "ServiceAccount" && !own.is_empty())
            .then(|| format!("system:serviceaccount:{own}:{}", self.name))
    }
}

impl LabelSelector {
    /// Whether a set of labels meets every demand.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let exactly = self
            .match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value));
        exactly
            && self
                .match_expressions
                .iter()
                .all(|demand| demand.matches(labels.get(&demand.key)))
    }
}

impl LabelSelectorRequirement {
    fn matches(&self, label: Option<&String>) -> bool {
        let listed = label.is_some_and(|label| self.values.contains(label));
        match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => label.is_some(),
            "DoesNotExist" => label.is_none(),
            _ => false,
        }
    }
}

impl Role {
    /// Reads a Role or ClusterRole.
    ///
    /// # Errors
    /// When `rules` or `aggregationRule` do not have the shape of their types; null is an empty list.
    pub fn from_object(object: &Object) -> Result<Role, MalformedPolicy> {
        let aggregation: Option<AggregationRule> = member(object, "aggregationRule")?;
        Ok(Role {
            namespace: object.metadata.namespace.clone(),
            name: object.metadata.name.clone(),
            labels: object.metadata.labels.clone(),
            annotations: object.metadata.annotations.clone(),
            rules: member(object, "rules")?,
            aggregation: aggregation.map(|rule| rule.cluster_role_selectors),
        })
    }

    /// `roles` or `clusterroles`.
    pub fn resource(&self) -> &'static str {
        if self.namespace.is_empty() {
            "clusterroles"
        } else {
            "roles"
        }
    }

    /// Whether the rules are gathered from other roles.
    pub fn is_aggregating(&self) -> bool {
        self.aggregation
            .as_ref()
            .is_some_and(|selectors| !selectors.is_empty())
    }
}

impl Binding {
    /// Reads a RoleBinding or ClusterRoleBinding.
    ///
    /// # Errors
    /// When `roleRef` or `subjects` do not have the shape of their types; null is an empty list.
    pub fn from_object(object: &Object) -> Result<Binding, MalformedPolicy> {
        Ok(Binding {
            namespace: object.metadata.namespace.clone(),
            name: object.metadata.name.clone(),
            labels: object.metadata.labels.clone(),
            annotations: object.metadata.annotations.clone(),
            role_ref: member(object, "roleRef")?,
            subjects: member(object, "subjects")?,
        })
    }

    /// `rolebindings` or `clusterrolebindings`.
    pub fn resource(&self) -> &'static str {
        if self.namespace.is_empty() {
            "clusterrolebindings"
        } else {
            "rolebindings"
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AggregationRule {
    #[serde(deserialize_with = "nullable")]
    cluster_role_selectors: Vec<LabelSelector>,
}

fn member<T: DeserializeOwned + Default>(object: &Object, name: &'static str) -> Result<T, MalformedPolicy> {
    match object.body.get(name) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => T::deserialize(value).map_err(|_| MalformedPolicy(name)),
    }
}

fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        let Value::Object(map) = value else {
            unreachable!("only objects are passed")
        };
        Object::from_value(map).unwrap()
    }

    #[test]
    fn a_role_is_read_and_null_is_empty() {
        let role = Role::from_object(&object(json!({
            "kind": "ClusterRole", "metadata": {"name": "r", "labels": {"a": "b"}},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}, {"matchExpressions": null}]},
            "rules": [{"verbs": ["get"], "apiGroups": null, "resources": null, "nonResourceURLs": ["/x"]}],
        })))
        .unwrap();
        assert_eq!(role.resource(), "clusterroles");
        assert_eq!(role.rules[0].non_resource_urls, ["/x"]);
        assert!(role.rules[0].api_groups.is_empty());
        assert_eq!(role.aggregation.unwrap().len(), 2);

        let empty =
            Role::from_object(&object(json!({"metadata": {"namespace": "n"}, "rules": null}))).unwrap();
        assert_eq!((empty.resource(), empty.rules.len()), ("roles", 0));
        let wrong = Role::from_object(&object(json!({"rules": {"verbs": []}})));
        assert_eq!(wrong, Err(MalformedPolicy("rules")));
    }

    #[test]
    fn a_binding_is_read() {
        let binding = Binding::from_object(&object(json!({
            "metadata": {"name": "b", "namespace": "n"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "s"}, {"kind": "User", "name": "u", "namespace": null}],
        })))
        .unwrap();
        let users: Vec<_> = binding
            .subjects
            .iter()
            .map(|subject| subject.service_account_user(&binding.namespace))
            .collect();
        assert_eq!(users, [Some("system:serviceaccount:n:s".to_owned()), None]);
        let empty = Binding::from_object(&object(json!({"subjects": null}))).unwrap();
        assert_eq!(
            (empty.resource(), empty.subjects.len()),
            ("clusterrolebindings", 0)
        );
    }

    #[test]
    fn selectors_select() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        let cases = [
            (json!({}), true),
            (json!({"matchLabels": {"a": "1"}}), true),
            (json!({"matchLabels": {"a": "2"}}), false),
            (json!({"matchLabels": {"a": "1", "b": "1"}}), false),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["0", "1"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["0"]}]}),
                false,
            ),
        ];
        for (selector, expected) in cases {
            let parsed = LabelSelector::deserialize(&selector).unwrap();
            assert_eq!(parsed.matches(&labels), expected, "{selector}");
        }
    }
}
