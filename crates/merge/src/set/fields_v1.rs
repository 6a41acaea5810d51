//! FieldsV1: a field set as JSON. `{"f:data":{".":{},"f:a":{}}}` has `.data` and `.data.a`.

use serde_json::{Map, Value};
use thiserror::Error;

use super::{Node, Set};
use crate::path::PathElement;

/// Levels of a FieldsV1 object that are read; no object is deeper.
const MAX_DEPTH: usize = 64;

/// A JSON value that is no FieldsV1 object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("fieldsV1 is not a set of fields")]
pub struct InvalidFields;

impl Set {
    /// Reads a FieldsV1 object.
    ///
    /// # Errors
    /// For anything that is none, and beyond 64 levels.
    pub fn from_fields_v1(fields: &Value) -> Result<Set, InvalidFields> {
        read(fields, MAX_DEPTH).map(|root| root.below)
    }

    /// Writes the set as a FieldsV1 object, keys in byte order.
    pub fn to_fields_v1(&self) -> Value {
        Value::Object(write(self, false))
    }
}

fn read(fields: &Value, levels: usize) -> Result<Node, InvalidFields> {
    let (Value::Object(fields), true) = (fields, levels > 0) else {
        return Err(InvalidFields);
    };
    let mut node = Node {
        member: fields.is_empty(),
        below: Set::default(),
    };
    for (key, below) in fields {
        if key == "." {
            node.member = true;
        } else {
            let element = PathElement::parse(key).ok_or(InvalidFields)?;
            node.below.put(element, read(below, levels - 1)?);
        }
    }
    Ok(node)
}

fn write(set: &Set, member: bool) -> Map<String, Value> {
    let mut fields = Map::new();
    if member && !set.is_empty() {
        fields.insert(".".into(), Value::Object(Map::new()));
    }
    for (element, node) in set.iter() {
        fields.insert(element.to_key(), Value::Object(write(&node.below, node.member)));
    }
    fields
}
