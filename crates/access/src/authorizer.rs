//! The question asked for every request.

use crate::Attributes;

/// What an authorizer says to a request. A request is served only on [`Decision::Allow`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The request may go on.
    Allow {
        /// Why, for the audit log (`authorization.k8s.io/reason`); may be empty.
        reason: String,
    },
    /// This authorizer knows no rule for the request. If no other one allows it, it is refused.
    NoOpinion {
        /// What kept this authorizer from allowing it, for the 403's message; may be empty
        /// (auth.md §7: the Node authorizer and RBAC explain themselves here).
        reason: String,
    },
    /// The request is refused whatever other authorizers say.
    Deny {
        /// Why; appended to the 403's message.
        reason: String,
    },
}

/// Decides whether a request may be served. Called on the way of every request, so it answers
/// from memory and never waits.
pub trait Authorizer: Send + Sync {
    /// The decision for one request.
    fn authorize(&self, attributes: &Attributes<'_>) -> Decision;
}
