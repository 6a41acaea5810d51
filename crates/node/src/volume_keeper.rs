//! The volumes of one pod: made, filled, and filled anew the moment something in them changes.
//!
//! This is a task of its own, so that nothing the pod's containers do (a pull, a slow stop) delays an update.

mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Volume as VolumeSpec};
use strongroom_node_plan::events::mount_failed;
use strongroom_node_plan::objects::{Kind, LookupError};
use strongroom_node_plan::pod;
use strongroom_node_plan::references::{References, references};
use strongroom_node_plan::volumes::{VolumeError, payload};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::place::{Placed, VolumeFailure};
use crate::context::Context;
use crate::mailbox::Mailbox;
use crate::tokens::Bound;

pub(crate) use self::place::{remove_all, specs};

/// How long the first answer about an object may take before its absence is told.
const FIRST_SYNC: Duration = Duration::from_secs(1);
/// A volume that cannot be made is tried again after this, doubling up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(122);

/// How the volumes are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Volumes {
    /// Every volume of the pod is there: containers can be made.
    pub ready: bool,
    /// Where each volume is on the host.
    pub paths: BTreeMap<String, PathBuf>,
}

/// The task that keeps the volumes, from outside.
pub(crate) struct VolumeKeeper {
    state: watch::Receiver<Volumes>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl VolumeKeeper {
    /// Begins to keep a pod's volumes.
    pub fn start(
        context: Arc<Context>,
        pod: watch::Receiver<Arc<Pod>>,
        mailbox: Arc<Mailbox>,
    ) -> VolumeKeeper {
        let (told, state) = watch::channel(Volumes::default());
        let stop = CancellationToken::new();
        let keeper = Keeper {
            context,
            pod,
            mailbox,
            told,
            placed: BTreeMap::new(),
            failures: BTreeMap::new(),
            begun: Instant::now(),
        };
        let task = tokio::spawn(keeper.run(stop.clone()));
        VolumeKeeper { state, stop, task }
    }

    /// How the volumes are now.
    pub fn volumes(&self) -> Volumes {
        self.state.borrow().clone()
    }

    /// Ends the keeping; nothing is unmounted.
    pub async fn end(&mut self) {
        self.stop.cancel();
        let _ = (&mut self.task).await;
    }
}

struct Keeper {
    context: Arc<Context>,
    pod: watch::Receiver<Arc<Pod>>,
    mailbox: Arc<Mailbox>,
    told: watch::Sender<Volumes>,
    placed: BTreeMap<String, Placed>,
    failures: BTreeMap<String, Failure>,
    begun: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Failure {
    pause: Duration,
    retry_at: Instant,
}

impl Keeper {
    async fn run(mut self, stop: CancellationToken) {
        let mut needs: Option<(Arc<Pod>, BTreeMap<String, References>)> = None;
        let mut due: Option<BTreeSet<String>> = None;
        loop {
            let pod = self.pod.borrow_and_update().clone();
            let known = needs.take().filter(|(of, _)| look_the_same(of, &pod));
            let changed_pod = known.is_none();
            let by_volume = known.map_or_else(|| needs_by_volume(&pod), |(_, by_volume)| by_volume);
            // Taken before the caches are read: what changes after this is told again.
            let changed = self.mailbox.take_changed();
            let (renewed, renew_at) = self.renew_tokens(&pod).await;
            let mut wanted = due.take().unwrap_or_default();
            if changed_pod {
                wanted.extend(specs(&pod).map(|volume| volume.name.clone()));
            }
            for (name, references) in &by_volume {
                let names = |(kind, object): &(Kind, String)| references.in_volume(*kind, object);
                let has_token = renewed && !references.tokens.is_empty();
                if has_token || changed.iter().any(names) {
                    wanted.insert(name.clone());
                }
            }
            let sweep_at = self.bring(&pod, &wanted).await;
            needs = Some((Arc::clone(&pod), by_volume));
            let next = [sweep_at, renew_at, self.next_retry()]
                .into_iter()
                .flatten()
                .min();
            let timer = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.pod.changed() => if changed.is_err() { return },
                () = self.mailbox.for_volumes() => {}
                () = timer => {}
            }
            let now = Instant::now();
            let retried = self
                .failures
                .iter()
                .filter(|(_, failure)| failure.retry_at <= now);
            due = Some(retried.map(|(name, _)| name.clone()).collect());
        }
    }

    /// Makes and fills the volumes named, and tells what came of it; when files that were replaced can go.
    async fn bring(&mut self, pod: &Arc<Pod>, wanted: &BTreeSet<String>) -> Option<Instant> {
        let (context, pod_of_work, wanted) = (Arc::clone(&self.context), Arc::clone(pod), wanted.clone());
        let placed = std::mem::take(&mut self.placed);
        let work = tokio::task::spawn_blocking(move || work(&context, &pod_of_work, &wanted, placed));
        let Ok(mut done) = work.await else {
            // It panicked: what was mounted is still there, and is taken over by the next try.
            tracing::error!(pod = pod::display(pod), "volumes could not be worked on");
            return Some(Instant::now() + FIRST_PAUSE);
        };
        self.placed = std::mem::take(&mut done.placed);
        let now = Instant::now();
        for name in &done.succeeded {
            self.failures.remove(name);
        }
        for (name, failure) in done.failed {
            self.failed(pod, &name, &failure, now);
        }
        let paths: BTreeMap<String, PathBuf> = self
            .placed
            .iter()
            .filter(|(_, placed)| placed.is_ready())
            .map(|(name, placed)| (name.clone(), placed.path().to_owned()))
            .collect();
        let ready = specs(pod).all(|volume| paths.contains_key(&volume.name));
        let was_ready = self.told.borrow().ready;
        self.told.send_replace(Volumes { ready, paths });
        if ready != was_ready {
            self.mailbox.look_at_containers();
        }
        done.sweep_at
    }

