//! Events about pods: told once, counted after that (pods-and-kubelet §5.2, §12.3).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use strongroom_client::list_watch::escape;
use strongroom_node_plan::events::Event;
use tokio::sync::mpsc;

use crate::server::{Server, ServerError};

/// Events that wait for the server; more are dropped, as they are only told once in a while.
const WAITING: usize = 1000;
/// How often, and how far apart, the server is tried.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);
/// The same words again within this time are one event.
const SAME: SignedDuration = SignedDuration::from_secs(1);
/// More than so many events that differ in their words only are combined…
const SIMILAR: usize = 10;
/// …within this time.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// Words are remembered as long as the server keeps events.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// Where events are told. Cloning is cheap; telling never waits.
#[derive(Clone)]
pub(crate) struct EventLog {
    told: mpsc::Sender<Told>,
}

struct Told {
    pod: Arc<Pod>,
    event: Event,
    at: Timestamp,
}

impl EventLog {
    /// The log, and the task that writes it.
    pub fn new(server: Server, node: &str) -> (EventLog, impl Future<Output = ()> + use<>) {
        let (told, mut waiting) = mpsc::channel::<Told>(WAITING);
        let mut writer = Writer {
            server,
            node: node.to_owned(),
            correlator: Correlator::default(),
        };
        let task = async move {
            while let Some(told) = waiting.recv().await {
                writer.write(told).await;
            }
        };
        (EventLog { told }, task)
    }

    /// Tells of a pod.
    pub fn tell(&self, pod: &Arc<Pod>, event: Event) {
        let told = Told {
            pod: Arc::clone(pod),
            event,
            at: Timestamp::now(),
        };
        if self.told.try_send(told).is_err() {
            tracing::debug!("an event is dropped: too many wait");
        }
    }
}

struct Writer {
    server: Server,
    node: String,
    correlator: Correlator,
}

impl Writer {
    async fn write(&mut self, told: Told) {
        let Some(record) = self.correlator.take(&told.pod, &told.event, told.at) else {
            return;
        };
        let metadata = &told.pod.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let collection = format!("/api/v1/namespaces/{}/events", escape(namespace));
        if record.count > 1 {
            let path = format!("{collection}/{}", escape(&record.name));
            let patch = json!({
                "count": record.count,
                "lastTimestamp": seconds(told.at),
                "message": record.message,
            });
            match patiently(|| self.server.patch(&path, &patch)).await {
                Ok(()) => return,
                // It has expired: it begins anew.
                Err(error) if error.code() == Some(404) => {}
                Err(error) => {
                    tracing::debug!(%error, "an event is not counted");
                    return;
                }
            }
        }
        let object = object(&self.node, &told, &record);
        if let Err(error) = patiently(|| self.server.create(&collection, &object)).await {
            tracing::debug!(%error, "an event is not recorded");
        }
    }
}

fn object(node: &str, told: &Told, record: &Record) -> Value {
    let metadata = &told.pod.metadata;
    let mut involved = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": metadata.namespace,
        "name": metadata.name,
        "uid": metadata.uid,
        "resourceVersion": metadata.resource_version,
    });
    if let Some(field_path) = &told.event.field_path {
        involved["fieldPath"] = json!(field_path);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": { "name": record.name, "namespace": metadata.namespace },
        "involvedObject": involved,
        "type": told.event.severity.as_str(),
        "reason": told.event.reason,
        "message": record.message,
        "source": { "component": "kubelet", "host": node },
        "firstTimestamp": seconds(record.first),
        "lastTimestamp": seconds(told.at),
        "count": record.count,
        "reportingComponent": "kubelet",
        "reportingInstance": node,
    })
}

/// While the server cannot be reached, an event is tried again a few times; then it is lost.
async fn patiently<F>(mut attempt: impl FnMut() -> F) -> Result<(), ServerError>
where
    F: Future<Output = Result<(), ServerError>>,
{
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(error) if error.code().is_none() => tokio::time::sleep(PAUSE).await,
            answered => return answered,
        }
    }
    attempt().await
}

