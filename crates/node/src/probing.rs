//! Asking containers how they are, each probe in a task of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use strongroom_cri::Runtime;
use strongroom_node_plan::observed::{Observed, State};
use strongroom_node_plan::pod::{Member, member, members};
use strongroom_node_plan::probes::{ProbeResults, ProbeSpec, Prober, Question, Verdict, started};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::context::Context;
use crate::mailbox::Mailbox;
use crate::reach::{Target, reach};

/// What the probes of a pod say, shared with their tasks.
#[derive(Debug, Default)]
pub(crate) struct Results {
    verdicts: Mutex<ProbeResults>,
    /// Told when a verdict changes: probes that wait for the start look again.
    changed: Notify,
}

impl Results {
    pub fn now(&self) -> ProbeResults {
        self.verdicts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The hook that runs after a container's start is running, or over.
    pub fn post_start(&self, id: &str, running: bool) {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts
            .by_id
            .entry(id.to_owned())
            .or_default()
            .post_start_running = running;
        drop(verdicts);
        self.changed.notify_waiters();
    }

    fn settle(&self, id: &str, question: Question, verdict: Option<Verdict>) {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = verdicts.by_id.entry(id.to_owned()).or_default();
        match question {
            Question::Startup => entry.startup = verdict,
            Question::Liveness => entry.liveness = verdict,
            Question::Readiness => entry.readiness = verdict,
        }
        drop(verdicts);
        self.changed.notify_waiters();
    }

    fn keep(&self, ids: &BTreeSet<&str>) {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.by_id.retain(|id, _| ids.contains(id.as_str()));
    }
}

/// The probes of one pod.
pub(crate) struct Probing {
    results: Arc<Results>,
    /// By container id.
    tasks: BTreeMap<String, Vec<JoinHandle<()>>>,
}

impl Probing {
    pub fn new() -> Probing {
        Probing {
            results: Arc::default(),
            tasks: BTreeMap::new(),
        }
    }

    pub fn results(&self) -> &Arc<Results> {
        &self.results
    }

    /// Begins to probe containers that run now, and ends with those that do not.
    pub fn follow(
        &mut self,
        context: &Arc<Context>,
        runtime: &Runtime,
        mailbox: &Arc<Mailbox>,
        pod: &Arc<Pod>,
        observed: &Observed,
    ) {
        let mut running = BTreeSet::new();
        for found in members(pod) {
            let Some(record) = observed.latest(&found.container.name) else {
                continue;
            };
            let State::Running { started_at } = record.state else {
                continue;
            };
            running.insert(record.id.as_str());
            if self.tasks.contains_key(&record.id) {
                continue;
            }
            let target = Target {
                container: record.id.clone(),
                address: address(context, pod, observed),
            };
            let mut tasks = Vec::new();
            for question in [Question::Startup, Question::Liveness, Question::Readiness] {
                match ProbeSpec::of(found.container, question) {
                    Ok(Some(spec)) => tasks.push(tokio::spawn(ask(Asking {
                        context: Arc::clone(context),
                        runtime: runtime.clone(),
                        mailbox: Arc::clone(mailbox),
                        results: Arc::clone(&self.results),
                        pod: Arc::clone(pod),
                        container: found.container.name.clone(),
                        target: target.clone(),
                        prober: Prober::new(spec, started_at),
                    }))),
                    Ok(None) => {}
                    Err(error) => tracing::debug!(%error, "a probe cannot be made"),
                }
            }
            self.tasks.insert(record.id.clone(), tasks);
        }
        self.tasks.retain(|id, tasks| {
            let keep = running.contains(id.as_str());
            if !keep {
                tasks.iter().for_each(JoinHandle::abort);
            }
            keep
        });
        let known: BTreeSet<&str> = observed
            .containers
            .iter()
            .map(|record| record.id.as_str())
            .collect();
        self.results.keep(&known);
    }

    /// Ends with all of them.
    pub fn end(&mut self) {
        for task in std::mem::take(&mut self.tasks).into_values().flatten() {
            task.abort();
        }
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        self.end();
    }
}

/// The pod's own address.
pub(crate) fn address(context: &Context, pod: &Pod, observed: &Observed) -> Option<String> {
    if strongroom_node_plan::pod::host_network(pod) {
        return context.facts.ips.first().cloned();
    }
    observed
        .sandbox()
        .and_then(|sandbox| sandbox.ips.first().cloned())
}

struct Asking {
    context: Arc<Context>,
    runtime: Runtime,
    mailbox: Arc<Mailbox>,
    results: Arc<Results>,
    pod: Arc<Pod>,
    container: String,
    target: Target,
    prober: Prober,
}

async fn ask(mut asking: Asking) {
    let Some(found) = member(&asking.pod, &asking.container) else {
        return;
    };
    let question = asking.prober.spec().question;
    let limit = Duration::from_secs(u64::try_from(asking.prober.spec().timeout_seconds).unwrap_or(1));
    let handler = asking.prober.spec().handler.clone();
    while let Some(due_at) = asking.prober.due_at() {
        let left = due_at.duration_since(Timestamp::now());
        tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
        if question != Question::Startup {
            wait_for_start(&asking, &found).await;
        }
        let outcome = reach(&asking.runtime, &asking.target, &handler, limit).await;
        let report = asking.prober.record(&found, &outcome, Timestamp::now());
        if let Some(event) = report.event {
            asking.context.events.tell(&asking.pod, event);
        }
        if report.changed {
            let verdict = asking.prober.verdict();
            asking.results.settle(&asking.target.container, question, verdict);
            asking.mailbox.look_at_containers();
        }
    }
}

async fn wait_for_start(asking: &Asking, found: &Member<'_>) {
    loop {
        let changed = asking.results.changed.notified();
        tokio::pin!(changed);
        // Before looking, so that a change in between is not missed.
        changed.as_mut().enable();
        if started(found.container, asking.results.now().of(&asking.target.container)) {
            return;
        }
        changed.await;
    }
}
