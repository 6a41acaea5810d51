//! The variables by which containers find services.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service};

use crate::pod;

/// The variables of `default/kubernetes`, and unless `enableServiceLinks` is false those of all services of the pod's
/// namespace, which win. Services without an address have none.
pub(super) fn variables(pod: &Pod, services: &[Arc<Service>]) -> BTreeMap<String, String> {
    let links = pod::spec(pod)
        .and_then(|spec| spec.enable_service_links)
        .unwrap_or(true);
    let mut chosen: BTreeMap<&str, (&Service, &str)> = BTreeMap::new();
    for service in services {
        let spec = service.spec.as_ref();
        let Some(address) = spec.and_then(|spec| spec.cluster_ip.as_deref()) else {
            continue;
        };
        if address.is_empty() || address == "None" {
            continue;
        }
        let (Some(name), Some(namespace)) = (&service.metadata.name, &service.metadata.namespace) else {
            continue;
        };
        let own = links && namespace == pod::namespace(pod);
        if own {
            chosen.insert(name, (service, address));
        } else if name == "kubernetes" && namespace == "default" {
            chosen.entry(name).or_insert((service, address));
        }
    }
    let mut variables = BTreeMap::new();
    for (name, (service, address)) in chosen {
        one(name, service, address, &mut variables);
    }
    variables
}

fn one(name: &str, service: &Service, address: &str, variables: &mut BTreeMap<String, String>) {
    let prefix = variable_name(name);
    let ports = service
        .spec
        .as_ref()
        .and_then(|spec| spec.ports.as_deref())
        .unwrap_or_default();
    let Some(first) = ports.first() else { return };
    let mut set = |name: String, value: String| variables.insert(name, value);
    set(format!("{prefix}_SERVICE_HOST"), address.to_owned());
    set(format!("{prefix}_SERVICE_PORT"), first.port.to_string());
    for port in ports {
        if let Some(port_name) = port.name.as_deref().filter(|name| !name.is_empty()) {
            set(
                format!("{prefix}_SERVICE_PORT_{}", variable_name(port_name)),
                port.port.to_string(),
            );
        }
    }
    for (index, port) in ports.iter().enumerate() {
        let protocol = port
            .protocol
            .as_deref()
            .filter(|protocol| !protocol.is_empty())
            .unwrap_or("TCP");
        let lower = protocol.to_lowercase();
        let host = if address.contains(':') {
            format!("[{address}]")
        } else {
            address.to_owned()
        };
        let url = format!("{lower}://{host}:{}", port.port);
        if index == 0 {
            set(format!("{prefix}_PORT"), url.clone());
        }
        let of_port = format!("{prefix}_PORT_{}_{}", port.port, protocol.to_uppercase());
        set(format!("{of_port}_PROTO"), lower);
        set(format!("{of_port}_PORT"), port.port.to_string());
        set(format!("{of_port}_ADDR"), address.to_owned());
        set(of_port, url);
    }
}

fn variable_name(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}
