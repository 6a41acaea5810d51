//! What controllers tell people: core/v1 events about one object.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::{Value, json};
use strongroom_objects::time;

use crate::request::ApiClient;

/// Namespace of events about objects that live in none.
const CLUSTER_EVENTS: &str = "default";

/// Whether all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Normal,
    Warning,
}

/// The object that an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject<'a> {
    pub api_version: &'a str,
    pub kind: &'a str,
    /// Empty for cluster-scoped objects.
    pub namespace: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    pub subject: Subject<'a>,
    pub severity: Severity,
    pub reason: &'static str,
    pub message: &'a str,
    /// Who tells it.
    pub component: &'static str,
}

impl Event<'_> {
    fn namespace(&self) -> &str {
        match self.subject.namespace {
            "" => CLUSTER_EVENTS,
            namespace => namespace,
        }
    }

    fn to_value(&self, now: SystemTime) -> Value {
        let Subject {
            api_version,
            kind,
            namespace,
            name,
            uid,
        } = self.subject;
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = time::seconds(Timestamp::try_from(now).unwrap_or_default());
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": format!("{name}.{:x}", since_epoch.as_nanos()),
                "namespace": self.namespace(),
            },
            "involvedObject": {
                "apiVersion": api_version, "kind": kind, "namespace": namespace, "name": name, "uid": uid,
            },
            "type": match self.severity {
                Severity::Normal => "Normal",
                Severity::Warning => "Warning",
            },
            "reason": self.reason,
            "message": self.message,
            "source": {"component": self.component},
            "reportingComponent": self.component,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        })
    }
}

/// Records an event. One that cannot be recorded is lost: nobody waits for it.
pub(crate) async fn record(api: &ApiClient, event: &Event<'_>) {
    let path = format!("/api/v1/namespaces/{}/events", event.namespace());
    let object = event.to_value(SystemTime::now());
    if let Err(error) = api.create(&path, &object).await {
        tracing::debug!(%error, reason = event.reason, "could not record an event");
    }
}
