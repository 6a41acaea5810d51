//! ClusterRoles as they travel, and what is kept of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
pub(super) use strongroom_access::rbac::LabelSelector;

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

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<Vec<T>>::deserialize(deserializer).map(Option::unwrap_or_default)
}
