//! Bodies of requests and responses.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

/// A body that may be recorded; only a [`Decision`](crate::Decision) makes one.
#[derive(Clone, Copy)]
pub struct Body<'a> {
    value: &'a Value,
    omit_managed_fields: bool,
}

impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body(..)")
    }
}

impl<'a> Body<'a> {
    pub(crate) fn new(value: &'a Value, omit_managed_fields: bool) -> Self {
        Self {
            value,
            omit_managed_fields,
        }
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        // A JSON tree has texts for keys, and writing to memory does not fail.
        let _ = match self.omit_managed_fields {
            true => serde_json::to_writer(out, &WithoutManagedFields(self.value)),
            false => serde_json::to_writer(out, self.value),
        };
    }
}

/// An object, or a list of objects, without their `metadata.managedFields`.
struct WithoutManagedFields<'a>(&'a Value);

impl Serialize for WithoutManagedFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(fields) = self.0 else {
            return self.0.serialize(serializer);
        };
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in fields {
            match (key.as_str(), value) {
                ("metadata", Value::Object(_)) => map.serialize_entry(key, &Metadata(value))?,
                ("items", Value::Array(items)) => map.serialize_entry(key, &Items(items))?,
                _ => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

struct Items<'a>(&'a [Value]);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            list.serialize_element(&WithoutManagedFields(item))?;
        }
        list.end()
    }
}

struct Metadata<'a>(&'a Value);

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.0.as_object().into_iter().flatten();
        serializer.collect_map(fields.filter(|(key, _)| *key != "managedFields"))
    }
}
