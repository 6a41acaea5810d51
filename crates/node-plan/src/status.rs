//! What a pod's status shall say (pods-and-kubelet §5.1, §5.3–§5.5).

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodStatus};

use crate::actions::{End, Life};
use crate::node_facts::NodeFacts;
use crate::observed::Observed;
use crate::probes::ProbeResults;
use crate::waiting::Waiting;

/// What a status is made from.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// The status that this node reported last; the pod's own when the node has just begun.
    pub previous: &'a PodStatus,
    /// What the runtime reports.
    pub observed: &'a Observed,
    /// What the probes say.
    pub probes: &'a ProbeResults,
    /// Why containers are not started: what their last start failed with, overlaid with [`crate::actions::Decision::waiting`].
    /// An entry goes when the container starts.
    pub waiting: &'a BTreeMap<String, Waiting>,
    /// What containers left at their termination message path, by the runtime's container id
    /// ([`crate::termination`]).
    pub termination_messages: &'a BTreeMap<String, String>,
    /// How the pod stands.
    pub life: Life,
    /// Why the node ended it.
    pub end: Option<&'a End>,
    /// The node.
    pub node: &'a NodeFacts,
    /// The runtime's name, before `://` in container ids.
    pub runtime: &'a str,
    /// Now.
    pub now: Timestamp,
}

/// The status.
#[must_use]
pub fn status(report: &Report<'_>) -> PodStatus {
    report.previous.clone()
}
