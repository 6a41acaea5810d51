//! The way of a start: from settings to a server that answers, and back.

mod auditing;
mod authentication;
mod certificates;
mod node;
mod reloading;
mod signing;
pub mod store;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Resource, getrlimit, setrlimit};
use strongroom_access::Identity;
use strongroom_apiserver::{ApiServer, Config, Limits};
use strongroom_hardening::Shortfall;
use strongroom_storage::{Compaction, compact_regularly};
use strongroom_tokens::service_account::legacy::{LegacyClaims, issue_legacy};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::certificates::Certificates;
pub use self::certificates::node_server_config;
pub use self::reloading::Reloading;
use self::store::OpenStore;
use crate::data_dir::DataDir;
use crate::settings::{Settings, StorageBackend};
use crate::{address, control, shutdown};

/// How long what still runs may take to end, once connections are closed.
const FAREWELL: Duration = Duration::from_secs(2);
/// As many seats as a semaphore has.
const UNLIMITED: usize = usize::MAX >> 3;

/// A server that answers.
pub struct Ready {
    /// Its URL for this machine.
    pub url: String,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Where state is.
    pub data_dir: PathBuf,
    /// What keeps objects.
    pub storage_backend: StorageBackend,
    /// Where the root key lives.
    pub root_key_place: String,
    /// What that protects against, and what not.
    pub root_key_protects: &'static str,
    /// The node that runs pods here, if there is one.
    pub node: Option<String>,
}

/// Logs which protections of the process the system refused.
pub fn report_shortfalls(shortfalls: &[Shortfall]) {
    for shortfall in shortfalls {
        tracing::warn!("this process is less protected than it could be: {shortfall}");
    }
}

/// Serves until a signal or a failure of the store. Calls `announce` once requests are answered.
///
/// # Errors
/// When the server cannot start, or its store failed.
pub fn run(settings: Settings, announce: impl FnOnce(&Ready) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(serve(settings, announce));
    runtime.shutdown_timeout(FAREWELL);
    outcome
}

async fn serve(
    settings: Settings,
    announce: impl FnOnce(&Ready) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    allow_many_connections();
    let data_dir = DataDir::at(settings.data_dir.as_deref())?;
    data_dir.create()?;
    let _lock = data_dir.lock()?;
    let listener = address::listen(settings.bind_address, settings.secure_port)?;
    let address = listener.local_addr()?;
    let mut certificates = Certificates::prepare(&data_dir, &settings, address)?;
    let node_port = node::listen(&settings, &mut certificates)?;
    let opened = store::open(&data_dir, &settings)?;
    let store = Arc::clone(opened.sealed.store());

    let shutdown = CancellationToken::new();
    let signing_key = authentication::signing_key(&settings.authentication, &data_dir)?;
    let certificate_authority = signing::authority(&settings, &data_dir)?;
    let server = ApiServer::start(config(&settings, &data_dir, &opened, &certificates, address)?).await?;
    let announced = server.clone();
    shutdown::on_signal(shutdown.clone(), settings.shutdown_delay_duration, move || {
        announced.announce_stop();
    })?;
    let ready = Ready {
        url: certificates.url().to_owned(),
        kubeconfig: data_dir.kubeconfig(),
        data_dir: data_dir.path().to_owned(),
        storage_backend: settings.storage_backend,
        root_key_place: opened.root_key_place,
        root_key_protects: opened.root_key_protects,
        node: (settings.node.container_runtime_endpoint.as_ref()).map(|_| settings.node.name()),
    };
    let tls = certificates.tls();
    let controllers = tokio::spawn(strongroom_controllers::run(
        kube::Client::new(server.service(Identity::api_server()), "default"),
        strongroom_controllers::Config {
            root_ca_pem: certificates.root_ca()?,
            event_ttl: settings.event_ttl,
            legacy_tokens: Some(Arc::new(move |token| {
                let claims = LegacyClaims {
                    namespace: token.namespace.clone(),
                    secret: token.secret.clone(),
                    service_account: token.service_account.clone(),
                    service_account_uid: token.service_account_uid.clone(),
                };
                issue_legacy(&signing_key, &claims)
            })),
            certificate_authority,
        },
        shutdown.clone(),
    ));
    let advertised = address::advertised(settings.advertise_address, settings.bind_address);
    let advertised = SocketAddr::new(advertised, address.port());
    let node = node::start(
        &settings,
        &data_dir,
        &server,
        node_port,
        advertised,
        shutdown.clone(),
    );
    tokio::spawn(certificates.maintain()?);
    if let Some(compaction) = compaction(&settings) {
        tokio::spawn(compact_regularly(Arc::clone(&store), compaction));
    }
    tokio::spawn(control::serve(&data_dir, Arc::clone(&store))?);
    let listener = TcpListener::from_std(listener)?;
    tracing::info!(url = ready.url, data_dir = %ready.data_dir.display(), "serving");
    announce(&ready)?;

    let outcome = tokio::select! {
        ended = server.serve(listener, tls, shutdown.clone()) => ended.context("The server stopped"),
        reason = store.failed() => Err(anyhow::anyhow!(
            "Storage failed: {reason}. Everything acknowledged so far is safe; see to the disk and start again"
        )),
    };
    shutdown.cancel();
    tracing::debug!("connections are closed");
    let _ = tokio::time::timeout(FAREWELL, controllers).await;
    tracing::debug!("controllers have ended");
    if let Some(node) = node {
        let _ = tokio::time::timeout(FAREWELL, node).await;
    }
    server.finish(FAREWELL).await;
    // Before the audit log: whatever still runs now fails, and that is recorded.
    let _ = tokio::time::timeout(FAREWELL, store.close()).await;
    tracing::debug!("the store is closed");
    server.close(FAREWELL).await;
    outcome
}

fn config(
    settings: &Settings,
    data_dir: &DataDir,
    opened: &OpenStore,
    certificates: &Certificates,
    address: SocketAddr,
) -> anyhow::Result<Config> {
    let advertised = address::advertised(settings.advertise_address, settings.bind_address);
    let advertised = SocketAddr::new(advertised, address.port());
    Ok(Config {
        store: opened.sealed.clone(),
        authentication: authentication::prepare(&settings.authentication, data_dir, advertised)?,
        auditing: Some(auditing::prepare(&settings.audit, data_dir)?),
        nodes: Some(certificates.node_tls()),
        limits: limits(settings),
        advertise_address: advertised.to_string(),
        min_request_timeout: Duration::from_secs(settings.min_request_timeout),
    })
}

fn compaction(settings: &Settings) -> Option<Compaction> {
    let interval = settings.etcd_compaction_interval;
    (!interval.is_zero()).then_some(Compaction {
        every: interval,
        keep: interval,
    })
}

fn limits(settings: &Settings) -> Limits {
    let unless_zero = |limit: usize| {
        if limit == 0 {
            UNLIMITED
        } else {
            limit.min(UNLIMITED)
        }
    };
    Limits {
        max_requests_inflight: unless_zero(settings.max_requests_inflight),
        max_mutating_requests_inflight: unless_zero(settings.max_mutating_requests_inflight),
        max_streams: settings.http2_max_streams_per_connection,
        request_timeout: settings.request_timeout,
        ..Limits::default()
    }
}

/// Many systems let a process open 1,024 files unless it asks for more.
fn allow_many_connections() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!("the number of connections stays limited to that of open files: {error}");
    }
}
