//! The pods of this node: each gets a worker when the server gives it to the node, and loses it when nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use strongroom_client::list_watch::{Change, Collection, escape, list_watch_within};
use strongroom_client::request::Form;
use strongroom_node_plan::pod;
use tokio::sync::{mpsc, watch};

use crate::caches::LONGEST_PAUSE;
use crate::context::Context;
use crate::server::Server;
use crate::worker::PodWorker;

/// The workers, by uid of their pods.
#[derive(Default)]
pub(crate) struct Pods {
    workers: Mutex<BTreeMap<String, PodWorker>>,
}

impl Pods {
    /// The pods with the statuses that this node sees.
    pub fn shown(&self) -> Vec<Arc<Pod>> {
        self.workers().values().map(|worker| worker.shown.pod()).collect()
    }

    /// Whether one of the pods has this address.
    pub fn has_address(&self, address: IpAddr) -> bool {
        let has = |worker: &PodWorker| {
            let addresses = worker.shown.addresses();
            addresses.iter().any(|own| own.parse() == Ok(address))
        };
        self.workers().values().any(has)
    }

    /// How many pods there are.
    pub fn count(&self) -> usize {
        self.workers().len()
    }

    /// Whether there is a worker for this pod.
    pub fn knows(&self, uid: &str) -> bool {
        self.workers().contains_key(uid)
    }

    /// Something happened to these pods in the runtime.
    pub fn look_at(&self, uids: &BTreeSet<String>) {
        let workers = self.workers();
        for worker in uids.iter().filter_map(|uid| workers.get(uid)) {
            worker.mailbox.look_at_containers();
        }
    }

    /// All pods may go on with what they wait for.
    pub fn look_at_all(&self) {
        for worker in self.workers().values() {
            worker.mailbox.look_at_containers();
        }
    }

    fn workers(&self) -> MutexGuard<'_, BTreeMap<String, PodWorker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the server's pods for this node, for ever. `listed` is told true once all of them are known.
pub(crate) async fn follow(
    context: Arc<Context>,
    server: Server,
    pods: Arc<Pods>,
    listed: watch::Sender<bool>,
) {
    let collection = Collection {
        path: "/api/v1/pods".to_owned(),
        field_selector: Some(format!("spec.nodeName={}", escape(&context.config.name)).into()),
        form: Form::Object,
        rest_factor: 0,
    };
    let mut changes = list_watch_within::<Pod>(server.api(), collection, LONGEST_PAUSE);
    let (gone, mut workers_gone) = mpsc::unbounded_channel::<String>();
    let mut told: Option<BTreeSet<String>> = None;
    loop {
        let change = tokio::select! {
            change = changes.next() => match change {
                Some(change) => change,
                None => return,
            },
            Some(uid) = workers_gone.recv() => {
                pods.workers().remove(&uid);
                continue;
            }
        };
        match change {
            Change::Listing => told = Some(BTreeSet::new()),
            Change::Listed => {
                if let Some(told) = told.take() {
                    let workers = pods.workers();
                    for (_, worker) in workers.iter().filter(|(uid, _)| !told.contains(*uid)) {
                        remove(worker);
                    }
                }
                listed.send_replace(true);
            }
            Change::Applied(mut pod) => {
                // Who set which field is the largest part of a pod, and nothing to its node.
                pod.metadata.managed_fields = None;
                let uid = pod::uid(&pod).to_owned();
                if let Some(told) = &mut told {
                    told.insert(uid.clone());
                }
                let mut workers = pods.workers();
                match workers.get(&uid) {
                    Some(worker) => worker.assign(pod),
                    None => {
                        let (gone, of) = (gone.clone(), uid.clone());
                        let worker = PodWorker::start(Arc::clone(&context), Arc::new(pod), move || {
                            let _ = gone.send(of);
                        });
                        workers.insert(uid, worker);
                    }
                }
            }
            Change::Deleted(pod) => {
                if let Some(worker) = pods.workers().get(pod::uid(&pod)) {
                    remove(worker);
                }
            }
        }
    }
}

fn remove(worker: &PodWorker) {
    worker
        .assignment
        .send_modify(|assignment| assignment.removed = true);
}
