//! Connections and how many requests each has under way.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use kube::client::Body;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

/// Requests at once on one connection; servers allow 100 at least.
const STREAMS: usize = 100;
/// Packets that are lost while a network is cut are sent again ever later; a new try is faster.
const CONNECT: Duration = Duration::from_secs(1);
const HANDSHAKE: Duration = Duration::from_secs(3);
/// A connection on which nothing comes back is given up after both: soon, because TCP alone goes on as late after an
/// interruption as that has lasted.
const PING: Duration = Duration::from_secs(1);
const PONG: Duration = Duration::from_secs(3);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server does not accept one.
    #[error("cannot connect to {host}:{port}")]
    Connect {
        /// The server.
        host: String,
        /// Its port.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is not the server that is meant, or does not know this client.
    #[error("no TLS with {host}")]
    Tls {
        /// The server.
        host: String,
        /// What was wrong.
        #[source]
        source: io::Error,
    },
    /// It does not speak HTTP/2.
    #[error("{host} does not speak HTTP/2")]
    NoHttp2 {
        /// The server.
        host: String,
    },
}

/// All connections to one server.
pub(super) struct Pool {
    host: String,
    port: u16,
    name: String,
    tls: TlsConnector,
    connections: Mutex<Vec<Connection>>,
}

#[derive(Clone)]
struct Connection {
    sender: SendRequest<Body>,
    under_way: Arc<AtomicUsize>,
}

/// One request's share of a connection.
struct Share(Arc<AtomicUsize>);

impl Drop for Share {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body; its connection counts the request until this is dropped.
pub(super) struct Answer {
    body: Incoming,
    _share: Share,
}

impl Pool {
    pub fn new(host: &str, port: u16, name: &str, tls: ClientConfig) -> Pool {
        Pool {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            name: name.trim_matches(['[', ']']).to_owned(),
            tls: TlsConnector::from(Arc::new(tls)),
            connections: Mutex::default(),
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Result<Response<Answer>, tower::BoxError> {
        let (mut sender, share) = self.connection().await?;
        let answer = sender.send_request(request).await?;
        Ok(answer.map(|body| Answer { body, _share: share }))
    }

    /// A connection with room for one more request.
    async fn connection(&self) -> Result<(SendRequest<Body>, Share), ConnectError> {
        // Held while connecting, so that a burst of requests makes one connection and not hundreds.
        let mut connections = self.connections.lock().await;
        connections.retain(|connection| !connection.sender.is_closed());
        let free = connections
            .iter()
            .find(|connection| connection.under_way.load(Ordering::Relaxed) < STREAMS);
        let connection = match free {
            Some(connection) => connection.clone(),
            None => {
                let connection = self.connect().await?;
                connections.push(connection.clone());
                connection
            }
        };
        connection.under_way.fetch_add(1, Ordering::Relaxed);
        Ok((connection.sender, Share(connection.under_way)))
    }

    async fn connect(&self) -> Result<Connection, ConnectError> {
        let host = || self.host.clone();
        let unreachable = |source| ConnectError::Connect {
            host: host(),
            port: self.port,
            source,
        };
        let failed = |source| ConnectError::Tls { host: host(), source };
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect((self.host.as_str(), self.port)))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(unreachable)?;
        // Requests are small, and waiting to fill a packet would delay them.
        let _ = stream.set_nodelay(true);
        let name = ServerName::try_from(self.name.clone())
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let stream = tokio::time::timeout(HANDSHAKE, self.tls.connect(name, stream))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(failed)?;
        let no_http2 = || ConnectError::NoHttp2 { host: host() };
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(no_http2());
        }
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| no_http2())?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the server has ended");
            }
        });
        Ok(Connection {
            sender,
            under_way: Arc::default(),
        })
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
