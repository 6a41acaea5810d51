//! Counts what a tree takes while it is built, so that a small text cannot become a huge tree.

use std::mem::size_of;

use super::ParseError;
use crate::Value;

/// A leaf of `BTreeMap<String, Value>` holds 11 entries and is allocated whole.
const MAP_LEAF: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 32;
/// An entry of a map with many leaves, which are half full in the worst case.
const MAP_ENTRY: usize = MAP_LEAF / 5;
/// The first element of a list allocates four.
const LIST_FIRST: usize = 4 * size_of::<Value>();
/// Lists grow by doubling.
const LIST_ELEMENT: usize = 2 * size_of::<Value>();

/// What may still be allocated.
pub(crate) struct Budget {
    left: usize,
}

impl Budget {
    pub(crate) fn new(memory: usize) -> Budget {
        Budget { left: memory }
    }

    /// A string of that many bytes.
    pub(crate) fn string(&mut self, length: usize) -> Result<(), ParseError> {
        self.take(length)
    }

    /// The entry a map gets next.
    pub(crate) fn map_entry(&mut self, entries_before: usize, key_length: usize) -> Result<(), ParseError> {
        let entry = match entries_before {
            0 => MAP_LEAF,
            1..=10 => 0,
            _ => MAP_ENTRY,
        };
        self.take(entry + key_length)
    }

    /// The element a list gets next.
    pub(crate) fn list_element(&mut self, elements_before: usize) -> Result<(), ParseError> {
        self.take(match elements_before {
            0 => LIST_FIRST,
            1..=3 => 0,
            _ => LIST_ELEMENT,
        })
    }

    fn take(&mut self, bytes: usize) -> Result<(), ParseError> {
        self.left = self.left.checked_sub(bytes).ok_or(ParseError::TooComplex)?;
        Ok(())
    }
}
