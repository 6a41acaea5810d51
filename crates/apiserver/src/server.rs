//! The API server: what it is made of, and how it starts.

use std::sync::Arc;
use std::time::Duration;

use strongroom_access::Authorizer;
use strongroom_storage::Sealed;

use crate::bootstrap::{self, StartError};
use crate::documents::Documents;
use crate::frames::RecentFrames;
use crate::limits::{Limits, Seats};
use crate::metrics::Metrics;
use crate::namespaces::NamespacePhases;

/// What an API server needs to know.
pub struct Config {
    /// Where everything is kept.
    pub store: Sealed,
    /// Who may do what; asked for every request.
    pub authorizer: Arc<dyn Authorizer>,
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
    pub authorizer: Arc<dyn Authorizer>,
    pub limits: Limits,
    pub seats: Seats,
    pub metrics: Metrics,
    pub documents: Documents,
    pub namespaces: NamespacePhases,
    pub frames: RecentFrames,
    pub min_request_timeout: Duration,
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
            authorizer: config.authorizer,
            limits: config.limits,
            min_request_timeout: config.min_request_timeout,
        }));
        bootstrap::ensure_system_objects(&server, &config.advertise_address).await?;
        Ok(server)
    }

    /// Whether the store takes writes; what `/readyz` says.
    pub fn is_ready(&self) -> bool {
        crate::health::storage_problem(self).is_none()
    }
}
