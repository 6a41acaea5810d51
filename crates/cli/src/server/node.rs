//! A node in the server's own process.
//!
//! It speaks to the server without a socket, as `system:node:<name>` in `system:nodes`, so that the Node authorizer
//! decides what it may see, as for every other node.

use std::net::SocketAddr;

use strongroom_access::Identity;
use strongroom_apiserver::ApiServer;
use strongroom_node::Port;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::certificates::Certificates;
use crate::address;
use crate::data_dir::DataDir;
use crate::settings::{NODES, Settings};

/// Where the node's own API will be: at the node's address, with a certificate of its own. Nothing where there is no
/// container runtime, and so no node.
///
/// # Errors
/// When the port is taken, or the certificate cannot be made.
pub fn listen(settings: &Settings, certificates: &mut Certificates) -> anyhow::Result<Option<Port>> {
    if settings.node.container_runtime_endpoint.is_none() {
        return Ok(None);
    }
    let address = settings.node.address();
    let listener = address::listen_for_node(address, settings.node_port)?;
    Ok(Some(Port {
        listener: TcpListener::from_std(listener)?,
        tls: certificates.serve_node(&settings.node.name(), &[address])?,
    }))
}

/// Runs the node that [`listen`] has made a port for.
pub fn start(
    settings: &Settings,
    data_dir: &DataDir,
    server: &ApiServer,
    port: Option<Port>,
    advertised: SocketAddr,
    shutdown: CancellationToken,
) -> Option<JoinHandle<()>> {
    let port = port?;
    let root_dir = data_dir.path().join("node");
    let mut config = settings.node.config(root_dir.clone());
    config.pod_logs_dir = root_dir.join("logs");
    config.port = port
        .address()
        .map_or(settings.node_port, |address| address.port());
    if advertised.ip().is_loopback() {
        config.local_api_server = Some(advertised);
    } else {
        config.api_server = Some((advertised.ip().to_string(), advertised.port()));
    }
    let identity = Identity {
        user: settings.node.user(),
        groups: [NODES, "system:authenticated"].map(str::to_owned).to_vec(),
        ..Identity::default()
    };
    let client = kube::Client::new(server.service(identity), "default");
    Some(tokio::spawn(async move {
        if let Err(error) = strongroom_node::run(client, config, Some(port), shutdown).await {
            tracing::error!("no pods run here: {error}");
        }
    }))
}
