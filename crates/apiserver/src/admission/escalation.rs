//! Who writes a role or a binding must hold the rights that it gives (auth §5.3).

use strongroom_access::rbac::{Binding, Escalation, MalformedPolicy, Role, only_collection_fields_changed};
use strongroom_access::{Attributes, Decision, Identity};
use strongroom_objects::{Object, Status};

use crate::routes::Target;
use crate::server::ApiServer;

/// Checks a planned write of a role or binding. `old` is `None` for a new object.
///
/// # Errors
/// Mostly 403.
pub(super) fn check(
    server: &ApiServer,
    user: &Identity,
    target: &Target,
    old: Option<&Object>,
    new: &Object,
) -> Result<(), Box<Status>> {
    if old.is_some_and(|old| only_collection_fields_changed(old, new)) {
        return Ok(());
    }
    let rules = server.0.authorization.rules();
    let may = |asked: &Attributes<'_>| matches!(rules.decide(asked), Decision::Allow { .. });
    let checked = match target.resource.plural {
        "roles" | "clusterroles" => {
            let (old, new) = read(Role::from_object, old, new)?;
            rules.policy.check_role_write(user, old.as_ref(), &new, &may)
        }
        _ => {
            let (old, new) = read(Binding::from_object, old, new)?;
            rules.policy.check_binding_write(user, old.as_ref(), &new, &may)
        }
    };
    checked.map_err(|escalation| refusal(target, &new.metadata.name, &escalation))
}

/// Both versions, understood.
fn read<T>(
    understand: impl Fn(&Object) -> Result<T, MalformedPolicy>,
    old: Option<&Object>,
    new: &Object,
) -> Result<(Option<T>, T), Box<Status>> {
    let read = |object| understand(object).map_err(|error| Box::new(Status::bad_request(&error.to_string())));
    Ok((old.map(read).transpose()?, read(new)?))
}

fn refusal(target: &Target, name: &str, escalation: &Escalation) -> Box<Status> {
    let (group, plural) = (target.resource.group, target.resource.plural);
    Box::new(match escalation {
        Escalation::Forbidden { problem, .. } => Status::forbidden(group, plural, name, problem),
        Escalation::RoleNotFound { name, .. } => Status::not_found(group, plural, name),
        Escalation::UnsupportedRoleKind(_) => Status::unclassified(&escalation.to_string()),
    })
}
