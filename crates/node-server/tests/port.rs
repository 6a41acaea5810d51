//! The port over real TLS, in front of a node and a runtime that are played.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::json;
use strongroom_access::Identity;
use strongroom_node_server::{
    Config, Limits, Node, NodeServer, Refused, ReviewError, Reviewer, RunningContainer, Streams, tls_config,
};
use strongroom_streams::spdy::{self, Headers};
use strongroom_streams::upgrade::{self, Answer, COMMAND_PROTOCOL, spdy_headers};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// A node with one pod `a/p` whose container `c` runs.
struct PlayedNode {
    log: PathBuf,
    runtime: SocketAddr,
}

#[async_trait]
impl Node for PlayedNode {
    fn pods(&self) -> Vec<Arc<Pod>> {
        let status = |name: &str, state: serde_json::Value| {
            json!({"name": name, "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state,
                   "containerID": format!("containerd://{name}-id")})
        };
        let pod = json!({
            "metadata": {"name": "p", "namespace": "a", "uid": "u"},
            "spec": {"containers": [{"name": "c"}, {"name": "w"}]},
            "status": {"containerStatuses": [
                status("c", json!({"running": {}})),
                status("w", json!({"waiting": {"reason": "ContainerCreating"}})),
            ]},
        });
        vec![Arc::new(serde_json::from_value(pod).expect("a pod"))]
    }

    async fn container(&self, container_id: &str) -> Result<RunningContainer, Refused> {
        assert_eq!(container_id, "c-id");
        Ok(RunningContainer {
            log_path: self.log.clone(),
            running: true,
        })
    }

    async fn exec(&self, container_id: &str, command: &[String], streams: Streams) -> Result<Uri, Refused> {
        assert_eq!((container_id, streams.stdin), ("c-id", true));
        match command.join(" ").as_str() {
            "too much" => Err(Refused::Exhausted("too many streams".to_owned())),
            "refuse" => Ok(self.location("refused")),
            "elsewhere" => Ok(Uri::from_static("https://example.com/exec")),
            _ => Ok(self.location("exec/token")),
        }
    }

    async fn attach(&self, _: &str, _: Streams) -> Result<Uri, Refused> {
        Ok(self.location("attach/token"))
    }

    async fn port_forward(&self, _: &Pod, _: &[u16]) -> Result<Uri, Refused> {
        Ok(self.location("portforward/token"))
    }

    fn metrics(&self) -> String {
        "# TYPE kubelet_running_pods gauge\nkubelet_running_pods 1\n# EOF\n".to_owned()
    }
}

impl PlayedNode {
    fn location(&self, path: &str) -> Uri {
        format!("http://{}/{path}", self.runtime)
            .parse()
            .expect("an address")
    }
}

/// Knows the token `good`, and lets users whose name begins with `may` do what the rest of their name says.
#[derive(Default)]
struct PlayedReviewer {
    asked: Mutex<Vec<String>>,
    tokens: AtomicUsize,
}

#[async_trait]
impl Reviewer for PlayedReviewer {
    async fn who(&self, token: &str) -> Result<Option<Identity>, ReviewError> {
        self.tokens.fetch_add(1, Ordering::Relaxed);
        match token {
            "broken" => Err(ReviewError::Late),
            "good" => Ok(Some(Identity {
                user: "may proxy".to_owned(),
                ..Identity::default()
            })),
            _ => Ok(None),
        }
    }

    async fn may(
        &self,
        caller: &Identity,
        verb: &str,
        node: &str,
        subresource: &str,
    ) -> Result<bool, ReviewError> {
        assert_eq!(node, "node-1");
        let asked = format!("{} {verb} {subresource}", caller.user);
        self.asked.lock().unwrap().push(asked);
        if caller.user == "broken" {
            return Err(ReviewError::Late);
        }
        Ok(caller.user == format!("may {subresource}"))
    }
}

