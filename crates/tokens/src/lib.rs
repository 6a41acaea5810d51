//! Whose is this token, and how is one made?
//!
//! Pure: tokens, keys, objects and `now` come as arguments, identities and texts come back. The order in which a bearer
//! token is tried is `../shared/spec/auth.md` §2:
//!
//! 1. [`static_file`]: tokens listed in a file;
//! 2. [`service_account`]: legacy and bound service-account tokens, in two steps: what the token itself proves
//!    (`verify`), and what the store must still hold (`check_live`);
//! 3. [`bootstrap`]: `id.secret` of a Secret in `kube-system`;
//! 4. [`structured`]: JWTs of outside issuers, whose keys the crate `oidc` fetches.
//!
//! `Ok(None)` everywhere means "not a token of this kind, ask the next"; an error means "of this kind, and refused".

pub mod bootstrap;
pub mod cache;
mod claims;
mod error;
pub mod jwks;
pub mod jwt;
pub mod keys;
pub mod service_account;
pub mod static_file;
pub mod structured;
#[cfg(test)]
mod testkit;

pub use error::TokenError;

/// The group of everybody who proved who they are (auth.md §2).
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
