//! What does a certificate signing request ask for, and may it be had?
//!
//! [`CertificateRequest`] is a PKCS#10 request whose signature has been checked. [`Signer`] knows what each of
//! Kubernetes' own signers gives, and [`Validity`] for how long. Issuing is for whoever holds the authority's key.

mod certificate;
mod request;
mod signer;
mod validity;

pub use certificate::{CertificateError, check_certificates, end_of_validity};
pub use request::{AlternativeNames, Attribute, CertificateRequest, RequestError, Subject};
pub use signer::{Signer, Unacceptable, Usages};
pub use validity::Validity;

/// A certificate that may be issued: whose, for what, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuance {
    /// What was asked for.
    pub request: CertificateRequest,
    /// What the certificate may be used for.
    pub usages: Usages,
    /// From when to when it holds.
    pub validity: Validity,
}
