//! Defaults that the API definition declares (`+default`).

use strongroom_objects::{Field, Kind, Map, Type, Value};

/// Sets the fields of `object`, and of what is in it, whose default the schema knows.
pub(crate) fn fill_declared(ty: &'static Type, object: &mut Map) {
    for field in ty.json_fields() {
        match (object.get_mut(field.json_name), field.default) {
            (Some(value), _) => fill_value(&field.kind, value),
            (None, Some(default)) => {
                if let Some(value) = written(field, default) {
                    object.insert(field.json_name.to_owned(), value);
                }
            }
            (None, None) => {}
        }
    }
}

fn fill_value(kind: &'static Kind, value: &mut Value) {
    match (kind, value) {
        (Kind::Message(ty), Value::Object(object)) => fill_declared(ty.get(), object),
        (Kind::List(element), Value::Array(list)) => {
            list.iter_mut().for_each(|value| fill_value(element, value));
        }
        _ => {}
    }
}

/// The default, unless it is one that JSON leaves out.
fn written(field: &Field, default: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(default).ok()?;
    let is_zero = value == "" || value == 0 || value == false;
    (field.pointer || !field.omit_empty || !is_zero).then_some(value)
}
