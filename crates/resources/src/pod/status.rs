//! What a node may say of a pod.

use std::collections::BTreeSet;

use strongroom_objects::names::qualified_name;
use strongroom_objects::{FieldError, Object};

use super::validate::is_address;
use crate::names::NameRule;
use crate::place::{Errors, Place};
use crate::tree::{find, get, integer, list, object_mut, part, text};

const ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const ONE_OF_EACH: &str = "may specify no more than one IP for each IP family";

/// The quality of service follows from the spec; a node cannot change it.
pub(super) fn keep_quality(new: &mut Object, old: &Object) {
    let quality = text(part(old, "status"), "qosClass");
    let status = object_mut(&mut new.body, "status");
    if quality.is_empty() {
        status.remove("qosClass");
    } else {
        status.insert("qosClass".to_owned(), quality.into());
    }
}

/// Everything that is wrong with the change of a status.
pub(super) fn change(new: &Object, old: &Object, errors: &mut Errors) {
    let status = Place::part(new, "status");
    conditions(&status, errors);
    let nominated = status.at("nominatedNodeName");
    if !nominated.str().is_empty() && nominated.str() != text(part(old, "status"), "nominatedNodeName") {
        nominated.problems(NameRule::Subdomain.check(nominated.str(), false), errors);
    }
    let policy = text(part(old, "spec"), "restartPolicy");
    stays_terminated(&status, old, "containerStatuses", policy, errors);
    stays_terminated(&status, old, "initContainerStatuses", policy, errors);
    stays_terminated(&status, old, "ephemeralContainerStatuses", "Never", errors);
    addresses(&status, "podIPs", errors);
    let first = list(status.value, "hostIPs").first();
    if let Some(first) = first.map(|first| text(first, "ip"))
        && first != status.text("hostIP")
    {
        let detail = "must be equal to `hostIP`";
        errors.push(FieldError::invalid("status.hostIPs[0].ip", first, detail));
    }
    addresses(&status, "hostIPs", errors);
}

fn conditions(status: &Place<'_>, errors: &mut Errors) {
    for (index, condition) in status.each("conditions").enumerate() {
        let kind = condition.text("type");
        // Kubernetes looks for them in the metadata.
        let path = format!("metadata.conditions[{index}].Type");
        for problem in qualified_name(kind) {
            errors.push(FieldError::invalid(&path, kind, &problem));
        }
    }
}

/// A container that has ended for good does not run again.
fn stays_terminated(status: &Place<'_>, old: &Object, name: &str, policy: &str, errors: &mut Errors) {
    if policy == "Always" {
        return;
    }
    let sidecars: Vec<&str> = list(part(old, "spec"), "initContainers")
        .iter()
        .filter(|container| text(container, "restartPolicy") == "Always")
        .map(|container| text(container, "name"))
        .collect();
    for (index, before) in list(part(old, "status"), name).iter().enumerate() {
        let Some(terminated) = find(get(before, "state"), "terminated") else {
            continue;
        };
        let may_restart = policy == "OnFailure" && integer(terminated, "exitCode") != Some(0);
        let container = text(before, "name");
        let is_sidecar = name == "initContainerStatuses" && sidecars.contains(&container);
        if may_restart || is_sidecar {
            continue;
        }
        let runs_again = list(status.value, name).iter().any(|after| {
            text(after, "name") == container && find(get(after, "state"), "terminated").is_none()
        });
        if runs_again {
            let path = format!("{}.{name}[{index}].state", status.path);
            let detail = "may not be transitioned to non-terminated state";
            errors.push(FieldError::forbidden(&path, detail));
        }
    }
}

fn addresses(status: &Place<'_>, name: &str, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    let (mut fours, mut sixes) = (0, 0);
    for address in status.each(name) {
        let ip = address.text("ip");
        if !is_address(ip) {
            errors.push(FieldError::invalid(&address.path, ip, ADDRESS));
        }
        if !seen.insert(ip) {
            address.duplicate(errors);
        }
        if ip.contains(':') {
            sixes += 1;
        } else {
            fours += 1;
        }
    }
    if fours > 1 || sixes > 1 {
        status.at(name).invalid(ONE_OF_EACH, errors);
    }
}
