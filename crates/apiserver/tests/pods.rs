//! Logs, commands and ports of pods: a real API server before a real node port, over TLS; the node behind it is played.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};
use strongroom_access::Identity;
use strongroom_apiserver::{ApiServer, Authentication, Config, Limits, NodeTls, Tls, let_in};
use strongroom_encryption::{Keyring, LocalKey};
use strongroom_node_server::{
    Node, NodeServer, Refused, ReviewError, Reviewer, RunningContainer, Streams, tls_config,
};
use strongroom_storage::{Memory, Sealed};
use strongroom_streams::spdy::{self, Headers};
use strongroom_streams::upgrade::{self, Answer, COMMAND_PROTOCOL, PORT_FORWARD_PROTOCOL, spdy_headers};
use strongroom_tokens::keys::SigningKey;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

/// A node that has one pod `a/p` whose container `c` runs.
struct PlayedNode {
    log: PathBuf,
    runtime: SocketAddr,
}

#[async_trait]
impl Node for PlayedNode {
    fn pods(&self) -> Vec<Arc<Pod>> {
        let status = |name: &str, state: Value| {
            json!({"name": name, "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state,
                   "containerID": "containerd://c-id"})
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

    async fn container(&self, _: &str) -> Result<RunningContainer, Refused> {
        Ok(RunningContainer {
            log_path: self.log.clone(),
            running: true,
        })
    }

    async fn exec(&self, _: &str, command: &[String], _: Streams) -> Result<Uri, Refused> {
        match command.join(" ").as_str() {
            "cat" => Ok(self.location("exec")),
            _ => Err(Refused::Failed("no such program".to_owned())),
        }
    }

    async fn attach(&self, _: &str, _: Streams) -> Result<Uri, Refused> {
        Ok(self.location("attach"))
    }

    async fn port_forward(&self, _: &Pod, _: &[u16]) -> Result<Uri, Refused> {
        Ok(self.location("portforward"))
    }
}

impl PlayedNode {
    fn location(&self, path: &str) -> Uri {
        format!("http://{}/{path}", self.runtime)
            .parse()
            .expect("an address")
    }
}

/// Lets in whoever has a certificate.
struct Everybody;

#[async_trait]
impl Reviewer for Everybody {
    async fn who(&self, _: &str) -> Result<Option<Identity>, ReviewError> {
        Ok(None)
    }

    async fn may(&self, caller: &Identity, _: &str, _: &str, subresource: &str) -> Result<bool, ReviewError> {
        assert_eq!(caller.user, "kube-apiserver-kubelet-client");
        Ok(subresource == "proxy")
    }
}

const SUCCESS: &[u8] = br#"{"metadata":{},"status":"Success"}"#;

/// A runtime's streaming server: commands send their input back and succeed; ports greet with their number.
async fn play_runtime() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(async |request: Request<hyper::body::Incoming>| {
                let protocol = request.headers()["x-stream-protocol-version"].clone();
                let ports = request.uri().path() == "/portforward";
                let upgrade = hyper::upgrade::on(request);
                tokio::spawn(async move {
                    let io = TokioIo::new(upgrade.await.unwrap());
                    let (_connection, incoming) = spdy::server(io, spdy::Limits::default());
                    if ports {
                        play_ports(incoming).await;
                    } else {
                        play_command(incoming).await;
                    }
                });
                let mut response = Response::new(Empty::<Bytes>::new());
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                *response.headers_mut() = spdy_headers(COMMAND_PROTOCOL);
                response
                    .headers_mut()
                    .insert("x-stream-protocol-version", protocol);
                Ok::<_, std::convert::Infallible>(response)
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

async fn play_command(mut incoming: spdy::Incoming) {
    let (_nothing, mut error) = incoming.next().await.unwrap().accept().await.unwrap();
    let (mut stdin, _) = incoming.next().await.unwrap().accept().await.unwrap();
    let (_, mut stdout) = incoming.next().await.unwrap().accept().await.unwrap();
    while let Some(data) = stdin.next().await {
        stdout.send(data).await.unwrap();
    }
    error.send(Bytes::from_static(SUCCESS)).await.unwrap();
}

async fn play_ports(mut incoming: spdy::Incoming) {
    let mut open = Vec::new();
    while let Some(offer) = incoming.next().await {
        let port = offer.headers.get("port").unwrap_or_default().to_owned();
        let is_data = offer.headers.get("streamtype") == Some("data");
        let (reader, mut writer) = offer.accept().await.unwrap();
        if is_data {
            writer.send(format!("port {port}").into()).await.unwrap();
        }
        open.push((reader, writer));
    }
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

    fn issue(&self, user: &str, group: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, user);
        params.distinguished_name.push(DnType::OrganizationName, group);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn roots(&self) -> rustls::RootCertStore {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap())
            .unwrap();
        roots
    }
}

fn der((certificate, key): &(String, String)) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    (
        vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
        PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
    )
}

struct World {
    authority: Authority,
    server: ApiServer,
    address: SocketAddr,
    log: tempfile::NamedTempFile,
}

impl World {
    async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let authority = Authority::new();
        let log = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(log.path(), "2026-01-02T03:04:05Z stdout F hello\n").unwrap();
        let node_port = Self::start_node(&authority, &log).await;
        let server = Self::start_server(&authority).await;
        let address = Self::serve(&authority, &server).await;
        let world = Self {
            authority,
            server,
            address,
            log,
        };
        world.fill(node_port).await;
        world
    }

    async fn start_node(authority: &Authority, log: &tempfile::NamedTempFile) -> u16 {
        let (certificate, key) = authority.issue("system:node:n", "system:nodes");
        let tls = tls_config(
            certificate.as_bytes(),
            key.as_bytes(),
            authority.certificate.as_bytes(),
        )
        .unwrap();
        let node = NodeServer::new(strongroom_node_server::Config {
            node_name: "n".to_owned(),
            node: Arc::new(PlayedNode {
                log: log.path().to_owned(),
                runtime: play_runtime().await,
            }),
            reviewer: Arc::new(Everybody),
            anonymous: false,
            limits: Default::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = Arc::new(ArcSwap::from_pointee(tls));
        tokio::spawn(async move { node.serve(listener, tls, CancellationToken::new()).await });
        port
    }

    async fn start_server(authority: &Authority) -> ApiServer {
        let key = LocalKey::new(&[7; 32]).expect("a key");
        let keyring = Keyring::new("strongroom", Arc::new(key), [8; 32], &[9; 12]).expect("a keyring");
        let pem = SigningKey::generate_ec_p256_pem();
        let (certificate, key) = authority.issue("kube-apiserver-kubelet-client", "system:masters");
        let nodes = NodeTls::new(
            certificate.as_bytes(),
            key.as_bytes(),
            authority.certificate.as_bytes(),
        )
        .unwrap();
        ApiServer::start(Config {
            store: Sealed::new(Arc::new(Memory::new(Default::default())), Arc::new(keyring)),
            authentication: Authentication::new(SigningKey::from_pem(pem.as_bytes()).unwrap()).expect("keys"),
            auditing: None,
            nodes: Some(Arc::new(ArcSwap::from_pointee(nodes))),
            limits: Limits::default(),
            advertise_address: "127.0.0.1:6443".to_owned(),
            min_request_timeout: Duration::from_secs(1800),
        })
        .await
        .expect("the server starts")
    }

    async fn serve(authority: &Authority, server: &ApiServer) -> SocketAddr {
        let (chain, key) = der(&authority.issue("strongroom", ""));
        let clients = WebPkiClientVerifier::builder(Arc::new(authority.roots()))
            .allow_unauthenticated()
            .build()
            .unwrap();
        let config = rustls::ServerConfig::builder()
            .with_client_cert_verifier(let_in(clients.clone()))
            .with_single_cert(chain, key)
            .unwrap();
        let tls = Tls {
            config: Arc::new(config),
            clients,
            front_proxies: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (server, tls) = (server.clone(), Arc::new(ArcSwap::from_pointee(tls)));
        tokio::spawn(async move { server.serve(listener, tls, CancellationToken::new()).await });
        address
    }

    async fn fill(&self, node_port: u16) {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}});
        self.write(Method::POST, "/api/v1/namespaces", namespace).await;
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
        self.write(Method::POST, "/api/v1/namespaces/a/serviceaccounts", account)
            .await;
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": node_port}},
        }});
        self.write(Method::POST, "/api/v1/nodes", node).await;
        for (name, node) in [("p", "n"), ("elsewhere", "gone"), ("nowhere", "")] {
            let containers = json!([{"name": "c", "image": "i"}, {"name": "w", "image": "i"}]);
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                             "spec": {"nodeName": node, "containers": containers}});
            self.write(Method::POST, "/api/v1/namespaces/a/pods", pod).await;
        }
    }

    async fn write(&self, method: Method, path: &str, body: Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        let mut service = self.server.service(Identity::api_server());
        let response = service.call(request).await.expect("infallible");
        let code = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(
            code.is_success(),
            "{path}: {code} {}",
            String::from_utf8_lossy(&body)
        );
    }

    /// Lets `user` do `verb` with a subresource, through a binding called like the user.
    async fn allow(&self, user: &str, verb: &str, subresource: &str) {
        let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/a";
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": user},
            "rules": [{"apiGroups": [""], "resources": [format!("pods/{subresource}")], "verbs": [verb]}]});
        self.write(Method::POST, &format!("{roles}/roles"), role).await;
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]});
        self.write(Method::POST, &format!("{roles}/rolebindings"), binding)
            .await;
    }

    async fn forbid(&self, user: &str) {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/a/rolebindings/{user}");
        self.write(Method::DELETE, &path, json!({})).await;
    }

    async fn send(&self, user: &str, method: Method, path: &str, headers: HeaderMap) -> Answer {
        let group = if user == "admin" {
            "system:masters"
        } else {
            "people"
        };
        let (chain, key) = der(&self.authority.issue(user, group));
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(self.authority.roots())
            .with_client_auth_cert(chain, key)
            .unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector
            .connect(ServerName::from(self.address.ip()), stream)
            .await
            .unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/namespaces/a/pods/{path}"))
            .header("host", "strongroom")
            .body(Empty::new())
            .unwrap();
        request.headers_mut().extend(headers);
        upgrade::send(stream, request).await.unwrap()
    }

    async fn websocket(&self, user: &str, path: &str, protocol: &str) -> Answer {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", protocol),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        self.send(user, Method::GET, path, headers).await
    }
}

