//! The way of this node's pods to an API server that listens on the machine's loopback address alone: a port at the
//! node's address that takes connections of these pods, and of nobody else, and passes their bytes on. Who they are is
//! the server's business, as ever.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::pods::Pods;

/// Connections that are open at the same time; more wait.
const CONNECTIONS: usize = 1024;
/// A pod that has just been given its address may call before the node has noted it.
const NOTING: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
/// Between attempts to accept when the system is out of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The port, before anything is served.
#[derive(Debug)]
pub(crate) struct ApiGate {
    listener: TcpListener,
    server: SocketAddr,
}

impl ApiGate {
    /// A port of the system's choice at the node's `address`, for the way to `server`.
    pub async fn open(address: IpAddr, server: SocketAddr) -> std::io::Result<ApiGate> {
        let listener = TcpListener::bind(SocketAddr::new(address, 0)).await?;
        Ok(ApiGate { listener, server })
    }

    /// Host and port for pods.
    pub fn address(&self) -> std::io::Result<(String, u16)> {
        let address = self.listener.local_addr()?;
        Ok((address.ip().to_string(), address.port()))
    }

    /// Serves for ever.
    pub async fn serve(self, pods: Arc<Pods>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            let Ok((stream, peer)) = self.listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let (pods, server) = (Arc::clone(&pods), self.server);
            tokio::spawn(async move {
                if is_pod(&pods, peer.ip()).await
                    && let Err(error) = pass(stream, server).await
                {
                    tracing::debug!(%peer, %error, "a pod's connection to the API server broke off");
                }
                drop(permit);
            });
        }
    }
}

/// Whether the address is that of a pod on this node.
async fn is_pod(pods: &Pods, address: IpAddr) -> bool {
    let deadline = Instant::now() + NOTING;
    loop {
        if pods.has_address(address) {
            return true;
        }
        if Instant::now() > deadline {
            tracing::warn!(%address, "only pods of this node may use its way to the API server");
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn pass(mut pod: TcpStream, server: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    pod.set_nodelay(true)?;
    server.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut pod, &mut server).await?;
    Ok(())
}
