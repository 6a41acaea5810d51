//! Pods' statuses on their way to the server: the newest one of each pod, again and again until it is there, and the
//! removal of pods whose life is over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::PodStatus;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::server::{Server, pod_path};

/// Requests under way at once.
const AT_ONCE: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The conditions that the node decides; others in a status are someone else's.
const OWN_CONDITIONS: [&str; 4] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
];

/// Which pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodName {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// What each pod's status shall be.
#[derive(Clone)]
pub(crate) struct StatusWriter {
    shared: Arc<Shared>,
}

struct Shared {
    server: Server,
    permits: Semaphore,
    pods: Mutex<HashMap<String, Desired>>,
}

struct Desired {
    /// What the server has, as far as is known.
    written: Arc<Value>,
    wanted: Arc<Value>,
    remove: bool,
    wake: Arc<Notify>,
    /// Told once the pod has been removed from the server.
    running: bool,
}

impl StatusWriter {
    pub fn new(server: Server) -> StatusWriter {
        StatusWriter {
            shared: Arc::new(Shared {
                server,
                permits: Semaphore::new(AT_ONCE),
                pods: Mutex::default(),
            }),
        }
    }

    /// Wants this status. `known` is what the server has, where nothing was written yet.
    pub fn write(&self, pod: &PodName, status: &PodStatus, known: &PodStatus) {
        let wanted = own_part(status);
        self.change(pod, known, |desired| {
            // Most reports say nothing new.
            if *desired.wanted != wanted {
                desired.wanted = Arc::new(wanted);
            }
        });
    }

    /// Wants the pod removed, after its last status is there.
    pub fn remove(&self, pod: &PodName, known: &PodStatus) {
        self.change(pod, known, |desired| desired.remove = true);
    }

    /// The pod is gone from the server.
    pub fn forget(&self, uid: &str) {
        if let Some(desired) = self.shared.pods().remove(uid) {
            desired.wake.notify_one();
        }
    }

    fn change(&self, pod: &PodName, known: &PodStatus, change: impl FnOnce(&mut Desired)) {
        let mut pods = self.shared.pods();
        let desired = pods.entry(pod.uid.clone()).or_insert_with(|| {
            let written = Arc::new(own_part(known));
            Desired {
                wanted: Arc::clone(&written),
                written,
                remove: false,
                wake: Arc::default(),
                running: false,
            }
        });
        change(desired);
        if !desired.is_due() {
            return;
        }
        desired.wake.notify_one();
        if !desired.running {
            desired.running = true;
            let (shared, wake, pod) = (Arc::clone(&self.shared), Arc::clone(&desired.wake), pod.clone());
            tokio::spawn(async move { shared.bring(&pod, &wake).await });
        }
    }
}

impl Desired {
    fn is_due(&self) -> bool {
        self.remove || self.wanted != self.written
    }
}

enum Work {
    Patch(Value),
    Remove,
}

