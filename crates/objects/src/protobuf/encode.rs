//! Trees to messages, as the generated Go code does it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::EncodeError;
use super::wire::{FIXED64, VARINT, write_bytes, write_integer, write_message, write_tag, write_varint};
use crate::{Field, Kind, Map, Type, Value, go_text, json, time};

const MAX_DEPTH: usize = 128;

/// The bare message of an object. `kind` and `apiVersion` are not part of it; they go into the envelope.
pub fn encode(ty: &Type, object: &Map) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(512);
    message(ty, object, 0, &mut out)?;
    Ok(out)
}

fn wrong(expected: &'static str) -> EncodeError {
    EncodeError::WrongType {
        path: String::new(),
        expected,
    }
}

fn inside(step: impl Fn() -> String) -> impl Fn(EncodeError) -> EncodeError {
    move |error| match error {
        EncodeError::WrongType { path, expected } => {
            let separator = if path.is_empty() || path.starts_with('[') {
                ""
            } else {
                "."
            };
            EncodeError::WrongType {
                path: format!("{}{separator}{path}", step()),
                expected,
            }
        }
        other => other,
    }
}

fn message(ty: &Type, object: &Map, depth: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if depth > MAX_DEPTH {
        return Err(EncodeError::TooDeep);
    }
    for index in &ty.by_number {
        let field = &ty.fields[usize::from(*index)];
        match &field.kind {
            Kind::Message(embedded) if field.inline => {
                write_message(field.number, out, |out| message(embedded, object, depth + 1, out))?;
            }
            _ => {
                let value = object.get(field.json_name).filter(|value| !value.is_null());
                write_field(field, value, depth, out).map_err(inside(|| field.json_name.to_owned()))?;
            }
        }
    }
    Ok(())
}

fn write_field(
    field: &Field,
    value: Option<&Value>,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let number = field.number;
    match (&field.kind, value) {
        (Kind::List(element), Some(Value::Array(list))) if field.wrapped => {
            write_message(number, out, |out| elements(1, element, list, depth, out))
        }
        (Kind::List(element), Some(Value::Array(list))) => elements(number, element, list, depth, out),
        (Kind::List(_), Some(_)) => Err(wrong("a list")),
        (Kind::Map(value_kind), Some(Value::Object(map))) => map.iter().try_for_each(|(key, value)| {
            write_message(number, out, |out| {
                write_bytes(1, key.as_bytes(), out);
                map_value(value_kind, value, depth, out)
            })
            .map_err(inside(|| format!("[{key}]")))
        }),
        (Kind::Map(_), Some(_)) => Err(wrong("a map")),
        (kind, Some(value)) => element(number, kind, value, depth, out),
        (_, None) if field.pointer => Ok(()),
        (kind, None) => zero(number, kind, depth, out),
    }
}

fn elements(
    number: u32,
    kind: &Kind,
    list: &[Value],
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    for (index, value) in list.iter().enumerate() {
        element(number, kind, value, depth, out).map_err(inside(|| format!("[{index}]")))?;
    }
    Ok(())
}

fn map_value(kind: &Kind, value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match (kind, value) {
        (Kind::List(kind), Value::Array(list)) => {
            write_message(2, out, |out| elements(1, kind, list, depth, out))
        }
        (Kind::List(_), Value::Null) => write_message(2, out, |_| Ok(())),
        (Kind::Bytes, Value::Null) => {
            write_bytes(2, &[], out);
            Ok(())
        }
        (kind, Value::Null) => zero(2, kind, depth, out),
        (kind, value) => element(2, kind, value, depth, out),
    }
}

