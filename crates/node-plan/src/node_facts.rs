//! What the plan has to know of the machine.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The node as its pods see it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeFacts {
    /// The Node object's name.
    pub name: String,
    /// Its addresses (`status.hostIPs`), the first one first.
    pub ips: Vec<String>,
    /// What pods may use (`status.allocatable`): the limit of a container that sets none (downward API).
    pub allocatable: BTreeMap<String, Quantity>,
    /// Memory of the machine in bytes, against which `oom_score_adj` is reckoned.
    pub memory_bytes: i64,
}
