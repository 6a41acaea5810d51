//! What a pod gets from its service account: its name, a volume with its token, its pull secrets
//! (pods-and-kubelet §9). [`decide`] is pure; [`complete`] looks the account up.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use strongroom_access::node::{Referenced, references};
use strongroom_objects::{Map, Object, Status, Value};
use strongroom_resources::{SERVICE_ACCOUNTS, tree};

use super::shown_name;
use crate::get::read;
use crate::random;
use crate::routes::Target;
use crate::server::ApiServer;

#[cfg(test)]
mod tests;

const MIRROR: &str = "kubernetes.io/config.mirror";
const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";
const TOKEN_VOLUME: &str = "kube-api-access-";
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Seconds that a pod's own token is asked for; the extra seven mark it as one that may be extended.
const TOKEN_SECONDS: i64 = 3607;

/// The account `default` of a namespace that was made a moment ago is waited for.
const LOOKUPS: usize = 10;
const LOOKUP_PAUSE: Duration = Duration::from_millis(150);

/// Completes a new pod.
///
/// # Errors
/// 403 when the account does not exist, or does not let its pods use what this one uses.
pub(super) async fn complete(
    server: &ApiServer,
    target: &Target,
    pod: &mut Object,
) -> Result<(), Box<Status>> {
    let refused = |problem: &str| Box::new(Status::forbidden("", "pods", shown_name(pod), problem));
    if pod.metadata.annotations.contains_key(MIRROR) {
        return check_mirror(pod).map_err(refused);
    }
    let name = account_name(pod).to_owned();
    let account = match look_up(server, &target.namespace, &name).await {
        Ok(account) => account,
        Err(status) if status.code == 404 => {
            let namespace = &target.namespace;
            return Err(refused(&format!(
                "error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"
            )));
        }
        Err(status) => return Err(status),
    };
    let completed = decide(pod.clone(), &account, &random::name_suffix());
    *pod = completed.map_err(|problem| refused(&problem.0))?;
    Ok(())
}

async fn look_up(server: &ApiServer, namespace: &str, name: &str) -> Result<Object, Box<Status>> {
    let target = Target {
        resource: &SERVICE_ACCOUNTS,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource: String::new(),
    };
    let lookups = if name == "default" { LOOKUPS } else { 1 };
    let mut last = crate::get::not_found(&target);
    for lookup in 0..lookups {
        if lookup > 0 {
            tokio::time::sleep(LOOKUP_PAUSE).await;
        }
        match read(server, &target).await {
            Ok(stored) => return stored.object(&SERVICE_ACCOUNTS),
            Err(status) if status.code == 404 => last = status,
            Err(status) => return Err(status),
        }
    }
    Err(last)
}

/// A mirror pod proves nothing about what it may use, so it uses nothing.
fn check_mirror(pod: &Object) -> Result<(), &'static str> {
    let spec = tree::part(pod, "spec");
    if !tree::text(spec, "serviceAccountName").is_empty() {
        return Err("a mirror pod may not reference service accounts");
    }
    let mut plain = pod.clone();
    plain.metadata.annotations.remove(MIRROR);
    if references(&plain)
        .iter()
        .any(|(kind, _)| *kind == Referenced::Secret)
    {
        return Err("a mirror pod may not reference secrets");
    }
    let projects_token = tree::list(spec, "volumes")
        .iter()
        .flat_map(|volume| tree::list(tree::get(volume, "projected"), "sources"))
        .any(|source| tree::find(source, "serviceAccountToken").is_some());
    if projects_token {
        return Err("a mirror pod may not use ServiceAccountToken volume projections");
    }
    Ok(())
}

fn account_name(pod: &Object) -> &str {
    let spec = tree::part(pod, "spec");
    let either = [
        tree::text(spec, "serviceAccountName"),
        tree::text(spec, "serviceAccount"),
    ];
    either
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or("default")
}

/// Why a pod may not run under an account; the text that follows `is forbidden: `.
#[derive(Debug, PartialEq, Eq)]
struct NotForThisPod(String);

/// The pod, completed from its account. `suffix` makes the name of the token's volume.
fn decide(mut pod: Object, account: &Object, suffix: &str) -> Result<Object, NotForThisPod> {
    let name = &account.metadata.name;
    let mounts_token = tree::find(tree::part(&pod, "spec"), "automountServiceAccountToken")
        .or_else(|| account.body.get("automountServiceAccountToken"))
        .and_then(Value::as_bool)
        .unwrap_or(true);
    let spec = pod
        .body
        .entry("spec")
        .or_insert_with(|| Value::Object(Map::new()));
    // What is not an object is refused when it is validated.
    let Value::Object(spec) = spec else { return Ok(pod) };
    spec.insert("serviceAccountName".to_owned(), name.as_str().into());
    spec.insert("serviceAccount".to_owned(), name.as_str().into());
    if mounts_token {
        mount_token(spec, suffix);
    }
    if listed(spec, "imagePullSecrets").is_empty()
        && let secrets = listed(&account.body, "imagePullSecrets")
        && !secrets.is_empty()
    {
        spec.insert("imagePullSecrets".to_owned(), secrets.into());
    }
    if account.metadata.annotations.get(ENFORCE).map(String::as_str) == Some("true") {
        check_mountable(&pod, account)?;
    }
    Ok(pod)
}

