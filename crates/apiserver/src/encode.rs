//! Objects in the form a client accepts: JSON, YAML or protobuf; whole, as a Table row, or their metadata only.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::json;
use strongroom_objects::yaml;
use strongroom_objects::{Map, Object, Status, Value, json as json_text, protobuf, schema};
use strongroom_resources::Resource;
use strongroom_resources::decode::Format;

use crate::negotiation::{Accepted, Transform};
use crate::stored::{Extent, Stored};

/// Which object each row of a Table carries (api-conventions §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IncludeObject {
    /// `PartialObjectMetadata`.
    #[default]
    Metadata,
    /// The object itself.
    Object,
    /// `null`.
    None,
}

impl IncludeObject {
    /// Reads the query parameter `includeObject`.
    pub fn parse(text: Option<&str>) -> Result<Self, Box<Status>> {
        match text.unwrap_or_default() {
            "" | "Metadata" => Ok(Self::Metadata),
            "Object" => Ok(Self::Object),
            "None" => Ok(Self::None),
            other => Err(Box::new(Status::bad_request(&format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', 'Object', 'None', or empty"
            )))),
        }
    }
}

/// The form in which one request's objects are written.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// The row of the table.
    pub resource: &'static Resource,
    /// What was negotiated.
    pub accepted: Accepted,
    /// What rows of a Table carry.
    pub include: IncludeObject,
    /// The moment, for ages.
    pub now: Timestamp,
}

/// `metadata` of a list.
#[derive(Debug, Clone, Default)]
pub struct ListMetadata {
    /// The revision that the list shows.
    pub resource_version: u64,
    /// Token of the next page; empty when there is none.
    pub continue_token: String,
    /// Objects that follow; `None` when unknown.
    pub remaining: Option<u64>,
}

impl ListMetadata {
    fn to_value(&self) -> Value {
        let mut metadata = Map::new();
        metadata.insert(
            "resourceVersion".to_owned(),
            self.resource_version.to_string().into(),
        );
        if !self.continue_token.is_empty() {
            metadata.insert("continue".to_owned(), self.continue_token.as_str().into());
        }
        if let Some(remaining) = self.remaining {
            metadata.insert("remainingItemCount".to_owned(), remaining.into());
        }
        Value::Object(metadata)
    }
}

/// The Content-Type of a format.
pub fn content_type(format: Format) -> &'static str {
    match format {
        Format::Json => "application/json",
        Format::Yaml => "application/yaml",
        Format::Protobuf => "application/vnd.kubernetes.protobuf",
    }
}

impl Form {
    /// What can be written straight from stored bytes, without a tree; `None` where a tree is needed.
    pub fn direct(&self) -> Option<Extent> {
        let extent = match self.accepted.transform {
            Transform::None => Extent::Whole,
            Transform::Metadata => Extent::Metadata,
            Transform::Table => return None,
        };
        self.resource.strategy.stored_as_served().then_some(extent)
    }

    /// One stored object as a whole answer.
    pub fn stored(&self, stored: &Stored) -> Result<Vec<u8>, Box<Status>> {
        if let (Some(extent), false) = (self.direct(), self.accepted.pretty) {
            match self.accepted.format {
                Format::Json => {
                    let mut out = Vec::with_capacity(stored.len() * 2 + 256);
                    stored.write_json(self.resource, extent, true, &mut out)?;
                    out.push(b'\n');
                    return Ok(out);
                }
                Format::Protobuf => return stored.protobuf(self.resource, extent),
                Format::Yaml => {}
            }
        }
        self.object(&stored.object(self.resource)?)
    }

    /// One object as a whole answer.
    pub fn object(&self, object: &Object) -> Result<Vec<u8>, Box<Status>> {
        let value = match self.accepted.transform {
            Transform::None => Value::Object(object.to_value()),
            Transform::Metadata => metadata_only(object),
            Transform::Table => {
                let metadata = json!({"resourceVersion": object.metadata.resource_version});
                self.table(metadata, vec![self.row(object)], true)
            }
        };
        encode(&value, self.accepted)
    }

