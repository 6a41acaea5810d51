use serde_json::{Value, json};

use super::table::served;
use crate::{aggregated, legacy, storage_version_hash};

/// The entries of `list[key]` whose `by` is `name`.
fn entry<'a>(list: &'a Value, key: &str, by: &str, name: &str) -> &'a Value {
    let entries = list[key].as_array().unwrap();
    entries
        .iter()
        .find(|entry| entry[by] == name)
        .unwrap_or(&Value::Null)
}

fn names(list: &Value, by: &str) -> Vec<String> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|entry| entry[by].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn storage_version_hashes_are_those_of_kube_apiserver() {
    let check = |group: &str, kind: &str, expect: &str| {
        assert_eq!(storage_version_hash(group, "v1", kind), expect, "{group} {kind}");
    };
    check("", "Secret", "S6u1pOWzb84=");
    check("", "ConfigMap", "qFsyl6wFWjQ=");
    check("", "ServiceAccount", "pbx9ZvyFpBE=");
    check("", "Namespace", "Q3oi5N2YM8M=");
    check("", "Node", "XwShjMxG9Fs=");
    check("", "Pod", "xPOwRZ+Yhw8=");
    check("", "Event", "r2yiGXH7wu8=");
    check("", "Service", "0/CO1lhkEBI=");
    check("rbac.authorization.k8s.io", "Role", "7FuwZcIIItM=");
    check("rbac.authorization.k8s.io", "RoleBinding", "eGsCzGH6b1g=");
    check("rbac.authorization.k8s.io", "ClusterRole", "bYE5ZWDrJ44=");
    check("rbac.authorization.k8s.io", "ClusterRoleBinding", "48tpQ8gZHFc=");
    check("coordination.k8s.io", "Lease", "gqkMMb/YqFM=");
}

#[test]
fn roots_list_versions_and_groups() {
    assert_eq!(
        legacy::api_versions("10.0.0.1:6443"),
        json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "10.0.0.1:6443" }],
        })
    );
    let groups = legacy::group_list(&served());
    assert_eq!(
        (&groups["kind"], &groups["apiVersion"]),
        (&json!("APIGroupList"), &json!("v1"))
    );
    assert_eq!(
        names(&groups["groups"], "name"),
        [
            "authentication.k8s.io",
            "authorization.k8s.io",
            "coordination.k8s.io",
            "events.k8s.io",
            "rbac.authorization.k8s.io",
            "strongroom.dev",
        ]
    );
    let lease = json!({ "groupVersion": "coordination.k8s.io/v1", "version": "v1" });
    let group = json!({ "name": "coordination.k8s.io", "versions": [lease], "preferredVersion": lease });
    assert_eq!(groups["groups"][2], group);

    let document = legacy::group(&served(), "coordination.k8s.io").unwrap();
    assert_eq!(document["kind"], "APIGroup");
    assert_eq!(document["apiVersion"], "v1");
    assert_eq!(document["preferredVersion"], lease);
    assert_eq!(legacy::group(&served(), "apps"), None);
    assert_eq!(legacy::group(&served(), ""), None);
}

#[test]
fn the_first_version_named_is_preferred() {
    let mut table = served();
    let mut older = table
        .iter()
        .find(|resource| resource.kind == "Lease")
        .unwrap()
        .clone();
    older.version = "v1beta1".into();
    table.push(older);
    let group = legacy::group(&table, "coordination.k8s.io").unwrap();
    assert_eq!(group["preferredVersion"]["version"], "v1");
    assert_eq!(names(&group["versions"], "version"), ["v1", "v1beta1"]);
}

#[test]
fn core_resources() {
    let list = legacy::resource_list(&served(), "v1").unwrap();
    assert_eq!(list["kind"], "APIResourceList");
    assert_eq!(list["groupVersion"], "v1");
    assert_eq!(list.get("apiVersion"), None);
    let names = names(&list["resources"], "name");
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(
        *entry(&list, "resources", "name", "secrets"),
        json!({
            "name": "secrets",
            "singularName": "secret",
            "namespaced": true,
            "kind": "Secret",
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            "storageVersionHash": "S6u1pOWzb84=",
        })
    );
    assert_eq!(
        *entry(&list, "resources", "name", "serviceaccounts/token"),
        json!({
            "name": "serviceaccounts/token",
            "singularName": "",
            "namespaced": true,
            "group": "authentication.k8s.io",
            "version": "v1",
            "kind": "TokenRequest",
            "verbs": ["create"],
        })
    );
    assert_eq!(
        *entry(&list, "resources", "name", "namespaces/status"),
        json!({
            "name": "namespaces/status",
            "singularName": "",
            "namespaced": false,
            "kind": "Namespace",
            "verbs": ["get", "patch", "update"],
        })
    );
    let services = entry(&list, "resources", "name", "services");
    assert_eq!(services["shortNames"], json!(["svc"]));
    assert_eq!(services["categories"], json!(["all"]));
}

#[test]
fn group_resources() {
    let list = legacy::resource_list(&served(), "authentication.k8s.io/v1").unwrap();
    assert_eq!(list["apiVersion"], "v1");
    assert_eq!(
        list["resources"],
        json!([{
            "name": "tokenreviews",
            "singularName": "tokenreview",
            "namespaced": false,
            "kind": "TokenReview",
            "verbs": ["create"],
        }])
    );
    for unknown in ["v2", "coordination.k8s.io/v2", "apps/v1", ""] {
        assert_eq!(legacy::resource_list(&served(), unknown), None, "{unknown}");
    }
}

#[test]
fn aggregated_core() {
    let list = aggregated::core(&served());
    assert_eq!(list["kind"], "APIGroupDiscoveryList");
    assert_eq!(list["apiVersion"], "apidiscovery.k8s.io/v2");
    assert_eq!(list["metadata"], json!({}));
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["metadata"], json!({}));
    let version = &list["items"][0]["versions"][0];
    assert_eq!(version["version"], "v1");
    assert_eq!(version["freshness"], "Current");
    assert_eq!(
        *entry(version, "resources", "resource", "secrets"),
        json!({
            "resource": "secrets",
            "responseKind": { "group": "", "version": "", "kind": "Secret" },
            "scope": "Namespaced",
            "singularResource": "secret",
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        })
    );
    assert_eq!(
        entry(version, "resources", "resource", "serviceaccounts")["subresources"],
        json!([{
            "subresource": "token",
            "responseKind": { "group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest" },
            "verbs": ["create"],
        }])
    );
    let namespaces = entry(version, "resources", "resource", "namespaces");
    assert_eq!(namespaces["scope"], "Cluster");
    assert_eq!(
        names(&namespaces["subresources"], "subresource"),
        ["finalize", "status"]
    );
    assert_eq!(
        namespaces["subresources"][1]["responseKind"],
        json!({ "group": "", "version": "", "kind": "Namespace" })
    );
}

#[test]
fn aggregated_groups_agree_with_legacy_ones() {
    let aggregated = aggregated::groups(&served());
    let legacy = legacy::group_list(&served());
    let aggregated: Vec<_> = aggregated["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(aggregated, names(&legacy["groups"], "name"));
    assert_eq!(aggregated::core(&[])["items"], json!([]));
}
