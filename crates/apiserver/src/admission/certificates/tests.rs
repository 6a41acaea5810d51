use std::collections::BTreeMap;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::json;

use super::*;

fn object(spec: Value, status: Value) -> Object {
    let Value::Object(map) = json!({"metadata": {"name": "x"}, "spec": spec, "status": status}) else {
        unreachable!("written as an object")
    };
    Object::from_value(map).unwrap()
}

#[test]
fn the_requester_is_who_it_is() {
    let told = json!({"username": "root", "uid": "0", "groups": ["system:masters"], "extra": {"a": ["b"]}, "usages": ["any"]});
    let check = |user: &Identity, expect: Value| {
        let mut request = object(told.clone(), json!({}));
        complete(user, &mut request);
        assert_eq!(request.body["spec"], expect);
    };
    let mut alice = Identity {
        user: "alice".to_owned(),
        ..Identity::default()
    };
    check(&alice, json!({"username": "alice", "usages": ["any"]}));
    alice.uid = "17".to_owned();
    alice.groups = vec!["b".to_owned(), "a".to_owned()];
    alice.extra = BTreeMap::from([("k".to_owned(), vec!["2".to_owned(), "1".to_owned()])]);
    check(
        &alice,
        json!({"username": "alice", "uid": "17", "groups": ["b", "a"], "extra": {"k": ["2", "1"]}, "usages": ["any"]}),
    );
}

#[test]
fn superusers_do_not_come_from_requests() {
    let check = |signer: &str, group: &str, expect: Result<(), Masters>| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "alice");
        params.distinguished_name.push(DnType::OrganizationName, group);
        let key = KeyPair::generate().unwrap();
        let pem = params.serialize_request(&key).unwrap().pem().unwrap();
        let spec = json!({"signerName": signer, "request": STANDARD.encode(pem)});
        assert_eq!(
            check_subject(&object(spec, json!({}))),
            expect,
            "{signer} {group}"
        );
    };
    check("kubernetes.io/kube-apiserver-client", "devs", Ok(()));
    check(
        "kubernetes.io/kube-apiserver-client",
        "system:masters",
        Err(Masters),
    );
    check("example.com/x", "system:masters", Ok(()));
}

#[test]
fn rights() {
    let spec = json!({"signerName": "example.com/x"});
    let check = |subresource: &str, old: Value, new: Value, expect: Option<&'static str>| {
        let (old, new) = (
            object(spec.clone(), old),
            object(json!({"signerName": "other.com/y"}), new),
        );
        let signer = "example.com/x";
        assert_eq!(
            needed(subresource, &old, &new),
            expect.map(|verb| Right { verb, signer })
        );
    };
    let issued = || json!({"certificate": "eA=="});
    let failed = || json!({"conditions": [{"type": "Failed", "status": "True"}]});
    check("", json!({}), issued(), None);
    check("approval", json!({}), json!({}), Some("approve"));
    check("status", issued(), issued(), None);
    check("status", json!({}), issued(), Some("sign"));
    check("status", json!({}), failed(), Some("sign"));
}

#[test]
fn a_right_is_for_a_signer_or_its_domain() {
    let user = Identity::default();
    let right = Right {
        verb: "sign",
        signer: "example.com/x",
    };
    let check = |granted: &str, expect| {
        let may = |asked: &Attributes<'_>| {
            assert_eq!(
                (asked.verb, asked.api_group, asked.resource),
                ("sign", "certificates.k8s.io", "signers")
            );
            asked.name == granted
        };
        assert_eq!(right.is_held(&user, &may), expect, "{granted}");
    };
    check("example.com/x", true);
    check("example.com/*", true);
    check("example.com/y", false);
    check("*", false);
}
