use serde_json::{Value, json};

use super::structure;
use super::table::served;
use crate::openapi_v3;

fn document(path: &str) -> Value {
    openapi_v3::document(&served(), path).unwrap_or_else(|| panic!("{path}"))
}

/// The patch operation of a kind, as `kubectl apply` looks for it.
fn patch_operation<'a>(document: &'a Value, gvk: &Value) -> Option<&'a Value> {
    let paths = document["paths"].as_object().unwrap();
    let mut patches = paths.values().filter_map(|item| item.get("patch"));
    patches.find(|patch| patch["x-kubernetes-group-version-kind"] == *gvk)
}

/// The model of a kind, as `kubectl explain` and `apply` look for it.
fn model<'a>(document: &'a Value, gvk: &Value) -> Option<&'a Value> {
    let models = document["components"]["schemas"].as_object().unwrap();
    models.values().find(|model| {
        let kinds = model["x-kubernetes-group-version-kind"].as_array();
        kinds.is_some_and(|kinds| kinds.contains(gvk))
    })
}

/// What a property refers to, through `allOf` or directly.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let link = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref"));
    match link {
        Some(link) => document.pointer(&link.as_str().unwrap()[1..]).unwrap(),
        None => schema,
    }
}

fn gvk(group: &str, kind: &str) -> Value {
    json!({ "group": group, "version": "v1", "kind": kind })
}

#[test]
fn paths_are_those_of_the_index() {
    assert_eq!(
        openapi_v3::paths(&served()),
        [
            "api",
            "api/v1",
            "apis",
            "apis/authentication.k8s.io",
            "apis/authentication.k8s.io/v1",
            "apis/authorization.k8s.io",
            "apis/authorization.k8s.io/v1",
            "apis/coordination.k8s.io",
            "apis/coordination.k8s.io/v1",
            "apis/events.k8s.io",
            "apis/events.k8s.io/v1",
            "apis/rbac.authorization.k8s.io",
            "apis/rbac.authorization.k8s.io/v1",
            "apis/strongroom.dev",
            "apis/strongroom.dev/v1",
            "version",
        ]
    );
    for unknown in ["", "api/v2", "apis/apps/v1", "apis/apps", "openid", "apis/v1/x/y"] {
        assert_eq!(openapi_v3::document(&served(), unknown), None, "{unknown}");
    }
}

#[test]
fn every_document_is_sound() {
    for path in openapi_v3::paths(&served()) {
        structure::check(&document(&path), "/components/schemas");
    }
}

