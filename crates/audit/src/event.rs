//! One record, in the words of `audit.k8s.io/v1` (`spec/auth.md` §10.2).

mod body;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::Offset;

pub use body::Body;

use crate::chain;
use crate::stage::{Level, Stage};

/// Longer user agents are cut here.
const USER_AGENT_LENGTH: usize = 1024;
const CUT: &str = "...TRUNCATED";
/// Memory for most records.
const TYPICAL_LENGTH: usize = 1024;

/// One record. It borrows everything, so that making one costs nothing.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// How much is recorded.
    pub level: Level,
    /// The request's id, the same for all its stages.
    pub audit_id: &'a str,
    /// The moment.
    pub stage: Stage,
    /// Path and query as the client sent them.
    pub request_uri: &'a str,
    /// Kubernetes' verb, or the method in lower case for a bare path.
    pub verb: &'a str,
    /// Who called.
    pub user: User<'a>,
    /// As whom, if somebody else.
    pub impersonated_user: Option<User<'a>>,
    /// From where: the client first, then the proxies.
    pub source_ips: &'a [IpAddr],
    /// What the client calls itself; cut after 1024 bytes.
    pub user_agent: &'a str,
    /// What it is about; none for bare paths.
    pub object_reference: Option<ObjectReference<'a>>,
    /// How it ended; none before the response.
    pub response_status: Option<ResponseStatus<'a>>,
    /// See [`Decision::request_body`](crate::Decision::request_body).
    pub request_object: Option<Body<'a>>,
    /// See [`Decision::response_body`](crate::Decision::response_body).
    pub response_object: Option<Body<'a>>,
    /// When the request came.
    pub request_received: Timestamp,
    /// When the stage was reached.
    pub stage_time: Timestamp,
    /// Further facts, such as `authorization.k8s.io/decision`. The chain's own names are passed over.
    pub annotations: &'a [(&'a str, &'a str)],
}

/// A user. Empty fields are not written.
#[derive(Debug, Clone, Copy, Default)]
pub struct User<'a> {
    /// Name.
    pub username: &'a str,
    /// Stable id.
    pub uid: &'a str,
    /// Groups.
    pub groups: &'a [String],
    /// Further facts.
    pub extra: Option<&'a BTreeMap<String, Vec<String>>>,
}

/// What a request is about. Empty fields are not written.
#[derive(Debug, Clone, Copy, Default)]
pub struct ObjectReference<'a> {
    /// Plural name of the resource.
    pub resource: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Name of the object.
    pub name: &'a str,
    /// Its id.
    pub uid: &'a str,
    /// API group; empty for core.
    pub api_group: &'a str,
    /// Version in the group.
    pub api_version: &'a str,
    /// Its revision.
    pub resource_version: &'a str,
    /// Part of the object.
    pub subresource: &'a str,
}

/// How a request ended. Empty fields are not written.
#[derive(Debug, Clone, Copy, Default)]
pub struct ResponseStatus<'a> {
    /// HTTP's status code.
    pub code: u16,
    /// `Failure` for what failed.
    pub status: &'a str,
    /// What went wrong, without values.
    pub message: &'a str,
    /// Kubernetes' reason, such as `Forbidden`.
    pub reason: &'a str,
}

/// What is known of an event that is written but for its place in the chain.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Opened {
    /// Up to here it says who called, the same in all records of one caller.
    pub caller_end: usize,
    /// Whether there are annotations before the chain's.
    pub has_annotations: bool,
}

