//! Which zero values a tree has, so that trees from JSON, YAML and protobuf are equal: those that Go's `encoding/json`
//! would write, except that lists, maps, bytes, times and raw JSON without content are absent instead of `null`.

use crate::{Field, Kind, Map, Type, Value};

/// Adds the zero values that JSON does not leave out.
pub(crate) fn fill_zeros(ty: &Type, object: &mut Map) {
    for field in &ty.fields {
        match &field.kind {
            Kind::Message(embedded) if field.inline => fill_zeros(embedded, object),
            _ if field.pointer || object.contains_key(field.json_name) => {}
            _ => {
                if let Some(zero) = zero_value(field) {
                    object.insert(field.json_name.to_owned(), zero);
                }
            }
        }
    }
}

fn zero_value(field: &Field) -> Option<Value> {
    if field.omit_zero {
        return None;
    }
    match &field.kind {
        Kind::Message(ty) => {
            let mut object = Map::new();
            fill_zeros(ty, &mut object);
            Some(Value::Object(object))
        }
        Kind::Quantity => Some("0".into()),
        Kind::IntOrString => Some(0.into()),
        Kind::Duration => Some("0s".into()),
        _ if field.omit_empty => None,
        Kind::Bool => Some(false.into()),
        Kind::Int32 | Kind::Int64 => Some(0.into()),
        Kind::Float64 => Some(0.0.into()),
        Kind::String => Some("".into()),
        Kind::Bytes | Kind::Time | Kind::MicroTime | Kind::FieldsV1 | Kind::RawExtension => None,
        Kind::List(_) | Kind::Map(_) => None,
    }
}

/// Whether JSON leaves a value out because it is zero. Empty lists and maps always are.
pub(crate) fn is_left_out(field: &Field, value: &Value) -> bool {
    match (&field.kind, value) {
        (Kind::List(_), Value::Array(list)) => list.is_empty(),
        (Kind::Map(_), Value::Object(map)) => map.is_empty(),
        _ if field.pointer || !field.omit_empty => false,
        (Kind::Bool, Value::Bool(value)) => !value,
        (Kind::Int32 | Kind::Int64 | Kind::Float64, Value::Number(number)) => number.as_f64() == Some(0.0),
        (Kind::String | Kind::Bytes, Value::String(text)) => text.is_empty(),
        _ => false,
    }
}
