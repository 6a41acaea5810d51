use serde_json::json;
use strongroom_objects::{Object, Value};

use super::*;
use crate::decode::{Format, decode};
use crate::options::FieldValidation;
use crate::resource::{Context, Resource};
use crate::{Tracking, Update, plan_create, plan_update};

fn context() -> Context {
    Context {
        now: "2026-01-02T03:04:05Z".parse().expect("a timestamp"),
        manager: "test".to_owned(),
        uid: "6d4c0000-0000-4000-8000-000000000000".to_owned(),
        name_suffix: "bcdfg".to_owned(),
    }
}

fn object(resource: &'static Resource, fields: &Value) -> Object {
    let namespace = if resource.namespaced { "n" } else { "" };
    let mut body = json!({
        "apiVersion": resource.api_version(),
        "kind": resource.kind,
        "metadata": {"name": "system:x", "namespace": namespace},
    });
    for (field, value) in fields.as_object().expect("an object") {
        body[field] = value.clone();
    }
    let text = body.to_string();
    decode(resource, text.as_bytes(), Format::Json, FieldValidation::Strict)
        .expect("decodes")
        .object
}

fn create(resource: &'static Resource, fields: Value) -> Result<Object, String> {
    plan_create(resource, object(resource, &fields), &context())
        .map(|planned| planned.object)
        .map_err(|status| status.message)
}

#[track_caller]
fn refused(resource: &'static Resource, fields: Value, expected: &str) {
    let message = create(resource, fields).expect_err("refused");
    let expected = format!("{} \"system:x\" is invalid: {expected}", resource.group_kind());
    assert_eq!(message, expected);
}

#[test]
fn rules_say_what_they_are_about() {
    let secrets = json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
    assert!(create(&ROLES, secrets.clone()).is_ok());
    assert!(create(&CLUSTER_ROLES, secrets).is_ok());
    assert!(create(&CLUSTER_ROLES, json!({"rules": null})).is_ok());
    refused(
        &ROLES,
        json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": []}]}),
        "rules[0].verbs: Required value: verbs must contain at least one value",
    );
    refused(
        &ROLES,
        json!({"rules": [{"verbs": ["get"]}]}),
        "[rules[0].apiGroups: Required value: resource rules must supply at least one api group, rules[0].resources: Required value: resource rules must supply at least one resource]",
    );
    refused(
        &ROLES,
        json!({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]}),
        "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs",
    );
    refused(
        &CLUSTER_ROLES,
        json!({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"], "resources": ["a"]}]}),
        "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: rules cannot apply to both regular resources and non-resource URLs",
    );
    refused(
        &CLUSTER_ROLES,
        json!({"aggregationRule": {"clusterRoleSelectors": []}}),
        "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil",
    );
}

#[test]
fn bindings_say_who_has_what() {
    let binding =
        |kind: &str, subjects: Value| json!({"roleRef": {"kind": kind, "name": "r"}, "subjects": subjects});
    let created = create(
        &ROLE_BINDINGS,
        binding(
            "Role",
            json!([{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]),
        ),
    )
    .expect("valid");
    assert_eq!(created.body["roleRef"]["apiGroup"], GROUP);
    assert_eq!(created.body["subjects"][0]["apiGroup"], GROUP);
    assert!(created.body["subjects"][1].get("apiGroup").is_none());
    refused(
        &CLUSTER_ROLE_BINDINGS,
        binding("ClusterRole", json!([{"kind": "ServiceAccount", "name": "s"}])),
        "subjects[0].namespace: Required value",
    );
    refused(
        &CLUSTER_ROLE_BINDINGS,
        binding("Role", json!([])),
        "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"",
    );
    refused(
        &ROLE_BINDINGS,
        binding("Role", json!([{"kind": "Robot", "name": "s"}])),
        "subjects[0].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\"",
    );
}

#[test]
fn the_role_of_a_binding_stays() {
    let fields = json!({"roleRef": {"kind": "Role", "name": "r"}});
    let mut old = create(&ROLE_BINDINGS, fields).expect("valid");
    old.metadata.resource_version = "7".to_owned();
    let update = Update {
        resource: &ROLE_BINDINGS,
        subresource: "",
        old: &old,
        new: object(
            &ROLE_BINDINGS,
            &json!({"roleRef": {"kind": "Role", "name": "other"}}),
        ),
        tracking: Tracking::Update,
    };
    let message = plan_update(update, &context()).expect_err("refused").message;
    assert_eq!(
        message,
        "RoleBinding.rbac.authorization.k8s.io \"system:x\" is invalid: roleRef: Invalid value: \
         {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"Role\",\"Name\":\"other\"}: cannot change roleRef"
    );
}
