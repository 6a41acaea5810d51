//! The `spec` of access reviews: what is wrong with it, and what it asks.

use serde::Deserialize;
use serde_json::json;
use strongroom_objects::{FieldError, Map, Object, ObjectMeta, Value};

use super::{ReviewAttributes, ReviewError};
use crate::Identity;
use crate::rbac::LabelSelectorRequirement;

pub(super) fn valid(errors: Vec<FieldError>) -> Result<(), ReviewError> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ReviewError::Invalid(errors))
    }
}

pub(super) fn spec_text(review: &Object, name: &str) -> String {
    let spec = spec(review);
    spec.map(|spec| text(spec, name)).unwrap_or_default()
}

/// Errors of every kind of access review.
pub(super) fn self_spec_errors(review: &Object) -> Vec<FieldError> {
    let resource = attributes(review, "resourceAttributes");
    let path = attributes(review, "nonResourceAttributes");
    let mut errors = Vec::new();
    match (resource, path) {
        (Some(_), Some(path)) => errors.push(FieldError::invalid(
            "spec.nonResourceAttributes",
            in_go(path),
            "cannot be specified in combination with resourceAttributes",
        )),
        (None, None) => errors.push(FieldError::invalid(
            "spec.resourceAttributes",
            Value::Null,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )),
        _ => {}
    }
    if let Some(resource) = resource {
        for (member, raw) in [("fieldSelector", "field"), ("labelSelector", "label")] {
            let selector = resource.get(member).and_then(Value::as_object);
            errors.extend(selector.into_iter().flat_map(|selector| {
                selector_errors(&format!("spec.resourceAttributes.{member}"), selector, raw)
            }));
        }
    }
    errors
}

/// Errors of the kinds that name their subject.
pub(super) fn subject_spec_errors(review: &Object) -> Vec<FieldError> {
    let mut errors = self_spec_errors(review);
    let subject = subject(review);
    if subject.user.is_empty() && subject.groups.is_empty() {
        errors.push(FieldError::invalid(
            "spec.user",
            "",
            "at least one of user or group must be specified",
        ));
    }
    errors
}

/// Reviews have no metadata; the server's own entries do not count.
pub(super) fn metadata_error(review: &Object, namespaced: bool) -> Option<FieldError> {
    let mut metadata = review.metadata.clone();
    metadata.managed_fields = Vec::new();
    if namespaced {
        metadata.namespace = String::new();
    }
    let detail = if namespaced {
        "must be empty except for namespace"
    } else {
        "must be empty"
    };
    (metadata != ObjectMeta::default())
        .then(|| FieldError::invalid("metadata", Value::Object(review.metadata.to_value()), detail))
}

/// Errors of a review that lives in a namespace.
pub(super) fn local_errors(review: &Object) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(resource) = attributes(review, "resourceAttributes") {
        let namespace = text(resource, "namespace");
        if namespace != review.metadata.namespace {
            errors.push(FieldError::invalid(
                "spec.resourceAttributes.namespace",
                namespace,
                "must match metadata.namespace",
            ));
        }
    }
    if let Some(path) = attributes(review, "nonResourceAttributes") {
        errors.push(FieldError::invalid(
            "spec.nonResourceAttributes",
            in_go(path),
            "disallowed on this kind of request",
        ));
    }
    errors
}

pub(super) fn subject(review: &Object) -> Identity {
    let Some(spec) = spec(review) else {
        return Identity::default();
    };
    let extra = spec.get("extra").and_then(Value::as_object);
    Identity {
        user: text(spec, "user"),
        uid: text(spec, "uid"),
        groups: texts(spec.get("groups")),
        // The keys of headers come without regard to case, so Kubernetes lowers those of reviews too.
        extra: extra
            .into_iter()
            .flatten()
            .map(|(key, values)| (key.to_lowercase(), texts(Some(values))))
            .collect(),
    }
}

