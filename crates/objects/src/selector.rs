//! Label and field selectors of list and watch requests (api-conventions.md §12).

mod field;
mod label;
#[cfg(test)]
mod tests;

pub use field::{FieldOperator, FieldSelector, FieldTerm};
pub use label::{LabelOperator, LabelRequirement, LabelSelector};

use crate::field_error::{FieldError, aggregate};

/// Why a selector cannot be read. The texts are Kubernetes'.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SelectorError {
    /// Something else stands where `expected` should be.
    #[error("{}found '{found}'{separator} expected: {expected}", if *.in_requirement { UNABLE } else { "" })]
    Expected {
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
        /// Kubernetes leaves the comma out in one place.
        separator: &'static str,
        /// Inside a single requirement.
        in_requirement: bool,
    },
    /// A key or value breaks its grammar.
    #[error("{UNABLE}{}", aggregate(.0))]
    Requirement(Vec<FieldError>),
    /// A field term without an operator.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Term {
        /// The whole text.
        selector: String,
        /// The term.
        term: String,
    },
    /// A backslash before something that needs none.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(String),
    /// A comma or equals sign in a value without a backslash; Kubernetes prints its code point.
    #[error("invalid field selector: unescaped character in value: {0}")]
    Unescaped(u32),
}

const UNABLE: &str = "unable to parse requirement: ";
