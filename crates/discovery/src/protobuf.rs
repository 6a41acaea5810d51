//! JSON to protobuf, driven by tables of field numbers: just enough for OpenAPI documents in the
//! form Google's gnostic gives them (proto3; maps are repeated `{name = 1, value = 2}` messages;
//! values of any shape are kept as YAML text, for which JSON serves).

use serde_json::{Map, Value};

/// How one protobuf message is filled from a JSON object.
pub(crate) struct Message {
    /// JSON keys with a field of their own, in the order of their numbers.
    pub(crate) fields: &'static [(&'static str, u32, Shape)],
    /// Where all other keys go, one `{name, value}` message each, if the message is a map.
    pub(crate) entries: Option<(u32, &'static Shape)>,
    /// Where keys that start with `x-` go, one `{name, {yaml}}` message each.
    pub(crate) extensions: Option<u32>,
}

/// How one JSON value becomes one protobuf field.
pub(crate) enum Shape {
    /// A string.
    Text,
    /// A string for each element.
    Texts,
    /// A bool, left out when false.
    Flag,
    /// A message with the strings of an array, or one lone string, as its field 1.
    TextsMessage,
    /// A message that holds a double (1), a bool (2) or a string (3); empty for anything else.
    Scalar,
    /// Any value, as `{yaml}`.
    Yaml,
    /// An object.
    Message(&'static Message),
    /// An object, wrapped into one message for each listed field number, chosen by its content.
    Choice(fn(&Value) -> (&'static [u32], &'static Message)),
    /// The named shape for each element.
    List(&'static Shape),
}

/// The bytes of `message` filled from `value`, which must be a JSON object.
pub(crate) fn encode(message: &Message, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_message(&mut out, message, value);
    out
}

fn write_message(out: &mut Vec<u8>, message: &Message, value: &Value) {
    let Value::Object(object) = value else {
        debug_assert!(false, "not an object: {value}");
        return;
    };
    for (key, number, shape) in message.fields {
        if let Some(value) = object.get(*key) {
            write_field(out, *number, shape, value);
        }
    }
    write_other_keys(out, message, object);
}

fn write_other_keys(out: &mut Vec<u8>, message: &Message, object: &Map<String, Value>) {
    for (key, value) in object {
        if message.fields.iter().any(|(known, ..)| known == key) {
            continue;
        }
        match (message.extensions, message.entries) {
            (Some(number), _) if key.starts_with("x-") => {
                write_delimited(out, number, |out| {
                    write_text(out, 1, key);
                    write_field(out, 2, &Shape::Yaml, value);
                });
            }
            (_, Some((number, shape))) => write_delimited(out, number, |out| {
                write_text(out, 1, key);
                write_field(out, 2, shape, value);
            }),
            _ => debug_assert!(false, "no field for {key}"),
        }
    }
}

fn write_field(out: &mut Vec<u8>, number: u32, shape: &Shape, value: &Value) {
    match shape {
        Shape::Text => write_text(out, number, value.as_str().unwrap_or_default()),
        Shape::Texts => write_texts(out, number, value),
        Shape::Flag => write_flag(out, number, value.as_bool() == Some(true)),
        Shape::TextsMessage => write_delimited(out, number, |out| write_texts(out, 1, value)),
        Shape::Scalar => write_delimited(out, number, |out| write_scalar(out, value)),
        // JSON is YAML; the newline ends the document.
        Shape::Yaml => write_delimited(out, number, |out| write_text(out, 2, &format!("{value}\n"))),
        Shape::Message(message) => write_delimited(out, number, |out| write_message(out, message, value)),
        Shape::Choice(choose) => {
            let (wrappers, message) = choose(value);
            write_delimited(out, number, |out| write_wrapped(out, wrappers, message, value));
        }
        Shape::List(shape) => {
            for element in value.as_array().into_iter().flatten() {
                write_field(out, number, shape, element);
            }
        }
    }
}

fn write_wrapped(out: &mut Vec<u8>, wrappers: &[u32], message: &Message, value: &Value) {
    match wrappers {
        [] => write_message(out, message, value),
        [number, inner @ ..] => {
            write_delimited(out, *number, |out| write_wrapped(out, inner, message, value));
        }
    }
}

fn write_scalar(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Number(number) => {
            write_tag(out, 1, 1);
            out.extend_from_slice(&number.as_f64().unwrap_or_default().to_le_bytes());
        }
        // A member of a oneof is written even when it has its default value.
        Value::Bool(flag) => {
            write_tag(out, 2, 0);
            out.push(u8::from(*flag));
        }
        Value::String(text) => write_bytes(out, 3, text.as_bytes()),
        _ => {}
    }
}

fn write_texts(out: &mut Vec<u8>, number: u32, value: &Value) {
    match value {
        Value::String(text) => write_bytes(out, number, text.as_bytes()),
        _ => {
            for text in value.as_array().into_iter().flatten().filter_map(Value::as_str) {
                write_bytes(out, number, text.as_bytes());
            }
        }
    }
}

fn write_text(out: &mut Vec<u8>, number: u32, text: &str) {
    if !text.is_empty() {
        write_bytes(out, number, text.as_bytes());
    }
}

fn write_flag(out: &mut Vec<u8>, number: u32, flag: bool) {
    if flag {
        write_tag(out, number, 0);
        out.push(1);
    }
}

/// Writes what `fill` writes, preceded by tag and length.
fn write_delimited(out: &mut Vec<u8>, number: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    fill(&mut content);
    write_bytes(out, number, &content);
}

fn write_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    write_tag(out, number, 2);
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write_tag(out: &mut Vec<u8>, number: u32, wire_type: u32) {
    write_varint(out, u64::from(number << 3 | wire_type));
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
