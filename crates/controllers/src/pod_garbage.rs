//! Pods that nobody will ever end are removed: those of nodes that are gone or out of service, those that were
//! deleted before they had a node, and the oldest of too many that have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};
use strongroom_objects::time;

use crate::list_watch::{Change, Collection, list_watch};
use crate::request::{ApiClient, Form, RequestError};
use crate::taints::OUT_OF_SERVICE;
use crate::work_queue::Outcome;
use crate::workers::{Progress, Workers};

/// How often pods are looked through.
const INTERVAL: Duration = Duration::from_secs(20);
/// A node has to be gone for this long before its pods are: one that registers anew keeps them.
const QUARANTINE: Duration = Duration::from_secs(40);
/// Pods that have ended and are kept for people to look at.
const MAX_ENDED: usize = 12_500;

/// Pods removed at the same time; their writes share a commit.
const AT_ONCE: usize = 32;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Namespace and name.
type Key = (String, String);

/// Why a pod is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// Its node is gone.
    NodeGone,
    /// It is to end, and its node is out of service.
    NodeOutOfService,
    /// It was deleted before it had a node.
    NeverScheduled,
    /// Too many pods have ended.
    Ended,
}

impl Reason {
    /// What the pod's status is told before it goes, if it has not ended by itself.
    fn message(self) -> Option<&'static str> {
        match self {
            Reason::NodeGone => Some("PodGC: node no longer exists"),
            Reason::NodeOutOfService => {
                Some("PodGC: node is out-of-service: pod is terminating and its node is not coming back")
            }
            Reason::NeverScheduled | Reason::Ended => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Pod {
    uid: String,
    node: String,
    created: Option<Timestamp>,
    is_deleting: bool,
    has_ended: bool,
}

/// What is known of nodes and pods.
#[derive(Debug, Default)]
struct State {
    /// Nodes, and whether they are out of service.
    nodes: BTreeMap<String, bool>,
    pods: BTreeMap<Key, Pod>,
    nodes_listed: bool,
    pods_listed: bool,
    /// Nodes that pods name and that are gone, and since when.
    missing: BTreeMap<String, Instant>,
    /// Nodes that a list has told of so far.
    seen: BTreeSet<String>,
}

impl State {
    fn node(&mut self, change: Change<core::Node>) {
        match change {
            Change::Listing => self.seen.clear(),
            Change::Listed => {
                let seen = std::mem::take(&mut self.seen);
                self.nodes.retain(|name, _| seen.contains(name));
                self.nodes_listed = true;
            }
            Change::Applied(node) => {
                let name = node.metadata.name.unwrap_or_default();
                let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
                self.seen.insert(name.clone());
                self.nodes
                    .insert(name, taints.iter().any(|taint| taint.key == OUT_OF_SERVICE));
            }
            Change::Deleted(node) => {
                self.nodes.remove(&node.metadata.name.unwrap_or_default());
            }
        }
    }

    fn pod(&mut self, change: Change<core::Pod>) {
        match change {
            Change::Listing => {
                self.pods.clear();
                self.pods_listed = false;
            }
            Change::Listed => self.pods_listed = true,
            Change::Applied(pod) => {
                let (key, pod) = read_pod(pod);
                self.pods.insert(key, pod);
            }
            Change::Deleted(pod) => {
                let (key, _) = read_pod(pod);
                self.pods.remove(&key);
            }
        }
    }

    /// The pods to remove now.
    fn decide(&mut self, now: Instant) -> Vec<(Key, Reason)> {
        if !self.nodes_listed || !self.pods_listed {
            return Vec::new();
        }
        let named: BTreeSet<&String> = self.pods.values().map(|pod| &pod.node).collect();
        let missing = named
            .into_iter()
            .filter(|node| !node.is_empty() && !self.nodes.contains_key(*node))
            .map(|node| (node.clone(), self.missing.get(node).copied().unwrap_or(now)));
        self.missing = missing.collect();
        let is_gone = |node: &str| {
            let since = self.missing.get(node);
            since.is_some_and(|since| now.duration_since(*since) >= QUARANTINE)
        };
        let reason = |pod: &Pod| {
            if is_gone(&pod.node) {
                Some(Reason::NodeGone)
            } else if pod.is_deleting && pod.node.is_empty() {
                Some(Reason::NeverScheduled)
            } else if pod.is_deleting && self.nodes.get(&pod.node) == Some(&true) {
                Some(Reason::NodeOutOfService)
            } else {
                None
            }
        };
        let mut found: Vec<(Key, Reason)> = self
            .pods
            .iter()
            .filter_map(|(key, pod)| Some((key.clone(), reason(pod)?)))
            .collect();
        found.extend(self.surplus().into_iter().map(|key| (key, Reason::Ended)));
        found
    }

    /// The oldest of the pods that have ended, beyond those that are kept.
    fn surplus(&self) -> Vec<Key> {
        let ended = self
            .pods
            .iter()
            .filter(|(_, pod)| pod.has_ended && !pod.is_deleting);
        let mut ended: Vec<(Option<Timestamp>, &Key)> = ended.map(|(key, pod)| (pod.created, key)).collect();
        ended.sort();
        let surplus = ended.len().saturating_sub(MAX_ENDED);
        ended[..surplus].iter().map(|(_, key)| (*key).clone()).collect()
    }
}

fn read_pod(pod: core::Pod) -> (Key, Pod) {
    let metadata = pod.metadata;
    let phase = pod.status.and_then(|status| status.phase);
    let read = Pod {
        uid: metadata.uid.unwrap_or_default(),
        node: pod.spec.and_then(|spec| spec.node_name).unwrap_or_default(),
        created: metadata.creation_timestamp.map(|time| time.0),
        is_deleting: metadata.deletion_timestamp.is_some(),
        has_ended: matches!(phase.as_deref(), Some("Succeeded" | "Failed")),
    };
    let key = (
        metadata.namespace.unwrap_or_default(),
        metadata.name.unwrap_or_default(),
    );
    (key, read)
}

/// Removes pods for ever.
pub(crate) async fn run(api: ApiClient) {
    let collection = |path: &str| Collection {
        path: path.to_owned(),
        field_selector: None,
        form: Form::Object,
        rest_factor: 0,
    };
    let mut nodes = list_watch::<core::Node>(api.clone(), collection("/api/v1/nodes"));
    let mut pods = list_watch::<core::Pod>(api.clone(), collection("/api/v1/pods"));
    let mut workers = Workers::<Key, Outcome>::new(AT_ONCE, LONGEST_PAUSE);
    let mut reasons: BTreeMap<Key, Reason> = BTreeMap::new();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut state = State::default();
    loop {
        tokio::select! {
            Some(change) = nodes.next() => state.node(change),
            Some(change) = pods.next() => state.pod(change),
            _ = ticks.tick() => {
                reasons = state.decide(Instant::now()).into_iter().collect();
                for key in reasons.keys() {
                    workers.queue.add(key.clone(), Instant::now());
                }
            }
            progress = workers.next() => match progress {
                Progress::Begin(key) => match (reasons.get(&key), state.pods.get(&key)) {
                    (Some(reason), Some(pod)) => {
                        let (api, reason, pod) = (api.clone(), *reason, pod.clone());
                        workers.start(key.clone(), async move { remove(&api, &key, &pod, reason).await });
                    }
                    _ => workers.finish(&key, Outcome::Done),
                },
                Progress::Ended(key, outcome) => workers.finish(&key, outcome),
            },
        }
    }
}

async fn remove(api: &ApiClient, key: &Key, pod: &Pod, reason: Reason) -> Outcome {
    match try_remove(api, key, pod, reason).await {
        Ok(()) => Outcome::Done,
        // Gone, or another pod of that name: the watch tells.
        Err(error) if matches!(error.code(), Some(404 | 409 | 422)) => Outcome::Done,
        Err(error) => {
            tracing::debug!(%error, "could not remove a pod, trying again");
            Outcome::Retry
        }
    }
}

async fn try_remove(
    api: &ApiClient,
    (namespace, name): &Key,
    pod: &Pod,
    reason: Reason,
) -> Result<(), RequestError> {
    // What the watch told may be late: the node may have come back.
    if reason == Reason::NodeGone && node_exists(api, &pod.node).await? {
        return Ok(());
    }
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
    if let Some(message) = reason.message()
        && !pod.has_ended
    {
        let condition = json!({
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": message,
            "lastTransitionTime": time::seconds(Timestamp::now()),
        });
        let patch = json!({
            "metadata": {"uid": pod.uid},
            "status": {"phase": "Failed", "conditions": [condition]},
        });
        let path = format!("{path}/status");
        api.strategic_patch::<Value>(&path, &patch, Form::Metadata)
            .await?;
    }
    let options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "gracePeriodSeconds": 0,
        "preconditions": {"uid": pod.uid},
    });
    api.delete(&path, &options).await
}

