//! What stands behind the node's own port: its pods as it sees them, and the runtime.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use http::Uri;
use k8s_openapi::api::core::v1::Pod;
use rustls::ServerConfig;
use serde_json::json;
use strongroom_cri::messages::container::{AttachRequest, ContainerState, ExecRequest};
use strongroom_cri::messages::sandbox::{
    PodSandboxFilter, PodSandboxState, PodSandboxStateValue, PortForwardRequest,
};
use strongroom_cri::{Error, Runtime};
use strongroom_node_server::{KubeReviewer, Limits, Node, NodeServer, Refused, RunningContainer, Streams};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::pods::Pods;
use crate::sandbox_config::label;

/// The node's own port.
pub struct Port {
    /// Where it listens; its port is the one that [`crate::Config::port`] names.
    pub listener: TcpListener,
    /// What new connections use; made with [`strongroom_node_server::tls_config`].
    pub tls: Arc<ArcSwap<ServerConfig>>,
}

impl Port {
    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Serves the port until `shutdown`.
pub(crate) async fn serve(
    port: Port,
    client: kube::Client,
    context: Arc<Context>,
    pods: Arc<Pods>,
    shutdown: CancellationToken,
) {
    let server = NodeServer::new(strongroom_node_server::Config {
        node_name: context.config.name.clone(),
        node: Arc::new(Behind { context, pods }),
        reviewer: Arc::new(KubeReviewer::new(client)),
        anonymous: false,
        limits: Limits::default(),
    });
    if let Err(error) = server.serve(port.listener, port.tls, shutdown).await {
        tracing::error!(%error, "the node's own port is closed");
    }
}

struct Behind {
    context: Arc<Context>,
    pods: Arc<Pods>,
}

impl Behind {
    fn runtime(&self) -> Result<&Runtime, Refused> {
        let runtime = self.context.runtime.as_ref();
        runtime.ok_or_else(|| Refused::Failed("there is no container runtime".to_owned()))
    }
}

#[async_trait]
impl Node for Behind {
    fn pods(&self) -> Vec<Arc<Pod>> {
        self.pods.shown()
    }

    async fn container(&self, container_id: &str) -> Result<RunningContainer, Refused> {
        let status = self.runtime()?.container_status(container_id).await;
        let status = status.map_err(|error| refused(&error))?;
        Ok(RunningContainer {
            running: matches!(status.state(), ContainerState::Created | ContainerState::Running),
            log_path: PathBuf::from(status.log_path),
        })
    }

    async fn exec(&self, container_id: &str, command: &[String], streams: Streams) -> Result<Uri, Refused> {
        let request = ExecRequest {
            container_id: container_id.to_owned(),
            cmd: command.to_vec(),
            tty: streams.tty,
            stdin: streams.stdin,
            stdout: streams.stdout,
            stderr: streams.stderr,
        };
        location(self.runtime()?.exec(request).await)
    }

    async fn attach(&self, container_id: &str, streams: Streams) -> Result<Uri, Refused> {
        let request = AttachRequest {
            container_id: container_id.to_owned(),
            tty: streams.tty,
            stdin: streams.stdin,
            stdout: streams.stdout,
            stderr: streams.stderr,
        };
        location(self.runtime()?.attach(request).await)
    }

    async fn port_forward(&self, pod: &Pod, ports: &[u16]) -> Result<Uri, Refused> {
        let runtime = self.runtime()?;
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let filter = PodSandboxFilter {
            state: Some(PodSandboxStateValue {
                state: PodSandboxState::Ready.into(),
            }),
            label_selector: [(label::POD_UID.to_owned(), uid)].into(),
            ..PodSandboxFilter::default()
        };
        let sandboxes = runtime.list_pod_sandboxes(filter).await;
        let sandbox = sandboxes.map_err(|error| refused(&error))?.into_iter().next();
        let sandbox = sandbox.ok_or_else(|| {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            Refused::Failed(format!("failed to find sandboxID for pod {name}"))
        })?;
        let request = PortForwardRequest {
            pod_sandbox_id: sandbox.id,
            port: ports.iter().map(|port| i32::from(*port)).collect(),
        };
        location(runtime.port_forward(request).await)
    }

    fn metrics(&self) -> String {
        let pods = self.pods.count();
        format!(
            "# HELP kubelet_running_pods Pods of this node.\n# TYPE kubelet_running_pods gauge\nkubelet_running_pods {pods}\n"
        )
    }

    fn configuration(&self) -> serde_json::Value {
        let config = &self.context.config;
        json!({
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "port": config.port,
            "maxPods": config.max_pods,
            "clusterDomain": config.cluster_domain,
            "clusterDNS": config.cluster_dns,
            "containerRuntimeEndpoint": config.runtime_endpoint,
            "podLogsDir": config.pod_logs_dir,
            "containerLogMaxSize": config.log_max_bytes.to_string(),
            "containerLogMaxFiles": config.log_max_files,
            "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": true}},
            "authorization": {"mode": "Webhook"},
        })
    }
}

fn location(answered: Result<String, Error>) -> Result<Uri, Refused> {
    let url = answered.map_err(|error| refused(&error))?;
    let no_url = || Refused::Failed("the container runtime gave no URL".to_owned());
    url.parse().map_err(|_| no_url())
}

fn refused(error: &Error) -> Refused {
    match error {
        Error::NotFound { message, .. } => Refused::NotFound(message.clone()),
        Error::Failed {
            code: "ResourceExhausted",
            message,
            ..
        } => Refused::Exhausted(message.clone()),
        _ => Refused::Failed(error.as_rpc_error()),
    }
}
