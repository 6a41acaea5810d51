//! A plain HTTPS client: one request, one reply, nothing retried, nothing hidden.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::watch::Watch;

const PATIENCE: Duration = Duration::from_secs(45);

/// Which HTTP to speak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Http {
    /// HTTP/1.1.
    One,
    /// HTTP/2.
    Two,
}

/// Whom to trust and who we are, as PEM.
#[derive(Clone)]
pub struct Credentials {
    /// The certificate authority that signs the server's certificate.
    pub authority: String,
    /// Our certificate and its key.
    pub certificate: Option<(String, String)>,
}

impl Credentials {
    /// The current context of a kubeconfig.
    pub fn from_kubeconfig(path: &Path) -> Credentials {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let config: Value = serde_saphyr::from_str(&text).expect("a kubeconfig is YAML");
        let pem = |object: &Value, name: &str| -> Option<String> {
            if let Some(data) = object[format!("{name}-data")].as_str() {
                return Some(String::from_utf8(STANDARD.decode(data).expect("base64")).expect("PEM is text"));
            }
            let file = object[name].as_str()?;
            Some(
                std::fs::read_to_string(path.parent().expect("a file has a directory").join(file))
                    .expect("readable"),
            )
        };
        let cluster = &config["clusters"][0]["cluster"];
        let user = &config["users"][0]["user"];
        Credentials {
            authority: pem(cluster, "certificate-authority").expect("a kubeconfig names the authority"),
            certificate: pem(user, "client-certificate").zip(pem(user, "client-key")),
        }
    }

    /// The same trust, without saying who we are.
    pub fn without_certificate(&self) -> Credentials {
        Credentials {
            authority: self.authority.clone(),
            certificate: None,
        }
    }

    /// The TLS configuration, offering `protocols` by ALPN.
    pub fn tls(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.authority.as_bytes()) {
            roots
                .add(certificate.expect("PEM"))
                .expect("a certificate authority");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the versions")
            .with_root_certificates(roots);
        let mut config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain =
                    CertificateDer::pem_slice_iter(certificate.as_bytes()).map(|item| item.expect("PEM"));
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a private key");
                builder
                    .with_client_auth_cert(chain.collect(), key)
                    .expect("a fitting pair")
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// A client of one server; clones share connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    port: u16,
    http: Http,
    tls: Arc<ClientConfig>,
    idle: Mutex<Vec<http1::SendRequest<Full<Bytes>>>>,
    shared: tokio::sync::Mutex<Option<http2::SendRequest<Full<Bytes>>>>,
    headers: Vec<(String, String)>,
}

impl Client {
    /// A client of the server on `port` of 127.0.0.1.
    pub fn new(port: u16, credentials: &Credentials, http: Http) -> Client {
        let protocol = if http == Http::One { "http/1.1" } else { "h2" };
        Client {
            inner: Arc::new(Inner {
                port,
                http,
                tls: credentials.tls(&[protocol]),
                idle: Mutex::new(Vec::new()),
                shared: tokio::sync::Mutex::new(None),
                headers: vec![("user-agent".to_owned(), "strongroom-e2e/1.0".to_owned())],
            }),
        }
    }

    /// The same client, on connections of its own, with a header in every request.
    pub fn with_header(&self, name: &str, value: &str) -> Client {
        let mut headers = self.inner.headers.clone();
        headers.push((name.to_owned(), value.to_owned()));
        Client {
            inner: Arc::new(Inner {
                port: self.inner.port,
                http: self.inner.http,
                tls: self.inner.tls.clone(),
                idle: Mutex::new(Vec::new()),
                shared: tokio::sync::Mutex::new(None),
                headers,
            }),
        }
    }

