use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, SanType,
};

use super::*;

/// The request of Kubernetes' own command-line tests (`hack/testdata/csr.yml`): RSA, 2048 bits.
const KUBE_ADMIN: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlJQ2d6Q0NBV3NDQVFBd0ZURVRNQkVHQTFVRUF4TUthM1ZpWlMxaFpHMXBiakNDQVNJd0RRWUpLb1pJaHZjTgpBUUVCQlFBRGdnRVBBRENDQVFvQ2dnRUJBTlJ5dFhkcWV6ZTFBdXFjZkpWYlFBY1BJejZWY2pXSTZ5WmlQa3lrCjAzUW9GaHJGRXhUQXNPTGVFUHlrQXc1YndUOWZiajRXMzZmR2k4RGxsd1FzVGoyYzVUTnBnQkkwbElDbzI4aGcKbHYvTDJsMnRsWUVKdDdTbVhjblNvaGJ5S0h4TERRUHVmTVBBTkZsaEFmTUdCWEhRcmZMajhrTk1MUDA4UlBsbAp0N3V4RDVRdFA0cHlGL1Nhbm1XVEtRNU56WlJ4TC82UmhJMEpxSHJmNFFjQmg2dlR5bnFaRGVmMWVxNjBnQXllClNPRkpKYWRuK3h2VEFqLzgxZk1TbjdOSlNnaktDYkNEeXQ1eS9UZHd0SzZnVUQzM01paE5uNXhKTVF0MUZXUVAKRzY3eTA1QVh6b0pqTm5sWVA1MnJsTlhvNzh6aVMrN1E4RklxQzY0c05vWWhxeGNDQXdFQUFhQXBNQ2NHQ1NxRwpTSWIzRFFFSkRqRWFNQmd3Q1FZRFZSMFRCQUl3QURBTEJnTlZIUThFQkFNQ0JlQXdEUVlKS29aSWh2Y05BUUVMCkJRQURnZ0VCQU5CazlwaHpWYUJBci9xZHN4bXdPR1NQa094UkZlR1lyemRvaW5LTzVGUGZER2JkU0VWQ0o1K0wKeWJTNUtmaUZYU1EvNmk0RE9WRWtxcnFrVElIc1JNSlJwbTZ5Zjk1TU4zSWVLak9jQlV2b2VWVlpxMUNOUU8zagp2dklmK1A1NStLdXpvK0NIT1F5RWlvTlRPaUtGWTJseStEZEEwMXMxbU9FMTZSWGlWeFhGcFhGeGRJVmRPK0oxClZ1MW5yWG5ZVFJQRmtyaG80MTlpaDQzNjRPcGZqYXFXVCtmd20ySVZQSlBoaUJpYi9RRzRhUGJJcFh3amlCUUMKemV6WlM2L01nQkt1bUdMZ3Z5MitXNU9UWTJ5ZFFMZFVxbERFNEU2MFhmdVZ6bk5zWjZDS0tYY1pVaW1ZTkkwNgpKa0t4bGRjd0V2cmI0SmN3M2RFQjdOOUwvSW9ZNXFBPQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K";

fn params(names: &[(DnType, &str)]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (kind, text) in names {
        params.distinguished_name.push(kind.clone(), *text);
    }
    params
}

fn pem(params: &CertificateParams) -> String {
    let key = KeyPair::generate().unwrap();
    params.serialize_request(&key).unwrap().pem().unwrap()
}

fn read(pem: &str) -> Result<CertificateRequest, RequestError> {
    CertificateRequest::from_pem(pem.as_bytes())
}

#[test]
fn a_request_of_kubernetes() {
    let request = CertificateRequest::from_pem(&STANDARD.decode(KUBE_ADMIN).unwrap()).unwrap();
    assert_eq!(request.subject.common_name(), "kube-admin");
    assert_eq!(request.subject.organizations().count(), 0);
    assert_eq!(request.names, AlternativeNames::default());
}

