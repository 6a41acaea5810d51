//! What should be done about a pod now?
//!
//! [`decide`] looks at the pod, what the runtime reports, what probes say and which delays run, and answers with a
//! list of steps, in order. The shell does them, looks again and asks again: after each list, when something ends, when
//! a probe's verdict changes, when the pod changes, and at [`Decision::wake_at`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, Probe};

use crate::backoff::{self, Backoffs};
use crate::events::{self, Event};
use crate::observed::{ContainerRecord, Observed, State};
use crate::pod::{self, Member, RestartPolicy, Role};
use crate::probes::{ProbeResults, Verdict};
use crate::waiting::Waiting;

mod init;
#[cfg(test)]
mod tests;

/// What is known when a decision is made.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The pod as the server has it; `status` is what was last reported (phase and start time count).
    pub pod: &'a Pod,
    /// What the runtime reports.
    pub observed: &'a Observed,
    /// What the probes say.
    pub probes: &'a ProbeResults,
    /// The delays of crashed containers. Once a container whose attempt is not 0 is made, the shell counts it with
    /// [`Backoffs::next`] under its [`StartContainer::backoff_key`]; a start that fails before that (no image, no
    /// Secret) is no crash, and is tried again when the shell likes.
    pub backoffs: &'a Backoffs,
    /// The node has ended the pod (eviction), or an earlier decision said so. Keep it once it is there.
    pub end: Option<&'a End>,
    /// Now.
    pub now: Timestamp,
}

/// Why the node, and not the pod or its owner, ended the pod: phase Failed with this reason and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// `DeadlineExceeded`, `Evicted`, …
    pub reason: String,
    /// One sentence.
    pub message: String,
}

/// What to do and how the pod stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The steps, in order. If one fails, the later ones of the same container and everything after a failed
    /// [`Step::CreateSandbox`] are left for the next decision.
    pub steps: Vec<Step>,
    /// Containers that are held back, with what their status shall say.
    pub waiting: BTreeMap<String, Waiting>,
    /// To be recorded.
    pub events: Vec<Event>,
    /// Decide again then, even if nothing happens.
    pub wake_at: Option<Timestamp>,
    /// How the pod stands.
    pub life: Life,
    /// The node ends the pod: give it back in the next [`Situation`] and to `status`.
    pub end: Option<End>,
}

/// How a pod stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs, or shall run.
    Wanted,
    /// It is being stopped.
    Ending,
    /// Nothing of it runs and nothing shall: volumes can be taken down, and if it is being deleted it can be removed
    /// from the server (grace 0, with its UID) once its terminal status is there.
    Ended,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Stop everything stage by stage, then stop the sandbox.
    StopPod(StopPod),
    /// Make a sandbox.
    CreateSandbox {
        /// Its attempt.
        attempt: u32,
    },
    /// Pull the image if needed, make and start a container.
    StartContainer(StartContainer),
    /// Stop a container.
    StopContainer(StopContainer),
}

/// The end of everything that runs.
#[derive(Debug, Clone, PartialEq)]
pub struct StopPod {
    /// The sandboxes to stop afterwards.
    pub sandbox_ids: Vec<String>,
    /// Containers to stop together; a stage begins when the one before is over. Sidecars come last, in reverse order.
    pub stages: Vec<Vec<StopContainer>>,
    /// Seconds for all stages together; what is left of it goes to the next stage, at least 2 s for a `preStop` hook.
    pub grace_seconds: i64,
}

/// A container to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartContainer {
    /// What it is for.
    pub role: Role,
    /// Its place in its list.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its attempt: the log's number, and the restart count.
    pub attempt: u32,
    /// What its start is counted under ([`Backoffs::next`]).
    pub backoff_key: String,
}

/// A container to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopContainer {
    /// The runtime's id.
    pub id: String,
    /// Its name; may be one the pod no longer has.
    pub name: String,
    /// Seconds until it is killed.
    pub grace_seconds: i64,
    /// The event's text, if it is not the usual one.
    pub message: Option<String>,
}

/// Decides.
#[must_use]
pub fn decide(situation: &Situation<'_>) -> Decision {
    let mut decision = Decision {
        steps: Vec::new(),
        waiting: BTreeMap::new(),
        events: Vec::new(),
        wake_at: None,
        life: Life::Wanted,
        end: situation.end.cloned(),
    };
    if !is_over(situation, &mut decision) {
        match sandbox_wish(situation) {
            SandboxWish::Keep => containers(situation, &mut decision),
            SandboxWish::Make { attempt } => renew(situation, attempt, &mut decision),
        }
    }
    if decision.life != Life::Wanted {
        wind_down(situation, &mut decision);
    }
    decision
}

