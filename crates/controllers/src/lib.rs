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
//! | `garbage` | owner references, foreground and orphan deletion | `garbage::decide` over `garbage::graph` |
//! | `event_expiry` | deletes events an hour after their last write | `event_expiry::expiry` |
//!
//! Deciding is pure (data and `now` in, actions out); acting is a handful of requests.
//! `list_watch` turns a collection into a stream of changes that never ends and never fails,
//! `work_queue` remembers what is to be done and when, `request` makes one call.

mod discovery;
mod event_expiry;
mod garbage;
mod list_watch;
mod namespace_defaults;
mod namespaces;
mod object;
mod request;
mod work_queue;
mod workers;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::request::ApiClient;

/// What the controllers need to know besides what the API tells them.
#[derive(Debug, Clone)]
pub struct Config {
    /// Certificates (PEM) that a client in a workload needs to trust the API server; published in
    /// every namespace as config map `kube-root-ca.crt`.
    pub root_ca_pem: String,
    /// How long an event is kept after its last write. Kubernetes' default is one hour.
    pub event_ttl: Duration,
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
