//! Who is calling, and what may they do?
//!
//! Everything here is pure: certificates, identities and decisions are computed from their
//! arguments alone. The shell (`strongroom-apiserver`) reads the peer's certificate from TLS,
//! builds [`Attributes`] for every request and asks the [`Authorizer`] before it does anything else.

mod attributes;
mod authorizer;
mod chain;
pub mod defaults;
mod front_proxy;
mod identity;
pub mod impersonation;
mod masters;
pub mod node;
pub mod rbac;
pub mod review;

pub use attributes::{Attributes, forbidden_message};
pub use authorizer::{Authorizer, Decision};
pub use chain::{Chain, decide};
pub use front_proxy::FrontProxyHeaders;
pub use identity::{CertificateError, Identity, group, user};
pub use masters::MastersOnly;
