//! The Table of pods: what `kubectl get pods` shows.

use jiff::Timestamp;
use strongroom_objects::{ColumnDefinition, Object, TableRowCondition, Value};

use crate::printing::{age, age_column, name_column, since};
use crate::tree::{find, flag, get, integer, list, part, text};

pub(super) fn columns() -> Vec<ColumnDefinition> {
    let column =
        |name, description, priority| ColumnDefinition::new(name, "string", "", description, priority);
    vec![
        name_column(),
        column("Ready", "Containers that are ready, of all.", 0),
        column("Status", "What the pod's containers are doing, in one word.", 0),
        column(
            "Restarts",
            "How often containers were restarted, and how long ago the last was.",
            0,
        ),
        age_column(),
        column("IP", "Address of the pod.", 1),
        column("Node", "Node that runs the pod.", 1),
        column("Nominated Node", "Node that is being cleared for the pod.", 1),
        column(
            "Readiness Gates",
            "Conditions that are met, of those demanded.",
            1,
        ),
    ]
}

pub(super) fn cells(pod: &Object, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (part(pod, "spec"), part(pod, "status"));
    let summary = Summary::of(pod);
    let restarts = match summary.last_restart {
        Some(moment) if summary.restarts != 0 => {
            let ago = since(Some(moment), now);
            format!("{} ({} ago)", summary.restarts, ago.as_str().unwrap_or_default())
        }
        _ => summary.restarts.to_string(),
    };
    let or_none = |text: &str| -> Value { if text.is_empty() { "<none>" } else { text }.into() };
    vec![
        pod.metadata.name.clone().into(),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.word.into(),
        restarts.into(),
        age(pod, now),
        or_none(
            list(status, "podIPs")
                .first()
                .map_or("", |first| text(first, "ip")),
        ),
        or_none(text(spec, "nodeName")),
        or_none(text(status, "nominatedNodeName")),
        readiness_gates(pod).into(),
    ]
}

/// Clients that watch many pods look for rows that have come to their end.
pub(super) fn row_conditions(pod: &Object) -> Vec<TableRowCondition> {
    let message = match super::phase(pod) {
        "Succeeded" => "The pod has completed successfully.",
        "Failed" => "The pod failed.",
        _ => return Vec::new(),
    };
    vec![TableRowCondition {
        condition_type: "Completed".to_owned(),
        status: "True".to_owned(),
        reason: super::phase(pod).to_owned(),
        message: message.to_owned(),
    }]
}

fn readiness_gates(pod: &Object) -> String {
    let gates = list(part(pod, "spec"), "readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let met = gates.iter().filter(|gate| {
        condition(pod, text(gate, "conditionType")).is_some_and(|met| text(met, "status") == "True")
    });
    format!("{}/{}", met.count(), gates.len())
}

fn condition<'a>(pod: &'a Object, kind: &str) -> Option<&'a Value> {
    let conditions = list(part(pod, "status"), "conditions");
    conditions
        .iter()
        .find(|condition| text(condition, "type") == kind)
}

fn condition_is_true(pod: &Object, kind: &str) -> bool {
    condition(pod, kind).is_some_and(|condition| text(condition, "status") == "True")
}

/// The containers of a pod, added up.
struct Summary<'a> {
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<&'a str>,
    word: String,
}

impl<'a> Summary<'a> {
    fn of(pod: &'a Object) -> Self {
        let (spec, status) = (part(pod, "spec"), part(pod, "status"));
        let sidecars = list(spec, "initContainers")
            .iter()
            .filter(|container| is_sidecar(container));
        let mut summary = Summary {
            ready: 0,
            total: list(spec, "containers").len() + sidecars.count(),
            restarts: 0,
            last_restart: None,
            word: first_word(pod).to_owned(),
        };
        let of_sidecars = summary.initialise(pod);
        if of_sidecars.is_done || condition_is_true(pod, "Initialized") {
            summary.restarts = of_sidecars.restarts;
            summary.last_restart = of_sidecars.last_restart;
            summary.run(pod);
        }
        let is_terminal = matches!(super::phase(pod), "Succeeded" | "Failed");
        if pod.metadata.deletion_timestamp.is_some() {
            if text(status, "reason") == "NodeLost" {
                "Unknown".clone_into(&mut summary.word);
            } else if !is_terminal {
                "Terminating".clone_into(&mut summary.word);
            }
        }
        summary
    }