/// RFC 3339 in whole seconds, as `metav1.Time` has it.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What to write about something that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    name: String,
    message: String,
    count: u32,
    first: Timestamp,
}

/// Which events are the same, and which are only similar.
#[derive(Default)]
struct Correlator {
    same: HashMap<String, Known>,
    similar: HashMap<String, Similar>,
}

struct Known {
    record: Record,
    last: Timestamp,
}

#[derive(Default)]
struct Similar {
    messages: Vec<String>,
    last: Timestamp,
}

impl Correlator {
    fn take(&mut self, pod: &Pod, event: &Event, at: Timestamp) -> Option<Record> {
        self.forget(at);
        let metadata = &pod.metadata;
        let group = format!(
            "{}/{}/{}/{}",
            metadata.uid.as_deref().unwrap_or_default(),
            event.field_path.as_deref().unwrap_or_default(),
            event.severity.as_str(),
            event.reason
        );
        let similar = self.similar.entry(group.clone()).or_default();
        if at.duration_since(similar.last) > WINDOW {
            similar.messages.clear();
        }
        similar.last = at;
        if !similar.messages.contains(&event.message) && similar.messages.len() < SIMILAR {
            similar.messages.push(event.message.clone());
        }
        let (key, message) = if similar.messages.contains(&event.message) {
            (format!("{group}/{}", event.message), event.message.clone())
        } else {
            let message = format!("(combined from similar events): {}", event.message);
            (group, message)
        };
        if let Some(known) = self.same.get_mut(&key) {
            if at.duration_since(known.last) < SAME {
                return None;
            }
            known.last = at;
            known.record.count += 1;
            known.record.message = message;
            return Some(known.record.clone());
        }
        let pod_name = metadata.name.as_deref().unwrap_or_default();
        let record = Record {
            name: format!("{pod_name}.{:x}", at.as_nanosecond()),
            message,
            count: 1,
            first: at,
        };
        let known = Known {
            record: record.clone(),
            last: at,
        };
        self.same.insert(key, known);
        Some(record)
    }

    fn forget(&mut self, now: Timestamp) {
        if self.same.len() + self.similar.len() < 1000 {
            return;
        }
        self.same
            .retain(|_, known| now.duration_since(known.last) < REMEMBERED);
        self.similar
            .retain(|_, similar| now.duration_since(similar.last) < WINDOW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn the_same_is_counted_and_the_similar_combined() {
        let mut pod = Pod::default();
        pod.metadata.name = Some("p1".to_owned());
        pod.metadata.uid = Some("u1".to_owned());
        let mut correlator = Correlator::default();
        let mut take = |message: &str, second| {
            let event = Event::warning("Failed", message);
            let record = correlator.take(&pod, &event, at(second));
            record.map(|record| (record.message, record.count))
        };
        assert_eq!(take("a", 0), Some(("a".to_owned(), 1)));
        assert_eq!(take("a", 0), None);
        assert_eq!(take("a", 5), Some(("a".to_owned(), 2)));
        for number in 0..9 {
            assert_eq!(take(&format!("m{number}"), 6), Some((format!("m{number}"), 1)));
        }
        let combined = |text: &str| format!("(combined from similar events): {text}");
        assert_eq!(take("x", 7), Some((combined("x"), 1)));
        assert_eq!(take("y", 9), Some((combined("y"), 2)));
        assert_eq!(take("x", 1000), Some(("x".to_owned(), 1)));
    }

    #[test]
    fn names_are_the_pods_and_the_time() {
        let mut pod = Pod::default();
        pod.metadata.name = Some("p1".to_owned());
        let record = Correlator::default().take(&pod, &Event::normal("Started", "x"), at(0));
        let name = format!("p1.{:x}", 1_700_000_000_000_000_000_i64);
        assert_eq!(record.map(|record| record.name), Some(name));
        assert_eq!(seconds(at(0)), "2023-11-14T22:13:20Z");
    }
}
