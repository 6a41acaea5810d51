//! A node writes what is its own (auth §7.3): the rules are `access::node::restrict`.

use strongroom_access::Identity;
use strongroom_access::node::{NodeWrite, node_name, restrict};
use strongroom_objects::{Object, Status};

use super::{PlannedWrite, shown_name};
use crate::routes::Target;

/// Checks a planned write of a node; everybody else's passes.
pub(super) fn check(write: &PlannedWrite<'_>) -> Result<(), Box<Status>> {
    let verb = match (write.old, write.new) {
        (None, _) => "create",
        (_, None) => "delete",
        _ => "update",
    };
    refuse_others(
        write.user,
        write.target,
        &NodeWrite {
            object: write.new,
            old: write.old,
            ..node_write(write.target, verb)
        },
    )
}

/// A request of a node that creates nothing by its own name: a token, a binding, an eviction.
pub(crate) struct NodeRequest<'a> {
    pub user: &'a Identity,
    pub target: &'a Target,
    /// What was sent.
    pub object: &'a Object,
    /// The stored pod that it speaks of, if it exists.
    pub pod: Option<&'a Object>,
}

/// Checks such a request; everybody else's passes.
///
/// # Errors
/// 403 when it reaches beyond the node and its pods.
pub(crate) fn check_node_request(request: &NodeRequest<'_>) -> Result<(), Box<Status>> {
    refuse_others(
        request.user,
        request.target,
        &NodeWrite {
            object: Some(request.object),
            pod: request.pod,
            ..node_write(request.target, "create")
        },
    )
}

fn node_write<'a>(target: &'a Target, verb: &'a str) -> NodeWrite<'a> {
    NodeWrite {
        verb,
        api_group: target.resource.group,
        resource: target.resource.plural,
        subresource: &target.subresource,
        namespace: &target.namespace,
        name: &target.name,
        object: None,
        old: None,
        pod: None,
    }
}

fn refuse_others(user: &Identity, target: &Target, write: &NodeWrite<'_>) -> Result<(), Box<Status>> {
    let Some(node) = node_name(user) else {
        return Ok(());
    };
    restrict(node, write).map_err(|restriction| {
        let name = match (target.name.as_str(), write.object) {
            ("", Some(object)) => shown_name(object),
            (name, _) => name,
        };
        Box::new(Status::forbidden(
            target.resource.group,
            target.resource.plural,
            name,
            &restriction.to_string(),
        ))
    })
}
