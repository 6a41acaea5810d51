//! The services of the cluster, for the variables that tell pods where they are (pods-and-kubelet §4.2).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use strongroom_client::list_watch::{Change, Collection, list_watch};
use strongroom_client::request::Form;

use crate::server::Server;

/// What is known of services.
pub(crate) struct Services {
    known: Mutex<Option<BTreeMap<(String, String), Arc<Service>>>>,
    api_server: Option<Arc<Service>>,
}

impl Services {
    /// `api_server` is where pods reach the server, in place of the address of service `default/kubernetes`: nothing
    /// leads from a service's address to a server here.
    pub fn new(api_server: Option<&(String, u16)>) -> Arc<Services> {
        Arc::new(Services {
            known: Mutex::new(None),
            api_server: api_server.map(|(host, port)| Arc::new(kubernetes(host, *port))),
        })
    }

    /// All services; `None` before they were read once.
    pub fn all(&self) -> Option<Vec<Arc<Service>>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_replaced = |service: &Arc<Service>| {
            self.api_server.is_some()
                && service.metadata.name.as_deref() == Some("kubernetes")
                && service.metadata.namespace.as_deref() == Some("default")
        };
        let all = known.as_ref()?.values();
        let all = all.filter(|service| !is_replaced(service)).cloned();
        Some(all.chain(self.api_server.clone()).collect())
    }

    /// Follows the server's services for ever; `told` is called when they are known for the first time. A server that
    /// has no such resource has no services.
    pub async fn follow(self: Arc<Self>, server: Server, told: impl FnOnce()) {
        let mut told = Some(told);
        loop {
            match server.get::<Value>("/api/v1/services?limit=1").await {
                Ok(_) => break,
                Err(error) if error.code() == Some(404) => {
                    *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(BTreeMap::new());
                    if let Some(told) = told.take() {
                        told();
                    }
                    return;
                }
                Err(error) => {
                    tracing::debug!(%error, "services cannot be read");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        }
        let collection = Collection {
            path: "/api/v1/services".to_owned(),
            field_selector: None,
            form: Form::Object,
            rest_factor: 0,
        };
        let mut changes = list_watch::<Service>(server.api(), collection);
        let mut listing = BTreeMap::new();
        let mut is_listing = false;
        while let Some(change) = changes.next().await {
            match change {
                Change::Listing => {
                    listing.clear();
                    is_listing = true;
                }
                Change::Listed => {
                    is_listing = false;
                    *self.known.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(std::mem::take(&mut listing));
                    if let Some(told) = told.take() {
                        told();
                    }
                }
                Change::Applied(service) if is_listing => {
                    listing.insert(key(&service), Arc::new(service));
                }
                Change::Applied(service) => self.change(|known| {
                    known.insert(key(&service), Arc::new(service));
                }),
                Change::Deleted(service) => self.change(|known| {
                    known.remove(&key(&service));
                }),
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<(String, String), Arc<Service>>)) {
        if let Some(known) = &mut *self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            change(known);
        }
    }
}

fn key(service: &Service) -> (String, String) {
    let metadata = &service.metadata;
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

fn kubernetes(host: &str, port: u16) -> Service {
    Service {
        metadata: ObjectMeta {
            name: Some("kubernetes".to_owned()),
            namespace: Some("default".to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            cluster_ip: Some(host.to_owned()),
            ports: Some(vec![ServicePort {
                name: Some("https".to_owned()),
                port: i32::from(port),
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
