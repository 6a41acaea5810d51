//! One pod's containers: look at what there is, ask the plan what to do, do it, tell how it stands.

mod start;
mod stop;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use strongroom_node_plan::actions::{Decision, End, Life, Situation, Step, decide, superfluous};
use strongroom_node_plan::backoff::Backoffs;
use strongroom_node_plan::events;
use strongroom_node_plan::observed::State;
use strongroom_node_plan::pod;
use strongroom_node_plan::references::references;
use strongroom_node_plan::status::{Report, status};
use strongroom_node_plan::waiting::Waiting;
use strongroom_node_plan::{termination, waiting};
use tokio::sync::watch;

use crate::context::Context;
use crate::images::Pulls;
use crate::log_tail;
use crate::mailbox::Mailbox;
use crate::observe::{Known, Look, View};
use crate::probing::Probing;
use crate::sandbox_config::sandbox_config;
use crate::status_writer::PodName;
use crate::volume_keeper::{VolumeKeeper, remove_all};

/// What failed is tried again after this, if nothing happens before.
const RETRY: Duration = Duration::from_secs(10);
/// The runtime is asked again after this when it did not answer.
const RUNTIME_RETRY: Duration = Duration::from_secs(1);

/// After so many passes in a row that did something, a rest: what is done has no effect.
const MOST_PASSES: u32 = 50;

/// A pod as the server has it.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    /// As it was when something but the status last changed. Whoever keeps a pod keeps this one: a node has room for one
    /// copy of each.
    pub pod: Arc<Pod>,
    /// Its status now, where it has changed since.
    status: Option<Arc<PodStatus>>,
    /// The server has it no more: everything of it goes.
    pub removed: bool,
}

impl Assignment {
    fn new(pod: Arc<Pod>) -> Assignment {
        Assignment {
            pod,
            status: None,
            removed: false,
        }
    }
}

/// A pod with another status; put together for as long as somebody looks at it.
fn with_status(pod: &Arc<Pod>, status: Option<&PodStatus>) -> Arc<Pod> {
    let Some(status) = status else {
        return Arc::clone(pod);
    };
    Arc::new(Pod {
        metadata: pod.metadata.clone(),
        spec: pod.spec.clone(),
        status: Some(status.clone()),
    })
}

/// A pod with the status that this node sees, for those who ask the node.
pub(crate) struct Shown(RwLock<(Arc<Pod>, Option<Arc<PodStatus>>)>);

impl Shown {
    fn new(pod: Arc<Pod>) -> Arc<Shown> {
        Arc::new(Shown(RwLock::new((pod, None))))
    }

    fn set_pod(&self, pod: &Arc<Pod>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).0 = Arc::clone(pod);
    }

    fn set_status(&self, status: Arc<PodStatus>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).1 = Some(status);
    }

    fn parts(&self) -> (Arc<Pod>, Option<Arc<PodStatus>>) {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The pod as it is shown.
    pub fn pod(&self) -> Arc<Pod> {
        let (pod, status) = self.parts();
        with_status(&pod, status.as_deref())
    }

    /// The addresses of the pod.
    pub fn addresses(&self) -> Vec<String> {
        let (pod, status) = self.parts();
        let ips = match &status {
            Some(status) => status.pod_ips.as_ref(),
            None => pod.status.as_ref().and_then(|status| status.pod_ips.as_ref()),
        };
        ips.into_iter().flatten().map(|ip| ip.ip.clone()).collect()
    }
}

/// The task that runs a pod, from outside.
pub(crate) struct PodWorker {
    pub assignment: watch::Sender<Assignment>,
    pub mailbox: Arc<Mailbox>,
    pub shown: Arc<Shown>,
}

impl PodWorker {
    /// Gives the worker the pod as the server has it now. The server's echo of a status is known at the next look, and no
    /// reason for one.
    pub fn assign(&self, mut pod: Pod) {
        self.assignment.send_if_modified(|known| {
            let wakes = known.removed || is_other(&known.pod, &pod) || says_more(known, &pod);
            if wakes {
                *known = Assignment::new(Arc::new(pod));
            } else {
                known.status = pod.status.take().map(Arc::new);
            }
            wakes
        });
    }

