//! Compact JSON Web Signatures (RFC 7515 §3.1), as strictly as tokens of a server need it: one signature, an
//! asymmetric algorithm, nothing in the header that could choose the key.

mod algorithm;
#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use strongroom_objects::{Map, Value};

pub use algorithm::Algorithm;

use crate::keys::{SigningKey, VerifyingKeys};
use crate::{TokenError, claims};

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 64 << 10;

/// Longest header that is looked at, in base64 characters.
const MAX_HEADER_BYTES: usize = 8 << 10;

/// A token that was taken apart. Nothing in it is proven until [`Unverified::verify`].
pub struct Unverified<'a> {
    algorithm: Algorithm,
    key_id: String,
    signed: &'a str,
    signature: Vec<u8>,
    claims: Map,
}

/// Says nothing about the token.
impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").finish_non_exhaustive()
    }
}

/// Whether `token` has the outer form of a compact JWS: three parts. Whatever else is wrong with one is an error.
pub fn looks_like(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// The `iss` claim, unproven, of what looks like a JWT; to find out whose authenticator is to judge it. Everything else
/// about the token may be wrong.
pub fn unproven_issuer(token: &str) -> Option<String> {
    let (_, claims, _) = parts(token).ok()?;
    match claims::object(&decode(claims).ok()?).ok()?.remove("iss")? {
        Value::String(issuer) => Some(issuer),
        _ => None,
    }
}

/// Takes a token apart.
///
/// # Errors
/// [`TokenError::Malformed`]: too long, not three parts of unpadded base64url, header or claims no JSON object or with
/// repeated keys, an algorithm that is not accepted (`none`, `HS256`, …) or a `crit` header. Headers that carry or name
/// a key (`jwk`, `jku`, `x5c`, `x5u`) are ignored: keys come from configuration only.
pub fn parse(token: &str) -> Result<Unverified<'_>, TokenError> {
    let (header, claims, signature) = parts(token)?;
    if header.len() > MAX_HEADER_BYTES {
        return Err(TokenError::Malformed("its header is too long"));
    }
    let signed = &token[..header.len() + 1 + claims.len()];
    let header = claims::object(&decode(header)?)?;
    if header.contains_key("crit") {
        return Err(TokenError::Malformed("it demands extensions (crit)"));
    }
    if header.get("b64").is_some() {
        return Err(TokenError::Malformed("it demands another encoding (b64)"));
    }
    let algorithm = match header.get("alg") {
        Some(Value::String(name)) => Algorithm::from_name(name),
        _ => None,
    };
    Ok(Unverified {
        algorithm: algorithm.ok_or(TokenError::Malformed("its algorithm is not accepted"))?,
        key_id: claims::text(&header, "kid")?,
        signed,
        signature: decode(signature)?,
        claims: claims::object(&decode(claims)?)?,
    })
}

impl Unverified<'_> {
    /// The algorithm its header states.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `kid` its header states; empty when it states none.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The claims, once one of `keys` verifies the signature: the one with the stated `kid` first, then every other
    /// one of the stated algorithm. A key is used only with the algorithms that belong to it.
    ///
    /// # Errors
    /// [`TokenError::NoKeys`] or [`TokenError::Signature`].
    pub fn verify(self, keys: &VerifyingKeys) -> Result<Map, TokenError> {
        if keys.is_empty() {
            return Err(TokenError::NoKeys);
        }
        let proven = keys
            .candidates(self.algorithm, &self.key_id)
            .any(|key| key.verify_sig(self.signed.as_bytes(), &self.signature).is_ok());
        if proven {
            Ok(self.claims)
        } else {
            Err(TokenError::Signature)
        }
    }
}

/// A compact JWS over `claims`, with `alg` and `kid` of `key` as its header.
pub fn sign(key: &SigningKey, claims: &Map) -> String {
    let header = format!(
        r#"{{"alg":"{}","kid":"{}"}}"#,
        key.algorithm().name(),
        key.key_id()
    );
    let claims = Value::Object(claims.clone()).to_string();
    let mut token = BASE64_URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = key.sign(token.as_bytes());
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}

fn parts(token: &str) -> Result<(&str, &str, &str), TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Malformed("it is too long"));
    }
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(claims), Some(signature), None) => Ok((header, claims, signature)),
        _ => Err(TokenError::Malformed("it does not have three parts")),
    }
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Malformed("a part of it is not base64url"))
}
