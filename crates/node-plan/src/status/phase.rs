//! The pod's phase (pods-and-kubelet §5.3).

use super::Report;
use super::containers::{Statuses, is_running, is_waiting, terminated, terminated_before};
use crate::actions::Life;
use crate::pod::{self, RestartPolicy, Role};

/// Whether a phase never changes again.
pub(super) fn is_final(phase: &str) -> bool {
    matches!(phase, "Succeeded" | "Failed")
}

pub(super) fn phase(report: &Report<'_>, statuses: &Statuses) -> &'static str {
    let said = |status: Option<&String>| match status.map(String::as_str) {
        Some("Succeeded") => Some("Succeeded"),
        Some("Failed") => Some("Failed"),
        _ => None,
    };
    let of_server = report
        .pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_ref());
    if let Some(phase) = said(report.previous.phase.as_ref()).or(said(of_server)) {
        return phase;
    }
    let phase = match by_containers(report, statuses) {
        _ if report.end.is_some() => "Failed",
        phase if report.life == Life::Ended && !is_final(phase) => "Failed",
        phase => phase,
    };
    // Someone who sees a final phase may take the pod's place: nothing of it may be running any more.
    match report.previous.phase.as_deref() {
        _ if !is_final(phase) || !report.observed.any_running() => phase,
        None | Some("Pending") => "Pending",
        Some(_) => "Running",
    }
}

#[derive(Default)]
struct Counts {
    initializing: bool,
    sidecar_pending: bool,
    waiting: usize,
    running: usize,
    unknown: usize,
    stopped: usize,
    succeeded: usize,
    restarting: usize,
}

fn by_containers(report: &Report<'_>, statuses: &Statuses) -> &'static str {
    let pod = report.pod;
    let mut counts = Counts::default();
    for member in pod::members(pod) {
        let status = statuses.of(&member);
        let before = terminated_before(status);
        match member.role {
            Role::Init => {
                let ended = terminated(status).or(before.filter(|_| is_waiting(status)));
                match ended {
                    Some(ended) if ended.exit_code != 0 => {
                        if !pod::restarts_after(pod, &member, ended.exit_code) {
                            return "Failed";
                        }
                        counts.initializing = true;
                    }
                    Some(_) if terminated(status).is_some() => {}
                    _ => counts.initializing = true,
                }
            }
            Role::Sidecar => {
                if is_running(status) {
                    counts.running += 1;
                    counts.sidecar_pending |= status.started != Some(true);
                } else if is_waiting(status) && before.is_none() {
                    counts.sidecar_pending = true;
                    counts.waiting += 1;
                }
            }
            Role::Regular => {
                if is_running(status) {
                    counts.running += 1;
                } else if let Some(ended) = terminated(status) {
                    counts.stopped += 1;
                    counts.succeeded += usize::from(ended.exit_code == 0);
                    counts.restarting += usize::from(pod::restarts_after(pod, &member, ended.exit_code));
                } else if is_waiting(status) && before.is_some() {
                    counts.stopped += 1;
                    counts.restarting += 1;
                } else if is_waiting(status) {
                    counts.waiting += 1;
                } else {
                    counts.unknown += 1;
                }
            }
        }
    }
    let initialized = pod::regular_members(pod).any(|member| {
        let status = statuses.of(&member);
        is_running(status) || terminated(status).is_some() || terminated_before(status).is_some()
    });
    decide(report, &counts, initialized)
}

fn decide(report: &Report<'_>, counts: &Counts, initialized: bool) -> &'static str {
    if counts.initializing || counts.sidecar_pending && !initialized || counts.waiting > 0 {
        return "Pending";
    }
    let all_done = counts.stopped > 0 && counts.unknown == 0;
    let done = |good: bool| if good { "Succeeded" } else { "Failed" };
    match (counts.running > 0, counts.unknown) {
        (true, 0) => "Running",
        (false, _) if all_done => {
            if report.life == Life::Ended {
                return done(counts.stopped == counts.succeeded);
            }
            if counts.restarting > 0 || pod::restart_policy(report.pod) == RestartPolicy::Always {
                return "Running";
            }
            done(counts.stopped == counts.succeeded)
        }
        _ => "Pending",
    }
}