async fn node_exists(api: &ApiClient, name: &str) -> Result<bool, RequestError> {
    match api
        .get::<Value>(&format!("/api/v1/nodes/{name}"), Form::Metadata)
        .await
    {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::from_value;

    use super::*;

    fn pod(name: &str, node: &str, phase: &str, deleted: bool) -> core::Pod {
        let mut pod = json!({
            "metadata": {"namespace": "ns", "name": name, "creationTimestamp": "2026-01-02T03:04:05Z"},
            "spec": {"containers": []},
            "status": {"phase": phase},
        });
        if !node.is_empty() {
            pod["spec"]["nodeName"] = node.into();
        }
        if deleted {
            pod["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z".into();
        }
        from_value(pod).expect("a pod")
    }

    fn node(name: &str, taint: Option<&str>) -> core::Node {
        let taints: Vec<Value> = taint
            .iter()
            .map(|key| json!({"key": key, "effect": "NoExecute"}))
            .collect();
        from_value(json!({"metadata": {"name": name}, "spec": {"taints": taints}})).expect("a node")
    }

    fn state(nodes: Vec<core::Node>, pods: Vec<core::Pod>) -> State {
        let mut state = State::default();
        for node in nodes {
            state.node(Change::Applied(node));
        }
        for pod in pods {
            state.pod(Change::Applied(pod));
        }
        assert!(state.decide(Instant::now()).is_empty(), "not all is known yet");
        state.node(Change::Listed);
        state.pod(Change::Listed);
        state
    }

    fn found(state: &mut State, now: Instant) -> Vec<(String, Reason)> {
        let found = state.decide(now).into_iter();
        found.map(|((_, name), reason)| (name, reason)).collect()
    }

    #[test]
    fn pods_of_nodes_that_are_gone() {
        let mut state = state(
            vec![node("a", None), node("off", Some(OUT_OF_SERVICE))],
            vec![
                pod("fine", "a", "Running", false),
                pod("going", "a", "Running", true),
                pod("lost", "b", "Running", false),
                pod("stuck", "off", "Running", true),
                pod("unmoved", "off", "Running", false),
                pod("unscheduled", "", "Pending", true),
                pod("waiting", "", "Pending", false),
            ],
        );
        let start = Instant::now();
        let soon = [
            ("stuck".to_owned(), Reason::NodeOutOfService),
            ("unscheduled".to_owned(), Reason::NeverScheduled),
        ];
        assert_eq!(found(&mut state, start), soon);
        assert_eq!(
            found(&mut state, start + QUARANTINE - Duration::from_secs(1)),
            soon
        );
        let lost = ("lost".to_owned(), Reason::NodeGone);
        assert_eq!(
            found(&mut state, start + QUARANTINE),
            [&[lost], &soon[..]].concat()
        );
        state.node(Change::Applied(node("b", None)));
        assert_eq!(found(&mut state, start + QUARANTINE), soon);
        state.node(Change::Deleted(node("b", None)));
        assert_eq!(
            found(&mut state, start + QUARANTINE),
            soon,
            "its time begins anew"
        );
    }

    #[test]
    fn the_oldest_of_too_many_ended_pods() {
        let mut state = state(
            vec![node("a", None)],
            (0..MAX_ENDED)
                .map(|index| pod(&format!("p{index:05}"), "a", "Succeeded", false))
                .collect(),
        );
        assert!(found(&mut state, Instant::now()).is_empty());
        let mut old = pod("old", "a", "Failed", false);
        let earlier = "2025-01-02T03:04:05Z".parse().expect("a time");
        old.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(earlier));
        state.pod(Change::Applied(old));
        assert_eq!(
            found(&mut state, Instant::now()),
            [("old".to_owned(), Reason::Ended)]
        );
    }
}
