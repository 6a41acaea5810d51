//! What a pod always has, whether or not its author wrote it (pods-and-kubelet §1).

use serde_json::json;
use strongroom_objects::{Map, Object, Value};

use super::images::default_pull_policy;
use crate::declared::fill_declared;
use crate::tree::{fill, object_mut, objects_mut};

const FILE_MODE: i64 = 0o644;
const TOKEN_SECONDS: i64 = 3600;
const CERTIFICATE_SECONDS: i64 = 86_400;

/// Seconds for which a pod stays on a node that is lost, unless it says otherwise.
const LOST_NODE_SECONDS: i64 = 300;
const LOST_NODE_TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Lists of containers in a pod's spec.
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Priorities that every cluster knows.
pub(super) const PRIORITY_CLASSES: [(&str, i64); 3] = [
    ("", 0),
    ("system-cluster-critical", 2_000_000_000),
    ("system-node-critical", 2_000_001_000),
];

pub(super) fn fill_pod(pod: &mut Object) {
    let spec = object_mut(&mut pod.body, "spec");
    if let Some(ty) = strongroom_objects::schema().type_named("io.k8s.api.core.v1.PodSpec") {
        fill_declared(ty, spec);
    }
    fill(spec, "restartPolicy", "Always");
    fill(spec, "dnsPolicy", "ClusterFirst");
    fill(spec, "schedulerName", "default-scheduler");
    fill(spec, "securityContext", json!({}));
    fill(spec, "terminationGracePeriodSeconds", 30);
    fill(spec, "enableServiceLinks", true);
    fill_account(spec);
    fill_priority(spec);
    fill_tolerations(spec);
    let on_host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in CONTAINERS {
        for container in objects_mut(spec, list) {
            fill_container(container);
            if list != "ephemeralContainers" {
                copy_limits(container);
                if on_host_network {
                    copy_ports(container);
                }
            }
        }
    }
    for volume in objects_mut(spec, "volumes") {
        fill_volume(volume);
    }
    let status = object_mut(&mut pod.body, "status");
    fill(status, "phase", "Pending");
    fill_addresses(status);
}

/// The pod's address has an older field beside the list; where they differ, the older one holds.
fn fill_addresses(status: &mut Map) {
    let first = status
        .get("podIPs")
        .and_then(|list| list.get(0)?.get("ip"))
        .cloned();
    let single = status.get("podIP").filter(|address| *address != "").cloned();
    match (single, first) {
        (None, Some(first)) => drop(status.insert("podIP".to_owned(), first)),
        (Some(single), first) if first.as_ref() != Some(&single) => {
            status.insert("podIPs".to_owned(), json!([{"ip": single}]));
        }
        _ => {}
    }
}

/// The name of the service account has an older field beside its own.
fn fill_account(spec: &mut Map) {
    if let Some(name) = spec.get("serviceAccount").cloned() {
        fill(spec, "serviceAccountName", name);
    }
    if let Some(name) = spec.get("serviceAccountName").cloned() {
        spec.insert("serviceAccount".to_owned(), name);
    }
}

