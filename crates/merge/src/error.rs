//! What can be wrong with a patch, sorted by who has to act and by the HTTP status the answer carries.

use thiserror::Error;

/// Why a JSON patch or a strategic merge patch was refused (api-conventions §7).
///
/// No text carries a value of the patch or of the patched object; keys and paths may appear.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatchError {
    /// The patch itself is not well-formed: 400.
    #[error("error decoding patch: {0}")]
    Malformed(String),
    /// A JSON patch with more operations than are allowed: 413.
    #[error("The allowed maximum operations in a JSON patch is {limit}, got {0}", limit = crate::json_patch::MAX_OPERATIONS)]
    TooManyOperations(usize),
    /// A well-formed patch that does not fit the object (a failed `test`, a missing parent): 422.
    #[error("{0}")]
    Failed(String),
    /// A strategic merge patch that asks for what cannot be done (an unknown `$patch`, an element
    /// without its merge key): 500 with an empty reason, as clients know it.
    #[error("{0}")]
    Unsupported(String),
}
