use std::sync::Arc;

use jiff::Timestamp;
use strongroom_objects::Map;

use super::split_username;
use crate::TokenError;
use crate::claims::{self, LEEWAY_SECONDS};
use crate::jwt;
use crate::keys::VerifyingKeys;

/// A named object with the uid it had when the token was made. The uid is empty for a node that did not exist then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
}

/// The claims of a bound token whose signature holds (auth.md §3.1). Times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BoundClaims {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audiences: Vec<String>,
    /// `exp`.
    pub expires: i64,
    /// `iat`.
    pub issued: Option<i64>,
    /// `nbf`.
    pub not_before: Option<i64>,
    /// `jti`; empty in tokens of old servers.
    pub id: String,
    /// Namespace of the account and of what the token is bound to.
    pub namespace: String,
    /// The account.
    pub service_account: Reference,
    /// The pod the token ends with.
    pub pod: Option<Reference>,
    /// The Secret the token ends with.
    pub secret: Option<Reference>,
    /// With a pod: where it runs. Without: the node the token ends with.
    pub node: Option<Reference>,
    /// From here on using the token is worth a note in the audit log.
    pub warn_after: Option<i64>,
}

/// A bound token that is good as far as the token itself can tell. Only [`check_claims`] makes one; the store is still
/// to be asked, by [`super::check_live`].
#[derive(Debug, Clone)]
pub struct VerifiedBound {
    claims: Arc<BoundClaims>,
    audiences: Vec<String>,
}

impl VerifiedBound {
    /// What the token says.
    pub fn claims(&self) -> &BoundClaims {
        &self.claims
    }

    /// Those of the wanted audiences that the token is for, for TokenReview's `status.audiences`.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }
}

/// Checks the signature and reads the claims. `Ok(None)`: not a bound service-account token of one of `issuers`, ask
/// the next authenticator.
///
/// The result depends on the token, the keys and the issuers alone, so it may be remembered for as long as those are
/// the same.
///
/// # Errors
/// [`TokenError::NoKeys`], [`TokenError::Signature`], [`TokenError::Malformed`] or [`TokenError::Claims`].
pub fn prove(
    token: &str,
    keys: &VerifyingKeys,
    issuers: &[String],
) -> Result<Option<BoundClaims>, TokenError> {
    match jwt::unproven_issuer(token) {
        Some(issuer) if issuers.contains(&issuer) => read(jwt::parse(token)?.verify(keys)?).map(Some),
        _ => Ok(None),
    }
}

/// Checks times, with a minute of leeway, and audiences.
///
/// `audiences` are the API server's, or those a TokenReview asks for.
///
/// # Errors
/// With the texts of auth.md §3.2.
pub fn check_claims(
    claims: Arc<BoundClaims>,
    now: Timestamp,
    audiences: &[String],
) -> Result<VerifiedBound, TokenError> {
    still_good(&claims, now, audiences)?;
    let wanted = audiences
        .iter()
        .filter(|wanted| claims.audiences.contains(wanted));
    let both = wanted.cloned().collect();
    Ok(VerifiedBound {
        claims,
        audiences: both,
    })
}

/// What [`check_claims`] checks, for whoever has seen the result before.
///
/// # Errors
/// As [`check_claims`].
pub fn still_good(claims: &BoundClaims, now: Timestamp, audiences: &[String]) -> Result<(), TokenError> {
    let now = now.as_second();
    if now - LEEWAY_SECONDS > claims.expires {
        return Err(TokenError::Expired);
    }
    if claims.not_before.is_some_and(|from| now + LEEWAY_SECONDS < from) {
        return Err(TokenError::NotYetValid);
    }
    if claims.issued.is_some_and(|from| now + LEEWAY_SECONDS < from) {
        return Err(TokenError::IssuedInTheFuture);
    }
    if !audiences.iter().any(|wanted| claims.audiences.contains(wanted)) {
        return Err(TokenError::Audiences {
            token: claims.audiences.clone(),
            target: audiences.to_vec(),
        });
    }
    Ok(())
}

/// [`prove`] and [`check_claims`] together, for a caller without a cache.
///
/// # Errors
/// As those two.
pub fn verify(
    token: &str,
    now: Timestamp,
    keys: &VerifyingKeys,
    issuers: &[String],
    audiences: &[String],
) -> Result<Option<VerifiedBound>, TokenError> {
    let claims = prove(token, keys, issuers)?;
    claims
        .map(|claims| check_claims(Arc::new(claims), now, audiences))
        .transpose()
}

fn read(claims: Map) -> Result<BoundClaims, TokenError> {
    let own = claims::map(&claims, "kubernetes.io")?;
    let own = own.ok_or_else(|| TokenError::claims("kubernetes.io claim is missing"))?;
    let namespace = claims::text(own, "namespace")?;
    let service_account = reference(own, "serviceaccount")?;
    let service_account =
        service_account.ok_or_else(|| TokenError::claims("serviceaccount claim is missing"))?;
    let subject = claims::text(&claims, "sub")?;
    if split_username(&subject) != Some((namespace.as_str(), service_account.name.as_str())) {
        return Err(TokenError::claims("sub claim is invalid"));
    }
    let expires = claims::seconds(&claims, "exp")?;
    Ok(BoundClaims {
        issuer: claims::text(&claims, "iss")?,
        audiences: claims::audiences(&claims)?,
        expires: expires.ok_or_else(|| TokenError::claims("exp claim is missing"))?,
        issued: claims::seconds(&claims, "iat")?,
        not_before: claims::seconds(&claims, "nbf")?,
        id: claims::text(&claims, "jti")?,
        pod: reference(own, "pod")?,
        secret: reference(own, "secret")?,
        node: reference(own, "node")?,
        warn_after: claims::seconds(own, "warnafter")?,
        namespace,
        service_account,
    })
}

fn reference(claims: &Map, name: &'static str) -> Result<Option<Reference>, TokenError> {
    let Some(reference) = claims::map(claims, name)? else {
        return Ok(None);
    };
    let reference = Reference {
        name: claims::text(reference, "name")?,
        uid: claims::text(reference, "uid")?,
    };
    if reference.name.is_empty() {
        return Err(TokenError::claims(format!("{name} claim has no name")));
    }
    Ok(Some(reference))
}
