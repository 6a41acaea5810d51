//! Does a certificate fit a private key? Asked for `kubernetes.io/tls` Secrets, whose answer is a warning, with
//! the texts of Go's `tls.X509KeyPair` that kubectl users know (secrets §3.3).

use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use thiserror::Error;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a pair does not load. Never contains any of the input but PEM block types.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TlsPairError {
    /// The certificate holds no PEM block.
    #[error("tls: failed to find any PEM data in certificate input")]
    NoCertificatePem,
    /// The certificate input holds a key.
    #[error(
        "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched"
    )]
    Switched,
    /// The certificate input holds other blocks only.
    #[error(
        "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [{0}]"
    )]
    NoCertificateBlock(String),
    /// The key holds no PEM block.
    #[error("tls: failed to find any PEM data in key input")]
    NoKeyPem,
    /// The key input holds a certificate.
    #[error("tls: found a certificate rather than a key in the PEM for the private key")]
    CertificateForKey,
    /// The key input holds other blocks only.
    #[error(
        "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: [{0}]"
    )]
    NoKeyBlock(String),
    /// The certificate's DER is broken.
    #[error("x509: malformed certificate")]
    MalformedCertificate,
    /// The key's DER is broken or of an unknown kind.
    #[error("tls: failed to parse private key")]
    MalformedKey,
    /// Both parse; they are not a pair.
    #[error("tls: private key does not match public key")]
    Mismatch,
}

/// Checks that `certificate` and `key`, both PEM, are a pair.
pub fn check(certificate: &[u8], key: &[u8]) -> Result<(), TlsPairError> {
    let certificate = certificate_block(&blocks(certificate))?;
    let key = key_block(&blocks(key))?;
    let (_, parsed) =
        X509Certificate::from_der(&certificate).map_err(|_| TlsPairError::MalformedCertificate)?;
    let public = &parsed.tbs_certificate.subject_pki.subject_public_key.data;
    let candidates = public_keys(&key);
    if candidates.is_empty() {
        return Err(TlsPairError::MalformedKey);
    }
    if candidates
        .iter()
        .any(|candidate| candidate.as_slice() == &public[..])
    {
        Ok(())
    } else {
        Err(TlsPairError::Mismatch)
    }
}

fn blocks(input: &[u8]) -> Vec<Pem> {
    Pem::iter_from_buffer(input).map_while(Result::ok).collect()
}

fn labels(blocks: &[Pem]) -> String {
    blocks
        .iter()
        .map(|block| block.label.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

fn certificate_block(blocks: &[Pem]) -> Result<Vec<u8>, TlsPairError> {
    if let Some(found) = blocks.iter().find(|block| block.label == "CERTIFICATE") {
        return Ok(found.contents.clone());
    }
    Err(match blocks {
        [] => TlsPairError::NoCertificatePem,
        [only] if only.label.ends_with("PRIVATE KEY") => TlsPairError::Switched,
        _ => TlsPairError::NoCertificateBlock(labels(blocks)),
    })
}

fn key_block(blocks: &[Pem]) -> Result<Vec<u8>, TlsPairError> {
    let is_key = |label: &str| label == "PRIVATE KEY" || label.ends_with(" PRIVATE KEY");
    if let Some(found) = blocks.iter().find(|block| is_key(&block.label)) {
        return Ok(found.contents.clone());
    }
    Err(match blocks {
        [] => TlsPairError::NoKeyPem,
        [only] if only.label == "CERTIFICATE" => TlsPairError::CertificateForKey,
        _ => TlsPairError::NoKeyBlock(labels(blocks)),
    })
}

/// The public keys, as they stand in a certificate, of every reading of `der` that succeeds.
fn public_keys(der: &[u8]) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    for algorithm in [
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &ECDSA_P384_SHA384_ASN1_SIGNING,
        &ECDSA_P521_SHA512_ASN1_SIGNING,
    ] {
        let pair = EcdsaKeyPair::from_private_key_der(algorithm, der);
        keys.extend(pair.map(|pair| pair.public_key().as_ref().to_vec()));
    }
    let rsa = rsa::KeyPair::from_pkcs8(der).or_else(|_| rsa::KeyPair::from_der(der));
    keys.extend(rsa.map(|pair| pair.public_key().as_ref().to_vec()));
    let ed25519 = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der);
    keys.extend(ed25519.map(|pair| pair.public_key().as_ref().to_vec()));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_without_a_pair_are_told_apart() {
        let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        let (certificate, key, other) = (block("CERTIFICATE"), block("PRIVATE KEY"), block("X509 CRL"));
        let cases = [
            ("", key.as_str(), TlsPairError::NoCertificatePem),
            (&key, &key, TlsPairError::Switched),
            (
                &other,
                &key,
                TlsPairError::NoCertificateBlock("X509 CRL".to_owned()),
            ),
            (&certificate, "garbage", TlsPairError::NoKeyPem),
            (&certificate, &certificate, TlsPairError::CertificateForKey),
            (
                &certificate,
                &other,
                TlsPairError::NoKeyBlock("X509 CRL".to_owned()),
            ),
            (&certificate, &key, TlsPairError::MalformedCertificate),
        ];
        for (certificate, key, expect) in cases {
            assert_eq!(check(certificate.as_bytes(), key.as_bytes()), Err(expect));
        }
    }
}