/// Whether the pod's time is over whatever its containers do: deleted, ended by the node, past its deadline, or
/// already in a phase that never changes.
fn is_over(situation: &Situation<'_>, decision: &mut Decision) -> bool {
    let phase = situation
        .pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    if pod::is_being_deleted(situation.pod)
        || decision.end.is_some()
        || matches!(phase, Some("Succeeded" | "Failed"))
    {
        decision.life = Life::Ending;
        return true;
    }
    let Some(deadline) = deadline(situation.pod) else {
        return false;
    };
    if situation.now < deadline {
        wake(decision, deadline);
        return false;
    }
    let event = events::deadline_exceeded();
    decision.end = Some(End {
        reason: event.reason.to_owned(),
        message: event.message.clone(),
    });
    decision.events.push(event);
    decision.life = Life::Ending;
    true
}

fn deadline(pod: &Pod) -> Option<Timestamp> {
    let seconds = pod::spec(pod)?.active_deadline_seconds?;
    let started = pod.status.as_ref()?.start_time.as_ref()?.0;
    started.checked_add(SignedDuration::from_secs(seconds)).ok()
}

fn wake(decision: &mut Decision, at: Timestamp) {
    decision.wake_at = Some(decision.wake_at.map_or(at, |earlier| earlier.min(at)));
}

/// Everything that runs is stopped; if nothing does, the pod has ended.
fn wind_down(situation: &Situation<'_>, decision: &mut Decision) {
    decision.waiting.clear();
    decision.wake_at = None;
    decision.life = Life::Ended;
    let ready = situation.observed.sandboxes.iter().any(|sandbox| sandbox.ready);
    if ready || situation.observed.any_running() {
        decision.life = Life::Ending;
        decision.steps = vec![Step::StopPod(stop_pod(situation.pod, situation.observed, None))];
    }
}

/// How to stop everything of a pod, whatever it was doing: regular and init containers together, then the sidecars,
/// the last one first. `grace_seconds` replaces the pod's own.
#[must_use]
pub fn stop_pod(pod: &Pod, observed: &Observed, grace_seconds: Option<i64>) -> StopPod {
    let grace_seconds = grace_seconds.unwrap_or_else(|| pod::grace_seconds(pod)).max(0);
    let stop = |record: &ContainerRecord| StopContainer {
        id: record.id.clone(),
        name: record.name.clone(),
        grace_seconds,
        message: None,
    };
    let running = |record: &&ContainerRecord| matches!(record.state, State::Running { .. } | State::Unknown);
    let sidecars: Vec<Member<'_>> = pod::init_members(pod)
        .filter(|member| member.role == Role::Sidecar)
        .collect();
    let is_sidecar =
        |record: &&ContainerRecord| sidecars.iter().any(|member| member.container.name == record.name);
    let all = || observed.containers.iter().filter(running);
    let mut stages = vec![all().filter(|record| !is_sidecar(record)).map(stop).collect()];
    for sidecar in sidecars.iter().rev() {
        stages.push(
            all()
                .filter(|record| record.name == sidecar.container.name)
                .map(stop)
                .collect(),
        );
    }
    stages.retain(|stage: &Vec<StopContainer>| !stage.is_empty());
    let sandbox_ids = observed
        .sandboxes
        .iter()
        .filter(|sandbox| sandbox.ready)
        .map(|sandbox| sandbox.id.clone());
    StopPod {
        sandbox_ids: sandbox_ids.collect(),
        stages,
        grace_seconds,
    }
}

enum SandboxWish {
    Keep,
    Make { attempt: u32 },
}

/// Whether the pod needs a sandbox: it has none, more than one, a dead one, one without an address, or one in the
/// wrong network.
fn sandbox_wish(situation: &Situation<'_>) -> SandboxWish {
    let observed = situation.observed;
    let Some(newest) = observed.sandbox() else {
        return SandboxWish::Make { attempt: 0 };
    };
    let host_network = pod::host_network(situation.pod);
    let one_ready = observed.sandboxes.iter().filter(|sandbox| sandbox.ready).count() == 1 && newest.ready;
    let addressed = host_network || !newest.ips.is_empty();
    if one_ready && addressed && newest.host_network == host_network {
        SandboxWish::Keep
    } else {
        SandboxWish::Make {
            attempt: newest.attempt.saturating_add(1),
        }
    }
}