    /// Goes through the init containers up to the first that is not done.
    fn initialise(&mut self, pod: &'a Object) -> Initialised<'a> {
        let containers = list(part(pod, "spec"), "initContainers");
        let mut of_sidecars = Initialised {
            is_done: true,
            restarts: 0,
            last_restart: None,
        };
        let statuses = list(part(pod, "status"), "initContainerStatuses");
        for (index, status) in statuses.iter().enumerate() {
            let name = text(status, "name");
            let sidecar = containers
                .iter()
                .any(|container| text(container, "name") == name && is_sidecar(container));
            self.count_restarts(status);
            if sidecar {
                of_sidecars.restarts += integer(status, "restartCount").unwrap_or(0);
                of_sidecars.last_restart = of_sidecars.last_restart.max(ended_last(status));
            }
            let state = get(status, "state");
            let waits_for = text(get(state, "waiting"), "reason");
            if let Some(terminated) = find(state, "terminated") {
                if integer(terminated, "exitCode") == Some(0) {
                    continue;
                }
                self.word = format!("Init:{}", ending(terminated));
            } else if sidecar && flag(status, "started") {
                self.ready += usize::from(flag(status, "ready"));
                continue;
            } else if !waits_for.is_empty() && waits_for != "PodInitializing" {
                self.word = format!("Init:{waits_for}");
            } else {
                self.word = format!("Init:{index}/{}", containers.len());
            }
            of_sidecars.is_done = false;
            break;
        }
        of_sidecars
    }

    /// Goes through the containers; the first decides the word.
    fn run(&mut self, pod: &'a Object) {
        let mut has_running = false;
        for status in list(part(pod, "status"), "containerStatuses").iter().rev() {
            self.count_restarts(status);
            let state = get(status, "state");
            let waits_for = text(get(state, "waiting"), "reason");
            if !waits_for.is_empty() {
                waits_for.clone_into(&mut self.word);
            } else if let Some(terminated) = find(state, "terminated") {
                self.word = ending(terminated);
            } else if flag(status, "ready") && find(state, "running").is_some() {
                has_running = true;
                self.ready += 1;
            }
        }
        // A pod with a container that runs is not completed.
        if self.word == "Completed" && has_running {
            let word = if condition_is_true(pod, "Ready") {
                "Running"
            } else {
                "NotReady"
            };
            word.clone_into(&mut self.word);
        }
    }

    fn count_restarts(&mut self, status: &'a Value) {
        self.restarts += integer(status, "restartCount").unwrap_or(0);
        // Times in UTC with whole seconds are ordered as texts.
        self.last_restart = self.last_restart.max(ended_last(status));
    }
}

/// What the init containers came to; the counts are those of the restartable ones, which go on running.
struct Initialised<'a> {
    is_done: bool,
    restarts: i64,
    last_restart: Option<&'a str>,
}

fn is_sidecar(container: &Value) -> bool {
    text(container, "restartPolicy") == "Always"
}

fn ended_last(status: &Value) -> Option<&str> {
    get(get(get(status, "lastState"), "terminated"), "finishedAt").as_str()
}

/// Phase or reason, before any container is looked at.
fn first_word(pod: &Object) -> &str {
    let gated = condition(pod, "PodScheduled").map(|condition| text(condition, "reason"));
    if gated == Some("SchedulingGated") {
        return "SchedulingGated";
    }
    match text(part(pod, "status"), "reason") {
        "" => super::phase(pod),
        reason => reason,
    }
}

fn ending(terminated: &Value) -> String {
    match (text(terminated, "reason"), integer(terminated, "signal")) {
        ("", Some(signal)) if signal != 0 => format!("Signal:{signal}"),
        ("", _) => format!("ExitCode:{}", integer(terminated, "exitCode").unwrap_or(0)),
        (reason, _) => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
