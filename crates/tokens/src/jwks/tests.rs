use serde_json::{Value, json};

use super::*;
use crate::jwt;
use crate::testkit::{self, pair};

fn of(keys: Value) -> Result<VerifyingKeys, JwksError> {
    parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn published(pem: &str) -> Value {
    Value::Object(pair(pem).1.jwks())["keys"][0].clone()
}

#[test]
fn what_this_server_publishes_verifies_its_tokens() {
    for pem in [
        testkit::RSA_PKCS8,
        testkit::EC_SEC1,
        testkit::EC_P384,
        testkit::EC_P521,
    ] {
        let (key, _) = pair(pem);
        let token = jwt::sign(&key, &Map::new());
        let mut jwk = published(pem);
        for _ in 0..2 {
            let keys = of(json!([{"kty": "oct", "k": "AA"}, jwk])).unwrap();
            assert_eq!(keys.len(), 1);
            assert!(jwt::parse(&token).unwrap().verify(&keys).is_ok());
            jwk.as_object_mut().unwrap().remove("alg");
        }
    }
}

#[test]
fn keys_that_cannot_be_used_are_passed_over() {
    let changes = [
        ("use", json!("enc")),
        ("key_ops", json!(["sign"])),
        ("alg", json!("HS256")),
        ("alg", json!("none")),
        ("alg", json!("ES256")),
        ("alg", json!(1)),
        ("kty", json!("EC")),
        ("kty", json!("oct")),
        ("n", json!("AQAB")),
        ("n", json!("")),
        ("n", json!("not base64!")),
        ("e", json!("")),
        ("e", json!("AA")),
        ("e", json!("Ag")),
        ("e", json!("AQAAAAAAAAAB")),
    ];
    for (field, value) in changes {
        let mut jwk = published(testkit::RSA_PKCS8);
        jwk[field] = value.clone();
        assert_eq!(of(json!([jwk])).err(), Some(JwksError::NoKey), "{field} {value}");
    }
    for (field, value) in [
        ("x", json!("AA")),
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("alg", json!("RS256")),
    ] {
        let mut jwk = published(testkit::EC_SEC1);
        jwk[field] = value.clone();
        assert_eq!(of(json!([jwk])).err(), Some(JwksError::NoKey), "{field} {value}");
    }
    let mut off_curve = published(testkit::EC_SEC1);
    off_curve["y"] = off_curve["x"].clone();
    assert_eq!(of(json!([off_curve])).err(), Some(JwksError::NoKey));
}

#[test]
fn documents_are_bounded() {
    for document in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
        assert_eq!(
            parse(document.as_bytes()).err(),
            Some(JwksError::Malformed),
            "{document}"
        );
    }
    assert_eq!(of(json!([])).err(), Some(JwksError::NoKey));
    assert_eq!(of(json!(vec![1; MAX_KEYS + 1])).err(), Some(JwksError::TooLarge));
    assert_eq!(parse(&vec![b' '; MAX_BYTES + 1]).err(), Some(JwksError::TooLarge));
}
