//! The way to a server on another machine: HTTP/2 with few connections, each shared by many watches.
//!
//! `kube`'s own client takes a connection for every watch. A node watches every Secret its pods name by itself, so that
//! would be hundreds of handshakes and megabytes on both sides.

mod pool;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use kube::client::{Body, ConfigExt as _};
use tower::Layer as _;

use self::pool::{Answer, Pool};

pub use self::pool::ConnectError;

/// Why there is no way to the server.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// The configuration names no server.
    #[error("the server's URL has no host")]
    NoHost,
    /// Certificates or tokens in the configuration cannot be used.
    #[error("the credentials cannot be used")]
    Credentials(#[source] Box<kube::Error>),
}

/// A client over HTTP/2 for the server and the credentials of `config`. Connecting happens when the first request is
/// made, and again whenever the server was away. Must be called within a tokio runtime.
///
/// # Errors
/// When the configuration has no host, or its credentials cannot be read.
pub fn client(config: &kube::Config) -> Result<kube::Client, HttpsError> {
    let credentials = |error| HttpsError::Credentials(Box::new(error));
    let host = config.cluster_url.host().ok_or(HttpsError::NoHost)?;
    let port = config.cluster_url.port_u16().unwrap_or(443);
    let mut tls = config.rustls_client_config().map_err(credentials)?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let name = config.tls_server_name.as_deref().unwrap_or(host);
    let service = Https {
        pool: Arc::new(Pool::new(host, port, name, tls)),
    };
    let service = config.base_uri_layer().layer(service);
    let namespace = &config.default_namespace;
    Ok(match config.auth_layer().map_err(credentials)? {
        Some(auth) => kube::Client::new(auth.layer(service), namespace.clone()),
        None => kube::Client::new(service, namespace.clone()),
    })
}

/// Requests over the pool.
#[derive(Clone)]
struct Https {
    pool: Arc<Pool>,
}

impl tower::Service<Request<Body>> for Https {
    type Response = Response<Answer>;
    type Error = tower::BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let pool = Arc::clone(&self.pool);
        Box::pin(async move { pool.send(request).await })
    }
}
