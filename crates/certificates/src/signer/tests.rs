use super::*;
use crate::{AlternativeNames, Attribute, Subject};

/// A request as `CN|O,O|names`, where a name is `dns:`, `email:`, `ip:` or `uri:` and what follows.
fn request(text: &str) -> CertificateRequest {
    let parts: Vec<&str> = text.split('|').collect();
    let list = |part: &'static str| part.split(',').filter(|one| !one.is_empty());
    let leaked: Vec<&'static str> = parts.iter().map(|part| &*(*part).to_owned().leak()).collect();
    let mut subject: Vec<_> = list(leaked[1])
        .map(|group| (Attribute::Organization, group.to_owned()))
        .collect();
    subject.push((Attribute::CommonName, leaked[0].to_owned()));
    let mut names = AlternativeNames::default();
    for name in list(leaked[2]) {
        let (kind, name) = name.split_once(':').unwrap();
        match kind {
            "dns" => names.dns.push(name.to_owned()),
            "email" => names.email.push(name.to_owned()),
            "ip" => names.ip.push(name.parse().unwrap()),
            _ => names.uri.push(name.to_owned()),
        }
    }
    CertificateRequest {
        subject: Subject(subject),
        names,
        public_key: Vec::new(),
    }
}

/// What a signer says of a request for usages, separated by commas; nothing where it gives the certificate.
fn check(signer: &str, text: &str, usages: &str, expect: &str) {
    let signer = Signer::named(&format!("kubernetes.io/{signer}")).unwrap();
    let usages: Vec<&str> = usages.split(',').filter(|one| !one.is_empty()).collect();
    let said = signer.accept(&request(text), &usages).err();
    assert_eq!(
        said.map(|error| error.to_string()).unwrap_or_default(),
        expect,
        "{text} {usages:?}"
    );
}

#[test]
fn clients() {
    let signer = "kube-apiserver-client";
    for usages in [
        "client auth",
        "client auth,digital signature",
        "key encipherment,client auth,digital signature",
    ] {
        check(signer, "alice|a,b|dns:x,email:y@z", usages, "");
    }
    check(signer, "||", "client auth", "");
    check(
        signer,
        "a||",
        "",
        "missing required usage for client certificate: client auth",
    );
    check(
        signer,
        "a||",
        "digital signature",
        "missing required usage for client certificate: client auth",
    );
    check(
        signer,
        "a||",
        "client auth,server auth",
        "invalid usage for client certificate: server auth",
    );
    check(
        signer,
        "a||",
        "cert sign",
        "invalid usage for client certificate: cert sign",
    );
}

#[test]
fn nodes_as_clients() {
    let signer = "kube-apiserver-client-kubelet";
    let usages = "client auth,digital signature";
    check(signer, "system:node:a|system:nodes|", usages, "");
    check(
        signer,
        "system:node:a|system:nodes|",
        "key encipherment,client auth,digital signature",
        "",
    );
    check(
        signer,
        "system:node:a||",
        usages,
        "subject organization is not system:nodes",
    );
    check(
        signer,
        "system:node:a|system:nodes,system:masters|",
        usages,
        "subject organization is not system:nodes",
    );
    check(
        signer,
        "alice|system:nodes|",
        usages,
        "subject common name does not begin with system:node:",
    );
    check(
        signer,
        "system:node:a|system:nodes|dns:a",
        usages,
        "DNS subjectAltNames are not allowed",
    );
    check(
        signer,
        "system:node:a|system:nodes|email:a",
        usages,
        "Email subjectAltNames are not allowed",
    );
    check(
        signer,
        "system:node:a|system:nodes|ip:::1",
        usages,
        "IP subjectAltNames are not allowed",
    );
    check(
        signer,
        "system:node:a|system:nodes|uri:a",
        usages,
        "URI subjectAltNames are not allowed",
    );
    let wanted = "usages did not match [client auth digital signature key encipherment]";
    for usages in [
        "client auth",
        "client auth,digital signature,server auth",
        "server auth,digital signature",
        "",
    ] {
        check(signer, "system:node:a|system:nodes|", usages, wanted);
    }
}

#[test]
fn nodes_as_servers() {
    let signer = "kubelet-serving";
    let usages = "server auth,digital signature";
    check(signer, "system:node:a|system:nodes|dns:a,ip:10.0.0.1", usages, "");
    check(
        signer,
        "system:node:a|system:nodes|ip:10.0.0.1",
        "server auth,key encipherment,digital signature",
        "",
    );
    check(
        signer,
        "system:node:a|system:nodes|",
        usages,
        "DNS or IP subjectAltName is required",
    );
    check(
        signer,
        "system:node:a|x|dns:a",
        usages,
        "subject organization is not system:nodes",
    );
    check(
        signer,
        "system:node:a|system:nodes|dns:a,email:b",
        usages,
        "Email subjectAltNames are not allowed",
    );
    check(
        signer,
        "system:node:a|system:nodes|dns:a,uri:b",
        usages,
        "URI subjectAltNames are not allowed",
    );
    check(
        signer,
        "a|system:nodes|dns:a",
        usages,
        "subject common name does not begin with system:node:",
    );
    check(
        signer,
        "system:node:a|system:nodes|dns:a",
        "server auth,client auth",
        "usages did not match [digital signature key encipherment server auth]",
    );
}

#[test]
fn others_sign_for_themselves() {
    for name in ["kubernetes.io/legacy-unknown", "example.com/x", ""] {
        assert_eq!(Signer::named(name), None);
    }
}
