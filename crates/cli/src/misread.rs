//! Arguments that are not what they should be.

use std::fmt;

/// What is wrong with an argument, or what was expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misread(pub &'static str);

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Misread {}
