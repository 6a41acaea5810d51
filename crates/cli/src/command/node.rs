//! `strongroom node`.

mod bootstrap;
mod serving;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use strongroom_client::request::ApiClient;
use strongroom_hardening::Shortfall;
use strongroom_node::Port;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::serving::ServingCertificate;
use crate::command_line::ConfigFlag;
use crate::data_dir::{private_directory, write_private};
use crate::server::Reloading;
use crate::settings::{LogLevel, LoggingFormat, NodeSettings};
use crate::{address, logging, output, pki, server, shutdown};

/// How often the files of the node's certificate are looked at.
const ROUND: Duration = Duration::from_secs(60);

/// Run pods on this machine.
///
/// The node takes the pods that the server's scheduler gives it, runs them through a container runtime such as
/// containerd, and puts Secrets into their files and environment. Ending it ends no container; the next start takes
/// them over.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    strongroom kubeconfig --user system:node:worker-1 --group system:nodes --output worker-1.kubeconfig\n  \
    strongroom node --kubeconfig worker-1.kubeconfig --node-name worker-1 \\\n    \
    --container-runtime-endpoint unix:///run/containerd/containerd.sock\n\n\
    With a bootstrap token, the node gets its kubeconfig by itself:\n  \
    strongroom node --server https://10.0.0.1:6443 --certificate-authority ca.crt --token-file token \\\n    \
    --kubeconfig worker-1.kubeconfig --container-runtime-endpoint unix:///run/containerd/containerd.sock")]
pub struct Node {
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigFlag,

    /// How to reach the server, as user system:node:NAME in group system:nodes; written at a first start with --server
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub kubeconfig: PathBuf,

    /// How a node without a kubeconfig gets one.
    #[command(flatten)]
    pub bootstrap: bootstrap::BootstrapFlags,

    /// Where volumes and the files of pods lie
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/lib/strongroom/node",
        help_heading = "State"
    )]
    pub root_dir: PathBuf,

    /// Where the logs of containers lie
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/log/pods",
        help_heading = "State"
    )]
    pub pod_logs_dir: PathBuf,

    /// What a node needs to know wherever it runs.
    #[command(flatten)]
    pub node: NodeSettings,

    /// The IP address that the node's own API listens on
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "0.0.0.0",
        help_heading = "Serving"
    )]
    pub address: IpAddr,

    /// The port that the node's own API listens on; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 10250, help_heading = "Serving")]
    pub port: u16,

    /// The certificate that the node's own API serves with, with its chain, PEM; it names the node's address
    /// [default: the node asks the server for one, which somebody must approve]
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_private_key_file",
        help_heading = "Serving"
    )]
    pub tls_cert_file: Option<PathBuf>,

    /// That certificate's private key, PEM
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cert_file",
        help_heading = "Serving"
    )]
    pub tls_private_key_file: Option<PathBuf>,

    /// Certificates of the CAs that the API server's certificate for nodes may come from, PEM
    /// [default: the CA in the kubeconfig]
    #[arg(long, value_name = "FILE", help_heading = "Serving")]
    pub client_ca_file: Option<PathBuf>,

    /// How much to log: error, warn, info, debug or trace [default: info]
    #[arg(short = 'v', long, alias = "v", value_name = "LEVEL", value_parser = LogLevel::parse, help_heading = "Logging")]
    pub log_level: Option<LogLevel>,

    /// How log lines look
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "text",
        help_heading = "Logging"
    )]
    pub logging_format: LoggingFormat,
}

impl Node {
    /// Runs until told to end.
    pub fn run(self, shortfalls: &[Shortfall]) -> anyhow::Result<()> {
        logging::start(self.log_level.unwrap_or(LogLevel::Info), self.logging_format);
        server::report_shortfalls(shortfalls);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let outcome = runtime.block_on(self.serve());
        runtime.shutdown_timeout(Duration::from_secs(2));
        outcome
    }

    async fn serve(self) -> anyhow::Result<()> {
        if !self.kubeconfig.exists() {
            self.bootstrap.run(&self.node.name(), &self.kubeconfig).await?;
        }
        let file = Kubeconfig::read_from(&self.kubeconfig)
            .with_context(|| format!("{} cannot be read", self.kubeconfig.display()))?;
        let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .with_context(|| format!("{} does not say how to reach a server", self.kubeconfig.display()))?;
        let api_server = config
            .cluster_url
            .host()
            .map(|host| (host.to_owned(), config.cluster_url.port_u16().unwrap_or(443)));
        let authorities = config.root_cert.clone().unwrap_or_default();
        let client = strongroom_client::https::client(&config)?;
        let root_dir = std::path::absolute(&self.root_dir)?;
        let port = self.listen(&root_dir, &authorities, &client)?;
        let mut node = self.node.config(root_dir);
        node.pod_logs_dir = std::path::absolute(&self.pod_logs_dir)?;
        node.port = port.address()?.port();
        node.api_server = api_server;
        let stop = CancellationToken::new();
        shutdown::on_signal(stop.clone(), Duration::ZERO, || {})?;
        output::print(&format!(
            "Node {} begins (process {}).\n",
            node.name,
            std::process::id()
        ))?;
        strongroom_node::run(client, node, Some(port), stop).await?;
        Ok(())
    }

    /// Where the node's own API will be; `authorities` are those of the kubeconfig, DER.
    fn listen(
        &self,
        root_dir: &Path,
        authorities: &[Vec<u8>],
        client: &kube::Client,
    ) -> anyhow::Result<Port> {
        let directory = root_dir.join("pki");
        let changed = Arc::new(Notify::new());
        let [certificate, key] = match (&self.tls_cert_file, &self.tls_private_key_file) {
            (Some(certificate), Some(key)) => [certificate.clone(), key.clone()],
            _ => {
                let address = self.node.address();
                let own = ServingCertificate::prepare(directory.clone(), &self.node.name(), address)?;
                let files = own.files();
                let changed = Arc::clone(&changed);
                let client = ApiClient::named(client.clone(), "strongroom-node");
                tokio::spawn(own.keep(client, move || changed.notify_one()));
                files
            }
        };
        let client_ca = match &self.client_ca_file {
            Some(file) => file.clone(),
            None => {
                let file = directory.join("client-ca.crt");
                let pem: String = authorities.iter().map(|der| pki::pem(der)).collect();
                private_directory(&directory)
                    .and_then(|()| write_private(&file, pem.as_bytes()))
                    .with_context(|| format!("{} cannot be written", file.display()))?;
                file
            }
        };
        let mut tls = Reloading::load([certificate, key, client_ca], server::node_server_config)?;
        let current = tls.current();
        tokio::spawn(async move {
            loop {
                let _ = tokio::time::timeout(ROUND, changed.notified()).await;
                match tls.reload() {
                    Ok(true) => tracing::info!("new connections use the new certificates"),
                    Ok(false) => {}
                    Err(error) => tracing::warn!("certificates stay as they were: {error:#}"),
                }
            }
        });
        let listener = address::listen_for_node(self.address, self.port)?;
        Ok(Port {
            listener: TcpListener::from_std(listener)?,
            tls: current,
        })
    }
}
