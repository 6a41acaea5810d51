//! What the store says today of the objects that a token refers to.

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
#[derive(Debug, Default, Clone)]
pub struct Looked(Vec<(Bytes, Revision)>);

impl Looked {
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
            self.0.push((key, 0));
            return Ok(None);
        };
        self.0.push((key, record.modified));
        Stored::open(&server.0.store, &record)?.object(resource).map(Some)
    }

    /// Whether every object is still in the version that was looked at.
    pub async fn is_unchanged(&self, server: &ApiServer) -> bool {
        for (key, modified) in &self.0 {
            let now = match server.0.store.store().get(key).await {
                Ok(record) => record.map_or(0, |record| record.modified),
                Err(_) => return false,
            };
            if now != *modified {
                return false;
            }
        }
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
