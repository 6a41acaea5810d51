use serde_json::json;
use strongroom_objects::Value;

use super::*;
use crate::decode::{Format, decode};
use crate::options::FieldValidation;
use crate::resource::Context;
use crate::update::{Outcome, Tracking, Update, plan_update};
use crate::{plan_create, update::Change};

fn context() -> Context {
    Context {
        now: "2026-01-02T03:04:05Z".parse().expect("a timestamp"),
        manager: "test".to_owned(),
        uid: "6d4c0000-0000-4000-8000-000000000000".to_owned(),
        name_suffix: "bcdfg".to_owned(),
    }
}

fn secret(fields: Value) -> Object {
    let mut body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}});
    for (field, value) in fields.as_object().expect("an object") {
        body[field] = value.clone();
    }
    let text = body.to_string();
    decode(&SECRETS, text.as_bytes(), Format::Json, FieldValidation::Strict)
        .expect("decodes")
        .object
}

fn create(fields: Value) -> Result<Object, String> {
    plan_create(&SECRETS, secret(fields), &context())
        .map(|planned| planned.object)
        .map_err(|status| {
            status
                .message
                .trim_start_matches("Secret \"s\" is invalid: ")
                .to_owned()
        })
}

fn update(old: Value, new: Value) -> Result<Change, String> {
    let mut old = create(old).expect("the old object is valid");
    old.metadata.resource_version = "7".to_owned();
    let update = Update {
        resource: &SECRETS,
        subresource: "",
        old: &old,
        new: secret(new),
        tracking: Tracking::Update,
    };
    plan_update(update, &context()).map_err(|status| {
        status
            .message
            .trim_start_matches("Secret \"s\" is invalid: ")
            .to_owned()
    })
}

#[test]
fn string_data_is_folded_and_the_type_defaults() {
    let created = create(json!({"data": {"a": "djE="}, "stringData": {"a": "v2", "b": "x"}})).expect("valid");
    assert_eq!(created.body["data"], json!({"a": "djI=", "b": "eA=="}));
    assert_eq!(created.body["type"], "Opaque");
    assert!(!created.body.contains_key("stringData"));
    assert_eq!(
        created.metadata.creation_timestamp.as_deref(),
        Some("2026-01-02T03:04:05Z")
    );
}

#[test]
fn rules_of_each_type() {
    let fine = |fields| assert!(create(fields).is_ok());
    fine(json!({"type": "kubernetes.io/basic-auth", "data": {"password": ""}}));
    fine(json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}}));
    fine(json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}}));
    fine(json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "bnVsbA=="}}));
    fine(json!({"type": "anything at all", "data": {".x": "", "-": "", "_": "", "A.b-c_d": ""}}));

    let check = |fields, expect: &str| assert_eq!(create(fields).expect_err(expect), expect);
    check(
        json!({"type": "kubernetes.io/basic-auth"}),
        "[data[username]: Required value, data[password]: Required value]",
    );
    check(
        json!({"type": "kubernetes.io/ssh-auth", "data": {"ssh-privatekey": ""}}),
        "data[ssh-privatekey]: Required value",
    );
    check(
        json!({"type": "kubernetes.io/tls"}),
        "[data[tls.crt]: Required value, data[tls.key]: Required value]",
    );
    check(
        json!({"type": "kubernetes.io/service-account-token"}),
        "metadata.annotations[kubernetes.io/service-account.name]: Required value",
    );
    check(
        json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "W10="}}),
        "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": json: cannot unmarshal array into Go value of type map[string]interface {}",
    );
    check(
        json!({"type": "kubernetes.io/dockercfg", "data": {".dockercfg": ""}}),
        "data[.dockercfg]: Invalid value: \"<secret contents redacted>\": unexpected end of JSON input",
    );
}

#[test]
fn size_counts_decoded_values() {
    let exactly = STANDARD.encode(vec![0; MAX_SECRET_SIZE]);
    assert!(create(json!({"data": {"k": exactly}})).is_ok());
    let above = STANDARD.encode(vec![0; MAX_SECRET_SIZE + 1]);
    let error = create(json!({"data": {"k": above}})).expect_err("too long");
    assert_eq!(error, "data: Too long: may not be more than 1048576 bytes");
}

#[test]
fn updates() {
    let outcome = |old, new| update(old, new).map(|change| change.outcome);
    let immutable = json!({"data": {"a": "eA=="}, "immutable": true});
    assert_eq!(
        outcome(json!({"data": {"a": "eA=="}}), json!({"data": {"a": "eA=="}})),
        Ok(Outcome::Unchanged)
    );
    assert_eq!(
        outcome(json!({}), json!({"stringData": {"a": "x"}})),
        Ok(Outcome::Write)
    );
    assert_eq!(
        outcome(json!({"data": {"a": "eA=="}}), immutable.clone()),
        Ok(Outcome::Write)
    );
    assert_eq!(
        outcome(
            immutable.clone(),
            json!({"stringData": {"a": "x"}, "immutable": true})
        ),
        Ok(Outcome::Unchanged)
    );

    let check = |old, new, expect: &str| assert_eq!(outcome(old, new).expect_err(expect), expect);
    check(
        json!({}),
        json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}}),
        "type: Invalid value: \"kubernetes.io/tls\": field is immutable",
    );
    check(
        immutable.clone(),
        json!({"data": {"a": "eA=="}}),
        "immutable: Forbidden: field is immutable when `immutable` is set",
    );
    check(
        immutable,
        json!({"data": {"a": "eQ=="}, "immutable": true}),
        "data: Forbidden: field is immutable when `immutable` is set",
    );
}

#[test]
fn a_pair_that_does_not_load_is_a_warning() {
    let object = secret(json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "eA==", "tls.key": "eA=="}}));
    let planned = plan_create(&SECRETS, object, &context()).expect("valid");
    assert_eq!(
        planned.warnings,
        ["tls: failed to find any PEM data in certificate input"]
    );
}