    /// Begins to run a pod. `gone` is called when nothing is left of it.
    pub fn start(context: Arc<Context>, pod: Arc<Pod>, gone: impl FnOnce() + Send + 'static) -> PodWorker {
        let mailbox = Arc::new(Mailbox::default());
        let shown = Shown::new(Arc::clone(&pod));
        let is_over = is_final(pod.status.as_ref());
        let needs_volumes = if is_over { Arc::default() } else { Arc::clone(&pod) };
        let (of_volumes, volumes_pod) = watch::channel(needs_volumes);
        let keeper = VolumeKeeper::start(Arc::clone(&context), volumes_pod, Arc::clone(&mailbox));
        let (assignment, assigned) = watch::channel(Assignment::new(pod));
        let worker = Worker {
            context,
            assigned,
            mailbox: Arc::clone(&mailbox),
            shown: Arc::clone(&shown),
            of_volumes,
            keeper,
            view: View::default(),
            probing: Probing::new(),
            backoffs: Backoffs::default(),
            pulls: Pulls::default(),
            waiting: BTreeMap::new(),
            messages: BTreeMap::new(),
            details: HashMap::new(),
            pre_stopped: BTreeSet::new(),
            status: None,
            end: None,
            deadline: None,
            failed: BTreeSet::new(),
            volumes_are_down: false,
            is_over,
        };
        tokio::spawn(async move {
            worker.run().await;
            gone();
        });
        PodWorker {
            assignment,
            mailbox,
            shown,
        }
    }
}

struct Worker {
    context: Arc<Context>,
    assigned: watch::Receiver<Assignment>,
    mailbox: Arc<Mailbox>,
    shown: Arc<Shown>,
    of_volumes: watch::Sender<Arc<Pod>>,
    keeper: VolumeKeeper,
    view: View,
    probing: Probing,
    backoffs: Backoffs,
    pulls: Pulls,
    /// What the last start of a container failed with.
    waiting: BTreeMap<String, Waiting>,
    /// Termination messages by container id.
    messages: BTreeMap<String, String>,
    details: HashMap<String, Known>,
    /// Containers whose `preStop` hook has run.
    pre_stopped: BTreeSet<String>,
    /// What was reported last.
    status: Option<Arc<PodStatus>>,
    end: Option<End>,
    /// When the pod shall be gone, as far as what is being done knows.
    deadline: Option<i64>,
    /// What failed since the last wait, by container name (empty for the sandbox): not tried again before the next.
    failed: BTreeSet<String>,
    volumes_are_down: bool,
    /// Its life was over when this node first saw it: it needs nothing any more.
    is_over: bool,
}

/// What comes after a pass.
enum Next {
    Again,
    Wait(Option<Duration>),
    Gone,
}

impl Worker {
    async fn run(mut self) {
        let uid = self.begin();
        let mut passes = 0;
        loop {
            let next = self.look().await;
            passes = if matches!(next, Next::Again) {
                passes + 1
            } else {
                0
            };
            match next {
                Next::Again if passes < MOST_PASSES => continue,
                Next::Again => self.wait(Some(RUNTIME_RETRY)).await,
                Next::Gone => break,
                Next::Wait(limit) => self.wait(limit).await,
            }
        }
        self.context.caches.unregister(&uid);
        self.context.statuses.forget(&uid);
    }

    /// Has what the pod names watched; its uid.
    fn begin(&self) -> String {
        let first = &self.assigned.borrow().pod;
        let uid = pod::uid(first).to_owned();
        if !self.is_over {
            let needs = references(first);
            self.context
                .caches
                .register(&uid, pod::namespace(first), &needs, &self.mailbox);
        }
        uid
    }

    /// One pass over the pod as it is assigned now. Nothing of it is held while the worker waits for the next.
    async fn look(&mut self) -> Next {
        let assignment = self.assigned.borrow_and_update().clone();
        self.deadline = deadline(&assignment);
        let kept = if assignment.removed {
            ending(&assignment.pod)
        } else {
            Arc::clone(&assignment.pod)
        };
        self.shown.set_pod(&kept);
        if !self.is_over {
            self.of_volumes.send_if_modified(|known| {
                let is_other = !Arc::ptr_eq(known, &kept);
                *known = Arc::clone(&kept);
                is_other
            });
        }
        self.pass(&kept, assignment.status, assignment.removed).await
    }

