//! Where a pod may run: selectors, affinity, tolerations, gates, spread.

use std::collections::BTreeSet;

use strongroom_objects::FieldError;
use strongroom_objects::names::{label_value, qualified_name};

use crate::names::{NameRule, label_name};
use crate::place::{Errors, Place};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const ACTIONS: [&str; 2] = ["DoNotSchedule", "ScheduleAnyway"];
const RULES: [&str; 2] = [
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
];

pub(super) fn node_selector(selector: &Place<'_>, errors: &mut Errors) {
    let labels = selector.value.as_object();
    for (key, value) in labels.into_iter().flatten() {
        for problem in qualified_name(key) {
            selector.invalid_as(key.as_str(), &problem, errors);
        }
        let value = value.as_str().unwrap_or_default();
        for problem in label_value(value) {
            selector.invalid_as(value, &problem, errors);
        }
    }
}

pub(super) fn tolerations(spec: &Place<'_>, errors: &mut Errors) {
    for toleration in spec.each("tolerations") {
        let (key, operator) = (toleration.at("key"), toleration.at("operator"));
        let (value, effect) = (toleration.text("value"), toleration.at("effect"));
        if !key.str().is_empty() {
            key.problems(qualified_name(key.str()), errors);
        } else if operator.str() != "Exists" {
            let detail =
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            operator.invalid_as(operator.str(), detail, errors);
        }
        if toleration.find("tolerationSeconds").is_some() && effect.str() != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            effect.invalid_as(effect.str(), detail, errors);
        }
        match operator.str() {
            "" | "Equal" => {
                let problems = label_value(value);
                if !problems.is_empty() {
                    operator.invalid_as(value, &problems.join(";"), errors);
                }
            }
            "Exists" if !value.is_empty() => {
                operator.invalid_as(value, "value must be empty when `operator` is 'Exists'", errors);
            }
            "Exists" => {}
            _ => operator.one_of(&["Equal", "Exists"], errors),
        }
        if !effect.str().is_empty() {
            effect.one_of(&EFFECTS, errors);
        }
    }
}

pub(super) fn affinity(affinity: &Place<'_>, errors: &mut Errors) {
    let nodes = affinity.at("nodeAffinity");
    if let Some(required) = nodes.find(RULES[0]) {
        if required.each("nodeSelectorTerms").next().is_none() {
            let detail = "must have at least one node selector term";
            required.at("nodeSelectorTerms").required(detail, errors);
        }
        for term in required.each("nodeSelectorTerms") {
            node_term(&term, true, errors);
        }
    }
    for preferred in nodes.each(RULES[1]) {
        weight(&preferred, errors);
        node_term(&preferred.at("preference"), false, errors);
    }
    for name in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.at(name);
        for term in pods.each(RULES[0]) {
            pod_term(&term, errors);
        }
        for preferred in pods.each(RULES[1]) {
            weight(&preferred, errors);
            pod_term(&preferred.at("podAffinityTerm"), errors);
        }
    }
}

fn weight(preferred: &Place<'_>, errors: &mut Errors) {
    let weight = preferred.at("weight");
    if !(1..=100).contains(&weight.value.as_i64().unwrap_or(0)) {
        weight.invalid("must be in the range 1-100", errors);
    }
}

/// A term of a node selector. Values of a term that is only preferred are not looked at.
fn node_term(term: &Place<'_>, is_required: bool, errors: &mut Errors) {
    for requirement in term.each("matchExpressions") {
        let values = requirement.at("values");
        let count = requirement.each("values").count();
        match requirement.text("operator") {
            "In" | "NotIn" if count == 0 => {
                values.required("must be specified when `operator` is 'In' or 'NotIn'", errors);
            }
            "Exists" | "DoesNotExist" if count > 0 => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                values.forbidden(detail, errors);
            }
            "Gt" | "Lt" if count != 1 => {
                let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                values.required(detail, errors);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            operator => {
                let place = requirement.at("operator");
                place.invalid_as(operator, "not a valid selector operator", errors);
            }
        }
        let key = requirement.at("key");
        key.problems(qualified_name(key.str()), errors);
        if is_required {
            for value in requirement.each("values") {
                value.problems(label_value(value.str()), errors);
            }
        }
    }
    for requirement in term.each("matchFields") {
        field_requirement(&requirement, errors);
    }
}

