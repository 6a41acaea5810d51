//! What may not be written although the caller may write: rights that the caller does not hold (auth §5.3).

use strongroom_access::rbac::{Binding, Escalation, Role, only_collection_fields_changed};
use strongroom_access::{Attributes, Decision, Identity};
use strongroom_objects::{Object, Status};

use crate::routes::Target;
use crate::server::ApiServer;

const RBAC: &str = "rbac.authorization.k8s.io";

/// Checks a planned write. `old` is `None` for a new object.
///
/// # Errors
/// Mostly 403.
pub(crate) fn check(
    server: &ApiServer,
    user: &Identity,
    target: &Target,
    old: Option<&Object>,
    new: &Object,
) -> Result<(), Box<Status>> {
    if target.resource.group != RBAC || old.is_some_and(|old| only_collection_fields_changed(old, new)) {
        return Ok(());
    }
    match target.resource.plural {
        "roles" | "clusterroles" => check_role(server, user, target, old, new),
        _ => check_binding(server, user, target, old, new),
    }
}

fn check_role(
    server: &ApiServer,
    user: &Identity,
    target: &Target,
    old: Option<&Object>,
    new: &Object,
) -> Result<(), Box<Status>> {
    let read = |object: &Object| Role::from_object(object).map_err(|error| unreadable(&error));
    let (old, new) = (old.map(read).transpose()?, read(new)?);
    let rules = server.0.authorization.rules();
    let may = |asked: &Attributes<'_>| matches!(rules.decide(asked), Decision::Allow { .. });
    rules
        .policy
        .check_role_write(user, old.as_ref(), &new, &may)
        .map_err(|escalation| refusal(target, &new.name, &escalation))
}

fn check_binding(
    server: &ApiServer,
    user: &Identity,
    target: &Target,
    old: Option<&Object>,
    new: &Object,
) -> Result<(), Box<Status>> {
    let read = |object: &Object| Binding::from_object(object).map_err(|error| unreadable(&error));
    let (old, new) = (old.map(read).transpose()?, read(new)?);
    let rules = server.0.authorization.rules();
    let may = |asked: &Attributes<'_>| matches!(rules.decide(asked), Decision::Allow { .. });
    rules
        .policy
        .check_binding_write(user, old.as_ref(), &new, &may)
        .map_err(|escalation| refusal(target, &new.name, &escalation))
}

fn refusal(target: &Target, name: &str, escalation: &Escalation) -> Box<Status> {
    let (group, plural) = (target.resource.group, target.resource.plural);
    Box::new(match escalation {
        Escalation::Forbidden { problem, .. } => Status::forbidden(group, plural, name, problem),
        Escalation::RoleNotFound { name, .. } => Status::not_found(group, plural, name),
        Escalation::UnsupportedRoleKind(_) => Status::unclassified(&escalation.to_string()),
    })
}

fn unreadable(error: &dyn std::fmt::Display) -> Box<Status> {
    Box::new(Status::bad_request(&error.to_string()))
}
