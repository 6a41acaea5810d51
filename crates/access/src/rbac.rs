//! Roles and bindings: who may do what (auth.md §5).
//!
//! [`Policy`] holds all of them, indexed by subject, and decides. The rest explains and protects it: what a caller
//! may hand on ([`Escalation`]), what roles are made of ([`aggregate`]), why somebody may or may not
//! ([`Explanation`]).

mod aggregation;
mod covering;
mod escalation;
mod explain;
mod found;
mod matching;
mod model;
mod policy;

pub use aggregation::aggregate;
pub use covering::{compact, missing_rules};
pub use escalation::{Escalation, only_collection_fields_changed};
pub use explain::{Explanation, Grant, Mismatch, NearMiss};
pub use found::Found;
pub use matching::rule_allows;
pub use model::{
    Binding, LabelSelector, LabelSelectorRequirement, MalformedPolicy, PolicyRule, Role, RoleRef, Subject,
};
pub use policy::Policy;

/// The API group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";
