//! The controllers beside a real API server, in one process, on the memory engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use strongroom_access::{Identity, MastersOnly};
use strongroom_apiserver::{ApiServer, Config, InProcess, Limits};
use strongroom_encryption::{Keyring, LocalKey};
use strongroom_storage::{Memory, Sealed};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::Service as _;

const PATIENCE: Duration = Duration::from_secs(10);
const ROOT_CA: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

struct World {
    server: ApiServer,
    service: InProcess,
    _stop: Option<DropGuard>,
}

impl World {
    async fn start() -> Self {
        let mut world = Self::without_controllers().await;
        world.start_controllers(Duration::from_secs(3600));
        world
    }

    async fn without_controllers() -> Self {
        let key = LocalKey::new(&[7; 32]).expect("a key");
        let keyring = Keyring::new("strongroom", Arc::new(key), [8; 32], &[9; 12]).expect("a keyring");
        let config = Config {
            store: Sealed::new(Arc::new(Memory::new(Default::default())), Arc::new(keyring)),
            authorizer: Arc::new(MastersOnly),
            limits: Limits::default(),
            advertise_address: "127.0.0.1:6443".to_owned(),
            min_request_timeout: Duration::from_secs(1800),
        };
        let server = ApiServer::start(config).await.expect("the server starts");
        let service = server.service(Identity::api_server());
        Self {
            server,
            service,
            _stop: None,
        }
    }

    fn start_controllers(&mut self, event_ttl: Duration) {
        let shutdown = CancellationToken::new();
        let client = kube::Client::new(self.server.service(Identity::api_server()), "default");
        let config = strongroom_controllers::Config {
            root_ca_pem: ROOT_CA.to_owned(),
            event_ttl,
        };
        tokio::spawn(strongroom_controllers::run(client, config, shutdown.clone()));
        self._stop = Some(shutdown.drop_guard());
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let content_type = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type);
        let request = request
            .body(Full::new(bytes::Bytes::from(body)))
            .expect("a request");
        let (parts, body) = self
            .service
            .clone()
            .call(request)
            .await
            .expect("infallible")
            .into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        (
            parts.status.as_u16(),
            serde_json::from_slice(&body).unwrap_or_default(),
        )
    }

    async fn must(&self, method: Method, path: &str, body: Value) -> Value {
        let (code, answer) = self.call(method, path, body).await;
        assert!((200..300).contains(&code), "{path}: {answer}");
        answer
    }

    async fn get(&self, path: &str) -> Option<Value> {
        match self.call(Method::GET, path, Value::Null).await {
            (200, object) => Some(object),
            (404, _) => None,
            (code, answer) => panic!("{path}: {code} {answer}"),
        }
    }

    /// Creates a config map, with owners and finalizers; returns its uid.
    async fn create(&self, namespace: &str, name: &str, metadata: Value) -> String {
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        for (field, value) in metadata.as_object().into_iter().flatten() {
            object["metadata"][field] = value.clone();
        }
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        let created = self.must(Method::POST, &path, object).await;
        created["metadata"]["uid"].as_str().expect("a uid").to_owned()
    }

    async fn create_namespace(&self, name: &str) {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.must(Method::POST, "/api/v1/namespaces", object).await;
    }

    async fn delete(&self, path: &str, policy: &str) {
        self.must(
            Method::DELETE,
            path,
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy}),
        )
        .await;
    }

    /// Waits until `path` is as `wanted` says; returns it and how long that took.
    async fn until(
        &self,
        what: &str,
        path: &str,
        wanted: impl Fn(Option<&Value>) -> bool,
    ) -> (Option<Value>, Duration) {
        let began = Instant::now();
        loop {
            let found = self.get(path).await;
            if wanted(found.as_ref()) {
                return (found, began.elapsed());
            }
            assert!(
                began.elapsed() < PATIENCE,
                "waited in vain: {what}; {path} is {found:?}"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn until_there(&self, path: &str) -> Value {
        self.until("to be there", path, |found| found.is_some())
            .await
            .0
            .expect("it was found")
    }

    async fn until_gone(&self, path: &str) -> Duration {
        self.until("to be gone", path, |found| found.is_none()).await.1
    }

    /// Long enough for anything wrong to happen.
    async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}

fn config_map(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps/{name}")
}

fn owned_by(owners: &[(&str, &str)]) -> Value {
    let owner = |(name, uid): &(&str, &str)| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, "blockOwnerDeletion": true});
    json!({"ownerReferences": owners.iter().map(owner).collect::<Vec<_>>()})
}

#[tokio::test]
async fn every_namespace_is_furnished() {
    let world = World::start().await;
    world.create_namespace("n").await;
    for namespace in ["default", "kube-system", "kube-public", "kube-node-lease", "n"] {
        world
            .until_there(&format!("/api/v1/namespaces/{namespace}/serviceaccounts/default"))
            .await;
        let published = world
            .until_there(&config_map(namespace, "kube-root-ca.crt"))
            .await;
        assert_eq!(published["data"], json!({"ca.crt": ROOT_CA}));
        let description = published["metadata"]["annotations"]["kubernetes.io/description"].as_str();
        assert!(description.is_some_and(|text| text.starts_with("Contains a CA bundle")));
    }
}

