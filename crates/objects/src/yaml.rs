//! YAML in and out, with the scalars of YAML 1.1 as Kubernetes' YAML library has them (secrets.md §1).
//!
//! Only the first document of a stream counts. Aliases are expanded within the memory limit; anchors that contain
//! themselves are refused.

mod builder;
mod scalar;
#[cfg(test)]
mod tests;
mod writer;

pub use writer::write;

use crate::json::{self, Limits, ParseError, Parsed};

/// Reads the first document. A text that begins with `{` and is JSON is read as JSON.
pub fn parse(body: &[u8], limits: &Limits) -> Result<Parsed, ParseError> {
    if body.trim_ascii_start().starts_with(b"{") {
        match json::parse(body, limits) {
            Err(ParseError::Character { .. } | ParseError::UnexpectedEnd) => {}
            answer => return answer,
        }
    }
    builder::parse(&String::from_utf8_lossy(body), limits)
}
