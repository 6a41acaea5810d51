//! May something new be created in a namespace? (api-conventions §9, NamespaceLifecycle)

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use strongroom_objects::{Status, StatusCause};
use strongroom_resources::{NAMESPACES, NamespacePhase, namespace_phase};
use strongroom_storage::{Condition, Revision};

use crate::get::store_error;
use crate::server::ApiServer;
use crate::stored::Stored;

/// Phases that have been read, with the revision they were read at. What is remembered is never trusted alone: the
/// commit is made on the condition that the namespace has not changed since, so a stale entry costs one more try.
#[derive(Default)]
pub struct NamespacePhases(Mutex<HashMap<String, (Revision, NamespacePhase)>>);

impl NamespacePhases {
    /// Forgets what is known of a namespace, after a commit showed that it is out of date.
    pub fn forget(&self, namespace: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(namespace);
    }

    fn known(&self, namespace: &str) -> Option<(Revision, NamespacePhase)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(namespace)
            .copied()
    }

    fn remember(&self, namespace: &str, revision: Revision, phase: NamespacePhase) {
        const MOST: usize = 10_000;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(namespace.to_owned(), (revision, phase));
    }
}

/// Checks that `namespace` takes new content and returns the condition under which that stays true.
///
/// # Errors
/// 404 when it does not exist, 403 when it is being deleted.
pub(crate) async fn admit(
    server: &ApiServer,
    namespace: &str,
    group: &str,
    plural: &str,
    name: &str,
) -> Result<Condition, Box<Status>> {
    let (revision, phase) = match server.0.namespaces.known(namespace) {
        Some(known) => known,
        None => read(server, namespace).await?,
    };
    if phase == NamespacePhase::Terminating {
        server.0.namespaces.forget(namespace);
        let reason =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let status = Status::forbidden(group, plural, name, &reason);
        let message = format!("namespace {namespace} is being terminated");
        let cause = StatusCause::new("NamespaceTerminating", &message, "metadata.namespace");
        let status = status.with_causes(vec![cause]);
        return Err(Box::new(status));
    }
    Ok(Condition {
        key: key(namespace),
        modified: revision,
    })
}

/// Storage key of a namespace.
pub(crate) fn key(namespace: &str) -> Bytes {
    NAMESPACES.key("", namespace).into()
}

async fn read(server: &ApiServer, namespace: &str) -> Result<(Revision, NamespacePhase), Box<Status>> {
    let store = &server.0.store;
    let record = store
        .store()
        .get(&key(namespace))
        .await
        .map_err(|error| store_error(&error))?;
    let record = record.ok_or_else(|| Box::new(Status::not_found("", "namespaces", namespace)))?;
    let phase = namespace_phase(&Stored::open(store, &record)?.object(&NAMESPACES)?);
    server.0.namespaces.remember(namespace, record.modified, phase);
    Ok((record.modified, phase))
}
