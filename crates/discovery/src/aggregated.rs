//! Aggregated discovery, `apidiscovery.k8s.io/v2` (api-conventions §2.2): everything in two documents.

use serde_json::{Value, json};

use crate::served::{self, ServedResource, ServedSubresource, sorted};

/// What `Content-Type` must say for clients to read these documents as aggregated discovery.
pub const CONTENT_TYPE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The aggregated document of `/api`: the core group.
pub fn core(served: &[ServedResource]) -> Value {
    let versions: Vec<_> = served::group_versions(served)
        .into_iter()
        .filter(|(group, _)| group.is_empty())
        .map(|(_, version)| version)
        .collect();
    match versions.is_empty() {
        true => list(vec![]),
        false => list(vec![group(served, "", &versions)]),
    }
}

/// The aggregated document of `/apis`: every named group.
pub fn groups(served: &[ServedResource]) -> Value {
    let groups = served::named_groups(served);
    list(
        groups
            .iter()
            .map(|(name, versions)| group(served, name, versions))
            .collect(),
    )
}

fn list(items: Vec<Value>) -> Value {
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn group(served: &[ServedResource], name: &str, versions: &[&str]) -> Value {
    let metadata = match name {
        "" => json!({}),
        _ => json!({ "name": name }),
    };
    let versions: Vec<_> = versions
        .iter()
        .map(|version| {
            let resources = served::resources_of(served, name, version);
            json!({
                "version": version,
                "freshness": "Current",
                "resources": resources.into_iter().map(resource_entry).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "metadata": metadata, "versions": versions })
}

fn resource_entry(resource: &ServedResource) -> Value {
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": { "group": "", "version": "", "kind": resource.kind },
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": sorted(&resource.verbs),
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    let subresources: Vec<_> = resource
        .sorted_subresources()
        .into_iter()
        .map(|sub| subresource_entry(resource, sub))
        .collect();
    if !subresources.is_empty() {
        entry["subresources"] = subresources.into();
    }
    entry
}

/// Group and version stay empty when they are those of the containing group-version.
fn subresource_entry(resource: &ServedResource, sub: &ServedSubresource) -> Value {
    let own = (&sub.group, &sub.version) == (&resource.group, &resource.version);
    let (group, version) = if own {
        ("", "")
    } else {
        (sub.group.as_str(), sub.version.as_str())
    };
    json!({
        "subresource": sub.name,
        "responseKind": { "group": group, "version": version, "kind": sub.kind },
        "verbs": sorted(&sub.verbs),
    })
}
