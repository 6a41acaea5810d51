//! What a node is told.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use strongroom_node_plan::environment::EnvNames;

/// How one node runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// The Node object's name.
    pub name: String,
    /// Its addresses; the first one is that of the node, and of pods on the host's network.
    pub addresses: Vec<IpAddr>,
    /// Where volumes and the files of pods lie, as below `/var/lib/kubelet`.
    pub root_dir: PathBuf,
    /// Where the logs of containers lie, `/var/log/pods` on most machines.
    pub pod_logs_dir: PathBuf,
    /// `unix://` and the socket of the container runtime; `None` when there is none, and pods wait.
    pub runtime_endpoint: Option<String>,
    /// What a person should do to get a runtime; it ends the node's Ready message while there is none.
    pub runtime_advice: String,
    /// Which names `envFrom` may bring.
    pub env_names: EnvNames,
    /// The port of the node's own API; it becomes `status.daemonEndpoints.kubeletEndpoint.Port`.
    pub port: u16,
    /// How many pods the node takes.
    pub max_pods: u32,
    /// Name servers of pods with `dnsPolicy: ClusterFirst`; the machine's own when there are none.
    pub cluster_dns: Vec<IpAddr>,
    /// The domain that such pods search.
    pub cluster_domain: String,
    /// Host and port under which pods reach the API server (`KUBERNETES_SERVICE_HOST`), in place of the address of
    /// service `default/kubernetes`, to which no way leads unless something like kube-proxy makes one.
    pub api_server: Option<(String, u16)>,
    /// Where the API server listens, if that is this machine's loopback address: pods are given a port at the node's
    /// own address that leads there, and `api_server` does not count.
    pub local_api_server: Option<SocketAddr>,
    /// Version that the node reports (`kubeletVersion`), such as `v1.36.2+strongroom`.
    pub version: String,
    /// A container's log is moved away when it has grown beyond this many bytes.
    pub log_max_bytes: u64,
    /// How many log files of a container are kept, the one that is written to among them.
    pub log_max_files: usize,
}

impl Config {
    /// A node of this name with the defaults of kubelets.
    pub fn new(name: &str, root_dir: PathBuf) -> Config {
        Config {
            name: name.to_owned(),
            addresses: Vec::new(),
            pod_logs_dir: PathBuf::from("/var/log/pods"),
            root_dir,
            runtime_endpoint: None,
            runtime_advice: "start containerd and give its socket with --container-runtime-endpoint"
                .to_owned(),
            env_names: EnvNames::Relaxed,
            port: 10250,
            max_pods: 110,
            cluster_dns: Vec::new(),
            cluster_domain: "cluster.local".to_owned(),
            api_server: None,
            local_api_server: None,
            version: format!("v1.36.2+strongroom-{}", env!("CARGO_PKG_VERSION")),
            log_max_bytes: 10 << 20,
            log_max_files: 5,
        }
    }
}
