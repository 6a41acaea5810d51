//! What is wrong with a node.

use strongroom_objects::names::{label_value, qualified_name};
use strongroom_objects::{FieldError, Object, Quantity, Value};

use crate::tree::{entries, get, list, part, text};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(super) fn node(node: &Object, errors: &mut Vec<FieldError>) {
    let spec = part(node, "spec");
    validate_taints(list(spec, "taints"), errors);
    for name in ["capacity", "allocatable"] {
        for (resource, amount) in entries(part(node, "status"), name) {
            let amount = amount.as_str().unwrap_or_default();
            if Quantity::parse(amount).is_none_or(Quantity::is_negative) {
                errors.push(FieldError::invalid(
                    &format!("status.{name}[{resource}]"),
                    amount,
                    "must be greater than or equal to 0",
                ));
            }
        }
    }
}

fn validate_taints(taints: &[Value], errors: &mut Vec<FieldError>) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (index, taint) in taints.iter().enumerate() {
        // Kubernetes names the key once more, in place of its field.
        let path = format!("metadata.taints[{index}]");
        let (key, value, effect) = (text(taint, "key"), text(taint, "value"), text(taint, "effect"));
        let mut invalid = |field: &str, value: &str, problems: Vec<String>| {
            errors.extend(
                problems
                    .iter()
                    .map(|problem| FieldError::invalid(&format!("{path}.{field}"), value, problem)),
            );
        };
        invalid("key", key, qualified_name(key));
        invalid("value", value, label_value(value));
        if effect.is_empty() {
            errors.push(FieldError::required(&format!("{path}.effect"), ""));
        } else if !EFFECTS.contains(&effect) {
            errors.push(FieldError::not_supported(
                &format!("{path}.effect"),
                effect,
                &EFFECTS,
            ));
        }
        if seen.contains(&(key, effect)) {
            let mut error = FieldError::duplicate(&path, taint.clone());
            "taints must be unique by key and effect pair".clone_into(&mut error.detail);
            errors.push(error);
        }
        seen.push((key, effect));
    }
}

pub(super) fn change(new: &Object, old: &Object, errors: &mut Vec<FieldError>) {
    let (new, old) = (part(new, "spec"), part(old, "spec"));
    let mut frozen = |field: &str, detail: &str| {
        let before = get(old, field);
        let is_set = !before.is_null() && before != "";
        if is_set && get(new, field) != before {
            errors.push(FieldError::forbidden(&format!("spec.{field}"), detail));
        }
    };
    frozen(
        "podCIDRs",
        "node updates may not change podCIDR except from \"\" to valid",
    );
    frozen(
        "providerID",
        "node updates may not change providerID except from \"\" to valid",
    );
}
