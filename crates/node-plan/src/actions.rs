//! What should be done about a pod now?
//!
//! [`decide`] looks at the pod, what the runtime reports, what probes say and which delays run, and answers with a
//! list of steps, in order. The shell does them, looks again and asks again: after each list, when something ends, when
//! a probe's verdict changes, when the pod changes, and at [`Decision::wake_at`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};

use crate::backoff::Backoffs;
use crate::events::Event;
use crate::observed::Observed;
use crate::pod::Role;
use crate::probes::ProbeResults;
use crate::waiting::Waiting;

/// What is known when a decision is made.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The pod as the server has it; `status` is what was last reported (phase and start time count).
    pub pod: &'a Pod,
    /// What the runtime reports.
    pub observed: &'a Observed,
    /// What the probes say.
    pub probes: &'a ProbeResults,
    /// The delays of crashed containers; the shell calls [`Backoffs::next`] with [`Step::StartContainer`]'s
    /// `backoff_key` when it begins to start a container whose `attempt` is not 0.
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
    let _ = situation;
    Decision {
        steps: Vec::new(),
        waiting: BTreeMap::new(),
        events: Vec::new(),
        wake_at: None,
        life: Life::Wanted,
        end: None,
    }
}

/// The containers that need not be kept: all but the newest two attempts of each, and none that runs.
#[must_use]
pub fn superfluous(observed: &Observed) -> Vec<String> {
    let _ = observed;
    Vec::new()
}

/// A container's definition in eight hexadecimal digits; another one means it has to be started anew. Only name and
/// image count, because nothing else of a container can change.
#[must_use]
pub fn spec_hash(container: &Container) -> String {
    let _ = container;
    String::new()
}
