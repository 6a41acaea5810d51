//! What do we serve, in the words of discovery documents and OpenAPI?
//!
//! Pure functions from a table of [`ServedResource`]s and the schema table of `strongroom-objects`
//! to documents: [`legacy`] and [`aggregated`] discovery, [`openapi_v2`] and [`openapi_v3`] as JSON
//! and protobuf. Building is not free (milliseconds); callers keep what they get.

pub mod aggregated;
pub mod legacy;
mod openapi;
pub mod openapi_v2;
pub mod openapi_v3;
mod protobuf;
mod served;
#[cfg(test)]
mod tests;

pub use served::{ServedResource, ServedSubresource, storage_version_hash};
