use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use strongroom_objects::Status;

use super::*;
use crate::resource::Context;
use crate::update::{Tracking, Update, plan_update};
use crate::{Outcome, plan_create};

const BEFORE: &str = "2026-01-01T00:00:00Z";
const NOW: &str = "2026-01-02T00:00:00Z";

fn context() -> Context {
    Context {
        now: NOW.parse().unwrap(),
        manager: "test".to_owned(),
        uid: "u".to_owned(),
        name_suffix: "abcde".to_owned(),
    }
}

fn request() -> String {
    let key = KeyPair::generate().unwrap();
    let pem = CertificateParams::default()
        .serialize_request(&key)
        .unwrap()
        .pem();
    STANDARD.encode(pem.unwrap())
}

fn certificate() -> String {
    let key = KeyPair::generate().unwrap();
    STANDARD.encode(CertificateParams::default().self_signed(&key).unwrap().pem())
}

fn object(spec: Value, status: Value) -> Object {
    let Value::Object(map) = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": "x", "resourceVersion": "7"}, "spec": spec, "status": status,
    }) else {
        unreachable!("written as an object")
    };
    Object::from_value(map).unwrap()
}

/// A good spec with some changes; null takes a field away.
fn spec(changes: Value) -> Value {
    let mut spec = json!({
        "request": request(), "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"],
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        spec[name] = value.clone();
    }
    spec.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    spec
}

/// What is wrong, as a client reads it.
fn complaints(status: Box<Status>) -> Vec<String> {
    let causes = status.details.map(|details| details.causes).unwrap_or_default();
    let line = |cause: strongroom_objects::StatusCause| format!("{}: {}", cause.field, cause.message);
    causes.into_iter().map(line).collect()
}

fn create(spec: Value) -> Result<Object, Vec<String>> {
    let mut object = object(
        spec,
        json!({"conditions": [{"type": "Approved", "status": "True"}]}),
    );
    object.metadata.resource_version.clear();
    let planned = plan_create(&CERTIFICATE_SIGNING_REQUESTS, object, &context());
    planned.map(|planned| planned.object).map_err(complaints)
}

#[test]
fn nobody_is_approved_from_the_start() {
    let created = create(spec(json!({"username": "alice", "expirationSeconds": 600}))).unwrap();
    assert_eq!(created.body["status"], json!({}));
    assert_eq!(created.body["spec"]["username"], "alice");
}

#[test]
fn bad_requests() {
    let check = |changes: Value, expect: &[&str]| {
        let got = create(spec(changes.clone())).err().unwrap_or_default();
        let fits = got.len() == expect.len()
            && got
                .iter()
                .zip(expect)
                .all(|(got, expect)| got.starts_with(expect));
        assert!(fits, "{changes}: {got:#?}");
    };
    check(json!({}), &[]);
    check(json!({"signerName": "example.com/a.b-c"}), &[]);
    let no_request =
        "spec.request: Invalid value: \"<request data>\": PEM block type must be CERTIFICATE REQUEST";
    check(json!({"request": null}), &[no_request]);
    check(json!({"request": certificate()}), &[no_request]);
    check(json!({"usages": null}), &["spec.usages: Required value"]);
    check(
        json!({"usages": ["client auth", "magic", "client auth"]}),
        &[
            "spec.usages[1]: Unsupported value: \"magic\": supported values: \"any\", \"cert sign\", \"client auth\"",
            "spec.usages[2]: Duplicate value: \"client auth\"",
        ],
    );
    check(
        json!({"expirationSeconds": 599}),
        &[
            "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)",
        ],
    );
    let signer_names: &[(Value, &[&str])] = &[
        (json!(null), &["spec.signerName: Required value"]),
        (
            json!("kubernetes.io/legacy-unknown"),
            &[
                "spec.signerName: Invalid value: \"kubernetes.io/legacy-unknown\": the legacy signerName is not allowed",
            ],
        ),
        (
            json!("example.com"),
            &[
                "spec.signerName: Invalid value: \"example.com\": must be a fully qualified domain and path of the form 'example.com/signer-name'",
            ],
        ),
        (
            json!("example.com/a/b"),
            &[
                "spec.signerName: Invalid value: \"example.com/a/b\": must be a fully qualified domain and path",
            ],
        ),
        (
            json!("com/a"),
            &[
                "spec.signerName: Invalid value: \"com\": should be a domain with at least two segments separated by dots",
            ],
        ),
        (
            json!("Example.com/a_b"),
            &[
                "spec.signerName: Invalid value: \"Example.com\": validating label \"Example\": a lowercase RFC 1123 label",
                "spec.signerName: Invalid value: \"a_b\": validating label \"a_b\": a lowercase RFC 1123 subdomain",
            ],
        ),
    ];
    for (name, expect) in signer_names {
        check(json!({"signerName": name}), expect);
    }
}

