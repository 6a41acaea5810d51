use serde_json::{Value, json};

use super::structure;
use super::table::served;
use crate::openapi_v2;

#[test]
fn the_document_is_sound() {
    let document = openapi_v2::document(&served());
    assert_eq!(document["swagger"], "2.0");
    structure::check(&document, "/definitions");
    assert!(document.to_string().len() < 2 << 20);
}

#[test]
fn every_url_of_version_3_is_here_too() {
    let document = openapi_v2::document(&served());
    let paths = document["paths"].as_object().unwrap();
    let mut count = 0;
    for path in crate::openapi_v3::paths(&served()) {
        let part = crate::openapi_v3::document(&served(), &path).unwrap();
        for (url, item) in part["paths"].as_object().unwrap() {
            let methods = |item: &Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            assert_eq!(methods(item), methods(&paths[url]), "{url}");
            count += 1;
        }
    }
    assert_eq!(count, paths.len());
}

#[test]
fn operations_say_what_they_take_and_give() {
    let document = openapi_v2::document(&served());
    let item = &document["paths"]["/api/v1/namespaces/{namespace}/secrets/{name}"];
    let patch = &item["patch"];
    assert_eq!(
        patch["consumes"],
        json!([
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/apply-patch+yaml",
            "application/strategic-merge-patch+json",
        ])
    );
    assert_eq!(
        patch["parameters"][0],
        json!({
            "name": "body",
            "in": "body",
            "required": true,
            "schema": { "$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Patch" },
        })
    );
    assert_eq!(patch["parameters"][1]["name"], "dryRun");
    assert_eq!(
        patch["responses"]["200"],
        json!({ "description": "OK", "schema": { "$ref": "#/definitions/io.k8s.api.core.v1.Secret" } })
    );
    let list = &document["paths"]["/api/v1/namespaces/{namespace}/secrets"]["get"];
    assert_eq!(list["x-kubernetes-action"], "list");
    assert_eq!(
        list["responses"]["200"]["schema"],
        json!({ "$ref": "#/definitions/io.k8s.api.core.v1.SecretList" })
    );
    assert!(
        list["produces"]
            .as_array()
            .unwrap()
            .contains(&json!("application/json;stream=watch"))
    );
}

#[test]
fn models_have_no_defaults_and_bare_references() {
    let document = openapi_v2::document(&served());
    let check = |model: &str, name: &str, expect: Value| {
        let mut property = document["definitions"][model]["properties"][name].clone();
        property
            .as_object_mut()
            .unwrap_or_else(|| panic!("{model}.{name}"))
            .remove("description");
        assert_eq!(property, expect, "{model}.{name}");
    };
    let link = |name: &str| json!({ "$ref": format!("#/definitions/{name}") });
    let secret = "io.k8s.api.core.v1.Secret";
    check(
        secret,
        "metadata",
        link("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
    );
    let bytes = json!({ "type": "string", "format": "byte" });
    check(
        secret,
        "data",
        json!({ "type": "object", "additionalProperties": bytes }),
    );
    check(
        "io.k8s.api.core.v1.ServicePort",
        "protocol",
        json!({ "type": "string" }),
    );
    check(
        "io.k8s.api.core.v1.ServicePort",
        "targetPort",
        link("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
    );
    let special = |name: &str| {
        let mut model = document["definitions"][name].clone();
        model.as_object_mut().unwrap().remove("description");
        model
    };
    assert_eq!(
        special("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
        json!({ "type": "string", "format": "int-or-string" })
    );
    assert_eq!(
        special("io.k8s.apimachinery.pkg.api.resource.Quantity"),
        json!({ "type": "string" })
    );
    assert_eq!(
        special("dev.strongroom.v1.Unheard"),
        json!({
            "type": "object",
            "x-kubernetes-group-version-kind":
                [{ "group": "strongroom.dev", "version": "v1", "kind": "Unheard" }],
        })
    );
}
