//! What can be set about a node.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use strongroom_node::Config;
use strongroom_node_plan::environment;
use strongroom_node_plan::quantity::Amount;

use crate::address;

/// What a node needs to know wherever it runs.
#[derive(Debug, Clone, Args)]
pub struct NodeSettings {
    /// The container runtime's socket; with one, this machine runs pods
    #[arg(long, value_name = "unix:///SOCKET", help_heading = "Node")]
    pub container_runtime_endpoint: Option<String>,

    /// The node's name [default: the machine's host name]
    #[arg(long, value_name = "NAME", help_heading = "Node")]
    pub node_name: Option<String>,

    /// The node's IP address [default: the machine's own]
    #[arg(long, value_name = "ADDRESS", help_heading = "Node")]
    pub node_ip: Option<IpAddr>,

    /// Which keys become environment variables by envFrom: `relaxed` takes any, as Kubernetes 1.36 does; `strict` skips
    /// what is no C identifier, with an event
    #[arg(
        long,
        value_name = "RULE",
        value_enum,
        default_value = "relaxed",
        help_heading = "Node"
    )]
    pub env_names: EnvNames,

    /// How many pods the node takes
    #[arg(long, value_name = "N", default_value_t = 110, help_heading = "Node")]
    pub max_pods: u32,

    /// A container's log is moved away when it has grown beyond this
    #[arg(long, value_name = "QUANTITY", value_parser = bytes, default_value = "10Mi", help_heading = "Node")]
    pub container_log_max_size: u64,

    /// How many log files of a container are kept, at least 2
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..), default_value_t = 5, help_heading = "Node")]
    pub container_log_max_files: u16,

    /// Name servers for pods, separated by commas [default: the machine's own]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', help_heading = "Node")]
    pub cluster_dns: Vec<IpAddr>,

    /// The domain that pods search when there is a --cluster-dns
    #[arg(
        long,
        value_name = "DOMAIN",
        default_value = "cluster.local",
        help_heading = "Node"
    )]
    pub cluster_domain: String,
}

/// A rule for names of environment variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EnvNames {
    /// Any key.
    Relaxed,
    /// C identifiers, with dots and dashes.
    Strict,
}

fn bytes(text: &str) -> Result<u64, &'static str> {
    let amount = Amount::parse(text).map_err(|_| "not a quantity such as 10Mi")?;
    let bytes = u64::try_from(amount.value()).unwrap_or(0);
    if bytes == 0 {
        Err("must be more than nothing")
    } else {
        Ok(bytes)
    }
}

/// The group of all nodes.
pub const NODES: &str = "system:nodes";

impl NodeSettings {
    /// The node's name: as given, or the machine's host name as an object may be named.
    pub fn name(&self) -> String {
        self.node_name.clone().unwrap_or_else(|| {
            let system = rustix::system::uname();
            let name = system.nodename().to_string_lossy().to_lowercase();
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            let name: String = name.chars().filter(|c| allowed(*c)).collect();
            let name = name.trim_matches(['-', '.']);
            if name.is_empty() {
                "node".to_owned()
            } else {
                name.to_owned()
            }
        })
    }

    /// The user that the node is.
    pub fn user(&self) -> String {
        format!("system:node:{}", self.name())
    }

    /// The node's address.
    pub fn address(&self) -> IpAddr {
        self.node_ip
            .unwrap_or_else(|| address::advertised(None, IpAddr::from([0, 0, 0, 0])))
    }

    /// The node's configuration.
    pub fn config(&self, root_dir: PathBuf) -> Config {
        let mut config = Config::new(&self.name(), root_dir);
        config.addresses = vec![self.address()];
        config
            .runtime_endpoint
            .clone_from(&self.container_runtime_endpoint);
        config.env_names = match self.env_names {
            EnvNames::Relaxed => environment::EnvNames::Relaxed,
            EnvNames::Strict => environment::EnvNames::Strict,
        };
        config.max_pods = self.max_pods;
        config.log_max_bytes = self.container_log_max_size;
        config.log_max_files = usize::from(self.container_log_max_files);
        config.cluster_dns.clone_from(&self.cluster_dns);
        config.cluster_domain.clone_from(&self.cluster_domain);
        config
    }
}
