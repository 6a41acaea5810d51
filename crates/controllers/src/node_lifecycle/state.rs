//! What is known of nodes, their leases and their pods, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use serde_json::Value;

use super::eviction::{self, Stay};
use super::health::{Node, Readiness};
use super::{Lease, taints};
use crate::list_watch::Change;

/// Namespace and name.
pub(super) type Key = (String, String);

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    Node(String),
    Pod(Key),
}

/// What is to be done to a node.
#[derive(Debug, PartialEq)]
pub(super) enum NodePlan {
    /// Say that nothing is known of it.
    Silent { uid: String, conditions: Value },
    /// Give it these taints.
    Taint {
        resource_version: String,
        taints: Vec<core::Taint>,
    },
}

/// What is to be done to a pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PodPlan {
    MarkNotReady { uid: String },
    Evict { uid: String },
}

/// What came of looking at something.
#[derive(Debug, PartialEq)]
pub(super) enum Finding<P> {
    /// Nothing to do until it changes.
    Rest,
    /// Look again then.
    Later(Instant),
    Act(P),
}

#[derive(Debug, Clone)]
struct Pod {
    uid: String,
    node: String,
    tolerations: Vec<core::Toleration>,
    is_ready: bool,
    is_deleting: bool,
}

/// What is known; the clocks are arguments.
#[derive(Debug, Default)]
pub(super) struct State {
    nodes: BTreeMap<String, Node>,
    /// When each node was last heard of, by our clock.
    heard: BTreeMap<String, Instant>,
    /// When each node's lease was renewed, by the node's clock.
    renewals: BTreeMap<String, Timestamp>,
    pods: BTreeMap<Key, Pod>,
    on_node: BTreeMap<String, BTreeSet<Key>>,
    /// Nodes that a list has told of so far.
    seen: BTreeSet<String>,
    nodes_listed: bool,
}

impl State {
    /// Takes in a change of a node; returns what to look at.
    pub fn node(&mut self, change: Change<core::Node>, now: Instant) -> Vec<Work> {
        let could = self.any_ready();
        let mut work = match change {
            Change::Listing => {
                self.seen.clear();
                Vec::new()
            }
            Change::Listed => {
                let seen = std::mem::take(&mut self.seen);
                self.nodes.retain(|name, _| seen.contains(name));
                self.heard.retain(|name, _| seen.contains(name));
                self.nodes_listed = true;
                return self.nodes.keys().cloned().map(Work::Node).collect();
            }
            Change::Applied(node) => {
                let name = node.metadata.name.clone().unwrap_or_default();
                self.seen.insert(name.clone());
                self.put_node(name, Node::from(node), now)
            }
            Change::Deleted(node) => {
                let name = node.metadata.name.unwrap_or_default();
                self.nodes.remove(&name);
                self.heard.remove(&name);
                Vec::new()
            }
        };
        if could != self.any_ready() {
            work.extend(self.nodes.keys().cloned().map(Work::Node));
        }
        work
    }

    fn put_node(&mut self, name: String, node: Node, now: Instant) -> Vec<Work> {
        let before = self.nodes.get(&name);
        let spoke = before.is_none_or(|before| {
            let by_itself = node.readiness != Readiness::Unknown && node.readiness != before.readiness;
            before.uid != node.uid || by_itself || before.heartbeat != node.heartbeat
        });
        let moves_pods =
            before.is_none_or(|before| before.taints != node.taints || before.readiness != node.readiness);
        if spoke {
            self.heard.insert(name.clone(), now);
        }
        self.nodes.insert(name.clone(), node);
        let mut work = Vec::new();
        if moves_pods {
            let pods = self.on_node.get(&name).into_iter().flatten();
            work.extend(pods.cloned().map(Work::Pod));
        }
        work.push(Work::Node(name));
        work
    }

    /// Takes in a change of a lease.
    pub fn lease(&mut self, change: Change<Lease>, now: Instant) {
        let Change::Applied(lease) = change else { return };
        let Some(renewed) = lease.spec.renew_time.and_then(|time| time.parse().ok()) else {
            return;
        };
        let name = lease.metadata.name;
        if self.renewals.get(&name).is_none_or(|before| *before < renewed) {
            self.heard.insert(name.clone(), now);
            self.renewals.insert(name, renewed);
        }
    }