fn field_requirement(requirement: &Place<'_>, errors: &mut Errors) {
    if matches!(requirement.text("operator"), "In" | "NotIn") {
        if requirement.each("values").count() != 1 {
            let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            requirement.at("values").required(detail, errors);
        }
    } else {
        let operator = requirement.at("operator");
        operator.invalid_as(operator.str(), "not a valid selector operator", errors);
    }
    let key = requirement.at("key");
    if key.str() == "metadata.name" {
        for value in requirement.each("values") {
            value.problems(NameRule::Subdomain.check(value.str(), false), errors);
        }
    } else {
        key.invalid_as(key.str(), "not a valid field selector key", errors);
    }
}

fn pod_term(term: &Place<'_>, errors: &mut Errors) {
    label_selector(&term.at("labelSelector"), errors);
    label_selector(&term.at("namespaceSelector"), errors);
    for namespace in term.each("namespaces") {
        let place = term.at("namespace");
        for problem in label_name(namespace.str()) {
            place.invalid_as(namespace.str(), &problem, errors);
        }
    }
    let topology = term.at("topologyKey");
    if topology.str().is_empty() {
        topology.required("can not be empty", errors);
    }
    topology.problems(qualified_name(topology.str()), errors);
}

fn label_selector(selector: &Place<'_>, errors: &mut Errors) {
    node_selector(&selector.at("matchLabels"), errors);
    for requirement in selector.each("matchExpressions") {
        let values = requirement.at("values");
        let count = requirement.each("values").count();
        match requirement.text("operator") {
            "In" | "NotIn" if count == 0 => {
                values.required("must be specified when `operator` is 'In' or 'NotIn'", errors);
            }
            "Exists" | "DoesNotExist" if count > 0 => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                values.forbidden(detail, errors);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            operator => {
                let place = requirement.at("operator");
                place.invalid_as(operator, "not a valid selector operator", errors);
            }
        }
        let key = requirement.at("key");
        key.problems(qualified_name(key.str()), errors);
        for value in requirement.each("values") {
            value.problems(label_value(value.str()), errors);
        }
    }
}

/// Gates before scheduling, and conditions before readiness.
pub(super) fn gates(spec: &Place<'_>, errors: &mut Errors) {
    for gate in spec.each("readinessGates") {
        let kind = gate.at("conditionType");
        kind.problems(qualified_name(kind.str()), errors);
    }
    let mut seen = BTreeSet::new();
    for gate in spec.each("schedulingGates") {
        let name = gate.text("name");
        for problem in qualified_name(name) {
            gate.invalid_as(name, &problem, errors);
        }
        if !seen.insert(name) {
            errors.push(FieldError::duplicate(&gate.path, name));
        }
    }
    if !seen.is_empty() && !spec.text("nodeName").is_empty() {
        let detail = "cannot be set until all schedulingGates have been cleared";
        spec.at("nodeName").forbidden(detail, errors);
    }
}

pub(super) fn spread(spec: &Place<'_>, errors: &mut Errors) {
    let constraints: Vec<Place<'_>> = spec.each("topologySpreadConstraints").collect();
    for (index, constraint) in constraints.iter().enumerate() {
        let positive = |name: &str, errors: &mut Errors| {
            let place = constraint.at(name);
            if place.value.as_i64().is_some_and(|number| number <= 0) {
                place.invalid("must be greater than zero", errors);
            }
        };
        positive("maxSkew", errors);
        let key = constraint.at("topologyKey");
        if key.str().is_empty() {
            key.required("can not be empty", errors);
        }
        let action = constraint.text("whenUnsatisfiable");
        constraint.at("whenUnsatisfiable").one_of(&ACTIONS, errors);
        let is_repeated = constraints[index + 1..]
            .iter()
            .any(|other| other.text("topologyKey") == key.str() && other.text("whenUnsatisfiable") == action);
        if is_repeated {
            let path = format!("{}.{{topologyKey, whenUnsatisfiable}}", constraint.path);
            let value = format!("{{{}, {action}}}", key.str());
            errors.push(FieldError::duplicate(&path, value));
        }
        positive("minDomains", errors);
        if let Some(domains) = constraint.find("minDomains")
            && action != ACTIONS[0]
        {
            let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
            domains.invalid(&detail, errors);
        }
        for name in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            constraint.at(name).none_or_one_of(&["Honor", "Ignore"], errors);
        }
        label_selector(&constraint.at("labelSelector"), errors);
    }
}
