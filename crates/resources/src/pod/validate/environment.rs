//! Environment variables and what they may refer to.

use strongroom_objects::names::qualified_name;

use super::syntax::environment_name;
use crate::names::{NameRule, config_key};
use crate::place::{Errors, Place};

/// What a variable can show of its pod.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Fields that Kubernetes knows at all, whether or not they can be shown.
const KNOWN_FIELDS: [&str; 15] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.host",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.phase",
    "status.podIP",
    "status.podIPs",
];

const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

const SOURCES: [&str; 5] = [
    "fieldRef",
    "resourceFieldRef",
    "configMapKeyRef",
    "secretKeyRef",
    "fileKeyRef",
];

pub(super) fn variables(container: &Place<'_>, errors: &mut Errors) {
    for variable in container.each("env") {
        let name = variable.at("name");
        name.required_text(errors);
        name.problems(environment_name(name.str()), errors);
        if let Some(source) = variable.find("valueFrom") {
            value_from(&source, variable.text("value"), errors);
        }
    }
}

fn value_from(source: &Place<'_>, value: &str, errors: &mut Errors) {
    if let Some(field) = source.find("fieldRef") {
        field_reference(&field, &FIELDS, errors);
    }
    if let Some(resource) = source.find("resourceFieldRef") {
        resource_reference(&resource, false, errors);
    }
    for name in ["configMapKeyRef", "secretKeyRef"] {
        if let Some(selector) = source.find(name) {
            key_selector(&selector, errors);
        }
    }
    if let Some(file) = source.find("fileKeyRef") {
        file.forbidden(
            "Strongroom does not read environment variables from files",
            errors,
        );
    }
    let count = SOURCES.iter().filter(|name| source.find(name).is_some()).count();
    if count == 0 {
        let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        source.invalid_as("", detail, errors);
    } else if !value.is_empty() {
        source.invalid_as("", "may not be specified when `value` is not empty", errors);
    } else if count > 1 {
        source.invalid_as("", "may not have more than one field specified at a time", errors);
    }
}

fn key_selector(selector: &Place<'_>, errors: &mut Errors) {
    let name = selector.at("name");
    name.problems(NameRule::Subdomain.check(name.str(), false), errors);
    let key = selector.at("key");
    if key.str().is_empty() {
        key.required("", errors);
    } else {
        key.problems(config_key(key.str()), errors);
    }
}

/// Whole ConfigMaps and Secrets. Kubernetes counts the sources of an element in the name of the whole list.
pub(super) fn variable_sources(container: &Place<'_>, errors: &mut Errors) {
    let list = container.at("envFrom");
    for source in container.each("envFrom") {
        let prefix = source.at("prefix");
        prefix.problems(environment_name(prefix.str()), errors);
        let mut count = 0;
        for kind in ["configMapRef", "secretRef"] {
            let Some(reference) = source.find(kind) else {
                continue;
            };
            count += 1;
            let name = reference.at("name");
            if name.str().is_empty() {
                name.required("", errors);
            } else {
                name.problems(NameRule::Subdomain.check(name.str(), true), errors);
            }
        }
        match count {
            0 => list.invalid_as("", "must specify one of: `configMapRef` or `secretRef`", errors),
            1 => {}
            _ => list.invalid_as("", "may not have more than one field specified at a time", errors),
        }
    }
}

/// A field of the pod, such as `metadata.name` or `metadata.labels['app']`.
pub(super) fn field_reference(reference: &Place<'_>, supported: &[&str], errors: &mut Errors) {
    for name in ["apiVersion", "fieldPath"] {
        if reference.text(name).is_empty() {
            reference.at(name).required("", errors);
            return;
        }
    }
    let place = reference.at("fieldPath");
    let path = place.str();
    let version = reference.text("apiVersion");
    let mut unknown = |problem: String| {
        place.invalid(&format!("error converting fieldPath: {problem}"), errors);
    };
    if version != "v1" {
        return unknown(format!("unsupported pod version: {version}"));
    }
    match subscript(path) {
        Some(("metadata.annotations", key)) => {
            complain(reference, key, qualified_name(&key.to_lowercase()), errors);
        }
        Some(("metadata.labels", key)) => complain(reference, key, qualified_name(key), errors),
        Some(_) => unknown(format!("field label does not support subscript: {path}")),
        None if !KNOWN_FIELDS.contains(&path) => unknown(format!("field label not supported: {path}")),
        None => {
            let path = if path == "spec.host" {
                "spec.nodeName"
            } else {
                path
            };
            if !supported.contains(&path) {
                place.one_of(supported, errors);
            }
        }
    }
}

fn complain(place: &Place<'_>, key: &str, problems: Vec<String>, errors: &mut Errors) {
    for problem in problems {
        place.invalid_as(key, &problem, errors);
    }
}

/// `metadata.labels['app']` as `metadata.labels` and `app`.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (path, rest) = path.split_once("['")?;
    Some((path, rest.strip_suffix("']")?)).filter(|(path, _)| !path.is_empty())
}

/// An amount of a container, such as `limits.cpu`. In volumes, the container has to be named.
pub(super) fn resource_reference(reference: &Place<'_>, in_volume: bool, errors: &mut Errors) {
    let resource = reference.at("resource");
    let is_pages = ["limits.hugepages-", "requests.hugepages-"]
        .iter()
        .any(|prefix| resource.str().starts_with(prefix));
    if in_volume && reference.text("containerName").is_empty() {
        reference.at("containerName").required("", errors);
    } else if resource.str().is_empty() {
        resource.required("", errors);
    } else if !is_pages {
        resource.one_of(&RESOURCES, errors);
    }
    divisor(reference, errors);
}

fn divisor(reference: &Place<'_>, errors: &mut Errors) {
    const SIZES: [&str; 13] = [
        "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
    ];
    let divisor = reference.text("divisor");
    if matches!(divisor, "" | "0") {
        return;
    }
    let resource = reference.text("resource");
    let (supported, what): (&[&str], &str) = match resource.split_once('.').map(|(_, name)| name) {
        Some("cpu") => (&["1m", "1"], "cpu resource"),
        Some("memory") => (&SIZES, "memory resource"),
        Some("ephemeral-storage") => (&SIZES, "local ephemeral storage resource"),
        Some(name) if name.starts_with("hugepages-") => (&SIZES, "hugepages resource"),
        _ => return,
    };
    if !supported.contains(&divisor) {
        let values = if supported.len() == 2 {
            "1m and 1".to_owned()
        } else {
            supported.join(", ")
        };
        let detail = format!("only divisor's values {values} are supported with the {what}");
        reference.at("divisor").invalid_as(resource, &detail, errors);
    }
}
