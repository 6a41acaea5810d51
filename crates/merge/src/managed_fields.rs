//! Who owns which field of an object: `metadata.managedFields` and server-side apply (api-conventions §8).

mod apply;
mod error;
mod last_applied;
mod managers;
mod update;

pub use apply::apply;
pub use error::{ApplyConflict, ApplyError};
pub use update::track_update;

use crate::path::PathElement;
use crate::set::Set;

/// Who writes, and when.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// The field manager; an empty one is called `unknown`.
    pub manager: &'a str,
    /// The version the object is written in: `v1`, `apps/v1`.
    pub api_version: &'a str,
    /// `status` and the like; empty for the object itself.
    pub subresource: &'a str,
    /// RFC 3339, whole seconds.
    pub now: &'a str,
}

/// Metadata that belongs to the server or names the object: nobody owns it.
const NEVER_TRACKED_METADATA: [&str; 9] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// Takes the fields out that are never tracked. `metadata` itself is one of them, what else is in it is not.
fn without_never_tracked(mut set: Set) -> Set {
    for field in ["apiVersion", "kind"] {
        set.take_member(&[PathElement::field(field)]);
    }
    let metadata = PathElement::field("metadata");
    set.take_member(std::slice::from_ref(&metadata));
    for field in NEVER_TRACKED_METADATA {
        set.take_member(&[metadata.clone(), PathElement::field(field)]);
    }
    set
}

#[cfg(test)]
mod tests;
