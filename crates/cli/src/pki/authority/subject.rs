//! The subject of a certificate: one common name and any number of organizations, among others.
//!
//! rcgen keeps one value for each kind of attribute, but a user may be in many groups. So the
//! certificate is made without a subject first, then given one, and signed again.

use anyhow::Context as _;
use rcgen::{KeyPair, SigningKey as _};
use strongroom_certificates::{Attribute, Subject};
use x509_parser::prelude::{FromDer as _, X509Certificate};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BIT_STRING: u8 = 0x03;

/// The certificate `draft` with another subject, signed by `authority`.
///
/// # Errors
/// When the draft cannot be read or the key does not sign.
pub(super) fn replaced(draft: &[u8], subject: &Subject, authority: &KeyPair) -> anyhow::Result<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(draft).context("the draft is no certificate")?;
    let signed = certificate.tbs_certificate.as_ref();
    let content = content_of(signed).context("the draft is no certificate")?;
    let old = place_of(certificate.subject().as_raw(), content).context("the draft has no subject")?;

    let mut new = content[..old.start].to_vec();
    new.extend(encoded(subject));
    new.extend_from_slice(&content[old.end..]);
    let signed = element(SEQUENCE, &new);
    let signature = authority.sign(&signed)?;
    let algorithm = algorithm_of(content).context("the draft names no signature algorithm")?;
    let bits = element(BIT_STRING, &[&[0], signature.as_slice()].concat());
    Ok(element(SEQUENCE, &[signed, algorithm.to_vec(), bits].concat()))
}

fn encoded(subject: &Subject) -> Vec<u8> {
    let names = subject.0.iter().flat_map(|(kind, text)| attribute(*kind, text));
    element(SEQUENCE, &names.collect::<Vec<u8>>())
}

fn attribute(kind: Attribute, text: &str) -> Vec<u8> {
    // RFC 5280 has these two in the smaller alphabet only.
    let tag = match kind {
        Attribute::Country | Attribute::SerialNumber if is_printable(text) => PRINTABLE_STRING,
        _ => UTF8_STRING,
    };
    let pair = [
        element(OBJECT_IDENTIFIER, &kind.oid()),
        element(tag, text.as_bytes()),
    ];
    element(SET, &element(SEQUENCE, &pair.concat()))
}

fn is_printable(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte))
}

/// Where `part`, a slice of `whole`, lies in it.
fn place_of(part: &[u8], whole: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

/// The third element of a TBSCertificate (RFC 5280 §4.1) names the algorithm.
fn algorithm_of(content: &[u8]) -> Option<&[u8]> {
    let (_version, rest) = split(content)?;
    let (_serial, rest) = split(rest)?;
    Some(split(rest)?.0)
}

fn content_of(element: &[u8]) -> Option<&[u8]> {
    let header = header_length(element)?;
    element.get(header..)
}

/// Splits the first DER element off.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let header = header_length(bytes)?;
    let length = match bytes[1] {
        short @ 0..=0x7f => usize::from(short),
        _ => bytes[2..header]
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte)),
    };
    bytes.split_at_checked(header.checked_add(length)?)
}

fn header_length(bytes: &[u8]) -> Option<usize> {
    let length = match *bytes.get(1)? {
        0..=0x7f => 2,
        long @ 0x81..=0x84 => 2 + usize::from(long & 0x7f),
        _ => return None,
    };
    (bytes.len() >= length).then_some(length)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let significant = &length[length
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(length.len() - 1)..];
    if content.len() >= 0x80 {
        out.push(0x80 | significant.len() as u8);
    }
    out.extend_from_slice(significant);
    out.extend_from_slice(content);
    out
}
