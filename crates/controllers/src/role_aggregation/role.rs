//! ClusterRoles as they travel, and what is kept of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::object::{Item, Metadata};

/// `rbac/v1 ClusterRole`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ClusterRole {
    metadata: RoleMetadata,
    #[serde(deserialize_with = "null_is_empty")]
    rules: Vec<Rule>,
    aggregation_rule: Option<AggregationRule>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RoleMetadata {
    #[serde(flatten)]
    metadata: Metadata,
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AggregationRule {
    #[serde(deserialize_with = "null_is_empty")]
    cluster_role_selectors: Vec<LabelSelector>,
}

/// `rbac/v1 PolicyRule`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Rule {
    #[serde(deserialize_with = "null_is_empty")]
    verbs: Vec<String>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    api_groups: Vec<String>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    resource_names: Vec<String>,
    #[serde(
        rename = "nonResourceURLs",
        deserialize_with = "null_is_empty",
        skip_serializing_if = "Vec::is_empty"
    )]
    non_resource_urls: Vec<String>,
}

/// `meta/v1 LabelSelector`: all of it must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LabelSelector {
    match_labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "null_is_empty")]
    match_expressions: Vec<Expression>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Expression {
    key: String,
    operator: String,
    #[serde(deserialize_with = "null_is_empty")]
    values: Vec<String>,
}

/// What is kept of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    pub uid: String,
    pub labels: BTreeMap<String, String>,
    pub rules: Vec<Rule>,
    /// Absent for roles that state their rules themselves.
    pub selectors: Option<Vec<LabelSelector>>,
}

impl ClusterRole {
    /// The role's name, and what is kept.
    pub fn into_role(self) -> (String, Role) {
        let role = Role {
            uid: self.metadata.metadata.uid,
            labels: self.metadata.labels,
            rules: self.rules,
            selectors: self.aggregation_rule.map(|rule| rule.cluster_role_selectors),
        };
        (self.metadata.metadata.name, role)
    }
}

impl Item for ClusterRole {
    fn metadata(&self) -> &Metadata {
        &self.metadata.metadata
    }
}

impl LabelSelector {
    /// Whether labels meet all demands. A selector that demands nothing is met by all.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
            && self
                .match_expressions
                .iter()
                .all(|expression| expression.matches(labels.get(&expression.key)))
    }
}

impl Expression {
    fn matches(&self, label: Option<&String>) -> bool {
        let listed = label.is_some_and(|label| self.values.contains(label));
        match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => label.is_some(),
            "DoesNotExist" => label.is_none(),
            // Validation lets no other through; what is not understood selects nothing.
            _ => false,
        }
    }
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<Vec<T>>::deserialize(deserializer).map(Option::unwrap_or_default)
}
