//! What the store says today of the objects that a token refers to.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use jiff::Timestamp;
use strongroom_objects::{Object, Status};
use strongroom_resources::{Resource, find};
use strongroom_storage::Revision;
use strongroom_tokens::service_account::LiveObject;

use crate::get::store_error;
use crate::server::ApiServer;
use crate::stored::Stored;

/// Objects looked at on behalf of one token, and in which version: as long as those are the same, so is the answer.
#[derive(Debug)]
pub struct Looked {
    objects: Vec<(Bytes, Revision)>,
    /// Up to this revision of the store they are known to be the same: while it is the newest, nothing has changed.
    through: AtomicU64,
}

impl Looked {
    /// Nothing looked at yet; whatever is, is looked at from now on.
    pub fn begin(server: &ApiServer) -> Self {
        Self {
            objects: Vec::new(),
            through: AtomicU64::new(server.0.store.store().revision()),
        }
    }

    /// The object, noted with its version; `None` when it is not there or its kind is not served.
    pub async fn at(
        &mut self,
        server: &ApiServer,
        plural: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, Box<Status>> {
        let Some(resource) = find("", "v1", plural) else {
            return Ok(None);
        };
        self.at_resource(server, resource, namespace, name).await
    }

    async fn at_resource(
        &mut self,
        server: &ApiServer,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, Box<Status>> {
        // Names come from a token: what cannot be a segment of a key names nothing.
        if name.is_empty() || name.contains('/') || namespace.contains('/') {
            return Ok(None);
        }
        let key = Bytes::from(resource.key(namespace, name));
        let record = server.0.store.store().get(&key).await;
        let record = record.map_err(|error| store_error(&error))?;
        let Some(record) = record else {
            self.objects.push((key, 0));
            return Ok(None);
        };
        self.objects.push((key, record.modified));
        Stored::open(&server.0.store, &record)?.object(resource).map(Some)
    }

    /// Whether every object is still in the version that was looked at.
    pub async fn is_unchanged(&self, server: &ApiServer) -> bool {
        let store = server.0.store.store();
        // Before the objects: a change that comes in between is then found the next time.
        let newest = store.revision();
        if newest == self.through.load(Relaxed) {
            return true;
        }
        for (key, modified) in &self.objects {
            let now = match store.get(key).await {
                Ok(record) => record.map_or(0, |record| record.modified),
                Err(_) => return false,
            };
            if now != *modified {
                return false;
            }
        }
        self.through.fetch_max(newest, Relaxed);
        true
    }
}

/// What matters of an object that a token refers to.
pub fn live(object: &Object) -> LiveObject {
    LiveObject {
        uid: object.metadata.uid.clone(),
        deletion: object.metadata.deletion_timestamp.as_deref().and_then(moment),
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    strongroom_objects::time::parse(text)
}
