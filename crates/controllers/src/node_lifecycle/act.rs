//! What is done to nodes and pods.

use jiff::Timestamp;
use serde_json::{Value, json};
use strongroom_objects::time;

use super::state::{Key, NodePlan, PodPlan};
use crate::event::{Event, Severity, Subject, record};
use crate::request::{ApiClient, Form, RequestError};
use crate::work_queue::Outcome;

const COMPONENT: &str = "node-controller";

/// Writes what a node's plan says.
pub(super) async fn update_node(api: &ApiClient, name: &str, plan: &NodePlan) -> Outcome {
    finish(try_update_node(api, name, plan).await)
}

async fn try_update_node(api: &ApiClient, name: &str, plan: &NodePlan) -> Result<(), RequestError> {
    let path = format!("/api/v1/nodes/{name}");
    match plan {
        NodePlan::Silent { uid, conditions } => {
            let patch = json!({"metadata": {"uid": uid}, "status": {"conditions": conditions}});
            let path = format!("{path}/status");
            api.strategic_patch::<Value>(&path, &patch, Form::Metadata)
                .await?;
            let message = format!("Node {name} status is now: NodeNotReady");
            let subject = Subject {
                api_version: "v1",
                kind: "Node",
                namespace: "",
                name,
                uid,
            };
            let event = Event {
                subject,
                severity: Severity::Normal,
                reason: "NodeNotReady",
                message: &message,
                component: COMPONENT,
            };
            record(api, &event).await;
            Ok(())
        }
        NodePlan::Taint {
            resource_version,
            taints,
        } => {
            let patch = json!({
                "metadata": {"resourceVersion": resource_version},
                "spec": {"taints": taints},
            });
            api.merge_patch(&path, &patch).await
        }
    }
}

/// Does what a pod's plan says.
pub(super) async fn update_pod(api: &ApiClient, key: &Key, plan: &PodPlan) -> Outcome {
    finish(try_update_pod(api, key, plan).await)
}

async fn try_update_pod(api: &ApiClient, key: &Key, plan: &PodPlan) -> Result<(), RequestError> {
    let (namespace, name) = key;
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
    let now = time::seconds(Timestamp::now());
    let set = |uid: &str, condition: Value| {
        let patch = json!({"metadata": {"uid": uid}, "status": {"conditions": [condition]}});
        let path = format!("{path}/status");
        async move {
            api.strategic_patch::<Value>(&path, &patch, Form::Metadata)
                .await
                .map(drop)
        }
    };
    match plan {
        PodPlan::MarkNotReady { uid } => {
            let condition = json!({"type": "Ready", "status": "False", "lastTransitionTime": now});
            set(uid, condition).await?;
            let told = (Severity::Warning, "NodeNotReady", "Node is not ready");
            tell(api, key, uid, told).await;
        }
        PodPlan::Evict { uid } => {
            let condition = json!({
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByTaintManager",
                "message": "Taint manager: deleting due to NoExecute taint",
                "lastTransitionTime": now,
            });
            let message = format!("Marking for deletion Pod {namespace}/{name}");
            let told = (Severity::Normal, "TaintManagerEviction", message.as_str());
            tell(api, key, uid, told).await;
            set(uid, condition).await?;
            let options = json!({
                "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid},
            });
            api.delete(&path, &options).await?;
        }
    }
    Ok(())
}

async fn tell(
    api: &ApiClient,
    (namespace, name): &Key,
    uid: &str,
    (severity, reason, message): (Severity, &'static str, &str),
) {
    let subject = Subject {
        api_version: "v1",
        kind: "Pod",
        namespace,
        name,
        uid,
    };
    let event = Event {
        subject,
        severity,
        reason,
        message,
        component: COMPONENT,
    };
    record(api, &event).await;
}

fn finish(result: Result<(), RequestError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        // Gone, another object of that name, or changed meanwhile: the watch tells.
        Err(error) if matches!(error.code(), Some(404 | 409 | 422)) => Outcome::Done,
        Err(error) => {
            tracing::debug!(%error, "could not act on a node's health, trying again");
            Outcome::Retry
        }
    }
}
