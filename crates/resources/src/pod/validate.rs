//! What is wrong with a pod (pods-and-kubelet §2). The texts are those that Kubernetes' clients know.

mod containers;
mod dns;
mod environment;
mod handlers;
mod paths;
mod resources;
mod scheduling;
mod security;
mod syntax;
mod volumes;

use std::collections::BTreeMap;

use strongroom_objects::{FieldError, Object};

use super::defaults::PRIORITY_CLASSES;
use crate::names::{NameRule, label_name};
use crate::place::{Errors, Place};

pub(super) use containers::check_updated_images;
pub(super) use syntax::is_address;

/// Annotation of a pod that mirrors one which a node runs from a file of its own.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";

const MAX_SECONDS: i64 = i32::MAX as i64;

/// Volumes without a fault, by name.
type Volumes<'a> = BTreeMap<&'a str, Place<'a>>;

pub(super) fn pod(pod: &Object, errors: &mut Errors) {
    annotations(pod, errors);
    let spec = Place::part(pod, "spec");
    if !spec.at("terminationGracePeriodSeconds").is_set() {
        spec.at("terminationGracePeriodSeconds").required("", errors);
    }
    let volumes = volumes::volumes(&spec, errors);
    containers::containers(&spec, &volumes, errors);
    policies(&spec, errors);
    scheduling::node_selector(&spec.at("nodeSelector"), errors);
    security::pod(&spec, errors);
    scheduling::affinity(&spec.at("affinity"), errors);
    dns::configuration(&spec, errors);
    scheduling::gates(&spec, errors);
    scheduling::spread(&spec, errors);
    names(&spec, errors);
    spec.at("activeDeadlineSeconds").between(1, MAX_SECONDS, errors);
    scheduling::tolerations(&spec, errors);
    dns::aliases(&spec, errors);
    priority(&spec, errors);
    for (name, place) in spec.entries("overhead") {
        resources::amount(name, &place, errors);
    }
    if let Some(os) = spec.find("os") {
        if os.text("name").is_empty() {
            os.at("name").required("cannot be empty", errors);
        } else if !["linux", "windows"].contains(&os.text("name")) {
            let (name, known) = (os.text("name"), ["linux", "windows"]);
            errors.push(FieldError::not_supported(&os.path, name, &known));
        }
    }
    not_run_here(&spec, errors);
}

fn annotations(pod: &Object, errors: &mut Errors) {
    const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    let annotation = |name: &str| pod.metadata.annotations.get(name).map(String::as_str);
    let node = Place::part(pod, "spec").text("nodeName");
    if let Some(value) = annotation(MIRROR)
        && node.is_empty()
    {
        let path = format!("metadata.annotations[{MIRROR}]");
        let detail = "must set spec.nodeName if mirror pod annotation is set";
        errors.push(FieldError::invalid(&path, value, detail));
    }
    if let Some(cost) = annotation(COST)
        && cost.parse::<i32>().is_err()
    {
        let path = format!("metadata.annotations[{COST}]");
        errors.push(FieldError::invalid(&path, cost, "must be a 32bit integer"));
    }
}

fn policies(spec: &Place<'_>, errors: &mut Errors) {
    spec.at("restartPolicy")
        .required_one_of(&["Always", "OnFailure", "Never"], errors);
    spec.at("dnsPolicy").required_one_of(
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
        errors,
    );
    spec.at("preemptionPolicy")
        .none_or_one_of(&["PreemptLowerPriority", "Never"], errors);
}

fn names(spec: &Place<'_>, errors: &mut Errors) {
    let optional = |name: &str, check: &dyn Fn(&str) -> Vec<String>, errors: &mut Errors| {
        let place = spec.at(name);
        if !place.str().is_empty() {
            place.problems(check(place.str()), errors);
        }
    };
    let subdomain = |name: &str| NameRule::Subdomain.check(name, false);
    optional("serviceAccountName", &subdomain, errors);
    optional("nodeName", &subdomain, errors);
    optional("hostname", &label_name, errors);
    optional("subdomain", &label_name, errors);
    optional("priorityClassName", &subdomain, errors);
    if spec.find("runtimeClassName").is_some() {
        let place = spec.at("runtimeClassName");
        place.problems(subdomain(place.str()), errors);
    }
}

fn priority(spec: &Place<'_>, errors: &mut Errors) {
    let class = spec.at("priorityClassName");
    let Some((_, priority)) = PRIORITY_CLASSES.iter().find(|(name, _)| *name == class.str()) else {
        let detail = format!("no PriorityClass with name {} was found", class.str());
        class.invalid(&detail, errors);
        return;
    };
    if spec.integer("priority").is_some_and(|given| given != *priority) {
        let detail = format!(
            "the integer value of priority must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name"
        );
        spec.at("priority").invalid(&detail, errors);
    }
}

/// What a pod may ask for elsewhere and no node of Strongroom gives.
fn not_run_here(spec: &Place<'_>, errors: &mut Errors) {
    let refusals = [
        (
            "resources",
            "Strongroom does not support resources for whole pods",
        ),
        ("resourceClaims", "Strongroom does not allocate resource claims"),
        ("schedulingGroup", "Strongroom does not schedule groups of pods"),
    ];
    for (name, detail) in refusals {
        if let Some(place) = spec.find(name) {
            place.forbidden(detail, errors);
        }
    }
}

#[cfg(test)]
mod tests;
