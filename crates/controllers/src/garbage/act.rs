//! Carrying out what was decided, one object at a time.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::discovery::Resource;
use crate::event::{self, Event, Severity, Subject};
use crate::garbage::decide::Propagation;
use crate::garbage::graph::{Existence, Key, OwnerKey};
use crate::list_watch::escape;
use crate::object::{Metadata, Object, OwnerReference};
use crate::request::{ApiClient, Form, Page, RequestError};
use crate::work_queue::Outcome;

/// An object to act on, with everything a request needs to know of it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub resource: Arc<Resource>,
    pub key: Key,
    pub uid: String,
    pub resource_version: String,
}

impl Target {
    fn path(&self) -> String {
        self.resource.object_path(&self.key.namespace, &self.key.name)
    }
}

/// Whether `owner` exists: the object of that name has that uid.
pub(super) async fn look_up(
    api: &ApiClient,
    resource: &Resource,
    owner: &OwnerKey,
) -> Result<Existence, RequestError> {
    match api
        .get::<Object>(
            &resource.object_path(&owner.namespace, &owner.name),
            Form::Metadata,
        )
        .await
    {
        Ok(found) if found.metadata.uid == owner.uid => Ok(Existence::Present),
        Ok(_) => Ok(Existence::Absent),
        Err(error) if error.is_not_found() => Ok(Existence::Absent),
        Err(error) => Err(error),
    }
}

/// Whether the owner exists in another namespace than its dependent's.
pub(super) async fn is_elsewhere(api: &ApiClient, resource: &Resource, owner: &OwnerKey) -> bool {
    let selector = escape(&format!("metadata.name={}", owner.name));
    let path = format!(
        "{}?limit=500&fieldSelector={selector}",
        resource.collection_path("")
    );
    let found: Result<Page<Object>, _> = api.list(&path, Form::Metadata).await;
    found.is_ok_and(|page| page.items.iter().any(|object| object.metadata.uid == owner.uid))
}

/// Deletes the object if it is still as it was when that was decided.
pub(super) async fn delete(
    api: &ApiClient,
    target: &Target,
    propagation: Propagation,
) -> Result<Outcome, RequestError> {
    let options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": match propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        },
        "preconditions": {"uid": target.uid, "resourceVersion": target.resource_version},
    });
    match api.delete(&target.path(), &options).await {
        Ok(()) => Ok(Outcome::Done),
        // Gone, or changed since: the watch tells, and then it is decided anew.
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(Outcome::Done),
        Err(error) => Err(error),
    }
}

/// Removes the references to the owners `uids`.
pub(super) async fn disown(
    api: &ApiClient,
    target: &Target,
    uids: &[String],
) -> Result<Outcome, RequestError> {
    edit(api, target, |metadata| {
        let left: Vec<_> = metadata
            .owner_references
            .iter()
            .filter(|owner| !uids.contains(&owner.uid))
            .collect();
        (left.len() < metadata.owner_references.len()).then(|| json!({"ownerReferences": left}))
    })
    .await
}

/// Lets every owner go without waiting for this object.
pub(super) async fn unblock(api: &ApiClient, target: &Target) -> Result<Outcome, RequestError> {
    edit(api, target, |metadata| {
        let blocks = |owner: &OwnerReference| owner.block_owner_deletion == Some(true);
        let unblocked = |owner: &OwnerReference| OwnerReference {
            block_owner_deletion: Some(false),
            ..owner.clone()
        };
        let all: Vec<_> = metadata.owner_references.iter().map(unblocked).collect();
        metadata
            .owner_references
            .iter()
            .any(blocks)
            .then(|| json!({"ownerReferences": all}))
    })
    .await
}

/// Removes a finalizer.
pub(super) async fn remove_finalizer(
    api: &ApiClient,
    target: &Target,
    finalizer: &str,
) -> Result<Outcome, RequestError> {
    edit(api, target, |metadata| {
        let left: Vec<_> = metadata
            .finalizers
            .iter()
            .filter(|name| *name != finalizer)
            .collect();
        (left.len() < metadata.finalizers.len()).then(|| json!({"finalizers": left}))
    })
    .await
}

/// Reads the object's metadata and merges into it what `change` makes of it, if anything. A merge
/// patch replaces lists whole, so it is bound to the version that was read.
async fn edit(
    api: &ApiClient,
    target: &Target,
    change: impl Fn(&Metadata) -> Option<Value>,
) -> Result<Outcome, RequestError> {
    let path = target.path();
    let object: Object = match api.get(&path, Form::Metadata).await {
        Err(error) if error.is_not_found() => return Ok(Outcome::Done),
        object => object?,
    };
    if object.metadata.uid != target.uid {
        return Ok(Outcome::Done);
    }
    let Some(mut metadata) = change(&object.metadata) else {
        return Ok(Outcome::Done);
    };
    metadata["uid"] = json!(object.metadata.uid);
    metadata["resourceVersion"] = json!(object.metadata.resource_version);
    match api.merge_patch(&path, &json!({"metadata": metadata})).await {
        Ok(()) => Ok(Outcome::Done),
        Err(error) if error.is_not_found() => Ok(Outcome::Done),
        Err(error) if error.is_conflict() => Ok(Outcome::Retry),
        Err(error) => Err(error),
    }
}

/// Tells the users of a dependent that an owner it names is not where it must be.
pub(super) async fn warn(api: &ApiClient, target: &Target, owner: &OwnerReference) {
    let key = &target.key;
    let OwnerReference {
        api_version,
        kind,
        name,
        uid,
        ..
    } = owner;
    let message = format!(
        "ownerRef [{api_version}/{kind}, namespace: {}, name: {name}, uid: {uid}] does not exist in namespace {:?}",
        key.namespace, key.namespace
    );
    let event = Event {
        subject: Subject {
            api_version: &target.resource.api_version(),
            kind: &target.resource.kind,
            namespace: &key.namespace,
            name: &key.name,
            uid: &target.uid,
        },
        severity: Severity::Warning,
        reason: "OwnerRefInvalidNamespace",
        message: &message,
        component: "garbage-collector-controller",
    };
    event::record(api, &event).await;
}
