//! Pods that wait for a node are given one (pods-and-kubelet §10).
//!
//! The watches keep what is known of nodes and pods in memory; [`decide`](decide::decide) chooses from it; a choice
//! counts at once, before the API server has confirmed it, so that two pods do not get the same room.

mod act;
mod cluster;
mod decide;
mod neighbours;
mod selector;
mod spread;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::core::v1 as core;

use crate::list_watch::{Change, Collection, list_watch};
use crate::request::{ApiClient, Form};
use crate::scheduler::act::{Bound, bind, tell};
use crate::scheduler::cluster::{Cluster, Key, Node, Pod};
use crate::scheduler::decide::{Decision, decide};
use crate::work_queue::Outcome;
use crate::workers::{Progress, Workers};

/// `spec.schedulerName` of the pods that are ours; also the name we tell things under.
const NAME: &str = "default-scheduler";

/// Pods bound at the same time; their writes share a commit.
const AT_ONCE: usize = 32;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What came of the work on a pod.
enum Ended {
    Bound(Bound),
    Told(Outcome),
}

/// Schedules for ever.
pub(crate) async fn run(api: ApiClient) {
    let collection = |path: &str| Collection {
        path: path.to_owned(),
        field_selector: None,
        form: Form::Object,
        rest_factor: 0,
    };
    let mut nodes = list_watch::<core::Node>(api.clone(), collection("/api/v1/nodes"));
    let mut pods = list_watch::<core::Pod>(api.clone(), collection("/api/v1/pods"));
    let mut workers = Workers::<Key, Ended>::new(AT_ONCE, LONGEST_PAUSE);
    let mut state = State::default();
    loop {
        tokio::select! {
            Some(change) = nodes.next() => {
                for key in state.node(change) {
                    workers.queue.add(key, Instant::now());
                }
            }
            Some(change) = pods.next() => {
                for key in state.pod(change) {
                    workers.queue.add(key, Instant::now());
                }
            }
            progress = workers.next() => match progress {
                Progress::Begin(key) => match state.decide(&key) {
                    Some((pod, Decision::Bind(node))) => {
                        workers.start(key.clone(), {
                            let api = api.clone();
                            async move { Ended::Bound(bind(&api, &key, &pod, &node).await) }
                        });
                    }
                    Some((pod, Decision::Wait(message))) => {
                        workers.start(key.clone(), {
                            let api = api.clone();
                            async move { Ended::Told(tell(&api, &key, &pod, &message).await) }
                        });
                    }
                    None => workers.finish(&key, Outcome::Done),
                },
                Progress::Ended(key, Ended::Bound(bound)) => {
                    state.bound(&key, bound);
                    let outcome = match bound {
                        Bound::Failed => Outcome::Retry,
                        Bound::Done | Bound::Refused => Outcome::Done,
                    };
                    workers.finish(&key, outcome);
                }
                Progress::Ended(key, Ended::Told(outcome)) => workers.finish(&key, outcome),
            },
        }
    }
}

/// What is known, and what has been decided and is not confirmed yet.
#[derive(Debug, Default)]
struct State {
    cluster: Cluster,
    nodes_listed: bool,
    pods_listed: bool,
    /// Pods given to nodes of which the watch has not told yet.
    assumed: BTreeSet<Key>,
    /// Pods that fitted nowhere when they were last looked at.
    waiting: BTreeSet<Key>,
    /// Nodes that a list has told of so far.
    seen: BTreeSet<String>,
}

impl State {
    /// Takes in a change of a node; returns the pods that may fit somewhere now.
    fn node(&mut self, change: Change<core::Node>) -> Vec<Key> {
        match change {
            Change::Listing => self.seen.clear(),
            Change::Listed => {
                let seen = std::mem::take(&mut self.seen);
                self.cluster.nodes.retain(|name, _| seen.contains(name));
                self.nodes_listed = true;
                return self.pending();
            }
            Change::Applied(node) => {
                let name = node.metadata.name.clone().unwrap_or_default();
                self.seen.insert(name.clone());
                let node = Node::from(node);
                if self.cluster.nodes.get(&name) != Some(&node) {
                    self.cluster.nodes.insert(name, node);
                    return self.take_waiting();
                }
            }
            Change::Deleted(node) => {
                self.cluster.nodes.remove(&node.metadata.name.unwrap_or_default());
                // Fewer nodes fit no more pods, but why none fits has changed.
                return self.take_waiting();
            }
        }
        Vec::new()
    }