    /// Waits until there is a reason to look again.
    async fn wait(&mut self, limit: Option<Duration>) {
        self.failed.clear();
        let timer = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let mailbox = Arc::clone(&self.mailbox);
        let assigned = &mut self.assigned;
        let changed = async {
            let node_ends = assigned.changed().await.is_err();
            if node_ends {
                // Containers go on.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = changed => {}
            () = mailbox.for_containers() => {}
            () = timer => {}
        }
    }

    async fn pass(&mut self, pod: &Arc<Pod>, status_now: Option<Arc<PodStatus>>, removed: bool) -> Next {
        let look = match &self.context.runtime {
            None => Look::default(),
            Some(runtime) => match self.view.look(runtime, pod::uid(pod)).await {
                Ok(look) => look,
                Err(error) => {
                    tracing::warn!(pod = pod::display(pod), %error, "the runtime cannot be asked");
                    return Next::Wait(Some(RUNTIME_RETRY));
                }
            },
        };
        self.details = look.details;
        let observed = look.observed;
        if let Some(runtime) = self.context.runtime.clone() {
            self.probing
                .follow(&self.context, &runtime, &self.mailbox, pod, &observed);
        }
        self.read_messages(pod);
        let decision = self.judge(pod, status_now.as_deref(), &observed, removed);
        drop(status_now);

        if decision.life == Life::Ended && decision.steps.is_empty() {
            return self.ended(pod, removed).await;
        }
        let steps: Vec<Step> = decision
            .steps
            .iter()
            .filter(|step| !self.failed.contains(subject(step)))
            .cloned()
            .collect();
        if steps.is_empty() {
            self.collect_garbage(&observed).await;
            return Next::Wait(self.patience(&decision));
        }
        let starts = steps
            .iter()
            .any(|step| matches!(step, Step::CreateSandbox { .. } | Step::StartContainer(_)));
        if starts && let Some(next) = self.hold(pod) {
            return next;
        }
        // Large, and rarely under way: in a box it takes its room only then.
        let progressed = Box::pin(self.carry_out(pod, &observed, steps)).await;
        if progressed || !self.failed.is_empty() {
            Next::Again
        } else {
            Next::Wait(Some(RETRY))
        }
    }

    /// Decides what to do and tells how the pod stands, by its status as the server has it now. What is put together for
    /// that is gone when this returns: whoever keeps a pod keeps `kept`.
    fn judge(
        &mut self,
        kept: &Arc<Pod>,
        status_now: Option<&PodStatus>,
        observed: &strongroom_node_plan::observed::Observed,
        removed: bool,
    ) -> Decision {
        let pod = with_status(kept, status_now);
        let now = Timestamp::now();
        let probes = self.probing.results().now();
        let decision = decide(&Situation {
            pod: &pod,
            observed,
            probes: &probes,
            backoffs: &self.backoffs,
            end: self.end.as_ref(),
            now,
        });
        self.end.clone_from(&decision.end);
        for event in &decision.events {
            self.context.events.tell(kept, event.clone());
        }
        let previous = self.previous(&pod);
        let held = waiting::shown(&self.waiting, &decision.waiting);
        let status = status(&Report {
            pod: &pod,
            previous: &previous,
            observed,
            probes: &probes,
            waiting: &held,
            termination_messages: &self.messages,
            life: decision.life,
            end: self.end.as_ref(),
            node: &self.context.facts,
            runtime: &self.context.runtime_name,
            now,
        });
        self.report(&pod, status, removed);
        decision
    }

    /// Whether the pod must wait before anything of it can start, and how long.
    fn hold(&mut self, pod: &Arc<Pod>) -> Option<Next> {
        if self.context.runtime.is_none() {
            let why = format!(
                "there is no container runtime: {}",
                self.context.config.runtime_advice
            );
            self.context.events.tell(pod, events::sandbox_failed(&why));
            return Some(Next::Wait(Some(RETRY)));
        }
        (!self.keeper.volumes().ready).then_some(Next::Wait(Some(RETRY)))
    }

    /// Does the steps in order; whether any was done.
    async fn carry_out(
        &mut self,
        pod: &Arc<Pod>,
        observed: &strongroom_node_plan::observed::Observed,
        steps: Vec<Step>,
    ) -> bool {
        let Some(runtime) = self.context.runtime.clone() else {
            return false;
        };
        let mut progressed = false;
        for step in steps {
            match step {
                Step::CreateSandbox { attempt } => {
                    let config = sandbox_config(&self.context, pod, attempt);
                    let logs = config.log_directory.clone();
                    let made = tokio::task::spawn_blocking(move || std::fs::create_dir_all(logs)).await;
                    if !matches!(made, Ok(Ok(()))) {
                        tracing::warn!(
                            pod = pod::display(pod),
                            "the directory of its logs cannot be made"
                        );
                    }
                    if let Err(error) = runtime.run_pod_sandbox(config).await {
                        let text = error.as_rpc_error();
                        tracing::warn!(pod = pod::display(pod), error = text, "no sandbox");
                        self.context.events.tell(pod, events::sandbox_failed(&text));
                        self.failed.insert(String::new());
                        return progressed;
                    }
                    // What comes next needs the new sandbox: look again.
                    return true;
                }
                Step::StartContainer(step) => {
                    let name = step.name.clone();
                    match self.start_container(&runtime, pod, observed, step).await {
                        Ok(()) => {
                            self.waiting.remove(&name);
                            progressed = true;
                        }
                        Err(waiting) => {
                            self.waiting.insert(name.clone(), waiting);
                            self.failed.insert(name);
                        }
                    }
                }
                Step::StopContainer(step) => {
                    let started = Instant::now();
                    let grace = Duration::from_secs(u64::try_from(step.grace_seconds).unwrap_or(0));
                    let address = crate::probing::address(&self.context, pod, observed);
                    let done = self
                        .stop_containers(&runtime, pod, address, vec![step], started + grace)
                        .await;
                    progressed |= done;
                    if !done {
                        return progressed;
                    }
                }
                Step::StopPod(step) => {
                    self.stop_pod(&runtime, pod, observed, step).await;
                    progressed = true;
                }
            }
        }
        progressed
    }

    /// Nothing runs and nothing shall: take the volumes down, and let the server forget a pod that is deleted.
    async fn ended(&mut self, pod: &Arc<Pod>, removed: bool) -> Next {
        self.probing.end();
        if !self.volumes_are_down {
            self.keeper.end().await;
            let places = self.context.places.pod(pod::uid(pod));
            let volumes = places.clone();
            let taken_down = tokio::task::spawn_blocking(move || remove_all(&volumes)).await;
            match taken_down {
                Ok(Ok(())) => {
                    self.volumes_are_down = true;
                    self.context.caches.unregister(pod::uid(pod));
                }
                Ok(Err(error)) => {
                    tracing::warn!(pod = pod::display(pod), %error, "volumes cannot be taken down");
                    return Next::Wait(Some(RUNTIME_RETRY));
                }
                Err(_) => return Next::Wait(Some(RUNTIME_RETRY)),
            }
        }
        if removed {
            return if self.remove_traces(pod).await {
                Next::Gone
            } else {
                Next::Wait(Some(RUNTIME_RETRY))
            };
        }
        if pod.metadata.deletion_timestamp.is_some() {
            let known = pod.status.clone().unwrap_or_default();
            self.context.statuses.remove(&name(pod), &known);
        }
        Next::Wait(None)
    }

    /// Containers, sandboxes and logs of a pod that the server has forgotten.
    async fn remove_traces(&mut self, pod: &Arc<Pod>) -> bool {
        if let Some(runtime) = &self.context.runtime {
            let Ok(look) = self.view.look(runtime, pod::uid(pod)).await else {
                return false;
            };
            for record in &look.observed.containers {
                if runtime.remove_container(&record.id).await.is_err() {
                    return false;
                }
            }
            for sandbox in &look.observed.sandboxes {
                let stopped = runtime.stop_pod_sandbox(&sandbox.id).await;
                if stopped.is_err() || runtime.remove_pod_sandbox(&sandbox.id).await.is_err() {
                    return false;
                }
            }
        }
        let logs = self
            .context
            .places
            .pod_logs(pod::namespace(pod), pod::name(pod), pod::uid(pod));
        let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(logs)).await;
        true
    }