    /// A request to be filled in.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request {
            client: self.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            headers: self.inner.headers.clone(),
            body: Bytes::new(),
            patience: PATIENCE,
        }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.request("GET", path).send().await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.request("POST", path).json(body).send().await
    }

    /// PUT of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.request("PUT", path).json(body).send().await
    }

    /// PATCH of a kind: `json`, `merge`, `strategic`, or `apply`.
    pub async fn patch(&self, kind: &str, path: &str, body: &Value) -> Reply {
        self.request("PATCH", path)
            .json(body)
            .header("content-type", patch_type(kind))
            .send()
            .await
    }

    /// DELETE without a body.
    pub async fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path).send().await
    }

    /// DELETE with DeleteOptions.
    pub async fn delete_with(&self, path: &str, options: &Value) -> Reply {
        self.request("DELETE", path).json(options).send().await
    }

    /// Opens a watch; `path` carries the query.
    pub async fn watch(&self, path: &str) -> Watch {
        self.request("GET", path).watch().await
    }

    /// A TLS connection of one's own.
    pub async fn tls_stream(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(("127.0.0.1", self.inner.port)).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        TlsConnector::from(self.inner.tls.clone())
            .connect(name, socket)
            .await
    }

    async fn connect_one(&self) -> Result<http1::SendRequest<Full<Bytes>>, ClientError> {
        if let Some(sender) = self.idle_connection() {
            return Ok(sender);
        }
        let stream = self.tls_stream().await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    fn idle_connection(&self) -> Option<http1::SendRequest<Full<Bytes>>> {
        let mut idle = self.inner.idle.lock().expect("nobody panics with it");
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    async fn connect_two(&self) -> Result<http2::SendRequest<Full<Bytes>>, ClientError> {
        let mut shared = self.inner.shared.lock().await;
        if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let stream = self.tls_stream().await?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        *shared = Some(sender.clone());
        Ok(sender)
    }

    async fn exchange(
        &self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<(http::Response<Incoming>, Giveback), ClientError> {
        match self.inner.http {
            Http::One => {
                let mut sender = self.connect_one().await?;
                let response = sender.send_request(request).await?;
                Ok((response, Some(sender)))
            }
            Http::Two => {
                let mut sender = self.connect_two().await?;
                sender.ready().await?;
                Ok((sender.send_request(request).await?, None))
            }
        }
    }
}

type Giveback = Option<http1::SendRequest<Full<Bytes>>>;

/// What can go wrong below HTTP.
pub type ClientError = Box<dyn std::error::Error + Send + Sync>;

/// One request.
pub struct Request {
    client: Client,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    patience: Duration,
}

impl Request {
    /// Sets a header, replacing one of the same name.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header beside one of the same name.
    pub fn another_header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A JSON body.
    pub fn json(self, body: &Value) -> Request {
        let text = body.to_string();
        self.header("content-type", "application/json").body(text)
    }

    /// Any body; the content type is the caller's business.
    pub fn body(mut self, body: impl Into<Bytes>) -> Request {
        self.body = body.into();
        self
    }

    /// How long to wait for the whole reply.
    pub fn patience(mut self, patience: Duration) -> Request {
        self.patience = patience;
        self
    }

    fn build(&self) -> http::Request<Full<Bytes>> {
        let authority = format!("127.0.0.1:{}", self.client.inner.port);
        let uri = match self.client.inner.http {
            Http::One => self.path.clone(),
            Http::Two => format!("https://{authority}{}", self.path),
        };
        let mut builder = http::Request::builder()
            .method(Method::from_bytes(self.method.as_bytes()).expect("a method"))
            .uri(uri);
        if self.client.inner.http == Http::One {
            builder = builder.header("host", authority);
        }
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        builder.body(Full::new(self.body.clone())).expect("a request")
    }

    /// Sends and reads the whole reply; panics when there is none.
    pub async fn send(self) -> Reply {
        let shown = format!("{} {}", self.method, self.path);
        match self.try_send().await {
            Ok(reply) => reply,
            Err(error) => panic!("{shown}: {error}"),
        }
    }

    /// Sends and reads the whole reply.
    pub async fn try_send(self) -> Result<Reply, ClientError> {
        tokio::time::timeout(self.patience, async {
            let request = self.build();
            let (response, sender) = self.client.exchange(request).await?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            if let Some(sender) = sender.filter(|sender| sender.is_ready()) {
                self.client
                    .inner
                    .idle
                    .lock()
                    .expect("nobody panics with it")
                    .push(sender);
            }
            Ok(Reply {
                request: format!("{} {}", self.method, self.path),
                status: parts.status.as_u16(),
                headers: parts.headers,
                body,
            })
        })
        .await
        .map_err(|_| format!("no reply within {:?}", self.patience))?
    }

    /// Opens a stream of events; panics when there is no reply.
    pub async fn watch(self) -> Watch {
        let request = self.build();
        let shown = format!("{} {}", self.method, self.path);
        let exchange = tokio::time::timeout(self.patience, self.client.exchange(request)).await;
        match exchange {
            Ok(Ok((response, sender))) => {
                Watch::new(shown, response, sender.map(|sender| Box::new(sender) as _))
            }
            Ok(Err(error)) => panic!("{shown}: {error}"),
            Err(_) => panic!("{shown}: no headers within {:?}", self.patience),
        }
    }
}

/// A whole reply.
#[derive(Clone)]
pub struct Reply {
    /// Method and path, for messages.
    pub request: String,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON; panics when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "{}: {}: not JSON: {error}: {}",
                self.request,
                self.status,
                self.text()
            )
        })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The texts of the Warning headers, unquoted.
    pub fn warnings(&self) -> Vec<String> {
        self.headers
            .get_all("warning")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .map(|value| {
                let quoted = value
                    .strip_prefix("299 - \"")
                    .and_then(|rest| rest.strip_suffix('"'));
                quoted
                    .unwrap_or_else(|| panic!("not the form of a warning: {value}"))
                    .replace("\\\"", "\"")
                    .replace("\\\\", "\\")
            })
            .collect()
    }

    /// The JSON body of a reply that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        let shown: String = self.text().chars().take(2000).collect();
        assert_eq!(self.status, status, "{}: {shown}", self.request);
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }
}

/// The media type of a patch by its short name.
pub(crate) fn patch_type(kind: &str) -> &'static str {
    match kind {
        "json" => "application/json-patch+json",
        "merge" => "application/merge-patch+json",
        "strategic" => "application/strategic-merge-patch+json",
        "apply" => "application/apply-patch+yaml",
        other => panic!("no patch type {other}"),
    }
}
