use std::convert::Infallible;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::event::User;
use crate::stage::{Level, Stage};

fn event(id: &str) -> Event<'_> {
    Event {
        level: Level::Metadata,
        audit_id: id,
        stage: Stage::ResponseComplete,
        request_uri: "/x",
        verb: "get",
        user: User::default(),
        impersonated_user: None,
        source_ips: &[],
        user_agent: "",
        object_reference: None,
        response_status: None,
        request_object: None,
        response_object: None,
        request_received: Timestamp::UNIX_EPOCH,
        stage_time: Timestamp::UNIX_EPOCH,
        annotations: &[],
    }
}

/// What a server was sent, and how it answers.
#[derive(Default)]
struct Server {
    requests: Mutex<Vec<(Option<String>, Value)>>,
    /// Answers still to be refused with 503.
    refusals: AtomicU64,
    silent: AtomicBool,
    connections: AtomicU64,
}

impl Server {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let token = request.headers().get("authorization");
        let token = token.map(|token| token.to_str().unwrap().to_owned());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        if self.silent.load(Relaxed) {
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
        let mut response = Response::new(Full::default());
        let refused = self
            .refusals
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        if refused.is_ok() {
            *response.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
        } else {
            let body = serde_json::from_slice(&body).unwrap();
            self.requests.lock().unwrap().push((token, body));
        }
        Ok(response)
    }

    fn ids(&self) -> Vec<Vec<String>> {
        let requests = self.requests.lock().unwrap();
        let lists = requests.iter().map(|(_, list)| {
            assert_eq!(list["kind"], "EventList");
            assert_eq!(list["apiVersion"], "audit.k8s.io/v1");
            let items = list["items"].as_array().unwrap().iter();
            items
                .map(|item| item["auditID"].as_str().unwrap().to_owned())
                .collect()
        });
        lists.collect()
    }
}

/// A server on a free port, with TLS if there is an acceptor.
async fn serve(tls: Option<TlsAcceptor>) -> (Arc<Server>, u16) {
    let server = Arc::new(Server::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shared = Arc::clone(&server);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (server, tls) = (Arc::clone(&shared), tls.clone());
            server.connections.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                let service = service_fn(|request| server.answer(request));
                let http = hyper::server::conn::http1::Builder::new();
                match tls {
                    None => drop(http.serve_connection(TokioIo::new(stream), service).await),
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            drop(http.serve_connection(TokioIo::new(stream), service).await);
                        }
                    }
                }
            });
        }
    });
    (server, port)
}

fn quick(url: String) -> WebhookConfig {
    let mut config = WebhookConfig::new(WebhookTarget {
        url,
        ..WebhookTarget::default()
    });
    config.initial_backoff = Duration::from_millis(10);
    config.batch_max_wait = Duration::from_millis(50);
    config.timeout = Duration::from_millis(500);
    config
}

#[tokio::test]
async fn records_arrive_in_batches() {
    let (server, port) = serve(None).await;
    let mut config = quick(format!("http://127.0.0.1:{port}/audit"));
    config.batch_max_size = 2;
    let webhook = Webhook::start(config).unwrap();
    server.refusals.store(2, Relaxed);
    for id in ["a", "b", "c"] {
        webhook.send(&event(id)).await.unwrap();
    }
    while webhook.stats().sent < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.ids(), [vec!["a", "b"], vec!["c"]]);
    let expected = WebhookStats {
        sent: 3,
        dropped: 0,
        failures: 2,
    };
    assert_eq!(webhook.stats(), expected);
    assert_eq!(server.connections.load(Relaxed), 1, "the connection is kept");
    webhook.send(&event("d")).await.unwrap();
    webhook.close(Duration::from_secs(5)).await;
    assert_eq!(server.ids().last().unwrap(), &["d"], "closing sends what is left");
}

#[tokio::test]
async fn what_finds_no_room_is_counted() {
    let (server, port) = serve(None).await;
    server.silent.store(true, Relaxed);
    let mut config = quick(format!("http://127.0.0.1:{port}/"));
    (config.queue_length, config.batch_max_size, config.attempts) = (3, 1, 1);
    let webhook = Webhook::start(config).unwrap();
    for _ in 0..20 {
        webhook.send(&event("x")).await.unwrap();
    }
    assert!(webhook.stats().dropped >= 16);
    while webhook.stats().dropped < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(webhook.stats().sent, 0);
}

