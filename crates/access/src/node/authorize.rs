//! The Node authorizer's decisions (auth.md §7.1).

use std::sync::LazyLock;

use strongroom_objects::FieldSelector;

use super::{NodeGraph, Referenced, node_name};
use crate::rbac::{PolicyRule, rule_allows};
use crate::{Attributes, Authorizer, Decision, defaults};

#[cfg(test)]
mod tests;

/// What every node may do, whatever runs on it: the rules of `system:node`.
static STATIC_RULES: LazyLock<Vec<PolicyRule>> = LazyLock::new(defaults::node_rules);

const LEASE_NAMESPACE: &str = "kube-node-lease";

/// `Ok` allows; the text is the reason for having no opinion.
type Opinion = Result<(), String>;

impl NodeGraph {
    /// Decides a request of a kubelet; has no opinion on anybody else's.
    pub fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        let opinion = match node_name(attributes.user) {
            None => Err(String::new()),
            Some("") => Err(format!("unknown node for user \"{}\"", attributes.user.user)),
            Some(node) => self.opinion(node, attributes),
        };
        match opinion {
            Ok(()) => Decision::Allow {
                reason: String::new(),
            },
            Err(reason) => Decision::NoOpinion { reason },
        }
    }

    fn opinion(&self, node: &str, attributes: &Attributes<'_>) -> Opinion {
        if !attributes.is_resource_request {
            return by_static_rules(attributes);
        }
        match (attributes.api_group, attributes.resource) {
            ("", "secrets") => self.read(node, Referenced::Secret, attributes),
            ("", "configmaps") => self.read(node, Referenced::ConfigMap, attributes),
            ("", "serviceaccounts") => self.service_account(node, attributes),
            ("", "persistentvolumeclaims") if attributes.subresource == "status" => {
                if !matches!(attributes.verb, "update" | "patch") {
                    return no("can only get/update/patch this type");
                }
                self.related(node, Referenced::PersistentVolumeClaim, attributes)
            }
            ("", "persistentvolumeclaims") => self.get(node, Referenced::PersistentVolumeClaim, attributes),
            ("resource.k8s.io", "resourceclaims") => self.get(node, Referenced::ResourceClaim, attributes),
            // Persistent volumes and attachments are not kept here, so no node is related to any.
            ("", "persistentvolumes") | ("storage.k8s.io", "volumeattachments") => {
                individual(attributes)?;
                Err(unrelated(node))
            }
            ("", "nodes") => own_node(node, attributes),
            ("", "pods") => self.pod(node, attributes),
            ("coordination.k8s.io", "leases") => lease(node, attributes),
            ("storage.k8s.io", "csinodes") => csi_node(node, attributes),
            _ => by_static_rules(attributes),
        }
    }

    fn read(&self, node: &str, kind: Referenced, attributes: &Attributes<'_>) -> Opinion {
        if !matches!(attributes.verb, "get" | "list" | "watch") {
            return no("can only read resources of this type");
        }
        if !attributes.subresource.is_empty() {
            return no("cannot read subresource");
        }
        if attributes.namespace.is_empty() {
            return no("can only read namespaced object of this type");
        }
        self.related(node, kind, attributes)
    }

    fn get(&self, node: &str, kind: Referenced, attributes: &Attributes<'_>) -> Opinion {
        individual(attributes)?;
        self.related(node, kind, attributes)
    }

    fn service_account(&self, node: &str, attributes: &Attributes<'_>) -> Opinion {
        let reads = attributes.verb == "get" && attributes.subresource.is_empty();
        if !reads {
            if attributes.verb != "create" || attributes.name.is_empty() {
                return no("can only create tokens for individual service accounts");
            }
            if attributes.subresource != "token" {
                return no("can only create token subresource of serviceaccount");
            }
        }
        self.related(node, Referenced::ServiceAccount, attributes)
    }

    fn related(&self, node: &str, kind: Referenced, attributes: &Attributes<'_>) -> Opinion {
        if attributes.name.is_empty() {
            return no("No Object name found");
        }
        if self.reaches(node, kind, attributes.namespace, attributes.name) {
            return Ok(());
        }
        Err(unrelated(node))
    }

    fn pod(&self, node: &str, attributes: &Attributes<'_>) -> Opinion {
        let on_node = || {
            if attributes.name.is_empty() {
                return no("No Object name found");
            }
            if self.runs(node, attributes.namespace, attributes.name) {
                return Ok(());
            }
            Err(unrelated(node))
        };
        match (attributes.verb, attributes.subresource) {
            ("get", "") => on_node(),
            ("list" | "watch", "") if selects_node(attributes, node) => Ok(()),
            ("list" | "watch", "") if !attributes.name.is_empty() => on_node(),
            ("list" | "watch", "") => no("can only list/watch pods with spec.nodeName field selector"),
            _ => by_static_rules(attributes),
        }
    }
}

impl Authorizer for NodeGraph {
    fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        NodeGraph::authorize(self, attributes)
    }
}

fn own_node(node: &str, attributes: &Attributes<'_>) -> Opinion {
    match (attributes.verb, attributes.subresource, attributes.name) {
        ("get" | "list" | "watch", "", "") => Err(format!(
            "node '{node}' cannot read all nodes, only its own Node object"
        )),
        ("get" | "list" | "watch", "", name) if name != node => Err(format!(
            "node '{node}' cannot read '{name}', only its own Node object"
        )),
        _ => by_static_rules(attributes),
    }
}

fn lease(node: &str, attributes: &Attributes<'_>) -> Opinion {
    if !matches!(attributes.verb, "get" | "create" | "update" | "patch" | "delete") {
        return no("can only get, create, update, patch, or delete a node lease");
    }
    if attributes.namespace != LEASE_NAMESPACE {
        return Err(format!(
            "can only access leases in the \"{LEASE_NAMESPACE}\" system namespace"
        ));
    }
    // A create carries no name; admission looks at the object.
    if attributes.verb != "create" && attributes.name != node {
        return no("can only access node lease with the same name as the requesting node");
    }
    Ok(())
}

fn csi_node(node: &str, attributes: &Attributes<'_>) -> Opinion {
    if !matches!(attributes.verb, "get" | "create" | "update" | "patch" | "delete") {
        return no("can only get, create, update, patch, or delete a CSINode");
    }
    if !attributes.subresource.is_empty() {
        return no("cannot authorize CSINode subresources");
    }
    if attributes.verb != "create" && attributes.name != node {
        return no("can only access CSINode with the same name as the requesting node");
    }
    Ok(())
}

fn individual(attributes: &Attributes<'_>) -> Opinion {
    if attributes.verb != "get" {
        return no("can only get individual resources of this type");
    }
    if !attributes.subresource.is_empty() {
        return no("cannot get subresource");
    }
    Ok(())
}

fn by_static_rules(attributes: &Attributes<'_>) -> Opinion {
    if STATIC_RULES.iter().any(|rule| rule_allows(rule, attributes)) {
        return Ok(());
    }
    Err(String::new())
}

fn selects_node(attributes: &Attributes<'_>, node: &str) -> bool {
    let selector = attributes.field_selector.map(FieldSelector::parse);
    matches!(selector, Some(Ok(selector)) if selector.requires("spec.nodeName") == Some(node))
}

fn unrelated(node: &str) -> String {
    format!("no relationship found between node '{node}' and this object")
}

fn no(reason: &str) -> Opinion {
    Err(reason.to_owned())
}
