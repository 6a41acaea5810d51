//! What the runtime did by itself, seen by looking once a second and whenever it tells of an end; and what nobody wants
//! any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use strongroom_cri::messages::container::ContainerFilter;
use strongroom_cri::messages::sandbox::PodSandboxFilter;
use strongroom_cri::{Error, Runtime};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::pods::Pods;
use crate::sandbox_config::{label, root_dir};
use crate::volume_keeper::remove_all;

const ROUND: Duration = Duration::from_secs(1);
/// Between hearing of an end and looking.
const SETTLING: Duration = Duration::from_millis(20);
/// What nobody wants is looked for this often, in rounds.
const CLEANING: u32 = 30;
/// Grace of containers whose pod nobody knows, unless their annotation says otherwise.
const GRACE_SECONDS: u64 = 30;

/// One pod in the runtime: its sandboxes and containers with their states.
type Signature = BTreeSet<(String, i32)>;

/// Looks for ever. Nothing is removed before `listed` says that all pods of the node are known.
pub(crate) async fn watch_runtime(context: Arc<Context>, pods: Arc<Pods>, listed: watch::Receiver<bool>) {
    let mut known: BTreeMap<String, Signature> = BTreeMap::new();
    let mut round = 0_u32;
    let mut was_cleaned = false;
    let ended = Arc::new(Notify::new());
    let mut listening = JoinSet::new();
    if let Some(runtime) = context.runtime.clone() {
        listening.spawn(listen(runtime, Arc::clone(&ended)));
    }
    loop {
        if let Some(runtime) = &context.runtime {
            match look(&context, runtime).await {
                Ok(now) => {
                    let changed = changed(&known, &now);
                    if !changed.is_empty() {
                        pods.look_at(&changed);
                    }
                    known = now;
                }
                Err(error) => tracing::debug!(%error, "the runtime cannot be looked at"),
            }
        }
        if *listed.borrow() && (!was_cleaned || round.is_multiple_of(CLEANING)) {
            was_cleaned = true;
            clean(&context, &pods, &known).await;
        }
        round = round.wrapping_add(1);
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            // The runtime's answers learn of it a moment later; more may end with it.
            () = ended.notified() => tokio::time::sleep(SETTLING).await,
        }
    }
}

/// Tells of ends for as long as the runtime does, and asks it again when it stops. A runtime that is no containerd
/// never does.
async fn listen(runtime: Runtime, ended: Arc<Notify>) {
    loop {
        let error = runtime.follow_exits(|_| ended.notify_one()).await;
        tracing::debug!(%error, "the runtime does not tell of ends");
        tokio::time::sleep(ROUND).await;
    }
}

async fn look(context: &Context, runtime: &Runtime) -> Result<BTreeMap<String, Signature>, Error> {
    let selector: BTreeMap<String, String> = [(label::ROOT_DIR.to_owned(), root_dir(context))].into();
    let sandboxes = runtime
        .list_pod_sandboxes(PodSandboxFilter {
            label_selector: selector.clone(),
            ..PodSandboxFilter::default()
        })
        .await?;
    let containers = runtime
        .list_containers(ContainerFilter {
            label_selector: selector,
            ..ContainerFilter::default()
        })
        .await?;
    let mut now: BTreeMap<String, Signature> = BTreeMap::new();
    let mut add = |labels: &BTreeMap<String, String>, id: String, state: i32| {
        if let Some(uid) = labels.get(label::POD_UID) {
            now.entry(uid.clone()).or_default().insert((id, state));
        }
    };
    for sandbox in sandboxes {
        add(&sandbox.labels, sandbox.id, sandbox.state);
    }
    for container in containers {
        add(&container.labels, container.id, container.state);
    }
    Ok(now)
}

fn changed(before: &BTreeMap<String, Signature>, now: &BTreeMap<String, Signature>) -> BTreeSet<String> {
    let all = before.keys().chain(now.keys());
    all.filter(|uid| before.get(*uid) != now.get(*uid))
        .cloned()
        .collect()
}

