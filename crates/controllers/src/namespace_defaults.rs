//! What every namespace has: service account `default` (secrets.md §10) and config map
//! `kube-root-ca.crt` with the certificates that clients in it need to trust the API server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::list_watch::{Change, Collection, list_watch};
use crate::object::{Item, Metadata, Object};
use crate::request::{ApiClient, Form, RequestError};
use crate::work_queue::Outcome;
use crate::workers::{Progress, Workers};

const SERVICE_ACCOUNT: &str = "default";
const CONFIG_MAP: &str = "kube-root-ca.crt";
const CERTIFICATE_KEY: &str = "ca.crt";
const DESCRIPTION_ANNOTATION: &str = "kubernetes.io/description";
/// The text that Kubernetes publishes with the config map; tools show it to people.
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/// Namespaces furnished at the same time; their writes share a commit.
const AT_ONCE: usize = 32;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize)]
struct ConfigMap {
    metadata: ConfigMapMetadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(rename = "binaryData", default)]
    binary_data: BTreeMap<String, serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct ConfigMapMetadata {
    #[serde(flatten)]
    metadata: Metadata,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Item for ConfigMap {
    fn metadata(&self) -> &Metadata {
        &self.metadata.metadata
    }
}

/// How a namespace's config map compares with what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Published {
    AsItShouldBe,
    Changed,
}

/// What is known of all namespaces.
#[derive(Debug, Default)]
struct State {
    active: BTreeSet<String>,
    service_accounts: BTreeSet<String>,
    config_maps: BTreeMap<String, Published>,
}

#[derive(Debug, PartialEq, Eq)]
enum Action {
    CreateServiceAccount,
    CreateConfigMap,
    RestoreConfigMap,
}

/// What a namespace lacks.
fn decide(state: &State, namespace: &str) -> Vec<Action> {
    if !state.active.contains(namespace) {
        return Vec::new();
    }
    let service_account =
        (!state.service_accounts.contains(namespace)).then_some(Action::CreateServiceAccount);
    let config_map = match state.config_maps.get(namespace) {
        None => Some(Action::CreateConfigMap),
        Some(Published::Changed) => Some(Action::RestoreConfigMap),
        Some(Published::AsItShouldBe) => None,
    };
    service_account.into_iter().chain(config_map).collect()
}

impl State {
    /// Takes in a change of a namespace; returns the namespaces that may lack something now.
    fn namespace(&mut self, change: Change<Object>) -> Vec<String> {
        match change {
            Change::Listing => self.active.clear(),
            Change::Listed => {}
            Change::Applied(namespace) if !namespace.metadata.is_deleting() => {
                let name = namespace.metadata.name;
                if self.active.insert(name.clone()) {
                    return vec![name];
                }
            }
            Change::Applied(namespace) | Change::Deleted(namespace) => {
                self.active.remove(&namespace.metadata.name);
            }
        }
        Vec::new()
    }

    fn service_account(&mut self, change: Change<Object>) -> Vec<String> {
        match change {
            Change::Listing => self.service_accounts.clear(),
            Change::Listed => return self.active.iter().cloned().collect(),
            Change::Applied(account) => {
                self.service_accounts.insert(account.metadata.namespace);
            }
            Change::Deleted(account) => {
                self.service_accounts.remove(&account.metadata.namespace);
                return vec![account.metadata.namespace];
            }
        }
        Vec::new()
    }

    fn config_map(&mut self, change: Change<ConfigMap>, root_ca_pem: &str) -> Vec<String> {
        match change {
            Change::Listing => self.config_maps.clear(),
            Change::Listed => return self.active.iter().cloned().collect(),
            Change::Applied(config_map) => {
                let published = config_map.compare(root_ca_pem);
                let namespace = config_map.metadata.metadata.namespace;
                self.config_maps.insert(namespace.clone(), published);
                if published == Published::Changed {
                    return vec![namespace];
                }
            }
            Change::Deleted(config_map) => {
                let namespace = config_map.metadata.metadata.namespace;
                self.config_maps.remove(&namespace);
                return vec![namespace];
            }
        }
        Vec::new()
    }
}

