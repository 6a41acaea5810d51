//! Amounts of cpu, memory and other resources.

use std::collections::BTreeSet;

use strongroom_objects::names::qualified_name;
use strongroom_objects::{FieldError, Quantity};

use crate::place::{Errors, Place};

const PAGES: &str = "hugepages-";

/// What containers may ask for by a short name.
const FOR_CONTAINERS: [&str; 3] = ["cpu", "ephemeral-storage", "memory"];

/// What has a short name at all.
const STANDARD: [&str; 13] = [
    "configmaps",
    "cpu",
    "ephemeral-storage",
    "memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
    "storage",
];

pub(super) fn requirements(resources: &Place<'_>, errors: &mut Errors) {
    let (mut has_pages, mut has_decisive) = (false, false);
    for list in ["limits", "requests"] {
        for (name, place) in resources.entries(list) {
            amount(name, &place, errors);
            has_pages |= name.starts_with(PAGES);
            has_decisive |= matches!(name, "cpu" | "memory");
            if list == "requests" {
                compare(resources, name, place.str(), errors);
            }
        }
    }
    if has_pages && !has_decisive {
        resources.forbidden("HugePages require cpu or memory", errors);
    }
    if let Some(claims) = resources.find("claims") {
        claims.forbidden("Strongroom does not allocate resource claims", errors);
    }
}

/// The name of a resource and how much of it.
pub(super) fn amount(name: &str, place: &Place<'_>, errors: &mut Errors) {
    resource_name(name, place, errors);
    let Some(quantity) = Quantity::parse(place.str()) else {
        place.invalid("must be a valid resource quantity", errors);
        return;
    };
    if quantity.is_negative() {
        place.invalid("must be greater than or equal to 0", errors);
    }
    if is_extended(name) && !quantity.is_whole() {
        place.invalid("must be an integer", errors);
    }
    if let Some(size) = name.strip_prefix(PAGES)
        && !is_multiple(quantity, size)
    {
        let detail = format!("{} is not positive integer multiple of {name}", place.str());
        place.invalid(&detail, errors);
    }
}

fn resource_name(name: &str, place: &Place<'_>, errors: &mut Errors) {
    let problems = qualified_name(name);
    if !problems.is_empty() {
        for problem in problems {
            place.invalid_as(name, &problem, errors);
        }
        return;
    }
    let is_pages = name.starts_with(PAGES);
    if !name.contains('/') {
        if !is_pages && !STANDARD.contains(&name) {
            place.invalid_as(
                name,
                "must be a standard resource type or fully qualified",
                errors,
            );
        }
        if !is_pages && !FOR_CONTAINERS.contains(&name) {
            place.invalid_as(name, "must be a standard resource for containers", errors);
        }
    } else if !is_native(name) && !is_extended(name) {
        place.invalid_as(name, "doesn't follow extended resource name standard", errors);
    }
}

/// A request may not exceed its limit; where nothing is lent twice, the two are the same.
fn compare(resources: &Place<'_>, name: &str, request: &str, errors: &mut Errors) {
    let requests = resources.at("requests");
    let is_lent_twice = is_native(name) && !name.starts_with(PAGES);
    let limits = resources.at("limits");
    let Some(limit) = limits.find(name) else {
        if !is_lent_twice {
            limits.required("Limit must be set for non overcommitable resources", errors);
        }
        return;
    };
    let (Some(requested), Some(limited)) = (Quantity::parse(request), Quantity::parse(limit.str())) else {
        return;
    };
    let detail = if requested != limited && !is_lent_twice {
        format!("must be equal to {name} limit of {}", limit.str())
    } else if requested > limited {
        format!("must be less than or equal to {name} limit of {}", limit.str())
    } else {
        return;
    };
    errors.push(FieldError::invalid(&requests.path, request, &detail));
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && qualified_name(&format!("requests.{name}")).is_empty()
}

fn is_multiple(quantity: Quantity, size: &str) -> bool {
    let Some(size) = Quantity::parse(size) else {
        return false;
    };
    let (quantity, size) = (quantity.rounded_up(), size.rounded_up());
    size > 0 && quantity > 0 && quantity % size == 0
}

pub(super) fn resize_policies(spec: &Place<'_>, container: &Place<'_>, errors: &mut Errors) {
    let list = container.at("resizePolicy");
    let mut seen = BTreeSet::new();
    for policy in container.each("resizePolicy") {
        let name = policy.text("resourceName");
        if !seen.insert(name) {
            errors.push(FieldError::duplicate(&policy.path, name));
        }
        let checks: [(&str, &[&str]); 2] = [
            ("resourceName", &["cpu", "memory"]),
            ("restartPolicy", &["NotRequired", "RestartContainer"]),
        ];
        for (field, supported) in checks {
            let place = Place {
                value: policy.at(field).value,
                path: list.path.clone(),
            };
            place.required_one_of(supported, errors);
        }
        let restart = policy.text("restartPolicy");
        if spec.text("restartPolicy") == "Never" && restart != "NotRequired" {
            let detail = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            list.invalid_as(restart, detail, errors);
        }
    }
}
