use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::{Value, json};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const NODE: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const CLIENT: &str = "kubernetes.io/kube-apiserver-client";

fn pem(name: &str, group: &str) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, group);
    let key = KeyPair::generate().unwrap();
    STANDARD.encode(params.serialize_request(&key).unwrap().pem().unwrap())
}

/// A request of node `a`, made at midnight.
fn request(signer: &str, username: &str, status: Value) -> SigningRequest {
    let object = json!({
        "metadata": {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "request": pem("system:node:a", "system:nodes"), "signerName": signer, "username": username,
            "usages": ["digital signature", "client auth"], "expirationSeconds": 3600,
        },
        "status": status,
    });
    serde_json::from_value(object).unwrap()
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn condition(kind: &str) -> Value {
    json!({"type": kind, "status": "True", "lastUpdateTime": "2026-01-01T06:00:00Z"})
}

fn check(request: &SigningRequest, time: &str, expect: Action) {
    assert_eq!(decide(request, Some(24 * HOUR), at(time)), expect, "{request:?}");
}

#[test]
fn nodes_are_approved_if_their_requester_may() {
    use Automatic::{NodeClient, SelfNodeClient};
    let noon = "2026-01-01T12:00:00Z";
    let status = || json!({});
    let check = |signer, username, expect| check(&request(signer, username, status()), noon, expect);
    check(
        NODE,
        "system:bootstrap:x",
        Action::ApproveIfAllowed(vec![NodeClient]),
    );
    check(NODE, "system:node:b", Action::ApproveIfAllowed(vec![NodeClient]));
    check(
        NODE,
        "system:node:a",
        Action::ApproveIfAllowed(vec![SelfNodeClient, NodeClient]),
    );
    check(CLIENT, "system:node:a", Action::Wait(LONGEST_WAIT));
    check(
        "kubernetes.io/kubelet-serving",
        "system:node:a",
        Action::Wait(LONGEST_WAIT),
    );
    check("example.com/x", "system:node:a", Action::Wait(LONGEST_WAIT));
}

#[test]
fn what_is_approved_is_signed() {
    let now = "2026-01-01T06:00:00Z";
    let approved = request(CLIENT, "alice", json!({"conditions": [condition("Approved")]}));
    let Action::Issue(issuance) = decide(&approved, Some(24 * HOUR), at(now)) else {
        panic!("not issued")
    };
    let second = at(now).as_second();
    let expect = Validity {
        not_before: second - 300,
        not_after: second + 3600,
    };
    assert_eq!(issuance.validity, expect);
    assert_eq!(issuance.request.subject.common_name(), "system:node:a");
    assert!(issuance.usages.client_auth && !issuance.usages.server_auth);

    assert_eq!(
        decide(&approved, None, at(now)),
        Action::Keep,
        "without an authority"
    );
    let status = json!({"conditions": [condition("Approved")]});
    let serving = request("kubernetes.io/kubelet-serving", "alice", status.clone());
    check(&serving, now, Action::Fail(Unacceptable::NoName));
    check(&request("example.com/x", "alice", status), now, Action::Keep);
    let over = [
        json!({"conditions": [condition("Denied")]}),
        json!({"conditions": [condition("Approved"), condition("Failed")]}),
        json!({"conditions": [condition("Approved")], "certificate": "eA=="}),
    ];
    for status in over {
        check(&request(CLIENT, "alice", status), now, Action::Wait(LONGEST_WAIT));
    }
}

#[test]
fn what_nobody_needs_goes() {
    let short = |seconds| Action::Wait(Duration::from_secs(seconds));
    let other = |status| request("example.com/x", "alice", status);
    check(&other(json!({})), "2026-01-01T23:59:00Z", short(60));
    check(&other(json!({})), "2026-01-02T00:00:00Z", Action::Delete);
    for kind in ["Denied", "Failed"] {
        let decided = || other(json!({"conditions": [condition(kind)]}));
        check(&decided(), "2026-01-01T06:59:59Z", short(1));
        check(&decided(), "2026-01-01T07:00:00Z", Action::Delete);
    }
    let approved = || json!({"conditions": [condition("Approved")]});
    check(&other(approved()), "2027-01-01T07:00:00Z", Action::Keep);
    let mut issued = approved();
    issued["certificate"] = json!("eA==");
    check(&other(issued), "2026-01-01T07:00:00Z", Action::Delete);

    let mut params = CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(2025, 12, 31);
    let expired = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    let mut issued = approved();
    issued["certificate"] = json!(STANDARD.encode(expired));
    check(&other(issued), "2026-01-01T06:00:01Z", Action::Delete);

    let mut leaving = other(json!({}));
    leaving = {
        let mut object = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        object["metadata"]["creationTimestamp"] = json!(leaving.metadata().creation_timestamp);
        serde_json::from_value(object).unwrap()
    };
    check(&leaving, "2027-01-01T00:00:00Z", Action::Keep);
}
