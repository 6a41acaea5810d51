//! Nobody hands on what they do not have (auth.md §5.3).

use std::collections::BTreeSet;
use std::fmt;

use strongroom_objects::Object;
use strongroom_objects::go_text::quote;

use super::{Binding, GROUP, Policy, PolicyRule, Role, compact, missing_rules};
use crate::{Attributes, Identity, group};

#[cfg(test)]
mod tests;

/// A write of a role or binding that would give away more than its author has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Escalation {
    /// 403.
    Forbidden {
        /// `roles`, `clusterroles`, `rolebindings` or `clusterrolebindings`.
        resource: &'static str,
        /// Of the object to be written.
        name: String,
        /// What follows `is forbidden: `.
        problem: String,
    },
    /// 404: the role that the binding names does not exist.
    RoleNotFound {
        /// `rolebindings` or `clusterrolebindings`: Kubernetes names the binding's resource with the role's name.
        resource: &'static str,
        /// Of the missing role.
        name: String,
    },
    /// 500 without a reason: the binding's roleRef is of this kind, which is no role.
    UnsupportedRoleKind(String),
}

/// The message of the Status.
impl fmt::Display for Escalation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Escalation::Forbidden {
                resource,
                name,
                problem,
            } => write!(f, "{resource}.{GROUP} {} is forbidden: {problem}", quote(name)),
            Escalation::RoleNotFound { resource, name } => {
                write!(f, "{resource}.{GROUP} {} not found", quote(name))
            }
            Escalation::UnsupportedRoleKind(kind) => {
                write!(f, "unsupported role reference kind: {}", quote(kind))
            }
        }
    }
}

impl std::error::Error for Escalation {}

impl Escalation {
    /// The HTTP status.
    pub fn code(&self) -> u16 {
        match self {
            Escalation::Forbidden { .. } => 403,
            Escalation::RoleNotFound { .. } => 404,
            Escalation::UnsupportedRoleKind(_) => 500,
        }
    }
}

impl Policy {
    /// Whether `user` may write the role: they hold all of its rules in its scope already, or may `escalate`. A write
    /// that leaves the role as it is needs nothing. `may` asks the whole chain of authorizers; it is called at most
    /// once.
    ///
    /// # Errors
    /// [`Escalation::Forbidden`].
    pub fn check_role_write(
        &self,
        user: &Identity,
        old: Option<&Role>,
        new: &Role,
        may: &dyn Fn(&Attributes<'_>) -> bool,
    ) -> Result<(), Escalation> {
        if user.is_in(group::MASTERS) || old == Some(new) {
            return Ok(());
        }
        let escalate = Attributes {
            namespace: &new.namespace,
            resource: new.resource(),
            // A create carries no name in its URL, and Kubernetes asks about the URL.
            name: if old.is_some() { &new.name } else { "" },
            ..asking(user, "escalate")
        };
        if may(&escalate) {
            return Ok(());
        }
        let forbidden = |problem| Escalation::Forbidden {
            resource: new.resource(),
            name: new.name.clone(),
            problem,
        };
        let gathers_anything = new.is_aggregating() || old.is_some_and(Role::is_aggregating);
        if gathers_anything && self.problem(user, "", &full_authority()).is_some() {
            let problem = "must have cluster-admin privileges to use the aggregationRule";
            return Err(forbidden(problem.to_owned()));
        }
        match self.problem(user, &new.namespace, &new.rules) {
            Some(problem) => Err(forbidden(problem)),
            None => Ok(()),
        }
    }

    /// Whether `user` may write the binding: they may `bind` the role, or hold all of its rules in the binding's
    /// scope. A write that leaves the binding as it is needs nothing. `may` asks the whole chain of authorizers; it
    /// is called at most once.
    ///
    /// # Errors
    /// Any [`Escalation`].
    pub fn check_binding_write(
        &self,
        user: &Identity,
        old: Option<&Binding>,
        new: &Binding,
        may: &dyn Fn(&Attributes<'_>) -> bool,
    ) -> Result<(), Escalation> {
        if user.is_in(group::MASTERS) || old == Some(new) {
            return Ok(());
        }
        let resource = match new.role_ref.kind.as_str() {
            "Role" => "roles",
            "ClusterRole" => "clusterroles",
            other => return Err(Escalation::UnsupportedRoleKind(other.to_owned())),
        };
        let bind = Attributes {
            namespace: &new.namespace,
            resource,
            name: &new.role_ref.name,
            ..asking(user, "bind")
        };
        if may(&bind) {
            return Ok(());
        }
        let Ok(rules) = self.rules_of(new) else {
            return Err(Escalation::RoleNotFound {
                resource: new.resource(),
                name: new.role_ref.name.clone(),
            });
        };
        match self.problem(user, &new.namespace, rules) {
            Some(problem) => Err(Escalation::Forbidden {
                resource: new.resource(),
                name: new.name.clone(),
                problem,
            }),
            None => Ok(()),
        }
    }

    /// What keeps the user from handing on the rules, if anything.
    fn problem(&self, user: &Identity, namespace: &str, rules: &[PolicyRule]) -> Option<String> {
        let held = self.rules_for(user, namespace);
        let missing = missing_rules(&held.rules, rules);
        if missing.is_empty() {
            return None;
        }
        let lines: BTreeSet<String> = compact(missing).iter().map(PolicyRule::to_string).collect();
        let lines: Vec<String> = lines.into_iter().collect();
        let groups: Vec<String> = user.groups.iter().map(|group| quote(group)).collect();
        let mut problem = format!(
            "user {} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            quote(&user.user),
            groups.join(" "),
            lines.join("\n")
        );
        if !held.errors.is_empty() {
            problem.push_str(&format!("; resolution errors: [{}]", held.error_text()));
        }
        Some(problem)
    }
}

/// Whether an update touches nothing but what garbage collection needs (finalizers and owner references), which asks
/// for no authority (auth.md §5.3).
pub fn only_collection_fields_changed(old: &Object, new: &Object) -> bool {
    let mut like_old = new.clone();
    like_old.metadata.finalizers.clone_from(&old.metadata.finalizers);
    like_old
        .metadata
        .owner_references
        .clone_from(&old.metadata.owner_references);
    like_old
        .metadata
        .managed_fields
        .clone_from(&old.metadata.managed_fields);
    like_old
        .metadata
        .resource_version
        .clone_from(&old.metadata.resource_version);
    like_old == *old
}

fn asking<'a>(user: &'a Identity, verb: &'a str) -> Attributes<'a> {
    Attributes {
        is_resource_request: true,
        api_group: GROUP,
        api_version: "*",
        ..Attributes::for_path(user, verb, "")
    }
}

fn full_authority() -> [PolicyRule; 2] {
    let all = || vec!["*".to_owned()];
    [
        PolicyRule {
            verbs: all(),
            api_groups: all(),
            resources: all(),
            ..PolicyRule::default()
        },
        PolicyRule {
            verbs: all(),
            non_resource_urls: all(),
            ..PolicyRule::default()
        },
    ]
}
