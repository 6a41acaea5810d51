//! What the scheduler knows of nodes and pods: as much as it decides by.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;
use strongroom_objects::Quantity;

use super::neighbours::Term;
use super::selector::selects_node;
use super::spread::Rule;
use crate::taints::{NO_SCHEDULE, NOT_READY, taint};

/// Namespace and name.
pub(super) type Key = (String, String);
/// How much of each resource.
pub(super) type Amounts = BTreeMap<String, Quantity>;
pub(super) type Labels = BTreeMap<String, String>;

/// A node, in so far as it matters where pods go.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Node {
    pub labels: Labels,
    pub taints: Vec<core::Taint>,
    pub unschedulable: bool,
    pub allocatable: Amounts,
}

impl From<core::Node> for Node {
    fn from(node: core::Node) -> Self {
        let spec = node.spec.unwrap_or_default();
        let status = node.status.unwrap_or_default();
        let mut taints = spec.taints.unwrap_or_default();
        let is_ready = status
            .conditions
            .unwrap_or_default()
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True");
        // A node that never said it was ready is not tainted yet.
        if !is_ready && !taints.iter().any(|taint| taint.key == NOT_READY) {
            taints.push(taint(NOT_READY, NO_SCHEDULE));
        }
        Self {
            labels: node.metadata.labels.unwrap_or_default(),
            taints,
            unschedulable: spec.unschedulable.unwrap_or(false),
            allocatable: amounts(status.allocatable),
        }
    }
}

/// A port of the node that a pod takes for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostPort {
    pub address: String,
    pub protocol: String,
    pub number: i32,
}

impl HostPort {
    /// Whether two pods with these ports cannot be on one node.
    pub fn conflicts(&self, other: &Self) -> bool {
        let anywhere = |address: &str| matches!(address, "" | "0.0.0.0" | "::");
        self.number == other.number
            && self.protocol == other.protocol
            && (self.address == other.address || anywhere(&self.address) || anywhere(&other.address))
    }
}

/// A pod, in so far as it matters where it and others go.
#[derive(Debug, Clone, Default)]
pub(super) struct Pod {
    pub uid: String,
    pub labels: Labels,
    /// Empty while it has none.
    pub node: String,
    /// It waits for this scheduler.
    pub is_pending: bool,
    pub requests: Amounts,
    pub ports: Vec<HostPort>,
    pub node_selector: Labels,
    /// Any of these; `None` where every node will do.
    pub node_terms: Option<Vec<core::NodeSelectorTerm>>,
    pub tolerations: Vec<core::Toleration>,
    /// Pods it has to be near.
    pub near: Vec<Term>,
    /// Pods it must not be near.
    pub far: Vec<Term>,
    /// How it has to be spread.
    pub spread: Vec<Rule>,
    /// Status, reason and message of its condition PodScheduled.
    pub told: Option<(String, String, String)>,
}

impl Pod {
    /// The key of a pod and what is known of it; nothing for one that has ended and takes no room any more.
    pub fn read(pod: core::Pod) -> (Key, Option<Self>) {
        let metadata = pod.metadata;
        let key = (
            metadata.namespace.unwrap_or_default(),
            metadata.name.unwrap_or_default(),
        );
        let status = pod.status.unwrap_or_default();
        if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
            return (key, None);
        }
        let mut spec = pod.spec.unwrap_or_default();
        let node = spec.node_name.take().unwrap_or_default();
        let is_ours = spec.scheduler_name.as_deref() == Some(super::NAME);
        let is_gated = spec
            .scheduling_gates
            .as_ref()
            .is_some_and(|gates| !gates.is_empty());
        let is_deleting = metadata.deletion_timestamp.is_some();
        let affinity = spec.affinity.take().unwrap_or_default();
        let namespace = &key.0;
        let near = affinity
            .pod_affinity
            .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution);
        let far = affinity
            .pod_anti_affinity
            .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution);
        let node_terms = affinity
            .node_affinity
            .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution);
        let told = status.conditions.unwrap_or_default().into_iter();
        let told = told
            .filter(|condition| condition.type_ == "PodScheduled")
            .map(|condition| {
                let text = Option::unwrap_or_default;
                (condition.status, text(condition.reason), text(condition.message))
            })
            .next();
        let labels = metadata.labels.unwrap_or_default();
        let spread = spec.topology_spread_constraints.take().unwrap_or_default();
        let pod = Self {
            spread: spread
                .into_iter()
                .filter_map(|constraint| Rule::new(constraint, &labels))
                .collect(),
            uid: metadata.uid.unwrap_or_default(),
            labels,
            is_pending: node.is_empty() && is_ours && !is_gated && !is_deleting,
            node,
            requests: requests(&spec),
            ports: ports(&spec),
            near: near
                .unwrap_or_default()
                .into_iter()
                .map(|term| Term::new(term, namespace))
                .collect(),
            far: far
                .unwrap_or_default()
                .into_iter()
                .map(|term| Term::new(term, namespace))
                .collect(),
            node_selector: spec.node_selector.unwrap_or_default(),
            node_terms: node_terms.map(|selector| selector.node_selector_terms),
            tolerations: spec.tolerations.unwrap_or_default(),
            told,
        };
        (key, Some(pod))
    }
}

