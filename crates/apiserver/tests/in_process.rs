//! The API without a socket: what a client meets, request by request, on the memory engine.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use strongroom_access::Identity;
use strongroom_apiserver::{ApiServer, Authentication, Config, InProcess, Limits};
use strongroom_encryption::{Keyring, LocalKey};
use strongroom_storage::{Memory, Sealed};
use strongroom_tokens::keys::SigningKey;
use tower::Service as _;

struct Client(InProcess);

struct Answer {
    code: u16,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }
}

impl Client {
    async fn start() -> Self {
        Self::start_as(Identity::api_server()).await
    }

    async fn start_as(identity: Identity) -> Self {
        let key = LocalKey::new(&[7; 32]).expect("a key");
        let keyring = Keyring::new("strongroom", Arc::new(key), [8; 32], &[9; 12]).expect("a keyring");
        let store = Sealed::new(Arc::new(Memory::new(Default::default())), Arc::new(keyring));
        let pem = SigningKey::generate_ec_p256_pem();
        let signing_key = SigningKey::from_pem(pem.as_bytes()).expect("a key");
        let config = Config {
            store,
            authentication: Authentication::new(signing_key).expect("keys"),
            auditing: None,
            nodes: None,
            limits: Limits::default(),
            advertise_address: "127.0.0.1:6443".to_owned(),
            min_request_timeout: Duration::from_secs(1800),
        };
        let server = ApiServer::start(config).await.expect("the server starts");
        Self(server.service(identity))
    }

