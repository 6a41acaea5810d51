//! What is each resource, and what may it become?
//!
//! One file for each resource, one row in one table ([`RESOURCES`]), and pure planners that every resource shares:
//! [`decode`](decode::decode) turns a body into an object, [`plan_create`], [`plan_update`] and [`plan_delete`]
//! decide what is to be stored, [`patch`] makes a new object of a stored one and a patch. Nothing here reads a
//! clock, a file or a random number: [`Context`] brings them.

mod absent;
mod certificate_signing_request;
mod config_map;
mod create;
mod declared;
pub mod decode;
mod delete;
mod event;
mod lease;
mod metadata;
pub mod names;
mod namespace;
mod node;
pub mod options;
pub mod patch;
mod place;
mod pod;
mod printing;
mod rbac;
mod resource;
mod reviews;
mod secret;
pub mod selection;
mod service;
mod service_account;
mod table;
mod tls_pair;
pub mod tree;
mod update;

pub use certificate_signing_request::CERTIFICATE_SIGNING_REQUESTS;
pub use create::{Planned, plan_applied_create, plan_create};
pub use delete::{DeleteOptions, Deletion, Propagation, parse_options as parse_delete_options, plan_delete};
pub use metadata::{FOREGROUND_DELETION, ORPHAN};
pub use namespace::{
    NAMESPACES, NamespacePhase, PROTECTED_NAMESPACES, SYSTEM_NAMESPACES, phase as namespace_phase,
};
pub use node::NODES;
pub use pod::{BINDINGS, EVICTIONS, PODS, quality_of_service};
pub use rbac::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES};
pub use resource::{Context, Resource, StoredAs, Strategy, Subresource};
pub use reviews::{
    LOCAL_SUBJECT_ACCESS_REVIEWS, SELF_SUBJECT_ACCESS_REVIEWS, SELF_SUBJECT_REVIEWS,
    SELF_SUBJECT_RULES_REVIEWS, SUBJECT_ACCESS_REVIEWS, TOKEN_REQUESTS, TOKEN_REVIEWS,
};
pub use secret::MAX_SECRET_SIZE;
pub use service_account::SERVICE_ACCOUNTS;
pub use table::{RESOURCES, find, serves};
pub use tls_pair::TlsPairError;
pub use update::{Change, Outcome, Tracking, Update, VersionError, parse_version, plan_update};
