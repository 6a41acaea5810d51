//! Reading and filling JSON trees whose shape the schema has already checked.

use strongroom_objects::{Map, Object, Value};

static NULL: Value = Value::Null;

/// The member `spec` or `status` of an object; null where there is none.
pub fn part<'a>(object: &'a Object, name: &str) -> &'a Value {
    object.body.get(name).unwrap_or(&NULL)
}

/// A member; null where there is none, so that reading on needs no questions.
pub fn get<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&NULL)
}

/// A member that is there.
pub fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|member| !member.is_null())
}

/// A text; empty where there is none.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    get(value, name).as_str().unwrap_or_default()
}

/// An integer that is there.
pub fn integer(value: &Value, name: &str) -> Option<i64> {
    get(value, name).as_i64()
}

/// A boolean; false where there is none.
pub fn flag(value: &Value, name: &str) -> bool {
    get(value, name).as_bool().unwrap_or(false)
}

/// A list; empty where there is none.
pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    get(value, name).as_array().map_or(&[], Vec::as_slice)
}

/// The entries of a map, ordered by key.
pub fn entries<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
    let map = get(value, name).as_object();
    map.into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value))
}

/// The member `name` of a map, made an empty object unless it is one.
pub fn object_mut<'a>(map: &'a mut Map, name: &str) -> &'a mut Map {
    let value = map.entry(name).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it has just been made an object"),
    }
}

/// The objects in the list `name`.
pub fn objects_mut<'a>(map: &'a mut Map, name: &str) -> impl Iterator<Item = &'a mut Map> {
    let list = map.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Sets a member that is not there, or is an empty text.
pub fn fill(map: &mut Map, name: &str, value: impl Into<Value>) {
    let is_missing = map
        .get(name)
        .is_none_or(|present| present.is_null() || present == "");
    if is_missing {
        map.insert(name.to_owned(), value.into());
    }
}

/// Gives `new` the member of `old`, or takes it away.
pub fn keep(new: &mut Object, old: &Object, name: &str) {
    match old.body.get(name) {
        Some(value) => drop(new.body.insert(name.to_owned(), value.clone())),
        None => drop(new.body.remove(name)),
    }
}