/// `code message` of an answer; the whole body where it is no Status.
async fn told(answer: Answer) -> String {
    let Answer::Other(response) = answer else {
        return "upgraded".to_owned();
    };
    let code = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let message = serde_json::from_slice::<Value>(&body).ok();
    let message = message.and_then(|status| Some(status["message"].as_str()?.to_owned()));
    format!(
        "{code} {}",
        message.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned())
    )
}

async fn get(world: &World, path: &str) -> String {
    told(world.send("admin", Method::GET, path, HeaderMap::new()).await).await
}

#[tokio::test]
async fn logs() {
    let world = World::start().await;
    let check = async |path: &str, expect: &str| assert_eq!(get(&world, path).await, expect, "{path}");
    check("p/log?container=c", "200 hello\n").await;
    check(
        "p/log?container=c&timestamps=true",
        "200 2026-01-02T03:04:05.000000000Z hello\n",
    )
    .await;
    check(
        "p/log?container=c&insecureSkipTLSVerifyBackend=true",
        "200 hello\n",
    )
    .await;
    check(
        "p/log",
        "400 a container name must be specified for pod p, choose one of: [c w]",
    )
    .await;
    check("p/log?container=x", "400 container x is not valid for pod p").await;
    let waiting = "400 container \"w\" in pod \"p\" is waiting to start: ContainerCreating";
    check("p/log?container=w", waiting).await;
    let previous = "400 previous terminated container \"c\" in pod \"p\" not found";
    check("p/log?container=c&previous=true", previous).await;
    check("nowhere/log?container=c", "204 ").await;
    check("elsewhere/log?container=c", "404 nodes \"gone\" not found").await;
    check("none/log?container=c", "404 pods \"none\" not found").await;
    let limit = "422 PodLogOptions \"p\" is invalid: limitBytes: Invalid value: 0: must be greater than 0";
    check("p/log?container=c&limitBytes=0", limit).await;
}