/// A new sandbox and the pod from its beginning, if there is anything left to run.
fn renew(situation: &Situation<'_>, attempt: u32, decision: &mut Decision) {
    let (pod, observed) = (situation.pod, situation.observed);
    let ran_before = attempt > 0 && !observed.containers.is_empty();
    if ran_before && pod::restart_policy(pod) == RestartPolicy::Never && !any_restarts(pod, observed) {
        decision.life = Life::Ending;
        return;
    }
    let wanted: Vec<Member<'_>> = pod::regular_members(pod)
        .filter(|member| {
            let code = match observed.latest(&member.container.name) {
                Some(record) => record.exit_code(),
                None => lost(pod, member),
            };
            code.is_none_or(|code| pod::restarts_after(pod, member, code))
        })
        .collect();
    if wanted.is_empty() {
        decision.life = Life::Ending;
        return;
    }
    if let Some(until) = sandbox_delay(situation) {
        wake(decision, until);
        return;
    }
    if attempt > 0 {
        decision.events.push(events::sandbox_changed());
        let stop = stop_pod(pod, observed, None);
        if !stop.stages.is_empty() || !stop.sandbox_ids.is_empty() {
            decision.steps.push(Step::StopPod(stop));
        }
    }
    decision.steps.push(Step::CreateSandbox { attempt });
    match pod::init_members(pod).next() {
        Some(first) => start(situation, &first, decision),
        None => {
            for member in &wanted {
                start(situation, member, decision);
            }
        }
    }
}

/// Until when a sandbox that is no good is put up with: the first is replaced at once, later ones 10 s after they were
/// made, then 20 s and so on, so that a runtime whose sandboxes never work is not asked without end.
fn sandbox_delay(situation: &Situation<'_>) -> Option<Timestamp> {
    let newest = situation.observed.sandbox()?;
    let doublings = newest.attempt.checked_sub(1)?.min(5);
    let delay = backoff::INITIAL
        .saturating_mul(1 << doublings)
        .min(backoff::MAXIMUM);
    newest
        .created_at
        .checked_add(delay)
        .ok()
        .filter(|until| situation.now < *until)
}

/// Whether a container of a `restartPolicy: Never` pod has a rule of its own by which it starts again.
fn any_restarts(pod: &Pod, observed: &Observed) -> bool {
    pod::regular_members(pod).any(|member| {
        let code = observed
            .latest(&member.container.name)
            .and_then(ContainerRecord::exit_code);
        code.is_some_and(|code| pod::restarts_after(pod, &member, code))
    })
}

/// The containers of a pod whose sandbox is well.
fn containers(situation: &Situation<'_>, decision: &mut Decision) {
    match init::advance(situation, decision) {
        init::Progress::Failed => decision.life = Life::Ending,
        init::Progress::Busy => {}
        init::Progress::Done => regular(situation, decision),
    }
}

fn regular(situation: &Situation<'_>, decision: &mut Decision) {
    let pod = situation.pod;
    let mut lives = false;
    for member in pod::regular_members(pod) {
        let name = &member.container.name;
        let Some(record) = situation.observed.latest(name) else {
            if lost(pod, &member).is_none_or(|code| pod::restarts_after(pod, &member, code)) {
                lives = true;
                start(situation, &member, decision);
            }
            continue;
        };
        match &record.state {
            State::Running { .. } => {
                lives |= keep_or_stop(situation, &member, record, decision);
            }
            State::Created => {
                lives = true;
                start(situation, &member, decision);
            }
            State::Unknown => {
                lives = true;
                stop_unknown(situation, record, "Container", decision);
                start(situation, &member, decision);
            }
            State::Exited { code, .. } => {
                if pod::restarts_after(pod, &member, *code) {
                    lives = true;
                    start(situation, &member, decision);
                }
            }
        }
    }
    if !lives {
        decision.life = Life::Ending;
    }
}

/// A running container: left alone, or stopped because it is another one now or a probe failed. Answers whether it
/// will live on, or again.
fn keep_or_stop(
    situation: &Situation<'_>,
    member: &Member<'_>,
    record: &ContainerRecord,
    decision: &mut Decision,
) -> bool {
    let container = member.container;
    let verdicts = situation.probes.of(&record.id);
    let of_pod = pod::grace_seconds(situation.pod);
    let of_probe = |probe: Option<&Probe>| {
        probe
            .and_then(|probe| probe.termination_grace_period_seconds)
            .unwrap_or(of_pod)
            .max(0)
    };
    let restarts = pod::restarts_after(situation.pod, member, KILLED);
    let (what, grace_seconds, restarts) = if has_changed(container, record) {
        ("definition changed", of_pod, true)
    } else if verdicts.liveness == Some(Verdict::Failure) {
        (
            "failed liveness probe",
            of_probe(container.liveness_probe.as_ref()),
            restarts,
        )
    } else if verdicts.startup == Some(Verdict::Failure) {
        (
            "failed startup probe",
            of_probe(container.startup_probe.as_ref()),
            restarts,
        )
    } else {
        return true;
    };
    let kind = if member.role.is_init() {
        "Init container"
    } else {
        "Container"
    };
    let mut message = format!("{kind} {} {what}", container.name);
    if restarts && member.role == Role::Regular {
        message.push_str(", will be restarted");
    }
    decision.steps.push(Step::StopContainer(StopContainer {
        id: record.id.clone(),
        name: record.name.clone(),
        grace_seconds,
        message: Some(message),
    }));
    if restarts {
        start(situation, member, decision);
    }
    restarts
}

