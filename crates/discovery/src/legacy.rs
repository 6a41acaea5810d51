//! Discovery documents as every client understands them, one per path (api-conventions §2.1).

use serde_json::{Map, Value, json};

use crate::served::{self, ServedResource, ServedSubresource, sorted};

/// The document of `/api`. `server_address` is `host:port` as clients reach the server.
pub fn api_versions(server_address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            { "clientCIDR": "0.0.0.0/0", "serverAddress": server_address },
        ],
    })
}

/// The document of `/apis`: every named group.
pub fn group_list(served: &[ServedResource]) -> Value {
    let groups: Vec<_> = served::named_groups(served)
        .iter()
        .map(|(name, versions)| Value::Object(group_body(name, versions)))
        .collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

/// The document of `/apis/<name>`; `None` if no such group is served.
pub fn group(served: &[ServedResource], name: &str) -> Option<Value> {
    let groups = served::named_groups(served);
    let (name, versions) = groups.iter().find(|(group, _)| *group == name)?;
    let mut document = group_body(name, versions);
    document.insert("kind".into(), "APIGroup".into());
    document.insert("apiVersion".into(), "v1".into());
    Some(Value::Object(document))
}

/// The document of `/api/v1` or `/apis/<group>/<version>` for `group_version` = `v1` or
/// `<group>/<version>`; `None` if it is not served.
pub fn resource_list(served: &[ServedResource], group_version: &str) -> Option<Value> {
    let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
    let resources = served::resources_of(served, group, version);
    if resources.is_empty() {
        return None;
    }
    let entries: Vec<_> = resources.into_iter().flat_map(resource_entries).collect();
    let mut document = json!({
        "kind": "APIResourceList",
        "groupVersion": group_version,
        "resources": entries,
    });
    // kube-apiserver leaves `apiVersion` out of the core document, and only of that one.
    if !group.is_empty() {
        document["apiVersion"] = "v1".into();
    }
    Some(document)
}

fn group_body(name: &str, versions: &[&str]) -> Map<String, Value> {
    let versions: Vec<_> = versions
        .iter()
        .map(|version| json!({ "groupVersion": format!("{name}/{version}"), "version": version }))
        .collect();
    let mut body = Map::new();
    body.insert("name".into(), name.into());
    body.insert("preferredVersion".into(), versions[0].clone());
    body.insert("versions".into(), versions.into());
    body
}

fn resource_entries(resource: &ServedResource) -> Vec<Value> {
    let mut entries = vec![resource_entry(resource)];
    let subresources = resource.sorted_subresources();
    entries.extend(
        subresources
            .into_iter()
            .map(|sub| subresource_entry(resource, sub)),
    );
    entries
}

fn resource_entry(resource: &ServedResource) -> Value {
    let mut entry = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": sorted(&resource.verbs),
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    if let Some(hash) = resource.storage_version_hash() {
        entry["storageVersionHash"] = hash.into();
    }
    entry
}

fn subresource_entry(resource: &ServedResource, sub: &ServedSubresource) -> Value {
    let mut entry = json!({
        "name": format!("{}/{}", resource.plural, sub.name),
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": sub.kind,
        "verbs": sorted(&sub.verbs),
    });
    if (&sub.group, &sub.version) != (&resource.group, &resource.version) {
        if !sub.group.is_empty() {
            entry["group"] = sub.group.as_str().into();
        }
        entry["version"] = sub.version.as_str().into();
    }
    entry
}
