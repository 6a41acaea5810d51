//! Putting a configuration onto an object, and taking fields out of one (server-side apply).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::path::PathElement;
use crate::set::Set;
use crate::shape::{Shape, by_index};

/// Merges an applied configuration into an object: what it states wins, everything else stays.
pub fn merge(shape: Shape<'_>, live: Option<Value>, applied: Value) -> Value {
    let Some(live) = live.filter(|_| !shape.is_leaf()) else {
        return applied;
    };
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) => Value::Object(merge_members(shape, live, applied)),
        (Value::Array(live), Value::Array(applied)) if matches!(shape, Shape::List { .. }) => {
            Value::Array(merge_elements(shape, live, applied))
        }
        // Null states a container without saying anything about what is in it.
        (Value::Object(live), Value::Null) if !live.is_empty() => Value::Object(live),
        (Value::Array(live), Value::Null) if !live.is_empty() => Value::Array(live),
        (_, applied) => applied,
    }
}

fn merge_members(
    shape: Shape<'_>,
    mut live: Map<String, Value>,
    applied: Map<String, Value>,
) -> Map<String, Value> {
    for (name, value) in applied {
        let merged = merge(shape.member_or_opaque(&name), live.remove(&name), value);
        live.insert(name, merged);
    }
    live
}

/// Applied elements stand in the applied order. Others keep theirs: each comes before the next element that
/// both lists have, and before elements that only the configuration has.
fn merge_elements(shape: Shape<'_>, live: Vec<Value>, applied: Vec<Value>) -> Vec<Value> {
    let applied = named(shape, applied);
    let places: BTreeMap<&PathElement, usize> = applied
        .iter()
        .enumerate()
        .map(|(place, (name, _))| (name, place))
        .collect();
    let mut counterparts: Vec<Counterpart> = applied.iter().map(|_| Counterpart::Absent).collect();
    let mut order = Vec::with_capacity(live.len());
    for (name, element) in named(shape, live) {
        if let Some(&place) = places.get(&name) {
            order.push(Live::Stated(place));
            counterparts[place].add(element);
        } else {
            order.push(Live::Other(element));
        }
    }

    let next_in_both = next_in_both(&counterparts);
    let mut order = order.into_iter().peekable();
    let mut merged = Vec::with_capacity(order.len() + applied.len());
    for (place, (_, element)) in applied.into_iter().enumerate() {
        while let Some(passed) =
            order.next_if(|live| live.place() != next_in_both[place] || live.place().is_none())
        {
            merged.extend(passed.other());
        }
        order.next_if(|live| live.place() == Some(place));
        merged.push(merge(
            shape.element(),
            std::mem::take(&mut counterparts[place]).value(),
            element,
        ));
    }
    merged.extend(order.filter_map(Live::other));
    merged
}

/// An element of the live list.
enum Live {
    /// The configuration states it too, at this place.
    Stated(usize),
    Other(Value),
}

impl Live {
    fn place(&self) -> Option<usize> {
        match self {
            Live::Stated(place) => Some(*place),
            Live::Other(_) => None,
        }
    }

    fn other(self) -> Option<Value> {
        match self {
            Live::Stated(_) => None,
            Live::Other(element) => Some(element),
        }
    }
}

/// What the live list has for an applied element.
#[derive(Default)]
enum Counterpart {
    #[default]
    Absent,
    Once(Value),
    /// Nobody can say which one is meant: the applied element replaces them all.
    Several,
}

impl Counterpart {
    fn add(&mut self, element: Value) {
        *self = match self {
            Counterpart::Absent => Counterpart::Once(element),
            _ => Counterpart::Several,
        };
    }

    fn value(self) -> Option<Value> {
        match self {
            Counterpart::Once(element) => Some(element),
            Counterpart::Absent | Counterpart::Several => None,
        }
    }
}

/// For each applied element the first one, from it on, that the live list has as well.
fn next_in_both(counterparts: &[Counterpart]) -> Vec<Option<usize>> {
    let mut next = None;
    let mut places: Vec<_> = (0..counterparts.len())
        .rev()
        .map(|place| {
            if !matches!(counterparts[place], Counterpart::Absent) {
                next = Some(place);
            }
            next
        })
        .collect();
    places.reverse();
    places
}

fn named(shape: Shape<'_>, elements: Vec<Value>) -> Vec<(PathElement, Value)> {
    let name = |(index, element): (usize, Value)| {
        let name = shape
            .path_element(index, &element)
            .unwrap_or_else(|_| by_index(index));
        (name, element)
    };
    elements.into_iter().enumerate().map(name).collect()
}

/// Takes the paths of `doomed` out of an object, with all that is below them. Structs, maps and lists that
/// become empty by it go too.
///
/// A map that is owned key by key loses only the doomed keys, even if the map itself is doomed: keys that
/// nobody claims (a Secret's folded stringData) are no leftovers of its fields, as those of a struct are.
pub fn remove(shape: Shape<'_>, value: &mut Value, doomed: &Set) {
    prune(shape, value, doomed);
}

/// Returns whether anything is left.
fn prune(shape: Shape<'_>, value: &mut Value, doomed: &Set) -> bool {
    if shape.is_leaf() || doomed.is_empty() && !is_key_map(shape) {
        return true;
    }
    match value {
        Value::Object(members) => {
            for (name, node) in doomed.iter() {
                let PathElement::Field(name) = name else { continue };
                let member = shape.member_or_opaque(name);
                let Some(value) = members.get_mut(name.as_ref()) else {
                    continue;
                };
                let goes_whole = node.member && !(is_key_map(member) && value.is_object());
                if goes_whole || !prune(member, value, &node.below) {
                    members.remove(name.as_ref());
                }
            }
            !members.is_empty()
        }
        Value::Array(elements) => {
            let mut index = 0;
            elements.retain_mut(|element| {
                let name = shape.path_element(index, element);
                index += 1;
                match name.ok().and_then(|name| doomed.get(&name)) {
                    Some(node) => !node.member && prune(shape.element(), element, &node.below),
                    None => true,
                }
            });
            !elements.is_empty()
        }
        _ => true,
    }
}

fn is_key_map(shape: Shape<'_>) -> bool {
    matches!(shape, Shape::Map { atomic: false, .. })
}

#[cfg(test)]
mod tests;
