//! Pods, objects and runtimes for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::node_facts::NodeFacts;
use crate::objects::{Kind, LookupError, Objects};
use crate::observed::{ContainerRecord, Sandbox, State};
use crate::references::TokenReference;

/// A pod `p` in `ns` with that spec.
pub(crate) fn pod(spec: Value) -> Pod {
    full_pod(json!({}), spec, json!({}))
}

/// A pod `p` in `ns`; `metadata` is added to its own.
pub(crate) fn full_pod(metadata: Value, spec: Value, status: Value) -> Pod {
    let mut own = json!({"name": "p", "namespace": "ns", "uid": "u1", "generation": 1});
    for (key, value) in metadata.as_object().expect("an object") {
        own[key] = value.clone();
    }
    read(json!({"apiVersion": "v1", "kind": "Pod", "metadata": own, "spec": spec, "status": status}))
}

/// Reads an object.
pub(crate) fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("an object of that kind")
}

/// A container `c` with more fields.
pub(crate) fn container(fields: Value) -> Value {
    let mut container = json!({"name": "c", "image": "busybox"});
    for (key, value) in fields.as_object().expect("an object") {
        container[key] = value.clone();
    }
    container
}

/// The time `seconds` after the tests' beginning.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a time");
    start + SignedDuration::from_secs(seconds)
}

/// The node `node-1`.
pub(crate) fn node() -> NodeFacts {
    NodeFacts {
        name: "node-1".to_owned(),
        ips: vec!["192.168.0.1".to_owned(), "fd00::1".to_owned()],
        allocatable: read(json!({"cpu": "4", "memory": "8Gi", "ephemeral-storage": "100Gi"})),
        memory_bytes: 16 << 30,
    }
}

/// Caches that hold what a test says, and nothing else.
#[derive(Default)]
pub(crate) struct Fake {
    secrets: BTreeMap<String, Result<Arc<Secret>, LookupError>>,
    config_maps: BTreeMap<String, Result<Arc<ConfigMap>, LookupError>>,
    pub(crate) tokens: BTreeMap<(String, Option<String>, i64), String>,
}

impl Fake {
    pub(crate) fn secret(mut self, name: &str, data: &[(&str, &[u8])]) -> Fake {
        let data = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), k8s_openapi::ByteString(value.to_vec())));
        let secret = Secret {
            data: Some(data.collect()),
            ..Secret::default()
        };
        self.secrets.insert(name.to_owned(), Ok(Arc::new(secret)));
        self
    }

    pub(crate) fn config_map(mut self, name: &str, value: Value) -> Fake {
        self.config_maps
            .insert(name.to_owned(), Ok(Arc::new(read(value))));
        self
    }

    pub(crate) fn failing(mut self, name: &str, error: LookupError) -> Fake {
        self.secrets.insert(name.to_owned(), Err(error));
        self
    }
}

impl Objects for Fake {
    fn secret(&self, namespace: &str, name: &str) -> Result<Arc<Secret>, LookupError> {
        assert_eq!(namespace, "ns", "only the pod's own namespace is asked");
        let missing = || {
            Err(LookupError::NotFound {
                kind: Kind::Secret,
                name: name.to_owned(),
            })
        };
        self.secrets.get(name).cloned().unwrap_or_else(missing)
    }

    fn config_map(&self, namespace: &str, name: &str) -> Result<Arc<ConfigMap>, LookupError> {
        assert_eq!(namespace, "ns", "only the pod's own namespace is asked");
        let missing = || {
            Err(LookupError::NotFound {
                kind: Kind::ConfigMap,
                name: name.to_owned(),
            })
        };
        self.config_maps.get(name).cloned().unwrap_or_else(missing)
    }

    fn token(&self, pod_uid: &str, token: &TokenReference) -> Result<Zeroizing<String>, LookupError> {
        assert_eq!(pod_uid, "u1");
        let key = (
            token.service_account.clone(),
            token.audience.clone(),
            token.expiration_seconds,
        );
        let refused = || LookupError::Token {
            message: "serviceaccounts \"x\" is forbidden".to_owned(),
        };
        self.tokens
            .get(&key)
            .map(|token| Zeroizing::new(token.clone()))
            .ok_or_else(refused)
    }
}

/// A sandbox that is ready, with an address.
pub(crate) fn sandbox(attempt: u32) -> Sandbox {
    Sandbox {
        id: format!("s{attempt}"),
        attempt,
        ready: true,
        ips: vec!["10.0.0.7".to_owned()],
        host_network: false,
        created_at: at(i64::from(attempt)),
    }
}

/// An attempt of a container in the first sandbox, `<name>-<attempt>`.
pub(crate) fn record(name: &str, attempt: u32, state: State) -> ContainerRecord {
    ContainerRecord {
        id: format!("{name}-{attempt}"),
        name: name.to_owned(),
        attempt,
        image: String::new(),
        image_id: "sha256:1".to_owned(),
        spec_hash: None,
        sandbox_id: "s0".to_owned(),
        created_at: at(i64::from(attempt)),
        state,
    }
}

pub(crate) fn running() -> State {
    State::Running { started_at: at(1) }
}

/// Ended at `at(seconds)`.
pub(crate) fn exited(code: i32, seconds: i64) -> State {
    State::Exited {
        code,
        reason: String::new(),
        message: String::new(),
        started_at: Some(at(1)),
        finished_at: at(seconds),
    }
}
