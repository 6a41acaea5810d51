//! Tokens with a good signature and claims that nobody issues.

use serde_json::{Value, json};

use super::super::legacy::verify_legacy;
use super::{ISSUER_URL, NOW, at, strings};
use crate::jwt;
use crate::service_account::verify;
use crate::testkit::{self, pair};

fn good() -> Value {
    json!({
        "iss": ISSUER_URL, "sub": "system:serviceaccount:ns:sa", "aud": [ISSUER_URL],
        "exp": NOW + 600, "iat": NOW, "nbf": NOW, "jti": "x",
        "kubernetes.io": {"namespace": "ns", "serviceaccount": {"name": "sa", "uid": "u"}},
    })
}

/// Whether a token with `claims` is accepted, and what is said otherwise.
fn verdict(claims: &Value) -> Result<(), String> {
    let (key, keys) = pair(testkit::EC_SEC1);
    let token = jwt::sign(&key, claims.as_object().unwrap());
    let own = strings(&[ISSUER_URL]);
    match verify(&token, at(NOW), &keys, &own, &own) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err("not ours".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn every_claim_must_have_its_type() {
    assert_eq!(verdict(&good()), Ok(()));
    let replacements: &[(&str, Value)] = &[
        ("/exp", json!(null)),
        ("/exp", json!("1800000600")),
        ("/exp", json!(1e300)),
        ("/exp", json!(u64::MAX)),
        ("/exp", json!(i64::MAX)),
        ("/exp", json!(9_999_999_999_999_i64)),
        ("/exp", json!(-1)),
        ("/exp", json!(true)),
        ("/nbf", json!(NOW + 3600)),
        ("/nbf", json!([])),
        ("/iat", json!(NOW + 3600)),
        ("/iat", json!({})),
        ("/aud", json!([])),
        ("/aud", json!(null)),
        ("/aud", json!([1])),
        ("/aud", json!({"a": 1})),
        ("/aud", json!("other")),
        ("/sub", json!("system:serviceaccount:ns:admin")),
        ("/sub", json!("system:serviceaccount:kube-system:sa")),
        ("/sub", json!("admin")),
        ("/sub", json!(null)),
        ("/sub", json!(["system:serviceaccount:ns:sa"])),
        ("/iss", json!(["a"])),
        ("/iss", json!("https://KUBERNETES.default.svc.cluster.local")),
        ("/jti", json!(7)),
        ("/kubernetes.io", json!(null)),
        ("/kubernetes.io", json!([])),
        ("/kubernetes.io/namespace", json!("other")),
        ("/kubernetes.io/namespace", json!("")),
        ("/kubernetes.io/serviceaccount", json!(null)),
        ("/kubernetes.io/serviceaccount/name", json!("")),
        ("/kubernetes.io/serviceaccount/name", json!("a:b")),
        ("/kubernetes.io/serviceaccount/uid", json!(1)),
    ];
    for (pointer, value) in replacements {
        let mut claims = good();
        *claims.pointer_mut(pointer).unwrap() = value.clone();
        assert!(verdict(&claims).is_err(), "{pointer} {value}");
    }
    for extra in ["pod", "secret", "node"] {
        for value in [json!("x"), json!({}), json!({"name": ""}), json!({"name": 1})] {
            let mut claims = good();
            claims["kubernetes.io"][extra] = value.clone();
            assert!(verdict(&claims).is_err(), "{extra} {value}");
        }
    }
}

#[test]
fn numbers_may_be_written_as_floats_and_one_audience_as_a_text() {
    for (pointer, value) in [
        ("/exp", json!(1_800_000_600.75)),
        ("/exp", json!(1.8000006e9)),
        ("/aud", json!(ISSUER_URL)),
    ] {
        let mut claims = good();
        *claims.pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(verdict(&claims), Ok(()), "{value}");
    }
}

#[test]
fn a_legacy_token_must_be_whole() {
    let (key, keys) = pair(testkit::EC_SEC1);
    let good = json!({
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:ns:sa",
        "kubernetes.io/serviceaccount/namespace": "ns",
        "kubernetes.io/serviceaccount/secret.name": "s",
        "kubernetes.io/serviceaccount/service-account.name": "sa",
        "kubernetes.io/serviceaccount/service-account.uid": "u",
    });
    let cases = [
        (
            "sub",
            Some("system:serviceaccount:ns:other"),
            "sub claim is invalid",
        ),
        ("sub", None, "sub claim is missing"),
        (
            "kubernetes.io/serviceaccount/namespace",
            None,
            "namespace claim is missing",
        ),
        (
            "kubernetes.io/serviceaccount/secret.name",
            None,
            "secretName claim is missing",
        ),
        (
            "kubernetes.io/serviceaccount/service-account.name",
            None,
            "serviceAccountName claim is missing",
        ),
        (
            "kubernetes.io/serviceaccount/service-account.uid",
            None,
            "serviceAccountUID claim is missing",
        ),
    ];
    for (claim, value, expected) in cases {
        let mut claims = good.as_object().unwrap().clone();
        match value {
            Some(value) => claims.insert(claim.to_owned(), value.into()),
            None => claims.remove(claim),
        };
        let got = verify_legacy(&jwt::sign(&key, &claims), &keys);
        assert_eq!(got.unwrap_err().to_string(), expected);
    }
    let forged = jwt::sign(&pair(testkit::EC_P384).0, good.as_object().unwrap());
    assert_eq!(
        verify_legacy(&forged, &keys).unwrap_err().to_string(),
        "invalid signature"
    );
}
