//! A server with controllers, and what tests say to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use strongroom_access::Identity;
use strongroom_apiserver::{ApiServer, Authentication, Config, InProcess, Limits};
use strongroom_controllers::LegacyToken;
use strongroom_encryption::{Keyring, LocalKey};
use strongroom_storage::{Memory, Sealed};
use strongroom_tokens::keys::SigningKey;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::Service as _;

const PATIENCE: Duration = Duration::from_secs(10);
pub const ROOT_CA: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

pub struct World {
    server: ApiServer,
    service: InProcess,
    _stop: Option<DropGuard>,
}

impl World {
    pub async fn start() -> Self {
        let mut world = Self::without_controllers().await;
        world.start_controllers(Duration::from_secs(3600));
        world
    }

    pub async fn without_controllers() -> Self {
        let key = LocalKey::new(&[7; 32]).expect("a key");
        let keyring = Keyring::new("strongroom", Arc::new(key), [8; 32], &[9; 12]).expect("a keyring");
        let pem = SigningKey::generate_ec_p256_pem();
        let signing_key = SigningKey::from_pem(pem.as_bytes()).expect("a key");
        let config = Config {
            store: Sealed::new(Arc::new(Memory::new(Default::default())), Arc::new(keyring)),
            authentication: Authentication::new(signing_key).expect("keys"),
            auditing: None,
            nodes: None,
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

    pub fn start_controllers(&mut self, event_ttl: Duration) {
        let shutdown = CancellationToken::new();
        let client = kube::Client::new(self.server.service(Identity::api_server()), "default");
        let config = strongroom_controllers::Config {
            root_ca_pem: ROOT_CA.to_owned(),
            event_ttl,
            legacy_tokens: Some(Arc::new(|token| {
                let LegacyToken {
                    namespace,
                    service_account,
                    service_account_uid,
                    secret,
                } = token;
                format!("{namespace}/{service_account}/{service_account_uid}/{secret}")
            })),
            certificate_authority: None,
        };
        tokio::spawn(strongroom_controllers::run(client, config, shutdown.clone()));
        self._stop = Some(shutdown.drop_guard());
    }

    pub async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
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

    pub async fn must(&self, method: Method, path: &str, body: Value) -> Value {
        let (code, answer) = self.call(method, path, body).await;
        assert!((200..300).contains(&code), "{path}: {answer}");
        answer
    }

    pub async fn get(&self, path: &str) -> Option<Value> {
        match self.call(Method::GET, path, Value::Null).await {
            (200, object) => Some(object),
            (404, _) => None,
            (code, answer) => panic!("{path}: {code} {answer}"),
        }
    }

    /// Creates a config map, with owners and finalizers; returns its uid.
    pub async fn create(&self, namespace: &str, name: &str, metadata: Value) -> String {
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        for (field, value) in metadata.as_object().into_iter().flatten() {
            object["metadata"][field] = value.clone();
        }
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        let created = self.must(Method::POST, &path, object).await;
        created["metadata"]["uid"].as_str().expect("a uid").to_owned()
    }

    pub async fn create_namespace(&self, name: &str) {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.must(Method::POST, "/api/v1/namespaces", object).await;
    }

    pub async fn delete(&self, path: &str, policy: &str) {
        self.must(
            Method::DELETE,
            path,
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy}),
        )
        .await;
    }

    /// Waits until `path` is as `wanted` says; returns it and how long that took.
    pub async fn until(
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

    pub async fn until_there(&self, path: &str) -> Value {
        self.until("to be there", path, |found| found.is_some())
            .await
            .0
            .expect("it was found")
    }

    pub async fn until_gone(&self, path: &str) -> Duration {
        self.until("to be gone", path, |found| found.is_none()).await.1
    }

    /// Long enough for anything wrong to happen.
    pub async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}

pub fn config_map(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps/{name}")
}