#[tokio::test]
async fn blocking_says_whether_it_arrived() {
    let (server, port) = serve(None).await;
    let mut config = quick(format!("http://127.0.0.1:{port}/"));
    config.mode = WebhookMode::Blocking;
    let webhook = Webhook::start(config.clone()).unwrap();
    webhook.send(&event("a")).await.unwrap();
    assert_eq!(server.ids(), [["a"]]);
    server.refusals.store(1, Relaxed);
    let refused = webhook.send(&event("b")).await;
    assert!(matches!(refused, Err(WebhookError::Refused { status: 503 })));
    server.silent.store(true, Relaxed);
    assert!(matches!(
        webhook.send(&event("c")).await,
        Err(WebhookError::Timeout)
    ));
    config.target.url = "http://127.0.0.1:1/".to_owned();
    let nobody = Webhook::start(config).unwrap();
    assert!(matches!(
        nobody.send(&event("d")).await,
        Err(WebhookError::Unreachable { .. })
    ));
    assert_eq!((nobody.stats().dropped, webhook.stats().sent), (1, 1));
}

#[tokio::test]
async fn https_checks_the_server_and_carries_the_token() {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["audit.example".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let (server, port) = serve(Some(TlsAcceptor::from(Arc::new(tls)))).await;
    let kubeconfig = |name: &str| {
        format!(
            "clusters:\n- name: c\n  cluster:\n    server: https://127.0.0.1:{port}/audit?x=1\n    \
             certificate-authority-data: {}\n    tls-server-name: {name}\nusers:\n- name: u\n  user: {{token: t0p}}\n\
             contexts:\n- name: x\n  context: {{cluster: c, user: u}}\ncurrent-context: x\n",
            STANDARD.encode(&authority_pem)
        )
    };
    for (name, arrives) in [("audit.example", true), ("other.example", false)] {
        let target = WebhookTarget::from_kubeconfig(&kubeconfig(name), Path::new(".")).unwrap();
        let mut config = WebhookConfig::new(target);
        config.mode = WebhookMode::Blocking;
        let sent = Webhook::start(config).unwrap().send(&event("a")).await;
        assert_eq!(sent.is_ok(), arrives, "{sent:?}");
    }
    assert_eq!(
        server.requests.lock().unwrap()[0].0.as_deref(),
        Some("Bearer t0p")
    );
}

#[test]
fn kubeconfigs_that_cannot_be_followed_are_refused() {
    let with = |cluster: &str, user: &str| {
        format!(
            "clusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n\
             contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n"
        )
    };
    let good = with("server: 'http://h:1/'", "");
    assert_eq!(
        WebhookTarget::from_kubeconfig(&good, Path::new(".")).unwrap().url,
        "http://h:1/"
    );
    for (text, expected) in [
        (
            with("server: 'ftp://h'", ""),
            "must begin with https:// or http://",
        ),
        (with("server: 'https://h'", ""), "needs a certificate-authority"),
        (
            with("server: 'http://h', insecure-skip-tls-verify: true", ""),
            "insecure-skip-tls-verify is not supported",
        ),
        (
            with("server: 'http://h', certificate-authority: /no/file", ""),
            "certificate-authority /no/file: ",
        ),
        (
            with("server: 'http://h', certificate-authority-data: '%'", ""),
            "certificate-authority-data is not base64",
        ),
        (
            with("server: 'http://h'", "exec: {command: x}"),
            "exec is not supported",
        ),
        (
            with("server: 'http://h'", "username: x"),
            "username is not supported",
        ),
        (
            with("server: 'http://h'", "client-key-data: eA=="),
            "client-key has no client-certificate",
        ),
        (good.replace("user: u}", "user: v}"), "there is no user named `v`"),
        (
            good.replace("cluster: c,", "cluster: d,"),
            "there is no cluster named `d`",
        ),
        (
            format!("{good}current-context: y\n"),
            "there is no context named `y`",
        ),
        ("clusters: []\n".to_owned(), "current-context is missing"),
        ("clusters: [\n".to_owned(), "line "),
        (with("name: x", ""), "line 1: "),
    ] {
        let error = WebhookTarget::from_kubeconfig(&text, Path::new("."))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(expected) && !error.contains('\n'),
            "{text}: {error}"
        );
    }
}
