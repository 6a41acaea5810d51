//! Events are kept for a while after their last write, then deleted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::list_watch::{Change, Collection, list_watch};
use crate::object::{Item, Metadata};
use crate::request::{ApiClient, Form};
use crate::work_queue::Outcome;
use crate::workers::{Progress, Workers};

/// Events deleted at the same time; their writes share a commit.
const AT_ONCE: usize = 32;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The list of all events leaves this many times its own duration to others.
const REST_FACTOR: u32 = 4;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event {
    metadata: Metadata,
    last_timestamp: Option<String>,
    event_time: Option<String>,
    series: Option<Series>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Series {
    last_observed_time: Option<String>,
}

impl Item for Event {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

type Key = (String, String);

/// What a delete must find: the event as it was when its time was reckoned.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    uid: String,
    resource_version: String,
}

/// When the event expires: `ttl` after the last moment that it tells of. An event with no readable
/// time expires `ttl` after it was first seen.
fn expiry(event: &Event, ttl: Duration, now: Timestamp) -> Timestamp {
    let series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref());
    let times = [
        event.metadata.creation_timestamp.as_ref(),
        event.last_timestamp.as_ref(),
        event.event_time.as_ref(),
        series,
    ];
    let last = times
        .into_iter()
        .flatten()
        .filter_map(|time| time.parse().ok())
        .max()
        .unwrap_or(now);
    last.saturating_add(ttl).unwrap_or(Timestamp::MAX)
}

/// How long until `expiry`; nothing when it has passed.
fn remaining(expiry: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(expiry.duration_since(now)).unwrap_or_default()
}

/// Deletes expired events for ever.
pub(crate) async fn run(api: ApiClient, ttl: Duration) {
    let events = Collection {
        path: "/api/v1/events".to_owned(),
        field_selector: None,
        form: Form::Object,
        rest_factor: REST_FACTOR,
    };
    let mut changes = list_watch::<Event>(api.clone(), events);
    let mut known = BTreeMap::<Key, Known>::new();
    let mut workers = Workers::<Key, Outcome>::new(AT_ONCE, LONGEST_PAUSE);
    loop {
        tokio::select! {
            Some(change) = changes.next() => match change {
                Change::Listing => {
                    for key in std::mem::take(&mut known).keys() {
                        workers.queue.remove(key);
                    }
                }
                Change::Listed => {}
                Change::Applied(event) => {
                    let now = Timestamp::now();
                    let wait = remaining(expiry(&event, ttl, now), now);
                    let metadata = event.metadata;
                    let key = (metadata.namespace, metadata.name);
                    workers.queue.reschedule(key.clone(), Instant::now() + wait);
                    known.insert(key, Known { uid: metadata.uid, resource_version: metadata.resource_version });
                }
                Change::Deleted(event) => {
                    let key = (event.metadata.namespace, event.metadata.name);
                    workers.queue.remove(&key);
                    known.remove(&key);
                }
            },
            progress = workers.next() => match progress {
                Progress::Begin(key) => match known.get(&key).cloned() {
                    Some(known) => workers.start(key.clone(), delete(api.clone(), key, known)),
                    None => workers.finish(&key, Outcome::Done),
                },
                Progress::Ended(key, outcome) => workers.finish(&key, outcome),
            },
        }
    }
}

async fn delete(api: ApiClient, (namespace, name): Key, known: Known) -> Outcome {
    let options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": known.uid, "resourceVersion": known.resource_version},
    });
    match api
        .delete(&format!("/api/v1/namespaces/{namespace}/events/{name}"), &options)
        .await
    {
        Ok(()) => Outcome::Done,
        // It is gone, or it was written again: the watch tells which.
        Err(error) if error.is_not_found() || error.is_conflict() => Outcome::Done,
        Err(error) => {
            tracing::debug!(%error, "could not delete an expired event, trying again");
            Outcome::Retry
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: serde_json::Value, expect: &str) {
        let event: Event = serde_json::from_value(event).expect("an event");
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().expect("a time");
        let expect: Timestamp = expect.parse().expect("a time");
        assert_eq!(expiry(&event, Duration::from_secs(3600), now), expect);
    }

    #[test]
    fn the_last_time_counts() {
        let created = json!({"creationTimestamp": "2026-01-01T10:00:00Z"});
        check(json!({"metadata": created}), "2026-01-01T11:00:00Z");
        check(
            json!({"metadata": created, "lastTimestamp": "2026-01-01T10:05:00Z"}),
            "2026-01-01T11:05:00Z",
        );
        check(
            json!({"metadata": created, "lastTimestamp": "2026-01-01T09:00:00Z"}),
            "2026-01-01T11:00:00Z",
        );
        check(
            json!({"metadata": created, "eventTime": "2026-01-01T10:06:00.000001Z"}),
            "2026-01-01T11:06:00.000001Z",
        );
        check(
            json!({"metadata": created, "eventTime": null, "series": {"count": 2, "lastObservedTime": "2026-01-01T10:07:00.5Z"}}),
            "2026-01-01T11:07:00.5Z",
        );
        check(
            json!({"metadata": created, "lastTimestamp": "yesterday"}),
            "2026-01-01T11:00:00Z",
        );
        check(json!({"metadata": {}}), "2026-01-01T13:00:00Z");
    }

    #[test]
    fn waiting() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        assert_eq!(remaining(at(100), at(40)), Duration::from_secs(60));
        assert_eq!(remaining(at(100), at(100)), Duration::ZERO);
        assert_eq!(remaining(at(100), at(140)), Duration::ZERO);
    }
}
