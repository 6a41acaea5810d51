//! The quality-of-service class of a pod (pods-and-kubelet §1).

use std::collections::BTreeMap;

use strongroom_objects::{Object, Quantity};

use crate::tree::{entries, get, list, part};

/// Resources that decide the class.
const DECISIVE: [&str; 2] = ["cpu", "memory"];

/// `Guaranteed` where every container's cpu and memory limits equal its requests, `BestEffort` where no container has
/// either, else `Burstable`.
pub fn quality_of_service(pod: &Object) -> &'static str {
    let spec = part(pod, "spec");
    let mut requests = BTreeMap::new();
    let mut limits = BTreeMap::new();
    let mut all_limited = true;
    for container in list(spec, "containers")
        .iter()
        .chain(list(spec, "initContainers"))
    {
        let resources = get(container, "resources");
        add(&mut requests, decisive(resources, "requests"));
        let limited: Vec<(&str, Quantity)> = decisive(resources, "limits").collect();
        all_limited &= limited.len() == DECISIVE.len();
        add(&mut limits, limited.into_iter());
    }
    if requests.is_empty() && limits.is_empty() {
        "BestEffort"
    } else if all_limited && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

fn decisive<'a>(
    resources: &'a strongroom_objects::Value,
    name: &str,
) -> impl Iterator<Item = (&'a str, Quantity)> {
    entries(resources, name).filter_map(|(name, value)| {
        let quantity = Quantity::parse(value.as_str()?)?;
        (DECISIVE.contains(&name) && quantity.is_positive()).then_some((name, quantity))
    })
}

fn add<'a>(sums: &mut BTreeMap<&'a str, Quantity>, more: impl Iterator<Item = (&'a str, Quantity)>) {
    for (name, quantity) in more {
        let sum = sums.entry(name).or_default();
        *sum = sum.plus(quantity);
    }
}
