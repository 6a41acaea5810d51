//! The server's certificates and the administrator's kubeconfig, kept up to date while it runs.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use strongroom_apiserver::{NodeTls, Tls};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::reloading::{Contents, Reloading};
use crate::address;
use crate::data_dir::{DataDir, write_private};
use crate::kubeconfig_file::Kubeconfig;
use crate::pki::{ADMIN, Made, Names, Pki};
use crate::settings::Settings;
use crate::tls::{ReloadingTls, TlsFiles};

/// How often certificates are looked at: whether one is to be renewed, or its file has changed.
const ROUND: Duration = Duration::from_secs(60);
/// The CA is not renewed by itself; this long before its end, in seconds, the log begins to say so.
const CA_WARNING: i64 = 90 * 24 * 60 * 60;

/// The serving certificate of the node on this machine.
struct NodeServing {
    names: Names,
    tls: Reloading<ServerConfig>,
}

/// Certificates, wherever they come from.
pub struct Certificates {
    pki: Pki,
    names: Names,
    tls: ReloadingTls,
    node_tls: Reloading<NodeTls>,
    client_ca: PathBuf,
    node: Option<NodeServing>,
    root_ca: PathBuf,
    kubeconfig: PathBuf,
    url: String,
}

impl Certificates {
    /// Makes or renews Strongroom's own certificates, loads those the server uses, and writes the
    /// kubeconfig.
    ///
    /// # Errors
    /// When a file cannot be read or written, or certificate and key do not fit.
    pub fn prepare(
        data_dir: &DataDir,
        settings: &Settings,
        listening: SocketAddr,
    ) -> anyhow::Result<Certificates> {
        let pki = Pki::at(data_dir.pki());
        let names = names(settings);
        pki.ensure(&names, now())?;
        let given = settings.serving_files()?;
        let (certificate, key) = match given {
            Some((certificate, key)) => (certificate.to_owned(), key.to_owned()),
            None => (pki.file("apiserver.crt"), pki.file("apiserver.key")),
        };
        let own_ca = || pki.file("ca.crt");
        let trusted = given.map(|(certificate, _)| certificate.to_owned());
        let root_ca = settings.root_ca_file.clone().or(trusted).unwrap_or_else(own_ca);
        let client_ca = settings.client_ca_file.clone().unwrap_or_else(own_ca);
        let tls = ReloadingTls::load(TlsFiles {
            certificate,
            key,
            client_ca: client_ca.clone(),
            front_proxies: settings.authentication.front_proxies(),
        })?;
        let local = address::local(settings.advertise_address, settings.bind_address);
        let url = format!("https://{}", SocketAddr::new(local, listening.port()));
        let (certificate, key) = match settings.node_client.client_files()? {
            Some((certificate, key)) => (certificate.to_owned(), key.to_owned()),
            None => (
                pki.file("apiserver-kubelet-client.crt"),
                pki.file("apiserver-kubelet-client.key"),
            ),
        };
        let node_ca = settings.node_client.kubelet_certificate_authority.clone();
        let files = [certificate, key, node_ca.unwrap_or_else(own_ca)];
        let node_tls = Reloading::load(files, |[certificate, key, authority]| {
            Ok(NodeTls::new(certificate, key, authority)?)
        })?;
        let certificates = Certificates {
            names,
            tls,
            node_tls,
            client_ca,
            node: None,
            root_ca,
            kubeconfig: data_dir.kubeconfig(),
            url,
            pki,
        };
        certificates.write_kubeconfig()?;
        certificates.warn_of_expiry();
        Ok(certificates)
    }

    /// The server's URL for clients on this machine.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The TLS configuration for new connections.
    pub fn tls(&self) -> Arc<ArcSwap<Tls>> {
        self.tls.current()
    }

    /// How nodes are spoken to.
    pub fn node_tls(&self) -> Arc<ArcSwap<NodeTls>> {
        self.node_tls.current()
    }

