//! The certificate authority: making it, and issuing with it.

mod subject;

use std::net::IpAddr;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use strongroom_certificates::{AlternativeNames, Attribute, Issuance, Subject, Usages};
use time::OffsetDateTime;

use super::names::Names;
use super::{DAY, inspect};

/// Certificates are valid from a little before they are made: clocks differ.
const BACKDATED: i64 = 5 * 60;

/// A certificate and its private key, both PEM.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

/// A certificate authority that is able to issue.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    end_of_validity: i64,
}

impl Authority {
    /// A new authority's self-signed certificate: ECDSA P-256.
    ///
    /// # Errors
    /// When no key can be made.
    pub(super) fn create(lifetime: i64, now: i64) -> anyhow::Result<Issued> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name("strongroom-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        (params.not_before, params.not_after) = (at(now - BACKDATED)?, at(now + lifetime)?);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    /// The authority with this certificate and key.
    ///
    /// # Errors
    /// When either is unreadable or they do not belong together.
    pub fn from_pem(certificate: &str, key: &str) -> anyhow::Result<Authority> {
        if !inspect::belong_together(certificate, key) {
            bail!("ca.key is not the private key of ca.crt");
        }
        let end_of_validity = inspect::end_of_validity(certificate).context("ca.crt holds no certificate")?;
        let key = KeyPair::from_pem(key).context("ca.key holds no private key")?;
        let issuer = Issuer::from_ca_cert_pem(certificate, key).context("ca.crt is no CA's certificate")?;
        Ok(Authority {
            issuer,
            end_of_validity,
        })
    }

    /// Issues a certificate for a server.
    ///
    /// # Errors
    /// When the CA has expired or no key can be made.
    pub fn issue_serving(&self, names: &Names, lifetime: i64, now: i64) -> anyhow::Result<Issued> {
        let mut params = self.params(ExtendedKeyUsagePurpose::ServerAuth, lifetime, now)?;
        params.distinguished_name = common_name("strongroom");
        for name in &names.dns {
            params
                .subject_alt_names
                .push(SanType::DnsName(name.as_str().try_into()?));
        }
        params
            .subject_alt_names
            .extend(names.ip.iter().copied().map(|ip: IpAddr| SanType::IpAddress(ip)));
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    /// Issues a certificate that makes its holder `user` in `groups`.
    ///
    /// # Errors
    /// When the name is empty, the CA has expired or no key can be made.
    pub fn issue_client(
        &self,
        user: &str,
        groups: &[String],
        lifetime: i64,
        now: i64,
    ) -> anyhow::Result<Issued> {
        if user.is_empty() {
            bail!("a user needs a name");
        }
        let params = self.params(ExtendedKeyUsagePurpose::ClientAuth, lifetime, now)?;
        let key = KeyPair::generate()?;
        let draft = params.signed_by(&key, &self.issuer)?;
        let groups = groups
            .iter()
            .map(|group| (Attribute::Organization, group.clone()));
        let subject = groups.chain([(Attribute::CommonName, user.to_owned())]);
        let certificate = subject::replaced(draft.der(), &Subject(subject.collect()), self.issuer.key())?;
        Ok(Issued {
            certificate: pem(&certificate),
            key: key.serialize_pem(),
        })
    }

    /// Issues what a signer has accepted; the certificate, PEM. It ends with the CA at the latest.
    ///
    /// # Errors
    /// When the CA has expired, or the key or a name is of a kind that certificates cannot have.
    pub fn issue(&self, issuance: &Issuance, serial: [u8; 16], now: i64) -> anyhow::Result<String> {
        self.check_end(now)?;
        let Issuance {
            request,
            usages,
            validity,
        } = issuance;
        let validity = validity.until(self.end_of_validity);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::ExplicitNoCa;
        params.serial_number = Some(positive(serial));
        params.key_usages = key_usages(*usages);
        params.extended_key_usages = extended_key_usages(*usages);
        params.subject_alt_names = subject_alternative_names(&request.names)?;
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (at(validity.not_before)?, at(validity.not_after)?);
        let key = SubjectPublicKeyInfo::from_der(&request.public_key)?;
        let draft = params.signed_by(&key, &self.issuer)?;
        let certificate = subject::replaced(draft.der(), &request.subject, self.issuer.key())?;
        Ok(pem(&certificate))
    }

    fn params(
        &self,
        usage: ExtendedKeyUsagePurpose,
        lifetime: i64,
        now: i64,
    ) -> anyhow::Result<CertificateParams> {
        self.check_end(now)?;
        let mut params = CertificateParams::default();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        params.not_before = at(now - BACKDATED)?;
        params.not_after = at((now + lifetime).min(self.end_of_validity))?;
        Ok(params)
    }

    fn check_end(&self, now: i64) -> anyhow::Result<()> {
        if self.end_of_validity <= now + DAY {
            bail!(
                "the CA's own certificate has expired; move the pki directory away and start again for a new one"
            );
        }
        Ok(())
    }
}

/// Serial numbers are positive, and these are all of the same length.
fn positive(mut serial: [u8; 16]) -> SerialNumber {
    serial[0] = serial[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&serial)
}

fn key_usages(usages: Usages) -> Vec<KeyUsagePurpose> {
    let all = [
        (usages.digital_signature, KeyUsagePurpose::DigitalSignature),
        (usages.key_encipherment, KeyUsagePurpose::KeyEncipherment),
    ];
    all.into_iter()
        .filter_map(|(wanted, usage)| wanted.then_some(usage))
        .collect()
}

fn extended_key_usages(usages: Usages) -> Vec<ExtendedKeyUsagePurpose> {
    let all = [
        (usages.client_auth, ExtendedKeyUsagePurpose::ClientAuth),
        (usages.server_auth, ExtendedKeyUsagePurpose::ServerAuth),
    ];
    all.into_iter()
        .filter_map(|(wanted, usage)| wanted.then_some(usage))
        .collect()
}

fn subject_alternative_names(names: &AlternativeNames) -> Result<Vec<SanType>, rcgen::Error> {
    let mut all = Vec::new();
    for name in &names.dns {
        all.push(SanType::DnsName(name.as_str().try_into()?));
    }
    for address in &names.email {
        all.push(SanType::Rfc822Name(address.as_str().try_into()?));
    }
    all.extend(names.ip.iter().copied().map(SanType::IpAddress));
    for uri in &names.uri {
        all.push(SanType::URI(uri.as_str().try_into()?));
    }
    Ok(all)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    distinguished_name
}

fn at(seconds: i64) -> anyhow::Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds)
        .context("the clock shows a time that no certificate can name")
}

/// A certificate in PEM form.
pub fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    for start in (0..text.len()).step_by(64) {
        out.push_str(&text[start..text.len().min(start + 64)]);
        out.push('\n');
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}
