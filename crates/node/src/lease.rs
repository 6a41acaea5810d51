//! The node's lease: while it is renewed, the node is alive (pods-and-kubelet §10).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use strongroom_objects::time;

use crate::server::{Server, ServerError};

const RENEWAL: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(1);
const DURATION_SECONDS: u32 = 40;
const COLLECTION: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/// Renews the lease for ever.
pub(crate) async fn keep(server: Server, node: String) {
    loop {
        let pause = match renew(&server, &node).await {
            Ok(()) => RENEWAL,
            Err(error) => {
                tracing::debug!(%error, "the lease is not renewed");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn renew(server: &Server, node: &str) -> Result<(), ServerError> {
    let path = format!("{COLLECTION}/{node}");
    let existing = match server.get::<Value>(&path).await {
        Ok(lease) => Some(lease),
        Err(error) if error.code() == Some(404) => None,
        Err(error) => return Err(error),
    };
    let now = time::micros(Timestamp::now());
    match existing {
        Some(mut lease) => {
            lease["spec"]["holderIdentity"] = json!(node);
            lease["spec"]["leaseDurationSeconds"] = json!(DURATION_SECONDS);
            lease["spec"]["renewTime"] = json!(now);
            server.replace(&path, &lease).await
        }
        None => {
            let owner = server.get::<Value>(&format!("/api/v1/nodes/{node}")).await?;
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": node,
                    "namespace": "kube-node-lease",
                    "ownerReferences": [{
                        "apiVersion": "v1",
                        "kind": "Node",
                        "name": node,
                        "uid": owner["metadata"]["uid"],
                    }],
                },
                "spec": {
                    "holderIdentity": node,
                    "leaseDurationSeconds": DURATION_SECONDS,
                    "renewTime": now,
                },
            });
            server.create(COLLECTION, &lease).await
        }
    }
}
