use std::collections::BTreeMap;

use jiff::Timestamp;
use strongroom_access::Identity;
use strongroom_objects::go_text::quote;

use super::bound::{BoundClaims, Reference, VerifiedBound};
use super::{CREDENTIAL_ID, identity};
use crate::TokenError;
use crate::claims::LEEWAY_SECONDS;

const INVALIDATED: &str = "service account token has been invalidated";

/// What the store says today of an object a token refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveObject {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.deletionTimestamp`.
    pub deletion: Option<Timestamp>,
}

/// What the store holds of a token's references; `None` is "not there". What a token does not refer to is not looked
/// at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// The account itself.
    pub service_account: Option<LiveObject>,
    /// The pod, in the account's namespace.
    pub pod: Option<LiveObject>,
    /// The Secret, in the account's namespace.
    pub secret: Option<LiveObject>,
    /// The node. Not needed for a token with a pod, which only mentions it.
    pub node: Option<LiveObject>,
}

impl BoundClaims {
    /// The node that must still be there: that of a token bound to a node, not the one a pod's token mentions.
    pub fn bound_node(&self) -> Option<&Reference> {
        self.node.as_ref().filter(|_| self.pod.is_none())
    }

    /// The caller this token stands for, if nothing speaks against it.
    fn identity(&self) -> Identity {
        let key = |name: &str| format!("authentication.kubernetes.io/{name}");
        let mut extra = BTreeMap::new();
        let mut put = |key: String, value: &str| {
            if !value.is_empty() {
                extra.insert(key, vec![value.to_owned()]);
            }
        };
        if !self.id.is_empty() {
            put(CREDENTIAL_ID.to_owned(), &format!("JTI={}", self.id));
        }
        for (what, reference) in [("pod", &self.pod), ("node", &self.node)] {
            if let Some(reference) = reference {
                put(key(&format!("{what}-name")), &reference.name);
                put(key(&format!("{what}-uid")), &reference.uid);
            }
        }
        identity(
            &self.namespace,
            &self.service_account.name,
            &self.service_account.uid,
            extra,
        )
    }
}

/// Compares a token with the store: the account and what the token is bound to must be there, with the same uid, and
/// not have been deleting for more than a minute.
///
/// # Errors
/// With the texts of auth.md §3.2.
pub fn check_live(verified: &VerifiedBound, live: &Live, now: Timestamp) -> Result<Identity, TokenError> {
    let claims = verified.claims();
    let account = &claims.service_account;
    match &live.service_account {
        None => {
            let name = quote(&account.name);
            return Err(TokenError::claims(format!("serviceaccounts {name} not found")));
        }
        Some(found) if found.uid != account.uid => {
            let text = format!(
                "service account UID ({}) does not match claim ({})",
                found.uid, account.uid
            );
            return Err(TokenError::claims(text));
        }
        Some(found) if is_gone(found, now) => {
            let text = format!(
                "service account {}/{} has been deleted",
                claims.namespace, account.name
            );
            return Err(TokenError::claims(text));
        }
        Some(_) => {}
    }
    check_bound("secret", claims.secret.as_ref(), live.secret.as_ref(), now)?;
    check_bound("pod", claims.pod.as_ref(), live.pod.as_ref(), now)?;
    check_bound("node", claims.bound_node(), live.node.as_ref(), now)?;
    Ok(claims.identity())
}

/// Value of the audit annotation `authentication.k8s.io/stale-token` for a token that is used after `warnafter`.
pub fn stale_token_annotation(claims: &BoundClaims, now: Timestamp) -> Option<String> {
    let late = now.as_second() - claims.warn_after?;
    let subject = super::username(&claims.namespace, &claims.service_account.name);
    (late > 0).then(|| format!("subject: {subject}, seconds after warning threshold: {late}"))
}

fn check_bound(
    kind: &str,
    claim: Option<&Reference>,
    live: Option<&LiveObject>,
    now: Timestamp,
) -> Result<(), TokenError> {
    let Some(claim) = claim else {
        return Ok(());
    };
    match live {
        None => Err(TokenError::claims(INVALIDATED)),
        Some(found) if found.uid != claim.uid => Err(TokenError::Claims(format!(
            "{kind} UID ({}) does not match service account {kind} ref claim ({})",
            found.uid, claim.uid
        ))),
        Some(found) if is_gone(found, now) => Err(TokenError::claims(INVALIDATED)),
        Some(_) => Ok(()),
    }
}

fn is_gone(object: &LiveObject, now: Timestamp) -> bool {
    let since = object.deletion.map(|since| since.as_second());
    since.is_some_and(|since| since < now.as_second() - LEEWAY_SECONDS)
}
