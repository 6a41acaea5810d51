//! Who a request comes from.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use x509_parser::der_parser::oid::Oid;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

/// Groups with a meaning of their own (auth.md §2).
pub mod group {
    /// May do everything, whatever the policy says.
    pub const MASTERS: &str = "system:masters";
    /// Everybody who proved who they are.
    pub const AUTHENTICATED: &str = "system:authenticated";
    /// Everybody who did not.
    pub const UNAUTHENTICATED: &str = "system:unauthenticated";
}

/// Users with a meaning of their own (auth.md §2).
pub mod user {
    /// A caller without credentials.
    pub const ANONYMOUS: &str = "system:anonymous";
    /// The API server itself, calling its own service in the same process.
    pub const API_SERVER: &str = "system:apiserver";
}

/// Key of [`Identity::extra`] that names the credential the caller proved itself with.
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// The subject attribute that carries a user's uid: 1.3.6.1.4.1.57683.2.
const UID_ATTRIBUTE: &[u64] = &[1, 3, 6, 1, 4, 1, 57683, 2];

/// The caller of a request, as Kubernetes' `UserInfo` has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user name; never empty for a caller that was authenticated.
    pub user: String,
    /// A stable id of the user; empty when the credential carries none.
    pub uid: String,
    /// Groups in the order in which the credential names them.
    pub groups: Vec<String>,
    /// Further facts about the caller, each key with its values.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// A certificate that verified, but names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The bytes are not one DER certificate.
    #[error("the client certificate cannot be read")]
    Malformed,
    /// The subject holds text in an encoding that has no unambiguous reading.
    #[error("the client certificate's subject holds text that is not UTF-8")]
    SubjectText,
    /// The subject has no common name (or an empty one), so there is no user.
    #[error("the client certificate's subject has no common name")]
    NoCommonName,
}

impl Identity {
    /// The identity in a client certificate: user = CN, groups = every O, and
    /// `system:authenticated` (auth.md §2.2).
    ///
    /// The certificate must already have been verified against the client CA for client
    /// authentication; this only reads it.
    ///
    /// # Errors
    /// When `der` cannot be read or its subject names no user; the caller is then not
    /// authenticated (401), never anonymous.
    pub fn from_client_certificate(der: &[u8]) -> Result<Identity, CertificateError> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
        if !rest.is_empty() {
            return Err(CertificateError::Malformed);
        }
        let subject = certificate.subject();
        let user = last(texts(subject.iter_common_name())?);
        if user.is_empty() {
            return Err(CertificateError::NoCommonName);
        }
        let credential = format!("X509SHA256={}", hex(&Sha256::digest(der)));
        Ok(Identity {
            user,
            uid: uid_of(subject)?,
            groups: with_authenticated(texts(subject.iter_organization())?),
            extra: BTreeMap::from([(CREDENTIAL_ID.to_owned(), vec![credential])]),
        })
    }

    /// A caller without credentials: `system:anonymous` in `system:unauthenticated`.
    pub fn anonymous() -> Identity {
        Identity {
            user: user::ANONYMOUS.to_owned(),
            groups: vec![group::UNAUTHENTICATED.to_owned()],
            ..Identity::default()
        }
    }

    /// The server calling itself in the same process (controllers, bootstrap): `system:apiserver`
    /// in `system:masters`. No credential can be presented for it over the network.
    pub fn api_server() -> Identity {
        Identity {
            user: user::API_SERVER.to_owned(),
            groups: vec![group::MASTERS.to_owned(), group::AUTHENTICATED.to_owned()],
            ..Identity::default()
        }
    }

    /// Whether the caller is in `group`.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }
}

/// Adds `system:authenticated`, unless the credential already speaks of either group.
pub(crate) fn with_authenticated(mut groups: Vec<String>) -> Vec<String> {
    let spoken_of = |own: &String| own == group::AUTHENTICATED || own == group::UNAUTHENTICATED;
    if !groups.iter().any(spoken_of) {
        groups.push(group::AUTHENTICATED.to_owned());
    }
    groups
}

fn uid_of(subject: &X509Name<'_>) -> Result<String, CertificateError> {
    let oid = Oid::from(UID_ATTRIBUTE).map_err(|_| CertificateError::Malformed)?;
    Ok(last(texts(subject.iter_by_oid(&oid))?))
}

/// Of an attribute that occurs more than once the last one counts, as in Go's `pkix.Name`.
fn last(mut values: Vec<String>) -> String {
    values.pop().unwrap_or_default()
}

fn texts<'a, 'b: 'a>(
    attributes: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'b>>,
) -> Result<Vec<String>, CertificateError> {
    attributes
        .map(|attribute| attribute.as_str().map(str::to_owned))
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::SubjectText)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn certificate(subject: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, text) in subject {
            params.distinguished_name.push(kind.clone(), *text);
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_names_its_user_and_group() {
        let uid = DnType::CustomDnType(UID_ATTRIBUTE.to_vec());
        type Expected = Result<(&'static str, &'static str, &'static [&'static str]), CertificateError>;
        let cases: &[(&[(DnType, &str)], Expected)] = &[
            (
                &[(DnType::CommonName, "alice")],
                Ok(("alice", "", &["system:authenticated"])),
            ),
            (
                &[
                    (DnType::CommonName, "root"),
                    (DnType::OrganizationName, "system:masters"),
                ],
                Ok(("root", "", &["system:masters", "system:authenticated"])),
            ),
            (
                &[
                    (DnType::CommonName, "bob"),
                    (uid, "17"),
                    (DnType::OrganizationalUnitName, "ignored"),
                ],
                Ok(("bob", "17", &["system:authenticated"])),
            ),
            (
                &[
                    (DnType::CommonName, "ghost"),
                    (DnType::OrganizationName, "system:unauthenticated"),
                ],
                Ok(("ghost", "", &["system:unauthenticated"])),
            ),
            (
                &[(DnType::CommonName, "jörg ☃")],
                Ok(("jörg ☃", "", &["system:authenticated"])),
            ),
            (&[(DnType::CommonName, "")], Err(CertificateError::NoCommonName)),
            (
                &[(DnType::OrganizationName, "system:masters")],
                Err(CertificateError::NoCommonName),
            ),
        ];
        for (subject, expected) in cases {
            let got = Identity::from_client_certificate(&certificate(subject));
            let got = got
                .as_ref()
                .map(|i| (i.user.as_str(), i.uid.as_str(), i.groups.clone()));
            let expected = expected.as_ref().map(|(user, uid, groups)| {
                (
                    *user,
                    *uid,
                    groups.iter().map(|g| (*g).to_owned()).collect::<Vec<_>>(),
                )
            });
            assert_eq!(got, expected, "{subject:?}");
        }
    }

    #[test]
    fn the_credential_is_named_by_its_digest() {
        let der = certificate(&[(DnType::CommonName, "alice")]);
        let identity = Identity::from_client_certificate(&der).unwrap();
        let expected = format!("X509SHA256={}", hex(&Sha256::digest(&der)));
        assert_eq!(identity.extra[CREDENTIAL_ID], [expected]);
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let mut longer = certificate(&[(DnType::CommonName, "alice")]);
        longer.push(0);
        for der in [&b""[..], b"\x30\x03abc", &longer] {
            let got = Identity::from_client_certificate(der);
            assert_eq!(got, Err(CertificateError::Malformed));
        }
    }
}
