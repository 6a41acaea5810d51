//! Small grammars of pods: ports, header names, environment variables, addresses, users.

use std::net::IpAddr;

use crate::place::{Errors, Place};

const ENVIRONMENT: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";
const HEADER: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
const ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

pub(super) fn environment_name(name: &str) -> Vec<String> {
    let printable = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'=';
    if name.bytes().all(printable) {
        return Vec::new();
    }
    vec![ENVIRONMENT.to_owned()]
}

pub(super) fn header_name(name: &str) -> Vec<String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !name.is_empty() && name.bytes().all(legal) {
        return Vec::new();
    }
    vec![HEADER.to_owned()]
}

pub(super) fn port_name(name: &str) -> Vec<String> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let rules = [
        (name.len() <= 15, "must be no more than 15 characters"),
        (
            !name.is_empty() && name.bytes().all(legal),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (
            name.bytes().any(|byte| byte.is_ascii_lowercase()),
            "must contain at least one letter (a-z)",
        ),
        (!name.contains("--"), "must not contain consecutive hyphens"),
        (
            !name.starts_with('-') && !name.ends_with('-'),
            "must not begin or end with a hyphen",
        ),
    ];
    let broken = rules.iter().filter(|(holds, _)| !holds);
    broken.map(|(_, text)| (*text).to_owned()).collect()
}

/// A port's number, or the name of one.
pub(super) fn port(place: &Place<'_>, errors: &mut Errors) {
    if place.value.is_string() {
        place.problems(port_name(place.str()), errors);
    } else {
        let number = place.value.as_i64().unwrap_or(0);
        if !(1..=65535).contains(&number) {
            place.invalid_as(number, "must be between 1 and 65535, inclusive", errors);
        }
    }
}

/// Whether a text is an IP address as Kubernetes writes them.
pub(in crate::pod) fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

pub(super) fn address(place: &Place<'_>, errors: &mut Errors) {
    if !is_address(place.str()) {
        place.invalid_as(place.str(), ADDRESS, errors);
    }
}

/// Number of a user or group.
pub(super) fn identifier(place: &Place<'_>, errors: &mut Errors) {
    place.between(0, i64::from(i32::MAX), errors);
}
