//! JSON in and out. Reading is bounded in depth and memory and remembers duplicate keys, which `fieldValidation`
//! reports; error texts are those of Go, so that clients see what they know.

mod budget;
mod check;
mod escape;
mod parser;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use budget::Budget;
pub(crate) use check::{Checked, check};
pub(crate) use escape::write_string;
pub use parser::parse;
pub(crate) use parser::{Path, Segment, note_duplicate};
pub use writer::{write, write_pretty};

use std::fmt;

use crate::Value;

/// How much a parser may build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nested lists and maps; one more is an error.
    pub depth: usize,
    /// Estimated bytes of heap the tree takes.
    pub memory: usize,
}

impl Limits {
    /// For what clients send.
    pub const REQUEST: Limits = Limits {
        depth: 64,
        memory: 8 << 20,
    };
    /// For what was accepted once and is read back.
    pub const STORED: Limits = Limits {
        depth: 128,
        memory: 128 << 20,
    };
}

/// A tree and what was odd about its text.
#[derive(Clone, PartialEq)]
pub struct Parsed {
    /// Of equal keys, the last one counts.
    pub value: Value,
    /// Full paths of keys given more than once, such as `data.k` or `spec.containers[0].name`; at most 100.
    pub duplicates: Vec<String>,
}

/// Shape only: the value may be secret.
impl fmt::Debug for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parsed")
            .field("duplicates", &self.duplicates.len())
            .finish_non_exhaustive()
    }
}

/// Why a text is not a document. Never echoes more of it than one character.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text breaks off.
    #[error("unexpected end of JSON input")]
    UnexpectedEnd,
    /// A character that cannot stand where it does.
    #[error("invalid character {} {context}", quote_character(*.character))]
    Character {
        /// The byte, as Go shows it.
        character: char,
        /// `looking for beginning of value` and the like.
        context: &'static str,
    },
    /// A number that no 64-bit number can hold.
    #[error("json: cannot unmarshal number into Go value of type float64")]
    NumberRange,
    /// Nested deeper than [`Limits::depth`].
    #[error("exceeded max depth")]
    TooDeep,
    /// Would need more than [`Limits::memory`].
    #[error("the document is too complex: decoding it would take too much memory")]
    TooComplex,
    /// The text is not YAML.
    #[error("yaml: line {line}: {problem}")]
    Yaml {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
    },
}

/// Go's single-quoted form of a character.
fn quote_character(character: char) -> String {
    match character {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        _ => format!(
            "'{}'",
            crate::go_text::quote(character.encode_utf8(&mut [0; 4])).trim_matches('"')
        ),
    }
}
