//! Reading a PKCS#10 request (RFC 2986).

use std::net::IpAddr;

use aws_lc_rs::signature::{ECDSA_P521_SHA512_ASN1, UnparsedPublicKey};
use x509_parser::certification_request::{X509CertificationRequest, X509CertificationRequestInfo};
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::error::X509Error;
use x509_parser::extensions::{GeneralName, ParsedExtension, SubjectAlternativeName};
use x509_parser::oid_registry::{
    OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P521, OID_PKCS1_RSAENCRYPTION, OID_SIG_ECDSA_WITH_SHA512,
    OID_SIG_ED25519, OID_X509_EXT_SUBJECT_ALT_NAME,
};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Name};

#[cfg(test)]
mod tests;

const LABEL: &str = "CERTIFICATE REQUEST";

/// What a request asks for. Whoever made it held the private key of `public_key`: there is no request whose
/// signature has not been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    /// Whose certificate it is to be.
    pub subject: Subject,
    /// Further names.
    pub names: AlternativeNames,
    /// The key: a SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
}

/// A subject: the attributes that Kubernetes' signers keep, in the order in which they are written. Others are
/// forgotten, so that nobody gets a certificate with an attribute that nobody has looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject(pub Vec<(Attribute, String)>);

/// A kind of attribute of a subject (X.520), in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Attribute {
    Country,
    Organization,
    OrganizationalUnit,
    Locality,
    Province,
    StreetAddress,
    PostalCode,
    CommonName,
    SerialNumber,
}

/// The subject's alternative names, each kind in the order of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct AlternativeNames {
    pub dns: Vec<String>,
    pub email: Vec<String>,
    pub ip: Vec<IpAddr>,
    pub uri: Vec<String>,
}

/// Why something is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The first PEM block is another, or there is none.
    #[error("PEM block type must be CERTIFICATE REQUEST")]
    NoRequest,
    /// The PEM block holds no PKCS#10 request.
    #[error("x509: malformed certificate request")]
    Malformed,
    /// The subject holds text in an encoding that has no unambiguous reading.
    #[error("x509: the certificate request's subject holds text that is not UTF-8")]
    SubjectText,
    /// The same extension is asked for twice.
    #[error("x509: certificate request contains duplicate requested extensions")]
    DuplicateExtensions,
    /// It is signed in a way that is not known here.
    #[error("x509: cannot verify signature: algorithm unimplemented")]
    UnknownAlgorithm,
    /// It is not signed with the key that it names.
    #[error("x509: signature verification failure")]
    Signature,
}

impl CertificateRequest {
    /// Reads the first PEM block and checks its signature.
    ///
    /// # Errors
    /// When it is no request, or not signed with its own key.
    pub fn from_pem(pem: &[u8]) -> Result<CertificateRequest, RequestError> {
        let block = Pem::iter_from_buffer(pem).next();
        let Some(Ok(block)) = block else {
            return Err(RequestError::NoRequest);
        };
        if block.label != LABEL {
            return Err(RequestError::NoRequest);
        }
        let parsed = X509CertificationRequest::from_der(&block.contents);
        let (rest, parsed) = parsed.map_err(|_| RequestError::Malformed)?;
        if !rest.is_empty() {
            return Err(RequestError::Malformed);
        }
        let information = &parsed.certification_request_info;
        let request = CertificateRequest {
            subject: Subject::read(&information.subject)?,
            names: alternative_names(information)?,
            public_key: information.subject_pki.raw.to_vec(),
        };
        check_signature(&parsed)?;
        Ok(request)
    }
}

impl Subject {
    fn read(name: &X509Name<'_>) -> Result<Subject, RequestError> {
        let mut attributes = Vec::new();
        for attribute in name.iter_attributes() {
            let oid = attribute.attr_type().as_bytes();
            let Some(kind) = Attribute::ALL.into_iter().find(|kind| kind.oid() == oid) else {
                continue;
            };
            let text = attribute.as_str().map_err(|_| RequestError::SubjectText)?;
            // Of what there can be one only, the last counts.
            if kind.is_single() {
                attributes.retain(|(known, _)| *known != kind);
            }
            attributes.push((kind, text.to_owned()));
        }
        attributes.sort_by_key(|(kind, _)| *kind);
        Ok(Subject(attributes))
    }

    /// The common name; empty without one.
    pub fn common_name(&self) -> &str {
        self.texts(Attribute::CommonName).next().unwrap_or_default()
    }

