//! Garbage collection: dependents go when all their owners are gone, and deletions in foreground
//! or with orphaning are carried through (api-conventions.md §9).
//!
//! The collector watches the metadata of everything that can be deleted. What it keeps of that is
//! the [`graph`]; what it does follows from [`decide`](decide::decide); how it does it is in
//! [`act`].

mod act;
mod decide;
mod graph;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{BoxStream, SelectAll, StreamExt};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::discovery::{Discovered, Resource, discover};
use crate::garbage::act::Target;
use crate::garbage::decide::{Action, decide, finalizer_removed_by};
use crate::garbage::graph::{Existence, Graph, Key, KindOf, OwnerKey, ResourceId};
use crate::list_watch::{Change, Collection, list_watch};
use crate::object::{Object, OwnerReference};
use crate::request::{ApiClient, Form, RequestError};
use crate::work_queue::Outcome;
use crate::workers::{Progress, Workers};

/// Objects worked on at the same time; their writes share a commit.
const AT_ONCE: usize = 32;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The lists leave this many times their own duration to everybody else.
const REST_FACTOR: u32 = 4;
/// How often the server is asked which resources it has.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(30);
const DISCOVERY_RETRY: Duration = Duration::from_secs(1);
/// Changes of one moment reach the watches of different resources at different moments. An owner
/// that waits for its dependents is looked at this much later, so that those which were made
/// before its deletion are known.
const SETTLING: Duration = Duration::from_millis(100);
/// Searching other namespaces for an owner that is not where it must be only serves an event, so
/// it is not done more often than this.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);

/// Collects garbage for ever.
pub(crate) async fn run(api: ApiClient) {
    let mut collector = Collector::new(api.clone());
    let mut next_discovery = tokio::time::Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(next_discovery) => {
                let pause = match discover(&api).await {
                    Ok(discovered) => {
                        collector.take_resources(&discovered);
                        DISCOVERY_INTERVAL
                    }
                    Err(error) => {
                        tracing::debug!(%error, "could not discover resources, trying again");
                        DISCOVERY_RETRY
                    }
                };
                next_discovery = tokio::time::Instant::now() + pause;
            }
            Some((resource, change)) = collector.changes.next() => collector.take_change(resource, change),
            progress = collector.workers.next() => collector.take_progress(progress),
        }
    }
}

/// What came of working on an object.
enum Finding {
    /// It was acted on.
    Acted(Outcome),
    /// It was learnt, at this epoch of the graph, whether owners exist.
    Learnt(u64, Vec<(OwnerKey, Existence)>),
}

/// A resource that is or was watched.
struct Watched {
    resource: Arc<Resource>,
    /// Ends the watch; absent when the resource has gone.
    watch: Option<DropGuard>,
    listed: bool,
}

struct Collector {
    api: ApiClient,
    graph: Graph,
    /// By [`ResourceId`]; grows only.
    watched: Vec<Watched>,
    changes: SelectAll<BoxStream<'static, (ResourceId, Change<Object>)>>,
    workers: Workers<Key, Finding>,
    /// Uids of objects about which an event has been written.
    warned: BTreeSet<String>,
    last_search: Option<Instant>,
}

impl Collector {
    fn new(api: ApiClient) -> Self {
        Self {
            api,
            graph: Graph::default(),
            watched: Vec::new(),
            changes: SelectAll::new(),
            workers: Workers::new(AT_ONCE, LONGEST_PAUSE),
            warned: BTreeSet::new(),
            last_search: None,
        }
    }

    /// Begins and ends watches so that they match what the server has.
    fn take_resources(&mut self, discovered: &Discovered) {
        let wanted: Vec<_> = discovered
            .resources
            .iter()
            .filter(|resource| is_collected(resource))
            .collect();
        for resource in &wanted {
            self.watch(resource);
        }
        let served = |resource: &Resource| wanted.iter().any(|wanted| is_same(wanted, resource));
        if discovered.failures.is_empty() {
            for gone in self
                .watched
                .iter_mut()
                .filter(|watched| !served(&watched.resource))
            {
                gone.watch = None;
            }
        }
        let touched = self.graph.set_kinds(self.kinds(discovered));
        self.enqueue(touched);
    }