#[tokio::test]
async fn a_log_flows_until_the_right_to_it_is_lost() {
    use std::io::Write as _;
    let world = World::start().await;
    let path = "p/log?container=c&follow=true";
    let refused = told(world.send("eve", Method::GET, path, HeaderMap::new()).await).await;
    assert!(
        refused.starts_with("403 pods \"p\" is forbidden: User \"eve\" cannot get resource \"pods/log\""),
        "{refused}"
    );

    world.allow("reader", "get", "log").await;
    let Answer::Other(response) = world.send("reader", Method::GET, path, HeaderMap::new()).await else {
        panic!("upgraded");
    };
    assert_eq!(response.headers()["content-type"], "text/plain");
    let mut body = response.into_body();
    let next =
        async |body: &mut hyper::body::Incoming| body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(next(&mut body).await, "hello\n");
    let mut log = std::fs::File::options()
        .append(true)
        .open(world.log.path())
        .unwrap();
    log.write_all(b"2026-01-02T03:04:06Z stdout F world\n").unwrap();
    assert_eq!(next(&mut body).await, "world\n");
    world.forbid("reader").await;
    let cut = tokio::time::timeout(Duration::from_secs(5), body.frame())
        .await
        .unwrap();
    assert!(
        cut.is_some_and(|frame| frame.is_err()),
        "the log ended as if it were whole"
    );
}

