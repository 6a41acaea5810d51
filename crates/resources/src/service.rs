//! Services: stored and listed so that clients find `default/kubernetes`; nothing routes traffic.

use jiff::Timestamp;
use serde_json::json;
use strongroom_objects::{ColumnDefinition, FieldError, Map, Object, Value};

use crate::names::NameRule;
use crate::printing;
use crate::resource::{ALL_VERBS, Resource, StoredAs, Strategy, Subresource};

/// The row of the table.
pub static SERVICES: Resource = Resource {
    group: "",
    version: "v1",
    kind: "Service",
    plural: "services",
    singular: "service",
    short_names: &["svc"],
    categories: &["all"],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[Subresource {
        name: "status",
        verbs: &["get", "patch", "update"],
        payload: None,
    }],
    storage: StoredAs {
        path: "services/specs",
        api_version: "v1",
        kind: "Service",
    },
    name_rule: NameRule::Dns1035Label,
    returns_deleted_object: true,
    create_on_update: false,
    unconditional_update: true,
    selectable_fields: &["spec.clusterIP", "spec.type"],
    strategy: &Services,
};

struct Services;

impl Strategy for Services {
    fn default_fields(&self, object: &mut Object) {
        let spec = object
            .body
            .entry("spec")
            .or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(spec) = spec else { return };
        let kind = spec.entry("type").or_insert_with(|| "ClusterIP".into()).clone();
        spec.entry("sessionAffinity").or_insert_with(|| "None".into());
        if kind != "ExternalName" {
            spec.entry("internalTrafficPolicy")
                .or_insert_with(|| "Cluster".into());
        }
        for port in spec
            .get_mut("ports")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let Value::Object(port) = port else { continue };
            port.entry("protocol").or_insert_with(|| "TCP".into());
            let number = port.get("port").cloned();
            if let Some(number) = number
                && port
                    .get("targetPort")
                    .is_none_or(|target| target == 0 || target == "")
            {
                port.insert("targetPort".to_owned(), number);
            }
        }
    }

    fn prepare_create(&self, object: &mut Object) {
        object
            .body
            .insert("status".to_owned(), json!({"loadBalancer": {}}));
    }

    fn prepare_update(&self, new: &mut Object, old: &Object, subresource: &str) {
        let kept = if subresource == "status" { "spec" } else { "status" };
        match old.body.get(kept) {
            Some(value) => drop(new.body.insert(kept.to_owned(), value.clone())),
            None => drop(new.body.remove(kept)),
        }
    }

    fn validate(&self, object: &Object, errors: &mut Vec<FieldError>) {
        const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
        let kind = field(object, "type");
        if !TYPES.contains(&kind) {
            errors.push(FieldError::not_supported("spec.type", kind, &TYPES));
        }
        validate_ports(object, kind, errors);
    }

    fn selectable_field(&self, object: &Object, path: &str) -> Option<String> {
        path.strip_prefix("spec.")
            .map(|name| field(object, name).to_owned())
    }

    fn columns(&self) -> Vec<ColumnDefinition> {
        let column =
            |name, description, priority| ColumnDefinition::new(name, "string", "", description, priority);
        vec![
            printing::name_column(),
            column("Type", "How the service is exposed.", 0),
            column("Cluster-IP", "Address inside the cluster.", 0),
            column("External-IP", "Addresses outside the cluster.", 0),
            column("Port(s)", "Ports that are exposed.", 0),
            printing::age_column(),
            column("Selector", "Labels of the pods behind it.", 1),
        ]
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let or_none = |text: String| {
            if text.is_empty() {
                "<none>".to_owned()
            } else {
                text
            }
        };
        vec![
            object.metadata.name.clone().into(),
            field(object, "type").into(),
            or_none(field(object, "clusterIP").to_owned()).into(),
            or_none(field(object, "externalName").to_owned()).into(),
            or_none(ports_text(object)).into(),
            printing::age(object, now),
            or_none(selector_text(object)).into(),
        ]
    }
}

fn spec<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.body.get("spec")?.get(name)
}

fn field<'a>(object: &'a Object, name: &str) -> &'a str {
    spec(object, name).and_then(Value::as_str).unwrap_or_default()
}

fn ports(object: &Object) -> &[Value] {
    spec(object, "ports")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn validate_ports(object: &Object, kind: &str, errors: &mut Vec<FieldError>) {
    let headless = field(object, "clusterIP") == "None";
    let ports = ports(object);
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        let number = port.get("port").and_then(Value::as_i64).unwrap_or(0);
        if !(1..=65535).contains(&number) {
            let path = format!("spec.ports[{index}].port");
            errors.push(FieldError::invalid(
                &path,
                number,
                "must be between 1 and 65535, inclusive",
            ));
        }
        if ports.len() > 1
            && port
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .is_empty()
        {
            errors.push(FieldError::required(&format!("spec.ports[{index}].name"), ""));
        }
    }
}

fn ports_text(object: &Object) -> String {
    let text = |port: &Value| {
        let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
        let number = port.get("port").and_then(Value::as_i64).unwrap_or(0);
        match port.get("nodePort").and_then(Value::as_i64) {
            Some(node_port) if node_port > 0 => format!("{number}:{node_port}/{protocol}"),
            _ => format!("{number}/{protocol}"),
        }
    };
    ports(object).iter().map(text).collect::<Vec<_>>().join(",")
}

fn selector_text(object: &Object) -> String {
    let selector = spec(object, "selector").and_then(Value::as_object);
    let pair = |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
    selector
        .into_iter()
        .flatten()
        .map(pair)
        .collect::<Vec<_>>()
        .join(",")
}
