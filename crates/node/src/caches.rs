//! The Secrets and ConfigMaps that the node's pods name, and no others: one watch for each, for as long as a pod names
//! it (pods-and-kubelet §3.3).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use strongroom_client::list_watch::{Change, Collection, list_watch_within};
use strongroom_client::object::Versioned;
use strongroom_client::request::{ApiClient, Form};
use strongroom_node_plan::objects::{Kind, LookupError, Objects};
use strongroom_node_plan::references::{References, TokenReference};
use tokio::task::AbortHandle;
use zeroize::Zeroizing;

use crate::mailbox::Mailbox;
use crate::tokens::Tokens;

/// After the server was away, a watch is tried again at least this often. With a second for a connection that is lost on
/// its way, files are current within two (R12).
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// One object, by kind, namespace and name.
pub(crate) type Key = (Kind, String, String);

/// All objects that pods of this node name.
pub(crate) struct Caches {
    api: ApiClient,
    entries: Mutex<HashMap<Key, Entry>>,
    tokens: Tokens,
}

struct Entry {
    state: State,
    /// Pods that name it, by uid, and whom to tell.
    users: BTreeMap<String, Arc<Mailbox>>,
    watch: AbortHandle,
}

#[derive(Clone)]
enum State {
    Unsynced,
    Missing,
    Secret(Arc<Secret>),
    ConfigMap(Arc<ConfigMap>),
}

impl Caches {
    pub fn new(api: ApiClient, tokens: Tokens) -> Arc<Caches> {
        Arc::new(Caches {
            api,
            entries: Mutex::default(),
            tokens,
        })
    }

    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Watches what a pod names, and stops watching what it named before and no other pod names. `mailbox` is told of
    /// every change.
    pub fn register(
        self: &Arc<Self>,
        uid: &str,
        namespace: &str,
        references: &References,
        mailbox: &Arc<Mailbox>,
    ) {
        let secrets = references.secrets.keys().map(|name| (Kind::Secret, name));
        let config_maps = references.config_maps.keys().map(|name| (Kind::ConfigMap, name));
        let wanted: BTreeSet<Key> = secrets
            .chain(config_maps)
            .map(|(kind, name)| (kind, namespace.to_owned(), name.clone()))
            .collect();
        let mut entries = self.entries();
        release(&mut entries, uid, &wanted);
        for key in wanted {
            let entry = entries.entry(key.clone()).or_insert_with(|| Entry {
                state: State::Unsynced,
                users: BTreeMap::new(),
                watch: self.watch(key),
            });
            entry.users.insert(uid.to_owned(), Arc::clone(mailbox));
        }
    }

    /// Forgets what only this pod names.
    pub fn unregister(&self, uid: &str) {
        release(&mut self.entries(), uid, &BTreeSet::new());
        self.tokens.forget(uid);
    }

    fn watch(self: &Arc<Self>, key: Key) -> AbortHandle {
        let caches = Arc::clone(self);
        let task = async move {
            match key.0 {
                Kind::Secret => follow::<Secret>(&caches, &key).await,
                Kind::ConfigMap => follow::<ConfigMap>(&caches, &key).await,
            }
        };
        tokio::spawn(task).abort_handle()
    }

    /// Takes what the server says of an object, and tells its users.
    fn set(&self, key: &Key, state: State) {
        let mut entries = self.entries();
        // Released meanwhile, and the watch not ended yet.
        let Some(entry) = entries.get_mut(key) else {
            return;
        };
        entry.state = state;
        for mailbox in entry.users.values() {
            mailbox.object_changed(key.0, &key.2);
        }
    }

    fn state(&self, kind: Kind, namespace: &str, name: &str) -> Result<State, LookupError> {
        let key = (kind, namespace.to_owned(), name.to_owned());
        let state = self.entries().get(&key).map(|entry| entry.state.clone());
        match state {
            None => Err(LookupError::NotRegistered {
                namespace: key.1,
                name: key.2,
            }),
            Some(State::Unsynced) => Err(LookupError::NotSynced { kind }),
            Some(State::Missing) => Err(LookupError::NotFound { kind, name: key.2 }),
            Some(state) => Ok(state),
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        // A panic while it was held leaves whole entries: each is replaced in one step.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Objects for Caches {
    fn secret(&self, namespace: &str, name: &str) -> Result<Arc<Secret>, LookupError> {
        match self.state(Kind::Secret, namespace, name)? {
            State::Secret(secret) => Ok(secret),
            _ => Err(LookupError::NotSynced { kind: Kind::Secret }),
        }
    }

    fn config_map(&self, namespace: &str, name: &str) -> Result<Arc<ConfigMap>, LookupError> {
        match self.state(Kind::ConfigMap, namespace, name)? {
            State::ConfigMap(config_map) => Ok(config_map),
            _ => Err(LookupError::NotSynced {
                kind: Kind::ConfigMap,
            }),
        }
    }

    fn token(&self, pod_uid: &str, token: &TokenReference) -> Result<Zeroizing<String>, LookupError> {
        self.tokens.current(pod_uid, token)
    }
}

/// Takes a pod off every entry but the wanted ones; an entry without users ends its watch and is gone.
fn release(entries: &mut HashMap<Key, Entry>, uid: &str, wanted: &BTreeSet<Key>) {
    entries.retain(|key, entry| {
        if !wanted.contains(key) && entry.users.remove(uid).is_some() && entry.users.is_empty() {
            entry.watch.abort();
            return false;
        }
        true
    });
}

/// What both kinds have in common here.
trait Kept: Versioned {
    const RESOURCE: &'static str;
    fn is_immutable(&self) -> bool;
    /// As it is kept: without who set which field.
    fn into_state(self) -> State;
}

impl Kept for Secret {
    const RESOURCE: &'static str = "secrets";
    fn is_immutable(&self) -> bool {
        self.immutable == Some(true)
    }
    fn into_state(mut self) -> State {
        self.metadata.managed_fields = None;
        State::Secret(Arc::new(self))
    }
}

impl Kept for ConfigMap {
    const RESOURCE: &'static str = "configmaps";
    fn is_immutable(&self) -> bool {
        self.immutable == Some(true)
    }
    fn into_state(mut self) -> State {
        self.metadata.managed_fields = None;
        State::ConfigMap(Arc::new(self))
    }
}

/// Follows one object until it says that it is immutable: from then on it is what it is, whatever the server says.
async fn follow<T: Kept>(caches: &Caches, key: &Key) {
    let (_, namespace, name) = key;
    let collection = Collection {
        path: format!("/api/v1/namespaces/{namespace}/{}", T::RESOURCE),
        field_selector: Some(format!("metadata.name={name}").into()),
        form: Form::Object,
        rest_factor: 0,
    };
    let mut changes = list_watch_within::<T>(caches.api.clone(), collection, LONGEST_PAUSE);
    let mut listed = None;
    while let Some(change) = changes.next().await {
        match change {
            Change::Listing => listed = Some(false),
            Change::Listed => {
                if listed.take() == Some(false) {
                    caches.set(key, State::Missing);
                }
            }
            Change::Applied(object) => {
                if let Some(told) = &mut listed {
                    *told = true;
                }
                let immutable = object.is_immutable();
                caches.set(key, object.into_state());
                if immutable {
                    return;
                }
            }
            Change::Deleted(_) => caches.set(key, State::Missing),
        }
    }
}
