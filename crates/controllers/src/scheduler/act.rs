//! What the scheduler does: binds, and tells why it could not.

use jiff::Timestamp;
use serde_json::{Value, json};
use strongroom_objects::time;

use super::NAME;
use super::cluster::{Key, Pod};
use crate::event::{Event, Severity, Subject, record};
use crate::request::{ApiClient, Form, RequestError};
use crate::work_queue::Outcome;

/// What came of giving a pod to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Done,
    /// The pod is gone, is going, or has a node already: the watch tells.
    Refused,
    /// Something else went wrong.
    Failed,
}

/// Gives a pod to a node.
pub(super) async fn bind(api: &ApiClient, key: &Key, pod: &Pod, node: &str) -> Bound {
    let (namespace, name) = key;
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"namespace": namespace, "name": name, "uid": pod.uid},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/binding");
    match api.create(&path, &binding).await {
        Ok(()) => {
            let message = format!("Successfully assigned {namespace}/{name} to {node}");
            tell_event(api, key, pod, (Severity::Normal, "Scheduled"), &message).await;
            Bound::Done
        }
        Err(error) if error.is_not_found() || error.is_conflict() => Bound::Refused,
        Err(error) => {
            tracing::debug!(%error, "could not bind a pod, trying again");
            Bound::Failed
        }
    }
}

/// Tells why a pod has no node, unless that has been told.
pub(super) async fn tell(api: &ApiClient, key: &Key, pod: &Pod, message: &str) -> Outcome {
    const REASON: &str = "Unschedulable";
    let was_false = match &pod.told {
        Some((status, reason, told)) if status == "False" && reason == REASON && told == message => {
            return Outcome::Done;
        }
        Some((status, ..)) => status == "False",
        None => false,
    };
    let mut condition = json!({
        "type": "PodScheduled", "status": "False", "reason": REASON, "message": message,
    });
    if !was_false {
        condition["lastTransitionTime"] = time::seconds(Timestamp::now()).into();
    }
    match set_condition(api, key, pod, condition).await {
        Ok(()) => {
            tell_event(api, key, pod, (Severity::Warning, "FailedScheduling"), message).await;
            Outcome::Done
        }
        // Gone, or another pod of that name: the watch tells.
        Err(error) if matches!(error.code(), Some(404 | 409 | 422)) => Outcome::Done,
        Err(error) => {
            tracing::debug!(%error, "could not tell that a pod fits nowhere, trying again");
            Outcome::Retry
        }
    }
}

async fn set_condition(
    api: &ApiClient,
    (namespace, name): &Key,
    pod: &Pod,
    condition: Value,
) -> Result<(), RequestError> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/status");
    let patch = json!({"metadata": {"uid": pod.uid}, "status": {"conditions": [condition]}});
    api.strategic_patch::<Value>(&path, &patch, Form::Metadata)
        .await
        .map(drop)
}

async fn tell_event(
    api: &ApiClient,
    (namespace, name): &Key,
    pod: &Pod,
    (severity, reason): (Severity, &'static str),
    message: &str,
) {
    let subject = Subject {
        api_version: "v1",
        kind: "Pod",
        namespace,
        name,
        uid: &pod.uid,
    };
    let event = Event {
        subject,
        severity,
        reason,
        message,
        component: NAME,
    };
    record(api, &event).await;
}
