use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use strongroom_access::Identity;
use strongroom_certificates::{CertificateRequest, Issuance, Usages, Validity};

use super::*;

const NOW: i64 = 1_800_000_000;

fn names() -> Names {
    Names::of_server(
        "Build-Host",
        &["192.0.2.1".parse().unwrap(), "0.0.0.0".parse().unwrap()],
    )
}

fn pki() -> (tempfile::TempDir, Pki) {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::at(dir.path().join("pki"));
    (dir, pki)
}

#[test]
fn certificates_are_made_once_and_renewed_in_time() {
    let (_dir, pki) = pki();
    let all = Made {
        authority: true,
        serving: true,
        admin: true,
        node_client: true,
    };
    let leaves = Made {
        authority: false,
        ..all
    };
    let due = CERTIFICATE_LIFETIME / 3 * 2;
    assert_eq!(pki.ensure(&names(), NOW).unwrap(), all);
    assert_eq!(pki.ensure(&names(), NOW).unwrap(), Made::default());
    assert_eq!(pki.ensure(&names(), NOW + due - DAY).unwrap(), Made::default());
    assert_eq!(pki.ensure(&names(), NOW + due).unwrap(), leaves);
    assert_eq!(pki.ensure(&names(), NOW + due).unwrap(), Made::default());
}

#[test]
fn a_new_address_a_new_ca_and_a_torn_write_are_noticed() {
    let (_dir, pki) = pki();
    pki.ensure(&names(), NOW).unwrap();
    let moved = Names::of_server("build-host", &["192.0.2.7".parse::<IpAddr>().unwrap()]);
    let serving = Made {
        serving: true,
        ..Made::default()
    };
    assert_eq!(pki.ensure(&moved, NOW).unwrap(), serving);

    std::fs::copy(pki.file("admin.key"), pki.file("apiserver.key")).unwrap();
    assert_eq!(pki.ensure(&moved, NOW).unwrap(), serving);

    std::fs::remove_file(pki.file("ca.crt")).unwrap();
    let made = pki.ensure(&moved, NOW).unwrap();
    assert_eq!(
        made,
        Made {
            authority: true,
            serving: true,
            admin: true,
            node_client: true,
        }
    );
}

#[test]
fn a_ca_without_its_key_is_not_replaced() {
    let (_dir, pki) = pki();
    pki.ensure(&names(), NOW).unwrap();
    let authority = pki.authority_certificate().unwrap();
    std::fs::remove_file(pki.file("ca.key")).unwrap();
    assert_eq!(pki.ensure(&names(), NOW).unwrap(), Made::default());
    assert!(pki.ensure(&names(), NOW + CERTIFICATE_LIFETIME).is_err());
    assert_eq!(pki.authority_certificate().unwrap(), authority);
}

#[test]
fn all_files_are_for_the_owner_alone() {
    let (_dir, pki) = pki();
    pki.ensure(&names(), NOW).unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(pki.file(".")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{entry:?}"
        );
        found.push(entry.file_name().into_string().unwrap());
    }
    found.sort();
    let expected = [
        "admin.crt",
        "admin.key",
        "apiserver-kubelet-client.crt",
        "apiserver-kubelet-client.key",
        "apiserver.crt",
        "apiserver.key",
        "ca.crt",
        "ca.key",
        "sa.key",
        "sa.pub",
    ];
    assert_eq!(found, expected);
    assert!(
        pki.read("sa.key")
            .unwrap()
            .starts_with("-----BEGIN PRIVATE KEY-----")
    );
}

#[test]
fn a_user_is_who_the_certificate_says() {
    let (_dir, pki) = pki();
    pki.ensure(&names(), NOW).unwrap();
    let long = "g".repeat(300);
    let cases: &[(&str, &[&str])] = &[
        (ADMIN, &[MASTERS]),
        ("alice", &[]),
        ("jörg", &["a", "b", "a, O=system:masters", long.as_str()]),
    ];
    for (user, groups) in cases {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        let issued = pki
            .authority()
            .unwrap()
            .issue_client(user, &groups, DAY, NOW)
            .unwrap();
        let der = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
        let identity = Identity::from_client_certificate(&der).unwrap();
        assert_eq!(identity.user, *user);
        assert_eq!(identity.groups[..groups.len()], groups);
        assert_eq!(identity.groups[groups.len()..], ["system:authenticated"]);
        assert!(inspect::belong_together(&issued.certificate, &issued.key));
        assert!(inspect::is_issued_by(
            &issued.certificate,
            &pki.authority_certificate().unwrap()
        ));
        assert_eq!(inspect::end_of_validity(&issued.certificate), Some(NOW + DAY));
    }
    assert!(pki.authority().unwrap().issue_client("", &[], DAY, NOW).is_err());
}

#[test]
fn what_is_asked_for_and_accepted_is_issued() {
    let (_dir, pki) = pki();
    pki.ensure(&names(), NOW).unwrap();
    let uid = rcgen::DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 57683, 2]);
    let mut asked = rcgen::CertificateParams::new(["a.example".to_owned(), "192.0.2.9".to_owned()]).unwrap();
    asked.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, text) in [
        (rcgen::DnType::CountryName, "DE"),
        (rcgen::DnType::OrganizationName, "devs"),
        (rcgen::DnType::CommonName, "jörg"),
        (uid, "0"),
    ] {
        asked.distinguished_name.push(kind, text);
    }
    asked.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = asked.serialize_request(&key).unwrap().pem().unwrap();
    let request = CertificateRequest::from_pem(pem.as_bytes()).unwrap();
    let issue = |longest| {
        let usages = Usages {
            client_auth: true,
            digital_signature: true,
            ..Usages::default()
        };
        let issuance = Issuance {
            request: request.clone(),
            usages,
            validity: Validity::granted(None, longest, NOW),
        };
        let authority = pki.authority().unwrap();
        authority.issue(&issuance, [0xff; 16], NOW).unwrap()
    };
    let certificate = issue(YEAR);
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let identity = Identity::from_client_certificate(&der).unwrap();
    assert_eq!((identity.user.as_str(), identity.uid.as_str()), ("jörg", ""));
    assert_eq!(identity.groups, ["devs", "system:authenticated"]);
    assert!(inspect::belong_together(&certificate, &key.serialize_pem()));
    assert!(inspect::is_issued_by(
        &certificate,
        &pki.authority_certificate().unwrap()
    ));
    assert_eq!(inspect::end_of_validity(&certificate), Some(NOW + YEAR - 300));
    assert_eq!(
        inspect::end_of_validity(&issue(20 * YEAR)),
        Some(NOW + CA_LIFETIME)
    );

    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    assert!(!parsed.is_ca());
    assert_eq!(parsed.raw_serial()[..2], [0x7f, 0xff]);
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth);
    let (_, authority) = x509_parser::pem::parse_x509_pem(pki.authority_certificate().unwrap().as_bytes())
        .map(|(rest, pem)| (rest.len(), pem))
        .unwrap();
    let authority = authority.parse_x509().unwrap();
    parsed.verify_signature(Some(authority.public_key())).unwrap();
    let names = parsed.subject_alternative_name().unwrap().unwrap().value;
    assert_eq!(names.general_names.len(), 2);
}
