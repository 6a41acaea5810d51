//! Strategic merge patch: a merge patch that knows from the schema which lists merge by key
//! (api-conventions §7).

mod lists;

use serde_json::{Map, Value};
use strongroom_objects::schema::{Field, Kind, Type};

use crate::PatchError;

/// Says what happens to the map or list element it stands in: `replace`, `delete` or `merge`.
const PATCH: &str = "$patch";
/// Names the only keys a map keeps.
const RETAIN_KEYS: &str = "$retainKeys";
/// Followed by a list's name: elements to take out of a list of scalars.
const DELETE_FROM_PRIMITIVE_LIST: &str = "$deleteFromPrimitiveList/";
/// Followed by a list's name: the order its elements end in.
const SET_ELEMENT_ORDER: &str = "$setElementOrder/";

/// Applies a strategic merge patch to an object of type `ty`.
///
/// # Errors
/// `Malformed` for a patch that is no object or whose directives have the wrong form, `Failed` for lists
/// of lists, `Unsupported` for an unknown `$patch` and for list elements without their merge key.
pub fn strategic_merge_patch(document: Value, patch: Value, ty: &Type) -> Result<Value, PatchError> {
    let patch = match patch {
        Value::Object(patch) => patch,
        Value::Null => return Ok(document),
        _ => return Err(PatchError::Malformed("invalid JSON document".into())),
    };
    let original = match document {
        Value::Object(original) => original,
        _ => Map::new(),
    };
    merge_map(original, patch, Place::Struct(ty)).map(Value::Object)
}

/// Where in the schema a map of the patch stands.
#[derive(Clone, Copy)]
enum Place<'a> {
    Struct(&'a Type),
    Map(&'a Kind),
    /// Beyond what the schema knows: maps merge, lists are replaced.
    Unknown,
}

/// What the schema says about one member of a map.
#[derive(Clone, Copy)]
struct Member<'a> {
    field: Option<&'a Field>,
    kind: Option<&'a Kind>,
}

impl<'a> Place<'a> {
    fn of(kind: Option<&'a Kind>) -> Self {
        match kind {
            Some(Kind::Message(ty)) => Place::Struct(ty.get()),
            Some(Kind::Map(values)) => Place::Map(values),
            _ => Place::Unknown,
        }
    }

    fn member(self, key: &str) -> Member<'a> {
        match self {
            Place::Struct(ty) => {
                let field = ty.field(key);
                Member {
                    field,
                    kind: field.map(|field| &field.kind),
                }
            }
            Place::Map(values) => Member {
                field: None,
                kind: Some(values),
            },
            Place::Unknown => Member {
                field: None,
                kind: None,
            },
        }
    }
}

impl<'a> Member<'a> {
    fn place(self) -> Place<'a> {
        Place::of(self.kind)
    }

    /// Where the elements of a list stand.
    fn elements(self) -> Place<'a> {
        match self.kind {
            Some(Kind::List(elements)) => Place::of(Some(elements)),
            _ => Place::Unknown,
        }
    }

    fn merges(self) -> bool {
        self.field.is_some_and(|field| field.patch_strategy.merge)
    }

    fn replaces(self) -> bool {
        self.field.is_some_and(|field| field.patch_strategy.replace)
    }

    fn merge_key(self) -> Option<&'a str> {
        self.field.and_then(|field| field.patch_merge_key)
    }
}

fn merge_map(
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
    place: Place<'_>,
) -> Result<Map<String, Value>, PatchError> {
    match directive(&mut patch)? {
        Some(Directive::Replace) => return fresh_map(patch),
        Some(Directive::Delete) => return Ok(Map::new()),
        Some(Directive::Merge) | None => {}
    }
    retain_keys(&mut original, &mut patch)?;
    set_element_order(&mut original, &mut patch, place)?;
    for (key, change) in patch {
        if let Some(list) = key.strip_prefix(DELETE_FROM_PRIMITIVE_LIST) {
            delete_from_list(&mut original, list, change)?;
        } else if change.is_null() {
            original.remove(&key);
        } else {
            let merged = merge_member(original.remove(&key), change, place.member(&key))?;
            original.extend(merged.map(|merged| (key, merged)));
        }
    }
    Ok(original)
}

