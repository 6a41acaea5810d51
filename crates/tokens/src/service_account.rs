//! Service-account tokens: bound ones (auth.md §3) and legacy ones, which live in a Secret (secrets.md §7).
//!
//! A bound token is judged in three steps, so that the costly one can be remembered: [`prove`] checks the signature and
//! reads the claims, which never changes; [`check_claims`] looks at times and audiences, for each request; and
//! [`check_live`] compares with what the store holds now. [`verify`] is the first two together.

mod bound;
mod issue;
pub mod legacy;
mod live;
pub mod request;
#[cfg(test)]
mod tests;

pub use bound::{BoundClaims, Reference, VerifiedBound, check_claims, prove, still_good, verify};
pub use issue::{Lifetime, TokenClaims, issue, lifetime};
pub use live::{Live, LiveObject, check_live, stale_token_annotation};

use std::collections::BTreeMap;

use strongroom_access::Identity;

use crate::AUTHENTICATED;

/// Every service account's user name starts with this, followed by `<namespace>:<name>`.
pub const USERNAME_PREFIX: &str = "system:serviceaccount:";
/// The group of all service accounts, and, followed by `:<namespace>`, that of one namespace's.
pub const GROUP: &str = "system:serviceaccounts";

pub(crate) const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// `system:serviceaccount:<namespace>:<name>`.
pub fn username(namespace: &str, name: &str) -> String {
    format!("{USERNAME_PREFIX}{namespace}:{name}")
}

/// Namespace and name in a service account's user name; `None` for every other user.
pub fn split_username(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(USERNAME_PREFIX)?.split_once(':')?;
    let whole = !namespace.is_empty() && !name.is_empty() && !name.contains(':');
    whole.then_some((namespace, name))
}

fn identity(namespace: &str, name: &str, uid: &str, extra: BTreeMap<String, Vec<String>>) -> Identity {
    Identity {
        user: username(namespace, name),
        uid: uid.to_owned(),
        groups: vec![
            GROUP.to_owned(),
            format!("{GROUP}:{namespace}"),
            AUTHENTICATED.to_owned(),
        ],
        extra,
    }
}
