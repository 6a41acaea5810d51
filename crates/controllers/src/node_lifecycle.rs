//! Nodes of which nothing is heard are marked, and their pods have to leave in time (pods-and-kubelet §10).
//!
//! A node is heard of when its lease is renewed or its agent posts a status. What the node's clock says is compared
//! with what it said before and with nothing else.

mod act;
mod eviction;
mod health;
mod state;
mod taints;

use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use serde::Deserialize;

use crate::list_watch::{Collection, list_watch};
use crate::node_lifecycle::act::{update_node, update_pod};
use crate::node_lifecycle::state::{Finding, State, Work};
use crate::object::{Item, Metadata};
use crate::request::{ApiClient, Form};
use crate::work_queue::Outcome;
use crate::workers::{Progress, Workers};

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/// Nodes and pods written at the same time; their writes share a commit.
const AT_ONCE: usize = 32;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A node's sign of life.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Lease {
    metadata: Metadata,
    spec: LeaseSpec,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LeaseSpec {
    renew_time: Option<String>,
}

impl Item for Lease {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

/// Watches over nodes for ever.
pub(crate) async fn run(api: ApiClient) {
    let collection = |path: &str| Collection {
        path: path.to_owned(),
        field_selector: None,
        form: Form::Object,
        rest_factor: 0,
    };
    let mut nodes = list_watch::<core::Node>(api.clone(), collection("/api/v1/nodes"));
    let mut leases = list_watch::<Lease>(api.clone(), collection(LEASES));
    let mut pods = list_watch::<core::Pod>(api.clone(), collection("/api/v1/pods"));
    let mut workers = Workers::<Work, Outcome>::new(AT_ONCE, LONGEST_PAUSE);
    let mut state = State::default();
    loop {
        tokio::select! {
            Some(change) = nodes.next() => {
                for work in state.node(change, Instant::now()) {
                    workers.queue.add(work, Instant::now());
                }
            }
            Some(change) = leases.next() => state.lease(change, Instant::now()),
            Some(change) = pods.next() => {
                if let Some(work) = state.pod(change) {
                    workers.queue.add(work, Instant::now());
                }
            }
            progress = workers.next() => match progress {
                Progress::Begin(work) => begin(&api, &mut workers, &mut state, work),
                Progress::Ended(work, outcome) => {
                    workers.finish(&work, outcome);
                    // What was written may not be all, and time goes on.
                    if outcome == Outcome::Done && matches!(work, Work::Node(_)) {
                        workers.queue.add(work, Instant::now() + RECHECK);
                    }
                }
            },
        }
    }
}

/// A node that was written to is looked at again after this long, when the watch has told of what was written.
const RECHECK: Duration = Duration::from_secs(1);

fn begin(api: &ApiClient, workers: &mut Workers<Work, Outcome>, state: &mut State, work: Work) {
    let (now, time) = (Instant::now(), Timestamp::now());
    let api = api.clone();
    match &work {
        Work::Node(name) => match state.assess_node(name, now, time) {
            Finding::Act(plan) => {
                let name = name.clone();
                workers.start(work, async move { update_node(&api, &name, &plan).await });
            }
            finding => rest(workers, work, &finding),
        },
        Work::Pod(key) => match state.assess_pod(key, now, time) {
            Finding::Act(plan) => {
                let key = key.clone();
                workers.start(work, async move { update_pod(&api, &key, &plan).await });
            }
            finding => rest(workers, work, &finding),
        },
    }
}

fn rest<P>(workers: &mut Workers<Work, Outcome>, work: Work, finding: &Finding<P>) {
    workers.finish(&work, Outcome::Done);
    if let Finding::Later(at) = finding {
        workers.queue.add(work, *at);
    }
}

#[cfg(test)]
mod tests;
