//! An API object: metadata that every kind shares, and a body that only its kind understands.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Map, Value};

#[cfg(test)]
mod tests;

/// An object of any kind, in JSON form.
#[derive(Clone, Default, PartialEq)]
pub struct Object {
    /// `v1` or `group/version`.
    pub api_version: String,
    /// `Secret`.
    pub kind: String,
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// Every other member.
    pub body: Map,
}

/// Why a tree is not an object.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ObjectError {
    /// A member that must be a string is something else.
    #[error("{0} is not a string")]
    NotAString(&'static str),
    /// `metadata` does not have the shape of ObjectMeta. The text of the cause could hold values, so it is left out.
    #[error("metadata is malformed")]
    Metadata,
}

impl Object {
    /// Takes a JSON object apart. Metadata that is missing is empty; unknown members of it are dropped.
    pub fn from_value(mut value: Map) -> Result<Object, ObjectError> {
        let mut text = |name| match value.remove(name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(ObjectError::NotAString(name)),
        };
        let (api_version, kind) = (text("apiVersion")?, text("kind")?);
        let metadata = match value.remove("metadata") {
            None | Some(Value::Null) => ObjectMeta::default(),
            Some(metadata) => ObjectMeta::deserialize(metadata).map_err(|_| ObjectError::Metadata)?,
        };
        Ok(Object {
            api_version,
            kind,
            metadata,
            body: value,
        })
    }

    /// The JSON object.
    pub fn to_value(&self) -> Map {
        self.with_body(self.body.clone())
    }

    /// The JSON object, without copying the body.
    pub fn into_value(mut self) -> Map {
        let body = std::mem::take(&mut self.body);
        self.with_body(body)
    }

    /// Shows `read` the JSON object without copying the body.
    pub fn read_as_value<T>(&mut self, read: impl FnOnce(&Value) -> T) -> T {
        let body = std::mem::take(&mut self.body);
        let mut value = Value::Object(self.with_body(body));
        let result = read(&value);
        if let Value::Object(map) = &mut value {
            for name in ["apiVersion", "kind", "metadata"] {
                map.remove(name);
            }
            self.body = std::mem::take(map);
        }
        result
    }

    fn with_body(&self, mut body: Map) -> Map {
        for (name, text) in [("apiVersion", &self.api_version), ("kind", &self.kind)] {
            if !text.is_empty() {
                body.insert(name.to_owned(), Value::String(text.clone()));
            }
        }
        body.insert("metadata".to_owned(), Value::Object(self.metadata.to_value()));
        body
    }
}

/// Which object, never what is in it.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}/{}",
            self.kind, self.metadata.namespace, self.metadata.name
        )
    }
}

/// What every object says about itself (api-conventions.md §5).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Unique within a namespace and resource.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The beginning of a name that the server completes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub generate_name: String,
    /// Empty for cluster-scoped objects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// A UUID, given by the server.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The revision of the last change, in decimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Counts changes of the wanted state, for kinds that have one.
    #[serde(skip_serializing_if = "is_zero")]
    pub generation: i64,
    /// RFC 3339, whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    /// When deletion is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_grace_period_seconds: Option<i64>,
    /// For selectors.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// For tools.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Objects this one depends on; it is collected when all are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
    /// What must happen before the object may go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// Who set which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_fields: Vec<ManagedFieldsEntry>,
}

impl ObjectMeta {
    /// The JSON object.
    pub fn to_value(&self) -> Map {
        to_map(self)
    }
}

/// An owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// `v1` or `group/version`.
    pub api_version: String,
    /// The owner's kind.
    pub kind: String,
    /// The owner's name; it lives in the same namespace or in none.
    pub name: String,
    /// The owner's uid.
    pub uid: String,
    /// The owner manages this object; at most one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    /// Foreground deletion of the owner waits for this object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

/// The fields one manager has set (api-conventions.md §8).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagedFieldsEntry {
    /// The name of the manager.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manager: String,
    /// `Apply` or `Update`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub operation: String,
    /// The version the field names belong to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// When the set of fields last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// `FieldsV1`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fields_type: String,
    /// The set of fields, a tree of path elements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields_v1: Option<Value>,
    /// The subresource written through; empty for the object itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subresource: String,
}

/// What every list says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListMeta {
    /// The revision the list shows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Asks for the next page; empty on the last.
    #[serde(rename = "continue", skip_serializing_if = "String::is_empty")]
    pub continue_token: String,
    /// How many objects follow, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_item_count: Option<i64>,
}

impl ListMeta {
    /// The JSON object.
    pub fn to_value(&self) -> Map {
        to_map(self)
    }
}

pub(crate) fn to_map(value: &impl Serialize) -> Map {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => unreachable!("plain structs with string keys serialise to objects"),
    }
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(value: &i64) -> bool {
    *value == 0
}
