//! The authorizers in their order.

use crate::node::NodeGraph;
use crate::rbac::Policy;
use crate::{Attributes, Authorizer, Decision, group};

/// Masters, then the Node authorizer, then RBAC (auth.md §2, §7). Borrows what the shell keeps behind its lock.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a> {
    /// Roles and bindings.
    pub policy: &'a Policy,
    /// Which pods run where and what they use.
    pub graph: &'a NodeGraph,
}

/// Decides a request: everything for masters; otherwise the first opinion counts, and without one all reasons are
/// given, one to a line.
pub fn decide(policy: &Policy, graph: &NodeGraph, attributes: &Attributes<'_>) -> Decision {
    if attributes.user.is_in(group::MASTERS) {
        return Decision::Allow {
            reason: String::new(),
        };
    }
    let node = match graph.authorize(attributes) {
        Decision::NoOpinion { reason } => reason,
        opinion => return opinion,
    };
    match policy.authorize(attributes) {
        Decision::NoOpinion { reason } => Decision::NoOpinion {
            reason: joined(node, reason),
        },
        opinion => opinion,
    }
}

impl Authorizer for Chain<'_> {
    fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        decide(self.policy, self.graph, attributes)
    }
}

fn joined(first: String, second: String) -> String {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second,
        (_, true) => first,
        _ => format!("{first}\n{second}"),
    }
}