    /// Takes in a change of a pod; returns what to look at.
    pub fn pod(&mut self, change: Change<core::Pod>) -> Option<Work> {
        match change {
            Change::Listing => {
                self.pods.clear();
                self.on_node.clear();
                None
            }
            Change::Listed => None,
            Change::Applied(pod) => {
                let (key, pod) = read_pod(pod);
                self.remove_pod(&key);
                let pod = pod?;
                self.on_node
                    .entry(pod.node.clone())
                    .or_default()
                    .insert(key.clone());
                self.pods.insert(key.clone(), pod);
                Some(Work::Pod(key))
            }
            Change::Deleted(pod) => {
                let (key, _) = read_pod(pod);
                self.remove_pod(&key);
                None
            }
        }
    }

    fn remove_pod(&mut self, key: &Key) {
        let Some(pod) = self.pods.remove(key) else { return };
        if let Some(keys) = self.on_node.get_mut(&pod.node) {
            keys.remove(key);
            if keys.is_empty() {
                self.on_node.remove(&pod.node);
            }
        }
    }

    fn any_ready(&self) -> bool {
        self.nodes.values().any(|node| node.readiness == Readiness::Ready)
    }

    /// What is to be done about a node.
    pub fn assess_node(&mut self, name: &str, now: Instant, time: Timestamp) -> Finding<NodePlan> {
        let Some(node) = self.nodes.get(name).filter(|_| self.nodes_listed) else {
            return Finding::Rest;
        };
        let heard = *self.heard.entry(name.to_owned()).or_insert(now);
        let deadline = node.deadline(heard);
        if deadline <= now
            && let Some(conditions) = node.conditions_of_silence(time)
        {
            let uid = node.uid.clone();
            return Finding::Act(NodePlan::Silent { uid, conditions });
        }
        if let Some(taints) = taints::decide(node, self.any_ready(), time) {
            let resource_version = node.resource_version.clone();
            return Finding::Act(NodePlan::Taint {
                resource_version,
                taints,
            });
        }
        // A node of which nothing is known has to be heard of first.
        if deadline <= now {
            Finding::Rest
        } else {
            Finding::Later(deadline)
        }
    }

    /// What is to be done about a pod.
    pub fn assess_pod(&self, key: &Key, now: Instant, time: Timestamp) -> Finding<PodPlan> {
        let Some(pod) = self.pods.get(key) else {
            return Finding::Rest;
        };
        let Some(node) = self.nodes.get(&pod.node) else {
            return Finding::Rest;
        };
        let uid = pod.uid.clone();
        if node.readiness == Readiness::Unknown && pod.is_ready {
            return Finding::Act(PodPlan::MarkNotReady { uid });
        }
        if pod.is_deleting {
            return Finding::Rest;
        }
        match eviction::decide(&pod.tolerations, &node.taints, time) {
            Stay::Unlimited => Finding::Rest,
            Stay::Over => Finding::Act(PodPlan::Evict { uid }),
            Stay::Until(end) => {
                let wait = Duration::try_from(end.duration_since(time)).unwrap_or_default();
                Finding::Later(now + wait)
            }
        }
    }
}

/// A pod on a node; nothing for one that has none or has ended.
fn read_pod(pod: core::Pod) -> (Key, Option<Pod>) {
    let metadata = pod.metadata;
    let key = (
        metadata.namespace.unwrap_or_default(),
        metadata.name.unwrap_or_default(),
    );
    let spec = pod.spec.unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    let node = spec.node_name.unwrap_or_default();
    if node.is_empty() || matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return (key, None);
    }
    let conditions = status.conditions.unwrap_or_default();
    let is_ready = |condition: &core::PodCondition| condition.type_ == "Ready" && condition.status == "True";
    let pod = Pod {
        uid: metadata.uid.unwrap_or_default(),
        node,
        tolerations: spec.tolerations.unwrap_or_default(),
        is_ready: conditions.iter().any(is_ready),
        is_deleting: metadata.deletion_timestamp.is_some(),
    };
    (key, Some(pod))
}