    async fn send(&self, method: Method, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(bytes::Bytes::from(body.to_owned())))
            .expect("a request");
        let response = self.0.clone().call(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
        Answer {
            code: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    async fn get(&self, url: &str) -> Answer {
        self.send(Method::GET, url, &[], "").await
    }

    async fn post(&self, url: &str, body: Value) -> Answer {
        self.send(Method::POST, url, &[], &body.to_string()).await
    }

    async fn put(&self, url: &str, body: Value) -> Answer {
        self.send(Method::PUT, url, &[], &body.to_string()).await
    }

    async fn patch(&self, url: &str, media_type: &str, body: &str) -> Answer {
        self.send(Method::PATCH, url, &[("content-type", media_type)], body)
            .await
    }

    async fn delete(&self, url: &str) -> Answer {
        self.send(Method::DELETE, url, &[], "").await
    }
}

const SECRETS: &str = "/api/v1/namespaces/default/secrets";

fn secret(name: &str, fields: Value) -> Value {
    let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
    for (field, value) in fields.as_object().expect("an object") {
        secret[field] = value.clone();
    }
    secret
}

#[tokio::test]
async fn a_secret_from_birth_to_death() {
    let client = Client::start().await;
    let created = client
        .post(SECRETS, secret("s", json!({"stringData": {"a": "x"}})))
        .await;
    assert_eq!(created.code, 201, "{}", created.text());
    let created = created.json();
    assert_eq!(created["data"], json!({"a": "eA=="}));
    assert_eq!(created["type"], "Opaque");
    assert_eq!(created["metadata"]["managedFields"][0]["operation"], "Update");

    let url = format!("{SECRETS}/s");
    assert_eq!(client.get(&url).await.json(), created);
    let again = client.post(SECRETS, secret("s", json!({}))).await;
    assert_eq!(
        (again.code, again.message().as_str()),
        (409, "secrets \"s\" already exists")
    );

    let unchanged = client.put(&url, created.clone()).await.json();
    assert_eq!(
        unchanged["metadata"]["resourceVersion"],
        created["metadata"]["resourceVersion"]
    );
    let updated = client
        .put(&url, secret("s", json!({"data": {"b": "eQ=="}})))
        .await;
    assert_eq!(updated.code, 200, "{}", updated.text());
    assert_eq!(updated.json()["data"], json!({"b": "eQ=="}));
    let stale = client.put(&url, created.clone()).await;
    assert_eq!(stale.code, 409);
    assert!(
        stale
            .message()
            .starts_with("Operation cannot be fulfilled on secrets \"s\": the object has been")
    );

    let deleted = client.delete(&url).await.json();
    let details = json!({"name": "s", "kind": "secrets", "uid": created["metadata"]["uid"]});
    assert_eq!(
        (&deleted["status"], &deleted["details"]),
        (&json!("Success"), &details)
    );
    let gone = client.get(&url).await;
    assert_eq!(
        (gone.code, gone.message().as_str()),
        (404, "secrets \"s\" not found")
    );
}

#[tokio::test]
async fn patches_of_every_type() {
    let client = Client::start().await;
    client
        .post(SECRETS, secret("s", json!({"data": {"a": "eA=="}})))
        .await;
    let url = format!("{SECRETS}/s?fieldManager=m");
    let data = |answer: Answer| {
        assert_eq!(answer.code, 200, "{}", answer.text());
        answer.json()["data"].clone()
    };
    let merged = client
        .patch(
            &url,
            "application/merge-patch+json",
            r#"{"data":{"a":null,"b":"eQ=="}}"#,
        )
        .await;
    assert_eq!(data(merged), json!({"b": "eQ=="}));
    let operations = r#"[{"op":"add","path":"/data/c","value":"eg=="}]"#;
    let patched = client
        .patch(&url, "application/json-patch+json", operations)
        .await;
    assert_eq!(data(patched), json!({"b": "eQ==", "c": "eg=="}));
    let strategic = r#"{"stringData":{"d":"w"}}"#;
    let patched = client
        .patch(&url, "application/strategic-merge-patch+json", strategic)
        .await;
    assert_eq!(data(patched), json!({"b": "eQ==", "c": "eg==", "d": "dw=="}));

    let applied = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"b":"eA=="}}"#;
    let conflict = client.patch(&url, "application/apply-patch+yaml", applied).await;
    assert_eq!(conflict.code, 409, "{}", conflict.text());
    assert_eq!(
        conflict.message(),
        "Apply failed with 1 conflict: conflict with \"m\" using v1: .data.b"
    );
    let forced = client
        .patch(
            &format!("{url}&force=true"),
            "application/apply-patch+yaml",
            applied,
        )
        .await;
    assert_eq!(data(forced)["b"], "eA==");
    let created = client
        .patch(
            &url.replace("/s?", "/t?"),
            "application/apply-patch+yaml",
            &applied.replace("\"s\"", "\"t\""),
        )
        .await;
    assert_eq!(created.code, 201, "{}", created.text());
    let unknown = client.patch(&url, "text/plain", "").await;
    assert_eq!(
        (unknown.code, unknown.message().as_str()),
        (415, "415: Unsupported Media Type")
    );
}

