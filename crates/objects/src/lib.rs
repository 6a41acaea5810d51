//! What travels on the wire: Kubernetes objects, their schema and their codecs.
//!
//! Everything here is pure: no I/O, no clock, no randomness. An object in JSON form ([`Map`]) is the common
//! currency; [`schema`] says what each type looks like, [`conform`] makes a tree fit it, [`json`], [`yaml`] and
//! [`protobuf`] read and write it.

pub mod age;
mod base64_text;
pub mod conform;
pub mod field_error;
pub mod go_text;
pub mod json;
pub mod names;
pub mod object;
pub mod protobuf;
mod quantity;
pub mod schema;
pub mod selector;
pub mod status;
pub mod table;
pub mod time;
pub mod yaml;
mod zero;

pub use field_error::{FieldError, FieldErrorKind};
pub use object::{ListMeta, ManagedFieldsEntry, Object, ObjectError, ObjectMeta, OwnerReference};
pub use schema::{Field, GroupVersionKind, Kind, ListType, PatchStrategy, Schema, Type, TypeRef, schema};

pub use quantity::Quantity;
pub use selector::{FieldOperator, FieldSelector, FieldTerm, LabelSelector, SelectorError};
pub use status::{Status, StatusCause, StatusDetails};
pub use table::{ColumnDefinition, Table, TableRow, TableRowCondition};

/// A JSON tree.
pub type Value = serde_json::Value;
/// A JSON object, ordered by key.
pub type Map = serde_json::Map<String, Value>;