    fn watch(&mut self, resource: &Resource) {
        let known = self
            .watched
            .iter()
            .position(|watched| is_same(&watched.resource, resource));
        if known.is_some_and(|index| self.watched[index].watch.is_some()) {
            return;
        }
        let id = ResourceId(known.unwrap_or(self.watched.len()));
        let token = CancellationToken::new();
        let end = token.clone().cancelled_owned();
        let collection = Collection {
            path: resource.collection_path(""),
            field_selector: None,
            form: Form::Metadata,
            rest_factor: REST_FACTOR,
        };
        let changes = list_watch::<Object>(self.api.clone(), collection).map(move |change| (id, change));
        self.changes.push(changes.take_until(end).boxed());
        let watched = Watched {
            resource: Arc::new(resource.clone()),
            watch: Some(token.drop_guard()),
            listed: false,
        };
        match known {
            Some(index) => self.watched[index] = watched,
            None => self.watched.push(watched),
        }
    }

    /// Every kind an owner reference may name, in every version.
    fn kinds(&self, discovered: &Discovered) -> BTreeMap<(String, String), KindOf> {
        let mut kinds = BTreeMap::new();
        for resource in &discovered.resources {
            if let Some(index) = self
                .watched
                .iter()
                .position(|watched| is_same(&watched.resource, resource))
            {
                let kind = KindOf {
                    resource: ResourceId(index),
                    namespaced: resource.namespaced,
                };
                kinds.insert((resource.api_version(), resource.kind.clone()), kind);
            }
        }
        kinds
    }

    fn take_change(&mut self, resource: ResourceId, change: Change<Object>) {
        let touched = match change {
            Change::Listing => {
                self.graph.begin_list(resource);
                return;
            }
            Change::Listed => {
                self.watched[resource.0].listed = true;
                self.graph.end_list(resource)
            }
            Change::Applied(object) => self.graph.apply(resource, &object.metadata),
            Change::Deleted(object) => {
                self.warned.remove(&object.metadata.uid);
                self.graph.delete(resource, &object.metadata)
            }
        };
        self.enqueue(touched);
    }

    fn enqueue(&mut self, touched: Vec<Key>) {
        let now = Instant::now();
        for key in touched {
            let settle = self
                .graph
                .node(&key)
                .is_some_and(graph::Node::waits_for_dependents);
            self.workers
                .queue
                .add(key, if settle { now + SETTLING } else { now });
        }
    }

    fn take_progress(&mut self, progress: Progress<Key, Finding>) {
        match progress {
            Progress::Begin(key) => self.begin(key),
            Progress::Ended(key, Finding::Acted(outcome)) => self.workers.finish(&key, outcome),
            Progress::Ended(key, Finding::Learnt(epoch, found)) => {
                for (owner, existence) in found {
                    self.graph.learn(epoch, owner, existence);
                }
                self.workers.finish(&key, Outcome::Done);
                self.workers.queue.add(key, Instant::now());
            }
        }
    }

