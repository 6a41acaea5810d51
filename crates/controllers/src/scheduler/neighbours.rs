//! Pods that have to be near others, or must not be.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PodAffinityTerm;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::cluster::{Cluster, Key, Node, Pod};
use super::selector::selects_labels;

/// Which pods, and what counts as near.
#[derive(Debug, Clone)]
pub(super) struct Term {
    /// Namespaces of the pods; `None` for all.
    namespaces: Option<BTreeSet<String>>,
    selector: Option<LabelSelector>,
    /// Nodes with the same value of this label are near each other.
    topology: String,
}

impl Term {
    /// The term of a pod in `namespace`. Namespaces cannot be selected by their labels, except all of them.
    pub fn new(term: PodAffinityTerm, namespace: &str) -> Self {
        let all = LabelSelector::default();
        let mut namespaces: BTreeSet<String> = term.namespaces.unwrap_or_default().into_iter().collect();
        if namespaces.is_empty() && term.namespace_selector.is_none() {
            namespaces.insert(namespace.to_owned());
        }
        Self {
            namespaces: (term.namespace_selector.as_ref() != Some(&all)).then_some(namespaces),
            selector: term.label_selector,
            topology: term.topology_key,
        }
    }

    fn selects(&self, namespace: &str, pod: &Pod) -> bool {
        let is_here = self
            .namespaces
            .as_ref()
            .is_none_or(|namespaces| namespaces.contains(namespace));
        is_here && selects_labels(self.selector.as_ref(), &pod.labels)
    }
}

/// Label and value: the nodes that have it are near each other.
type Place = (String, String);

/// What a pod's neighbours say to where it may go; found once for all nodes.
#[derive(Debug, Default)]
pub(super) struct Neighbourhood {
    /// One set for each thing it has to be near: it must be in one place of each.
    wanted: Vec<(String, BTreeSet<Place>)>,
    /// Where it must not be.
    avoided: BTreeSet<Place>,
    /// Where others do not want it.
    defended: BTreeSet<Place>,
}

impl Neighbourhood {
    pub fn of(key: &Key, pod: &Pod, cluster: &Cluster) -> Self {
        let place_of = |topology: &str, node: &str| {
            let value = cluster.nodes.get(node)?.labels.get(topology)?;
            Some((topology.to_owned(), value.clone()))
        };
        let places = |term: &Term| -> BTreeSet<Place> {
            let selected = cluster
                .pods()
                .filter(|((namespace, _), other)| term.selects(namespace, other));
            selected
                .filter_map(|(_, other)| place_of(&term.topology, &other.node))
                .collect()
        };
        let mut found = Self::default();
        for term in &pod.near {
            let places = places(term);
            // The first of pods that want to be together has nobody to be near.
            let is_first = places.is_empty() && term.selects(&key.0, pod);
            if !is_first {
                found.wanted.push((term.topology.clone(), places));
            }
        }
        found.avoided = pod.far.iter().flat_map(&places).collect();
        for (_, other) in cluster.guarded() {
            let terms = other.far.iter().filter(|term| term.selects(&key.0, pod));
            found
                .defended
                .extend(terms.filter_map(|term| place_of(&term.topology, &other.node)));
        }
        found
    }

    /// Why the pod cannot go to `node`.
    pub fn objection(&self, node: &Node) -> Option<&'static str> {
        let is_in = |(topology, value): &Place| node.labels.get(topology) == Some(value);
        if self.defended.iter().any(is_in) {
            return Some("node(s) didn't satisfy existing pods anti-affinity rules");
        }
        if self.avoided.iter().any(is_in) {
            return Some("node(s) didn't match pod anti-affinity rules");
        }
        let is_near = |(_, places): &(String, BTreeSet<Place>)| places.iter().any(is_in);
        if !self.wanted.iter().all(is_near) {
            return Some("node(s) didn't match pod affinity rules");
        }
        None
    }
}
