//! Kubernetes' protobuf: the form objects are stored in and that many clients speak.
//!
//! Messages are written byte for byte as the generated Go code writes them: fields in order of their numbers,
//! non-pointer fields even when empty, maps sorted by key. Clients with the same object thus produce the same bytes,
//! and a no-op update is one whose bytes do not change.

mod decode;
mod encode;
mod envelope;
#[cfg(test)]
mod tests;
mod transcode;
mod wire;

pub use decode::decode;
pub use encode::encode;
pub use envelope::{
    Envelope, MAGIC, only_fields, only_metadata, open_envelope, set_resource_version, write_envelope,
};
pub use transcode::transcode_json;

/// Why bytes are not a message. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes break off, or a length leads beyond their end.
    #[error("unexpected EOF")]
    Truncated,
    /// A number of more than 64 bits.
    #[error("proto: integer overflow")]
    Overflow,
    /// A field number or wire type that does not exist.
    #[error("proto: illegal tag {0}")]
    IllegalTag(u64),
    /// A known field has a wire type that does not fit it.
    #[error("proto: wrong wireType for field {0}")]
    WireType(&'static str),
    /// A string is not UTF-8.
    #[error("proto: field {0} contains invalid UTF-8")]
    InvalidUtf8(&'static str),
    /// A field that holds JSON holds something else.
    #[error("proto: field {0} does not hold JSON")]
    InvalidJson(&'static str),
    /// A time before year 1 or after 9999.
    #[error("proto: field {0} holds a time out of range")]
    InvalidTime(&'static str),
    /// Nested too deep.
    #[error("proto: exceeded max depth")]
    TooDeep,
    /// The tree would take too much memory.
    #[error("proto: the message is too complex: decoding it would take too much memory")]
    TooComplex,
    /// Not preceded by `k8s\0`.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    NoEnvelope,
}

/// Why a tree is not an object of its type. Trees that passed [`crate::conform`] always encode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A value of the wrong type.
    #[error("{path}: expected {expected}")]
    WrongType {
        /// The field.
        path: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// Nested too deep.
    #[error("exceeded max depth")]
    TooDeep,
}
