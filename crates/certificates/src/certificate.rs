//! Questions about certificates that a signer has issued.

use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

const LABEL: &str = "CERTIFICATE";

/// Why something is no certificate with its chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A PEM block of another type.
    #[error("only CERTIFICATE PEM blocks are allowed, found \"{0}\"")]
    OtherBlock(String),
    /// A PEM block that is damaged, or has headers.
    #[error("no PEM block headers are permitted")]
    MalformedBlock,
    /// A PEM block holds no certificate.
    #[error("x509: malformed certificate")]
    Malformed,
    /// There is nothing.
    #[error("must contain at least one CERTIFICATE PEM block")]
    Nothing,
}

/// Whether PEM text is one certificate or several, and nothing else.
///
/// # Errors
/// When it is not.
pub fn check_certificates(pem: &[u8]) -> Result<(), CertificateError> {
    let mut is_empty = true;
    for block in Pem::iter_from_buffer(pem) {
        let block = block.map_err(|_| CertificateError::MalformedBlock)?;
        if block.label != LABEL {
            return Err(CertificateError::OtherBlock(block.label));
        }
        let mut rest = block.contents.as_slice();
        loop {
            rest = X509Certificate::from_der(rest)
                .map_err(|_| CertificateError::Malformed)?
                .0;
            if rest.is_empty() {
                break;
            }
        }
        is_empty = false;
    }
    if is_empty {
        return Err(CertificateError::Nothing);
    }
    Ok(())
}

/// The end of the first certificate's validity in seconds since 1970; `None` if there is no certificate.
pub fn end_of_validity(pem: &[u8]) -> Option<i64> {
    let block = Pem::iter_from_buffer(pem).next()?.ok()?;
    let (_, certificate) = X509Certificate::from_der(&block.contents).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_and_what_is_none() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let good = params.self_signed(&key).unwrap().pem();
        let secret = key.serialize_pem();
        let headed = good.replacen("-----\n", "-----\nProc-Type: 4\n\n", 1);
        let cases = [
            (good.clone(), Ok(())),
            (format!("{good}{good}"), Ok(())),
            (
                format!("{good}{secret}"),
                Err(CertificateError::OtherBlock("PRIVATE KEY".to_owned())),
            ),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
                Err(CertificateError::Malformed),
            ),
            (headed, Err(CertificateError::MalformedBlock)),
            ("nothing".to_owned(), Err(CertificateError::Nothing)),
        ];
        for (pem, expect) in cases {
            assert_eq!(check_certificates(pem.as_bytes()), expect, "{pem}");
        }
        assert_eq!(end_of_validity(good.as_bytes()), Some(1_893_456_000));
        assert_eq!(end_of_validity(b"nothing"), None);
    }
}