/// A runtime's streaming server that sends stdin back on stdout.
async fn play_runtime() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(async |request: Request<hyper::body::Incoming>| {
                assert!(request.headers().get("authorization").is_none());
                if request.uri().path() == "/refused" {
                    let mut response = Response::new("no such token".to_owned());
                    *response.status_mut() = StatusCode::NOT_FOUND;
                    return Ok::<_, std::convert::Infallible>(response);
                }
                let upgrade = hyper::upgrade::on(request);
                tokio::spawn(async move {
                    let io = TokioIo::new(upgrade.await.unwrap());
                    let (_connection, mut incoming) = spdy::server(io, spdy::Limits::default());
                    let (_error, _writer) = incoming.next().await.unwrap().accept().await.unwrap();
                    let (mut stdin, _) = incoming.next().await.unwrap().accept().await.unwrap();
                    let (_, mut stdout) = incoming.next().await.unwrap().accept().await.unwrap();
                    while let Some(data) = stdin.next().await {
                        stdout.send(data).await.unwrap();
                    }
                    stdout.finish().await.unwrap();
                    std::future::pending::<()>().await;
                });
                let mut response = Response::new(String::new());
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                *response.headers_mut() = spdy_headers(COMMAND_PROTOCOL);
                Ok(response)
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades(),
            );
        }
    });
    address
}

struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate and its key.
    fn issue(&self, user: &str, hosts: &[&str]) -> (String, String) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, user);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

struct Port {
    address: SocketAddr,
    authority: Authority,
    reviewer: Arc<PlayedReviewer>,
    log: tempfile::NamedTempFile,
    shutdown: CancellationToken,
}

