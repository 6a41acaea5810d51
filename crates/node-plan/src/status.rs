//! What a pod's status shall say (pods-and-kubelet §5.1, §5.3–§5.5).

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{HostIP, Pod, PodIP, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::actions::{End, Life};
use crate::node_facts::NodeFacts;
use crate::observed::Observed;
use crate::probes::ProbeResults;
use crate::waiting::Waiting;
use crate::{pod, security};

mod conditions;
mod containers;
mod phase;
#[cfg(test)]
mod tests;

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

/// The status. Nothing in it goes back: a final phase stays, restart counts grow, `lastTransitionTime` changes with the
/// condition's status only.
#[must_use]
pub fn status(report: &Report<'_>) -> PodStatus {
    let (pod, previous) = (report.pod, report.previous);
    let containers = containers::statuses(report);
    let phase = phase::phase(report, &containers);
    let (reason, message) = reason(report, phase);
    let (pod_ip, pod_ips) = pod_ips(report, phase);
    let host_ips = &report.node.ips;
    PodStatus {
        phase: Some(phase.to_owned()),
        reason,
        message,
        conditions: Some(conditions::conditions(report, phase, &containers)),
        host_ip: host_ips.first().cloned(),
        host_ips: Some(list(host_ips, |ip| HostIP { ip })).filter(|list| !list.is_empty()),
        pod_ip,
        pod_ips,
        start_time: previous
            .start_time
            .clone()
            .or_else(|| Some(Time(whole_second(report.now)))),
        qos_class: Some(security::qos_class(pod).to_owned()),
        observed_generation: pod.metadata.generation,
        init_container_statuses: Some(containers.init).filter(|list| !list.is_empty()),
        container_statuses: Some(containers.regular),
        ..PodStatus::default()
    }
}

/// Times of a status have no fractions.
fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Why the node ended the pod; kept for as long as the phase it explains.
fn reason(report: &Report<'_>, phase: &str) -> (Option<String>, Option<String>) {
    let was_final = report.previous.phase.as_deref().is_some_and(phase::is_final);
    match report.end {
        Some(end) if phase == "Failed" && !was_final => (Some(end.reason.clone()), Some(end.message.clone())),
        _ if report.previous.phase.as_deref() == Some(phase) => {
            (report.previous.reason.clone(), report.previous.message.clone())
        }
        _ => (None, None),
    }
}

/// The sandbox's addresses, or the node's for a pod in its network; once the sandbox is gone, what was said last.
fn pod_ips(report: &Report<'_>, phase: &str) -> (Option<String>, Option<Vec<PodIP>>) {
    let sandbox = report.observed.sandbox().filter(|sandbox| sandbox.ready);
    let ips: &[String] = match sandbox {
        Some(_) if pod::host_network(report.pod) => &report.node.ips,
        Some(sandbox) => &sandbox.ips,
        None => &[],
    };
    if ips.is_empty() && (phase::is_final(phase) || report.life != Life::Wanted) {
        return (report.previous.pod_ip.clone(), report.previous.pod_ips.clone());
    }
    let list = list(ips, |ip| PodIP { ip });
    (ips.first().cloned(), Some(list).filter(|list| !list.is_empty()))
}

fn list<T>(ips: &[String], make: impl Fn(String) -> T) -> Vec<T> {
    ips.iter().cloned().map(make).collect()
}
