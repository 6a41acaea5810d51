//! Events become objects: repetitions are counted on one object, floods are combined, then held back
//! (pods-and-kubelet §5.2, §12.3).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Event as EventObject, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::json;

use super::Event;
use crate::pod;

/// The same event again within this time is not worth a write.
const QUIET: SignedDuration = SignedDuration::from_secs(5);
/// Similar events (all the same but the message) are counted over this time.
const WINDOW: SignedDuration = SignedDuration::from_secs(600);
/// More than this many similar ones are combined into one object.
const SIMILAR: usize = 10;
/// A pod may have this many events at once …
const BURST: i64 = 25;
/// … and one more each time this passes.
const REFILL: SignedDuration = SignedDuration::from_secs(300);
/// Pods and events remembered; the longest unheard of are forgotten first.
const REMEMBERED: usize = 4096;
/// The longest message, in bytes, that an API server takes.
const LONGEST_MESSAGE: usize = 1024;

/// What was recorded before, so that it is counted and not repeated.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    counted: BTreeMap<Key, Counted>,
    similar: BTreeMap<SimilarKey, Similar>,
    buckets: BTreeMap<String, Bucket>,
    last_name: i128,
}

type SimilarKey = (String, Option<String>, &'static str);
type Key = (SimilarKey, String);

#[derive(Debug, Clone)]
struct Counted {
    name: String,
    count: i32,
    first: Timestamp,
    last: Timestamp,
}

#[derive(Debug, Clone)]
struct Similar {
    messages: BTreeSet<String>,
    last: Timestamp,
}

#[derive(Debug, Clone)]
struct Bucket {
    left: i64,
    filled_at: Timestamp,
}

/// What to send to the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The whole object: to be created, if there is no patch or its object is gone.
    pub event: EventObject,
    /// A strategic merge patch for the object of that name.
    pub patch: Option<serde_json::Value>,
}

impl Recorder {
    /// What to send for an event of a pod on `node`, if anything.
    pub fn record(&mut self, pod: &Pod, event: &Event, node: &str, now: Timestamp) -> Option<Record> {
        let pod_uid = pod::uid(pod).to_owned();
        let similar_key = (pod_uid.clone(), event.field_path.clone(), event.reason);
        let mut message = shortened(&event.message);
        let mut counted_as = message.clone();
        if self.is_flood(&similar_key, &message, now) {
            message = shortened(&format!("(combined from similar events): {message}"));
            counted_as = String::new();
        }
        let key = (similar_key, counted_as);
        if self
            .counted
            .get(&key)
            .is_some_and(|counted| now.duration_since(counted.last) < QUIET)
        {
            return None;
        }
        if !self.take(&pod_uid, now) {
            return None;
        }
        make_room(&mut self.counted, |counted| counted.last);
        if !self.counted.contains_key(&key) {
            self.last_name = now.as_nanosecond().max(self.last_name + 1);
        }
        let counted = self.counted.entry(key).or_insert_with(|| Counted {
            name: format!("{}.{:x}", pod::name(pod), self.last_name),
            count: 0,
            first: now,
            last: now,
        });
        counted.count = counted.count.saturating_add(1);
        counted.last = now;
        let patch = (counted.count > 1).then(
            || json!({"count": counted.count, "lastTimestamp": Time(whole_second(now)), "message": message}),
        );
        Some(Record {
            event: object(pod, event, message, counted, node),
            patch,
        })
    }

    /// Forgets a pod that is gone.
    pub fn forget(&mut self, pod_uid: &str) {
        self.counted.retain(|((uid, ..), _), _| uid != pod_uid);
        self.similar.retain(|(uid, ..), _| uid != pod_uid);
        self.buckets.remove(pod_uid);
    }

    fn is_flood(&mut self, key: &SimilarKey, message: &str, now: Timestamp) -> bool {
        make_room(&mut self.similar, |similar| similar.last);
        let fresh = || Similar {
            messages: BTreeSet::new(),
            last: now,
        };
        let similar = self.similar.entry(key.clone()).or_insert_with(fresh);
        if now.duration_since(similar.last) > WINDOW {
            *similar = fresh();
        }
        similar.last = now;
        if similar.messages.len() <= SIMILAR {
            similar.messages.insert(message.to_owned());
        }
        similar.messages.len() > SIMILAR
    }

    fn take(&mut self, pod_uid: &str, now: Timestamp) -> bool {
        make_room(&mut self.buckets, |bucket| bucket.filled_at);
        let bucket = self.buckets.entry(pod_uid.to_owned()).or_insert(Bucket {
            left: BURST,
            filled_at: now,
        });
        let passed = now.duration_since(bucket.filled_at).as_secs() / REFILL.as_secs();
        if passed > 0 {
            bucket.left = bucket.left.saturating_add(passed).min(BURST);
            bucket.filled_at = now;
        }
        let taken = bucket.left > 0;
        bucket.left -= i64::from(taken);
        taken
    }
}

fn make_room<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, last: impl Fn(&V) -> Timestamp) {
    if map.len() < REMEMBERED {
        return;
    }
    let mut times: Vec<Timestamp> = map.values().map(&last).collect();
    times.sort_unstable();
    let oldest = times[times.len() / 4];
    map.retain(|_, value| last(value) > oldest);
}

fn shortened(message: &str) -> String {
    let mut end = message.len().min(LONGEST_MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].to_owned()
}

fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn object(pod: &Pod, event: &Event, message: String, counted: &Counted, node: &str) -> EventObject {
    let kubelet = || Some("kubelet".to_owned());
    EventObject {
        metadata: ObjectMeta {
            name: Some(counted.name.clone()),
            namespace: pod.metadata.namespace.clone(),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
            api_version: Some("v1".to_owned()),
            resource_version: pod.metadata.resource_version.clone(),
            field_path: event.field_path.clone(),
        },
        reason: Some(event.reason.to_owned()),
        message: Some(message),
        type_: Some(event.severity.as_str().to_owned()),
        source: Some(EventSource {
            component: kubelet(),
            host: Some(node.to_owned()),
        }),
        first_timestamp: Some(Time(whole_second(counted.first))),
        last_timestamp: Some(Time(whole_second(counted.last))),
        count: Some(counted.count),
        reporting_component: kubelet(),
        reporting_instance: Some(node.to_owned()),
        ..EventObject::default()
    }
}