    async fn collect_garbage(&self, observed: &strongroom_node_plan::observed::Observed) {
        let Some(runtime) = &self.context.runtime else {
            return;
        };
        for id in superfluous(observed) {
            if let Err(error) = runtime.remove_container(&id).await {
                tracing::debug!(%error, "an old container stays");
            }
        }
    }

    fn patience(&self, decision: &Decision) -> Option<Duration> {
        let until_wake = decision.wake_at.map(|at| {
            let left = at.duration_since(Timestamp::now());
            Duration::try_from(left).unwrap_or_default() + Duration::from_millis(1)
        });
        let retry = (!self.failed.is_empty()).then_some(RETRY);
        [until_wake, retry].into_iter().flatten().min()
    }

    fn previous(&self, pod: &Pod) -> PodStatus {
        match &self.status {
            Some(status) => PodStatus::clone(status),
            None => pod.status.clone().unwrap_or_default(),
        }
    }

    fn report(&mut self, pod: &Arc<Pod>, status: PodStatus, removed: bool) {
        let status = Arc::new(status);
        self.shown.set_status(Arc::clone(&status));
        if !removed {
            let known = pod.status.clone().unwrap_or_default();
            self.context.statuses.write(&name(pod), &status, &known);
        }
        self.status = Some(status);
    }

