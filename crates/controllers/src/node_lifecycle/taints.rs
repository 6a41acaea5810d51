//! Which taints follow from what is known of a node.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Taint;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::health::{Node, Readiness};
use crate::taints::{NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNREACHABLE, UNSCHEDULABLE, taint};

/// Conditions that keep new pods away while they are true, and the taints that say so.
const PRESSURES: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
];

/// Whether a taint is ours to set and to take away.
fn is_managed(taint: &Taint) -> bool {
    let key = taint.key.as_str();
    match taint.effect.as_str() {
        NO_SCHEDULE => {
            [NOT_READY, UNREACHABLE, UNSCHEDULABLE].contains(&key)
                || PRESSURES.iter().any(|(_, pressure)| *pressure == key)
        }
        NO_EXECUTE => [NOT_READY, UNREACHABLE].contains(&key),
        _ => false,
    }
}

/// The taints that are ours, as they should be.
///
/// While no node at all is ready, it is more likely that the API server was alone than that all nodes are lost:
/// nobody is driven away then.
fn wanted(node: &Node, any_ready: bool) -> Vec<Taint> {
    let mut wanted = Vec::new();
    let absence = match node.readiness {
        Readiness::Ready | Readiness::Unheard => None,
        Readiness::NotReady => Some(NOT_READY),
        Readiness::Unknown => Some(UNREACHABLE),
    };
    if let Some(key) = absence {
        wanted.push(taint(key, NO_SCHEDULE));
        if any_ready {
            wanted.push(taint(key, NO_EXECUTE));
        }
    }
    for (condition, key) in PRESSURES {
        if node.pressures.contains(condition) {
            wanted.push(taint(key, NO_SCHEDULE));
        }
    }
    if node.unschedulable {
        wanted.push(taint(UNSCHEDULABLE, NO_SCHEDULE));
    }
    wanted
}

/// The node's taints as they should be; `None` where they are so.
pub(super) fn decide(node: &Node, any_ready: bool, now: Timestamp) -> Option<Vec<Taint>> {
    let wanted = wanted(node, any_ready);
    let same = |one: &Taint, other: &Taint| one.key == other.key && one.effect == other.effect;
    let stays = |taint: &&Taint| !is_managed(taint) || wanted.iter().any(|wanted| same(wanted, taint));
    let mut taints: Vec<Taint> = node.taints.iter().filter(stays).cloned().collect();
    let kept = taints.len();
    for mut taint in wanted {
        if !taints.iter().any(|present| same(present, &taint)) {
            taint.time_added = Some(Time(now));
            taints.push(taint);
        }
    }
    (kept != node.taints.len() || taints.len() != kept).then_some(taints)
}