    /// Takes in a change of a pod; returns the pods to look at.
    fn pod(&mut self, change: Change<core::Pod>) -> Vec<Key> {
        match change {
            Change::Listing => {
                self.cluster.clear_pods();
                self.assumed.clear();
                self.waiting.clear();
                self.pods_listed = false;
            }
            Change::Listed => {
                self.pods_listed = true;
                return self.pending();
            }
            Change::Applied(pod) => match Pod::read(pod) {
                (key, Some(pod)) => return self.put(key, pod),
                (key, None) => return self.remove(&key),
            },
            Change::Deleted(pod) => {
                let (key, _) = Pod::read(pod);
                return self.remove(&key);
            }
        }
        Vec::new()
    }

    fn put(&mut self, key: Key, mut pod: Pod) -> Vec<Key> {
        let before = self.cluster.pod(&key);
        let is_same = before.is_some_and(|before| before.uid == pod.uid);
        if !pod.node.is_empty() || !is_same {
            self.assumed.remove(&key);
        }
        if self.assumed.contains(&key)
            && let Some(before) = before
        {
            pod.node.clone_from(&before.node);
        }
        let is_new = before.is_none_or(|before| before.uid != pod.uid || !before.is_pending);
        let is_pending = pod.is_pending && pod.node.is_empty();
        let comes_near = !pod.node.is_empty() && before.is_none_or(|before| before.node.is_empty());
        let frees = self.cluster.put(key.clone(), pod);
        let mut keys = Vec::new();
        if !is_pending {
            self.waiting.remove(&key);
        }
        if frees {
            keys = self.take_waiting();
        } else if comes_near {
            keys = self.waiting_for_others();
        }
        if is_pending && is_new {
            keys.push(key);
        }
        keys
    }

    fn remove(&mut self, key: &Key) -> Vec<Key> {
        self.assumed.remove(key);
        self.waiting.remove(key);
        match self.cluster.remove(key) {
            Some(pod) if !pod.node.is_empty() => self.take_waiting(),
            _ => Vec::new(),
        }
    }

    fn pending(&self) -> Vec<Key> {
        let pending = self.cluster.pods().filter(|(_, pod)| pod.is_pending);
        pending.map(|(key, _)| key.clone()).collect()
    }

    /// Pods that wait and that may fit because another has come: those that want to be near it, or even with it.
    fn waiting_for_others(&self) -> Vec<Key> {
        let wants_company = |key: &&Key| {
            let pod = self.cluster.pod(key);
            pod.is_some_and(|pod| !pod.near.is_empty() || !pod.spread.is_empty())
        };
        self.waiting.iter().filter(wants_company).cloned().collect()
    }

    fn take_waiting(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.waiting).into_iter().collect()
    }

    /// Decides about a pod; nothing where it does not wait any more, or not all is known yet.
    fn decide(&mut self, key: &Key) -> Option<(Pod, Decision)> {
        if !self.nodes_listed || !self.pods_listed {
            return None;
        }
        let pod = self.cluster.pod(key)?;
        if !pod.is_pending || !pod.node.is_empty() {
            return None;
        }
        let pod = pod.clone();
        let decision = decide(key, &pod, &self.cluster);
        match &decision {
            Decision::Bind(node) => {
                self.cluster.assign(key, node);
                self.assumed.insert(key.clone());
            }
            Decision::Wait(_) => drop(self.waiting.insert(key.clone())),
        }
        Some((pod, decision))
    }

    /// Takes in what came of giving a pod to a node.
    fn bound(&mut self, key: &Key, bound: Bound) {
        if bound != Bound::Done && self.assumed.remove(key) {
            self.cluster.assign(key, "");
        }
    }
}

#[cfg(test)]
mod tests;
