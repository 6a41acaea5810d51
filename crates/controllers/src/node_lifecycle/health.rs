//! What is known of a node's health, and what follows from silence.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};
use strongroom_objects::time;

/// Silence after which nothing is known of a node. Its agent is heard every ten seconds.
const GRACE: Duration = Duration::from_secs(40);
/// The same for a node whose agent has never said anything.
const STARTUP_GRACE: Duration = Duration::from_secs(60);

/// Conditions that only a living agent can speak for.
const CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// What the condition Ready says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Readiness {
    Ready,
    NotReady,
    Unknown,
    /// There is no such condition yet.
    #[default]
    Unheard,
}

/// A node as the watch told of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Node {
    pub uid: String,
    pub resource_version: String,
    pub created: Option<Timestamp>,
    pub taints: Vec<core::Taint>,
    pub unschedulable: bool,
    pub readiness: Readiness,
    /// Other conditions that are true.
    pub pressures: BTreeSet<String>,
    /// Conditions there are, with their status.
    conditions: Vec<(String, String)>,
    /// When the agent last spoke of its readiness, by its own clock.
    pub heartbeat: Option<Timestamp>,
}

impl From<core::Node> for Node {
    fn from(node: core::Node) -> Self {
        let spec = node.spec.unwrap_or_default();
        let conditions = node.status.unwrap_or_default().conditions.unwrap_or_default();
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
        let readiness = ready.map_or(Readiness::Unheard, |ready| match ready.status.as_str() {
            "True" => Readiness::Ready,
            "False" => Readiness::NotReady,
            _ => Readiness::Unknown,
        });
        let heartbeat = ready.and_then(|ready| ready.last_heartbeat_time.as_ref());
        let is_pressure =
            |condition: &&core::NodeCondition| condition.type_ != "Ready" && condition.status == "True";
        Self {
            uid: node.metadata.uid.unwrap_or_default(),
            resource_version: node.metadata.resource_version.unwrap_or_default(),
            created: node.metadata.creation_timestamp.map(|time| time.0),
            taints: spec.taints.unwrap_or_default(),
            unschedulable: spec.unschedulable.unwrap_or(false),
            readiness,
            pressures: conditions
                .iter()
                .filter(is_pressure)
                .map(|condition| condition.type_.clone())
                .collect(),
            heartbeat: heartbeat.map(|time| time.0),
            conditions: conditions
                .into_iter()
                .map(|condition| (condition.type_, condition.status))
                .collect(),
        }
    }
}

impl Node {
    /// When silence since `heard` lasts too long.
    pub fn deadline(&self, heard: Instant) -> Instant {
        heard
            + if self.readiness == Readiness::Unheard {
                STARTUP_GRACE
            } else {
                GRACE
            }
    }

    /// The conditions of a node that has been silent for too long, as they are to be patched; `None` where they say so
    /// already.
    pub fn conditions_of_silence(&self, now: Timestamp) -> Option<Value> {
        if self.readiness == Readiness::Unknown {
            return None;
        }
        let unknown = |kind: &&str| match self.conditions.iter().find(|(known, _)| known == kind) {
            None => Some(json!({
                "type": kind,
                "status": "Unknown",
                "reason": "NodeStatusNeverUpdated",
                "message": "Kubelet never posted node status.",
                "lastHeartbeatTime": self.created.map(time::seconds),
                "lastTransitionTime": time::seconds(now),
            })),
            Some((_, status)) if status == "Unknown" => None,
            Some(_) => Some(json!({
                "type": kind,
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
                "lastTransitionTime": time::seconds(now),
            })),
        };
        Some(CONDITIONS.iter().filter_map(unknown).collect())
    }
}
