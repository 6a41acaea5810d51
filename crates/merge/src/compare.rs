//! What changed between two objects, as field sets (api-conventions §8).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};
use strongroom_objects::schema::Kind;

use crate::path::PathElement;
use crate::set::{Node, Set};
use crate::shape::{Shape, by_index};

/// The fields that differ between two objects. Containers that came into being or vanished count too.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Only in the second object.
    pub added: Set,
    /// In both with another value.
    pub modified: Set,
    /// Only in the first object.
    pub removed: Set,
}

impl Changes {
    /// Whether the objects are equal.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }
}

/// Compares two objects of one type; before a create there is an empty one. Managed fields are not looked at.
pub fn compare(shape: Shape<'_>, before: Option<&Value>, after: &Value) -> Changes {
    let nothing = Value::Object(Map::new());
    let Delta {
        added,
        modified,
        removed,
    } = delta(shape, Some(before.unwrap_or(&nothing)), Some(after));
    Changes {
        added: added.below,
        modified: modified.below,
        removed: removed.below,
    }
}

#[derive(Default)]
struct Delta {
    added: Node,
    modified: Node,
    removed: Node,
}

impl Delta {
    fn put(&mut self, element: PathElement, below: Delta) {
        let Delta {
            added,
            modified,
            removed,
        } = below;
        if !added.is_empty() {
            self.added.below.put(element.clone(), added);
        }
        if !modified.is_empty() {
            self.modified.below.put(element.clone(), modified);
        }
        if !removed.is_empty() {
            self.removed.below.put(element, removed);
        }
    }
}

fn delta(shape: Shape<'_>, before: Option<&Value>, after: Option<&Value>) -> Delta {
    let mut delta = Delta::default();
    // Two empty containers are compared as values: null, {} and [] differ.
    if shape.is_leaf() || (is_empty(before) && is_empty(after)) || !fits(shape, before) || !fits(shape, after)
    {
        delta.modified.member = matches!((before, after), (Some(before), Some(after)) if before != after);
    } else if matches!(shape, Shape::List { .. }) {
        elements(&mut delta, shape, before, after);
    } else {
        members(&mut delta, shape, before, after);
    }
    delta.added.member = before.is_none() && after.is_some();
    delta.removed.member = before.is_some() && after.is_none();
    delta
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(members)) => members.is_empty(),
        Some(Value::Array(elements)) => elements.is_empty(),
        Some(_) => false,
    }
}

fn fits(shape: Shape<'_>, value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(_)) => matches!(shape, Shape::List { .. }),
        Some(Value::Object(_)) => matches!(shape, Shape::Struct { .. } | Shape::Map { .. }),
        Some(_) => false,
    }
}

fn members(delta: &mut Delta, shape: Shape<'_>, before: Option<&Value>, after: Option<&Value>) {
    let members_before = before.and_then(Value::as_object);
    let members_after = after.and_then(Value::as_object);
    let mut visit = |name: &str, before_member: Option<&Value>, after_member: Option<&Value>| {
        if shape.is_managed_fields(name) {
            return;
        }
        let implied = |object: Option<&Value>| object.and_then(|_| implied(shape, name));
        let before_member = before_member.or_else(|| implied(before));
        let after_member = after_member.or_else(|| implied(after));
        let below = self::delta(shape.member_or_opaque(name), before_member, after_member);
        delta.put(PathElement::field(name), below);
    };
    for (name, value) in members_before.into_iter().flatten() {
        visit(name, Some(value), members_after.and_then(|after| after.get(name)));
    }
    for (name, value) in members_after.into_iter().flatten() {
        if !members_before.is_some_and(|before| before.contains_key(name)) {
            visit(name, None, Some(value));
        }
    }
}

/// What a struct has for a member that is missing in JSON: a struct that is no pointer in Go is always there,
/// and so is a list or map that is not left out when it is empty. Nobody brings such a container into being.
fn implied(shape: Shape<'_>, name: &str) -> Option<&'static Value> {
    static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
    let Shape::Struct { ty, .. } = shape else {
        return None;
    };
    let field = ty.field(name)?;
    match field.kind {
        Kind::Message(_) if !field.pointer && !field.omit_zero => Some(&EMPTY),
        Kind::List(_) | Kind::Map(_) if !field.omit_empty => Some(&Value::Null),
        _ => None,
    }
}

fn elements(delta: &mut Delta, shape: Shape<'_>, before: Option<&Value>, after: Option<&Value>) {
    let before = by_name(shape, before);
    let mut after = by_name(shape, after);
    for (name, before) in before {
        let after = after.remove(&name).unwrap_or_default();
        delta.put(name, element(shape.element(), &before, &after));
    }
    for (name, after) in after {
        delta.put(name, element(shape.element(), &[], &after));
    }
}

/// Elements that stand in a list more than once are compared together, as one value.
fn element(shape: Shape<'_>, before: &[&Value], after: &[&Value]) -> Delta {
    if before.len() < 2 && after.len() < 2 {
        return delta(shape, before.first().copied(), after.first().copied());
    }
    let mut delta = Delta::default();
    delta.added.member = before.is_empty();
    delta.removed.member = after.is_empty();
    delta.modified.member = !before.is_empty() && !after.is_empty() && before != after;
    delta
}

fn by_name<'v>(shape: Shape<'_>, list: Option<&'v Value>) -> BTreeMap<PathElement, Vec<&'v Value>> {
    let mut by_name: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (index, element) in list.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let name = shape
            .path_element(index, element)
            .unwrap_or_else(|_| by_index(index));
        by_name.entry(name).or_default().push(element);
    }
    by_name
}