    fn table(&self, metadata: Value, rows: Vec<Value>, with_columns: bool) -> Value {
        json!({
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": if with_columns { self.columns() } else { Value::Null },
            "rows": rows,
        })
    }

    fn columns(&self) -> Value {
        serde_json::to_value(self.resource.strategy.columns()).unwrap_or(Value::Null)
    }

    fn row(&self, object: &Object) -> Value {
        let carried = match self.include {
            IncludeObject::Metadata => metadata_only(object),
            IncludeObject::Object => Value::Object(object.to_value()),
            IncludeObject::None => Value::Null,
        };
        let strategy = self.resource.strategy;
        let mut row = json!({"cells": strategy.cells(object, self.now), "object": carried});
        let conditions = strategy.row_conditions(object);
        if !conditions.is_empty() {
            row["conditions"] = serde_json::to_value(conditions).unwrap_or(Value::Null);
        }
        row
    }

    /// Everything of a JSON list before its first item.
    pub fn list_start(&self, out: &mut Vec<u8>) {
        let start = match self.accepted.transform {
            Transform::None => format!(
                r#"{{"kind":"{}","apiVersion":"{}","items":["#,
                self.resource.list_kind(),
                self.resource.api_version()
            ),
            Transform::Metadata => {
                r#"{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","items":["#.to_owned()
            }
            Transform::Table => format!(
                r#"{{"kind":"Table","apiVersion":"meta.k8s.io/v1","columnDefinitions":{},"rows":["#,
                self.columns()
            ),
        };
        out.extend_from_slice(start.as_bytes());
    }

    /// One item of a JSON list.
    pub fn list_item(&self, stored: &Stored, out: &mut Vec<u8>) -> Result<(), Box<Status>> {
        if let Some(extent) = self.direct() {
            // Kubernetes names the kind of each partial object, and of no whole one.
            return stored.write_json(self.resource, extent, extent == Extent::Metadata, out);
        }
        let object = &stored.object(self.resource)?;
        let value = match self.accepted.transform {
            Transform::None => {
                let mut value = object.to_value();
                value.remove("kind");
                value.remove("apiVersion");
                Value::Object(value)
            }
            Transform::Metadata => metadata_only(object),
            Transform::Table => self.row(object),
        };
        json_text::write(&value, out);
        Ok(())
    }

    /// Everything of a JSON list behind its last item. `metadata` comes last because it is known last.
    pub fn list_end(&self, metadata: &ListMetadata, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"],"metadata":"#);
        json_text::write(&metadata.to_value(), out);
        out.extend_from_slice(b"}\n");
    }

    /// Kind and apiVersion of a list in this form.
    fn list_type(&self) -> (String, String) {
        match self.accepted.transform {
            Transform::Metadata => (
                "meta.k8s.io/v1".to_owned(),
                "PartialObjectMetadataList".to_owned(),
            ),
            _ => (self.resource.api_version(), self.resource.list_kind()),
        }
    }

    /// A protobuf list of `items`, each a bare message.
    pub fn protobuf_list(&self, metadata: &ListMetadata, items: &[u8]) -> Result<Vec<u8>, Box<Status>> {
        let mut raw = Vec::with_capacity(items.len() + 64);
        let list_meta = schema()
            .type_named("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta")
            .ok_or_else(|| Box::new(Status::internal("no schema for ListMeta")))?;
        let Value::Object(metadata) = metadata.to_value() else {
            return Ok(raw);
        };
        let metadata = protobuf::encode(list_meta, &metadata).map_err(|error| internal(&error))?;
        write_field(1, &metadata, &mut raw);
        raw.extend_from_slice(items);
        let (api_version, kind) = self.list_type();
        let mut out = Vec::with_capacity(raw.len() + 64);
        protobuf::write_envelope(&api_version, &kind, &raw, &mut out);
        Ok(out)
    }

