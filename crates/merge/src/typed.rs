//! An applied configuration: does it fit its type, and which fields does it state (api-conventions §8)?

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::path::PathElement;
use crate::set::{Node, Set};
use crate::shape::{ScalarKind, Shape};

/// Errors reported for one configuration; more would only make the answer long.
const MAX_ERRORS: usize = 50;

/// Every fault of a configuration that does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

/// Checks that a configuration has only declared fields, values of the right type and no list element
/// twice. Null fits everywhere. The error lists every fault with its path and no value of the object, save
/// the keys of list elements.
pub fn check(shape: Shape<'_>, value: &Value) -> Result<(), Unfit> {
    let mut check = Check {
        path: Vec::new(),
        errors: Vec::new(),
    };
    check.value(shape, value);
    match check.errors.as_slice() {
        [] => Ok(()),
        [error] => Err(Unfit(error.clone())),
        errors => Err(Unfit(format!("errors:\n  {}", errors.join("\n  ")))),
    }
}

struct Check {
    path: Vec<PathElement>,
    errors: Vec<String>,
}

impl Check {
    fn value(&mut self, shape: Shape<'_>, value: &Value) {
        match (shape, value) {
            (_, Value::Null) | (Shape::Opaque, _) => {}
            (Shape::Struct { .. } | Shape::Map { .. }, Value::Object(members)) => {
                self.members(shape, members)
            }
            (Shape::List { .. }, Value::Array(elements)) => self.elements(shape, elements),
            (Shape::Scalar(kind), value) if fits(kind, value) => {}
            (shape, value) => self.error(&format!("expected {}, got {}", expected(shape), type_of(value))),
        }
    }

    fn members(&mut self, shape: Shape<'_>, members: &Map<String, Value>) {
        for (name, value) in members {
            if self.errors.len() >= MAX_ERRORS {
                return;
            }
            self.path.push(PathElement::field(name));
            match shape.member(name) {
                Some(member) => self.value(member, value),
                None => self.error("field not declared in schema"),
            }
            self.path.pop();
        }
    }

    fn elements(&mut self, shape: Shape<'_>, elements: &[Value]) {
        let mut seen = BTreeSet::new();
        for (index, element) in elements.iter().enumerate() {
            if self.errors.len() >= MAX_ERRORS {
                return;
            }
            match shape.path_element(index, element) {
                Ok(name) => {
                    if seen.contains(&name) {
                        self.error(&format!("duplicate entries for key {name}"));
                    }
                    self.path.push(name.clone());
                    self.value(shape.element(), element);
                    self.path.pop();
                    seen.insert(name);
                }
                Err(error) => self.error(&format!("element {index}: {error}")),
            }
        }
    }

    fn error(&mut self, text: &str) {
        let mut error: String = self.path.iter().map(ToString::to_string).collect();
        error.push_str(": ");
        error.push_str(text);
        self.errors.push(error);
    }
}

fn fits(kind: ScalarKind, value: &Value) -> bool {
    match kind {
        ScalarKind::Bool => value.is_boolean(),
        ScalarKind::Number => value.is_number(),
        ScalarKind::Text => value.is_string(),
        ScalarKind::Any => !value.is_array() && !value.is_object(),
    }
}

fn expected(shape: Shape<'_>) -> &'static str {
    match shape {
        Shape::Struct { .. } | Shape::Map { .. } => "map",
        Shape::List { .. } => "list",
        Shape::Scalar(ScalarKind::Bool) => "boolean",
        Shape::Scalar(ScalarKind::Number) => "numeric (int or float)",
        Shape::Scalar(ScalarKind::Text) => "string",
        Shape::Scalar(ScalarKind::Any) | Shape::Opaque => "any scalar",
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

/// The fields that a configuration states: its leaves, its list elements, and maps that are empty.
pub fn field_set(shape: Shape<'_>, value: &Value) -> Set {
    stated(shape, value).below
}

fn stated(shape: Shape<'_>, value: &Value) -> Node {
    if shape.is_leaf() || value.is_null() {
        return Node::leaf();
    }
    let mut node = Node::default();
    match (shape, value) {
        (Shape::Struct { .. } | Shape::Map { .. }, Value::Object(members)) => {
            node.member = members.is_empty();
            let is_map = matches!(shape, Shape::Map { .. });
            for (name, value) in members.iter().filter(|(name, _)| !shape.is_managed_fields(name)) {
                let mut below = stated(shape.member_or_opaque(name), value);
                below.member |= is_map;
                node.below.put(PathElement::field(name), below);
            }
        }
        (Shape::List { .. }, Value::Array(elements)) => {
            for (index, element) in elements.iter().enumerate() {
                if let Ok(name) = shape.path_element(index, element) {
                    let below = stated(shape.element(), element).below;
                    node.below.put(name, Node { member: true, below });
                }
            }
        }
        _ => {}
    }
    node
}

/// Adds the structs, maps and lists that stand in a struct and have members below them: they go when what
/// was stated in them goes.
pub fn with_named_fields(set: Set, shape: Shape<'_>) -> Set {
    let mut named = Set::default();
    for (element, node) in set.into_nodes() {
        let (place, is_named) = match (&element, shape) {
            (PathElement::Field(name), Shape::Struct { .. }) => (shape.member(name), true),
            (PathElement::Field(name), Shape::Map { .. }) => (shape.member(name), false),
            (PathElement::Field(_), _) => (None, false),
            (_, _) => (Some(shape.element()), false),
        };
        let member = node.member || (is_named && place.is_some() && !node.below.is_empty());
        let below = with_named_fields(node.below, place.unwrap_or(Shape::Opaque));
        named.put(element, Node { member, below });
    }
    named
}

#[cfg(test)]
mod tests;
