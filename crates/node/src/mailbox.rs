//! What happened to a pod since it was last looked at.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use strongroom_node_plan::objects::Kind;
use tokio::sync::Notify;

/// Wakes the tasks of one pod: the one that keeps its volumes, and the one that runs its containers.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    changed: Mutex<BTreeSet<(Kind, String)>>,
    volumes: Notify,
    containers: Notify,
}

impl Mailbox {
    /// An object that the pod names is another one now, or gone.
    pub fn object_changed(&self, kind: Kind, name: &str) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.insert((kind, name.to_owned()));
        drop(changed);
        self.volumes.notify_one();
        self.containers.notify_one();
    }

    /// The pod's containers are to be looked at.
    pub fn look_at_containers(&self) {
        self.containers.notify_one();
    }

    /// Waits until there is something for the volumes.
    pub async fn for_volumes(&self) {
        self.volumes.notified().await;
    }

    /// Waits until there is something for the containers.
    pub async fn for_containers(&self) {
        self.containers.notified().await;
    }

    /// The objects that changed since this was last asked.
    pub fn take_changed(&self) -> BTreeSet<(Kind, String)> {
        std::mem::take(&mut self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