const EXEC: &str = "p/exec?container=c&stdin=true&stdout=true&command=cat";

#[tokio::test]
async fn commands_over_spdy() {
    let world = World::start().await;
    let post = async |user: &str, path: &str| {
        let headers = spdy_headers(COMMAND_PROTOCOL);
        world.send(user, Method::POST, path, headers).await
    };
    let Answer::Upgraded(head, io) = post("admin", EXEC).await else {
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
    let (mut error, _error) = open("error").await;
    let (_, mut stdin) = open("stdin").await;
    let (mut stdout, _stdout) = open("stdout").await;
    stdin.send(Bytes::from_static(b"there and back")).await.unwrap();
    stdin.finish().await.unwrap();
    assert_eq!(stdout.collect(100).await, b"there and back");
    assert_eq!(error.collect(100).await, SUCCESS);

    let check = async |user: &str, path: &str, expect: &str| {
        assert_eq!(told(post(user, path).await).await, expect, "{user} {path}");
    };
    check(
        "admin",
        "p/exec?container=c&command=cat",
        "400 you must specify at least 1 of stdin, stdout, stderr",
    )
    .await;
    check(
        "admin",
        "p/exec?container=c&stdout=1&command=ls",
        "500 no such program",
    )
    .await;
    check(
        "admin",
        "p/exec?container=w&stdout=1&command=ls",
        "500 container not found (\"w\")",
    )
    .await;
    check(
        "admin",
        "nowhere/exec?container=c&stdout=1",
        "400 pod nowhere does not have a host assigned",
    )
    .await;
    let plain = world.send("admin", Method::POST, EXEC, HeaderMap::new()).await;
    assert_eq!(told(plain).await, "400 Upgrade request required");
}

/// What a websocket says on each channel, and how it closes.
async fn received(io: upgrade::Connection, sent: &[Message]) -> String {
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    for message in sent {
        socket.send(message.clone()).await.unwrap();
    }
    let mut channels = std::collections::BTreeMap::<u8, Vec<u8>>::new();
    let mut closed = String::new();
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(bytes) => channels.entry(bytes[0]).or_default().extend(&bytes[1..]),
            Message::Close(Some(frame)) => closed = format!("closed {}", u16::from(frame.code)),
            _ => {}
        }
    }
    let told = channels
        .iter()
        .map(|(channel, bytes)| format!("{channel} {}\n", String::from_utf8_lossy(bytes)));
    told.collect::<String>() + &closed
}

#[tokio::test]
async fn commands_over_websockets() {
    let world = World::start().await;
    let Answer::Upgraded(head, io) = world
        .websocket("admin", EXEC, "v5.channel.k8s.io, v4.channel.k8s.io")
        .await
    else {
        panic!("not upgraded");
    };
    assert_eq!(head.headers()["sec-websocket-protocol"], "v5.channel.k8s.io");
    let sent = [
        Message::binary(&b"\0there and back"[..]),
        Message::binary(vec![255, 0]),
    ];
    let success = String::from_utf8_lossy(SUCCESS);
    assert_eq!(
        received(io, &sent).await,
        format!("1 there and back\n3 {success}\nclosed 1000")
    );

    let missing = "p/exec?container=w&stdout=1&command=ls";
    let Answer::Upgraded(_, io) = world.websocket("admin", missing, "v4.channel.k8s.io").await else {
        panic!("not upgraded");
    };
    let problem = r#"Internal error occurred: unable to upgrade connection: container not found (\"w\")"#;
    let said = received(io, &[]).await;
    assert!(said.contains(problem), "{said}");

    let unknown = told(world.websocket("admin", EXEC, "chat").await).await;
    assert_eq!(unknown, "400 none of the websocket's protocols is spoken here");
}

