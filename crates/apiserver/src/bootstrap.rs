//! Objects that exist from the first start on: the system namespaces and the service `default/kubernetes`.

use serde_json::json;
use strongroom_objects::{Object, Status};
use strongroom_resources::{NAMESPACES, Resource, SYSTEM_NAMESPACES, Tracking, find};

use strongroom_storage::StoreError;

use crate::routes::Target;
use crate::server::ApiServer;
use crate::write::{New, Writer, create_object};

mod policy;

/// First address of kube-apiserver's default service range. Nothing routes it; clients look at its family.
const SERVICE_ADDRESS: &str = "10.0.0.1";

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store could not be read or written.
    #[error("the system object {name} could not be created: {message}")]
    SystemObject {
        /// Which one.
        name: String,
        /// What the server would have answered.
        message: String,
    },
    /// The stored policy could not be read.
    #[error("the roles and bindings could not be read: {0}")]
    Policy(String),
}

/// Creates what is missing.
pub(crate) async fn ensure_system_objects(server: &ApiServer, address: &str) -> Result<(), StartError> {
    for name in SYSTEM_NAMESPACES {
        ensure(server, &NAMESPACES, "", NAMESPACES.new_object(name)).await?;
    }
    policy::ensure(server).await?;
    let Some(services) = find("", "v1", "services") else {
        return Ok(());
    };
    let mut service = services.new_object("kubernetes");
    "default".clone_into(&mut service.metadata.namespace);
    let labels = [("component", "apiserver"), ("provider", "kubernetes")];
    service
        .metadata
        .labels
        .extend(labels.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let port = address
        .rsplit(':')
        .next()
        .and_then(|port| port.parse::<u16>().ok())
        .unwrap_or(6443);
    let spec = json!({
        "type": "ClusterIP",
        "clusterIP": SERVICE_ADDRESS,
        "clusterIPs": [SERVICE_ADDRESS],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}],
    });
    service.body.insert("spec".to_owned(), spec);
    ensure(server, services, "default", service).await
}

async fn ensure(
    server: &ApiServer,
    resource: &'static Resource,
    namespace: &str,
    object: Object,
) -> Result<(), StartError> {
    let name = object.metadata.name.clone();
    let target = Target {
        resource,
        namespace: namespace.to_owned(),
        name: name.clone(),
        subresource: String::new(),
    };
    let failed = |message: String| StartError::SystemObject {
        name: name.clone(),
        message,
    };
    match server.0.store.store().get(target.key().as_bytes()).await {
        Ok(Some(_)) => return Ok(()),
        Ok(None) => {}
        // A damaged object is refused for itself alone: the rest is served.
        Err(StoreError::Corrupt { .. }) => {
            tracing::error!(object = name, "a system object is damaged in the store");
            return Ok(());
        }
        Err(error) => return Err(failed(error.to_string())),
    }
    let new = New {
        object,
        tracking: Tracking::Update,
    };
    let created = create_object(server, &target, new, Writer::server("strongroom")).await;
    match created {
        Ok(_) => Ok(()),
        Err(status) if is_conflict(&status) => Ok(()),
        Err(status) => Err(failed(status.message)),
    }
}

fn is_conflict(status: &Status) -> bool {
    status.code == 409
}
