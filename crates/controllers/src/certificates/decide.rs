//! What is to be done about a request.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};

use strongroom_certificates::{
    CertificateRequest, Issuance, Signer, Unacceptable, Validity, end_of_validity,
};

use crate::certificates::request::SigningRequest;
use crate::object::Item as _;

#[cfg(test)]
mod tests;

/// How long a request stays, in hours: nobody cares for it; it is decided.
const UNTOUCHED: i64 = 24;
const DECIDED: i64 = 1;
/// Somebody may set the clock, so a request is looked at this often even when nothing is due.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing until it changes.
    Keep,
    /// Look at it again after this long.
    Wait(Duration),
    /// Nobody needs it any more.
    Delete,
    /// Approve it if the requester has one of these permissions.
    ApproveIfAllowed(Vec<Automatic>),
    /// Sign it.
    Issue(Box<Issuance>),
    /// Say that it will never be signed.
    Fail(Unacceptable),
}

/// A permission that lets a node's request be approved without a human being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Automatic {
    /// A node renews its own certificate.
    SelfNodeClient,
    /// Somebody asks for a node.
    NodeClient,
}

impl Automatic {
    /// The subresource that the requester must be allowed to create.
    pub fn subresource(self) -> &'static str {
        match self {
            Automatic::SelfNodeClient => "selfnodeclient",
            Automatic::NodeClient => "nodeclient",
        }
    }

    /// What the condition says.
    pub fn message(self) -> &'static str {
        match self {
            Automatic::SelfNodeClient => {
                "Auto approving self kubelet client certificate after SubjectAccessReview."
            }
            Automatic::NodeClient => "Auto approving kubelet client certificate after SubjectAccessReview.",
        }
    }
}

/// Decides about a request. `longest` is for how long the authority's certificates hold at most; without it there is
/// no authority.
pub(super) fn decide(request: &SigningRequest, longest: Option<Duration>, now: Timestamp) -> Action {
    if request.metadata().is_deleting() {
        return Action::Keep;
    }
    let end = end_of_use(request);
    if end.is_some_and(|end| end <= now) {
        return Action::Delete;
    }
    if let Some(action) = next_step(request, longest, now) {
        return action;
    }
    end.map_or(Action::Keep, |end| {
        let remaining = Duration::try_from(end.duration_since(now)).unwrap_or_default();
        Action::Wait(remaining.min(LONGEST_WAIT))
    })
}

/// When nobody needs the request any more.
fn end_of_use(request: &SigningRequest) -> Option<Timestamp> {
    let after = |moment: Option<&str>, hours: i64| {
        let moment: Timestamp = moment?.parse().ok()?;
        moment.checked_add(hours.hours()).ok()
    };
    let decided = |kind| after(request.updated(kind), DECIDED);
    if request.is_untouched() {
        return after(request.metadata().creation_timestamp.as_deref(), UNTOUCHED);
    }
    let certificate = request.certificate();
    let [issued, expired] = if certificate.is_empty() || !request.has("Approved") {
        [None, None]
    } else {
        let expired = end_of_validity(&certificate).and_then(|end| Timestamp::from_second(end).ok());
        [decided("Approved"), expired]
    };
    [decided("Denied"), decided("Failed"), issued, expired]
        .into_iter()
        .flatten()
        .min()
}

fn next_step(request: &SigningRequest, longest: Option<Duration>, now: Timestamp) -> Option<Action> {
    let is_over = request.has("Denied") || request.has("Failed") || !request.certificate().is_empty();
    if is_over {
        return None;
    }
    let signer = Signer::named(request.signer_name())?;
    // Who stores a request has checked it.
    let asked = CertificateRequest::from_pem(&request.request()).ok()?;
    let accepted = signer.accept(&asked, &request.usages());
    if request.has("Approved") {
        let longest = i64::try_from(longest?.as_secs()).unwrap_or(i64::MAX);
        return Some(match accepted {
            Err(reason) => Action::Fail(reason),
            Ok(usages) => Action::Issue(Box::new(Issuance {
                request: asked,
                usages,
                validity: Validity::granted(request.expiration_seconds(), longest, now.as_second()),
            })),
        });
    }
    if signer != Signer::ApiServerClientKubelet || accepted.is_err() {
        return None;
    }
    let mut permissions = vec![Automatic::NodeClient];
    if asked.subject.common_name() == request.username() {
        permissions.insert(0, Automatic::SelfNodeClient);
    }
    Some(Action::ApproveIfAllowed(permissions))
}
