//! Signing and checking tokens by hand.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use strongroom_e2e::Server;

/// The bytes in a PEM file.
pub fn pem(text: &str) -> Vec<u8> {
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).expect("base64")
}

/// Someone who has the server's own key and puts anything into tokens.
pub struct Forger {
    key: EcdsaKeyPair,
}

impl Forger {
    /// With the server's key.
    pub fn of(server: &Server) -> Forger {
        let text = std::fs::read_to_string(server.data().join("pki/sa.key")).expect("root may read it");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pem(&text));
        Forger {
            key: key.expect("an EC key"),
        }
    }

    /// With a key that nobody knows.
    pub fn stranger() -> Forger {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Forger {
            key: key.expect("randomness"),
        }
    }

    /// A token with exactly these two texts.
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = unsigned(header, claims);
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .expect("randomness");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token with this header and these claims.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }
}

/// The first two parts of a token.
pub fn unsigned(header: &str, claims: &str) -> String {
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    )
}

/// Whether the key set has the key of the token, and that key has signed it.
pub fn verifies(keys: &Value, token: &str) -> bool {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let kid = crate::header(token)["kid"].clone();
    let Some(key) = keys["keys"]
        .as_array()
        .and_then(|keys| keys.iter().find(|key| key["kid"] == kid))
    else {
        return false;
    };
    let number = |name: &str| {
        URL_SAFE_NO_PAD
            .decode(key[name].as_str().expect(name))
            .expect("base64url")
    };
    match key["alg"].as_str() {
        Some("ES256") => {
            let point = [&[4], number("x").as_slice(), &number("y")].concat();
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            key.verify(signed.as_bytes(), &signature).is_ok()
        }
        Some("RS256") => {
            let key = RsaPublicKeyComponents {
                n: number("n"),
                e: number("e"),
            };
            key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
                .is_ok()
        }
        other => panic!("no such algorithm: {other:?}"),
    }
}