    /// One item of a protobuf list.
    pub fn protobuf_item(&self, stored: &Stored, out: &mut Vec<u8>) -> Result<(), Box<Status>> {
        if let Some(extent) = self.direct() {
            let mut item = Vec::with_capacity(stored.len() + 32);
            stored.write_protobuf(self.resource, extent, &mut item)?;
            write_field(2, &item, out);
            return Ok(());
        }
        let object = &stored.object(self.resource)?;
        let item = match self.accepted.transform {
            Transform::Metadata => bare_protobuf(&metadata_only(object))?,
            _ => bare_protobuf(&Value::Object(object.to_value()))?,
        };
        write_field(2, &item, out);
        Ok(())
    }

    /// The object of a watch event, in JSON.
    pub fn event_json(&self, object: &Object, first: bool) -> Value {
        match self.accepted.transform {
            Transform::None => Value::Object(object.to_value()),
            Transform::Metadata => metadata_only(object),
            Transform::Table => {
                let metadata = json!({"resourceVersion": object.metadata.resource_version});
                self.table(metadata, vec![self.row(object)], first)
            }
        }
    }

    /// The object of a bookmark: nothing but its kind, a resourceVersion and perhaps an annotation.
    pub fn bookmark(&self, resource_version: u64, initial_events_end: bool, first: bool) -> Value {
        let mut object = self.resource.new_object("");
        object.metadata.resource_version = resource_version.to_string();
        if initial_events_end {
            let annotation = ("k8s.io/initial-events-end".to_owned(), "true".to_owned());
            object.metadata.annotations.extend([annotation]);
        }
        self.event_json(&object, first)
    }
}

fn internal(error: &dyn std::fmt::Display) -> Box<Status> {
    Box::new(Status::internal(&error.to_string()))
}

/// A value in the negotiated format.
pub fn encode(value: &Value, accepted: Accepted) -> Result<Vec<u8>, Box<Status>> {
    let mut out = Vec::new();
    match accepted.format {
        Format::Json if accepted.pretty => json_text::write_pretty(value, &mut out),
        Format::Json => {
            json_text::write(value, &mut out);
            out.push(b'\n');
        }
        Format::Yaml => out.extend_from_slice(yaml::write(value).as_bytes()),
        Format::Protobuf => {
            let raw = bare_protobuf(value)?;
            let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
            protobuf::write_envelope(text("apiVersion"), text("kind"), &raw, &mut out);
        }
    }
    Ok(out)
}

/// The bare message of an object that carries its kind.
pub fn bare_protobuf(value: &Value) -> Result<Vec<u8>, Box<Status>> {
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("apiVersion")
        .split_once('/')
        .unwrap_or(("", text("apiVersion")));
    let kind = schema()
        .kind(group, version, text("kind"))
        .ok_or_else(|| Box::new(Status::internal("this kind has no protobuf form")))?;
    let map = value
        .as_object()
        .ok_or_else(|| Box::new(Status::internal("not an object")))?;
    protobuf::encode(kind, map).map_err(|error| internal(&error))
}

/// `PartialObjectMetadata` of an object.
pub fn metadata_only(object: &Object) -> Value {
    let metadata = object.to_value().remove("metadata").unwrap_or(Value::Null);
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
}

/// A length-delimited protobuf field.
pub fn write_field(number: u32, content: &[u8], out: &mut Vec<u8>) {
    write_varint(u64::from(number << 3 | 2), out);
    write_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The text of a `Warning` header (api-conventions §6).
pub fn warning_header(text: &str) -> String {
    let mut header = String::with_capacity(text.len() + 8);
    header.push_str("299 - \"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                header.push('\\');
                header.push(character);
            }
            character if character.is_control() => header.push(' '),
            character => {
                let _ = header.write_char(character);
            }
        }
    }
    header.push('"');
    header
}
