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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;
    use crate::rbac::{Binding, RoleRef, Subject};

    #[test]
    fn masters_first_then_all_reasons() {
        let mut policy = Policy::default();
        policy.put_binding(Binding {
            name: "b".to_owned(),
            role_ref: RoleRef {
                kind: "ClusterRole".to_owned(),
                name: "gone".to_owned(),
                ..RoleRef::default()
            },
            subjects: vec![Subject {
                kind: "Group".to_owned(),
                name: "system:nodes".to_owned(),
                ..Subject::default()
            }],
            ..Binding::default()
        });
        let graph = NodeGraph::default();
        let node = Identity {
            user: "system:node:n".to_owned(),
            groups: vec!["system:nodes".to_owned()],
            ..Identity::default()
        };
        let secret = |user| Attributes {
            is_resource_request: true,
            resource: "secrets",
            namespace: "ns",
            name: "s",
            ..Attributes::for_path(user, "get", "")
        };
        let reason = "no relationship found between node 'n' and this object\n\
                      RBAC: clusterrole.rbac.authorization.k8s.io \"gone\" not found";
        let refused = Decision::NoOpinion {
            reason: reason.to_owned(),
        };
        assert_eq!(decide(&policy, &graph, &secret(&node)), refused);
        let master = Identity::api_server();
        let chain = Chain {
            policy: &policy,
            graph: &graph,
        };
        assert!(matches!(
            chain.authorize(&secret(&master)),
            Decision::Allow { .. }
        ));
        let someone = Identity::default();
        let silent = Decision::NoOpinion {
            reason: String::new(),
        };
        assert_eq!(chain.authorize(&secret(&someone)), silent);
    }
}
