//! Connections: accepted, encrypted, bounded, and ended cleanly.

mod gathered;
mod streams;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::Limits;
use crate::pipeline::Peer;
use crate::server::ApiServer;
use crate::service;
use crate::tls::Tls;
use gathered::Gathered;
use streams::{Begun, Streams};

/// Handshakes under way at the same time: nobody has said yet who they are.
const MAX_HANDSHAKES: usize = 256;
/// Time that answers under way have once the server is to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// Pause after the system refused a connection, so that a full table of files is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why serving ended early.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listening socket is unusable.
    #[error("the listening socket is unusable")]
    Listen(#[source] std::io::Error),
}

impl ApiServer {
    /// Serves connections of `listener` until `shutdown`, then lets answers under way finish for a few seconds.
    /// New handshakes use whatever `tls` holds at that moment.
    ///
    /// # Errors
    /// [`ServeError`] if the listener has no local address.
    pub async fn serve(
        &self,
        listener: TcpListener,
        tls: Arc<ArcSwap<Tls>>,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        listener.local_addr().map_err(ServeError::Listen)?;
        let connections = TaskTracker::new();
        let room = Arc::new(Semaphore::new(self.0.limits.max_connections));
        let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
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
            let connection = Connection {
                server: self.clone(),
                tls: tls.load_full(),
                address,
                handshakes: Arc::clone(&handshakes),
                shutdown: shutdown.clone(),
            };
            connections.spawn(async move {
                connection.run(stream).await;
                drop(permit);
            });
        }
        connections.close();
        let _ = tokio::time::timeout(DRAIN, connections.wait()).await;
        Ok(())
    }
}

struct Connection {
    server: ApiServer,
    tls: Arc<Tls>,
    address: SocketAddr,
    handshakes: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let Some(stream) = self.handshake(stream).await else {
            return;
        };
        let shown = stream.get_ref().1.peer_certificates();
        let peer = Peer {
            credential: self.tls.credential(shown),
            front_proxy: self.tls.believed_headers(shown),
            address: Some(self.address.ip()),
        };
        let stream = Gathered::new(stream);
        let server = self.server.clone();
        // A stream that is reset gives its place among hyper's free, though what it asked for is still done.
        let places = Arc::new(Semaphore::new(self.server.0.limits.max_streams as usize));
        let outgoing = stream.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            if request.version() != Version::HTTP_2 {
                outgoing.send_at_once();
            }
            let (server, peer, places) = (server.clone(), peer.clone(), Arc::clone(&places));
            service::answer(server, peer, request, Some(places))
        });
        let mut streams = Streams::new(stream.clone());
        let builder = builder(&self.server.0.limits, streams.executor());
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = streams.run(connection.as_mut()) => ended,
            () = self.shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                // Watches would hold the connection open for half an hour: they end with it.
                tokio::time::timeout(DRAIN / 2, streams.run(connection)).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended badly");
        }
    }

    async fn handshake(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let limit = self.server.0.limits.handshake_timeout;
        let handshake = async {
            let _place = self.handshakes.acquire().await.ok()?;
            match TlsAcceptor::from(Arc::clone(&self.tls.config))
                .accept(stream)
                .await
            {
                Ok(stream) => Some(stream),
                Err(error) => {
                    tracing::debug!(%error, "a TLS handshake failed");
                    None
                }
            }
        };
        tokio::time::timeout(limit, handshake).await.ok().flatten()
    }
}

fn builder(limits: &Limits, executor: Begun) -> Builder<Begun> {
    const FRAME: u32 = 256 * 1024;
    const STREAM_WINDOW: u32 = 512 * 1024;
    const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
    const SEND_BUFFER: usize = 128 * 1024;
    const READ_BUFFER: usize = 128 * 1024;
    const MAX_RESETS: usize = 200;
    const KEEP_ALIVE: Duration = Duration::from_secs(30);
    let mut builder = Builder::new(executor);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(READ_BUFFER.max(limits.max_headers))
        .pipeline_flush(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_frame_size(FRAME)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(limits.max_headers).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MAX_RESETS)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    builder
}
