//! What does the container runtime speak? The Container Runtime Interface, `runtime.v1`, as a client.
//!
//! Messages are written by hand, with the field numbers of Kubernetes' `api.proto`: a few dozen are used, and nothing
//! has to be generated. Every call has its own time limit, and every error names its call. Values of environment
//! variables and credentials are not in any `Debug`.

mod client;
mod error;
mod exits;
pub mod messages;

pub use client::{Runtime, socket_of};
pub use error::Error;