    /// Reads what containers that ended have left to say.
    fn read_messages(&mut self, pod: &Pod) {
        self.messages.retain(|id, _| self.details.contains_key(id));
        for (id, known) in &self.details {
            let State::Exited { code, .. } = known.record.state else {
                continue;
            };
            let Some(found) = pod::member(pod, &known.record.name) else {
                continue;
            };
            if self.messages.contains_key(id) {
                continue;
            }
            let file = known
                .mounts
                .get(termination::path(found.container))
                .map(|path| log_tail::beginning(path.as_ref(), termination::MAXIMUM_FILE_BYTES))
                .unwrap_or_default();
            let tail =
                (file.is_empty() && termination::falls_back_to_logs(found.container, code)).then(|| {
                    log_tail::text(
                        known.log_path.as_ref(),
                        termination::MAXIMUM_LOG_LINES,
                        termination::MAXIMUM_LOG_BYTES,
                    )
                });
            self.messages
                .insert(id.clone(), termination::message(&file, tail.as_deref()));
        }
    }

    /// Ends early when the pod is to be deleted, or to be deleted sooner than it was.
    fn sooner(&self) -> impl Future<Output = ()> + use<> {
        let mut assigned = self.assigned.clone();
        let known = self.deadline;
        async move {
            let sooner = assigned.wait_for(|now| match (deadline(now), known) {
                (Some(_), None) => true,
                (Some(now), Some(known)) => now < known,
                (None, _) => false,
            });
            if sooner.await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Whether a pod is another one in more than its status.
fn is_other(one: &Pod, other: &Pod) -> bool {
    one.spec != other.spec
        || one.metadata.labels != other.metadata.labels
        || one.metadata.annotations != other.metadata.annotations
        || one.metadata.deletion_timestamp != other.metadata.deletion_timestamp
        || one.metadata.deletion_grace_period_seconds != other.metadata.deletion_grace_period_seconds
}

/// Whether a pod's status now says what its node goes by: when it began, which its deadline counts from; conditions that
/// others decide and it is not ready without; that its life is over.
fn says_more(known: &Assignment, now: &Pod) -> bool {
    let before = known.status.as_deref().or(known.pod.status.as_ref());
    let now_said = now.status.as_ref();
    let condition = |status: Option<&PodStatus>, kind: &str| {
        let conditions = status?.conditions.as_ref()?;
        let condition = conditions.iter().find(|condition| condition.type_ == kind)?;
        Some(condition.status.clone())
    };
    let mut gates = now
        .spec
        .iter()
        .flat_map(|spec| spec.readiness_gates.iter().flatten());
    gates.any(|gate| condition(before, &gate.condition_type) != condition(now_said, &gate.condition_type))
        || is_final(before) != is_final(now_said)
        || start_time(before) != start_time(now_said)
}

fn start_time(status: Option<&PodStatus>) -> Option<Timestamp> {
    Some(status?.start_time.as_ref()?.0)
}

/// Whether a status is that of a pod whose life is over.
fn is_final(status: Option<&PodStatus>) -> bool {
    let phase = status.and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// When the pod shall be gone, in seconds since 1970; one that the server has forgotten should be gone already.
fn deadline(assignment: &Assignment) -> Option<i64> {
    if assignment.removed {
        return Some(i64::MIN);
    }
    let metadata = &assignment.pod.metadata;
    metadata
        .deletion_timestamp
        .as_ref()
        .map(|time| time.0.as_second())
}

/// A pod that the server has forgotten: it ends at once.
fn ending(pod: &Arc<Pod>) -> Arc<Pod> {
    let mut pod = Pod::clone(pod);
    if pod.metadata.deletion_timestamp.is_none() {
        let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::now());
        pod.metadata.deletion_timestamp = Some(now);
        pod.metadata.deletion_grace_period_seconds = Some(1);
    }
    Arc::new(pod)
}

fn name(pod: &Pod) -> PodName {
    PodName {
        namespace: pod::namespace(pod).to_owned(),
        name: pod::name(pod).to_owned(),
        uid: pod::uid(pod).to_owned(),
    }
}

/// What a step is about, for remembering that it failed.
fn subject(step: &Step) -> &str {
    match step {
        Step::CreateSandbox { .. } => "",
        Step::StartContainer(step) => &step.name,
        // Stopping is always tried again.
        Step::StopContainer(_) | Step::StopPod(_) => "\0",
    }
}

/// The container cannot be made for a reason in its definition.
fn config_error(error: &dyn std::fmt::Display) -> Waiting {
    Waiting::new(waiting::CREATE_CONTAINER_CONFIG_ERROR, error.to_string())
}