impl Port {
    async fn start() -> Self {
        let authority = Authority::new();
        let (certificate, key) = authority.issue("system:node:node-1", &["127.0.0.1"]);
        let tls = tls_config(
            certificate.as_bytes(),
            key.as_bytes(),
            authority.certificate.as_bytes(),
        )
        .unwrap();
        let log = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(log.path(), "2026-01-02T03:04:05Z stdout F hello\n").unwrap();
        let reviewer = Arc::new(PlayedReviewer::default());
        let server = NodeServer::new(Config {
            node_name: "node-1".to_owned(),
            node: Arc::new(PlayedNode {
                log: log.path().to_owned(),
                runtime: play_runtime().await,
            }),
            reviewer: Arc::clone(&reviewer) as Arc<dyn Reviewer>,
            anonymous: false,
            limits: Limits {
                max_streams: 2,
                ..Limits::default()
            },
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let until = shutdown.clone();
        tokio::spawn(async move {
            server
                .serve(listener, Arc::new(ArcSwap::from_pointee(tls)), until)
                .await
        });
        Self {
            address,
            authority,
            reviewer,
            log,
            shutdown,
        }
    }

    async fn connect(&self, user: Option<&str>) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        self.connect_with(user.map(|user| self.authority.issue(user, &[])))
            .await
    }

    async fn connect_with(
        &self,
        credential: Option<(String, String)>,
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.authority.certificate.as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match credential {
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::from(self.address.ip());
        tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    fn request(&self, method: Method, path: &str, token: Option<&str>) -> Request<Empty<Bytes>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "node-1");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(Empty::new()).unwrap()
    }

    /// `code text` of the answer to a request without an upgrade.
    async fn get(&self, user: Option<&str>, token: Option<&str>, path: &str) -> String {
        let stream = self.connect(user).await.unwrap();
        let request = self.request(Method::GET, path, token);
        told(upgrade::send(stream, request).await.unwrap()).await
    }

    async fn exec(&self, query: &str) -> Answer {
        let stream = self.connect(Some("may proxy")).await.unwrap();
        let path = format!("/exec/a/p/c?{query}");
        let mut request = self.request(Method::POST, &path, Some("secret"));
        request.headers_mut().extend(spdy_headers(COMMAND_PROTOCOL));
        upgrade::send(stream, request).await.unwrap()
    }
}

async fn told(answer: Answer) -> String {
    match answer {
        Answer::Upgraded(..) => "upgraded".to_owned(),
        Answer::Other(response) => {
            let code = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            format!("{code} {}", String::from_utf8_lossy(&body))
        }
    }
}

#[tokio::test]
async fn who_may_call() {
    let port = Port::start().await;
    let check = async |user, token, path: &str, expect: &str| {
        assert_eq!(port.get(user, token, path).await, expect, "{user:?} {path}");
    };
    check(None, None, "/pods", "401 Unauthorized").await;
    check(None, Some("wrong"), "/pods", "401 Unauthorized").await;
    check(None, Some("broken"), "/pods", "401 Unauthorized").await;
    check(None, Some("good"), "/healthz", "200 ok").await;
    check(Some("may healthz"), None, "/healthz", "200 ok").await;
    let forbidden = |user: &str, what: &str| {
        format!("403 Forbidden (user={user}, verb=get, resource=nodes, subresource(s)=[{what}])")
    };
    check(Some("eve"), None, "/pods", &forbidden("eve", "pods proxy")).await;
    check(
        Some("eve"),
        None,
        "/containerLogs/a/p/c",
        &forbidden("eve", "proxy"),
    )
    .await;
    check(Some("eve"), None, "/nothing", &forbidden("eve", "proxy")).await;
    check(
        Some("may proxy"),
        None,
        "/metrics",
        &forbidden("may proxy", "metrics"),
    )
    .await;
    check(Some("may proxy"), None, "/nothing", "404 404 page not found\n").await;
    let problem = "500 Authorization error (user=broken, verb=get, resource=nodes, subresource=proxy)";
    check(Some("broken"), None, "/nothing", problem).await;

    // A certificate of another CA is no credential.
    let stranger = Authority::new().issue("may proxy", &[]);
    let refused = async {
        let stream = port.connect_with(Some(stranger)).await.ok()?;
        upgrade::send(stream, port.request(Method::GET, "/healthz", None))
            .await
            .ok()
    };
    assert!(refused.await.is_none());
}

#[tokio::test]
async fn reviews_are_remembered() {
    let port = Port::start().await;
    for _ in 0..3 {
        assert_eq!(port.get(None, Some("good"), "/healthz").await, "200 ok");
    }
    assert_eq!(port.reviewer.tokens.load(Ordering::Relaxed), 1);
    let asked = port.reviewer.asked.lock().unwrap().clone();
    assert_eq!(asked, ["may proxy get healthz", "may proxy get proxy"]);
}

#[tokio::test]
async fn documents() {
    let port = Port::start().await;
    let pods = port.get(Some("may pods"), None, "/pods").await;
    assert!(
        pods.starts_with(r#"200 {"apiVersion":"v1","items":[{"apiVersion":"v1","kind":"Pod""#),
        "{pods}"
    );
    let metrics = port.get(Some("may metrics"), None, "/metrics").await;
    assert!(
        metrics.contains("kubelet_running_pods 1\n") && metrics.ends_with("# EOF\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("kubelet_http_requests_total{method=\"GET\",path=\"pods\",code=\"200\"} 1"),
        "{metrics}"
    );
    let configz = port.get(Some("may configz"), None, "/configz").await;
    assert_eq!(configz, r#"200 {"kubeletconfig":{}}"#);
    let summary = port.get(Some("may stats"), None, "/stats/summary").await;
    assert!(
        summary.contains(r#""podRef":{"name":"p","namespace":"a","uid":"u"}"#),
        "{summary}"
    );
}

#[tokio::test]
async fn logs() {
    let port = Port::start().await;
    let get = async |path: &str| {
        port.get(Some("may proxy"), None, &format!("/containerLogs/{path}"))
            .await
    };
    assert_eq!(get("a/p/c").await, "200 hello\n");
    assert_eq!(
        get("a/p/c?timestamps=true").await,
        "200 2026-01-02T03:04:05.000000000Z hello\n"
    );
    assert_eq!(get("a/q/c").await, "404 pod \"q\" does not exist");
    assert_eq!(get("a/p/x").await, "404 container \"x\" not found in pod \"p\"");
    assert_eq!(
        get("a/p/w").await,
        "400 container \"w\" in pod \"p\" is waiting to start: ContainerCreating"
    );
    assert_eq!(
        get("a/p/c?previous=true").await,
        "400 previous terminated container \"c\" in pod \"p\" not found"
    );
    assert_eq!(
        get("a/p/c?tailLines=-1").await,
        "422 {\"message\": \"Invalid request.\"}"
    );
}

#[tokio::test]
async fn a_log_is_sent_as_it_is_written() {
    use std::io::Write as _;
    let port = Port::start().await;
    let stream = port.connect(Some("may proxy")).await.unwrap();
    let request = port.request(Method::GET, "/containerLogs/a/p/c?follow=true", None);
    let Answer::Other(response) = upgrade::send(stream, request).await.unwrap() else {
        panic!("upgraded");
    };
    let mut body = response.into_body();
    let next =
        async |body: &mut hyper::body::Incoming| body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(next(&mut body).await, "hello\n");
    let mut log = std::fs::File::options()
        .append(true)
        .open(port.log.path())
        .unwrap();
    log.write_all(b"2026-01-02T03:04:06Z stdout F world\n").unwrap();
    assert_eq!(next(&mut body).await, "world\n");
    port.shutdown.cancel();
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn commands() {
    let port = Port::start().await;
    let all = "input=1&output=1&command=sh";
    let Answer::Upgraded(head, io) = port.exec(all).await else {
        panic!("not upgraded");
    };
    assert_eq!(head.headers()["x-stream-protocol-version"], COMMAND_PROTOCOL);
    let connection = spdy::client(io, spdy::Limits::default());
    let open = async |kind: &str| {
        connection
            .open(Headers::new().with("streamtype", kind))
            .await
            .unwrap()
    };
    let _error = open("error").await;
    let (_, mut stdin) = open("stdin").await;
    let (mut stdout, _) = open("stdout").await;
    stdin.send(Bytes::from_static(b"there and back")).await.unwrap();
    stdin.finish().await.unwrap();
    assert_eq!(stdout.collect(100).await, b"there and back");

    let told = async |query: &str| told(port.exec(query).await).await;
    assert_eq!(
        told("command=sh").await,
        "400 you must specify at least 1 of stdin, stdout, stderr"
    );
    assert_eq!(
        told("input=1&command=too&command=much").await,
        "429 too many streams"
    );
    assert_eq!(told("input=1&command=refuse").await, "404 no such token");
    let elsewhere = "500 the runtime gave an address that is not http://host:port";
    assert_eq!(told("input=1&command=elsewhere").await, elsewhere);

    // One place is taken, and another; there are no more until one is given back.
    let Answer::Upgraded(_, second) = port.exec(all).await else {
        panic!("not upgraded");
    };
    assert_eq!(told(all).await, "429 too many streams are open");
    drop(second);
    let freed = async {
        while told(all).await != "upgraded" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), freed)
        .await
        .unwrap();
}

#[tokio::test]
async fn commands_without_a_container_or_an_upgrade() {
    let port = Port::start().await;
    let get = async |path: &str| port.get(Some("may proxy"), None, path).await;
    assert_eq!(
        get("/exec/a/p/w?output=1").await,
        "500 container not found (\"w\")"
    );
    assert_eq!(get("/exec/a/q/c?output=1").await, "404 pod does not exist");
    assert_eq!(
        get("/exec/a/p/other/c?output=1").await,
        "500 container not found (\"c\")"
    );
    assert_eq!(
        get("/exec/a/p/u/c?output=1").await,
        "400 Upgrade request required"
    );
    assert_eq!(get("/portForward/a/p/other").await, "404 pod not found");
    assert_eq!(get("/portForward/a/p").await, "400 Upgrade request required");
}