#[tokio::test]
async fn what_a_namespace_has_comes_back() {
    let world = World::start().await;
    let account = "/api/v1/namespaces/default/serviceaccounts/default";
    let before = world.until_there(account).await["metadata"]["uid"].clone();
    world.delete(account, "Background").await;
    let another = |found: Option<&Value>| found.is_some_and(|account| account["metadata"]["uid"] != before);
    world.until("another account", account, another).await;

    let published = config_map("default", "kube-root-ca.crt");
    world.until_there(&published).await;
    world
        .must(
            Method::PATCH,
            &published,
            json!({"data": {"ca.crt": "x", "more": "y"}}),
        )
        .await;
    world
        .until("the certificate", &published, |found| {
            found.is_some_and(|map| map["data"] == json!({"ca.crt": ROOT_CA}))
        })
        .await;
    world
        .must(
            Method::PATCH,
            &published,
            json!({"metadata": {"annotations": null, "labels": {"kept": "yes"}}}),
        )
        .await;
    let described =
        |found: Option<&Value>| found.is_some_and(|map| map["metadata"]["annotations"].is_object());
    let (restored, _) = world.until("the annotation", &published, described).await;
    assert_eq!(
        restored.expect("it was found")["metadata"]["labels"]["kept"],
        "yes"
    );
    world.delete(&published, "Background").await;
    world.until_there(&published).await;
}