pub(super) fn question(review: &Object) -> ReviewAttributes {
    if let Some(resource) = attributes(review, "resourceAttributes") {
        return ReviewAttributes {
            is_resource_request: true,
            verb: text(resource, "verb"),
            namespace: text(resource, "namespace"),
            api_group: text(resource, "group"),
            api_version: text(resource, "version"),
            resource: text(resource, "resource"),
            subresource: text(resource, "subresource"),
            name: text(resource, "name"),
            path: String::new(),
            field_selector: selector(resource, "fieldSelector"),
            label_selector: selector(resource, "labelSelector"),
        };
    }
    let path = attributes(review, "nonResourceAttributes");
    ReviewAttributes {
        verb: path.map(|path| text(path, "verb")).unwrap_or_default(),
        path: path.map(|path| text(path, "path")).unwrap_or_default(),
        ..ReviewAttributes::default()
    }
}

fn spec(review: &Object) -> Option<&Map> {
    review.body.get("spec")?.as_object()
}

fn attributes<'a>(review: &'a Object, name: &str) -> Option<&'a Map> {
    spec(review)?.get(name)?.as_object()
}

fn text(map: &Map, name: &str) -> String {
    map.get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// The value of an error names the fields of the Go type.
fn in_go(path: &Map) -> Value {
    json!({"Path": text(path, "path"), "Verb": text(path, "verb")})
}

fn requirements(selector: &Map) -> Vec<LabelSelectorRequirement> {
    let list = selector.get("requirements").and_then(Value::as_array);
    let read = |value| LabelSelectorRequirement::deserialize(value).unwrap_or_default();
    list.into_iter().flatten().map(read).collect()
}

fn selector_errors(path: &str, selector: &Map, kind: &str) -> Vec<FieldError> {
    let raw = text(selector, "rawSelector");
    let requirements = requirements(selector);
    if !raw.is_empty() && !requirements.is_empty() {
        let detail = "may not specified at the same time as requirements";
        return vec![FieldError::invalid(&format!("{path}.rawSelector"), raw, detail)];
    }
    if raw.is_empty() && requirements.is_empty() {
        let detail = format!("when {path} is specified, requirements or rawSelector is required");
        return vec![FieldError::required(&format!("{path}.requirements"), &detail)];
    }
    let each = requirements.iter().enumerate().flat_map(|(index, demand)| {
        requirement_errors(&format!("{path}.requirements[{index}]"), demand, kind)
    });
    each.collect()
}

fn requirement_errors(path: &str, demand: &LabelSelectorRequirement, kind: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if kind == "field" && demand.key.is_empty() {
        errors.push(FieldError::required(&format!("{path}.key"), "must be specified"));
    }
    let values = format!("{path}.values");
    match demand.operator.as_str() {
        "In" | "NotIn" if demand.values.is_empty() => errors.push(FieldError::required(
            &values,
            "must be specified when `operator` is 'In' or 'NotIn'",
        )),
        "Exists" | "DoesNotExist" if !demand.values.is_empty() => errors.push(FieldError::forbidden(
            &values,
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        )),
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.push(FieldError::invalid(
            &format!("{path}.operator"),
            other,
            "not a valid selector operator",
        )),
    }
    errors
}

/// The selector as a query parameter would carry it. A demand that has no such form is left out: authorizers may take
/// fewer demands for more, never the other way round.
fn selector(resource: &Map, name: &str) -> Option<String> {
    let selector = resource.get(name)?.as_object()?;
    let raw = text(selector, "rawSelector");
    if !raw.is_empty() {
        return Some(raw);
    }
    let label = name == "labelSelector";
    let terms: Vec<String> = requirements(selector)
        .iter()
        .filter_map(|demand| term(demand, label))
        .collect();
    (!terms.is_empty()).then(|| terms.join(","))
}

fn term(demand: &LabelSelectorRequirement, label: bool) -> Option<String> {
    let key = &demand.key;
    match (demand.operator.as_str(), demand.values.as_slice()) {
        ("In", [value]) => Some(format!("{key}={}", escaped(value, label))),
        ("NotIn", [value]) => Some(format!("{key}!={}", escaped(value, label))),
        ("In", values) if label => Some(format!("{key} in ({})", values.join(","))),
        ("NotIn", values) if label => Some(format!("{key} notin ({})", values.join(","))),
        ("Exists", _) if label => Some(key.clone()),
        ("DoesNotExist", _) if label => Some(format!("!{key}")),
        _ => None,
    }
}

/// The values of field selectors escape what separates terms.
fn escaped(value: &str, label: bool) -> String {
    if label {
        return value.to_owned();
    }
    value
        .replace('\\', "\\\\")
        .replace(',', "\\,")
        .replace('=', "\\=")
}
