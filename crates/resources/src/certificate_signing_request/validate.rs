//! What is wrong with a request, and with a change of one.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_certificates::{CertificateRequest, check_certificates};
use strongroom_objects::go_text::quote;
use strongroom_objects::names::{dns_label, dns_subdomain};
use strongroom_objects::{FieldError, Value};

use super::conditions::{APPROVED, DENIED, FAILED, of_type};
use crate::tree::{integer, list, text};

/// Seconds that a certificate holds at least.
const SHORTEST: i64 = 600;
const LEGACY: &str = "kubernetes.io/legacy-unknown";
const MAX_DOMAIN: usize = 253;
/// A domain, and the name of a namespaced object.
const MAX_SIGNER_NAME: usize = MAX_DOMAIN + 1 + 63 + 1 + 253;

/// Sorted, as messages list them.
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

pub(super) fn spec(spec: &Value, errors: &mut Vec<FieldError>) {
    let request = STANDARD.decode(text(spec, "request")).unwrap_or_default();
    if let Err(problem) = CertificateRequest::from_pem(&request) {
        errors.push(FieldError::invalid(
            "spec.request",
            "<request data>",
            &problem.to_string(),
        ));
    }
    usages(list(spec, "usages"), errors);
    signer_name(text(spec, "signerName"), errors);
    if let Some(seconds) = integer(spec, "expirationSeconds").filter(|seconds| *seconds < SHORTEST) {
        errors.push(FieldError::invalid(
            "spec.expirationSeconds",
            seconds,
            "may not specify a duration less than 600 seconds (10 minutes)",
        ));
    }
}

fn usages(usages: &[Value], errors: &mut Vec<FieldError>) {
    if usages.is_empty() {
        errors.push(FieldError::required("spec.usages", ""));
    }
    let path = |index: usize| format!("spec.usages[{index}]");
    let usages: Vec<&str> = usages
        .iter()
        .map(|usage| usage.as_str().unwrap_or_default())
        .collect();
    for (index, usage) in usages.iter().enumerate() {
        if !USAGES.contains(usage) {
            errors.push(FieldError::not_supported(&path(index), *usage, &USAGES));
        }
    }
    let mut seen = BTreeSet::new();
    for (index, usage) in usages.iter().enumerate() {
        if !seen.insert(usage) {
            errors.push(FieldError::duplicate(&path(index), *usage));
        }
    }
}

/// `example.com/signer-name`.
fn signer_name(name: &str, errors: &mut Vec<FieldError>) {
    const PATH: &str = "spec.signerName";
    if name == LEGACY {
        let detail = "the legacy signerName is not allowed via this API version";
        errors.push(FieldError::invalid(PATH, name, detail));
        return;
    }
    if name.is_empty() {
        errors.push(FieldError::required(PATH, ""));
        return;
    }
    let [domain, path] = name.split('/').collect::<Vec<_>>()[..] else {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.push(FieldError::invalid(PATH, name, detail));
        return;
    };
    if domain.len() > MAX_DOMAIN {
        errors.push(FieldError::too_long(
            PATH,
            &format!("may not be more than {MAX_DOMAIN} bytes"),
        ));
    }
    segment(domain, dns_label, errors);
    if !domain.contains('.') {
        let detail = "should be a domain with at least two segments separated by dots";
        errors.push(FieldError::invalid(PATH, domain, detail));
    }
    segment(path, dns_subdomain, errors);
    if name.len() > MAX_SIGNER_NAME {
        let detail = format!("may not be more than {MAX_SIGNER_NAME} bytes");
        errors.push(FieldError::too_long(PATH, &detail));
    }

    /// Everything that is wrong with the first label that something is wrong with.
    fn segment(segment: &str, check: fn(&str) -> Vec<String>, errors: &mut Vec<FieldError>) {
        let problems = |label| (label, check(label));
        let bad = segment
            .split('.')
            .map(problems)
            .find(|(_, problems)| !problems.is_empty());
        let Some((label, problems)) = bad else { return };
        errors.extend(problems.iter().map(|problem| {
            let detail = format!("validating label {}: {problem}", quote(label));
            FieldError::invalid(PATH, segment, &detail)
        }));
    }
}

pub(super) fn status(status: &Value, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, condition) in list(status, "conditions").iter().enumerate() {
        let path = |field: &str| format!("status.conditions[{index}].{field}");
        let (kind, value) = (text(condition, "type"), text(condition, "status"));
        if kind.is_empty() {
            errors.push(FieldError::required(&path("type"), ""));
        }
        let values: &[&str] = match kind {
            APPROVED | DENIED | FAILED => &["True"],
            _ => &["False", "True", "Unknown"],
        };
        if value.is_empty() {
            errors.push(FieldError::required(&path("status"), ""));
        } else if !values.contains(&value) {
            errors.push(FieldError::not_supported(&path("status"), value, values));
        }
        let opposite = match kind {
            APPROVED => DENIED,
            DENIED => APPROVED,
            _ => "",
        };
        if seen.contains(opposite) && !opposite.is_empty() {
            let detail = "Approved and Denied conditions are mutually exclusive";
            errors.push(FieldError::invalid(&path("type"), kind, detail));
        }
        if !seen.insert(kind) {
            errors.push(FieldError::duplicate(&path("type"), kind));
        }
    }
    let certificate = STANDARD.decode(text(status, "certificate")).unwrap_or_default();
    if certificate.is_empty() {
        return;
    }
    if let Err(problem) = check_certificates(&certificate) {
        errors.push(FieldError::invalid(
            "status.certificate",
            "<certificate data>",
            &problem.to_string(),
        ));
    }
}

pub(super) fn change(new: &Value, old: &Value, subresource: &str, errors: &mut Vec<FieldError>) {
    let count = |status, kind| of_type(status, kind).count();
    let mut forbidden = |field: &str, detail: &str| {
        errors.push(FieldError::forbidden(&format!("status.{field}"), detail));
    };
    for kind in [APPROVED, DENIED, FAILED] {
        if count(new, kind) < count(old, kind) {
            let detail = format!("updates may not remove a condition of type \"{kind}\"");
            forbidden("conditions", &detail);
        }
    }
    if subresource != "approval" {
        for kind in [APPROVED, DENIED] {
            if count(new, kind) > count(old, kind) {
                let detail = format!("updates may not add a condition of type \"{kind}\"");
                forbidden("conditions", &detail);
            }
        }
    }
    let (before, after) = (text(old, "certificate"), text(new, "certificate"));
    if after == before {
        return;
    }
    if subresource != "status" {
        forbidden("certificate", "updates may not set certificate content");
    } else if !before.is_empty() {
        forbidden(
            "certificate",
            "updates may not modify existing certificate content",
        );
    }
}
