//! Field numbers of gnostic's `openapi.v2.Document`, for what our documents contain.

use serde_json::Value;

use crate::protobuf::{
    Message,
    Shape::{Choice, Flag, List, Message as Nested, Text, Texts, TextsMessage},
};

pub(super) static DOCUMENT: Message = Message {
    fields: &[
        ("swagger", 1, Text),
        ("info", 2, Nested(&INFO)),
        ("paths", 8, Nested(&PATHS)),
        ("definitions", 9, Nested(&SCHEMAS)),
        ("security", 12, List(&Nested(&SECURITY_REQUIREMENT))),
        ("securityDefinitions", 13, Nested(&SECURITY_DEFINITIONS)),
    ],
    entries: None,
    extensions: Some(16),
};

static INFO: Message = Message {
    fields: &[("title", 1, Text), ("version", 2, Text), ("description", 3, Text)],
    entries: None,
    extensions: Some(7),
};

static PATHS: Message = Message {
    fields: &[],
    entries: Some((2, &Nested(&PATH_ITEM))),
    extensions: Some(1),
};

static PATH_ITEM: Message = Message {
    fields: &[
        ("get", 2, Nested(&OPERATION)),
        ("put", 3, Nested(&OPERATION)),
        ("post", 4, Nested(&OPERATION)),
        ("delete", 5, Nested(&OPERATION)),
        ("patch", 8, Nested(&OPERATION)),
        ("parameters", 9, List(&Choice(parameter))),
    ],
    entries: None,
    extensions: Some(10),
};

static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, Texts),
        ("description", 3, Text),
        ("operationId", 5, Text),
        ("produces", 6, Texts),
        ("consumes", 7, Texts),
        ("parameters", 8, List(&Choice(parameter))),
        ("responses", 9, Nested(&RESPONSES)),
        ("schemes", 10, Texts),
        ("deprecated", 11, Flag),
    ],
    entries: None,
    extensions: Some(13),
};

static RESPONSES: Message = Message {
    fields: &[],
    entries: Some((1, &Choice(response))),
    extensions: Some(2),
};

static RESPONSE: Message = Message {
    fields: &[("description", 1, Text), ("schema", 2, Choice(schema))],
    entries: None,
    extensions: Some(5),
};

static BODY_PARAMETER: Message = Message {
    fields: &[
        ("description", 1, Text),
        ("name", 2, Text),
        ("in", 3, Text),
        ("required", 4, Flag),
        ("schema", 5, Nested(&SCHEMA)),
    ],
    entries: None,
    extensions: Some(6),
};

static QUERY_PARAMETER: Message = Message {
    fields: &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 6, Text),
        ("format", 7, Text),
    ],
    entries: None,
    extensions: Some(23),
};

static PATH_PARAMETER: Message = Message {
    fields: &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 5, Text),
        ("format", 6, Text),
    ],
    entries: None,
    extensions: Some(22),
};

static SCHEMAS: Message = Message {
    fields: &[],
    entries: Some((1, &Nested(&SCHEMA))),
    extensions: None,
};

static SCHEMA: Message = Message {
    fields: &[
        ("$ref", 1, Text),
        ("format", 2, Text),
        ("description", 4, Text),
        ("required", 19, Texts),
        ("additionalProperties", 21, Choice(schema)),
        ("type", 22, TextsMessage),
        ("items", 23, Choice(schema)),
        ("properties", 25, Nested(&SCHEMAS)),
    ],
    entries: None,
    extensions: Some(31),
};

static SECURITY_REQUIREMENT: Message = Message {
    fields: &[],
    entries: Some((1, &TextsMessage)),
    extensions: None,
};

static SECURITY_DEFINITIONS: Message = Message {
    fields: &[],
    entries: Some((1, &Choice(api_key))),
    extensions: None,
};

static API_KEY: Message = Message {
    fields: &[
        ("type", 1, Text),
        ("name", 2, Text),
        ("in", 3, Text),
        ("description", 4, Text),
    ],
    entries: None,
    extensions: Some(5),
};

/// A parameter sits in `ParametersItem.parameter`, then in `Parameter.body_parameter` or
/// `Parameter.non_body_parameter` and there under its place.
fn parameter(value: &Value) -> (&'static [u32], &'static Message) {
    match value["in"].as_str() {
        Some("body") => (&[1, 1], &BODY_PARAMETER),
        Some("path") => (&[1, 2, 4], &PATH_PARAMETER),
        _ => (&[1, 2, 3], &QUERY_PARAMETER),
    }
}

fn response(_: &Value) -> (&'static [u32], &'static Message) {
    (&[1], &RESPONSE)
}

/// `SchemaItem`, `ItemsItem` and `AdditionalPropertiesItem` all have their schema as field 1.
fn schema(_: &Value) -> (&'static [u32], &'static Message) {
    (&[1], &SCHEMA)
}

fn api_key(_: &Value) -> (&'static [u32], &'static Message) {
    (&[2], &API_KEY)
}
