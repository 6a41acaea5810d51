//! Single values.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{ConformError, Place};
use crate::{Kind, Map, Type, Value, base64_text, go_text, time};

/// Checks a value that is no struct, list or map and brings it into canonical form.
pub(super) fn scalar(kind: &Kind, value: &mut Value, place: &Place) -> Result<(), ConformError> {
    let fits = match kind {
        Kind::Bool => value.is_boolean(),
        Kind::Int32 => value
            .as_i64()
            .is_some_and(|integer| i32::try_from(integer).is_ok()),
        Kind::Int64 => value.is_i64(),
        Kind::Float64 => value.is_number(),
        Kind::String => value.is_string(),
        Kind::Bytes => return bytes(value, place),
        Kind::Time | Kind::MicroTime => return moment(kind, value, place),
        Kind::Duration => return duration(value, place),
        Kind::Quantity => return quantity(value),
        Kind::IntOrString => {
            value.is_string()
                || value
                    .as_i64()
                    .is_some_and(|integer| i32::try_from(integer).is_ok())
        }
        Kind::FieldsV1 | Kind::RawExtension => true,
        Kind::Message(_) | Kind::List(_) | Kind::Map(_) => false,
    };
    if fits {
        Ok(())
    } else {
        Err(place.mismatch(value, kind))
    }
}

/// What `null` stands for in a list or a map.
pub(super) fn zero_element(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => false.into(),
        Kind::Int32 | Kind::Int64 | Kind::IntOrString => 0.into(),
        Kind::Float64 => 0.0.into(),
        Kind::String | Kind::Bytes => "".into(),
        Kind::Quantity => "0".into(),
        Kind::Duration => "0s".into(),
        Kind::Time | Kind::MicroTime | Kind::FieldsV1 | Kind::RawExtension => Value::Null,
        Kind::Message(_) | Kind::Map(_) => Value::Object(Map::new()),
        Kind::List(_) => Value::Array(Vec::new()),
    }
}

/// Base64, or a list of numbers.
fn bytes(value: &mut Value, place: &Place) -> Result<(), ConformError> {
    match value {
        Value::String(text) => {
            if let Some(canonical) = base64_text::canonical(text).map_err(ConformError::Base64)? {
                *text = canonical;
            }
            Ok(())
        }
        Value::Array(numbers) => {
            let byte = |number: &Value| match number {
                Value::Null => Ok(0),
                _ => number
                    .as_u64()
                    .and_then(|number| u8::try_from(number).ok())
                    .ok_or_else(|| place.mismatch_named(number, "uint8".to_owned())),
            };
            let bytes: Vec<u8> = numbers.iter().map(byte).collect::<Result<_, _>>()?;
            *value = Value::String(STANDARD.encode(bytes));
            Ok(())
        }
        _ => Err(place.mismatch(value, &Kind::Bytes)),
    }
}

/// Go's zero time becomes null, which the caller drops.
fn moment(kind: &Kind, value: &mut Value, place: &Place) -> Result<(), ConformError> {
    if value.is_null() {
        return Ok(());
    }
    let text = value.as_str().ok_or_else(|| not_a_string(value))?;
    let moment = time::parse(text).ok_or_else(|| ConformError::Time(place.path.text()))?;
    let (seconds, nanos) = time::seconds_and_micros(moment);
    let is_micro = *kind == Kind::MicroTime;
    *value = match time::from_seconds_and_nanos(seconds, if is_micro { nanos } else { 0 }) {
        Some(moment) if is_micro => time::micros(moment).into(),
        Some(moment) => time::seconds(moment).into(),
        None => Value::Null,
    };
    Ok(())
}

fn duration(value: &mut Value, place: &Place) -> Result<(), ConformError> {
    let text = value.as_str().ok_or_else(|| not_a_string(value))?;
    let nanoseconds =
        go_text::parse_duration(text).ok_or_else(|| ConformError::Duration(place.path.text()))?;
    *value = go_text::duration(nanoseconds).into();
    Ok(())
}

/// Types with a decoder of their own lose the name of the field in Go's message.
fn not_a_string(value: &Value) -> ConformError {
    ConformError::Root {
        found: found(value),
        wanted: "string".to_owned(),
    }
}

/// A number is taken as its text. Quantities are not brought into canonical form.
fn quantity(value: &mut Value) -> Result<(), ConformError> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return Err(ConformError::Quantity),
    };
    if !is_quantity(&text) {
        return Err(ConformError::Quantity);
    }
    *value = text.into();
    Ok(())
}

fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let suffix = unsigned.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let digits = &unsigned[..unsigned.len() - suffix.len()];
    let number = digits.bytes().any(|byte| byte.is_ascii_digit()) && digits.matches('.').count() <= 1;
    let exponent = suffix.strip_prefix(['e', 'E']).is_some_and(|rest| {
        let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())
    });
    const SUFFIXES: [&str; 16] = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    number && (exponent || SUFFIXES.contains(&suffix))
}

/// The JSON type in Go's words.
pub(super) fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The type as Go prints it. Named strings such as `v1.SecretType` are not told apart from `string`.
pub(super) fn go_type(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "bool".to_owned(),
        Kind::Int32 => "int32".to_owned(),
        Kind::Int64 => "int64".to_owned(),
        Kind::Float64 => "float64".to_owned(),
        Kind::String => "string".to_owned(),
        Kind::Bytes => "[]uint8".to_owned(),
        Kind::Time => "v1.Time".to_owned(),
        Kind::MicroTime => "v1.MicroTime".to_owned(),
        Kind::Duration => "v1.Duration".to_owned(),
        Kind::Quantity => "resource.Quantity".to_owned(),
        Kind::IntOrString => "intstr.IntOrString".to_owned(),
        Kind::FieldsV1 => "v1.FieldsV1".to_owned(),
        Kind::RawExtension => "runtime.RawExtension".to_owned(),
        Kind::Message(ty) => go_type_name(ty),
        Kind::List(kind) => format!("[]{}", go_type(kind)),
        Kind::Map(kind) => format!("map[string]{}", go_type(kind)),
    }
}

/// `v1.Secret`: all types of the table live in packages of that name.
pub(super) fn go_type_name(ty: &Type) -> String {
    format!("v1.{}", ty.go_name)
}
