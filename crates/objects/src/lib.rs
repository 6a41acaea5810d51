//! What travels on the wire: Kubernetes objects, their schema and their codecs.
//!
//! Everything here is pure: no I/O, no clock, no randomness. An object in JSON form ([`Map`]) is the common
//! currency; [`schema`] says what each type looks like, [`conform`] makes a tree fit it, [`json`], [`yaml`] and
//! [`protobuf`] read and write it.

pub mod schema;

pub use schema::{Field, GroupVersionKind, Kind, ListType, PatchStrategy, Schema, Type, TypeRef, schema};

/// A JSON tree.
pub type Value = serde_json::Value;
/// A JSON object, ordered by key.
pub type Map = serde_json::Map<String, Value>;
