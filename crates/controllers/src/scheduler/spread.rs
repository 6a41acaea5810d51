//! Pods that have to be spread evenly over zones, hosts or whatever a label tells apart.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::TopologySpreadConstraint;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::cluster::{Cluster, Key, Labels, Node, Pod};
use super::selector::selects_labels;
use crate::taints::{NO_EXECUTE, NO_SCHEDULE, is_tolerated};

/// How unevenly pods may be spread at most.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    topology: String,
    selector: Option<LabelSelector>,
    max_skew: i64,
    min_domains: usize,
    /// Whether nodes that the pod's selectors do not select count.
    counts_unselected: bool,
    /// Whether nodes whose taints the pod does not tolerate count.
    counts_tainted: bool,
}

impl Rule {
    /// The rule of a pod with `labels`; nothing for one that is only a wish.
    pub fn new(constraint: TopologySpreadConstraint, labels: &Labels) -> Option<Self> {
        if constraint.when_unsatisfiable != "DoNotSchedule" {
            return None;
        }
        let mut selector = constraint.label_selector;
        for key in constraint.match_label_keys.into_iter().flatten() {
            if let (Some(selector), Some(value)) = (&mut selector, labels.get(&key)) {
                let wanted = selector.match_labels.get_or_insert_default();
                wanted.insert(key, value.clone());
            }
        }
        Some(Self {
            topology: constraint.topology_key,
            selector,
            max_skew: constraint.max_skew.into(),
            min_domains: usize::try_from(constraint.min_domains.unwrap_or(1)).unwrap_or(1),
            counts_unselected: constraint.node_affinity_policy.as_deref() == Some("Ignore"),
            counts_tainted: constraint.node_taints_policy.as_deref() != Some("Honor"),
        })
    }
}

/// One rule, and how many pods of its kind there are where.
#[derive(Debug)]
struct Counted<'a> {
    rule: &'a Rule,
    /// Value of the label → pods.
    pods: BTreeMap<&'a str, i64>,
    fewest: i64,
    /// The pod itself is of the kind.
    itself: i64,
}

/// What a pod's rules say to where it may go; found once for all nodes.
#[derive(Debug, Default)]
pub(super) struct Spread<'a>(Vec<Counted<'a>>);

impl<'a> Spread<'a> {
    pub fn of(key: &Key, pod: &'a Pod, cluster: &'a Cluster) -> Self {
        Self(
            pod.spread
                .iter()
                .map(|rule| count(rule, key, pod, cluster))
                .collect(),
        )
    }

    /// Why the pod cannot go to `node`.
    pub fn objection(&self, node: &Node) -> Option<&'static str> {
        for counted in &self.0 {
            let Some(value) = node.labels.get(&counted.rule.topology) else {
                return Some("node(s) didn't match pod topology spread constraints (missing required label)");
            };
            let here = counted.pods.get(value.as_str()).copied().unwrap_or(0);
            if here + counted.itself - counted.fewest > counted.rule.max_skew {
                return Some("node(s) didn't match pod topology spread constraints");
            }
        }
        None
    }
}

fn count<'a>(rule: &'a Rule, key: &Key, pod: &Pod, cluster: &'a Cluster) -> Counted<'a> {
    let mut pods: BTreeMap<&str, i64> = BTreeMap::new();
    for (name, node) in &cluster.nodes {
        let keeps_away = |effect: &str| effect == NO_SCHEDULE || effect == NO_EXECUTE;
        let mut taints = node.taints.iter().filter(|taint| keeps_away(&taint.effect));
        let is_tolerable = taints.all(|taint| is_tolerated(&pod.tolerations, taint));
        let counts = (rule.counts_unselected || pod.selects(name, node))
            && (rule.counts_tainted || is_tolerable)
            && pod
                .spread
                .iter()
                .all(|rule| node.labels.contains_key(&rule.topology));
        let Some(value) = node.labels.get(&rule.topology).filter(|_| counts) else {
            continue;
        };
        let here = cluster.usage(name).into_iter().flat_map(|usage| &usage.pods);
        let alike = here.filter(|other| {
            let other_pod = cluster.pod(other);
            other.0 == key.0
                && other_pod.is_some_and(|other| selects_labels(rule.selector.as_ref(), &other.labels))
        });
        *pods.entry(value).or_default() += i64::try_from(alike.count()).unwrap_or(i64::MAX);
    }
    let fewest = if pods.len() < rule.min_domains {
        0
    } else {
        pods.values().min().copied().unwrap_or(0)
    };
    Counted {
        rule,
        fewest,
        itself: i64::from(selects_labels(rule.selector.as_ref(), &pod.labels)),
        pods,
    }
}
