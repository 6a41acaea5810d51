//! What is wrong with a node.

use std::collections::BTreeSet;
use std::net::IpAddr;

use strongroom_objects::names::{label_value, qualified_name};
use strongroom_objects::{FieldError, Object, Quantity};

use crate::place::{Errors, Place};
use crate::tree::{get, list, part, text};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const NETWORK: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

pub(super) fn node(node: &Object, errors: &mut Errors) {
    let spec = Place::part(node, "spec");
    taints(&spec, errors);
    amounts(node, errors);
    networks(&spec, errors);
}

/// Kubernetes looks for taints in the metadata, where they once were.
fn taints(spec: &Place<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (index, taint) in spec.each("taints").enumerate() {
        let taint = Place {
            value: taint.value,
            path: format!("metadata.taints[{index}]"),
        };
        let (key, value, effect) = (taint.at("key"), taint.at("value"), taint.at("effect"));
        key.problems(qualified_name(key.str()), errors);
        let problems = label_value(value.str());
        if !problems.is_empty() {
            value.invalid(&problems.join(";"), errors);
        }
        effect.required_one_of(&EFFECTS, errors);
        if !seen.insert((key.str(), effect.str())) {
            let mut error = FieldError::duplicate(&taint.path, taint.value.clone());
            "taints must be unique by key and effect pair".clone_into(&mut error.detail);
            errors.push(error);
        }
    }
}

fn amounts(node: &Object, errors: &mut Errors) {
    for name in ["capacity", "allocatable"] {
        for (resource, amount) in Place::part(node, "status").entries(name) {
            let place = Place {
                value: amount.value,
                path: format!("status.{name}.{resource}"),
            };
            let Some(quantity) = Quantity::parse(place.str()) else {
                continue;
            };
            if quantity.is_negative() {
                place.invalid("must be greater than or equal to 0", errors);
            }
            let is_counted =
                resource == "pods" || (resource.contains('/') && !resource.contains("kubernetes.io/"));
            if is_counted && !quantity.is_whole() {
                place.invalid("must be an integer", errors);
            }
        }
    }
}

fn networks(spec: &Place<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    let (mut fours, mut sixes) = (0, 0);
    for network in spec.each("podCIDRs") {
        if !is_network(network.str()) {
            network.invalid(NETWORK, errors);
        }
        if !seen.insert(network.str()) {
            network.duplicate(errors);
        }
        if network.str().contains(':') {
            sixes += 1;
        } else {
            fours += 1;
        }
    }
    if fours > 1 || sixes > 1 {
        let detail = "may specify no more than one CIDR for each IP family";
        spec.at("podCIDRs").invalid(detail, errors);
    }
}

fn is_network(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

pub(super) fn change(new: &Object, old: &Object, errors: &mut Errors) {
    let mut seen = Vec::new();
    for address in Place::part(new, "status").each("addresses") {
        if seen.contains(&address.value) {
            address.duplicate(errors);
        }
        seen.push(address.value);
    }
    let (new, old) = (part(new, "spec"), part(old, "spec"));
    if !list(old, "podCIDRs").is_empty() && get(new, "podCIDRs") != get(old, "podCIDRs") {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        errors.push(FieldError::forbidden("spec.podCIDRs", detail));
    }
    let provider = text(old, "providerID");
    if !provider.is_empty() && text(new, "providerID") != provider {
        let detail = "node updates may not change providerID except from \"\" to valid";
        errors.push(FieldError::forbidden("spec.providerID", detail));
    }
}