impl Pod {
    /// Whether the pod's own selectors select a node.
    pub fn selects(&self, name: &str, node: &Node) -> bool {
        let is_selected = |(key, value): (&String, &String)| node.labels.get(key) == Some(value);
        let terms = self.node_terms.as_ref();
        self.node_selector.iter().all(is_selected)
            && terms.is_none_or(|terms| selects_node(terms, name, &node.labels))
    }
}

/// What a pod asks for: its containers together, or the largest of those that run before them.
fn requests(spec: &core::PodSpec) -> Amounts {
    let of = |container: &core::Container| {
        let resources = container.resources.as_ref();
        amounts(resources.and_then(|resources| resources.requests.clone()))
    };
    let mut total = Amounts::new();
    for container in &spec.containers {
        add(&mut total, &of(container));
    }
    let mut largest = Amounts::new();
    let mut sidecars = Amounts::new();
    for container in spec.init_containers.iter().flatten() {
        let mut before = sidecars.clone();
        add(&mut before, &of(container));
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars = before.clone();
            add(&mut total, &of(container));
        }
        for (name, amount) in before {
            let most = largest.entry(name).or_default();
            *most = amount.max(*most);
        }
    }
    for (name, amount) in largest {
        let wanted = total.entry(name).or_default();
        *wanted = amount.max(*wanted);
    }
    add(&mut total, &amounts(spec.overhead.clone()));
    total
}

fn ports(spec: &core::PodSpec) -> Vec<HostPort> {
    let containers = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|port| {
            Some(HostPort {
                address: port.host_ip.clone().unwrap_or_default(),
                protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
                number: port.host_port.filter(|number| *number > 0)?,
            })
        })
        .collect()
}

fn amounts(written: Option<BTreeMap<String, Written>>) -> Amounts {
    let amounts = written.unwrap_or_default().into_iter();
    amounts
        .filter_map(|(name, amount)| Some((name, Quantity::parse(&amount.0)?)))
        .collect()
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let total = sum.entry(name.clone()).or_default();
        *total = total.plus(*amount);
    }
}

fn subtract(sum: &mut Amounts, less: &Amounts) {
    for (name, amount) in less {
        let total = sum.entry(name.clone()).or_default();
        *total = total.minus(*amount);
    }
}

/// What the pods of one node take.
#[derive(Debug, Default)]
pub(super) struct Usage {
    pub pods: BTreeSet<Key>,
    pub amounts: Amounts,
}

/// Nodes, pods, and what the pods take of the nodes.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub nodes: BTreeMap<String, Node>,
    pods: BTreeMap<Key, Pod>,
    usage: BTreeMap<String, Usage>,
    /// Pods on nodes that keep others away.
    guarded: BTreeSet<Key>,
}

impl Cluster {
    pub fn pod(&self, key: &Key) -> Option<&Pod> {
        self.pods.get(key)
    }

    pub fn pods(&self) -> impl Iterator<Item = (&Key, &Pod)> {
        self.pods.iter()
    }

    /// Pods on nodes that must not have certain others near them.
    pub fn guarded(&self) -> impl Iterator<Item = (&Key, &Pod)> {
        let pod = |key| Some((key, self.pods.get(key)?));
        self.guarded.iter().filter_map(pod)
    }

    pub fn usage(&self, node: &str) -> Option<&Usage> {
        self.usage.get(node)
    }

    /// Takes in a pod as it is now; returns whether room became free.
    pub fn put(&mut self, key: Key, pod: Pod) -> bool {
        let before = self.remove(&key);
        if !pod.node.is_empty() {
            let usage = self.usage.entry(pod.node.clone()).or_default();
            add(&mut usage.amounts, &pod.requests);
            usage.pods.insert(key.clone());
            if !pod.far.is_empty() {
                self.guarded.insert(key.clone());
            }
        }
        let frees = before.is_some_and(|before| !before.node.is_empty() && before.node != pod.node);
        self.pods.insert(key, pod);
        frees
    }

    /// Forgets a pod that is gone or has ended.
    pub fn remove(&mut self, key: &Key) -> Option<Pod> {
        let pod = self.pods.remove(key)?;
        self.guarded.remove(key);
        if let Some(usage) = self.usage.get_mut(&pod.node) {
            subtract(&mut usage.amounts, &pod.requests);
            usage.pods.remove(key);
            if usage.pods.is_empty() {
                self.usage.remove(&pod.node);
            }
        }
        Some(pod)
    }

    /// Counts a pod as being on a node, or on none where `node` is empty.
    pub fn assign(&mut self, key: &Key, node: &str) {
        if let Some(mut pod) = self.remove(key) {
            node.clone_into(&mut pod.node);
            self.put(key.clone(), pod);
        }
    }

    /// Forgets all pods.
    pub fn clear_pods(&mut self) {
        self.pods.clear();
        self.usage.clear();
        self.guarded.clear();
    }
}