#[tokio::test]
async fn a_deleted_namespace_goes_with_everything_in_it() {
    let world = World::start().await;
    world.create_namespace("empty").await;
    world
        .until_there("/api/v1/namespaces/empty/serviceaccounts/default")
        .await;
    world.until_there(&config_map("empty", "kube-root-ca.crt")).await;
    world.delete("/api/v1/namespaces/empty", "Background").await;
    let took = world.until_gone("/api/v1/namespaces/empty").await;
    println!("an empty namespace went in {took:?}");
    assert!(took < Duration::from_millis(500), "{took:?}");

    world.create_namespace("full").await;
    for number in 0..1200 {
        world.create("full", &format!("m{number}"), json!({})).await;
    }
    world.delete("/api/v1/namespaces/full", "Background").await;
    let took = world.until_gone("/api/v1/namespaces/full").await;
    println!("a namespace with 1,200 objects went in {took:?}");
    let left = world.get("/api/v1/configmaps").await.expect("a list");
    let left = left["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter(|map| map["metadata"]["namespace"] == "full")
        .count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_namespace_says_what_holds_it() {
    let world = World::start().await;
    world.create_namespace("held").await;
    world
        .create("held", "m", json!({"finalizers": ["example.com/hold"]}))
        .await;
    world.delete("/api/v1/namespaces/held", "Background").await;
    let holds = |found: Option<&Value>| {
        let condition = |kind: &str| {
            let conditions = found?["status"]["conditions"].as_array()?;
            conditions
                .iter()
                .find(|condition| condition["type"] == kind && condition["status"] == "True")
                .cloned()
        };
        let remaining = condition("NamespaceContentRemaining");
        let finalizers = condition("NamespaceFinalizersRemaining");
        remaining.is_some_and(|condition| condition["message"] == "Some resources are remaining: configmaps. has 1 resource instances")
            && finalizers.is_some_and(|condition| {
                condition["message"]
                    == "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
            })
    };
    world.until("conditions", "/api/v1/namespaces/held", holds).await;
    let before =
        world.get("/api/v1/namespaces/held").await.expect("it is held")["metadata"]["resourceVersion"]
            .clone();
    world.settle().await;
    let after =
        world.get("/api/v1/namespaces/held").await.expect("it is held")["metadata"]["resourceVersion"]
            .clone();
    assert_eq!(before, after, "what does not change is not written again");
    world
        .must(
            Method::PATCH,
            &config_map("held", "m"),
            json!({"metadata": {"finalizers": null}}),
        )
        .await;
    world.until_gone("/api/v1/namespaces/held").await;
}

#[tokio::test]
async fn dependents_go_when_all_owners_are_gone() {
    let world = World::start().await;
    let a = world.create("default", "a", json!({})).await;
    let b = world.create("default", "b", json!({})).await;
    world.create("default", "of-a", owned_by(&[("a", &a)])).await;
    world
        .create("default", "of-both", owned_by(&[("a", &a), ("b", &b)]))
        .await;
    world.settle().await;
    world.delete(&config_map("default", "a"), "Background").await;
    world.until_gone(&config_map("default", "of-a")).await;
    let one_left = |found: Option<&Value>| {
        found.is_some_and(|map| {
            map["metadata"]["ownerReferences"]
                .as_array()
                .is_some_and(|owners| owners.len() == 1)
        })
    };
    world
        .until(
            "one owner to be left",
            &config_map("default", "of-both"),
            one_left,
        )
        .await;
    world.delete(&config_map("default", "b"), "Background").await;
    world.until_gone(&config_map("default", "of-both")).await;
    world.create("default", "late", owned_by(&[("a", &a)])).await;
    world.until_gone(&config_map("default", "late")).await;
}

#[tokio::test]
async fn what_was_left_behind_is_collected_at_the_start() {
    let mut world = World::without_controllers().await;
    let a = world.create("default", "a", json!({})).await;
    let b = world.create("default", "b", json!({})).await;
    world.create("default", "of-a", owned_by(&[("a", &a)])).await;
    world.create("default", "of-b", owned_by(&[("b", &b)])).await;
    world.delete(&config_map("default", "a"), "Background").await;
    world.start_controllers(Duration::from_secs(3600));
    world.until_gone(&config_map("default", "of-a")).await;
    world.settle().await;
    assert!(world.get(&config_map("default", "of-b")).await.is_some());
}

#[tokio::test]
async fn foreground_deletion_takes_the_dependents_first() {
    let world = World::start().await;
    let a = world.create("default", "a", json!({})).await;
    let b = world.create("default", "b", owned_by(&[("a", &a)])).await;
    world.create("default", "c", owned_by(&[("b", &b)])).await;
    world
        .create("default", "held", {
            let mut metadata = owned_by(&[("b", &b)]);
            metadata["finalizers"] = json!(["example.com/hold"]);
            metadata
        })
        .await;
    world.settle().await;
    world.delete(&config_map("default", "a"), "Foreground").await;
    world.until_gone(&config_map("default", "c")).await;
    world.settle().await;
    for waiting in ["a", "b", "held"] {
        assert!(
            world.get(&config_map("default", waiting)).await.is_some(),
            "{waiting} waits"
        );
    }
    world
        .must(
            Method::PATCH,
            &config_map("default", "held"),
            json!({"metadata": {"finalizers": null}}),
        )
        .await;
    world.until_gone(&config_map("default", "a")).await;
    assert!(world.get(&config_map("default", "b")).await.is_none());
}

#[tokio::test]
async fn a_circle_can_be_deleted_in_foreground() {
    let world = World::start().await;
    let a = world.create("default", "a", json!({})).await;
    let b = world.create("default", "b", owned_by(&[("a", &a)])).await;
    world
        .must(
            Method::PATCH,
            &config_map("default", "a"),
            json!({"metadata": owned_by(&[("b", &b)])}),
        )
        .await;
    world.settle().await;
    world.delete(&config_map("default", "a"), "Foreground").await;
    world.until_gone(&config_map("default", "a")).await;
    world.until_gone(&config_map("default", "b")).await;
}

#[tokio::test]
async fn orphans_stay() {
    let world = World::start().await;
    let a = world.create("default", "a", json!({})).await;
    world.create("default", "of-a", owned_by(&[("a", &a)])).await;
    world.delete(&config_map("default", "a"), "Orphan").await;
    world.until_gone(&config_map("default", "a")).await;
    let free = |found: Option<&Value>| found.is_some_and(|map| map["metadata"]["ownerReferences"].is_null());
    world
        .until("no owner", &config_map("default", "of-a"), free)
        .await;
    world.settle().await;
    assert!(world.get(&config_map("default", "of-a")).await.is_some());
}

#[tokio::test]
async fn an_owner_in_another_namespace_is_none() {
    let world = World::start().await;
    let a = world.create("kube-public", "a", json!({})).await;
    world.create("default", "of-a", owned_by(&[("a", &a)])).await;
    world.until_gone(&config_map("default", "of-a")).await;
    let warned = |found: Option<&Value>| {
        let events = found.and_then(|list| list["items"].as_array());
        events.is_some_and(|events| {
            events.iter().any(|event| {
                event["reason"] == "OwnerRefInvalidNamespace"
                    && event["involvedObject"]["name"] == "of-a"
                    && event["message"]
                        .as_str()
                        .is_some_and(|text| text.ends_with(r#"does not exist in namespace "default""#))
            })
        })
    };
    world
        .until("an event", "/api/v1/namespaces/default/events", warned)
        .await;
}

#[tokio::test]
async fn events_expire() {
    let mut world = World::without_controllers().await;
    let event = |name: &str, last: Option<jiff::Timestamp>| {
        json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "default"},
            "involvedObject": {"kind": "Secret", "namespace": "default", "name": "s"},
            "lastTimestamp": last.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        })
    };
    let later = jiff::Timestamp::now() + Duration::from_secs(60);
    let events = "/api/v1/namespaces/default/events";
    world.must(Method::POST, events, event("old", None)).await;
    world
        .must(Method::POST, events, event("renewed", Some(later)))
        .await;
    world.start_controllers(Duration::from_secs(2));
    world.until_gone(&format!("{events}/old")).await;
    assert!(world.get(&format!("{events}/renewed")).await.is_some());
}