/// Plans an update of `old` to `new` (both statuses) through a subresource.
fn update(old: Value, new: Value, subresource: &str) -> Result<Object, Vec<String>> {
    let spec = spec(json!({"username": "alice"}));
    let old = object(spec.clone(), old);
    let mut changed = spec.clone();
    changed["username"] = json!("root");
    let change = plan_update(
        Update {
            resource: &CERTIFICATE_SIGNING_REQUESTS,
            subresource,
            old: &old,
            new: object(changed, new),
            tracking: Tracking::Update,
        },
        &context(),
    );
    let change = change.map_err(complaints)?;
    assert_eq!(change.object.body["spec"], spec, "the spec never changes");
    assert_ne!(change.outcome, Outcome::Remove);
    Ok(change.object)
}

fn condition(kind: &str, time: &str) -> Value {
    let mut condition = json!({"type": kind, "status": "True"});
    if !time.is_empty() {
        condition["lastUpdateTime"] = json!(time);
        condition["lastTransitionTime"] = json!(time);
    }
    condition
}

#[test]
fn each_endpoint_writes_its_part() {
    let certificate = certificate();
    let approved = json!({"conditions": [condition("Approved", BEFORE)]});
    let both = json!({"conditions": [condition("Approved", "")], "certificate": certificate});
    let check = |old: &Value, new: &Value, subresource, expect: Value| {
        let got = update(old.clone(), new.clone(), subresource).unwrap();
        assert_eq!(got.body["status"], expect, "{subresource}");
    };
    check(&json!({}), &both, "", json!({}));
    let now_approved = json!({"conditions": [condition("Approved", NOW)]});
    check(&json!({}), &both, "approval", now_approved);
    let issued = json!({"conditions": [condition("Approved", BEFORE)], "certificate": certificate});
    check(&approved, &both, "status", issued.clone());
    // Whoever approves again leaves the certificate alone.
    let mut again = condition("Approved", NOW);
    again["lastTransitionTime"] = json!(BEFORE);
    check(
        &issued,
        &json!({"conditions": [condition("Approved", "")]}),
        "approval",
        json!({"conditions": [again], "certificate": certificate}),
    );
    let failed = json!({"conditions": [condition("Approved", ""), condition("Failed", "")]});
    let expect = json!({"conditions": [condition("Approved", BEFORE), condition("Failed", NOW)]});
    check(&approved, &failed, "status", expect);
}

#[test]
fn bad_changes() {
    let check = |old: Value, new: Value, subresource, expect: &[&str]| {
        let got = update(old, new, subresource).err().unwrap_or_default();
        assert_eq!(got, expect, "{subresource}");
    };
    let conditions = |kinds: &[&str]| {
        let conditions: Vec<Value> = kinds.iter().map(|kind| condition(kind, BEFORE)).collect();
        json!({"conditions": conditions})
    };
    check(
        conditions(&["Approved"]),
        conditions(&[]),
        "approval",
        &["status.conditions: Forbidden: updates may not remove a condition of type \"Approved\""],
    );
    check(
        conditions(&["Failed"]),
        conditions(&[]),
        "status",
        &["status.conditions: Forbidden: updates may not remove a condition of type \"Failed\""],
    );
    check(
        conditions(&[]),
        conditions(&["Denied"]),
        "status",
        &["status.conditions: Forbidden: updates may not add a condition of type \"Denied\""],
    );
    check(
        conditions(&["Approved"]),
        conditions(&["Approved", "Denied"]),
        "approval",
        &[
            "status.conditions[1].type: Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive",
        ],
    );
    check(
        json!({}),
        json!({"conditions": [{"type": "Approved", "status": "False"}, {"type": "Mine", "status": "Maybe"}, {}]}),
        "approval",
        &[
            "status.conditions[0].status: Unsupported value: \"False\": supported values: \"True\"",
            "status.conditions[1].status: Unsupported value: \"Maybe\": supported values: \"False\", \"True\", \"Unknown\"",
            "status.conditions[2].type: Required value",
            "status.conditions[2].status: Required value",
        ],
    );
    check(
        json!({"certificate": certificate()}),
        json!({"certificate": certificate()}),
        "status",
        &["status.certificate: Forbidden: updates may not modify existing certificate content"],
    );
    check(
        json!({}),
        json!({"certificate": STANDARD.encode("x")}),
        "status",
        &[
            "status.certificate: Invalid value: \"<certificate data>\": must contain at least one CERTIFICATE PEM block",
        ],
    );
}

#[test]
fn states() {
    let check = |kinds: &[&str], certificate: &str, expect: &str| {
        let conditions: Vec<Value> = kinds.iter().map(|kind| condition(kind, "")).collect();
        assert_eq!(
            state(&json!({"conditions": conditions, "certificate": certificate})),
            expect
        );
    };
    check(&[], "", "Pending");
    check(&["Approved"], "", "Approved");
    check(&["Approved"], "eA==", "Approved,Issued");
    check(&["Approved", "Failed"], "", "Approved,Failed");
    check(&["Denied", "Failed"], "", "Denied,Failed");
}

#[test]
fn rows() {
    let mut object = object(
        json!({"signerName": "example.com/x", "username": "alice", "expirationSeconds": 3600}),
        json!({}),
    );
    object.metadata.creation_timestamp = Some(BEFORE.to_owned());
    let cells = CertificateSigningRequests.cells(&object, NOW.parse().unwrap());
    assert_eq!(cells, ["x", "24h", "example.com/x", "alice", "60m", "Pending"]);
}
