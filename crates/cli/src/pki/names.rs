//! The names and addresses a server answers to.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_parser::prelude::{GeneralName, X509Certificate};

use super::inspect::with_certificate;

/// Under which names clients inside a cluster know the server.
const SERVICE_NAMES: &[&str] = &[
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// What a serving certificate must name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub(super) dns: BTreeSet<String>,
    pub(super) ip: BTreeSet<IpAddr>,
}

impl Names {
    /// The names of a server on this machine: localhost, the machine's own name, the names of the
    /// `kubernetes` service, and the addresses it is reached at.
    pub fn of_server(hostname: &str, addresses: &[IpAddr]) -> Names {
        let mut names = Names::default();
        names.dns.insert("localhost".to_owned());
        names
            .dns
            .extend(SERVICE_NAMES.iter().map(|name| (*name).to_owned()));
        if is_dns_name(hostname) {
            names.dns.insert(hostname.to_ascii_lowercase());
        }
        names
            .ip
            .extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        names
            .ip
            .extend(addresses.iter().filter(|address| !address.is_unspecified()));
        names
    }

    /// The names of a node: its own, and the addresses it is reached at.
    pub fn of_node(name: &str, addresses: &[IpAddr]) -> Names {
        let mut names = Names::default();
        if is_dns_name(name) {
            names.dns.insert(name.to_ascii_lowercase());
        }
        names.ip.extend(addresses);
        names
    }

    /// Whether a certificate (PEM) names all of these.
    pub(super) fn are_in(&self, certificate: &str) -> bool {
        with_certificate(certificate, Names::named_by)
            .is_some_and(|named| self.dns.is_subset(&named.dns) && self.ip.is_subset(&named.ip))
    }

    fn named_by(certificate: &X509Certificate<'_>) -> Option<Names> {
        let mut names = Names::default();
        for name in &certificate.subject_alternative_name().ok()??.value.general_names {
            match name {
                GeneralName::DNSName(name) => {
                    names.dns.insert((*name).to_owned());
                }
                GeneralName::IPAddress(bytes) => names.ip.extend(address(bytes)),
                _ => {}
            }
        }
        Some(names)
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// A machine may be named anything; a certificate takes only DNS names.
fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}
