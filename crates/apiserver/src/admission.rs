//! What is asked of a write beside its object's own rules: what a new pod gets from its service account, who asks for a
//! certificate and who may give it, which rights an author may give away, and what a node must leave alone.

mod certificates;
mod escalation;
mod node_restriction;
mod service_account;

use strongroom_access::Identity;
use strongroom_objects::{Object, Status};
use strongroom_resources::{CERTIFICATE_SIGNING_REQUESTS, ROLES};

use crate::routes::Target;
use crate::server::ApiServer;

pub(crate) use node_restriction::{NodeRequest, check_node_request};

/// A write that has been planned and not yet committed.
pub(crate) struct PlannedWrite<'a> {
    pub user: &'a Identity,
    pub target: &'a Target,
    /// What is stored; nothing before a create.
    pub old: Option<&'a Object>,
    /// What is to be stored; nothing after a delete.
    pub new: Option<&'a Object>,
}

/// Gives a new object what it gets from others, before it is planned.
///
/// # Errors
/// 403 when what it asks for is not there or not for it.
pub(crate) async fn complete(
    server: &ApiServer,
    user: &Identity,
    target: &Target,
    object: &mut Object,
) -> Result<(), Box<Status>> {
    match (target.resource.group, target.resource.plural) {
        ("", "pods") => service_account::complete(server, target, object).await?,
        (group, _) if group == CERTIFICATE_SIGNING_REQUESTS.group => certificates::complete(user, object),
        _ => {}
    }
    Ok(())
}

/// Whether a planned write may be committed.
///
/// # Errors
/// Mostly 403.
pub(crate) fn check(server: &ApiServer, write: &PlannedWrite<'_>) -> Result<(), Box<Status>> {
    node_restriction::check(write)?;
    match (write.target.resource.group, write.new) {
        (group, Some(new)) if group == ROLES.group => {
            escalation::check(server, write.user, write.target, write.old, new)
        }
        (group, _) if group == CERTIFICATE_SIGNING_REQUESTS.group => certificates::check(server, write),
        _ => Ok(()),
    }
}

/// How an object without a name is called in a message.
fn shown_name(object: &Object) -> &str {
    let metadata = &object.metadata;
    [metadata.name.as_str(), metadata.generate_name.as_str()]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or("Unknown")
}
