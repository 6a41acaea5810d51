//! JWK Sets (RFC 7517) of outside issuers.

#[cfg(test)]
mod tests;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use strongroom_objects::{Map, Value};

use crate::claims;
use crate::jwt::Algorithm;
use crate::keys::{Curve, MIN_RSA_BYTES, VerifyingKey, VerifyingKeys};

/// Largest document that is looked at, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Most keys a document may hold.
pub const MAX_KEYS: usize = 256;
const MAX_RSA_BYTES: usize = 8192 / 8;

/// Why a document is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// Too many bytes or keys.
    #[error("the JWK set is too large")]
    TooLarge,
    /// Not a JSON object with a list `keys`.
    #[error("the document is not a JWK set")]
    Malformed,
    /// No key in it can verify tokens.
    #[error("no key in the JWK set can be used")]
    NoKey,
}

/// Reads a JWK set. Keys that are for something else (`use` not `sig`, `key_ops` without `verify`), of other kinds, or
/// too short are passed over: an issuer may publish keys this server knows nothing of.
///
/// # Errors
/// See [`JwksError`].
pub fn parse(document: &[u8]) -> Result<VerifyingKeys, JwksError> {
    if document.len() > MAX_BYTES {
        return Err(JwksError::TooLarge);
    }
    let set = claims::object(document).map_err(|_| JwksError::Malformed)?;
    let keys = set
        .get("keys")
        .and_then(Value::as_array)
        .ok_or(JwksError::Malformed)?;
    if keys.len() > MAX_KEYS {
        return Err(JwksError::TooLarge);
    }
    let keys: Vec<_> = keys.iter().filter_map(|key| read(key.as_object()?)).collect();
    if keys.is_empty() {
        return Err(JwksError::NoKey);
    }
    Ok(VerifyingKeys::of_issuer(keys))
}

fn read(jwk: &Map) -> Option<VerifyingKey> {
    if !is_for_verifying(jwk) {
        return None;
    }
    let (spki, possible) = match text(jwk, "kty")? {
        "RSA" => (rsa(jwk)?, rsa_algorithms()),
        "EC" => ec(jwk)?,
        _ => return None,
    };
    let stated = match jwk.get("alg") {
        None => None,
        Some(Value::String(name)) => Some(Algorithm::from_name(name)?),
        Some(_) => return None,
    };
    let wanted = possible
        .into_iter()
        .filter(|algorithm| stated.is_none_or(|stated| stated == *algorithm));
    let ready = |algorithm: Algorithm| {
        let key = ParsedPublicKey::new(algorithm.verification(), &spki).ok()?;
        Some((algorithm, key))
    };
    let algorithms: Vec<_> = wanted.map(ready).collect::<Option<_>>()?;
    (!algorithms.is_empty()).then(|| VerifyingKey {
        key_id: text(jwk, "kid").unwrap_or_default().to_owned(),
        algorithms,
        jwk: Map::new(),
    })
}

fn is_for_verifying(jwk: &Map) -> bool {
    let operations = match jwk.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
        Some(_) => false,
    };
    let signature = jwk.get("use").is_none_or(|usage| usage == "sig");
    operations && signature
}

fn rsa_algorithms() -> Vec<Algorithm> {
    Algorithm::ALL
        .into_iter()
        .filter(|algorithm| algorithm.is_rsa())
        .collect()
}

/// DER of an RSA key.
fn rsa(jwk: &Map) -> Option<Vec<u8>> {
    let (modulus, exponent) = (number(jwk, "n")?, number(jwk, "e")?);
    let sound = (MIN_RSA_BYTES..=MAX_RSA_BYTES).contains(&modulus.len()) && (1..=8).contains(&exponent.len());
    let components = RsaPublicKeyComponents {
        n: modulus,
        e: exponent,
    };
    let usable = sound
        && components
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .is_ok();
    let der: PublicKeyX509Der<'_> = usable.then(|| components.as_der().ok()).flatten()?;
    Some(der.as_ref().to_vec())
}

/// The uncompressed point of an EC key, and the one algorithm of its curve.
fn ec(jwk: &Map) -> Option<(Vec<u8>, Vec<Algorithm>)> {
    let name = text(jwk, "crv")?;
    let curve = Curve::ALL.into_iter().find(|curve| curve.name() == name)?;
    let mut point = vec![4];
    for coordinate in ["x", "y"] {
        let coordinate = BASE64_URL_SAFE_NO_PAD.decode(text(jwk, coordinate)?).ok()?;
        if coordinate.len() != curve.field_bytes() {
            return None;
        }
        point.extend(coordinate);
    }
    Some((point, vec![curve.algorithm()]))
}

/// A big-endian number without leading zeros.
fn number(jwk: &Map, name: &str) -> Option<Vec<u8>> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes[zeros..].to_vec())
}

fn text<'a>(jwk: &'a Map, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Value::as_str)
}
