//! A namespace that is being deleted is emptied, and when it is empty it is finalized.
//!
//! api-conventions.md §9. Nothing is created in a Terminating namespace (admission sees to that),
//! so what was found empty stays empty.

mod conditions;
mod content;

use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::Value;

use crate::list_watch::{Change, Collection, list_watch};
use crate::namespaces::conditions::report;
use crate::namespaces::content::{Remains, remove_content};
use crate::object::Object;
use crate::request::{ApiClient, Form, RequestError};
use crate::work_queue::Outcome;
use crate::workers::{Progress, Workers};

/// The finalizer in `spec.finalizers` that stands for a namespace's content.
const CONTENT_FINALIZER: &str = "kubernetes";
/// Namespaces emptied at the same time.
const AT_ONCE: usize = 8;
/// How often a namespace is looked at again while finalizers hold its content.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Empties namespaces for ever.
pub(crate) async fn run(api: ApiClient) {
    let namespaces = Collection {
        path: "/api/v1/namespaces".to_owned(),
        field_selector: None,
        form: Form::Metadata,
        rest_factor: 0,
    };
    let mut changes = list_watch::<Object>(api.clone(), namespaces);
    let mut workers = Workers::<String, Outcome>::new(AT_ONCE, LONGEST_PAUSE);
    loop {
        tokio::select! {
            Some(change) = changes.next() => match change {
                Change::Applied(namespace) if namespace.metadata.is_deleting() => {
                    workers.queue.add(namespace.metadata.name, Instant::now());
                }
                Change::Deleted(namespace) => workers.queue.remove(&namespace.metadata.name),
                _ => {}
            },
            progress = workers.next() => match progress {
                Progress::Begin(name) => workers.start(name.clone(), terminate(api.clone(), name)),
                Progress::Ended(name, outcome) => workers.finish(&name, outcome),
            },
        }
    }
}

async fn terminate(api: ApiClient, name: String) -> Outcome {
    match try_terminate(&api, &name).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::debug!(namespace = name, %error, "could not empty the namespace, trying again");
            Outcome::Retry
        }
    }
}

async fn try_terminate(api: &ApiClient, name: &str) -> Result<Outcome, RequestError> {
    let path = format!("/api/v1/namespaces/{name}");
    let namespace: Value = match api.get(&path, Form::Object).await {
        Err(error) if error.is_not_found() => return Ok(Outcome::Done),
        namespace => namespace?,
    };
    if !is_ours(&namespace) {
        return Ok(Outcome::Done);
    }
    let remains = remove_content(api, name).await?;
    match decide(namespace, &remains, jiff::Timestamp::now()) {
        Action::Finalize(namespace) => {
            api.replace(&format!("{path}/finalize"), &namespace).await?;
            Ok(Outcome::Done)
        }
        Action::Report(namespace) => {
            api.replace(&format!("{path}/status"), &namespace).await?;
            Ok(Outcome::Retry)
        }
        Action::Wait => Ok(Outcome::Retry),
    }
}

/// Whether the namespace is being deleted and its content is still ours to remove.
fn is_ours(namespace: &Value) -> bool {
    let deleting = namespace["metadata"]["deletionTimestamp"].is_string();
    let finalizers = namespace["spec"]["finalizers"].as_array();
    deleting && finalizers.is_some_and(|names| names.iter().any(|name| name == CONTENT_FINALIZER))
}

/// What is to be done with a namespace after an attempt to empty it.
#[derive(Debug, PartialEq)]
enum Action {
    /// It is empty: write this to `/finalize`.
    Finalize(Value),
    /// What remains differs from what its status says: write this to `/status`.
    Report(Value),
    /// Its status is right; look again later.
    Wait,
}

fn decide(mut namespace: Value, remains: &Remains, now: jiff::Timestamp) -> Action {
    if remains.is_nothing() {
        if let Some(finalizers) = namespace["spec"]["finalizers"].as_array_mut() {
            finalizers.retain(|name| name != CONTENT_FINALIZER);
        }
        return Action::Finalize(namespace);
    }
    let known = namespace["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let conditions = report(&known, remains, now);
    if conditions == known {
        return Action::Wait;
    }
    namespace["status"]["conditions"] = Value::Array(conditions);
    Action::Report(namespace)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn namespace(finalizers: Value, conditions: Option<Vec<Value>>) -> Value {
        let mut namespace = json!({
            "metadata": {"name": "n", "resourceVersion": "7", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"finalizers": finalizers},
            "status": {"phase": "Terminating"},
        });
        if let Some(conditions) = conditions {
            namespace["status"]["conditions"] = Value::Array(conditions);
        }
        namespace
    }

    #[test]
    fn an_empty_namespace_is_finalized() {
        let nothing = Remains::default();
        let check = |finalizers: Value, left: Value| {
            let action = decide(namespace(finalizers, None), &nothing, jiff::Timestamp::UNIX_EPOCH);
            assert_eq!(action, Action::Finalize(namespace(left, None)));
        };
        check(json!(["kubernetes"]), json!([]));
        check(
            json!(["example.com/mine", "kubernetes"]),
            json!(["example.com/mine"]),
        );
    }

    #[test]
    fn what_remains_is_reported_once() {
        let mut remains = Remains::default();
        remains.resources.insert("secrets.".to_owned(), 2);
        let Action::Report(reported) = decide(
            namespace(json!(["kubernetes"]), None),
            &remains,
            jiff::Timestamp::UNIX_EPOCH,
        ) else {
            panic!("nothing was reported");
        };
        assert_eq!(reported["spec"]["finalizers"], json!(["kubernetes"]));
        assert_eq!(reported["status"]["conditions"].as_array().map(Vec::len), Some(5));
        let later = jiff::Timestamp::from_second(60).expect("in range");
        assert_eq!(decide(reported, &remains, later), Action::Wait);
    }

    #[test]
    fn only_deleted_namespaces_with_our_finalizer_are_ours() {
        assert!(is_ours(&namespace(json!(["kubernetes"]), None)));
        assert!(!is_ours(&namespace(json!(["other"]), None)));
        assert!(!is_ours(
            &json!({"metadata": {"name": "n"}, "spec": {"finalizers": ["kubernetes"]}})
        ));
        assert!(!is_ours(
            &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
        ));
    }
}