fn merge_member(
    original: Option<Value>,
    change: Value,
    member: Member<'_>,
) -> Result<Option<Value>, PatchError> {
    match (original, change) {
        (Some(Value::Object(original)), Value::Object(change)) if !member.replaces() => {
            merge_map(original, change, member.place()).map(|merged| Some(Value::Object(merged)))
        }
        (Some(Value::Array(original)), Value::Array(change)) if member.merges() => {
            lists::merge(original, change, member).map(|merged| Some(Value::Array(merged)))
        }
        (_, change) => fresh(change),
    }
}

enum Directive {
    Replace,
    Delete,
    Merge,
}

/// Takes the `$patch` directive out of a map.
fn directive(patch: &mut Map<String, Value>) -> Result<Option<Directive>, PatchError> {
    let Some(directive) = patch.remove(PATCH) else {
        return Ok(None);
    };
    match directive.as_str() {
        Some("replace") => Ok(Some(Directive::Replace)),
        Some("delete") => Ok(Some(Directive::Delete)),
        Some("merge") => Ok(Some(Directive::Merge)),
        _ => Err(PatchError::Unsupported("unknown patch type in map".into())),
    }
}

/// A value of the patch that meets nothing to merge with: without its nulls and directives. `None` for
/// what the patch wants deleted.
fn fresh(value: Value) -> Result<Option<Value>, PatchError> {
    match value {
        Value::Object(mut members) => match directive(&mut members)? {
            Some(Directive::Delete) => Ok(None),
            _ => fresh_map(members).map(|members| Some(Value::Object(members))),
        },
        Value::Array(elements) => {
            let mut kept = Vec::with_capacity(elements.len());
            for element in elements {
                let marks_list = element.get(PATCH).is_some_and(|directive| directive == "replace");
                if !marks_list {
                    kept.extend(fresh(element)?);
                }
            }
            Ok(Some(Value::Array(kept)))
        }
        scalar => Ok(Some(scalar)),
    }
}

fn fresh_map(members: Map<String, Value>) -> Result<Map<String, Value>, PatchError> {
    let mut kept = Map::new();
    for (key, value) in members {
        let is_directive = key == RETAIN_KEYS
            || key.starts_with(SET_ELEMENT_ORDER)
            || key.starts_with(DELETE_FROM_PRIMITIVE_LIST);
        if !is_directive && !value.is_null() {
            let value = fresh(value)?;
            kept.extend(value.map(|value| (key, value)));
        }
    }
    Ok(kept)
}

/// `$retainKeys`: every other key goes. Keys that the patch sets have to be among them.
fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), PatchError> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let wrong = || PatchError::Malformed("invalid patch format of retainKeys".into());
    let keys: std::collections::BTreeSet<&str> = keys
        .as_array()
        .ok_or_else(wrong)?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let stray = patch.iter().any(|(key, value)| {
        let is_directive = key.starts_with(SET_ELEMENT_ORDER) || key.starts_with(DELETE_FROM_PRIMITIVE_LIST);
        !value.is_null() && !is_directive && !keys.contains(key.as_str())
    });
    if stray {
        return Err(wrong());
    }
    original.retain(|key, _| keys.contains(key.as_str()));
    Ok(())
}

fn delete_from_list(original: &mut Map<String, Value>, list: &str, doomed: Value) -> Result<(), PatchError> {
    let Value::Array(doomed) = doomed else {
        return Err(PatchError::Malformed(
            "invalid patch format of primitive list".into(),
        ));
    };
    if let Some(Value::Array(elements)) = original.get_mut(list) {
        lists::delete_scalars(elements, &doomed)?;
    }
    Ok(())
}

/// `$setElementOrder/<list>`: merges the list together with its order and takes both out of the patch.
fn set_element_order(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    place: Place<'_>,
) -> Result<(), PatchError> {
    let directives: Vec<String> = patch
        .keys()
        .filter(|key| key.starts_with(SET_ELEMENT_ORDER))
        .cloned()
        .collect();
    for directive in directives {
        let list = &directive[SET_ELEMENT_ORDER.len()..];
        let Some(Value::Array(order)) = patch.remove(&directive) else {
            return Err(PatchError::Malformed(
                "invalid patch format of setElementOrder list".into(),
            ));
        };
        let member = place.member(list);
        if !member.merges() || patch.get(list).is_some_and(|change| !change.is_array()) {
            continue;
        }
        let before = original.remove(list);
        let change = patch.remove(list);
        if let Some(merged) = lists::merge_in_order(before, change, &order, member)? {
            original.insert(list.to_owned(), merged);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
