//! Where does a pod go? A pure decision over what is known of the cluster.

use std::collections::BTreeMap;

use super::cluster::{Cluster, Key, Node, Pod, Usage};
use super::neighbours::Neighbourhood;
use super::spread::Spread;
use crate::taints::{NO_EXECUTE, NO_SCHEDULE, UNSCHEDULABLE, is_tolerated, taint};

/// What becomes of a pod that waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It goes to this node.
    Bind(String),
    /// It goes nowhere, and why.
    Wait(String),
}

/// What other pods say to where a pod may go.
struct Surroundings<'a> {
    spread: Spread<'a>,
    neighbourhood: Neighbourhood,
}

/// Chooses the node with the fewest pods of those that fit.
pub(super) fn decide(key: &Key, pod: &Pod, cluster: &Cluster) -> Decision {
    if cluster.nodes.is_empty() {
        return Decision::Wait("no nodes available to schedule pods".to_owned());
    }
    let surroundings = Surroundings {
        spread: Spread::of(key, pod, cluster),
        neighbourhood: Neighbourhood::of(key, pod, cluster),
    };
    let mut best: Option<(usize, &str)> = None;
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for (name, node) in &cluster.nodes {
        let objections = objections(pod, name, node, cluster, &surroundings);
        if objections.is_empty() {
            let candidate = (
                cluster.usage(name).map_or(0, |usage| usage.pods.len()),
                name.as_str(),
            );
            best = Some(best.map_or(candidate, |best| best.min(candidate)));
        }
        for reason in objections {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    match best {
        Some((_, node)) => Decision::Bind(node.to_owned()),
        None => Decision::Wait(explain(cluster.nodes.len(), &reasons)),
    }
}

/// `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`
fn explain(nodes: usize, reasons: &BTreeMap<String, usize>) -> String {
    let mut texts: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    texts.sort();
    format!("0/{nodes} nodes are available: {}.", texts.join(", "))
}

/// Why a pod cannot go to a node, in Kubernetes' words and order: what comes first ends the questions.
fn objections(
    pod: &Pod,
    name: &str,
    node: &Node,
    cluster: &Cluster,
    surroundings: &Surroundings<'_>,
) -> Vec<String> {
    let cordon = taint(UNSCHEDULABLE, NO_SCHEDULE);
    if node.unschedulable && !is_tolerated(&pod.tolerations, &cordon) {
        return vec!["node(s) were unschedulable".to_owned()];
    }
    let keeps_away = |effect: &str| effect == NO_SCHEDULE || effect == NO_EXECUTE;
    let is_kept_away = node
        .taints
        .iter()
        .any(|taint| keeps_away(&taint.effect) && !is_tolerated(&pod.tolerations, taint));
    if is_kept_away {
        return vec!["node(s) had untolerated taint(s)".to_owned()];
    }
    if !pod.selects(name, node) {
        return vec!["node(s) didn't match Pod's node affinity/selector".to_owned()];
    }
    let usage = cluster.usage(name);
    if !has_free_ports(pod, usage, cluster) {
        return vec!["node(s) didn't have free ports for the requested pod ports".to_owned()];
    }
    let lacking = lacking(pod, node, usage);
    if !lacking.is_empty() {
        return lacking;
    }
    let spread = surroundings.spread.objection(node);
    let objection = spread.or_else(|| surroundings.neighbourhood.objection(node));
    objection.map(str::to_owned).into_iter().collect()
}

fn has_free_ports(pod: &Pod, usage: Option<&Usage>, cluster: &Cluster) -> bool {
    if pod.ports.is_empty() {
        return true;
    }
    let keys = usage.into_iter().flat_map(|usage| &usage.pods);
    let others = keys.filter_map(|key| cluster.pod(key));
    let mut taken = others.flat_map(|other| &other.ports);
    !taken.any(|port| pod.ports.iter().any(|wanted| wanted.conflicts(port)))
}

fn lacking(pod: &Pod, node: &Node, usage: Option<&Usage>) -> Vec<String> {
    let mut reasons = Vec::new();
    let allowed = |name: &str| node.allocatable.get(name).copied().unwrap_or_default();
    let pods = usage.map_or(0, |usage| usage.pods.len());
    if i64::try_from(pods).unwrap_or(i64::MAX) >= allowed("pods").rounded_up() {
        reasons.push("Too many pods".to_owned());
    }
    for (name, wanted) in &pod.requests {
        let taken = usage.and_then(|usage| usage.amounts.get(name)).copied();
        let free = allowed(name).minus(taken.unwrap_or_default());
        if wanted.is_positive() && *wanted > free {
            reasons.push(format!("Insufficient {name}"));
        }
    }
    reasons
}

#[cfg(test)]
mod tests;
