//! How a write becomes an object: the four patch types and the ownership of fields.
//!
//! Everything here is a pure function over objects in JSON form.
//!
//! - [`json_patch`], [`merge_patch`], [`strategic_merge_patch`]: a patch applied to a document
//!   (api-conventions §7).
//! - [`managed_fields`]: server-side apply, and who owns which field after any write (api-conventions §8).

mod combine;
mod compare;
mod error;
mod json_patch;
pub mod managed_fields;
mod merge_patch;
mod path;
mod set;
mod shape;
mod strategic;
mod typed;

pub use error::PatchError;
pub use json_patch::{MAX_OPERATIONS, json_patch};
pub use merge_patch::merge_patch;
pub use strategic::strategic_merge_patch;
