use strongroom_objects::{Map, Value};

use super::bound::BoundClaims;
use super::{Reference, username};
use crate::jwt;
use crate::keys::SigningKey;

/// What clients that know nothing of expiry ask for: kubelet's projected volume of the first days of bound tokens.
const LEGACY_CLIENT_SECONDS: i64 = 3607;
/// What they get.
const EXTENDED_SECONDS: i64 = 365 * 24 * 60 * 60;

/// The claims of a token to be made; the same that are read back.
pub type TokenClaims = BoundClaims;

/// How long a token is good for, and what is said about it (auth.md §3.3). Seconds from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Until `exp`.
    pub signed: i64,
    /// Until `status.expirationTimestamp`.
    pub reported: i64,
    /// Until `warnafter`, if the token carries one.
    pub warn_after: Option<i64>,
}

/// The extension rule: a token of exactly 3607 seconds for a pod and the API server itself is good for a year when the
/// server extends (`extend`), so that clients that never read their token again go on working; using it after those
/// 3607 seconds is noted.
pub fn lifetime(requested: i64, pod_bound: bool, audiences_are_api: bool, extend: bool) -> Lifetime {
    let extended = extend && pod_bound && audiences_are_api && requested == LEGACY_CLIENT_SECONDS;
    Lifetime {
        signed: if extended { EXTENDED_SECONDS } else { requested },
        reported: requested,
        warn_after: extended.then_some(requested),
    }
}

/// The signed token.
pub fn issue(key: &SigningKey, claims: &TokenClaims) -> String {
    let mut own = Map::new();
    own.insert("namespace".to_owned(), Value::from(claims.namespace.as_str()));
    for (name, reference) in [
        ("node", &claims.node),
        ("pod", &claims.pod),
        ("secret", &claims.secret),
    ] {
        if let Some(reference) = reference {
            own.insert(name.to_owned(), reference_claim(reference));
        }
    }
    own.insert(
        "serviceaccount".to_owned(),
        reference_claim(&claims.service_account),
    );
    if let Some(at) = claims.warn_after {
        own.insert("warnafter".to_owned(), Value::from(at));
    }
    let subject = username(&claims.namespace, &claims.service_account.name);
    let entries = [
        ("aud", Some(Value::from(claims.audiences.clone()))),
        ("exp", Some(Value::from(claims.expires))),
        ("iat", claims.issued.map(Value::from)),
        ("iss", Some(Value::from(claims.issuer.as_str()))),
        (
            "jti",
            (!claims.id.is_empty()).then(|| Value::from(claims.id.as_str())),
        ),
        ("kubernetes.io", Some(Value::Object(own))),
        ("nbf", claims.not_before.map(Value::from)),
        ("sub", Some(Value::from(subject))),
    ];
    let entries = entries
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    jwt::sign(key, &entries.collect())
}

fn reference_claim(reference: &Reference) -> Value {
    let mut claim = Map::new();
    claim.insert("name".to_owned(), Value::from(reference.name.as_str()));
    if !reference.uid.is_empty() {
        claim.insert("uid".to_owned(), Value::from(reference.uid.as_str()));
    }
    Value::Object(claim)
}
