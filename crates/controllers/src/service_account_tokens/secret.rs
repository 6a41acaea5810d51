//! A token Secret, once as the watch tells it (without data) and once whole, for one decision.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::object::{Item, Metadata};
use crate::service_account_tokens::decide::{Account, Missing};

/// Annotation that names the account.
const ACCOUNT: &str = "kubernetes.io/service-account.name";
/// Annotation with the account's uid.
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
/// The type of Secrets that hold tokens of service accounts.
const TYPE: &str = "kubernetes.io/service-account-token";

/// A token Secret's metadata.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenSecret {
    metadata: TokenMetadata,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct TokenMetadata {
    #[serde(flatten)]
    metadata: Metadata,
    annotations: Annotations,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "kubernetes.io/service-account.name")]
    account: String,
    #[serde(rename = "kubernetes.io/service-account.uid")]
    account_uid: String,
}

impl TokenSecret {
    /// The name of the account that the Secret says it belongs to.
    pub fn account(&self) -> &str {
        &self.metadata.annotations.account
    }

    /// That account's uid; empty until the Secret has been filled.
    pub fn account_uid(&self) -> &str {
        &self.metadata.annotations.account_uid
    }
}

impl Item for TokenSecret {
    fn metadata(&self) -> &Metadata {
        &self.metadata.metadata
    }
}

/// A whole Secret, as read for one decision. Its `Debug` says which Secret it is and nothing else.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Content(Value);

impl Content {
    /// Whether the Secret is of the type that holds tokens of service accounts.
    pub fn is_account_token(&self) -> bool {
        self.0["type"] == TYPE
    }

    /// Whether its deletion was asked for.
    pub fn is_deleting(&self) -> bool {
        self.0["metadata"]["deletionTimestamp"].is_string()
    }

    /// The name of the account that it says it belongs to.
    pub fn account(&self) -> &str {
        self.annotation(ACCOUNT)
    }

    /// That account's uid; empty when it does not say.
    pub fn account_uid(&self) -> &str {
        self.annotation(ACCOUNT_UID)
    }

    /// A field of its metadata that is a text.
    pub fn metadata(&self, field: &str) -> &str {
        self.0["metadata"][field].as_str().unwrap_or_default()
    }

    /// A value in base64; empty when it is missing.
    pub fn value(&self, key: &str) -> &str {
        self.0["data"][key].as_str().unwrap_or_default()
    }

    /// Adds what is missing; everything else stays as it is.
    pub fn fill(&mut self, missing: &Missing, account: &Account, root_ca: &str, token: Option<&str>) {
        if missing.root_ca {
            self.0["data"]["ca.crt"] = json!(root_ca);
        }
        if missing.namespace {
            self.0["data"]["namespace"] = json!(encode(self.metadata("namespace")));
        }
        if let Some(token) = token {
            self.0["data"]["token"] = json!(encode(token));
        }
        let annotations = &mut self.0["metadata"]["annotations"];
        annotations[ACCOUNT] = json!(account.name);
        annotations[ACCOUNT_UID] = json!(account.uid);
    }

    /// The Secret, to be written.
    pub fn object(&self) -> &Value {
        &self.0
    }

    fn annotation(&self, key: &str) -> &str {
        self.0["metadata"]["annotations"][key]
            .as_str()
            .unwrap_or_default()
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Content")
            .field("namespace", &self.metadata("namespace"))
            .field("name", &self.metadata("name"))
            .finish_non_exhaustive()
    }
}

/// Text as Secrets carry it in JSON.
pub(super) fn encode(text: &str) -> String {
    STANDARD.encode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(object: Value) -> Content {
        serde_json::from_value(object).expect("a Secret")
    }

    #[test]
    fn filling_adds_and_keeps() {
        let account = Account {
            name: "app".to_owned(),
            uid: "u1".to_owned(),
        };
        let all = Missing {
            root_ca: true,
            namespace: true,
            token: true,
            annotations: true,
        };
        let mut empty = content(json!({"metadata": {"namespace": "n", "name": "s"}}));
        empty.fill(&all, &account, "Q0E=", Some("a.b.c"));
        assert_eq!(
            *empty.object(),
            json!({
                "metadata": {"namespace": "n", "name": "s", "annotations": {
                    "kubernetes.io/service-account.name": "app",
                    "kubernetes.io/service-account.uid": "u1",
                }},
                "data": {"ca.crt": "Q0E=", "namespace": "bg==", "token": "YS5iLmM="},
            })
        );
        let before = json!({
            "metadata": {"namespace": "n", "name": "s", "labels": {"l": "v"}, "annotations": {"a": "b"}},
            "data": {"namespace": "b3RoZXI=", "token": "", "extra": "eA=="},
        });
        let mut partial = content(before);
        let token_only = Missing {
            token: true,
            ..Missing::default()
        };
        partial.fill(&token_only, &account, "Q0E=", Some("t"));
        assert_eq!(
            *partial.object(),
            json!({
                "metadata": {"namespace": "n", "name": "s", "labels": {"l": "v"}, "annotations": {
                    "a": "b",
                    "kubernetes.io/service-account.name": "app",
                    "kubernetes.io/service-account.uid": "u1",
                }},
                "data": {"namespace": "b3RoZXI=", "token": "dA==", "extra": "eA=="},
            })
        );
    }

    #[test]
    fn values_are_not_printed() {
        let secret =
            content(json!({"metadata": {"namespace": "n", "name": "s"}, "data": {"token": "Y2FuYXJ5"}}));
        let printed = format!("{secret:?} {secret:#?}");
        assert!(
            printed.contains("\"s\"") && !printed.contains("Y2FuYXJ5"),
            "{printed}"
        );
    }
}
