//! Init containers one after the other; sidecars among them are started in their turn and kept running from then on.

use crate::observed::{ContainerRecord, State};
use crate::pod::{self, Member, Role};
use crate::probes;

use super::{Decision, Situation, keep_or_stop, start, stop_unknown};

/// How far the init containers are.
pub(super) enum Progress {
    /// One failed for good.
    Failed,
    /// Not all are through.
    Busy,
    /// The regular containers may run.
    Done,
}

/// The next step of the init containers.
pub(super) fn advance(situation: &Situation<'_>, decision: &mut Decision) -> Progress {
    let members: Vec<Member<'_>> = pod::init_members(situation.pod).collect();
    if initialized(situation) {
        for sidecar in members.iter().filter(|member| member.role == Role::Sidecar) {
            tend(situation, sidecar, decision);
        }
        return Progress::Done;
    }
    let Some(first) = members.first() else {
        return Progress::Done;
    };
    let reached = members
        .iter()
        .rposition(|member| record(situation, member).is_some());
    let Some(reached) = reached else {
        start(situation, first, decision);
        return Progress::Busy;
    };
    for sidecar in members[..reached]
        .iter()
        .filter(|member| member.role == Role::Sidecar)
    {
        tend(situation, sidecar, decision);
    }
    match turn(situation, &members[reached], decision) {
        Turn::Failed => Progress::Failed,
        Turn::Busy => Progress::Busy,
        Turn::Over => match members.get(reached + 1) {
            Some(next) => {
                start(situation, next, decision);
                Progress::Busy
            }
            None => Progress::Done,
        },
    }
}

/// Once a regular container was made in this sandbox, the init containers are behind, whatever is left of them.
fn initialized(situation: &Situation<'_>) -> bool {
    pod::regular_members(situation.pod)
        .any(|member| record(situation, &member).is_some_and(|record| record.state != State::Unknown))
}

/// The newest attempt in the present sandbox: in a new one everything begins anew.
fn record<'a>(situation: &Situation<'a>, member: &Member<'_>) -> Option<&'a ContainerRecord> {
    let sandbox = situation.observed.sandbox()?;
    let newest = situation.observed.latest(&member.container.name)?;
    (newest.sandbox_id.is_empty() || newest.sandbox_id == sandbox.id).then_some(newest)
}

enum Turn {
    Failed,
    Busy,
    Over,
}

/// The init container whose turn it is.
fn turn(situation: &Situation<'_>, member: &Member<'_>, decision: &mut Decision) -> Turn {
    let Some(record) = record(situation, member) else {
        return Turn::Busy;
    };
    if member.role == Role::Sidecar {
        let has_started =
            record.is_running() && probes::started(member.container, situation.probes.of(&record.id));
        let keeps_running = tend(situation, member, decision);
        return if has_started && keeps_running {
            Turn::Over
        } else {
            Turn::Busy
        };
    }
    let restarts = |code| pod::restarts_after(situation.pod, member, code);
    match record.state {
        State::Running { .. } => Turn::Busy,
        State::Exited { code: 0, .. } => Turn::Over,
        State::Exited { code, .. } if !restarts(code) => Turn::Failed,
        State::Unknown if !restarts(137) => Turn::Failed,
        State::Unknown => {
            stop_unknown(situation, record, "Init container", decision);
            start(situation, member, decision);
            Turn::Busy
        }
        State::Exited { .. } | State::Created => {
            start(situation, member, decision);
            Turn::Busy
        }
    }
}

/// Keeps a sidecar running. Answers whether it runs and goes on doing so.
fn tend(situation: &Situation<'_>, member: &Member<'_>, decision: &mut Decision) -> bool {
    match record(situation, member) {
        Some(record) if record.is_running() => {
            let steps = decision.steps.len();
            keep_or_stop(situation, member, record, decision);
            decision.steps.len() == steps
        }
        Some(record) if record.state == State::Unknown => {
            stop_unknown(situation, record, "Init container", decision);
            start(situation, member, decision);
            false
        }
        _ => {
            start(situation, member, decision);
            false
        }
    }
}
