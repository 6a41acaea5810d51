//! A stored object, opened for the time of one request.

use strongroom_encryption::Opened;
use strongroom_objects::json::Limits;
use strongroom_objects::{Object, Status, Type, Value, json, protobuf, schema};
use strongroom_resources::Resource;
use strongroom_resources::selection::Selection;
use strongroom_storage::{Record, Revision, Sealed};

use crate::encode::metadata_only;

/// How much of an object is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Its metadata, as a `PartialObjectMetadata`.
    Metadata,
}

impl Extent {
    /// `(apiVersion, kind)` of what is shown.
    fn kind(self, resource: &Resource) -> (&'static str, &'static str) {
        match self {
            Self::Whole => (resource.storage.api_version, resource.storage.kind),
            Self::Metadata => ("meta.k8s.io/v1", "PartialObjectMetadata"),
        }
    }

    /// What is shown of a message.
    fn of(self, raw: &[u8]) -> Result<&[u8], Box<Status>> {
        match self {
            Self::Whole => Ok(raw),
            Self::Metadata => protobuf::only_metadata(raw).map_err(|error| broken(&error)),
        }
    }
}

fn partial_object_metadata() -> Result<&'static Type, Box<Status>> {
    schema()
        .kind("meta.k8s.io", "v1", "PartialObjectMetadata")
        .ok_or_else(|| broken(&"no schema for PartialObjectMetadata"))
}

/// The plaintext of a record and the revision that wrote it. Wiped when dropped.
#[derive(Debug)]
pub struct Stored {
    opened: Opened,
    modified: Revision,
}

impl Stored {
    /// What is about to be, or was just, stored.
    pub fn new(bytes: Vec<u8>, modified: Revision) -> Self {
        Self {
            opened: Opened {
                plaintext: bytes.into(),
                stale: false,
            },
            modified,
        }
    }

    /// Opens `record`; the error names the object's key and never its content.
    pub fn open(store: &Sealed, record: &Record) -> Result<Self, Box<Status>> {
        let opened = store.open(record).map_err(|error| {
            let key = String::from_utf8_lossy(&record.key);
            tracing::error!(%key, %error, "a stored object cannot be read");
            Box::new(Status::internal(&format!(
                "unable to read the stored object {key}: {error}"
            )))
        })?;
        Ok(Self {
            opened,
            modified: record.modified,
        })
    }

    /// The same object as of another revision: deletions show the last state at the deletion's revision.
    pub fn at(mut self, revision: Revision) -> Self {
        self.modified = revision;
        self
    }

    /// Bytes of the stored form.
    pub fn len(&self) -> usize {
        self.opened.plaintext.len()
    }

    /// Whether the object should be written again because its sealing is out of date.
    pub fn is_stale(&self) -> bool {
        self.opened.stale
    }

    fn raw(&self) -> Result<&[u8], Box<Status>> {
        protobuf::open_envelope(&self.opened.plaintext)
            .map(|envelope| envelope.raw)
            .map_err(|error| broken(&error))
    }

    fn is_json(&self) -> bool {
        self.opened.plaintext.first() == Some(&b'{')
    }

    /// The object in its served version.
    pub fn object(&self, resource: &Resource) -> Result<Object, Box<Status>> {
        self.decoded(resource, None)
    }

    /// Of the object as much as `selection` looks at: what is not looked at, values above all, stays unread.
    pub fn sketch(&self, resource: &Resource, selection: &Selection) -> Result<Object, Box<Status>> {
        let members = resource
            .strategy
            .stored_as_served()
            .then(|| selection.members(resource));
        self.decoded(resource, members.as_deref())
    }

    fn decoded(&self, resource: &Resource, members: Option<&[&str]>) -> Result<Object, Box<Status>> {
        let map = if self.is_json() {
            match json::parse(&self.opened.plaintext, &Limits::STORED)
                .map_err(|error| broken(&error))?
                .value
            {
                Value::Object(map) => map,
                _ => return Err(broken(&"not an object")),
            }
        } else {
            let ty = resource.stored_type();
            let some;
            let raw = match members {
                None => self.raw()?,
                Some(members) => {
                    some = protobuf::only_fields(ty, self.raw()?, members).map_err(|error| broken(&error))?;
                    &some
                }
            };
            let mut map = protobuf::decode(ty, raw, &Limits::STORED).map_err(|error| broken(&error))?;
            map.insert("apiVersion".to_owned(), resource.storage.api_version.into());
            map.insert("kind".to_owned(), resource.storage.kind.into());
            map
        };
        let mut object = Object::from_value(map).map_err(|error| broken(&error))?;
        object.metadata.resource_version = self.modified.to_string();
        Ok(resource.strategy.to_served(object))
    }

    /// The object as JSON text; only for resources that are stored as they are served.
    pub fn write_json(
        &self,
        resource: &Resource,
        extent: Extent,
        with_kind: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Status>> {
        if self.is_json() {
            let object = self.object(resource)?;
            let mut value = match extent {
                Extent::Whole => Value::Object(object.to_value()),
                Extent::Metadata => metadata_only(&object),
            };
            if let (Value::Object(value), false) = (&mut value, with_kind) {
                value.remove("kind");
                value.remove("apiVersion");
            }
            json::write(&value, out);
            return Ok(());
        }
        let ty = match extent {
            Extent::Whole => resource.stored_type(),
            Extent::Metadata => partial_object_metadata()?,
        };
        let raw = extent.of(self.raw()?)?;
        let kind = with_kind.then(|| extent.kind(resource));
        protobuf::transcode_json(ty, raw, kind, Some(self.modified), out).map_err(|error| broken(&error))
    }

    /// The object's bare protobuf message; only for resources that are stored as they are served.
    pub fn write_protobuf(
        &self,
        resource: &Resource,
        extent: Extent,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Status>> {
        if self.is_json() {
            let value = self.object(resource)?.to_value();
            let raw = protobuf::encode(resource.stored_type(), &value).map_err(|error| broken(&error))?;
            out.extend_from_slice(extent.of(&raw)?);
            return Ok(());
        }
        protobuf::set_resource_version(extent.of(self.raw()?)?, self.modified, out)
            .map_err(|error| broken(&error))
    }

    /// The object as protobuf with its envelope.
    pub fn protobuf(&self, resource: &Resource, extent: Extent) -> Result<Vec<u8>, Box<Status>> {
        let mut raw = Vec::with_capacity(self.len() + 32);
        self.write_protobuf(resource, extent, &mut raw)?;
        let mut out = Vec::with_capacity(raw.len() + 64);
        let (api_version, kind) = extent.kind(resource);
        protobuf::write_envelope(api_version, kind, &raw, &mut out);
        Ok(out)
    }
}

/// The bytes under which an object is stored: Kubernetes' envelope and message, without a resourceVersion.
pub fn to_stored_bytes(resource: &Resource, object: Object) -> Result<Vec<u8>, Box<Status>> {
    let mut object = resource.strategy.to_stored(object);
    object.metadata.resource_version.clear();
    let raw =
        protobuf::encode(resource.stored_type(), &object.into_value()).map_err(|error| broken(&error))?;
    let mut bytes = Vec::with_capacity(raw.len() + 32);
    protobuf::write_envelope(
        resource.storage.api_version,
        resource.storage.kind,
        &raw,
        &mut bytes,
    );
    Ok(bytes)
}

fn broken(error: &dyn std::fmt::Display) -> Box<Status> {
    Box::new(Status::internal(&error.to_string()))
}
