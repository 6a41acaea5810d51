//! The conditions that a node reports (pods-and-kubelet §5.4). Those of others are kept as they are, after the node's.

use k8s_openapi::api::core::v1::PodCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::containers::{Statuses, is_running, terminated, terminated_before};
use super::{Report, whole_second};
use crate::pod::{self, Member, Role};

const OWN: [&str; 5] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
];

/// What a condition says, before times.
struct Verdict {
    holds: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Verdict {
    const TRUE: Verdict = Verdict {
        holds: true,
        reason: None,
        message: None,
    };

    fn no(reason: &'static str, message: String) -> Verdict {
        Verdict {
            holds: false,
            reason: Some(reason),
            message: Some(message).filter(|message| !message.is_empty()),
        }
    }
}

pub(super) fn conditions(report: &Report<'_>, phase: &str, statuses: &Statuses) -> Vec<PodCondition> {
    let containers_ready = containers_ready(report, phase, statuses);
    let ready = ready(report, phase, statuses);
    let verdicts = [
        sandbox_ready(report),
        initialized(report, phase, statuses),
        ready,
        containers_ready,
        Verdict::TRUE,
    ];
    let mut conditions: Vec<PodCondition> = OWN
        .into_iter()
        .zip(verdicts)
        .map(|(type_, verdict)| stamp(report, type_, verdict))
        .collect();
    let others = report.previous.conditions.iter().flatten();
    let of_server = report
        .pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    for condition in of_server.into_iter().flatten().chain(others) {
        if conditions.iter().all(|known| known.type_ != condition.type_) {
            conditions.push(condition.clone());
        }
    }
    conditions
}

fn stamp(report: &Report<'_>, type_: &str, verdict: Verdict) -> PodCondition {
    let status = if verdict.holds { "True" } else { "False" };
    let known = |list: Option<&Vec<PodCondition>>| {
        let same = list
            .into_iter()
            .flatten()
            .find(|condition| condition.type_ == type_);
        same.filter(|condition| condition.status == status)
            .and_then(|same| same.last_transition_time.clone())
    };
    let of_server = report
        .pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let since = known(report.previous.conditions.as_ref()).or_else(|| known(of_server));
    PodCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: verdict.reason.map(str::to_owned),
        message: verdict.message,
        last_probe_time: None,
        last_transition_time: Some(since.unwrap_or_else(|| Time(whole_second(report.now)))),
        observed_generation: report.pod.metadata.generation,
    }
}

fn sandbox_ready(report: &Report<'_>) -> Verdict {
    let ready = report
        .observed
        .sandbox()
        .is_some_and(|sandbox| sandbox.ready && (pod::host_network(report.pod) || !sandbox.ips.is_empty()));
    Verdict {
        holds: ready,
        reason: None,
        message: None,
    }
}

fn initialized(report: &Report<'_>, phase: &str, statuses: &Statuses) -> Verdict {
    if phase == "Succeeded" {
        return Verdict {
            holds: true,
            reason: Some("PodCompleted"),
            message: None,
        };
    }
    let regular_began = pod::regular_members(report.pod).any(|member| {
        let status = statuses.of(&member);
        is_running(status) || terminated(status).is_some() || terminated_before(status).is_some()
    });
    let incomplete: Vec<&str> = pod::init_members(report.pod)
        .filter(|member| match member.role {
            Role::Sidecar => !regular_began && statuses.of(member).started != Some(true),
            _ => terminated(statuses.of(member)).is_none_or(|ended| ended.exit_code != 0),
        })
        .map(|member| member.container.name.as_str())
        .collect();
    if incomplete.is_empty() {
        return Verdict::TRUE;
    }
    let message = format!("containers with incomplete status: [{}]", incomplete.join(" "));
    Verdict::no("ContainersNotInitialized", message)
}

fn containers_ready(report: &Report<'_>, phase: &str, statuses: &Statuses) -> Verdict {
    match phase {
        "Succeeded" => return Verdict::no("PodCompleted", String::new()),
        "Failed" => return Verdict::no("PodFailed", String::new()),
        _ => {}
    }
    let unready: Vec<&str> = pod::members(report.pod)
        .filter(|member: &Member<'_>| member.role != Role::Init && !statuses.of(member).ready)
        .map(|member| member.container.name.as_str())
        .collect();
    if unready.is_empty() {
        return Verdict::TRUE;
    }
    Verdict::no(
        "ContainersNotReady",
        format!("containers with unready status: [{}]", unready.join(" ")),
    )
}

fn ready(report: &Report<'_>, phase: &str, statuses: &Statuses) -> Verdict {
    let by_containers = containers_ready(report, phase, statuses);
    if !by_containers.holds {
        return by_containers;
    }
    let gates = pod::spec(report.pod)
        .and_then(|spec| spec.readiness_gates.as_deref())
        .unwrap_or_default();
    let given = report
        .pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    let mut complaints = Vec::new();
    for gate in gates {
        let type_ = &gate.condition_type;
        match given.iter().find(|condition| condition.type_ == *type_) {
            None => {
                complaints.push(format!(
                    "corresponding condition of pod readiness gate \"{type_}\" does not exist."
                ));
            }
            Some(condition) if condition.status != "True" => complaints.push(format!(
                "the status of pod readiness gate \"{type_}\" is not \"True\", but {}",
                condition.status
            )),
            Some(_) => {}
        }
    }
    if complaints.is_empty() {
        Verdict::TRUE
    } else {
        Verdict::no("ReadinessGatesNotReady", complaints.join(", "))
    }
}
