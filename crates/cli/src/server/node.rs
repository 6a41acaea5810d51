//! A node in the server's own process.
//!
//! It speaks to the server without a socket, as `system:node:<name>` in `system:nodes`, so that the Node authorizer
//! decides what it may see, as for every other node.

use std::net::SocketAddr;

use strongroom_access::Identity;
use strongroom_apiserver::ApiServer;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::data_dir::DataDir;
use crate::settings::{NODES, Settings};

/// Runs a node if there is a container runtime for it.
pub fn start(
    settings: &Settings,
    data_dir: &DataDir,
    server: &ApiServer,
    advertised: SocketAddr,
    shutdown: CancellationToken,
) -> Option<JoinHandle<()>> {
    settings.node.container_runtime_endpoint.as_ref()?;
    let root_dir = data_dir.path().join("node");
    let mut config = settings.node.config(root_dir.clone());
    config.pod_logs_dir = root_dir.join("logs");
    config.port = settings.node_port;
    config.api_server = Some((advertised.ip().to_string(), advertised.port()));
    let identity = Identity {
        user: settings.node.user(),
        groups: [NODES, "system:authenticated"].map(str::to_owned).to_vec(),
        ..Identity::default()
    };
    let client = kube::Client::new(server.service(identity), "default");
    Some(tokio::spawn(async move {
        if let Err(error) = strongroom_node::run(client, config, shutdown).await {
            tracing::error!("no pods run here: {error}");
        }
    }))
}
