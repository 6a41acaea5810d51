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
    /// `name` is made only if something differs, and copied only if it does so in several ways.
    fn put(&mut self, name: impl FnOnce() -> PathElement, below: Delta) {
        let mut sets = [
            (&mut self.added.below, below.added),
            (&mut self.modified.below, below.modified),
            (&mut self.removed.below, below.removed),
        ]
        .into_iter()
        .filter(|(_, node)| !node.is_empty());
        if let Some((set, node)) = sets.next() {
            let name = name();
            for (set, node) in sets {
                set.put(name.clone(), node);
            }
            set.put(name, node);
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
        delta.put(|| PathElement::field(name), below);
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

/// What Go's JSON has for a member of a struct that is missing: a struct that is no pointer is always there,
/// and so is every other value that is not left out when it is zero. Nobody owns what nobody brought into being.
fn implied(shape: Shape<'_>, name: &str) -> Option<&'static Value> {
    let Shape::Struct { ty, .. } = shape else {
        return None;
    };
    let field = ty
        .field(name)
        .filter(|field| !field.pointer && !field.omit_zero)?;
    match field.kind {
        Kind::Message(_) => Some(&ZEROS.object),
        Kind::Quantity => Some(&ZEROS.quantity),
        Kind::IntOrString => Some(&ZEROS.number),
        Kind::Duration => Some(&ZEROS.duration),
        _ if field.omit_empty => None,
        Kind::Bool => Some(&Value::Bool(false)),
        Kind::Int32 | Kind::Int64 => Some(&ZEROS.number),
        Kind::Float64 => Some(&ZEROS.float),
        Kind::String => Some(&ZEROS.text),
        Kind::List(_) | Kind::Map(_) => Some(&Value::Null),
        _ => None,
    }
}

struct Zeros {
    object: Value,
    number: Value,
    float: Value,
    text: Value,
    quantity: Value,
    duration: Value,
}

static ZEROS: LazyLock<Zeros> = LazyLock::new(|| Zeros {
    object: Value::Object(Map::new()),
    number: 0.into(),
    float: 0.0.into(),
    text: "".into(),
    quantity: "0".into(),
    duration: "0s".into(),
});

fn elements(delta: &mut Delta, shape: Shape<'_>, before: Option<&Value>, after: Option<&Value>) {
    let before = by_name(shape, before);
    let mut after = by_name(shape, after);
    for (name, before) in before {
        let after = after.remove(&name).unwrap_or_default();
        let below = element(shape.element(), &before, &after);
        delta.put(|| name, below);
    }
    for (name, after) in after {
        let below = element(shape.element(), &[], &after);
        delta.put(|| name, below);
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

#[cfg(test)]
mod tests;
