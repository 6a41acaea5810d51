use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::*;
use crate::testkit;

#[test]
fn every_form_of_key_is_read_and_named_alike() {
    let cases = [
        (testkit::RSA_PKCS8, "RS256"),
        (testkit::RSA_PKCS1, "RS256"),
        (testkit::EC_SEC1, "ES256"),
        (testkit::EC_P384, "ES384"),
        (testkit::EC_P521, "ES512"),
        (&SigningKey::generate_ec_p256_pem(), "ES256"),
        (&rcgen::KeyPair::generate().unwrap().serialize_pem(), "ES256"),
    ];
    for (pem, algorithm) in cases {
        let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(key.algorithm().name(), algorithm);
        let keys = VerifyingKeys::from_pem([pem.as_bytes()]).unwrap();
        assert!(keys.has(key.key_id()));
        assert_eq!(key.key_id().len(), 43);
        let signature = key.sign(b"message");
        let candidate = keys.candidates(key.algorithm(), "").next().unwrap();
        assert!(candidate.verify_sig(b"message", &signature).is_ok());
        assert!(candidate.verify_sig(b"massage", &signature).is_err());
    }
}

#[test]
fn both_forms_of_one_key_have_one_id() {
    let pkcs8 = SigningKey::from_pem(testkit::RSA_PKCS8.as_bytes()).unwrap();
    let pkcs1 = SigningKey::from_pem(testkit::RSA_PKCS1.as_bytes()).unwrap();
    assert_eq!(pkcs8.key_id(), pkcs1.key_id());
    assert_eq!(pkcs8.key_id(), testkit::RSA_KEY_ID);
    let public = VerifyingKeys::from_pem([testkit::RSA_PUBLIC.as_bytes()]).unwrap();
    assert!(public.has(pkcs8.key_id()));
}

#[test]
fn several_files_and_the_signing_key_come_together() {
    let own = SigningKey::from_pem(testkit::EC_SEC1.as_bytes()).unwrap();
    let two = format!("{}{}", testkit::RSA_PUBLIC, testkit::EC_P384);
    let keys = VerifyingKeys::from_pem([two.as_bytes(), testkit::RSA_PKCS8.as_bytes()]).unwrap();
    assert_eq!(keys.len(), 2);
    let keys = keys
        .with_signing_key(&own)
        .unwrap()
        .with_signing_key(&own)
        .unwrap();
    assert_eq!(keys.len(), 3);
    assert!(keys.has(own.key_id()));
}

#[test]
fn what_is_no_good_key_is_refused() {
    let two = format!("{}{}", testkit::EC_P384, testkit::EC_SEC1);
    let cases: [(&str, KeyError); 6] = [
        ("", KeyError::NoKey),
        ("hello", KeyError::NoKey),
        (testkit::RSA_PUBLIC, KeyError::NoKey),
        (testkit::RSA_1024, KeyError::Unsupported),
        (testkit::ED25519, KeyError::Unsupported),
        (&two, KeyError::Several),
    ];
    for (pem, expected) in cases {
        assert_eq!(
            SigningKey::from_pem(pem.as_bytes()).err(),
            Some(expected),
            "{pem}"
        );
    }
    assert_eq!(
        VerifyingKeys::from_pem([testkit::RSA_1024.as_bytes()]).err(),
        Some(KeyError::Unsupported)
    );
    let damaged = testkit::EC_SEC1.replace("-----END", "----END");
    assert!(SigningKey::from_pem(damaged.as_bytes()).is_err());
}

#[test]
fn documents_are_those_of_the_spec() {
    let rsa = testkit::RSA_PUBLIC.as_bytes();
    let keys = VerifyingKeys::from_pem([rsa, testkit::EC_SEC1.as_bytes()]).unwrap();
    let jwks = serde_json::Value::Object(keys.jwks());
    let first = &jwks["keys"][0];
    assert_eq!(first["use"], "sig");
    assert_eq!(first["kty"], "RSA");
    assert_eq!(first["alg"], "RS256");
    assert_eq!(first["e"], "AQAB");
    assert_eq!(first["kid"], testkit::RSA_KEY_ID);
    let modulus = BASE64_URL_SAFE_NO_PAD
        .decode(first["n"].as_str().unwrap())
        .unwrap();
    assert_eq!(modulus.len(), 256);
    let second = &jwks["keys"][1];
    assert_eq!((&second["kty"], &second["crv"]), (&"EC".into(), &"P-256".into()));
    let document = openid_configuration("https://me.example", "https://me.example/openid/v1/jwks", &keys);
    assert_eq!(
        document["id_token_signing_alg_values_supported"].to_string(),
        r#"["ES256","RS256"]"#
    );
    assert_eq!(document["issuer"], "https://me.example");
}

#[test]
fn debug_says_nothing_of_a_key() {
    let key = SigningKey::from_pem(testkit::EC_SEC1.as_bytes()).unwrap();
    let text = format!("{key:?}");
    assert!(
        text.starts_with("SigningKey { algorithm: Es256, key_id:"),
        "{text}"
    );
    assert!(text.len() < 120, "{text}");
}
