use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls_pki_types::pem::{PemObject, SectionKind};
use zeroize::Zeroizing;

use super::KeyError;
use super::public::PublicKey;
use super::verifying::VerifyingKey;
use crate::jwt::Algorithm;

/// The private key that signs service-account tokens. Its memory is aws-lc's, which wipes it.
pub struct SigningKey {
    algorithm: Algorithm,
    key_id: String,
    public: PublicKey,
    pair: Pair,
}

enum Pair {
    Rsa(rsa::KeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads the one private key in a PEM text: PKCS#8, SEC1 (`EC PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`). Other
    /// sections (`EC PARAMETERS`, public keys, certificates) are passed over.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn from_pem(pem: &[u8]) -> Result<SigningKey, KeyError> {
        let mut found = None;
        for (kind, der) in sections(pem)? {
            if is_private(kind) && found.replace(SigningKey::from_der(kind, &der)?).is_some() {
                return Err(KeyError::Several);
            }
        }
        found.ok_or(KeyError::NoKey)
    }

    /// A new P-256 key as PKCS#8 PEM, for a file that only its owner may read.
    ///
    /// # Panics
    /// When aws-lc cannot generate a key, which leaves nothing to go on with.
    pub fn generate_ec_p256_pem() -> Zeroizing<String> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .expect("a P-256 key can be generated");
        let body = Zeroizing::new(BASE64_STANDARD.encode(document.as_ref()));
        let mut pem = Zeroizing::new(String::with_capacity(body.len() + 96));
        pem.push_str("-----BEGIN PRIVATE KEY-----\n");
        for start in (0..body.len()).step_by(64) {
            pem.push_str(&body[start..body.len().min(start + 64)]);
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        pem
    }

    /// RS256, ES256, ES384 or ES512, by the kind of key.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `kid`: the unpadded base64url SHA-256 of the public key's `SubjectPublicKeyInfo`.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("an RSA key that was read signs");
                signature
            }
            Pair::Ecdsa(pair) => {
                let signature = pair
                    .sign(&random, message)
                    .expect("an EC key that was read signs");
                signature.as_ref().to_vec()
            }
        }
    }

    pub(crate) fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        VerifyingKey::of_service_accounts(&self.public)
    }

    fn from_der(kind: SectionKind, der: &[u8]) -> Result<SigningKey, KeyError> {
        let pair = match kind {
            SectionKind::RsaPrivateKey => rsa::KeyPair::from_der(der).ok().map(Pair::Rsa),
            SectionKind::EcPrivateKey => ecdsa(der),
            _ => rsa::KeyPair::from_pkcs8(der)
                .ok()
                .map(Pair::Rsa)
                .or_else(|| ecdsa(der)),
        };
        let pair = pair.ok_or(KeyError::Unsupported)?;
        let public: PublicKeyX509Der<'_> = match &pair {
            Pair::Rsa(pair) => pair.public_key().as_der(),
            Pair::Ecdsa(pair) => pair.public_key().as_der(),
        }
        .map_err(|_| KeyError::Unsupported)?;
        let public = PublicKey::from_spki(public.as_ref())?;
        Ok(SigningKey {
            algorithm: public.service_account_algorithm(),
            key_id: public.key_id(),
            public,
            pair,
        })
    }
}

fn ecdsa(der: &[u8]) -> Option<Pair> {
    let curves = [
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &ECDSA_P384_SHA384_FIXED_SIGNING,
        &ECDSA_P521_SHA512_FIXED_SIGNING,
    ];
    let read = |curve| EcdsaKeyPair::from_private_key_der(curve, der).ok();
    curves.into_iter().find_map(read).map(Pair::Ecdsa)
}

pub(super) fn is_private(kind: SectionKind) -> bool {
    matches!(
        kind,
        SectionKind::PrivateKey | SectionKind::EcPrivateKey | SectionKind::RsaPrivateKey
    )
}

/// Every section of a PEM text that rustls knows; the others are left out.
pub(super) fn sections(pem: &[u8]) -> Result<Vec<(SectionKind, Zeroizing<Vec<u8>>)>, KeyError> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(pem)
        .map(|section| {
            let (kind, der) = section.map_err(|_| KeyError::Pem)?;
            Ok((kind, Zeroizing::new(der)))
        })
        .collect()
}

/// The public half of a private key section.
pub(super) fn public_half(kind: SectionKind, der: &[u8]) -> Result<PublicKey, KeyError> {
    SigningKey::from_der(kind, der).map(|key| key.public)
}
