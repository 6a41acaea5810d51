//! Field numbers of gnostic's `openapi.v3.Document`, for what our documents contain.

use serde_json::Value;

use crate::protobuf::{
    Message,
    Shape::{Choice, Flag, List, Message as Nested, Scalar, Text, Texts, Yaml},
};

pub(super) static DOCUMENT: Message = Message {
    fields: &[
        ("openapi", 1, Text),
        ("info", 2, Nested(&INFO)),
        ("paths", 4, Nested(&PATHS)),
        ("components", 5, Nested(&COMPONENTS)),
    ],
    entries: None,
    extensions: Some(9),
};

static INFO: Message = Message {
    fields: &[("title", 1, Text), ("description", 2, Text), ("version", 6, Text)],
    entries: None,
    extensions: Some(7),
};

static PATHS: Message = Message {
    fields: &[],
    entries: Some((1, &Nested(&PATH_ITEM))),
    extensions: Some(2),
};

static COMPONENTS: Message = Message {
    fields: &[
        ("schemas", 1, Nested(&SCHEMAS)),
        ("securitySchemes", 7, Nested(&SECURITY_SCHEMES)),
    ],
    entries: None,
    extensions: Some(10),
};

static PATH_ITEM: Message = Message {
    fields: &[
        ("get", 4, Nested(&OPERATION)),
        ("put", 5, Nested(&OPERATION)),
        ("post", 6, Nested(&OPERATION)),
        ("delete", 7, Nested(&OPERATION)),
        ("patch", 10, Nested(&OPERATION)),
        ("parameters", 13, List(&Choice(parameter))),
    ],
    entries: None,
    extensions: Some(14),
};

static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, Texts),
        ("description", 3, Text),
        ("operationId", 5, Text),
        ("parameters", 6, List(&Choice(parameter))),
        ("requestBody", 7, Choice(request_body)),
        ("responses", 8, Nested(&RESPONSES)),
        ("deprecated", 10, Flag),
    ],
    entries: None,
    extensions: Some(13),
};

static PARAMETER: Message = Message {
    fields: &[
        ("name", 1, Text),
        ("in", 2, Text),
        ("description", 3, Text),
        ("required", 4, Flag),
        ("schema", 10, Choice(schema)),
    ],
    entries: None,
    extensions: Some(14),
};

static REQUEST_BODY: Message = Message {
    fields: &[
        ("description", 1, Text),
        ("content", 2, Nested(&MEDIA_TYPES)),
        ("required", 3, Flag),
    ],
    entries: None,
    extensions: Some(4),
};

static MEDIA_TYPES: Message = Message {
    fields: &[],
    entries: Some((1, &Nested(&MEDIA_TYPE))),
    extensions: None,
};

static MEDIA_TYPE: Message = Message {
    fields: &[("schema", 1, Choice(schema))],
    entries: None,
    extensions: Some(5),
};

static RESPONSES: Message = Message {
    fields: &[],
    entries: Some((2, &Choice(response))),
    extensions: Some(3),
};

static RESPONSE: Message = Message {
    fields: &[("description", 1, Text), ("content", 3, Nested(&MEDIA_TYPES))],
    entries: None,
    extensions: Some(5),
};

static SCHEMAS: Message = Message {
    fields: &[],
    entries: Some((1, &Choice(schema))),
    extensions: None,
};

static SCHEMA: Message = Message {
    fields: &[
        ("required", 23, Texts),
        ("enum", 24, List(&Yaml)),
        ("type", 25, Text),
        ("allOf", 26, List(&Choice(schema))),
        ("oneOf", 27, List(&Choice(schema))),
        ("items", 30, Choice(item_schema)),
        ("properties", 31, Nested(&SCHEMAS)),
        ("additionalProperties", 32, Choice(item_schema)),
        ("default", 33, Scalar),
        ("description", 34, Text),
        ("format", 35, Text),
    ],
    entries: None,
    extensions: Some(36),
};

static REFERENCE: Message = Message {
    fields: &[("$ref", 1, Text)],
    entries: None,
    extensions: None,
};

static SECURITY_SCHEMES: Message = Message {
    fields: &[],
    entries: Some((1, &Choice(security_scheme))),
    extensions: None,
};

static SECURITY_SCHEME: Message = Message {
    fields: &[
        ("type", 1, Text),
        ("description", 2, Text),
        ("name", 3, Text),
        ("in", 4, Text),
    ],
    entries: None,
    extensions: Some(9),
};

fn parameter(_: &Value) -> (&'static [u32], &'static Message) {
    (&[1], &PARAMETER)
}

fn request_body(_: &Value) -> (&'static [u32], &'static Message) {
    (&[1], &REQUEST_BODY)
}

fn response(_: &Value) -> (&'static [u32], &'static Message) {
    (&[1], &RESPONSE)
}

fn security_scheme(_: &Value) -> (&'static [u32], &'static Message) {
    (&[1], &SECURITY_SCHEME)
}

/// `SchemaOrReference`.
fn schema(value: &Value) -> (&'static [u32], &'static Message) {
    match value.get("$ref") {
        Some(_) => (&[2], &REFERENCE),
        None => (&[1], &SCHEMA),
    }
}

/// `ItemsItem` and `AdditionalPropertiesItem` wrap a `SchemaOrReference` once more.
fn item_schema(value: &Value) -> (&'static [u32], &'static Message) {
    match value.get("$ref") {
        Some(_) => (&[1, 2], &REFERENCE),
        None => (&[1, 1], &SCHEMA),
    }
}
