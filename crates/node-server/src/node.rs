//! What the port needs of the node behind it: the seam that the `node` crate implements.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use http::Uri;
use k8s_openapi::api::core::v1::Pod;
use strongroom_streams::remote_command::Streams;

/// The node, as its port sees it.
///
/// What can be decided from a pod and its status (which container is meant, which of its instances has the log that is
/// wanted, every refusal text of pods-and-kubelet §11) is decided by this crate; the implementation only answers what
/// the container runtime alone knows. Container ids are bare: `containerd://` is cut off.
#[async_trait]
pub trait Node: Send + Sync + 'static {
    /// Every pod of this node, with its status as the node sees it at this moment (not as it was last reported): the
    /// `containerID`s of `containerStatuses`, `initContainerStatuses` and `ephemeralContainerStatuses` decide which
    /// log is read and which container a command runs in.
    fn pods(&self) -> Vec<Arc<Pod>>;

    /// One of them.
    fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        let meant = |pod: &Arc<Pod>| {
            pod.metadata.name.as_deref() == Some(name) && pod.metadata.namespace.as_deref() == Some(namespace)
        };
        // One that was deleted by force may still be ending beside the next of its name, which has a later version.
        let version = |pod: &Arc<Pod>| -> u64 {
            let version = pod.metadata.resource_version.as_deref();
            version.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        self.pods().into_iter().filter(meant).max_by_key(version)
    }

    /// What the runtime knows of a container: CRI `ContainerStatus`. Asked when a log is opened, and once a second
    /// while it is followed to its end.
    ///
    /// # Errors
    /// [`Refused::NotFound`] when the runtime does not know the container any more.
    async fn container(&self, container_id: &str) -> Result<RunningContainer, Refused>;

    /// CRI `Exec` of a running container: the URL on the runtime's streaming server, for example
    /// `http://127.0.0.1:41001/exec/<token>`.
    ///
    /// # Errors
    /// [`Refused`] with the runtime's own words.
    async fn exec(&self, container_id: &str, command: &[String], streams: Streams) -> Result<Uri, Refused>;

    /// CRI `Attach` to a running container: as [`Node::exec`]. `streams.tty` is what the container was made with.
    ///
    /// # Errors
    /// [`Refused`] with the runtime's own words.
    async fn attach(&self, container_id: &str, streams: Streams) -> Result<Uri, Refused>;

    /// CRI `PortForward` into the pod's sandbox that is ready: as [`Node::exec`].
    ///
    /// # Errors
    /// [`Refused`] with the runtime's own words, or when the pod has no sandbox that is ready.
    async fn port_forward(&self, pod: &Pod, ports: &[u16]) -> Result<Uri, Refused>;

    /// What `/metrics` says, in the text format of Prometheus; what the port itself measures is added.
    fn metrics(&self) -> String {
        String::new()
    }

    /// What is unhealthy, for `/healthz`; `None` when nothing is.
    fn problem(&self) -> Option<String> {
        None
    }

    /// The `kubeletconfig` of `/configz`: settings, never secrets.
    fn configuration(&self) -> serde_json::Value {
        serde_json::json!({})
    }
}

/// What the runtime knows of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningContainer {
    /// Absolute path of its log, as it is now; rotated parts lie beside it.
    pub log_path: PathBuf,
    /// Whether its process still runs, so that more may be written.
    pub running: bool,
}

/// What the node or its runtime does not do. The texts reach the caller: they name containers, never contents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such thing: 404.
    #[error("{0}")]
    NotFound(String),
    /// There is too much of it already: 429.
    #[error("{0}")]
    Exhausted(String),
    /// Anything else: 500.
    #[error("{0}")]
    Failed(String),
}