impl ConfigMap {
    fn compare(&self, root_ca_pem: &str) -> Published {
        let data = self.data.len() == 1
            && self
                .data
                .get(CERTIFICATE_KEY)
                .is_some_and(|pem| pem == root_ca_pem);
        let described = self
            .metadata
            .annotations
            .get(DESCRIPTION_ANNOTATION)
            .is_some_and(|text| !text.is_empty());
        if data && described && self.binary_data.is_empty() {
            Published::AsItShouldBe
        } else {
            Published::Changed
        }
    }
}

/// Furnishes namespaces for ever.
pub(crate) async fn run(api: ApiClient, root_ca_pem: String) {
    let collection = |resource: &str, field_selector: Option<&'static str>, form| Collection {
        path: format!("/api/v1/{resource}"),
        field_selector: field_selector.map(Into::into),
        form,
        rest_factor: 0,
    };
    let mut namespaces = list_watch::<Object>(api.clone(), collection("namespaces", None, Form::Metadata));
    let mut service_accounts = list_watch::<Object>(
        api.clone(),
        collection("serviceaccounts", Some("metadata.name=default"), Form::Metadata),
    );
    let mut config_maps = list_watch::<ConfigMap>(
        api.clone(),
        collection("configmaps", Some("metadata.name=kube-root-ca.crt"), Form::Object),
    );
    let mut state = State::default();
    // While a list is under way, what it has not told yet looks missing.
    let mut listed = [false; 3];
    let mut workers = Workers::<String, Outcome>::new(AT_ONCE, LONGEST_PAUSE);
    loop {
        let touched: Vec<String> = tokio::select! {
            Some(change) = namespaces.next() => {
                note_listing(&mut listed[0], &change);
                state.namespace(change)
            }
            Some(change) = service_accounts.next() => {
                note_listing(&mut listed[1], &change);
                state.service_account(change)
            }
            Some(change) = config_maps.next() => {
                note_listing(&mut listed[2], &change);
                state.config_map(change, &root_ca_pem)
            }
            progress = workers.next(), if listed == [true; 3] => {
                match progress {
                    Progress::Begin(namespace) => {
                        let actions = decide(&state, &namespace);
                        workers.start(namespace.clone(), furnish(api.clone(), namespace, actions, root_ca_pem.clone()));
                    }
                    Progress::Ended(namespace, outcome) => workers.finish(&namespace, outcome),
                }
                Vec::new()
            }
        };
        for namespace in touched {
            workers.queue.add(namespace, Instant::now());
        }
    }
}

fn note_listing<T>(listed: &mut bool, change: &Change<T>) {
    match change {
        Change::Listing => *listed = false,
        Change::Listed => *listed = true,
        _ => {}
    }
}

async fn furnish(api: ApiClient, namespace: String, actions: Vec<Action>, root_ca_pem: String) -> Outcome {
    for action in actions {
        let result = match action {
            Action::CreateServiceAccount => create_service_account(&api, &namespace).await,
            Action::CreateConfigMap => create_config_map(&api, &namespace, &root_ca_pem).await,
            Action::RestoreConfigMap => restore_config_map(&api, &namespace, &root_ca_pem).await,
        };
        match result {
            Ok(()) => {}
            // Somebody else made it, or the namespace is going; the watches will tell.
            Err(error) if matches!(error.code(), Some(403 | 404 | 409)) => {}
            Err(error) => {
                tracing::debug!(namespace, %error, "could not furnish the namespace, trying again");
                return Outcome::Retry;
            }
        }
    }
    Outcome::Done
}

async fn create_service_account(api: &ApiClient, namespace: &str) -> Result<(), RequestError> {
    let object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": SERVICE_ACCOUNT, "namespace": namespace}});
    api.create(
        &format!("/api/v1/namespaces/{namespace}/serviceaccounts"),
        &object,
    )
    .await
}

async fn create_config_map(api: &ApiClient, namespace: &str, root_ca_pem: &str) -> Result<(), RequestError> {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG_MAP, "namespace": namespace}});
    publish(&mut object, root_ca_pem);
    api.create(&format!("/api/v1/namespaces/{namespace}/configmaps"), &object)
        .await
}

async fn restore_config_map(api: &ApiClient, namespace: &str, root_ca_pem: &str) -> Result<(), RequestError> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/{CONFIG_MAP}");
    let mut object: Value = api.get(&path, Form::Object).await?;
    publish(&mut object, root_ca_pem);
    api.replace(&path, &object).await
}