    /// The organizations: as a client certificate, the groups.
    pub fn organizations(&self) -> impl Iterator<Item = &str> {
        self.texts(Attribute::Organization)
    }

    fn texts(&self, wanted: Attribute) -> impl Iterator<Item = &str> {
        let found = self.0.iter().filter(move |(kind, _)| *kind == wanted);
        found.map(|(_, text)| text.as_str())
    }
}

impl Attribute {
    const ALL: [Attribute; 9] = [
        Attribute::Country,
        Attribute::Organization,
        Attribute::OrganizationalUnit,
        Attribute::Locality,
        Attribute::Province,
        Attribute::StreetAddress,
        Attribute::PostalCode,
        Attribute::CommonName,
        Attribute::SerialNumber,
    ];

    /// The content of the attribute's object identifier, DER: 2.5.4 and one arc.
    pub fn oid(self) -> [u8; 3] {
        let arc = match self {
            Attribute::CommonName => 3,
            Attribute::SerialNumber => 5,
            Attribute::Country => 6,
            Attribute::Locality => 7,
            Attribute::Province => 8,
            Attribute::StreetAddress => 9,
            Attribute::Organization => 10,
            Attribute::OrganizationalUnit => 11,
            Attribute::PostalCode => 17,
        };
        [0x55, 4, arc]
    }

    fn is_single(self) -> bool {
        matches!(self, Attribute::CommonName | Attribute::SerialNumber)
    }
}

fn alternative_names(
    information: &X509CertificationRequestInfo<'_>,
) -> Result<AlternativeNames, RequestError> {
    let mut names = AlternativeNames::default();
    let mut seen = Vec::new();
    for attribute in information.iter_attributes() {
        let ParsedCriAttribute::ExtensionRequest(requested) = attribute.parsed_attribute() else {
            continue;
        };
        for extension in &requested.extensions {
            if seen.contains(&extension.oid) {
                return Err(RequestError::DuplicateExtensions);
            }
            seen.push(extension.oid.clone());
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(found) => read_names(found, &mut names)?,
                _ if extension.oid == OID_X509_EXT_SUBJECT_ALT_NAME => return Err(RequestError::Malformed),
                _ => {}
            }
        }
    }
    Ok(names)
}

fn read_names(found: &SubjectAlternativeName<'_>, names: &mut AlternativeNames) -> Result<(), RequestError> {
    for name in &found.general_names {
        let text = match name {
            GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => *text,
            _ => "",
        };
        if !text.is_ascii() {
            return Err(RequestError::Malformed);
        }
        match name {
            GeneralName::DNSName(_) => names.dns.push(text.to_owned()),
            GeneralName::RFC822Name(_) => names.email.push(text.to_owned()),
            GeneralName::URI(_) => names.uri.push(text.to_owned()),
            GeneralName::IPAddress(bytes) => names.ip.push(address(bytes).ok_or(RequestError::Malformed)?),
            GeneralName::Invalid(..) => return Err(RequestError::Malformed),
            // Kinds that signers do not pass on.
            _ => {}
        }
    }
    Ok(())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

fn check_signature(request: &X509CertificationRequest<'_>) -> Result<(), RequestError> {
    let key = &request.certification_request_info.subject_pki.algorithm.algorithm;
    if ![
        OID_PKCS1_RSAENCRYPTION,
        OID_KEY_TYPE_EC_PUBLIC_KEY,
        OID_SIG_ED25519,
    ]
    .contains(key)
    {
        return Err(RequestError::UnknownAlgorithm);
    }
    match request.verify_signature() {
        Ok(()) => Ok(()),
        Err(X509Error::SignatureUnsupportedAlgorithm) => check_p521(request),
        Err(_) => Err(RequestError::Signature),
    }
}

/// The one curve that clients use and x509-parser leaves out.
fn check_p521(request: &X509CertificationRequest<'_>) -> Result<(), RequestError> {
    let information = &request.certification_request_info;
    let key = &information.subject_pki;
    let curve = key
        .algorithm
        .parameters
        .as_ref()
        .and_then(|any| any.as_oid().ok());
    let is_p521 = request.signature_algorithm.algorithm == OID_SIG_ECDSA_WITH_SHA512
        && curve.is_some_and(|curve| curve == OID_NIST_EC_P521);
    if !is_p521 {
        return Err(RequestError::UnknownAlgorithm);
    }
    UnparsedPublicKey::new(&ECDSA_P521_SHA512_ASN1, &key.subject_public_key.data)
        .verify(information.raw, &request.signature_value.data)
        .map_err(|_| RequestError::Signature)
}
