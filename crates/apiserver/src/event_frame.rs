//! One watch event as bytes: a line of JSON, or a length-prefixed protobuf message (api-conventions §4.1, §11).

use bytes::Bytes;
use strongroom_objects::{Status, Value, json, protobuf};
use strongroom_resources::Resource;
use strongroom_resources::decode::Format;

use crate::encode::{bare_protobuf, write_field};
use crate::stored::{Extent, Stored};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// The object is new, or has begun to match.
    Added,
    /// The object has changed.
    Modified,
    /// The object is gone, or has ceased to match.
    Deleted,
    /// Nothing; everything up to a resourceVersion has been sent.
    Bookmark,
    /// The watch ends with a Status.
    Error,
}

impl EventType {
    fn text(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Bookmark => "BOOKMARK",
            Self::Error => "ERROR",
        }
    }
}

/// How events are encoded and delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// One JSON document on each line.
    Json,
    /// A four-byte big-endian length, then a `WatchEvent`.
    Protobuf,
}

impl Framing {
    /// The framing of a negotiated format; YAML has none and is refused earlier.
    pub fn new(format: Format) -> Self {
        if format == Format::Protobuf {
            Self::Protobuf
        } else {
            Self::Json
        }
    }

    /// An event about a stored object, without a tree in between.
    pub fn stored(
        self,
        event: EventType,
        stored: &Stored,
        resource: &Resource,
        extent: Extent,
    ) -> Result<Bytes, Box<Status>> {
        match self {
            Self::Json => {
                let mut out = Vec::with_capacity(stored.len() * 2 + 256);
                start_json(event, &mut out);
                stored.write_json(resource, extent, true, &mut out)?;
                out.extend_from_slice(b"}\n");
                Ok(out.into())
            }
            Self::Protobuf => Ok(protobuf_frame(event, &stored.protobuf(resource, extent)?)),
        }
    }

    /// An event about a value that carries its kind.
    pub fn value(self, event: EventType, value: &Value) -> Result<Bytes, Box<Status>> {
        match self {
            Self::Json => {
                let mut out = Vec::new();
                start_json(event, &mut out);
                json::write(value, &mut out);
                out.extend_from_slice(b"}\n");
                Ok(out.into())
            }
            Self::Protobuf => {
                let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
                let mut enveloped = Vec::new();
                let raw = bare_protobuf(value)?;
                protobuf::write_envelope(text("apiVersion"), text("kind"), &raw, &mut enveloped);
                Ok(protobuf_frame(event, &enveloped))
            }
        }
    }

    /// The event with which a watch ends.
    pub fn error(self, status: &Status) -> Bytes {
        self.value(EventType::Error, &Value::Object(status.to_value()))
            .unwrap_or_default()
    }
}

fn start_json(event: EventType, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":""#);
    out.extend_from_slice(event.text().as_bytes());
    out.extend_from_slice(br#"","object":"#);
}

fn protobuf_frame(event: EventType, object: &[u8]) -> Bytes {
    let mut extension = Vec::with_capacity(object.len() + 8);
    write_field(1, object, &mut extension);
    let mut message = Vec::with_capacity(extension.len() + 24);
    write_field(1, event.text().as_bytes(), &mut message);
    write_field(2, &extension, &mut message);
    let mut frame = Vec::with_capacity(message.len() + 4);
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(&message);
    frame.into()
}
