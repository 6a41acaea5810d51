//! The default roles and bindings, made or mended at every start (auth §5.4).

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::json;
use strongroom_access::defaults::{Change, objects, reconcile};
use strongroom_access::group;
use strongroom_objects::{Map, Object, Status, Value};
use strongroom_resources::{Resource, Tracking, find};
use strongroom_storage::Transaction;

use super::StartError;
use crate::audit_head;
use crate::get::{read, store_error};
use crate::routes::Target;
use crate::server::ApiServer;
use crate::write::{Desired, Missing, New, Writer, create_object, replace};

/// Objects that are looked at together: those that are written share their syncs.
const TOGETHER: usize = 64;

/// Makes what is missing and adds what was taken away from what must be.
pub(super) async fn ensure(server: &ApiServer) -> Result<(), StartError> {
    let wanted = objects().into_iter().chain(own());
    stream::iter(wanted)
        .map(|wanted| async move {
            let name = format!("{} {}", wanted.kind, wanted.metadata.name);
            ensure_one(server, wanted)
                .await
                .map_err(|status| StartError::SystemObject {
                    name,
                    message: status.message,
                })
        })
        .buffer_unordered(TOGETHER)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

/// What Strongroom has beyond Kubernetes: anyone may fetch the signed head of the audit log.
fn own() -> Vec<Object> {
    let name = "strongroom:audit-head";
    let of = |kind: &str, body: Value| {
        let mut object = Object::from_value(match body {
            Value::Object(body) => body,
            _ => Map::new(),
        })
        .unwrap_or_default();
        object.api_version = "rbac.authorization.k8s.io/v1".to_owned();
        kind.clone_into(&mut object.kind);
        name.clone_into(&mut object.metadata.name);
        let labels = &mut object.metadata.labels;
        labels.insert(
            "kubernetes.io/bootstrapping".to_owned(),
            "rbac-defaults".to_owned(),
        );
        let annotations = &mut object.metadata.annotations;
        annotations.insert(
            "rbac.authorization.kubernetes.io/autoupdate".to_owned(),
            "true".to_owned(),
        );
        object
    };
    let group_subject =
        |group: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group});
    vec![
        of(
            "ClusterRole",
            json!({"rules": [{"nonResourceURLs": [audit_head::PATH], "verbs": ["get"]}]}),
        ),
        of(
            "ClusterRoleBinding",
            json!({
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
                "subjects": [group_subject(group::AUTHENTICATED), group_subject(group::UNAUTHENTICATED)],
            }),
        ),
    ]
}

async fn ensure_one(server: &ApiServer, wanted: Object) -> Result<(), Box<Status>> {
    let target = target(&wanted)?;
    match reconcile(live(server, &target).await?.as_ref(), &wanted) {
        None => Ok(()),
        Some(Change::Create(object)) => create(server, &target, object).await,
        Some(Change::Update(_)) => {
            let desire = |live: Option<&Object>| {
                let object = match reconcile(live, &wanted) {
                    Some(Change::Update(object)) => object,
                    _ => live.unwrap_or(&wanted).clone(),
                };
                Ok(Desired {
                    object,
                    tracking: Tracking::Update,
                    warnings: Vec::new(),
                })
            };
            let writer = Writer::server("strongroom");
            replace(server, &target, &writer, Missing::Create, desire).await?;
            Ok(())
        }
        Some(Change::Replace(object)) => {
            let store = server.0.store.store();
            let key = bytes::Bytes::from(target.key());
            if let Some(record) = store.get(&key).await.map_err(|error| store_error(&error))? {
                let removal = Transaction::remove(key, record.modified);
                store.commit(removal).await.map_err(|error| store_error(&error))?;
            }
            create(server, &target, object).await
        }
    }
}

async fn create(server: &ApiServer, target: &Target, object: Object) -> Result<(), Box<Status>> {
    let new = New {
        object,
        tracking: Tracking::Update,
    };
    match create_object(server, target, new, Writer::server("strongroom")).await {
        Ok(_) => Ok(()),
        Err(status) if status.code == 409 => Ok(()),
        Err(status) => Err(status),
    }
}

fn target(object: &Object) -> Result<Target, Box<Status>> {
    let resource =
        resource_of(&object.kind).ok_or_else(|| Box::new(Status::internal("no such kind of policy")))?;
    Ok(Target {
        resource,
        namespace: object.metadata.namespace.clone(),
        name: object.metadata.name.clone(),
        subresource: String::new(),
    })
}

fn resource_of(kind: &str) -> Option<&'static Resource> {
    let plural = format!("{}s", kind.to_ascii_lowercase());
    find("rbac.authorization.k8s.io", "v1", &plural)
}

async fn live(server: &ApiServer, target: &Target) -> Result<Option<Object>, Box<Status>> {
    match read(server, target).await {
        Ok(stored) => stored.object(target.resource).map(Some),
        Err(status) if status.code == 404 => Ok(None),
        Err(status) => Err(status),
    }
}
