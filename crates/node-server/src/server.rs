//! The port: connections accepted, encrypted, bounded, and ended cleanly.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use strongroom_access::Identity;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answer::{Body, not_found};
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::requests::{self, Query, Request};
use crate::review::Reviewer;

/// Time that answers under way have once the server is to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// Pause after the system refused a connection, so that a full table of files is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a port needs to know.
pub struct Config {
    /// The node's name.
    pub node_name: String,
    /// What stands behind the port.
    pub node: Arc<dyn Node>,
    /// Who says who may call.
    pub reviewer: Arc<dyn Reviewer>,
    /// Whether callers without credentials are `system:anonymous` rather than refused; the kubelet's
    /// `--anonymous-auth`.
    pub anonymous: bool,
    /// How much is taken on at once.
    pub limits: Limits,
}

/// Every limit of the port.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections that are open at the same time.
    pub max_connections: usize,
    /// Logs that are read and commands and ports that are connected at the same time.
    pub max_streams: usize,
    /// Size of a request's headers, in bytes.
    pub max_headers: usize,
    /// Time for a TLS handshake.
    pub handshake_timeout: Duration,
    /// Time for a request's headers to arrive.
    pub header_timeout: Duration,
    /// How long nothing may flow through a command's or port's connection; the kubelet's
    /// `--streaming-connection-idle-timeout`.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1000,
            max_streams: 400,
            max_headers: 64 * 1024,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(32),
            idle_timeout: strongroom_streams::IDLE_TIMEOUT,
        }
    }
}

/// Why serving ended early.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listening socket is unusable.
    #[error("the listening socket is unusable")]
    Listen(#[source] std::io::Error),
}

/// The node's port; cloning is cheap and shares everything.
#[derive(Clone)]
pub struct NodeServer(Arc<Inner>);

/// What requests share.
pub struct Inner {
    pub node_name: String,
    pub node: Arc<dyn Node>,
    pub metrics: Metrics,
    pub limits: Limits,
    /// Places for what lasts.
    pub streams: Arc<Semaphore>,
    /// Cancelled when the server stops.
    pub stopping: CancellationToken,
    gate: Gate,
}

impl NodeServer {
    /// A port that is ready to serve.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Inner {
            gate: Gate::new(config.reviewer, config.node_name.clone(), config.anonymous),
            node_name: config.node_name,
            node: config.node,
            metrics: Metrics::new(),
            streams: Arc::new(Semaphore::new(config.limits.max_streams)),
            limits: config.limits,
            stopping: CancellationToken::new(),
        }))
    }

    /// Serves connections of `listener` until `shutdown`, then lets answers under way finish for a few seconds. New
    /// handshakes use whatever `tls` (made with [`crate::tls_config`]) holds at that moment.
    ///
    /// # Errors
    /// [`ServeError`] if the listener has no local address.
    pub async fn serve(
        &self,
        listener: TcpListener,
        tls: Arc<ArcSwap<ServerConfig>>,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        listener.local_addr().map_err(ServeError::Listen)?;
        let connections = TaskTracker::new();
        let room = Arc::new(Semaphore::new(self.0.limits.max_connections));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // Without room the connection is closed at once: the client sees it and tries again.
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                continue;
            };
            let (server, acceptor) = (self.clone(), TlsAcceptor::from(tls.load_full()));
            let shutdown = shutdown.clone();
            connections.spawn(async move {
                server.connection(stream, acceptor, shutdown).await;
                drop(permit);
            });
        }
        self.0.stopping.cancel();
        connections.close();
        let _ = tokio::time::timeout(DRAIN, connections.wait()).await;
        Ok(())
    }

    async fn connection(&self, stream: TcpStream, acceptor: TlsAcceptor, shutdown: CancellationToken) {
        let _ = stream.set_nodelay(true);
        let limits = &self.0.limits;
        let stream = match tokio::time::timeout(limits.handshake_timeout, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                return;
            }
            Err(_) => return,
        };
        // The handshake has verified it.
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let identity = match certificate.map(|der| Identity::from_client_certificate(der)) {
            Some(Ok(identity)) => Some(Arc::new(identity)),
            Some(Err(error)) => {
                tracing::debug!(%error, "a client certificate names nobody");
                None
            }
            None => None,
        };
        let server = self.clone();
        let service = service_fn(move |request: http::Request<Incoming>| {
            let (server, identity) = (server.clone(), identity.clone());
            async move { Ok::<_, Infallible>(server.answer(identity.as_ref(), request).await) }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(limits.max_headers.max(8192));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(limits.max_headers).unwrap_or(u32::MAX));
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::time::timeout(DRAIN / 2, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended badly");
        }
    }

    async fn answer(
        &self,
        certificate: Option<&Arc<Identity>>,
        mut request: http::Request<Incoming>,
    ) -> Response<Body> {
        let upgrade = request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
        let (parts, _body) = request.into_parts();
        let path = parts.uri.path();
        let passed = self
            .0
            .gate
            .pass(certificate, &parts.headers, &parts.method, path)
            .await;
        let response = match passed {
            Err(refusal) => refusal.into(),
            // Names of pods and containers need no escapes; what has some names nothing.
            Ok(()) if path.contains('%') => not_found(),
            Ok(()) => {
                let request = Request {
                    server: Arc::clone(&self.0),
                    method: parts.method.clone(),
                    query: Query::parse(parts.uri.query().unwrap_or_default()),
                    headers: parts.headers,
                    upgrade,
                };
                requests::answer(request, path).await
            }
        };
        self.0
            .metrics
            .answered(&parts.method, requests::label(path), response.status());
        response
    }
}
