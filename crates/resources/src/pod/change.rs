//! What may change in a pod that exists.

mod diff;

use strongroom_objects::{FieldError, Object, Value};

use super::validate::{MIRROR, check_updated_images};
use crate::place::{Errors, Place};
use crate::tree::{integer, list, part, text};

const CHANGEABLE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
const MAX_SECONDS: i64 = i32::MAX as i64;

pub(super) fn annotations(new: &Object, old: &Object, errors: &mut Errors) {
    let (new, old) = (
        new.metadata.annotations.get(MIRROR),
        old.metadata.annotations.get(MIRROR),
    );
    let detail = match (new, old) {
        (new, Some(old)) if new != Some(old) => "may not remove or update mirror pod annotation",
        (Some(_), None) => "may not add mirror pod annotation",
        _ => return,
    };
    let path = format!("metadata.annotations[{MIRROR}]");
    errors.push(FieldError::forbidden(&path, detail));
}

/// A pod's spec is what it is, but for images, deadlines, gates and more tolerations.
pub(super) fn spec(new: &Object, old: &Object, errors: &mut Errors) {
    let place = Place::part(new, "spec");
    let (wanted, stored) = (part(new, "spec"), part(old, "spec"));
    for name in ["containers", "initContainers"] {
        if list(wanted, name).len() != list(stored, name).len() {
            let detail = "pod updates may not add or remove containers";
            place.at(name).forbidden(detail, errors);
            return;
        }
        check_updated_images(&place, name, errors);
    }
    if !deadline(&place, stored, errors) {
        return;
    }
    tolerations(&place, stored, errors);
    gates(&place, stored, errors);
    let is_gated = !list(stored, "schedulingGates").is_empty();
    if is_gated {
        node_selector(&place, stored, errors);
    }
    let compared = without_changeable(wanted, stored, is_gated);
    if compared != *stored {
        let difference = diff::between("spec", stored, &compared);
        let detail = format!("{CHANGEABLE}\n{difference}");
        place.forbidden(&detail, errors);
    }
}

/// Whether the rest is worth looking at.
fn deadline(spec: &Place<'_>, stored: &Value, errors: &mut Errors) -> bool {
    let place = spec.at("activeDeadlineSeconds");
    let before = integer(stored, "activeDeadlineSeconds");
    match (place.value.as_i64(), before) {
        (Some(seconds), _) if !(0..=MAX_SECONDS).contains(&seconds) => {
            place.between(0, MAX_SECONDS, errors);
            false
        }
        (Some(seconds), Some(before)) if before < seconds => {
            place.invalid("must be less than or equal to previous value", errors);
            false
        }
        (None, Some(_)) => {
            place.invalid("must not update from a positive integer to nil value", errors);
            true
        }
        _ => true,
    }
}

fn tolerations(spec: &Place<'_>, stored: &Value, errors: &mut Errors) {
    let timeless = |toleration: &Value| {
        let mut toleration = toleration.clone();
        if let Value::Object(members) = &mut toleration {
            members.remove("tolerationSeconds");
        }
        toleration
    };
    let wanted: Vec<Value> = list(spec.value, "tolerations").iter().map(timeless).collect();
    let is_kept = |before: &Value| wanted.contains(&timeless(before));
    if !list(stored, "tolerations").iter().all(is_kept) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        spec.at("tolerations").forbidden(detail, errors);
    }
}

fn gates(spec: &Place<'_>, stored: &Value, errors: &mut Errors) {
    let before: Vec<&str> = list(stored, "schedulingGates")
        .iter()
        .map(|gate| text(gate, "name"))
        .collect();
    for gate in spec.each("schedulingGates") {
        let name = gate.text("name");
        if !before.contains(&name) {
            let detail = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            gate.at("name").forbidden(&detail, errors);
        }
    }
}

/// A pod that waits at its gates may be held to more labels, never to fewer.
fn node_selector(spec: &Place<'_>, stored: &Value, errors: &mut Errors) {
    let place = spec.at("nodeSelector");
    let before = stored.get("nodeSelector").and_then(Value::as_object);
    for (key, value) in before.into_iter().flatten() {
        if place.value.get(key) != Some(value) {
            let path = format!("{}.{key}", place.path);
            let detail = "only additions are allowed (no mutations or deletions)";
            errors.push(FieldError::invalid(&path, place.text(key), detail));
        }
    }
}

/// `wanted` with everything that may change as it was.
fn without_changeable(wanted: &Value, stored: &Value, is_gated: bool) -> Value {
    let mut compared = wanted.clone();
    let Value::Object(members) = &mut compared else {
        return compared;
    };
    for name in ["containers", "initContainers"] {
        let containers = members.get_mut(name).and_then(Value::as_array_mut);
        for (container, before) in containers.into_iter().flatten().zip(list(stored, name)) {
            put_back(container, before, "image");
        }
    }
    let mut restore = |name: &str| match stored.get(name) {
        Some(value) => drop(members.insert(name.to_owned(), value.clone())),
        None => drop(members.remove(name)),
    };
    restore("activeDeadlineSeconds");
    restore("schedulingGates");
    restore("tolerations");
    if is_gated {
        restore("nodeSelector");
    }
    let grace = "terminationGracePeriodSeconds";
    let was_negative = integer(stored, grace).is_some_and(|seconds| seconds < 0);
    if was_negative && integer(wanted, grace) == Some(1) {
        restore(grace);
    }
    compared
}

fn put_back(container: &mut Value, before: &Value, name: &str) {
    if let (Value::Object(container), Some(value)) = (container, before.get(name)) {
        container.insert(name.to_owned(), value.clone());
    }
}

#[cfg(test)]
mod tests;
