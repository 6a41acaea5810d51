//! Lists of a strategic merge patch that merge, and the order their elements end in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Directive, Member, PATCH, directive, fresh_map, merge_map};
use crate::PatchError;
use crate::path::Scalar;

/// Merges a patch's list into a list: by merge key, or as a set of scalars.
pub(super) fn merge(
    original: Vec<Value>,
    patch: Vec<Value>,
    member: Member<'_>,
) -> Result<Vec<Value>, PatchError> {
    let (merged, server, order) = merge_elements(original, patch, member)?;
    Ok(arrange(merged, &order, &server))
}

/// Merges like [`merge`]; then `order` decides where the elements stand.
pub(super) fn merge_in_order(
    original: Option<Value>,
    patch: Option<Value>,
    order: &[Value],
    member: Member<'_>,
) -> Result<Option<Value>, PatchError> {
    let order = order
        .iter()
        .map(|element| identity(element, member))
        .collect::<Result<Vec<_>, _>>()?;
    let existed = original.is_some() || patch.is_some();
    let (original, patch) = (elements(original)?, elements(patch)?);
    follows(&patch, &order, member)?;
    let (merged, server, _) = merge_elements(original, patch, member)?;
    Ok(existed.then(|| Value::Array(arrange(merged, &order, &server))))
}

/// Takes scalars out of a list.
pub(super) fn delete_scalars(elements: &mut Vec<Value>, doomed: &[Value]) -> Result<(), PatchError> {
    let doomed = doomed.iter().map(scalar).collect::<Result<BTreeSet<_>, _>>()?;
    elements.retain(|element| scalar(element).is_ok_and(|element| !doomed.contains(&element)));
    Ok(())
}

fn elements(list: Option<Value>) -> Result<Vec<Value>, PatchError> {
    match list {
        None => Ok(Vec::new()),
        Some(Value::Array(elements)) => Ok(elements),
        Some(_) => Err(PatchError::Unsupported(
            "expected a list, but received another type".into(),
        )),
    }
}

/// What makes an element the same in two lists: its merge key's value, or the scalar itself.
fn identity(element: &Value, member: Member<'_>) -> Result<Scalar, PatchError> {
    match (member.merge_key(), element) {
        (None, element) => scalar(element),
        (Some(key), Value::Object(element)) => key_value(element, key),
        (Some(_), _) => Err(PatchError::Unsupported(
            "expected a map, but received another type".into(),
        )),
    }
}

fn key_value(element: &Map<String, Value>, key: &str) -> Result<Scalar, PatchError> {
    element.get(key).and_then(Scalar::of).ok_or_else(|| {
        PatchError::Unsupported(format!(
            "map: map[...] does not contain declared merge key: {key}"
        ))
    })
}

fn scalar(element: &Value) -> Result<Scalar, PatchError> {
    match element {
        Value::Array(_) => Err(PatchError::Failed("lists of lists are not supported".into())),
        Value::Object(_) => Err(PatchError::Unsupported(
            "cannot merge lists without merge key".into(),
        )),
        scalar => Ok(Scalar::of(scalar).unwrap_or(Scalar::Null)),
    }
}

type Elements = Vec<(Scalar, Value)>;

/// The merged elements, unordered, and the order of the elements in the original and in the patch.
fn merge_elements(
    original: Vec<Value>,
    patch: Vec<Value>,
    member: Member<'_>,
) -> Result<(Elements, Vec<Scalar>, Vec<Scalar>), PatchError> {
    let mut merged = original
        .into_iter()
        .map(|element| Ok((identity(&element, member)?, element)))
        .collect::<Result<Elements, PatchError>>()?;
    let patch = match member.merge_key() {
        Some(key) => special_elements(&mut merged, patch, key)?,
        None => patch,
    };
    let server = merged.iter().map(|(identity, _)| identity.clone()).collect();
    if member.merge_key().is_none() {
        deduplicate(&mut merged);
    }
    let mut places = BTreeMap::new();
    for (place, (identity, _)) in merged.iter().enumerate() {
        places.entry(identity.clone()).or_insert(place);
    }
    let mut order = Vec::with_capacity(patch.len());
    for element in patch {
        let identity = identity(&element, member)?;
        order.push(identity.clone());
        match (places.get(&identity), element) {
            (Some(&place), Value::Object(change)) => {
                let before = match merged[place].1.take() {
                    Value::Object(before) => before,
                    _ => Map::new(),
                };
                merged[place].1 = Value::Object(merge_map(before, change, member.elements())?);
            }
            (Some(_), _) => {}
            (None, element) => {
                places.insert(identity.clone(), merged.len());
                let element = match element {
                    Value::Object(element) => Value::Object(fresh_map(element)?),
                    scalar => scalar,
                };
                merged.push((identity, element));
            }
        }
    }
    Ok((merged, server, order))
}

/// Carries out the elements that are directives and returns the others.
fn special_elements(merged: &mut Elements, patch: Vec<Value>, key: &str) -> Result<Vec<Value>, PatchError> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut doomed = BTreeSet::new();
    let mut replace = false;
    for mut element in patch {
        let directive = element.as_object_mut().map_or(Ok(None), directive)?;
        match (directive, &element) {
            (Some(Directive::Replace), _) => replace = true,
            (Some(Directive::Delete), Value::Object(element)) => {
                doomed.insert(key_value(element, key)?);
            }
            _ => plain.push(element),
        }
    }
    merged.retain(|(identity, _)| !replace && !doomed.contains(identity));
    Ok(plain)
}

fn deduplicate(elements: &mut Elements) {
    let mut seen = BTreeSet::new();
    elements.retain(|(identity, _)| seen.insert(identity.clone()));
}

/// The patch's elements have to stand in the order of `$setElementOrder`, which may name more.
fn follows(patch: &[Value], order: &[Scalar], member: Member<'_>) -> Result<(), PatchError> {
    let mut order = order.iter();
    for element in patch.iter().filter(|element| element.get(PATCH).is_none()) {
        let identity = identity(element, member)?;
        if !order.any(|named| *named == identity) {
            let text = "the order in patch list doesn't match $setElementOrder list";
            return Err(PatchError::Unsupported(text.into()));
        }
    }
    Ok(())
}

/// Puts the elements that `order` names in that order and weaves the others between them: each before the
/// first named element that the server had behind it.
fn arrange(merged: Elements, order: &[Scalar], server: &[Scalar]) -> Vec<Value> {
    let order_places = places(order);
    let server_places = places(server);
    let (mut named, mut others): (Elements, Elements) = merged
        .into_iter()
        .partition(|(identity, _)| order_places.contains_key(identity));
    named.sort_by_key(|(identity, _)| order_places.get(identity));
    others.sort_by_key(|(identity, _)| server_places.get(identity).copied().unwrap_or(usize::MAX));

    let mut arranged = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    for (identity, element) in named {
        if let Some(place) = server_places.get(&identity) {
            while let Some((_, other)) =
                others.next_if(|(other, _)| server_places.get(other).is_some_and(|other| other < place))
            {
                arranged.push(other);
            }
        }
        arranged.push(element);
    }
    arranged.extend(others.map(|(_, other)| other));
    arranged
}

fn places(identities: &[Scalar]) -> BTreeMap<&Scalar, usize> {
    let mut places = BTreeMap::new();
    for (place, identity) in identities.iter().enumerate() {
        places.entry(identity).or_insert(place);
    }
    places
}