fn has_changed(container: &Container, record: &ContainerRecord) -> bool {
    record
        .spec_hash
        .as_ref()
        .is_some_and(|hash| *hash != spec_hash(container))
}

/// A container that may be running is stopped before another one of its name is started.
fn stop_unknown(situation: &Situation<'_>, record: &ContainerRecord, kind: &str, decision: &mut Decision) {
    decision.steps.push(Step::StopContainer(StopContainer {
        id: record.id.clone(),
        name: record.name.clone(),
        grace_seconds: pod::grace_seconds(situation.pod),
        message: Some(format!(
            "{kind} is in \"unknown\" state, try killing it before restart"
        )),
    }));
}

/// Starts a container, or says how long it has to wait since its last end.
fn start(situation: &Situation<'_>, member: &Member<'_>, decision: &mut Decision) {
    let (pod, name) = (situation.pod, &member.container.name);
    let key = backoff::crash_key(pod::uid(pod), name, &spec_hash(member.container));
    let attempts = situation.observed.attempts(name);
    let ended = attempts.iter().find_map(|record| match record.state {
        State::Exited { finished_at, .. } => Some(finished_at),
        _ => None,
    });
    if let Some(delay) = ended.and_then(|ended| situation.backoffs.since(&key, ended, situation.now)) {
        decision
            .waiting
            .insert(name.clone(), Waiting::crash_loop(pod, name, delay.seconds));
        decision.events.push(events::crash_back_off(member, pod));
        wake(decision, delay.until);
        return;
    }
    decision.steps.push(Step::StartContainer(StartContainer {
        role: member.role,
        index: member.index,
        name: name.clone(),
        attempt: next_attempt(pod, &attempts, member),
        backoff_key: key,
    }));
}

/// One more than the newest attempt, or than what was reported where the runtime has forgotten it (§13.11).
fn next_attempt(pod: &Pod, attempts: &[&ContainerRecord], member: &Member<'_>) -> u32 {
    if let Some(newest) = attempts.first() {
        return newest.attempt.saturating_add(1);
    }
    match reported(pod, member) {
        Some(status) if status.container_id.as_ref().is_some_and(|id| !id.is_empty()) => {
            u32::try_from(status.restart_count).unwrap_or(0).saturating_add(1)
        }
        _ => 0,
    }
}

/// The exit code of a container that was reported and that the runtime has no trace of any more: it ran, so it is not
/// new, and `restartPolicy` says whether it runs again.
fn lost(pod: &Pod, member: &Member<'_>) -> Option<i32> {
    let state = reported(pod, member)?.state.as_ref()?;
    match (&state.terminated, &state.running) {
        (Some(terminated), _) => Some(terminated.exit_code),
        (None, Some(_)) => Some(KILLED),
        (None, None) => None,
    }
}

/// What was last reported of a container.
fn reported<'a>(pod: &'a Pod, member: &Member<'_>) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let statuses = if member.role.is_init() {
        &status.init_container_statuses
    } else {
        &status.container_statuses
    };
    statuses
        .iter()
        .flatten()
        .find(|status| status.name == member.container.name)
}

/// The exit code of a container that was ended by force.
const KILLED: i32 = 137;

/// The containers that need not be kept: all but the newest two attempts of each, and none that runs.
#[must_use]
pub fn superfluous(observed: &Observed) -> Vec<String> {
    let names: BTreeSet<&str> = observed
        .containers
        .iter()
        .map(|record| record.name.as_str())
        .collect();
    let old = names
        .into_iter()
        .flat_map(|name| observed.attempts(name).into_iter().skip(2));
    old.filter(|record| matches!(record.state, State::Exited { .. } | State::Created))
        .map(|record| record.id.clone())
        .collect()
}

/// A container's definition in eight hexadecimal digits; another one means it has to be started anew. Only name and
/// image count, because nothing else of a container can change.
#[must_use]
pub fn spec_hash(container: &Container) -> String {
    let image = container.image.as_deref().unwrap_or_default();
    let mut hash: u32 = 0x811c_9dc5;
    for byte in container.name.bytes().chain([0]).chain(image.bytes()) {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    format!("{hash:08x}")
}