    fn failed(&mut self, pod: &Arc<Pod>, name: &str, failure: &VolumeFailure, now: Instant) {
        let still_reading = matches!(
            failure,
            VolumeFailure::Content(VolumeError::Lookup(LookupError::NotSynced { .. }))
        );
        if still_reading && self.begun.elapsed() < FIRST_SYNC {
            // Told when the object has been read; a look after a while in case it cannot be.
            let retry_at = self.begun + FIRST_SYNC;
            self.failures.insert(
                name.to_owned(),
                Failure {
                    pause: FIRST_PAUSE,
                    retry_at,
                },
            );
            return;
        }
        let last = self.failures.get(name);
        let pause = last.map_or(FIRST_PAUSE, |last| (last.pause * 2).min(LONGEST_PAUSE));
        let retry_at = now + pause;
        self.failures.insert(name.to_owned(), Failure { pause, retry_at });
        tracing::debug!(pod = pod::display(pod), volume = name, error = %failure, "a volume is not as it should be");
        self.context.events.tell(pod, mount_failed(name, failure));
    }

    fn next_retry(&self) -> Option<Instant> {
        self.failures.values().map(|failure| failure.retry_at).min()
    }

    /// Whether there are tokens that were not there before, and when to look again.
    async fn renew_tokens(&self, pod: &Pod) -> (bool, Option<Instant>) {
        let wanted = references(pod).tokens;
        let mut renewed = false;
        let mut next: Option<Timestamp> = None;
        for reference in &wanted {
            let now = Timestamp::now();
            let bound = Bound {
                namespace: pod::namespace(pod),
                name: pod::name(pod),
                uid: pod::uid(pod),
            };
            let ensured = self.context.caches.tokens().ensure(bound, reference, now).await;
            renewed |= ensured.is_new;
            next = Some(next.map_or(ensured.next, |next| next.min(ensured.next)));
        }
        let until = |at: Timestamp| {
            let left = at.duration_since(Timestamp::now());
            Instant::now() + Duration::try_from(left).unwrap_or_default()
        };
        (renewed, next.map(until))
    }
}

/// Whether two versions of a pod have the same volumes with the same fields in them; most changes are of status.
fn look_the_same(one: &Pod, other: &Pod) -> bool {
    one.metadata.labels == other.metadata.labels
        && one.metadata.annotations == other.metadata.annotations
        && one.spec == other.spec
}

/// What each volume alone names.
fn needs_by_volume(pod: &Pod) -> BTreeMap<String, References> {
    specs(pod)
        .map(|volume| {
            let mut alone = Pod {
                metadata: pod.metadata.clone(),
                spec: pod.spec.clone(),
                ..Pod::default()
            };
            if let Some(spec) = &mut alone.spec {
                spec.volumes = Some(vec![volume.clone()]);
                spec.containers.clear();
                spec.init_containers = None;
                spec.image_pull_secrets = None;
            }
            (volume.name.clone(), references(&alone))
        })
        .collect()
}

struct Done {
    placed: BTreeMap<String, Placed>,
    succeeded: Vec<String>,
    failed: Vec<(String, VolumeFailure)>,
    sweep_at: Option<Instant>,
}

/// The part that speaks to the file system.
fn work(
    context: &Context,
    pod: &Pod,
    wanted: &BTreeSet<String>,
    mut placed: BTreeMap<String, Placed>,
) -> Done {
    let mut done = Done {
        placed: BTreeMap::new(),
        succeeded: Vec::new(),
        failed: Vec::new(),
        sweep_at: None,
    };
    for volume in specs(pod).filter(|volume| wanted.contains(&volume.name)) {
        match bring_one(context, pod, volume, &mut placed) {
            Ok(()) => done.succeeded.push(volume.name.clone()),
            Err(failure) => done.failed.push((volume.name.clone(), failure)),
        }
    }
    done.sweep_at = placed.values_mut().filter_map(Placed::sweep).min();
    done.placed = placed;
    done
}

fn bring_one(
    context: &Context,
    pod: &Pod,
    volume: &VolumeSpec,
    placed: &mut BTreeMap<String, Placed>,
) -> Result<(), VolumeFailure> {
    let kind = strongroom_node_plan::volumes::kind(volume);
    let places = context.places.pod(pod::uid(pod));
    let open = || Placed::open(&places, pod, volume, &kind);
    // Before anything is touched: what cannot be had leaves the files as they are.
    let content = kind
        .has_payload()
        .then(|| payload(pod, volume, &*context.caches, &context.facts))
        .transpose();
    let content = match content {
        Ok(content) => content,
        Err(error) => {
            // An earlier process may have filled it: the last good files do for containers that start.
            let path = kind.plugin().map(|plugin| places.volume(plugin, &volume.name));
            if !placed.contains_key(&volume.name)
                && path.is_some_and(|path| path.exists())
                && let Ok(left) = open()
                && left.is_ready()
            {
                placed.insert(volume.name.clone(), left);
            }
            return Err(error.into());
        }
    };
    if !placed.contains_key(&volume.name) {
        placed.insert(volume.name.clone(), open()?);
    }
    match (placed.get_mut(&volume.name), content) {
        (Some(placed), Some(content)) => placed.publish(pod, &content),
        _ => Ok(()),
    }
}