impl Event<'_> {
    /// The event as one line of JSON, without the chain.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(TYPICAL_LENGTH);
        self.write_fields(&mut out);
        if self.own_annotations().next().is_some() {
            self.write_annotations(&mut out);
            out.push(b'}');
        }
        out.push(b'}');
        out
    }

    /// The event up to where the chain's annotations go.
    pub(crate) fn write_open(&self, out: &mut Vec<u8>) -> Opened {
        out.reserve(TYPICAL_LENGTH);
        let caller_end = self.write_fields(out);
        Opened {
            caller_end,
            has_annotations: self.write_annotations(out),
        }
    }

    /// First what is the same in all records of one caller, the end of which is returned.
    fn write_fields(&self, out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":""#);
        out.extend_from_slice(self.level.as_str().as_bytes());
        out.extend_from_slice(br#"","stage":""#);
        out.extend_from_slice(self.stage.as_str().as_bytes());
        out.extend_from_slice(br#"","user":"#);
        self.user.write(out);
        if let Some(user) = &self.impersonated_user {
            out.extend_from_slice(br#","impersonatedUser":"#);
            user.write(out);
        }
        if !self.source_ips.is_empty() {
            out.extend_from_slice(br#","sourceIPs":["#);
            for (at, source) in self.source_ips.iter().enumerate() {
                out.extend_from_slice(if at == 0 { b"\"" } else { b",\"" });
                address(out, *source);
                out.push(b'"');
            }
            out.push(b']');
        }
        self.write_user_agent(out);
        let caller_end = out.len();
        out.extend_from_slice(br#","auditID":"#);
        text(out, self.audit_id);
        out.extend_from_slice(br#","verb":"#);
        text(out, self.verb);
        out.extend_from_slice(br#","requestURI":"#);
        text(out, self.request_uri);
        if let Some(reference) = &self.object_reference {
            out.extend_from_slice(br#","objectRef":"#);
            reference.write(out);
        }
        if let Some(status) = &self.response_status {
            out.extend_from_slice(br#","responseStatus":"#);
            status.write(out);
        }
        for (name, body) in [
            (r#","requestObject":"#, self.request_object),
            (r#","responseObject":"#, self.response_object),
        ] {
            if let Some(body) = body {
                out.extend_from_slice(name.as_bytes());
                body.write(out);
            }
        }
        out.extend_from_slice(br#","requestReceivedTimestamp":""#);
        time(out, self.request_received);
        out.extend_from_slice(br#"","stageTimestamp":""#);
        time(out, self.stage_time);
        out.push(b'"');
        caller_end
    }

    fn write_user_agent(&self, out: &mut Vec<u8>) {
        if self.user_agent.is_empty() {
            return;
        }
        out.extend_from_slice(br#","userAgent":"#);
        text(
            out,
            &self.user_agent[..self.user_agent.floor_char_boundary(USER_AGENT_LENGTH)],
        );
        if self.user_agent.len() > USER_AGENT_LENGTH {
            out.pop();
            out.extend_from_slice(CUT.as_bytes());
            out.push(b'"');
        }
    }

    /// Leaves the map open; whether there is anything in it.
    fn write_annotations(&self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(br#","annotations":"#);
        let mut next = b'{';
        for (key, value) in self.own_annotations() {
            out.push(next);
            text(out, key);
            out.push(b':');
            text(out, value);
            next = b',';
        }
        if next == b'{' {
            out.push(next);
        }
        next == b','
    }

    fn own_annotations(&self) -> impl Iterator<Item = &(&str, &str)> {
        self.annotations.iter().filter(|(key, _)| !chain::is_own(key))
    }
}

impl User<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut next = b'{';
        field(out, &mut next, "username", self.username);
        field(out, &mut next, "uid", self.uid);
        if !self.groups.is_empty() {
            name(out, &mut next, "groups");
            texts(out, self.groups);
        }
        if let Some(extra) = self.extra.filter(|extra| !extra.is_empty()) {
            name(out, &mut next, "extra");
            for (at, (key, values)) in extra.iter().enumerate() {
                out.push(if at == 0 { b'{' } else { b',' });
                text(out, key);
                out.push(b':');
                texts(out, values);
            }
            out.push(b'}');
        }
        close(out, next);
    }
}

impl ObjectReference<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut next = b'{';
        for (key, value) in [
            ("resource", self.resource),
            ("namespace", self.namespace),
            ("name", self.name),
            ("uid", self.uid),
            ("apiGroup", self.api_group),
            ("apiVersion", self.api_version),
            ("resourceVersion", self.resource_version),
            ("subresource", self.subresource),
        ] {
            field(out, &mut next, key, value);
        }
        close(out, next);
    }
}

impl ResponseStatus<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"metadata":{}"#);
        let mut next = b',';
        field(out, &mut next, "status", self.status);
        field(out, &mut next, "message", self.message);
        field(out, &mut next, "reason", self.reason);
        if self.code != 0 {
            name(out, &mut next, "code");
            out.extend_from_slice(itoa::Buffer::new().format(self.code).as_bytes());
        }
        out.push(b'}');
    }
}

fn field(out: &mut Vec<u8>, next: &mut u8, key: &str, value: &str) {
    if !value.is_empty() {
        name(out, next, key);
        text(out, value);
    }
}

/// `next` is what stands before the field: the brace for the first one, then commas.
fn name(out: &mut Vec<u8>, next: &mut u8, key: &str) {
    out.push(*next);
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    *next = b',';
}

fn close(out: &mut Vec<u8>, next: u8) {
    if next == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
}

fn texts(out: &mut Vec<u8>, values: &[String]) {
    out.push(b'[');
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        text(out, value);
    }
    out.push(b']');
}

fn text(out: &mut Vec<u8>, value: &str) {
    if is_plain(value.as_bytes()) {
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    } else {
        // Neither a text nor writing to memory fails.
        let _ = serde_json::to_writer(out, value);
    }
}

/// Whether JSON takes the text as it is. Eight bytes are looked at together: this is the greater part of writing an
/// event.
fn is_plain(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    // The highest bit of each byte that is below `bound`; a borrow can only come from such a byte.
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word;
    let special = |eight: &[u8; 8]| {
        let word = u64::from_ne_bytes(*eight);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        (below(word, b' ') | quote | backslash) & HIGHEST
    };
    let (eights, _) = bytes.as_chunks();
    let Some(last) = bytes.last_chunk() else {
        return !bytes
            .iter()
            .any(|byte| *byte < b' ' || *byte == b'"' || *byte == b'\\');
    };
    eights
        .iter()
        .fold(special(last), |found, eight| found | special(eight))
        == 0
}

fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            for (at, part) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(part).as_bytes());
            }
        }
        // Writing to memory does not fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

/// A second's text up to the point, such as `2026-11-22T05:43:00.`.
type SecondText = [u8; 20];

thread_local! {
    /// The last second that was written: the next moment is mostly in the same one.
    static LAST_SECOND: Cell<(i64, SecondText)> = const { Cell::new((i64::MIN, [0; 20])) };
}

/// Always six digits behind the second, always UTC.
fn time(out: &mut Vec<u8>, at: Timestamp) {
    let microseconds = at.as_microsecond();
    let second = microseconds.div_euclid(1_000_000);
    let (mut known, mut text) = LAST_SECOND.get();
    if known != second {
        (known, text) = (second, second_text(second));
        LAST_SECOND.set((known, text));
    }
    out.extend_from_slice(&text);
    let mut fraction = *b"000000Z";
    digits(&mut fraction[..6], microseconds.rem_euclid(1_000_000) as u32);
    out.extend_from_slice(&fraction);
}

fn second_text(second: i64) -> SecondText {
    let at = Timestamp::from_second(second).unwrap_or_default();
    let at = Offset::UTC.to_datetime(at);
    let mut text = *b"0000-00-00T00:00:00.";
    digits(&mut text[..4], at.year().unsigned_abs().into());
    for (begin, number) in [
        (5, at.month()),
        (8, at.day()),
        (11, at.hour()),
        (14, at.minute()),
        (17, at.second()),
    ] {
        digits(&mut text[begin..begin + 2], number.unsigned_abs().into());
    }
    text
}

fn digits(text: &mut [u8], mut number: u32) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests;
