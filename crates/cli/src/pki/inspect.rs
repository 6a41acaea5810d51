//! Questions about a certificate that is already there.

use rcgen::{KeyPair, PublicKeyData as _};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};

/// The end of a certificate's validity in seconds since 1970; `None` if it is no certificate.
pub(super) fn end_of_validity(certificate: &str) -> Option<i64> {
    with_certificate(certificate, |certificate| {
        Some(certificate.validity().not_after.timestamp())
    })
}

/// Whether two thirds of a certificate's lifetime are over, or it is no certificate at all.
pub(super) fn renewal_is_due(certificate: &str, now: i64) -> bool {
    let due = with_certificate(certificate, |certificate| {
        let validity = certificate.validity();
        let (start, end) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        Some(now < start || now >= start + (end - start) / 3 * 2)
    });
    due.unwrap_or(true)
}

/// Whether a private key is that of a certificate.
pub(super) fn belong_together(certificate: &str, key: &str) -> bool {
    let Ok(key) = KeyPair::from_pem(key) else {
        return false;
    };
    let key = key.subject_public_key_info();
    with_certificate(certificate, |certificate| {
        Some(certificate.public_key().raw == key)
    })
    .unwrap_or(false)
}

/// Whether a certificate says that it comes from this authority.
pub(super) fn is_issued_by(certificate: &str, authority: &str) -> bool {
    let issuer = with_certificate(certificate, |certificate| extension(certificate, issuer_key));
    let authority = with_certificate(authority, |authority| extension(authority, own_key));
    issuer.is_some() && issuer == authority
}

/// Whether nobody but itself stands behind a certificate.
pub(super) fn is_self_signed(certificate: &str) -> bool {
    with_certificate(certificate, |certificate| {
        Some(certificate.issuer() == certificate.subject())
    })
    .unwrap_or(false)
}

fn issuer_key(extension: &ParsedExtension<'_>) -> Option<Vec<u8>> {
    match extension {
        ParsedExtension::AuthorityKeyIdentifier(id) => Some(id.key_identifier.as_ref()?.0.to_vec()),
        _ => None,
    }
}

fn own_key(extension: &ParsedExtension<'_>) -> Option<Vec<u8>> {
    match extension {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    }
}

fn extension<T>(
    certificate: &X509Certificate<'_>,
    wanted: impl Fn(&ParsedExtension<'_>) -> Option<T>,
) -> Option<T> {
    certificate
        .extensions()
        .iter()
        .find_map(|extension| wanted(extension.parsed_extension()))
}

/// Looks at the first certificate in PEM text.
pub(super) fn with_certificate<T>(
    pem: &str,
    look: impl FnOnce(&X509Certificate<'_>) -> Option<T>,
) -> Option<T> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    look(&certificate)
}
