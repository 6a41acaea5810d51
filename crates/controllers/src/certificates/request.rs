//! The parts of a CertificateSigningRequest that are decided by, and its next versions.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::object::{Item, Metadata};

/// `certificates.k8s.io/v1 CertificateSigningRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SigningRequest {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    request: String,
    signer_name: String,
    expiration_seconds: Option<i64>,
    usages: Vec<String>,
    username: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    conditions: Vec<Condition>,
    certificate: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    last_update_time: Option<String>,
}

impl Item for SigningRequest {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl SigningRequest {
    /// The PKCS#10 request, PEM.
    pub fn request(&self) -> Vec<u8> {
        STANDARD.decode(&self.spec.request).unwrap_or_default()
    }

    /// Who is to sign.
    pub fn signer_name(&self) -> &str {
        &self.spec.signer_name
    }

    /// For how long the certificate is asked to hold.
    pub fn expiration_seconds(&self) -> Option<i64> {
        self.spec.expiration_seconds
    }

    /// What the certificate is asked for.
    pub fn usages(&self) -> Vec<&str> {
        self.spec.usages.iter().map(String::as_str).collect()
    }

    /// Who asked.
    pub fn username(&self) -> &str {
        &self.spec.username
    }

    /// Whether nobody has said anything about it yet.
    pub fn is_untouched(&self) -> bool {
        self.status.conditions.is_empty()
    }

    /// Whether there is a condition of this type.
    pub fn has(&self, kind: &str) -> bool {
        self.status
            .conditions
            .iter()
            .any(|condition| condition.kind == kind)
    }

    /// When the condition of this type was last written; RFC 3339.
    pub fn updated(&self, kind: &str) -> Option<&str> {
        let mut conditions = self.status.conditions.iter();
        conditions
            .find(|condition| condition.kind == kind)?
            .last_update_time
            .as_deref()
    }

    /// The issued certificate, PEM; empty before there is one.
    pub fn certificate(&self) -> Vec<u8> {
        STANDARD.decode(&self.status.certificate).unwrap_or_default()
    }

    /// The question whether the requester may create a subresource of requests.
    pub fn review(&self, subresource: &str) -> Value {
        let spec = &self.spec;
        json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": spec.username,
                "uid": spec.uid,
                "groups": spec.groups,
                "extra": spec.extra,
                "resourceAttributes": {
                    "group": "certificates.k8s.io",
                    "resource": "certificatesigningrequests",
                    "subresource": subresource,
                    "verb": "create",
                },
            },
        })
    }
}

/// The request with one more condition, to be written back.
pub(super) fn with_condition(mut live: Value, kind: &str, reason: &str, message: &str) -> Value {
    let condition = json!({"type": kind, "status": "True", "reason": reason, "message": message});
    match &mut live["status"]["conditions"] {
        Value::Array(conditions) => conditions.push(condition),
        none => *none = Value::Array(vec![condition]),
    }
    live
}

/// The request with its certificate, to be written back.
pub(super) fn issued(mut live: Value, certificate: &str) -> Value {
    live["status"]["certificate"] = STANDARD.encode(certificate).into();
    live
}
