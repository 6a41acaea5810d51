//! Bootstrap token Secrets (secrets.md §8), as the signer and the cleaner read them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use strongroom_tokens::bootstrap::{SECRET_TYPE, TokenSecret, Unreadable};
use zeroize::Zeroizing;

use crate::object::Metadata;

/// Where bootstrap tokens live.
pub(crate) const COLLECTION: &str = "/api/v1/namespaces/kube-system/secrets";
/// Selects them there.
pub(crate) const SELECTOR: &str = "type=bootstrap.kubernetes.io/token";

/// A bootstrap token with its values, for one decision. Its `Debug` gives the name only.
#[derive(Clone, Deserialize)]
pub(crate) struct BootstrapToken {
    /// The Secret's metadata.
    pub metadata: Metadata,
    #[serde(rename = "type", default)]
    kind: String,
    /// In base64.
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// When a token ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiration {
    /// It does not say.
    Never,
    /// From this moment on it is expired.
    At(Timestamp),
    /// What it says cannot be read: it counts as expired.
    Unreadable,
}

impl BootstrapToken {
    /// Whether the Secret is of the type that holds bootstrap tokens.
    pub fn is_bootstrap_token(&self) -> bool {
        self.kind == SECRET_TYPE
    }

    /// When the token ends.
    pub fn expiration(&self) -> Expiration {
        match self.look(|token| token.expiration()) {
            Ok(None) => Expiration::Never,
            Ok(Some(time)) => Expiration::At(time),
            Err(Unreadable) => Expiration::Unreadable,
        }
    }

    /// The token's id and secret, when it may sign `cluster-info`.
    pub fn signing_key(&self, now: Timestamp) -> Option<(String, Zeroizing<String>)> {
        self.look(|token| token.signs(now))
    }

    fn look<R>(&self, ask: impl FnOnce(TokenSecret<'_>) -> R) -> R {
        ask(TokenSecret {
            name: &self.metadata.name,
            secret_type: &self.kind,
            deleting: self.metadata.is_deleting(),
            data: &|key| STANDARD.decode(self.data.get(key)?).ok(),
        })
    }
}

impl fmt::Debug for BootstrapToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BootstrapToken")
            .field("name", &self.metadata.name)
            .finish_non_exhaustive()
    }
}

/// A token for tests: `abcdef` of the specification's vector, with some of its data changed
/// (`None` removes a key).
#[cfg(test)]
pub(crate) fn example(name: &str, changes: &[(&str, Option<&str>)]) -> BootstrapToken {
    let mut data = BTreeMap::from([
        ("token-id", "abcdef"),
        ("token-secret", "0123456789abcdef"),
        ("usage-bootstrap-signing", "true"),
    ]);
    for (key, value) in changes {
        match value {
            Some(value) => data.insert(key, value),
            None => data.remove(key),
        };
    }
    let encode = |(key, value): (&str, &str)| (key.to_owned(), STANDARD.encode(value));
    BootstrapToken {
        metadata: Metadata {
            name: name.to_owned(),
            uid: "u1".to_owned(),
            resource_version: "7".to_owned(),
            ..Metadata::default()
        },
        kind: SECRET_TYPE.to_owned(),
        data: data.into_iter().map(encode).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expirations() {
        let check = |text: Option<&str>, expect: Expiration| {
            let token = example("bootstrap-token-abcdef", &[("expiration", text)]);
            assert_eq!(token.expiration(), expect, "{text:?}");
        };
        let noon = Expiration::At("2026-01-01T12:00:00Z".parse().expect("a time"));
        check(None, Expiration::Never);
        check(Some(""), Expiration::Never);
        check(Some("2026-01-01T12:00:00Z"), noon);
        check(Some("2026-01-01T14:00:00+02:00"), noon);
        check(Some("tomorrow"), Expiration::Unreadable);
        check(Some("2030-01-01"), Expiration::Unreadable);
        check(Some("2030-01-01 00:00:00Z"), Expiration::Unreadable);
    }

    #[test]
    fn who_signs() {
        let check = |token: BootstrapToken, signs: bool| {
            let key = token.signing_key(Timestamp::UNIX_EPOCH);
            let read = key.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()));
            assert!(
                read == signs.then_some(("abcdef", "0123456789abcdef")),
                "{token:?}"
            );
        };
        let token = || example("bootstrap-token-abcdef", &[]);
        check(token(), true);
        check(example("bootstrap-token-fedcba", &[]), false);
        check(
            example("bootstrap-token-abcdef", &[("token-secret", Some(""))]),
            false,
        );
        let mut deleting = token();
        deleting.metadata.deletion_timestamp = Some("2026-01-01T12:00:00Z".to_owned());
        check(deleting, false);
        let mut other = token();
        other.kind = "Opaque".to_owned();
        check(other, false);
    }

    #[test]
    fn values_are_not_printed() {
        let printed = format!("{:?}", example("bootstrap-token-abcdef", &[]));
        assert!(
            printed.contains("bootstrap-token-abcdef") && !printed.contains("MDEyMzQ1"),
            "{printed}"
        );
    }
}