#[tokio::test]
async fn lists_in_pages_of_one_revision() {
    let client = Client::start().await;
    for name in ["a", "b", "c"] {
        client.post(SECRETS, secret(name, json!({}))).await;
    }
    let first = client.get(&format!("{SECRETS}?limit=2")).await.json();
    client.post(SECRETS, secret("d", json!({}))).await;
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    assert_eq!(first["items"].as_array().map(Vec::len), Some(2));
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let second = client
        .get(&format!("{SECRETS}?limit=2&continue={token}"))
        .await
        .json();
    assert_eq!(second["items"][0]["metadata"]["name"], "c");
    assert_eq!(
        second["items"].as_array().map(Vec::len),
        Some(1),
        "a page shows its own revision"
    );
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    assert!(second["metadata"].get("continue").is_none());
    let selected = client
        .get(&format!("{SECRETS}?fieldSelector=metadata.name%3Db"))
        .await
        .json();
    assert_eq!(selected["items"].as_array().map(Vec::len), Some(1));
    let none = client
        .get(&format!("{SECRETS}?labelSelector=app%3Dx"))
        .await
        .json();
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn tables_metadata_and_refusals_to_convert() {
    let client = Client::start().await;
    client
        .post(SECRETS, secret("s", json!({"data": {"a": ""}})))
        .await;
    let accept = |kind: &str| format!("application/json;as={kind};v=v1;g=meta.k8s.io");
    let table = client
        .send(Method::GET, SECRETS, &[("accept", &accept("Table"))], "")
        .await
        .json();
    assert_eq!(table["kind"], "Table");
    assert_eq!(
        table["rows"][0]["cells"],
        json!(["s", "Opaque", 1, table["rows"][0]["cells"][3]])
    );
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let url = format!("{SECRETS}/s");
    let metadata = client
        .send(
            Method::GET,
            &url,
            &[("accept", &accept("PartialObjectMetadata"))],
            "",
        )
        .await
        .json();
    assert!(metadata.get("data").is_none() && metadata.get("type").is_none());
    let refused = client
        .send(Method::GET, &url, &[("accept", "text/html")], "")
        .await;
    assert_eq!(refused.code, 406);
}

#[tokio::test]
async fn namespaces_guard_what_is_created_in_them() {
    let client = Client::start().await;
    let missing = client
        .post("/api/v1/namespaces/x/secrets", secret("s", json!({})))
        .await;
    assert_eq!(
        (missing.code, missing.message().as_str()),
        (404, "namespaces \"x\" not found")
    );
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}});
    let created = client.post("/api/v1/namespaces", namespace).await.json();
    assert_eq!(created["status"]["phase"], "Active");
    assert_eq!(
        created["metadata"]["labels"],
        json!({"kubernetes.io/metadata.name": "x"})
    );
    assert_eq!(
        client
            .post("/api/v1/namespaces/x/secrets", secret("s", json!({})))
            .await
            .code,
        201
    );
    let deleted = client.delete("/api/v1/namespaces/x").await;
    assert_eq!(
        (deleted.code, &deleted.json()["status"]["phase"]),
        (200, &json!("Terminating"))
    );
    let refused = client
        .post("/api/v1/namespaces/x/secrets", secret("t", json!({})))
        .await;
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.json()["details"]["causes"][0]["reason"],
        "NamespaceTerminating"
    );
    let protected = client.delete("/api/v1/namespaces/default").await;
    assert_eq!(protected.code, 403);
}

#[tokio::test]
async fn paths_that_nothing_serves() {
    let client = Client::start().await;
    let check = async |url: &str, code: u16, body: &str| {
        let answer = client.get(url).await;
        assert_eq!(answer.code, code, "{url}: {}", answer.text());
        assert!(answer.text().contains(body), "{url}: {}", answer.text());
    };
    check("/foo", 404, "404 page not found\n").await;
    check("//api/v1/secrets", 404, "404 page not found\n").await;
    check("/apis/nosuch.example.com/v1/x", 404, "404 page not found\n").await;
    check(
        "/api/v2/secrets",
        404,
        "the server could not find the requested resource",
    )
    .await;
    check(
        "/api/v1/nosuch",
        404,
        "the server could not find the requested resource",
    )
    .await;
    check(
        "/api/v1/secrets/s",
        404,
        "the server could not find the requested resource",
    )
    .await;
    check("/api/v1/secrets", 200, "SecretList").await;
    check("/readyz?verbose", 200, "readyz check passed").await;
    check("/version", 200, "v1.36").await;
    check("/api/v1", 200, "APIResourceList").await;
    check("/openapi/v3", 200, "api/v1").await;
    let answer = client.get("/metrics").await;
    assert!(
        answer.text().contains("apiserver_request_total{"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn strangers_are_refused() {
    let client = Client::start_as(Identity::anonymous()).await;
    let refused = client.get(SECRETS).await;
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.message(),
        "secrets is forbidden: User \"system:anonymous\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\""
    );
    assert_eq!(client.get("/livez").await.code, 200);
    assert!(client.get("/livez").await.headers.contains_key("audit-id"));
}
