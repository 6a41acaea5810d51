//! Paths inside a volume.

use crate::place::{Errors, Place};

/// A relative path without `..`.
pub(super) fn descending(path: &str, place: &Place<'_>, errors: &mut Errors) {
    if path.starts_with('/') {
        place.invalid_as(path, "must be a relative path", errors);
    }
    no_backsteps(path, place, errors);
}

/// The same, and it does not look like what the node keeps for itself (`..data`).
pub(super) fn not_reserved(path: &str, place: &Place<'_>, errors: &mut Errors) {
    descending(path, place, errors);
    if path.starts_with("..") && !path.starts_with("../") {
        place.invalid_as(path, "must not start with '..'", errors);
    }
}

pub(super) fn no_backsteps(path: &str, place: &Place<'_>, errors: &mut Errors) {
    if path.split('/').any(|element| element == "..") {
        place.invalid_as(path, "must not contain '..'", errors);
    }
}

/// Permissions of a file.
pub(super) fn mode(place: &Place<'_>, errors: &mut Errors) {
    if let Some(mode) = place.value.as_i64()
        && !(0..=0o777).contains(&mode)
    {
        let detail = "must be a number between 0 and 0777 (octal), both inclusive";
        place.invalid(detail, errors);
    }
}