/// Removes sandboxes, files and logs of pods that the server does not know.
async fn clean(context: &Arc<Context>, pods: &Pods, known: &BTreeMap<String, Signature>) {
    for uid in known.keys().filter(|uid| !pods.knows(uid)) {
        if let Some(runtime) = &context.runtime
            && let Err(error) = end(context, runtime, uid).await
        {
            tracing::warn!(uid, %error, "a pod that the server does not know cannot be ended");
        }
    }
    let directories = fs::read_dir(context.places.pods())
        .into_iter()
        .flatten()
        .flatten();
    for directory in directories {
        let uid = directory.file_name().to_string_lossy().into_owned();
        if pods.knows(&uid) || known.contains_key(&uid) {
            continue;
        }
        let places = context.places.pod(&uid);
        let removed = tokio::task::spawn_blocking(move || remove_all(&places)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(uid, %error, "the files of a pod that is gone cannot be removed");
        }
    }
    let logs = fs::read_dir(context.places.logs())
        .into_iter()
        .flatten()
        .flatten();
    for directory in logs {
        let name = directory.file_name().to_string_lossy().into_owned();
        let Some(uid) = name.rsplit('_').next() else {
            continue;
        };
        if name.matches('_').count() == 2 && !pods.knows(uid) && !known.contains_key(uid) && is_own(context) {
            let path = directory.path();
            let _ = tokio::task::spawn_blocking(move || fs::remove_dir_all(path)).await;
        }
    }
}

/// A directory of logs that other agents may write to, too, is not cleaned of what is not known.
fn is_own(context: &Context) -> bool {
    context.places.logs().starts_with(&context.config.root_dir)
}

async fn end(context: &Context, runtime: &Runtime, uid: &str) -> Result<(), Error> {
    let selector: BTreeMap<String, String> = [
        (label::POD_UID.to_owned(), uid.to_owned()),
        (label::ROOT_DIR.to_owned(), root_dir(context)),
    ]
    .into();
    let containers = runtime
        .list_containers(ContainerFilter {
            label_selector: selector.clone(),
            ..ContainerFilter::default()
        })
        .await?;
    let sandboxes = runtime
        .list_pod_sandboxes(PodSandboxFilter {
            label_selector: selector,
            ..PodSandboxFilter::default()
        })
        .await?;
    // What ended as pods do is gone by now.
    if !containers.is_empty() || !sandboxes.is_empty() {
        tracing::info!(uid, "a pod that the server does not know is ended");
    }
    let stops = containers.into_iter().map(async |container| {
        let written = container
            .annotations
            .get("io.kubernetes.pod.terminationGracePeriod");
        let grace = written
            .and_then(|grace| grace.parse().ok())
            .unwrap_or(GRACE_SECONDS);
        runtime
            .stop_container(&container.id, Duration::from_secs(grace))
            .await?;
        runtime.remove_container(&container.id).await
    });
    for stopped in futures::future::join_all(stops).await {
        stopped?;
    }
    for sandbox in sandboxes {
        runtime.stop_pod_sandbox(&sandbox.id).await?;
        runtime.remove_pod_sandbox(&sandbox.id).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed() {
        let pod = |items: &[(&str, i32)]| -> Signature {
            items
                .iter()
                .map(|(id, state)| ((*id).to_owned(), *state))
                .collect()
        };
        let before = [
            ("a".to_owned(), pod(&[("1", 0)])),
            ("b".to_owned(), pod(&[("2", 1)])),
            ("c".to_owned(), pod(&[("3", 1)])),
        ]
        .into();
        let now = [
            ("a".to_owned(), pod(&[("1", 0)])),
            ("b".to_owned(), pod(&[("2", 2)])),
            ("d".to_owned(), pod(&[("4", 0)])),
        ]
        .into();
        let expect: BTreeSet<String> = ["b", "c", "d"].map(str::to_owned).into();
        assert_eq!(changed(&before, &now), expect);
    }
}
