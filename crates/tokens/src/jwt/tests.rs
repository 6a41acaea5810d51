use aws_lc_rs::hmac;

use super::*;
use crate::testkit::{self, Random, pair};

fn encode(text: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

fn claims() -> Map {
    Map::from_iter([
        ("iss".to_owned(), Value::from("me")),
        ("n".to_owned(), Value::from(1)),
    ])
}

/// A token with a header of one's own, signed by `key` over whatever it is.
fn with_header(key: &SigningKey, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims));
    format!("{signed}.{}", encode(key.sign(signed.as_bytes())))
}

fn accepted(token: &str, keys: &VerifyingKeys) -> bool {
    parse(token).is_ok_and(|token| token.verify(keys).is_ok())
}

#[test]
fn what_is_signed_verifies_with_its_key_alone() {
    let pems = [
        testkit::RSA_PKCS8,
        testkit::EC_SEC1,
        testkit::EC_P384,
        testkit::EC_P521,
    ];
    for pem in pems {
        let (key, keys) = pair(pem);
        let token = sign(&key, &claims());
        assert_eq!(parse(&token).unwrap().verify(&keys), Ok(claims()));
        assert_eq!(
            parse(&token).unwrap().verify(&VerifyingKeys::default()),
            Err(TokenError::NoKeys)
        );
        for other in pems.into_iter().filter(|other| *other != pem) {
            let (_, others) = pair(other);
            assert_eq!(parse(&token).unwrap().verify(&others), Err(TokenError::Signature));
            let all = VerifyingKeys::from_pem([other.as_bytes(), pem.as_bytes()]).unwrap();
            assert!(accepted(&token, &all));
        }
    }
}

#[test]
fn a_wrong_or_missing_key_id_does_not_keep_other_keys_from_being_tried() {
    let (key, keys) = pair(testkit::EC_SEC1);
    for header in [
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"ES256","kid":"x","typ":"JWT","jwk":{},"jku":"https://e"}"#,
    ] {
        assert!(accepted(&with_header(&key, header, "{}"), &keys), "{header}");
    }
}

#[test]
fn headers_that_are_not_accepted() {
    let (key, keys) = pair(testkit::EC_SEC1);
    let headers = [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"ES384"}"#,
        r#"{"alg":"es256"}"#,
        r#"{"alg":["ES256"]}"#,
        r#"{"alg":null}"#,
        r#"{}"#,
        r#"[]"#,
        r#""ES256""#,
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"ES256","crit":["exp"]}"#,
        r#"{"alg":"ES256","crit":[]}"#,
        r#"{"alg":"ES256","b64":false}"#,
        r#"{"alg":"ES256","kid":1}"#,
        r#"{"alg":"ES256""#,
        "",
        "\u{feff}{\"alg\":\"ES256\"}",
    ];
    for header in headers {
        assert!(!accepted(&with_header(&key, header, "{}"), &keys), "{header}");
    }
    assert!(!accepted(
        &format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode("{}")),
        &keys
    ));
    let long = format!(r#"{{"alg":"ES256","x":"{}"}}"#, "a".repeat(MAX_HEADER_BYTES));
    assert!(!accepted(&with_header(&key, &long, "{}"), &keys));
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let (_, keys) = pair(testkit::RSA_PKCS8);
    for algorithm in ["HS256", "HS384", "HS512", "RS256"] {
        for secret in [testkit::RSA_PUBLIC, testkit::RSA_PUBLIC.trim_end()] {
            let header = format!(r#"{{"alg":"{algorithm}","kid":"{}"}}"#, testkit::RSA_KEY_ID);
            let signed = format!("{}.{}", encode(header), encode("{}"));
            let tag = hmac::sign(
                &hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
                signed.as_bytes(),
            );
            assert!(!accepted(&format!("{signed}.{}", encode(tag)), &keys));
        }
    }
}

#[test]
fn claims_that_are_not_accepted() {
    let (key, keys) = pair(testkit::EC_SEC1);
    let deep = format!("{}{}", r#"{"a":"#.repeat(40), "}".repeat(40));
    for claims in [
        "",
        "null",
        "[]",
        r#"{"a":1,"a":1}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        "{}{}",
        "{\"a\":\"\x01\"}",
        &deep,
    ] {
        assert!(
            !accepted(&with_header(&key, r#"{"alg":"ES256"}"#, claims), &keys),
            "{claims}"
        );
    }
    let signed = format!("{}.{}", encode(r#"{"alg":"ES256"}"#), encode(b"{\"a\":\"\xff\"}"));
    assert!(!accepted(
        &format!("{signed}.{}", encode(key.sign(signed.as_bytes()))),
        &keys
    ));
}

#[test]
fn shapes_that_are_not_accepted() {
    let (key, keys) = pair(testkit::EC_SEC1);
    let token = sign(&key, &claims());
    for length in 0..token.len() {
        assert!(!accepted(&token[..length], &keys), "{length}");
    }
    let dots = ".".repeat(60_000);
    let padded = format!("{token}=");
    let doubled = format!("{token}.{token}");
    let long = format!("{token}{}", "A".repeat(MAX_TOKEN_BYTES));
    let spaced = format!(" {token}");
    let standard = token.replace('_', "/").replace('-', "+");
    for shape in [
        "", ".", "..", "...", &dots, &padded, &doubled, &long, &spaced, "é.é.é", "a.b.c",
    ] {
        assert!(!accepted(shape, &keys));
        assert!(unproven_issuer(shape).is_none() || shape == padded || shape == spaced);
    }
    assert!(standard == token || !accepted(&standard, &keys));
}

#[test]
fn no_single_bit_may_change() {
    for pem in [testkit::EC_SEC1, testkit::RSA_PKCS8] {
        let (key, keys) = pair(pem);
        let token = sign(&key, &claims());
        for position in 0..token.len() {
            for bit in 0..8 {
                let mut bytes = token.clone().into_bytes();
                bytes[position] ^= 1 << bit;
                if let Ok(changed) = String::from_utf8(bytes) {
                    assert!(!accepted(&changed, &keys), "byte {position}, bit {bit}");
                }
            }
        }
    }
}

#[test]
fn twenty_thousand_damaged_tokens_are_all_refused() {
    let (key, keys) = pair(testkit::EC_SEC1);
    let token = sign(&key, &claims());
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n{}\"";
    let mut random = Random(0x5eed);
    for _ in 0..20_000 {
        let mut bytes = token.clone().into_bytes();
        for _ in 0..=random.below(4) {
            let position = random.below(bytes.len());
            let byte = alphabet[random.below(alphabet.len())];
            match random.below(5) {
                0 => drop(bytes.remove(position)),
                1 => bytes.insert(position, byte),
                2 => bytes.truncate(position.max(8)),
                3 => bytes.rotate_left(position),
                _ => bytes[position] = byte,
            }
        }
        let damaged = String::from_utf8(bytes).unwrap();
        assert!(damaged == token || !accepted(&damaged, &keys), "{damaged}");
    }
}

#[test]
fn neither_errors_nor_debug_show_a_token() {
    let (key, keys) = pair(testkit::EC_SEC1);
    let token = with_header(
        &key,
        r#"{"alg":"ES256","kid":"canary-kid"}"#,
        r#"{"iss":"canary-iss"}"#,
    );
    assert_eq!(format!("{:?}", parse(&token).unwrap()), "Unverified { .. }");
    let forged = token.replace("ey", "ez");
    let error = parse(&forged).map(|token| token.verify(&keys)).unwrap_err();
    assert!(!error.to_string().contains("canary") && !format!("{error:?}").contains("canary"));
}