#[test]
fn apply_finds_patch_operations_and_models() {
    let check = |path: &str, group: &str, kind: &str| {
        let document = document(path);
        let gvk = gvk(group, kind);
        let patch = patch_operation(&document, &gvk).unwrap_or_else(|| panic!("{gvk}"));
        let names = patch["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|each| &each["name"]);
        let names: Vec<_> = names.filter_map(Value::as_str).collect();
        assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
        let content = patch["requestBody"]["content"].as_object().unwrap();
        let media_types: Vec<_> = content.keys().map(String::as_str).collect();
        assert_eq!(
            media_types,
            [
                "application/apply-patch+yaml",
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/strategic-merge-patch+json",
            ]
        );
        assert_eq!(patch["x-kubernetes-action"], "patch");
        assert!(model(&document, &gvk).is_some(), "{gvk}");
    };
    for kind in [
        "Secret",
        "ConfigMap",
        "Namespace",
        "ServiceAccount",
        "Event",
        "Service",
        "Pod",
    ] {
        check("api/v1", "", kind);
    }
    check("apis/events.k8s.io/v1", "events.k8s.io", "Event");
    check("apis/coordination.k8s.io/v1", "coordination.k8s.io", "Lease");
    check(
        "apis/rbac.authorization.k8s.io/v1",
        "rbac.authorization.k8s.io",
        "Role",
    );
}

#[test]
fn kinds_of_unknown_fields_are_not_merged_strategically() {
    let document = document("apis/strongroom.dev/v1");
    let gvk = gvk("strongroom.dev", "Unheard");
    let patch = patch_operation(&document, &gvk).unwrap();
    let content = patch["requestBody"]["content"].as_object().unwrap();
    assert!(!content.contains_key("application/strategic-merge-patch+json"));
    assert!(content.contains_key("application/merge-patch+json"));
    assert_eq!(model(&document, &gvk).unwrap()["type"], "object");
}

#[test]
fn verbs_decide_which_operations_exist() {
    let core = document("api/v1");
    let check = |url: &str, expect: &str| {
        let item = core["paths"][url].as_object().unwrap_or_else(|| panic!("{url}"));
        let methods = item.keys().filter(|key| *key != "parameters");
        let methods: Vec<_> = methods.map(String::as_str).collect();
        assert_eq!(methods.join(" "), expect, "{url}");
    };
    check("/api/v1/", "get");
    check("/api/v1/secrets", "get");
    check("/api/v1/namespaces/{namespace}/secrets", "delete get post");
    check(
        "/api/v1/namespaces/{namespace}/secrets/{name}",
        "delete get patch put",
    );
    check("/api/v1/namespaces", "get post");
    check("/api/v1/namespaces/{name}", "delete get patch put");
    check("/api/v1/namespaces/{name}/finalize", "put");
    check("/api/v1/namespaces/{name}/status", "get patch put");
    check(
        "/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
        "post",
    );
    check("/api/v1/namespaces/{namespace}/pods/{name}/exec", "get post");
    check("/api/v1/namespaces/{namespace}/pods/{name}/log", "get");
    let reviews = document("apis/authentication.k8s.io/v1");
    let urls: Vec<_> = reviews["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        urls,
        [
            "/apis/authentication.k8s.io/v1/",
            "/apis/authentication.k8s.io/v1/tokenreviews"
        ]
    );
}

#[test]
fn operations_are_named_as_generated_clients_expect() {
    let check = |path: &str, url: &str, method: &str, expect: &str| {
        let document = document(path);
        let operation = &document["paths"][url][method];
        assert_eq!(operation["operationId"], expect, "{method} {url}");
    };
    let secrets = "/api/v1/namespaces/{namespace}/secrets";
    let secret = "/api/v1/namespaces/{namespace}/secrets/{name}";
    check("api", "/api/", "get", "getCoreAPIVersions");
    check("apis", "/apis/", "get", "getAPIVersions");
    check("version", "/version/", "get", "getCodeVersion");
    check("api/v1", "/api/v1/", "get", "getCoreV1APIResources");
    check("api/v1", secrets, "get", "listCoreV1NamespacedSecret");
    check("api/v1", secrets, "post", "createCoreV1NamespacedSecret");
    check(
        "api/v1",
        secrets,
        "delete",
        "deleteCoreV1CollectionNamespacedSecret",
    );
    check(
        "api/v1",
        "/api/v1/secrets",
        "get",
        "listCoreV1SecretForAllNamespaces",
    );
    check("api/v1", secret, "get", "readCoreV1NamespacedSecret");
    check("api/v1", secret, "put", "replaceCoreV1NamespacedSecret");
    check("api/v1", secret, "patch", "patchCoreV1NamespacedSecret");
    check("api/v1", secret, "delete", "deleteCoreV1NamespacedSecret");
    check(
        "api/v1",
        "/api/v1/namespaces/{name}/finalize",
        "put",
        "replaceCoreV1NamespaceFinalize",
    );
    check(
        "api/v1",
        "/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
        "post",
        "createCoreV1NamespacedServiceAccountToken",
    );
    check(
        "api/v1",
        "/api/v1/namespaces/{namespace}/pods/{name}/exec",
        "post",
        "connectCoreV1PostNamespacedPodExec",
    );
    let group = "rbac.authorization.k8s.io";
    check(
        "apis/rbac.authorization.k8s.io",
        &format!("/apis/{group}/"),
        "get",
        "getRbacAuthorizationAPIGroup",
    );
    check(
        "apis/rbac.authorization.k8s.io/v1",
        &format!("/apis/{group}/v1/roles"),
        "get",
        "listRbacAuthorizationV1RoleForAllNamespaces",
    );
}

#[test]
fn models_carry_what_merges_need() {
    let core = document("api/v1");
    let models = &core["components"]["schemas"];
    let property = |model: &str, name: &str| models[model]["properties"][name].clone();
    let check = |model: &str, name: &str, expect: Value| {
        let mut property = property(model, name);
        let object = property
            .as_object_mut()
            .unwrap_or_else(|| panic!("{model}.{name}"));
        assert!(
            object.remove("description").is_some(),
            "{model}.{name} is not described"
        );
        assert_eq!(property, expect, "{model}.{name}");
    };
    let link = |name: &str| json!([{ "$ref": format!("#/components/schemas/{name}") }]);
    let string = json!({ "type": "string", "default": "" });
    let object_meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

    let secret = "io.k8s.api.core.v1.Secret";
    let bytes = json!({ "type": "string", "format": "byte" });
    check(
        secret,
        "data",
        json!({ "type": "object", "additionalProperties": bytes }),
    );
    check(
        secret,
        "stringData",
        json!({ "type": "object", "additionalProperties": string }),
    );
    check(secret, "immutable", json!({ "type": "boolean" }));
    check(secret, "type", json!({ "type": "string" }));
    check(secret, "kind", json!({ "type": "string" }));
    check(
        secret,
        "metadata",
        json!({ "allOf": link(object_meta), "default": {} }),
    );
    assert_eq!(models[secret].get("required"), None);
    assert_eq!(
        models[secret]["x-kubernetes-group-version-kind"],
        json!([gvk("", "Secret")])
    );

    let reference = "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference";
    let time = "io.k8s.apimachinery.pkg.apis.meta.v1.Time";
    check(
        object_meta,
        "ownerReferences",
        json!({
            "type": "array",
            "items": { "allOf": link(reference), "default": {} },
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-list-type": "map",
            "x-kubernetes-patch-merge-key": "uid",
            "x-kubernetes-patch-strategy": "merge",
        }),
    );
    check(
        object_meta,
        "finalizers",
        json!({
            "type": "array",
            "items": string,
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
        }),
    );
    check(object_meta, "deletionTimestamp", json!({ "allOf": link(time) }));
    check(object_meta, "creationTimestamp", json!({ "allOf": link(time) }));
    check(
        object_meta,
        "generation",
        json!({ "type": "integer", "format": "int64" }),
    );
    assert_eq!(
        models[reference]["required"],
        json!(["apiVersion", "kind", "name", "uid"])
    );
    assert_eq!(models[reference]["x-kubernetes-map-type"], "atomic");
    check(reference, "name", string.clone());

    check(
        "io.k8s.api.core.v1.ServiceSpec",
        "ports",
        json!({
            "type": "array",
            "items": { "allOf": link("io.k8s.api.core.v1.ServicePort"), "default": {} },
            "x-kubernetes-list-map-keys": ["port", "protocol"],
            "x-kubernetes-list-type": "map",
            "x-kubernetes-patch-merge-key": "port",
            "x-kubernetes-patch-strategy": "merge",
        }),
    );
    check(
        "io.k8s.api.core.v1.ServiceSpec",
        "selector",
        json!({
            "type": "object",
            "additionalProperties": string,
            "x-kubernetes-map-type": "atomic",
        }),
    );
    check(
        "io.k8s.api.core.v1.ServicePort",
        "protocol",
        json!({ "type": "string", "default": "TCP", "enum": ["SCTP", "TCP", "UDP"] }),
    );
    check(
        "io.k8s.api.core.v1.PodSpec",
        "volumes",
        json!({
            "type": "array",
            "items": { "allOf": link("io.k8s.api.core.v1.Volume"), "default": {} },
            "x-kubernetes-list-map-keys": ["name"],
            "x-kubernetes-list-type": "map",
            "x-kubernetes-patch-merge-key": "name",
            "x-kubernetes-patch-strategy": "merge,retainKeys",
        }),
    );
}

#[test]
fn special_types() {
    let core = document("api/v1");
    let models = &core["components"]["schemas"];
    let check = |name: &str, expect: Value| {
        let mut model = models[name].clone();
        let object = model.as_object_mut().unwrap_or_else(|| panic!("{name}"));
        object.remove("description");
        assert_eq!(model, expect, "{name}");
    };
    check(
        "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
        json!({ "type": "string", "format": "date-time" }),
    );
    check(
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        json!({ "format": "int-or-string", "oneOf": [{ "type": "integer" }, { "type": "string" }] }),
    );
    check(
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
    );
    check(
        "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
        json!({ "type": "object" }),
    );
    check(
        "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
        json!({ "type": "object" }),
    );
}

#[test]
fn explain_walks_to_every_field_of_metadata() {
    let core = document("api/v1");
    let secret = model(&core, &gvk("", "Secret")).unwrap();
    let metadata = resolve(&core, &secret["properties"]["metadata"]);
    assert!(metadata["description"].is_string());
    for (name, property) in metadata["properties"].as_object().unwrap() {
        let described = property["description"]
            .as_str()
            .is_some_and(|text| !text.is_empty());
        assert!(described, "{name} is not described");
    }
    let entry = resolve(&core, &metadata["properties"]["managedFields"]["items"]);
    assert!(entry["properties"]["fieldsV1"].is_object());
}

#[test]
fn shared_kinds_belong_to_every_group_version() {
    let leases = document("apis/coordination.k8s.io/v1");
    for kind in ["DeleteOptions", "WatchEvent"] {
        assert!(model(&leases, &gvk("", kind)).is_some(), "{kind}");
        assert!(
            model(&leases, &gvk("coordination.k8s.io", kind)).is_some(),
            "{kind}"
        );
    }
    assert!(model(&leases, &gvk("", "Status")).is_some());
}

#[test]
fn only_reachable_models_are_told() {
    let leases = document("apis/coordination.k8s.io/v1");
    assert!(
        leases["components"]["schemas"]
            .get("io.k8s.api.core.v1.Secret")
            .is_none()
    );
    let size = |path: &str| document(path).to_string().len();
    assert!(size("api/v1") < 1 << 20);
    assert!(size("apis/coordination.k8s.io/v1") < 100_000);
}
