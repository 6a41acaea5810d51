//! The API server: what it is made of, and how it starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use strongroom_access::Identity;
use strongroom_storage::Sealed;
use tokio_util::task::TaskTracker;

use crate::authentication::{Authentication, TokenCache, new_cache};
use crate::authorization::{self, Authorization};
use crate::bootstrap::{self, StartError};
use crate::connect::NodeTls;
use crate::documents::Documents;
use crate::frames::RecentFrames;
use crate::limits::{Limits, Seats};
use crate::metrics::Metrics;
use crate::namespaces::NamespacePhases;
use crate::trail::Auditing;

/// What an API server needs to know.
pub struct Config {
    /// Where everything is kept.
    pub store: Sealed,
    /// How callers may prove who they are.
    pub authentication: Authentication,
    /// What is recorded of requests; `None` records nothing, for tests alone.
    pub auditing: Option<Auditing>,
    /// How nodes are spoken to; without it logs, commands and ports of pods cannot be reached.
    pub nodes: Option<Arc<ArcSwap<NodeTls>>>,
    /// How much of everything is taken on at once.
    pub limits: Limits,
    /// Address that clients are told, `host:port`.
    pub advertise_address: String,
    /// Watches without `timeoutSeconds` last between this and twice this.
    pub min_request_timeout: Duration,
}

/// The API server; cloning is cheap and shares everything.
#[derive(Clone)]
pub struct ApiServer(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub store: Sealed,
    pub authentication: Authentication,
    pub authorization: Authorization,
    pub auditing: Option<Auditing>,
    /// Records of answers that have ended, on their way to the log.
    pub endings: TaskTracker,
    pub nodes: Option<Arc<ArcSwap<NodeTls>>>,
    pub tokens: TokenCache,
    pub anonymous: Arc<Identity>,
    pub limits: Limits,
    pub seats: Seats,
    pub metrics: Metrics,
    pub documents: Documents,
    pub namespaces: NamespacePhases,
    pub frames: RecentFrames,
    pub min_request_timeout: Duration,
    stopping: AtomicBool,
}

impl ApiServer {
    /// Prepares the store (system namespaces, the service `default/kubernetes`) and returns a server that is ready.
    ///
    /// # Errors
    /// [`StartError`] if the store cannot be read or written.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let server = Self(Arc::new(Inner {
            seats: Seats::new(&config.limits),
            metrics: Metrics::new(),
            documents: Documents::new(config.advertise_address.clone()),
            namespaces: NamespacePhases::default(),
            frames: RecentFrames::default(),
            store: config.store,
            authentication: config.authentication,
            authorization: Authorization::default(),
            auditing: config.auditing,
            endings: TaskTracker::new(),
            nodes: config.nodes,
            tokens: new_cache(),
            anonymous: Arc::new(Identity::anonymous()),
            limits: config.limits,
            min_request_timeout: config.min_request_timeout,
            stopping: AtomicBool::new(false),
        }));
        bootstrap::ensure_system_objects(&server, &config.advertise_address).await?;
        authorization::keep_up_to_date(&server)
            .await
            .map_err(|status| StartError::Policy(status.message))?;
        Ok(server)
    }

    /// Tells load balancers through `/readyz` that the server is about to stop; it goes on answering.
    pub fn announce_stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// Lets what was asked for by clients that are gone come to its end, for at most `limit`.
    pub async fn finish(&self, limit: Duration) {
        self.0.endings.close();
        if tokio::time::timeout(limit, self.0.endings.wait()).await.is_err() {
            tracing::warn!(
                left = self.0.endings.len(),
                "requests are cut off by the server's end"
            );
        }
    }

    /// Writes and sends what was recorded and still waits, each for at most `limit`. To be called once requests have
    /// ended.
    pub async fn close(&self, limit: Duration) {
        self.finish(limit).await;
        let Some(auditing) = &self.0.auditing else { return };
        if let Some(webhook) = &auditing.webhook {
            webhook.close(limit).await;
        }
        let server = self.clone();
        let flush = move || server.0.auditing.as_ref().map(|auditing| auditing.log.flush());
        let flushed = tokio::time::timeout(limit, tokio::task::spawn_blocking(flush)).await;
        if !matches!(flushed, Ok(Ok(Some(Ok(()))))) {
            tracing::warn!("the last audit records may not have reached the disk");
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    /// Whether the store takes writes; what `/readyz` says.
    pub fn is_ready(&self) -> bool {
        crate::health::storage_problem(self).is_none()
    }
}
