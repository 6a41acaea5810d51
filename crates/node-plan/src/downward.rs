//! The pod's own fields and its containers' resources as values (downward API, pods-and-kubelet §3.5, §4).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::node_facts::NodeFacts;
use crate::pod;
use crate::quantity::Amount;

/// A field that cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownwardError {
    /// Not a field that the downward API knows.
    #[error("unsupported fieldPath: {0}")]
    Field(String),
    /// A field that has no keys.
    #[error("fieldPath \"{0}\" does not support subscript")]
    Subscript(String),
    /// Not a resource that the downward API knows.
    #[error("unsupported container resource : {0}")]
    Resource(String),
    /// The pod has no such container.
    #[error("container {0} not found")]
    Container(String),
    /// A quantity cannot be read.
    #[error("{field}: {source}")]
    Quantity {
        /// Where it stands.
        field: String,
        /// What is wrong with it.
        source: crate::quantity::QuantityError,
    },
}

/// A field as an environment variable shows it: what volumes can show, and the addresses, the node's name and the
/// service account besides.
///
/// # Errors
/// When the field is not served.
pub fn environment_field(
    pod: &Pod,
    path: &str,
    node: &NodeFacts,
    pod_ips: &[String],
) -> Result<String, DownwardError> {
    let own = if pod::host_network(pod) {
        &node.ips
    } else {
        pod_ips
    };
    let first = |ips: &[String]| ips.first().cloned().unwrap_or_default();
    Ok(match path {
        "spec.nodeName" => pod::spec(pod)
            .and_then(|spec| spec.node_name.clone())
            .unwrap_or_default(),
        "spec.serviceAccountName" => pod::service_account(pod).to_owned(),
        "status.hostIP" => first(&node.ips),
        "status.hostIPs" => node.ips.join(","),
        "status.podIP" => first(own),
        "status.podIPs" => own.join(","),
        _ => return field(pod, path),
    })
}

/// A field as volumes show it: name, namespace, UID, labels and annotations, whole or one of them.
///
/// # Errors
/// When the field is not served.
pub fn field(pod: &Pod, path: &str) -> Result<String, DownwardError> {
    let metadata = &pod.metadata;
    if let Some((path, key)) = subscript(path) {
        let map = match path {
            "metadata.labels" => &metadata.labels,
            "metadata.annotations" => &metadata.annotations,
            _ => return Err(DownwardError::Subscript(format!("{path}['{key}']"))),
        };
        return Ok(map
            .as_ref()
            .and_then(|map| map.get(key))
            .cloned()
            .unwrap_or_default());
    }
    Ok(match path {
        "metadata.name" => pod::name(pod).to_owned(),
        "metadata.namespace" => pod::namespace(pod).to_owned(),
        "metadata.uid" => pod::uid(pod).to_owned(),
        "metadata.labels" => lines(metadata.labels.as_ref()),
        "metadata.annotations" => lines(metadata.annotations.as_ref()),
        _ => return Err(DownwardError::Field(path.to_owned())),
    })
}

fn subscript(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['")
}

/// `key="escaped value"`, sorted by key, without a line break at the end.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines: Vec<String> = map
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", quoted(value)))
        .collect();
    lines.join("\n")
}

/// As Go's `%q`.
fn quoted(text: &str) -> String {
    let mut output = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => output.push_str("\\\""),
            '\\' => output.push_str("\\\\"),
            '\u{7}' => output.push_str("\\a"),
            '\u{8}' => output.push_str("\\b"),
            '\u{c}' => output.push_str("\\f"),
            '\n' => output.push_str("\\n"),
            '\r' => output.push_str("\\r"),
            '\t' => output.push_str("\\t"),
            '\u{b}' => output.push_str("\\v"),
            _ if character == ' ' || is_printable(character) => output.push(character),
            _ => {
                let code = u32::from(character);
                output.push_str(&match code {
                    0..0x80 => format!("\\x{code:02x}"),
                    0x80..0x1_0000 => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                });
            }
        }
    }
    output.push('"');
    output
}

/// Whether Go would print it as it is: not a control character, not a space other than U+0020.
fn is_printable(character: char) -> bool {
    let combining = character.escape_debug().len() > 1 && !character.is_alphanumeric();
    !character.is_control()
        && !character.is_whitespace()
        && (!combining || matches!(character, '\'' | '\u{300}'..='\u{36f}'))
}

/// A resource of one of the pod's containers: the named one, else `own`. In whole divisors, rounded up; a limit that
/// is not set is what the node has.
///
/// # Errors
/// When there is no such container or resource.
pub fn resource(
    pod: &Pod,
    own: Option<&Container>,
    selector: &ResourceFieldSelector,
    node: &NodeFacts,
) -> Result<String, DownwardError> {
    let name = selector.container_name.as_deref().unwrap_or_default();
    let container = match own {
        Some(container) if name.is_empty() || container.name == name => container,
        _ => {
            pod::member(pod, name)
                .ok_or_else(|| DownwardError::Container(name.to_owned()))?
                .container
        }
    };
    let unsupported = || DownwardError::Resource(selector.resource.clone());
    let (list, resource) = selector.resource.split_once('.').ok_or_else(unsupported)?;
    let known =
        matches!(resource, "cpu" | "memory" | "ephemeral-storage") || resource.starts_with("hugepages-");
    let limits = match list {
        "limits" => true,
        "requests" => false,
        _ => return Err(unsupported()),
    };
    if !known {
        return Err(unsupported());
    }
    let read = |quantity: Option<&Quantity>| {
        let amount = quantity.map(Amount::of).transpose();
        amount.map_err(|source| DownwardError::Quantity {
            field: selector.resource.clone(),
            source,
        })
    };
    let resources = container.resources.as_ref();
    let written = resources.and_then(|resources| {
        if limits {
            resources.limits.as_ref()
        } else {
            resources.requests.as_ref()
        }
    });
    let mut amount = read(written.and_then(|list| list.get(resource)))?.filter(|amount| !amount.is_zero());
    if amount.is_none() && limits && !resource.starts_with("hugepages-") {
        amount = read(node.allocatable.get(resource))?;
    }
    let divisor = read(selector.divisor.as_ref())?.filter(|divisor| !divisor.is_zero());
    let in_units = |amount: Option<Amount>, default: i64| match resource {
        "cpu" => amount.map_or(default * 1000, Amount::milli),
        _ => amount.map_or(default, Amount::value),
    };
    let (amount, divisor) = (in_units(amount, 0), in_units(divisor, 1).max(1));
    Ok(amount
        .div_euclid(divisor)
        .saturating_add(i64::from(amount.rem_euclid(divisor) != 0))
        .to_string())
}