    /// The TLS configuration for new connections to the node on this machine, whose certificate is issued and kept
    /// up to date from now on.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn serve_node(
        &mut self,
        name: &str,
        addresses: &[IpAddr],
    ) -> anyhow::Result<Arc<ArcSwap<ServerConfig>>> {
        let names = Names::of_node(name, addresses);
        self.pki.ensure_node(&names, now())?;
        let files = [
            self.pki.file("kubelet.crt"),
            self.pki.file("kubelet.key"),
            self.client_ca.clone(),
        ];
        let tls = Reloading::load(files, node_server_config)?;
        let current = tls.current();
        self.node = Some(NodeServing { names, tls });
        Ok(current)
    }

    /// What clients trust to recognise the server, PEM.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn root_ca(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(&self.root_ca)
            .with_context(|| format!("{} cannot be read", self.root_ca.display()))
    }

    /// Renews and reloads, every minute and on SIGHUP, until the task is dropped. What fails is logged and
    /// tried again; the last good certificates stay in use.
    ///
    /// # Errors
    /// When the system does not let signals be watched.
    pub fn maintain(mut self) -> std::io::Result<impl Future<Output = ()>> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(async move {
            loop {
                tokio::select! {
                    _ = rounds.tick() => {}
                    _ = hangup.recv() => tracing::info!("reading certificates again"),
                }
                // One may fail where the other can still do its part.
                for outcome in [self.renew(), self.reload(), self.write_kubeconfig()] {
                    if let Err(error) = outcome {
                        tracing::warn!("certificates stay as they were: {error:#}");
                    }
                }
            }
        })
    }

    fn renew(&self) -> anyhow::Result<()> {
        let made = self.pki.ensure(&self.names, now())?;
        let node = match &self.node {
            Some(node) => self.pki.ensure_node(&node.names, now())?,
            None => false,
        };
        if made != Made::default() || node {
            tracing::info!("Strongroom's own certificates are renewed");
            self.warn_of_expiry();
        }
        Ok(())
    }

    fn reload(&mut self) -> anyhow::Result<()> {
        if self.tls.reload()? {
            tracing::info!("new connections use the new certificates");
        }
        if self.node_tls.reload()? {
            tracing::info!("new connections to nodes use the new certificates");
        }
        if let Some(node) = &mut self.node
            && node.tls.reload()?
        {
            tracing::info!("new connections to this machine's node use the new certificates");
        }
        Ok(())
    }

    /// Writes only what is not there already, so that a restart leaves the file alone.
    fn write_kubeconfig(&self) -> anyhow::Result<()> {
        let admin = self.pki.admin()?;
        let text = Kubeconfig {
            server: &self.url,
            certificate_authority: &self.root_ca()?,
            user: ADMIN,
            certificate: &admin.certificate,
            key: &admin.key,
        }
        .text();
        if std::fs::read_to_string(&self.kubeconfig).is_ok_and(|existing| existing == text) {
            return Ok(());
        }
        write_private(&self.kubeconfig, text.as_bytes())
            .with_context(|| format!("{} cannot be written", self.kubeconfig.display()))
    }

    fn warn_of_expiry(&self) {
        match self.pki.end_of_authority() {
            Some(end) if end <= now() + CA_WARNING => tracing::warn!(
                "the CA in {} ends soon; move the pki directory away and start again for a new one, then give every \
                 client a new kubeconfig",
                self.pki.file("ca.crt").display()
            ),
            _ => {}
        }
    }
}

/// What a node's port needs of a certificate, its key and the CA of those who call.
pub fn node_server_config([certificate, key, client_ca]: &Contents) -> anyhow::Result<ServerConfig> {
    Ok(strongroom_node_server::tls_config(certificate, key, client_ca)?)
}

fn names(settings: &Settings) -> Names {
    let system = rustix::system::uname();
    let mut addresses = vec![
        settings.bind_address,
        address::advertised(settings.advertise_address, settings.bind_address),
        address::local(settings.advertise_address, settings.bind_address),
    ];
    // Pods of a node in this process call the server at the node's address.
    if settings.node.container_runtime_endpoint.is_some() {
        addresses.push(settings.node.address());
    }
    Names::of_server(&system.nodename().to_string_lossy(), &addresses)
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