/// A single value with its tag.
fn element(
    number: u32,
    kind: &Kind,
    value: &Value,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    match kind {
        Kind::Bool => write_integer(
            number,
            value.as_bool().ok_or_else(|| wrong("a boolean"))?.into(),
            out,
        ),
        Kind::Int32 => write_integer(number, int32(value)?.into(), out),
        Kind::Int64 => write_integer(number, value.as_i64().ok_or_else(|| wrong("an integer"))?, out),
        Kind::Float64 => {
            write_tag(number, FIXED64, out);
            let float = value.as_f64().ok_or_else(|| wrong("a number"))?;
            out.extend_from_slice(&float.to_le_bytes());
        }
        Kind::String => write_bytes(number, string(value)?.as_bytes(), out),
        Kind::Bytes => {
            let bytes = STANDARD.decode(string(value)?).map_err(|_| wrong("base64"))?;
            write_bytes(number, &bytes, out);
        }
        Kind::Time | Kind::MicroTime => {
            return write_message(number, out, |out| {
                timestamp(string(value)?, *kind == Kind::MicroTime, out)
            });
        }
        Kind::Duration => {
            let nanoseconds = go_text::parse_duration(string(value)?).ok_or_else(|| wrong("a duration"))?;
            return write_message(number, out, |out| {
                write_integer(1, nanoseconds, out);
                Ok(())
            });
        }
        Kind::Quantity => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            return write_message(number, out, |out| {
                write_bytes(1, text.as_bytes(), out);
                Ok(())
            });
        }
        Kind::IntOrString => return write_message(number, out, |out| int_or_string(value, out)),
        Kind::FieldsV1 | Kind::RawExtension => {
            return write_message(number, out, |out| {
                let mut text = Vec::new();
                json::write(value, &mut text);
                write_bytes(1, &text, out);
                Ok(())
            });
        }
        Kind::Message(ty) => {
            let object = value.as_object().ok_or_else(|| wrong("an object"))?;
            return write_message(number, out, |out| message(ty, object, depth + 1, out));
        }
        Kind::List(_) | Kind::Map(_) => return Err(wrong("no list within a list")),
    }
    Ok(())
}

/// What Go writes for a field that was never set. Byte slices and collections are nil and not written.
fn zero(number: u32, kind: &Kind, depth: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match kind {
        Kind::List(_) | Kind::Map(_) | Kind::Bytes => Ok(()),
        Kind::Bool | Kind::Int32 | Kind::Int64 => {
            write_tag(number, VARINT, out);
            write_varint(0, out);
            Ok(())
        }
        Kind::Float64 => element(number, kind, &Value::from(0.0), depth, out),
        Kind::String => {
            write_bytes(number, &[], out);
            Ok(())
        }
        Kind::Time | Kind::MicroTime | Kind::FieldsV1 | Kind::RawExtension => {
            write_message(number, out, |_| Ok(()))
        }
        Kind::Duration => element(number, kind, &Value::from("0s"), depth, out),
        Kind::Quantity => element(number, kind, &Value::from("0"), depth, out),
        Kind::IntOrString => element(number, kind, &Value::from(0), depth, out),
        Kind::Message(ty) => write_message(number, out, |out| message(ty, &Map::new(), depth + 1, out)),
    }
}

fn string(value: &Value) -> Result<&str, EncodeError> {
    value.as_str().ok_or_else(|| wrong("a string"))
}

fn int32(value: &Value) -> Result<i32, EncodeError> {
    value
        .as_i64()
        .and_then(|integer| i32::try_from(integer).ok())
        .ok_or_else(|| wrong("a 32-bit integer"))
}

/// Go's zero time is an empty message.
fn timestamp(text: &str, micros: bool, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let time = time::parse(text).ok_or_else(|| wrong("an RFC 3339 time"))?;
    let (seconds, nanos) = time::seconds_and_micros(time);
    let nanos = if micros { nanos } else { 0 };
    if (seconds, nanos) != (time::GO_ZERO_SECONDS, 0) {
        write_integer(1, seconds, out);
        write_integer(2, nanos.into(), out);
    }
    Ok(())
}

fn int_or_string(value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let (is_string, integer, text) = match value {
        Value::String(text) => (1, 0, text.as_str()),
        other => (0, int32(other)?, ""),
    };
    write_integer(1, is_string, out);
    write_integer(2, integer.into(), out);
    write_bytes(3, text.as_bytes(), out);
    Ok(())
}