fn fill_priority(spec: &mut Map) {
    let class = spec
        .get("priorityClassName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let known = PRIORITY_CLASSES.iter().find(|(name, _)| *name == class);
    if let Some((_, priority)) = known {
        fill(spec, "priority", *priority);
    }
    fill(spec, "preemptionPolicy", "PreemptLowerPriority");
}

/// A pod that says nothing of a lost node leaves it after five minutes.
fn fill_tolerations(spec: &mut Map) {
    let mut tolerations = match spec.remove("tolerations") {
        Some(Value::Array(tolerations)) => tolerations,
        _ => Vec::new(),
    };
    let member = |toleration: &Value, name: &str| -> String {
        let text = toleration.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    for taint in LOST_NODE_TAINTS {
        let is_tolerated = tolerations.iter().any(|toleration| {
            let key = member(toleration, "key");
            let effect = member(toleration, "effect");
            (key.is_empty() || key == taint) && (effect.is_empty() || effect == "NoExecute")
        });
        if !is_tolerated {
            tolerations.push(json!({
                "key": taint,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": LOST_NODE_SECONDS,
            }));
        }
    }
    spec.insert("tolerations".to_owned(), tolerations.into());
}

fn fill_container(container: &mut Map) {
    let image = container.get("image").and_then(Value::as_str);
    let policy = default_pull_policy(image.unwrap_or_default());
    fill(container, "imagePullPolicy", policy);
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = member_mut(container, name) else {
            continue;
        };
        fill_positive(probe, "timeoutSeconds", 1);
        fill_positive(probe, "periodSeconds", 10);
        fill_positive(probe, "successThreshold", 1);
        fill_positive(probe, "failureThreshold", 3);
        fill_http_get(probe);
    }
    let lifecycle = member_mut(container, "lifecycle");
    if let Some(lifecycle) = lifecycle {
        for name in ["postStart", "preStop"] {
            if let Some(handler) = member_mut(lifecycle, name) {
                fill_http_get(handler);
            }
        }
    }
    for variable in objects_mut(container, "env") {
        if let Some(source) = member_mut(variable, "valueFrom") {
            fill_field_reference(source);
        }
    }
}

fn fill_http_get(handler: &mut Map) {
    if let Some(action) = member_mut(handler, "httpGet") {
        fill(action, "path", "/");
        fill(action, "scheme", "HTTP");
    }
}

fn fill_field_reference(holder: &mut Map) {
    if let Some(reference) = member_mut(holder, "fieldRef") {
        fill(reference, "apiVersion", "v1");
    }
}

/// What a container may use at most, it asks for, unless it asks for something else.
fn copy_limits(container: &mut Map) {
    let resources = object_mut(container, "resources");
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else {
        return;
    };
    let requests = object_mut(resources, "requests");
    for (name, limit) in limits {
        requests.entry(name).or_insert(limit);
    }
}

/// On the host's network, a container's port is the host's.
fn copy_ports(container: &mut Map) {
    for port in objects_mut(container, "ports") {
        if let Some(number) = port.get("containerPort").cloned() {
            port.entry("hostPort").or_insert(number);
        }
    }
}

fn fill_volume(volume: &mut Map) {
    if volume.keys().all(|member| member == "name") {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for name in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = member_mut(volume, name) {
            fill(source, "defaultMode", FILE_MODE);
        }
    }
    if let Some(source) = member_mut(volume, "downwardAPI") {
        objects_mut(source, "items").for_each(fill_field_reference);
    }
    if let Some(projected) = member_mut(volume, "projected") {
        for source in objects_mut(projected, "sources") {
            fill_projection(source);
        }
    }
    if let Some(source) = member_mut(volume, "hostPath") {
        source.entry("type").or_insert_with(|| "".into());
    }
    if let Some(source) = member_mut(volume, "image") {
        let reference = source.get("reference").and_then(Value::as_str);
        let policy = default_pull_policy(reference.unwrap_or_default());
        fill(source, "pullPolicy", policy);
    }
}

fn fill_projection(source: &mut Map) {
    if let Some(token) = member_mut(source, "serviceAccountToken") {
        fill(token, "expirationSeconds", TOKEN_SECONDS);
    }
    if let Some(certificate) = member_mut(source, "podCertificate") {
        fill(certificate, "maxExpirationSeconds", CERTIFICATE_SECONDS);
    }
    if let Some(downward) = member_mut(source, "downwardAPI") {
        objects_mut(downward, "items").for_each(fill_field_reference);
    }
}

fn member_mut<'a>(map: &'a mut Map, name: &str) -> Option<&'a mut Map> {
    map.get_mut(name).and_then(Value::as_object_mut)
}

/// Sets a number that is missing or zero, which Go does not tell apart.
fn fill_positive(map: &mut Map, name: &str, value: i64) {
    if map.get(name).and_then(Value::as_i64).unwrap_or(0) == 0 {
        map.insert(name.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests;
