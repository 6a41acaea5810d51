//! What is wrong with a field, in the words of api-conventions.md §13.

use std::collections::BTreeSet;
use std::fmt;

use crate::go_text::quote;
use crate::{StatusCause, Value};

#[cfg(test)]
mod tests;

/// One complaint about one field.
#[derive(Clone, PartialEq)]
pub struct FieldError {
    /// What kind of complaint.
    pub kind: FieldErrorKind,
    /// `data[key]`, `spec.containers[0].env[1].name`; empty for the object as a whole, printed as `[]`.
    pub path: String,
    /// The offending value. Never a secret: callers pass `<secret contents redacted>` instead.
    pub value: Option<Value>,
    /// Free text; may be empty.
    pub detail: String,
}

/// The kinds of complaint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// Missing.
    Required,
    /// Malformed.
    Invalid,
    /// Not allowed here or now.
    Forbidden,
    /// A string or map over its size.
    TooLong,
    /// A string under its size.
    TooShort,
    /// A list over its size.
    TooMany,
    /// A list under its size.
    TooFew,
    /// Not one of the values of an enum.
    NotSupported,
    /// Given twice.
    Duplicate,
    /// Refers to what does not exist.
    NotFound,
    /// Of the wrong type.
    TypeInvalid,
    /// Not the user's fault.
    Internal,
}

impl FieldErrorKind {
    /// The machine-readable reason of a cause.
    pub fn reason(self) -> &'static str {
        match self {
            FieldErrorKind::Required => "FieldValueRequired",
            FieldErrorKind::Invalid => "FieldValueInvalid",
            FieldErrorKind::Forbidden => "FieldValueForbidden",
            FieldErrorKind::TooLong => "FieldValueTooLong",
            FieldErrorKind::TooShort => "FieldValueTooShort",
            FieldErrorKind::TooMany => "FieldValueTooMany",
            FieldErrorKind::TooFew => "FieldValueTooFew",
            FieldErrorKind::NotSupported => "FieldValueNotSupported",
            FieldErrorKind::Duplicate => "FieldValueDuplicate",
            FieldErrorKind::NotFound => "FieldValueNotFound",
            FieldErrorKind::TypeInvalid => "FieldValueTypeInvalid",
            FieldErrorKind::Internal => "InternalError",
        }
    }

    fn words(self) -> &'static str {
        match self {
            FieldErrorKind::Required => "Required value",
            FieldErrorKind::Invalid | FieldErrorKind::TypeInvalid => "Invalid value",
            FieldErrorKind::Forbidden => "Forbidden",
            FieldErrorKind::TooLong => "Too long",
            FieldErrorKind::TooShort => "Too short",
            FieldErrorKind::TooMany => "Too many",
            FieldErrorKind::TooFew => "Too few",
            FieldErrorKind::NotSupported => "Unsupported value",
            FieldErrorKind::Duplicate => "Duplicate value",
            FieldErrorKind::NotFound => "Not found",
            FieldErrorKind::Internal => "Internal error",
        }
    }

    fn hides_value(self) -> bool {
        use FieldErrorKind::{Forbidden, Internal, Required, TooLong, TooShort};
        matches!(self, Required | Forbidden | TooLong | TooShort | Internal)
    }
}

impl FieldError {
    fn new(kind: FieldErrorKind, path: &str, value: Option<Value>, detail: &str) -> FieldError {
        FieldError {
            kind,
            path: path.to_owned(),
            value,
            detail: detail.to_owned(),
        }
    }

    /// `<path>: Required value[: <detail>]`.
    pub fn required(path: &str, detail: &str) -> FieldError {
        FieldError::new(FieldErrorKind::Required, path, None, detail)
    }

    /// `<path>: Invalid value: <value>: <detail>`.
    pub fn invalid(path: &str, value: impl Into<Value>, detail: &str) -> FieldError {
        FieldError::new(FieldErrorKind::Invalid, path, Some(value.into()), detail)
    }

    /// `<path>: Forbidden: <detail>`.
    pub fn forbidden(path: &str, detail: &str) -> FieldError {
        FieldError::new(FieldErrorKind::Forbidden, path, None, detail)
    }

    /// `<path>: Too long: <detail>`.
    pub fn too_long(path: &str, detail: &str) -> FieldError {
        FieldError::new(FieldErrorKind::TooLong, path, None, detail)
    }

    /// `<path>: Too many: <count>: <detail>`.
    pub fn too_many(path: &str, count: usize, detail: &str) -> FieldError {
        FieldError::new(FieldErrorKind::TooMany, path, Some(count.into()), detail)
    }

    /// `<path>: Unsupported value: <value>: supported values: "a", "b"`.
    pub fn not_supported(path: &str, value: impl Into<Value>, supported: &[&str]) -> FieldError {
        let quoted: Vec<String> = supported.iter().map(|value| quote(value)).collect();
        let detail = if quoted.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", quoted.join(", "))
        };
        FieldError::new(FieldErrorKind::NotSupported, path, Some(value.into()), &detail)
    }

    /// `<path>: Duplicate value: <value>`.
    pub fn duplicate(path: &str, value: impl Into<Value>) -> FieldError {
        FieldError::new(FieldErrorKind::Duplicate, path, Some(value.into()), "")
    }

    /// `<path>: Not found: <value>`.
    pub fn not_found(path: &str, value: impl Into<Value>) -> FieldError {
        FieldError::new(FieldErrorKind::NotFound, path, Some(value.into()), "")
    }

    /// `<path>: Internal error: <detail>`.
    pub fn internal(path: &str, detail: &str) -> FieldError {
        FieldError::new(FieldErrorKind::Internal, path, None, detail)
    }

    /// The text without the path, as causes carry it.
    pub fn body(&self) -> String {
        let mut text = self.kind.words().to_owned();
        if let Some(value) = self.value.as_ref().filter(|_| !self.kind.hides_value()) {
            text.push_str(": ");
            match value {
                Value::String(string) => text.push_str(&quote(string)),
                other => text.push_str(&other.to_string()),
            }
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }

    /// The entry of `details.causes`.
    pub fn cause(&self) -> StatusCause {
        StatusCause {
            reason: self.kind.reason().to_owned(),
            message: self.body(),
            field: self.printed_path().to_owned(),
        }
    }

    fn printed_path(&self) -> &str {
        if self.path.is_empty() { "[]" } else { &self.path }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.printed_path(), self.body())
    }
}

/// Where and what, without the value.
impl fmt::Debug for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.printed_path(), self.kind)
    }
}

impl std::error::Error for FieldError {}

/// Several errors as one text: alone as it is, together as `[e1, e2]`; equal ones once. Empty for none.
pub fn aggregate(errors: &[FieldError]) -> String {
    let mut seen = BTreeSet::new();
    let mut texts: Vec<String> = errors.iter().map(FieldError::to_string).collect();
    texts.retain(|text| seen.insert(text.clone()));
    match texts.len() {
        0 | 1 => texts.pop().unwrap_or_default(),
        _ => format!("[{}]", texts.join(", ")),
    }
}