impl Shared {
    fn pods(&self) -> MutexGuard<'_, HashMap<String, Desired>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes until the server has what is wanted.
    async fn bring(&self, pod: &PodName, wake: &Notify) {
        let mut pause = FIRST_PAUSE;
        while let Some((work, wanted)) = self.next(pod) {
            let outcome = {
                let _permit = self.permits.acquire().await;
                match &work {
                    Work::Patch(patch) => {
                        let path = format!("{}/status", pod_path(&pod.namespace, &pod.name));
                        self.server.patch(&path, patch).await
                    }
                    Work::Remove => self.server.remove_pod(&pod.namespace, &pod.name, &pod.uid).await,
                }
            };
            let is_removal = matches!(work, Work::Remove);
            match outcome {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    self.done(pod, wanted, is_removal);
                }
                // The pod is gone, or another one has its name.
                Err(error) if matches!(error.code(), Some(404 | 409)) => self.done(pod, wanted, is_removal),
                Err(error) => {
                    tracing::warn!(pod = pod.name, namespace = pod.namespace, %error, "the status is not written");
                    // A refusal is final for this status, but the next one may be taken.
                    if error.is_final() && !is_removal && error.code() != Some(403) {
                        self.done(pod, wanted, false);
                        continue;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = wake.notified() => tokio::time::sleep(FIRST_PAUSE).await,
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn next(&self, pod: &PodName) -> Option<(Work, Arc<Value>)> {
        let mut pods = self.pods();
        let desired = pods.get_mut(&pod.uid)?;
        if desired.wanted != desired.written {
            let patch = json!({
                "metadata": { "uid": pod.uid },
                "status": difference(&desired.written, &desired.wanted),
            });
            return Some((Work::Patch(patch), Arc::clone(&desired.wanted)));
        }
        if desired.remove {
            return Some((Work::Remove, Arc::default()));
        }
        desired.running = false;
        None
    }

    fn done(&self, pod: &PodName, wanted: Arc<Value>, removed: bool) {
        if let Some(desired) = self.pods().get_mut(&pod.uid) {
            if removed {
                desired.remove = false;
            } else {
                desired.written = wanted;
            }
        }
    }
}

/// A status as JSON, with the conditions of the node only.
fn own_part(status: &PodStatus) -> Value {
    let mut value = serde_json::to_value(status).unwrap_or_default();
    if let Some(conditions) = value.get_mut("conditions").and_then(Value::as_array_mut) {
        conditions.retain(|condition| {
            let kind = condition.get("type").and_then(Value::as_str);
            kind.is_some_and(|kind| OWN_CONDITIONS.contains(&kind))
        });
    }
    value
}

/// The strategic merge patch from one status to another: what is gone becomes null; lists that strategic merge would
/// merge by key are replaced, but for conditions, which others have a part in.
fn difference(from: &Value, to: &Value) -> Value {
    let empty = Map::new();
    let (from, to) = (
        from.as_object().unwrap_or(&empty),
        to.as_object().unwrap_or(&empty),
    );
    let mut patch = Map::new();
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in to {
        if from.get(name) == Some(value) {
            continue;
        }
        let mut value = value.clone();
        if ["podIPs", "hostIPs"].contains(&name.as_str())
            && let Some(list) = value.as_array_mut()
        {
            list.push(json!({ "$patch": "replace" }));
        }
        if name == "conditions" {
            clear_what_is_gone(from.get(name), &mut value);
        }
        patch.insert(name.clone(), value);
    }
    Value::Object(patch)
}

/// Conditions are merged by their type: a reason or message that one has no more must be taken away.
fn clear_what_is_gone(from: Option<&Value>, conditions: &mut Value) {
    let old = from
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    for condition in conditions.as_array_mut().into_iter().flatten() {
        let same = old.iter().find(|old| old.get("type") == condition.get("type"));
        let (Some(Value::Object(same)), Value::Object(condition)) = (same, condition) else {
            continue;
        };
        for field in same.keys() {
            condition.entry(field).or_insert(Value::Null);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches() {
        for (from, to, expect) in [
            (
                json!({}),
                json!({"phase": "Pending"}),
                json!({"phase": "Pending"}),
            ),
            (
                json!({"phase": "Pending"}),
                json!({"phase": "Pending"}),
                json!({}),
            ),
            (
                json!({"phase": "Failed", "reason": "Evicted"}),
                json!({"phase": "Failed"}),
                json!({"reason": null}),
            ),
            (
                json!({"conditions": [{"type": "Ready", "status": "False", "message": "not yet"}]}),
                json!({"conditions": [{"type": "Ready", "status": "True"}]}),
                json!({"conditions": [{"type": "Ready", "status": "True", "message": null}]}),
            ),
            (
                json!({"podIPs": [{"ip": "1"}]}),
                json!({"podIPs": [{"ip": "2"}]}),
                json!({"podIPs": [{"ip": "2"}, {"$patch": "replace"}]}),
            ),
        ] {
            assert_eq!(difference(&from, &to), expect);
        }
    }

    #[test]
    fn conditions_of_others_are_left_alone() {
        let status: PodStatus = serde_json::from_value(json!({
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": "False"},
            ],
        }))
        .unwrap();
        let own = own_part(&status);
        assert_eq!(own["conditions"], json!([{"type": "Ready", "status": "False"}]));
    }
}
