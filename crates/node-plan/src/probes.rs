//! Is a container alive, ready, started? The state machine of one probe, over `now` and the outcomes that the node
//! measures.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, Probe};

use crate::events::{self, Event};
use crate::handler::{self, Handler, HandlerError};
use crate::pod::Member;

#[cfg(test)]
mod tests;

/// What a probe asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// Has it started? While unanswered the others are not asked; a failure restarts the container.
    Startup,
    /// Is it alive? A failure restarts the container.
    Liveness,
    /// May it get traffic? A failure only shows in the status.
    Readiness,
}

impl Question {
    fn word(self) -> &'static str {
        match self {
            Question::Startup => "Startup",
            Question::Liveness => "Liveness",
            Question::Readiness => "Readiness",
        }
    }
}

/// A probe's settled answer. Before there is one, it is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Success,
    /// No.
    Failure,
}

/// What one try gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It worked.
    Success,
    /// It worked, with a remark (an HTTP redirect elsewhere).
    Warning(String),
    /// It did not; with what was seen (`HTTP probe failed with statuscode: 500`, the command's output, …).
    Failure(String),
    /// It could not be asked; counts for nothing.
    Unknown(String),
}

/// A probe, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSpec {
    /// What it asks.
    pub question: Question,
    /// How.
    pub handler: Handler,
    /// Seconds after the start before the first try.
    pub initial_delay_seconds: i64,
    /// Seconds between tries.
    pub period_seconds: i64,
    /// Seconds one try may take.
    pub timeout_seconds: i64,
    /// Successes in a row that settle it.
    pub success_threshold: u32,
    /// Failures in a row that settle it.
    pub failure_threshold: u32,
    /// Grace when this probe ends the container, instead of the pod's.
    pub termination_grace_seconds: Option<i64>,
}

impl ProbeSpec {
    /// The probe of a container that asks `question`, if it has one.
    ///
    /// # Errors
    /// When its port has no number or it has no handler.
    pub fn of(container: &Container, question: Question) -> Result<Option<ProbeSpec>, HandlerError> {
        let probe = match question {
            Question::Startup => &container.startup_probe,
            Question::Liveness => &container.liveness_probe,
            Question::Readiness => &container.readiness_probe,
        };
        probe
            .as_ref()
            .map(|probe| ProbeSpec::read(container, probe, question))
            .transpose()
    }

    fn read(container: &Container, probe: &Probe, question: Question) -> Result<ProbeSpec, HandlerError> {
        let at_least_one = |number: Option<i32>, default: i64| number.map_or(default, i64::from).max(1);
        let times = |number: Option<i32>, default: u32| {
            number
                .and_then(|number| u32::try_from(number).ok())
                .filter(|number| *number > 0)
                .unwrap_or(default)
        };
        Ok(ProbeSpec {
            question,
            handler: handler::of_probe(container, probe)?,
            initial_delay_seconds: probe.initial_delay_seconds.map_or(0, i64::from).max(0),
            period_seconds: at_least_one(probe.period_seconds, 10),
            timeout_seconds: at_least_one(probe.timeout_seconds, 1),
            success_threshold: times(probe.success_threshold, 1),
            failure_threshold: times(probe.failure_threshold, 3),
            termination_grace_seconds: probe.termination_grace_period_seconds,
        })
    }
}

/// One probe of one running container (one attempt of it). Make a new one when the container is started again.
#[derive(Debug, Clone)]
pub struct Prober {
    spec: ProbeSpec,
    due_at: Timestamp,
    last: Option<Verdict>,
    in_a_row: u32,
    verdict: Option<Verdict>,
}

/// What came of one try.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The event to record, if any.
    pub event: Option<Event>,
    /// The verdict is another one than before: decide again.
    pub changed: bool,
}

impl Prober {
    /// A probe of a container that runs since `started_at`.
    #[must_use]
    pub fn new(spec: ProbeSpec, started_at: Timestamp) -> Prober {
        let due_at = later(started_at, spec.initial_delay_seconds);
        Prober {
            spec,
            due_at,
            last: None,
            in_a_row: 0,
            verdict: None,
        }
    }

    /// The probe.
    #[must_use]
    pub fn spec(&self) -> &ProbeSpec {
        &self.spec
    }

    /// When the next try is due; `None` when no more are: a startup probe that is settled, a liveness probe that
    /// failed. While the container has not started ([`started`]), liveness and readiness are not asked, however due.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        let over = match self.spec.question {
            Question::Startup => self.verdict.is_some(),
            Question::Liveness => self.verdict == Some(Verdict::Failure),
            Question::Readiness => false,
        };
        (!over).then_some(self.due_at)
    }

    /// The settled answer, if there is one.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// Takes what a try gave; the next one is due one period after `now`.
    pub fn record(&mut self, member: &Member<'_>, outcome: &Outcome, now: Timestamp) -> Report {
        self.due_at = later(now, self.spec.period_seconds);
        let word = self.spec.question.word();
        let (answer, event) = match outcome {
            Outcome::Success => (Verdict::Success, None),
            Outcome::Warning(text) => {
                let event =
                    Event::warning("ProbeWarning", format!("{word} probe warning: {text}")).of(member);
                (Verdict::Success, Some(event))
            }
            Outcome::Failure(text) => (
                Verdict::Failure,
                Some(events::unhealthy(member, format!("{word} probe failed: {text}"))),
            ),
            Outcome::Unknown(text) => {
                let event = Some(events::unhealthy(member, format!("{word} probe errored: {text}")));
                return Report {
                    event,
                    changed: false,
                };
            }
        };
        self.in_a_row = if self.last == Some(answer) {
            self.in_a_row.saturating_add(1)
        } else {
            1
        };
        self.last = Some(answer);
        let needed = match answer {
            Verdict::Success => self.spec.success_threshold,
            Verdict::Failure => self.spec.failure_threshold,
        };
        let before = self.verdict;
        if self.in_a_row >= needed {
            self.verdict = Some(answer);
        }
        Report {
            event,
            changed: self.verdict != before,
        }
    }
}

/// The verdicts of the probes of one attempt of a container. Absent means: no such probe, or not settled yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// The startup probe's.
    pub startup: Option<Verdict>,
    /// The liveness probe's.
    pub liveness: Option<Verdict>,
    /// The readiness probe's.
    pub readiness: Option<Verdict>,
    /// The `postStart` hook is still running.
    pub post_start_running: bool,
}

/// The verdicts of a pod's containers by the runtime's container id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeResults {
    /// Container id to verdicts; a container without an entry has none settled.
    pub by_id: BTreeMap<String, Verdicts>,
}

impl ProbeResults {
    /// The verdicts of one attempt.
    #[must_use]
    pub fn of(&self, id: &str) -> Verdicts {
        self.by_id.get(id).copied().unwrap_or_default()
    }
}

/// Whether a running container has started: its `postStart` hook is over and its startup probe, if any, succeeded.
#[must_use]
pub fn started(container: &Container, verdicts: Verdicts) -> bool {
    let probed = container.startup_probe.is_none() || verdicts.startup == Some(Verdict::Success);
    probed && !verdicts.post_start_running
}

/// Whether a running container is ready: started, and its readiness probe, if any, succeeds.
#[must_use]
pub fn ready(container: &Container, verdicts: Verdicts) -> bool {
    let probed = container.readiness_probe.is_none() || verdicts.readiness == Some(Verdict::Success);
    started(container, verdicts) && probed
}

fn later(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}