/// Gives the config map its content, leaving labels and further annotations alone.
fn publish(config_map: &mut Value, root_ca_pem: &str) {
    config_map["data"] = json!({CERTIFICATE_KEY: root_ca_pem});
    config_map["metadata"]["annotations"][DESCRIPTION_ANNOTATION] = json!(DESCRIPTION);
    if let Some(fields) = config_map.as_object_mut() {
        fields.remove("binaryData");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----";

    fn object(value: Value) -> Object {
        serde_json::from_value(value).expect("an object")
    }

    fn namespace(name: &str) -> Object {
        object(json!({"metadata": {"name": name}}))
    }

    fn terminating(name: &str) -> Object {
        object(json!({"metadata": {"name": name, "deletionTimestamp": "2026-01-01T00:00:00Z"}}))
    }

    fn account(namespace: &str) -> Object {
        object(json!({"metadata": {"name": "default", "namespace": namespace}}))
    }

    fn config_map(namespace: &str, pem: &str) -> ConfigMap {
        let mut value = json!({"metadata": {"name": CONFIG_MAP, "namespace": namespace}});
        publish(&mut value, pem);
        serde_json::from_value(value).expect("a config map")
    }

    #[test]
    fn decisions() {
        use Action::{CreateConfigMap, CreateServiceAccount, RestoreConfigMap};
        let check = |change: &dyn Fn(&mut State), expect: &[Action]| {
            let mut state = State::default();
            state.namespace(Change::Applied(namespace("n")));
            change(&mut state);
            assert_eq!(decide(&state, "n"), expect);
        };
        check(&|_| {}, &[CreateServiceAccount, CreateConfigMap]);
        check(
            &|state| drop(state.namespace(Change::Applied(terminating("n")))),
            &[],
        );
        check(
            &|state| drop(state.namespace(Change::Deleted(namespace("n")))),
            &[],
        );
        check(
            &|state| drop(state.service_account(Change::Applied(account("n")))),
            &[CreateConfigMap],
        );
        check(
            &|state| drop(state.service_account(Change::Applied(account("m")))),
            &[CreateServiceAccount, CreateConfigMap],
        );
        check(
            &|state| drop(state.config_map(Change::Applied(config_map("n", PEM)), PEM)),
            &[CreateServiceAccount],
        );
        check(
            &|state| drop(state.config_map(Change::Applied(config_map("n", "old")), PEM)),
            &[CreateServiceAccount, RestoreConfigMap],
        );
    }

    #[test]
    fn what_is_touched() {
        let mut state = State::default();
        assert_eq!(state.namespace(Change::Applied(namespace("n"))), ["n"]);
        assert!(
            state.namespace(Change::Applied(namespace("n"))).is_empty(),
            "a label changed"
        );
        assert!(state.service_account(Change::Applied(account("n"))).is_empty());
        assert_eq!(state.service_account(Change::Deleted(account("n"))), ["n"]);
        assert!(
            state
                .config_map(Change::Applied(config_map("n", PEM)), PEM)
                .is_empty()
        );
        assert_eq!(
            state.config_map(Change::Applied(config_map("n", "old")), PEM),
            ["n"]
        );
        assert_eq!(
            state.config_map(Change::Deleted(config_map("n", PEM)), PEM),
            ["n"]
        );
        assert_eq!(state.config_map(Change::Listed, PEM), ["n"]);
    }

    #[test]
    fn additions_to_the_config_map_are_changes() {
        let compare = |edit: &dyn Fn(&mut ConfigMap)| {
            let mut subject = config_map("n", PEM);
            edit(&mut subject);
            subject.compare(PEM)
        };
        assert_eq!(compare(&|_| {}), Published::AsItShouldBe);
        assert_eq!(
            compare(&|map| drop(map.data.insert("x".to_owned(), String::new()))),
            Published::Changed
        );
        assert_eq!(
            compare(&|map| map.metadata.annotations.clear()),
            Published::Changed
        );
        assert_eq!(
            compare(&|map| drop(map.metadata.annotations.insert("a".to_owned(), "b".to_owned()))),
            Published::AsItShouldBe
        );
    }
}