#[test]
fn subjects_and_names() {
    let uid = DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 57683, 2]);
    let mut asked = params(&[
        (DnType::CommonName, "jörg"),
        (uid, "17"),
        (DnType::OrganizationName, "devs"),
        (DnType::CountryName, "DE"),
    ]);
    asked.subject_alt_names = vec![
        SanType::DnsName("a.example".try_into().unwrap()),
        SanType::IpAddress("10.0.0.1".parse().unwrap()),
        SanType::IpAddress("::1".parse().unwrap()),
        SanType::Rfc822Name("a@example".try_into().unwrap()),
        SanType::URI("spiffe://a/b".try_into().unwrap()),
    ];
    let request = read(&format!("A comment\n{}", pem(&asked))).unwrap();
    let expected = [
        (Attribute::Country, "DE".to_owned()),
        (Attribute::Organization, "devs".to_owned()),
        (Attribute::CommonName, "jörg".to_owned()),
    ];
    assert_eq!(request.subject.0, expected);
    let names = AlternativeNames {
        dns: vec!["a.example".to_owned()],
        email: vec!["a@example".to_owned()],
        ip: vec!["10.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        uri: vec!["spiffe://a/b".to_owned()],
    };
    assert_eq!(request.names, names);
}

#[test]
fn every_algorithm_that_clients_use() {
    let algorithms = [
        &PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_ECDSA_P521_SHA512,
        &PKCS_ED25519,
        &PKCS_RSA_SHA256,
    ];
    for algorithm in algorithms {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let asked = params(&[(DnType::CommonName, "a")]);
        let der = asked.serialize_request(&key).unwrap().der().to_vec();
        let text = |der: &[u8]| {
            let body = STANDARD.encode(der);
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n")
        };
        let request = read(&text(&der)).unwrap();
        assert_eq!(request.subject.common_name(), "a");
        assert!(rcgen::SubjectPublicKeyInfo::from_der(&request.public_key).is_ok());

        let mut forged = der.clone();
        let name = forged
            .windows(4)
            .position(|bytes| bytes == b"\x0c\x01a0")
            .unwrap();
        forged[name + 2] = b'b';
        assert_eq!(
            read(&text(&forged)),
            Err(RequestError::Signature),
            "{algorithm:?}"
        );
        let longer = [der.as_slice(), &[0]].concat();
        assert_eq!(read(&text(&longer)), Err(RequestError::Malformed));
    }
}

#[test]
fn what_is_no_request() {
    let good = pem(&params(&[(DnType::CommonName, "a")]));
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let cases = [
        (String::new(), RequestError::NoRequest),
        ("garbage".to_owned(), RequestError::NoRequest),
        (block("CERTIFICATE"), RequestError::NoRequest),
        (
            good.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
            RequestError::NoRequest,
        ),
        (format!("{}{good}", block("PRIVATE KEY")), RequestError::NoRequest),
        (good.replace("-----END", "====="), RequestError::NoRequest),
        (block("CERTIFICATE REQUEST"), RequestError::Malformed),
    ];
    for (pem, expect) in cases {
        assert_eq!(read(&pem), Err(expect), "{pem}");
    }
}

#[test]
fn extensions_are_looked_at() {
    let extension = |content: &[u8]| {
        let mut asked = params(&[(DnType::CommonName, "a")]);
        asked.custom_extensions = vec![CustomExtension::from_oid_content(
            &[2, 5, 29, 17],
            content.to_vec(),
        )];
        asked
    };
    // An address of three bytes, and a name that is not ASCII.
    for bad in [&b"\x30\x05\x87\x03abc"[..], b"\x30\x03\x82\x01\xff", b"nonsense"] {
        assert_eq!(
            read(&pem(&extension(bad))),
            Err(RequestError::Malformed),
            "{bad:?}"
        );
    }
    let mut twice = extension(b"\x30\x03\x82\x01a");
    assert_eq!(read(&pem(&twice)).unwrap().names.dns, ["a"]);
    twice.subject_alt_names = vec![SanType::DnsName("b".try_into().unwrap())];
    assert_eq!(read(&pem(&twice)), Err(RequestError::DuplicateExtensions));
}
