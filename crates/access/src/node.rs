//! What kubelets may do (auth.md §7).
//!
//! [`NodeGraph`] knows which objects the pods of each node use, and lets a node read those alone. [`restrict`] keeps
//! what a node writes to itself and its pods.

mod authorize;
mod graph;
mod references;
mod restriction;

pub use graph::{NodeGraph, Reach};
pub use references::{Referenced, references};
pub use restriction::{NodeWrite, Restriction, restrict};

use crate::Identity;

const USER_PREFIX: &str = "system:node:";
const GROUP: &str = "system:nodes";

/// The name of the node that the user is; empty for a node user without a name, nothing for everybody else.
pub fn node_name(user: &Identity) -> Option<&str> {
    let name = user.user.strip_prefix(USER_PREFIX)?;
    user.is_in(GROUP).then_some(name)
}
