//! Roles and bindings (rbac.authorization.k8s.io): `../shared/spec/auth.md` §5.1. What they mean is decided by the
//! crate `strongroom-access`; here is only what they may look like.

mod bindings;
mod roles;

pub use bindings::{CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS};
pub use roles::{CLUSTER_ROLES, ROLES};

/// The API group, which subjects and references name, too.
const GROUP: &str = "rbac.authorization.k8s.io";

#[cfg(test)]
mod tests;