fn mount_token(spec: &mut Map, suffix: &str) {
    let existing = listed(spec, "volumes")
        .iter()
        .filter_map(|volume| volume.get("name")?.as_str())
        .find(|name| name.starts_with(TOKEN_VOLUME))
        .map(str::to_owned);
    let volume_name = existing
        .clone()
        .unwrap_or_else(|| format!("{TOKEN_VOLUME}{suffix}"));
    let mut is_mounted = false;
    for containers in ["initContainers", "containers"] {
        let containers = spec.get_mut(containers).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let Value::Object(container) = container else {
                continue;
            };
            let path = |mount: &Value| mount.get("mountPath").and_then(Value::as_str) == Some(TOKEN_PATH);
            if listed(container, "volumeMounts").iter().any(path) {
                continue;
            }
            let mount = json!({"name": volume_name, "readOnly": true, "mountPath": TOKEN_PATH});
            push(container, "volumeMounts", mount);
            is_mounted = true;
        }
    }
    if is_mounted && existing.is_none() {
        push(spec, "volumes", token_volume(&volume_name));
    }
}

fn token_volume(name: &str) -> Value {
    let namespace =
        json!({"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}});
    json!({
        "name": name,
        "projected": {
            "defaultMode": 420,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [namespace]}},
            ],
        },
    })
}

/// An account may name the only Secrets that its pods use.
fn check_mountable(pod: &Object, account: &Object) -> Result<(), NotForThisPod> {
    let names = |field: &str| -> BTreeSet<&str> {
        listed(&account.body, field)
            .iter()
            .filter_map(|one| one.get("name")?.as_str())
            .collect()
    };
    let (mountable, pullable) = (names("secrets"), names("imagePullSecrets"));
    let refuse = |what: &str, kind: &str| {
        let name = &account.metadata.name;
        Err(NotForThisPod(format!(
            "{what} is not allowed because service account {name} does not reference that {kind}"
        )))
    };
    let spec = tree::part(pod, "spec");
    for volume in tree::list(spec, "volumes") {
        let secret = tree::text(tree::get(volume, "secret"), "secretName");
        if !secret.is_empty() && !mountable.contains(secret) {
            return refuse(&format!("volume with secret.secretName=\"{secret}\""), "secret");
        }
    }
    for (field, prefix) in [("initContainers", "init "), ("containers", "")] {
        for container in tree::list(spec, field) {
            if let Some(what) = unmountable(container, &mountable) {
                return refuse(&format!("{prefix}{what}"), "secret");
            }
        }
    }
    for (index, secret) in tree::list(spec, "imagePullSecrets").iter().enumerate() {
        let secret = tree::text(secret, "name");
        if !pullable.contains(secret) {
            let what = format!("imagePullSecrets[{index}].name=\"{secret}\"");
            return refuse(&what, "imagePullSecret");
        }
    }
    Ok(())
}

/// How a container uses a Secret that is not among the mountable ones.
fn unmountable(container: &Value, mountable: &BTreeSet<&str>) -> Option<String> {
    let container_name = tree::text(container, "name");
    let foreign = |reference: &Value| -> Option<String> {
        let name = tree::find(reference, "name")?.as_str()?;
        (!mountable.contains(name)).then(|| name.to_owned())
    };
    for variable in tree::list(container, "env") {
        let reference = tree::get(tree::get(variable, "valueFrom"), "secretKeyRef");
        if let Some(secret) = foreign(reference) {
            let variable = tree::text(variable, "name");
            return Some(format!(
                "container {container_name} with envVar {variable} referencing secret.secretName=\"{secret}\""
            ));
        }
    }
    for source in tree::list(container, "envFrom") {
        if let Some(secret) = foreign(tree::get(source, "secretRef")) {
            return Some(format!(
                "container {container_name} with envFrom referencing secret.secretName=\"{secret}\""
            ));
        }
    }
    None
}

/// A list in a map; empty where there is none.
fn listed<'a>(map: &'a Map, field: &str) -> &'a [Value] {
    map.get(field)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn push(map: &mut Map, field: &str, value: Value) {
    match map.get_mut(field) {
        Some(Value::Array(list)) => list.push(value),
        _ => drop(map.insert(field.to_owned(), Value::Array(vec![value]))),
    }
}
