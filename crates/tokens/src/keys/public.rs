use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use strongroom_objects::{Map, Value};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as X509PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::KeyError;
use crate::jwt::Algorithm;

/// 2048 bits.
pub(crate) const MIN_RSA_BYTES: usize = 256;

/// A public key of a kind that is accepted, still as bytes.
pub(super) struct PublicKey {
    /// DER of the whole `SubjectPublicKeyInfo`.
    spki: Vec<u8>,
    numbers: Numbers,
}

enum Numbers {
    /// Big-endian without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// `x ‖ y`, each half as long as the curve's field.
    Ec { curve: Curve, coordinates: Vec<u8> },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(crate) const ALL: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

    /// The `crv` of a JWK.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Curve::P256 => "P-256",
            Curve::P384 => "P-384",
            Curve::P521 => "P-521",
        }
    }

    /// Bytes of one coordinate.
    pub(crate) fn field_bytes(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    /// The one algorithm keys of this curve sign with.
    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Curve::P256 => Algorithm::Es256,
            Curve::P384 => Algorithm::Es384,
            Curve::P521 => Algorithm::Es512,
        }
    }
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo`.
    pub(super) fn from_spki(spki: &[u8]) -> Result<PublicKey, KeyError> {
        let (rest, info) = SubjectPublicKeyInfo::from_der(spki).map_err(|_| KeyError::Unsupported)?;
        if !rest.is_empty() {
            return Err(KeyError::Unsupported);
        }
        let numbers = match info.parsed().map_err(|_| KeyError::Unsupported)? {
            X509PublicKey::RSA(key) => Numbers::Rsa {
                modulus: trimmed(key.modulus),
                exponent: trimmed(key.exponent),
            },
            X509PublicKey::EC(point) => {
                let coordinates = point.data().strip_prefix(&[4]).ok_or(KeyError::Unsupported)?;
                let curve = Curve::ALL
                    .into_iter()
                    .find(|curve| curve.field_bytes() * 2 == coordinates.len())
                    .ok_or(KeyError::Unsupported)?;
                Numbers::Ec {
                    curve,
                    coordinates: coordinates.to_vec(),
                }
            }
            _ => return Err(KeyError::Unsupported),
        };
        match &numbers {
            Numbers::Rsa { modulus, .. } if modulus.len() < MIN_RSA_BYTES => Err(KeyError::Unsupported),
            _ => Ok(PublicKey {
                spki: spki.to_vec(),
                numbers,
            }),
        }
    }

    pub(super) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// `kid` of auth.md §3.1.
    pub(super) fn key_id(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &self.spki))
    }

    /// What service-account tokens are signed with by a key of this kind.
    pub(super) fn service_account_algorithm(&self) -> Algorithm {
        match &self.numbers {
            Numbers::Rsa { .. } => Algorithm::Rs256,
            Numbers::Ec { curve, .. } => curve.algorithm(),
        }
    }

    /// The JWK of auth.md §3.5.
    pub(super) fn jwk(&self) -> Map {
        let mut jwk = Map::new();
        let mut put = |name: &str, text: &str| jwk.insert(name.to_owned(), Value::from(text));
        put("use", "sig");
        let base64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        match &self.numbers {
            Numbers::Rsa { modulus, exponent } => {
                put("kty", "RSA");
                put("kid", &self.key_id());
                put("alg", self.service_account_algorithm().name());
                put("n", &base64(modulus));
                put("e", &base64(exponent));
            }
            Numbers::Ec { curve, coordinates } => {
                let (x, y) = coordinates.split_at(curve.field_bytes());
                put("kty", "EC");
                put("kid", &self.key_id());
                put("crv", curve.name());
                put("alg", self.service_account_algorithm().name());
                put("x", &base64(x));
                put("y", &base64(y));
            }
        }
        jwk
    }
}

fn trimmed(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number[zeros..].to_vec()
}