#[tokio::test]
async fn commands_need_create_and_end_without_it() {
    let world = World::start().await;
    world.allow("getter", "get", "exec").await;
    let refused = told(world.websocket("getter", EXEC, "v5.channel.k8s.io").await).await;
    assert!(
        refused
            .starts_with("403 pods \"p\" is forbidden: User \"getter\" cannot create resource \"pods/exec\""),
        "{refused}"
    );

    world.allow("runner", "*", "exec").await;
    let Answer::Upgraded(_, io) = world.websocket("runner", EXEC, "v5.channel.k8s.io").await else {
        panic!("not upgraded");
    };
    let running = tokio::spawn(async move { received(io, &[Message::binary(&b"\0hello"[..])]).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!running.is_finished());
    world.forbid("runner").await;
    let said = tokio::time::timeout(Duration::from_secs(5), running)
        .await
        .unwrap()
        .unwrap();
    assert!(
        said.starts_with("1 hello\n3 {") && said.contains("Forbidden"),
        "{said}"
    );
    assert!(said.ends_with("closed 1008"), "{said}");
}

#[tokio::test]
async fn ports() {
    let world = World::start().await;
    let port = |port: &str, kind: &str| {
        Headers::new()
            .with("streamtype", kind)
            .with("port", port)
            .with("requestid", "0")
    };
    let greeted = async |connection: spdy::Connection| {
        let _error = connection.open(port("80", "error")).await.unwrap();
        let (mut data, _data) = connection.open(port("80", "data")).await.unwrap();
        assert_eq!(data.next().await.unwrap(), "port 80");
    };
    let headers = spdy_headers(PORT_FORWARD_PROTOCOL);
    let Answer::Upgraded(_, io) = world.send("admin", Method::POST, "p/portforward", headers).await else {
        panic!("not upgraded");
    };
    greeted(spdy::client(io, spdy::Limits::default())).await;

    let tunnel = "SPDY/3.1+portforward.k8s.io";
    let Answer::Upgraded(head, io) = world.websocket("admin", "p/portforward", tunnel).await else {
        panic!("not upgraded");
    };
    assert_eq!(head.headers()["sec-websocket-protocol"], tunnel);
    let (near, far) = tokio::io::duplex(4096);
    let pumping = tokio::spawn(pump(io, far));
    greeted(spdy::client(near, spdy::Limits::default())).await;
    pumping.abort();

    let Answer::Upgraded(_, io) = world
        .websocket("admin", "p/portforward?ports=80,443", "v4.channel.k8s.io")
        .await
    else {
        panic!("not upgraded");
    };
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    let mut channels = std::collections::BTreeMap::<u8, Vec<u8>>::new();
    while channels.values().map(Vec::len).sum::<usize>() < 4 * 2 + "port 80port 443".len() {
        let message = socket.next().await.unwrap().unwrap().into_data();
        channels.entry(message[0]).or_default().extend(&message[1..]);
    }
    assert_eq!(channels[&0], b"\x50\x00port 80");
    assert_eq!(channels[&1], b"\x50\x00");
    assert_eq!(channels[&2], b"\xbb\x01port 443");
    let refused = told(
        world
            .websocket("admin", "p/portforward", "v4.channel.k8s.io")
            .await,
    )
    .await;
    assert_eq!(refused, "400 query parameter \"ports\" is required");
}

/// The client's end of a tunnel.
async fn pump(io: upgrade::Connection, near: tokio::io::DuplexStream) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (mut sink, mut source) = WebSocketStream::from_raw_socket(io, Role::Client, None)
        .await
        .split();
    let (mut input, mut output) = tokio::io::split(near);
    let there = async {
        let mut buffer = vec![0; 1024];
        while let Ok(read @ 1..) = input.read(&mut buffer).await {
            sink.send(Message::binary(buffer[..read].to_vec())).await.unwrap();
        }
    };
    let back = async {
        while let Some(Ok(message)) = source.next().await {
            output.write_all(&message.into_data()).await.unwrap();
        }
    };
    tokio::join!(there, back);
}
