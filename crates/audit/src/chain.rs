//! Each record carries the hash of the one before.
//!
//! The link stands at the very end of a line, in two annotations, so that the greater part of a line can be hashed
//! before its place in the chain is known:
//!
//! ```text
//! …,"strongroom.dev/audit-previous":"<64 digits>","strongroom.dev/audit-sequence":"<number>"}}
//! ```

mod beginnings;

use aws_lc_rs::digest;

use crate::event::Opened;
use crate::hex;

/// The annotation with the SHA-256 of the previous line, without its line feed; zeros for the first.
pub const PREVIOUS_ANNOTATION: &str = "strongroom.dev/audit-previous";
/// The annotation with the record's number, counted from 1.
pub const SEQUENCE_ANNOTATION: &str = "strongroom.dev/audit-sequence";

const BEFORE_HASH: &[u8] = br#""strongroom.dev/audit-previous":""#;
const BEFORE_SEQUENCE: &[u8] = br#"","strongroom.dev/audit-sequence":""#;
const END: &[u8] = br#""}}"#;

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// Where the chain ends: number and hash of its last record; zeros before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    pub sequence: u64,
    pub hash: Hash,
}

/// What a line says about its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub sequence: u64,
    pub previous: Hash,
}

/// A line that has no place in the chain yet.
pub(crate) struct OpenLine {
    bytes: Vec<u8>,
    hasher: digest::Context,
    follows_others: bool,
}

impl std::fmt::Debug for OpenLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenLine(..)")
    }
}

impl OpenLine {
    /// `bytes` end within the annotations.
    pub(crate) fn new(bytes: Vec<u8>, opened: Opened) -> Self {
        let (caller, rest) = bytes.split_at(opened.caller_end);
        let mut hasher = beginnings::hasher_behind(caller);
        hasher.update(rest);
        Self {
            bytes,
            hasher,
            follows_others: opened.has_annotations,
        }
    }

    /// The line as the one that follows `last`, with its line feed, and the chain's new end.
    pub(crate) fn close(self, last: &Position) -> (Vec<u8>, Position) {
        let Self {
            mut bytes,
            mut hasher,
            follows_others,
        } = self;
        let sequence = last.sequence + 1;
        let begun = bytes.len();
        if follows_others {
            bytes.push(b',');
        }
        bytes.extend_from_slice(BEFORE_HASH);
        bytes.extend_from_slice(&hex::digits(&last.hash));
        bytes.extend_from_slice(BEFORE_SEQUENCE);
        bytes.extend_from_slice(itoa::Buffer::new().format(sequence).as_bytes());
        bytes.extend_from_slice(END);
        hasher.update(&bytes[begun..]);
        let hash = to_hash(&hasher.finish());
        bytes.push(b'\n');
        (bytes, Position { sequence, hash })
    }
}

pub(crate) fn hash(line: &[u8]) -> Hash {
    to_hash(&digest::digest(&digest::SHA256, line))
}

fn to_hash(digest: &digest::Digest) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// Whether only the chain writes this annotation.
pub(crate) fn is_own(annotation: &str) -> bool {
    annotation == PREVIOUS_ANNOTATION || annotation == SEQUENCE_ANNOTATION
}

/// Reads the link at the end of a line without its line feed.
pub(crate) fn link(line: &[u8]) -> Option<Link> {
    let rest = line.strip_suffix(END)?;
    let digits = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, number) = rest.split_at(rest.len() - digits);
    if number.starts_with(b"0") {
        return None;
    }
    let sequence = str::from_utf8(number).ok()?.parse().ok()?;
    let rest = rest.strip_suffix(BEFORE_SEQUENCE)?;
    let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(64)?)?;
    let previous = hex::decode_hash(hash)?;
    let rest = rest.strip_suffix(BEFORE_HASH)?;
    matches!(rest.last()?, b'{' | b',').then_some(Link { sequence, previous })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_it_belongs() {
        let last = Position {
            sequence: 41,
            hash: [7; 32],
        };
        for has_annotations in [false, true] {
            let opened = Opened {
                caller_end: 1,
                has_annotations,
            };
            let line = OpenLine::new(br#"{"annotations":{"#.to_vec(), opened);
            let (bytes, end) = line.close(&last);
            let written = bytes.strip_suffix(b"\n").unwrap();
            assert_eq!(end.sequence, 42);
            assert_eq!(end.hash, hash(written));
            let expected = Link {
                sequence: 42,
                previous: last.hash,
            };
            assert_eq!(link(written), Some(expected));
        }
    }

    #[test]
    fn other_lines_have_no_link() {
        let zeros = "0".repeat(64);
        let good = format!(r#"{{"{PREVIOUS_ANNOTATION}":"{zeros}","{SEQUENCE_ANNOTATION}":"1"}}}}"#);
        assert!(link(good.as_bytes()).is_some());
        let spoiled = [
            good.replace(r#""1""#, r#""01""#),
            good.replace(r#""1""#, r#""""#),
            good.replace(r#""1""#, r#""-1""#),
            good.replace(r#""1""#, r#""99999999999999999999""#),
            good.replace(&zeros, &zeros[1..]),
            good.replacen('0', "G", 1),
            format!("{good} "),
            good[1..].to_owned(),
            String::new(),
            "}}".to_owned(),
        ];
        for line in spoiled {
            assert_eq!(link(line.as_bytes()), None, "{line}");
        }
    }
}
