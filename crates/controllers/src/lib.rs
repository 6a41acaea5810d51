//! What happens by itself: namespaces are emptied when they are deleted and furnished when they
//! are made, objects whose owners are gone are collected, events expire.
//!
//! Every controller is an ordinary Kubernetes client. It is handed a [`kube::Client`]: inside the
//! server that client speaks to the API server's own service without a socket, on another machine
//! it speaks HTTPS, and the controller cannot tell the difference. There is no private way in, so
//! whatever a controller does is authorized, validated and audited like anybody's request.
//!
//! | module | what it does | decides in |
//! |---|---|---|
//! | `namespaces` | empties a Terminating namespace, then finalizes it | `namespaces::conditions`, `namespaces::decide` |
//! | `namespace_defaults` | service account `default`, config map `kube-root-ca.crt` | `namespace_defaults::decide` |
//! | `service_account_tokens` | fills, repairs and removes Secrets with tokens of service accounts | `service_account_tokens::decide` |
//! | `bootstrap_signer` | signs config map `cluster-info` with the bootstrap tokens | `bootstrap_signer::decide` |
//! | `token_cleaner` | deletes bootstrap tokens when they expire | `token_cleaner::decide` |
//! | `certificates` | approves, signs and removes certificate signing requests | `certificates::decide` |
//! | `legacy_token_cleaner` | invalidates, then deletes automatic service account tokens that nobody uses | `legacy_token_cleaner::decide` |
//! | `role_aggregation` | gives aggregating ClusterRoles their rules | `role_aggregation::decide` |
//! | `garbage` | owner references, foreground and orphan deletion | `garbage::decide` over `garbage::graph` |
//! | `scheduler` | gives pods that wait a node, or tells why none will do | `scheduler::decide` |
//! | `node_lifecycle` | marks and taints silent nodes, evicts what does not tolerate that | `node_lifecycle::state` over `health`, `taints`, `eviction` |
//! | `pod_garbage` | removes pods that nobody will ever end | `pod_garbage::State::decide` |
//! | `event_expiry` | deletes events an hour after their last write | `event_expiry::expiry` |
//!
//! Deciding is pure (data and `now` in, actions out); acting is a handful of requests.
//! Crate `client`: `list_watch` turns a collection into a stream of changes that never ends and never fails,
//! `request` makes one call. `work_queue` remembers what is
//! to be done and when.

mod bootstrap_signer;
mod bootstrap_token;
mod certificates;
mod discovery;
mod event;
mod event_expiry;
mod garbage;
mod legacy_token_cleaner;
mod namespace_defaults;
mod namespaces;
mod node_lifecycle;
mod pod_garbage;
mod role_aggregation;
mod scheduler;
mod service_account_tokens;
mod taints;
mod token_cleaner;
mod work_queue;
mod workers;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use strongroom_client::{list_watch, object, request};

use crate::request::ApiClient;

pub use crate::certificates::{CertificateAuthority, IssueError};
pub use crate::service_account_tokens::{LegacyToken, LegacyTokenSigner};

/// What the controllers need to know besides what the API tells them.
#[derive(Clone)]
pub struct Config {
    /// Certificates (PEM) that a client in a workload needs to trust the API server; published in
    /// every namespace as config map `kube-root-ca.crt`.
    pub root_ca_pem: String,
    /// How long an event is kept after its last write. Kubernetes' default is one hour.
    pub event_ttl: Duration,
    /// Signs the tokens of Secrets of type `kubernetes.io/service-account-token`. Without it such
    /// Secrets are neither filled nor removed.
    pub legacy_tokens: Option<LegacyTokenSigner>,
    /// Signs certificates for the signers of Kubernetes. Without it their requests stay unsigned.
    pub certificate_authority: Option<CertificateAuthority>,
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("root_ca_pem", &self.root_ca_pem)
            .field("event_ttl", &self.event_ttl)
            .field("legacy_tokens", &self.legacy_tokens.is_some())
            .field("certificate_authority", &self.certificate_authority.is_some())
            .finish()
    }
}

/// How long a controller that panicked stays down before it is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs every controller until `shutdown` is cancelled.
///
/// Call it when the API server is ready: the controllers begin with lists, and the garbage
/// collector's lists cover everything that is stored (slowly, on purpose).
pub async fn run(client: kube::Client, config: Config, shutdown: CancellationToken) {
    let api = ApiClient::new(client);
    let config = Arc::new(config);
    let mut controllers = JoinSet::new();
    {
        let api = api.clone();
        controllers.spawn(keep_running("namespaces", move || namespaces::run(api.clone())));
    }
    {
        let (api, config) = (api.clone(), config.clone());
        controllers.spawn(keep_running("namespace-defaults", move || {
            namespace_defaults::run(api.clone(), config.root_ca_pem.clone())
        }));
    }
    {
        let (api, config) = (api.clone(), config.clone());
        controllers.spawn(keep_running("event-expiry", move || {
            event_expiry::run(api.clone(), config.event_ttl)
        }));
    }
    if let Some(sign) = config.legacy_tokens.clone() {
        let (api, config) = (api.clone(), config.clone());
        controllers.spawn(keep_running("service-account-tokens", move || {
            service_account_tokens::run(api.clone(), config.root_ca_pem.clone(), sign.clone())
        }));
    }
    {
        let api = api.clone();
        controllers.spawn(keep_running("bootstrap-signer", move || {
            bootstrap_signer::run(api.clone())
        }));
    }
    {
        let api = api.clone();
        controllers.spawn(keep_running("token-cleaner", move || {
            token_cleaner::run(api.clone())
        }));
    }
    {
        let (api, config) = (api.clone(), config.clone());
        controllers.spawn(keep_running("certificates", move || {
            certificates::run(api.clone(), config.certificate_authority.clone())
        }));
    }
    {
        let api = api.clone();
        controllers.spawn(keep_running("legacy-token-cleaner", move || {
            legacy_token_cleaner::run(api.clone())
        }));
    }
    {
        let api = api.clone();
        controllers.spawn(keep_running("role-aggregation", move || {
            role_aggregation::run(api.clone())
        }));
    }
    {
        let api = api.clone();
        controllers.spawn(keep_running("scheduler", move || scheduler::run(api.clone())));
    }
    {
        let api = api.clone();
        controllers.spawn(keep_running("node-lifecycle", move || {
            node_lifecycle::run(api.clone())
        }));
    }
    {
        let api = api.clone();
        controllers.spawn(keep_running("pod-garbage", move || pod_garbage::run(api.clone())));
    }
    controllers.spawn(keep_running("garbage", move || garbage::run(api.clone())));
    shutdown.cancelled().await;
    controllers.shutdown().await;
}

/// Runs a controller for ever: one that panics is started again from its lists, which is all the
/// state it has.
async fn keep_running<F>(name: &'static str, start: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let mut controller = JoinSet::new();
        controller.spawn(start());
        // The error would print what the panic said, which may be a value.
        if let Some(Err(_)) = controller.join_next().await {
            tracing::error!(controller = name, "controller failed, starting it again");
        }
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}