    /// Decides about the object, and begins what is to be done about it.
    fn begin(&mut self, key: Key) {
        let complete = !self.watched.is_empty()
            && self
                .watched
                .iter()
                .all(|watched| watched.listed || watched.watch.is_none());
        let action = decide(&self.graph, &key, complete);
        let Some(target) = self.target(&key) else {
            return self.workers.finish(&key, Outcome::Done);
        };
        let api = self.api.clone();
        let finalizer = finalizer_removed_by(&action);
        match action {
            Action::Nothing => self.workers.finish(&key, Outcome::Done),
            Action::Wait => self.workers.finish(&key, Outcome::Retry),
            Action::LookUp(owners) => self.look_up(key, target, owners),
            Action::Delete(propagation) => {
                self.act(key, async move { act::delete(&api, &target, propagation).await })
            }
            Action::Unblock => self.act(key, async move { act::unblock(&api, &target).await }),
            Action::Disown { uids } => self.act(key, async move { act::disown(&api, &target, &uids).await }),
            Action::Orphan { .. } | Action::Release => {
                let dependents = match action {
                    Action::Orphan { dependents } => {
                        dependents.iter().filter_map(|key| self.target(key)).collect()
                    }
                    _ => Vec::new(),
                };
                self.act(key, async move {
                    release(&api, &target, dependents, finalizer.unwrap_or_default()).await
                });
            }
            Action::Warn { owner } => {
                let first = self.warned.insert(target.uid.clone());
                self.act(key, async move {
                    if first {
                        act::warn(&api, &target, &owner).await;
                    }
                    Ok(Outcome::Done)
                });
            }
        }
    }

    fn act(&mut self, key: Key, work: impl Future<Output = Result<Outcome, RequestError>> + Send + 'static) {
        self.workers
            .start(key, async move { Finding::Acted(outcome(work.await)) });
    }

    fn look_up(&mut self, key: Key, target: Target, owners: Vec<(ResourceId, OwnerKey)>) {
        let epoch = self.graph.epoch();
        let api = self.api.clone();
        let owners: Vec<_> = owners
            .into_iter()
            .map(|(id, owner)| (self.watched[id.0].resource.clone(), owner))
            .collect();
        let may_search = self
            .last_search
            .is_none_or(|last| last.elapsed() >= SEARCH_INTERVAL);
        if may_search {
            self.last_search = Some(Instant::now());
        }
        self.workers.start(key, async move {
            let mut found = Vec::new();
            for (resource, owner) in owners {
                let existence = match act::look_up(&api, &resource, &owner).await {
                    Ok(existence) => existence,
                    Err(error) => return Finding::Acted(outcome(Err(error))),
                };
                let misplaced = existence == Existence::Absent && may_search && resource.namespaced;
                if misplaced && act::is_elsewhere(&api, &resource, &owner).await {
                    act::warn(&api, &target, &as_reference(&owner)).await;
                }
                found.push((owner, existence));
            }
            Finding::Learnt(epoch, found)
        });
    }

    fn target(&self, key: &Key) -> Option<Target> {
        let node = self.graph.node(key)?;
        Some(Target {
            resource: self.watched[key.resource.0].resource.clone(),
            key: key.clone(),
            uid: node.uid.clone(),
            resource_version: node.resource_version.clone(),
        })
    }
}

/// Frees the dependents, then lets the owner go.
async fn release(
    api: &ApiClient,
    owner: &Target,
    dependents: Vec<Target>,
    finalizer: &str,
) -> Result<Outcome, RequestError> {
    let uids = [owner.uid.clone()];
    let mut freed = futures::stream::iter(dependents)
        .map(|dependent| {
            let (api, uids) = (api.clone(), uids.clone());
            async move { act::disown(&api, &dependent, &uids).await }
        })
        .buffer_unordered(AT_ONCE);
    while let Some(result) = freed.next().await {
        if result? == Outcome::Retry {
            return Ok(Outcome::Retry);
        }
    }
    act::remove_finalizer(api, owner, finalizer).await
}

fn outcome(result: Result<Outcome, RequestError>) -> Outcome {
    result.unwrap_or_else(|error| {
        tracing::debug!(%error, "could not collect, trying again");
        Outcome::Retry
    })
}

/// Whether objects of the resource take part. Events do not: they are many, they own nothing and
/// they expire.
fn is_collected(resource: &Resource) -> bool {
    resource.preferred && resource.can(&["list", "watch", "delete"]) && resource.plural != "events"
}

/// Whether two are the same resource, in whatever version.
fn is_same(one: &Resource, other: &Resource) -> bool {
    one.group == other.group && one.plural == other.plural
}

fn as_reference(owner: &OwnerKey) -> OwnerReference {
    OwnerReference {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: None,
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests;
