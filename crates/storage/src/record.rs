//! Records as they lie in the file, and the proof that each lies where it was put.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use bytes::Bytes;

use crate::store::{Record, Revision};

/// Key that authenticates what the engine stores (HMAC-SHA256). It must stay the same as long as
/// the data does.
#[derive(Clone)]
pub struct RecordKey(hmac::Key);

impl RecordKey {
    /// Takes 32 secret bytes, derived for this purpose only.
    pub fn new(bytes: &[u8; 32]) -> RecordKey {
        RecordKey(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKey(…)")
    }
}

/// Length of an authentication tag in bytes.
pub(crate) const TAG: usize = 32;
/// A tag.
pub(crate) type Tag = [u8; TAG];

/// Makes and checks tags. With a [`RecordKey`] they are HMAC-SHA256 and stop whoever can write the
/// file but lacks the key; without one they are SHA-256 and find accidents only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Authenticator {
    key: Option<RecordKey>,
}

impl Authenticator {
    pub(crate) fn new(key: Option<RecordKey>) -> Self {
        Authenticator { key }
    }

    pub(crate) fn is_keyed(&self) -> bool {
        self.key.is_some()
    }

    /// Tag over parts that the caller has made unambiguous (fixed or written lengths); `purpose`
    /// keeps tags of one kind from being taken for another.
    pub(crate) fn tag(&self, purpose: &[u8; 8], parts: &[&[u8]]) -> Tag {
        let mut running = self.start(purpose);
        for part in parts {
            running.update(part);
        }
        running.finish()
    }

    pub(crate) fn start(&self, purpose: &[u8; 8]) -> Running {
        let mut running = match &self.key {
            Some(key) => Running::Keyed(Box::new(hmac::Context::with_key(&key.0))),
            None => Running::Plain(Box::new(digest::Context::new(&digest::SHA256))),
        };
        running.update(purpose);
        running
    }

    fn record(&self, key: &[u8], revisions: &[u8], value: &[u8]) -> Tag {
        let key_length = (key.len() as u32).to_le_bytes();
        self.tag(b"record 1", &[&key_length, key, revisions, value])
    }

    /// The stored form of a record without its key: created, modified, tag, value.
    pub(crate) fn encode(&self, record: &Record, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&record.created.to_le_bytes());
        out.extend_from_slice(&record.modified.to_le_bytes());
        let tag = self.record(&record.key, &out[start..], &record.value);
        out.extend_from_slice(&tag);
        out.extend_from_slice(&record.value);
    }

    /// Reads the stored form of the record of `key`, if the tag proves it.
    pub(crate) fn decode(&self, key: &Bytes, stored: &[u8]) -> Option<Record> {
        let header = StoredHeader::parse(stored)?;
        let value = &stored[StoredHeader::LENGTH..];
        let tag = self.record(key, &stored[..16], value);
        if !same(&tag, &stored[16..StoredHeader::LENGTH]) {
            return None;
        }
        let StoredHeader { created, modified } = header;
        Some(Record {
            key: key.clone(),
            value: Bytes::copy_from_slice(value),
            created,
            modified,
        })
    }
}

/// Compares tags without telling by time where they differ.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// A tag being made of a stream.
pub(crate) enum Running {
    Keyed(Box<hmac::Context>),
    Plain(Box<digest::Context>),
}

impl Running {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Running::Keyed(context) => context.update(bytes),
            Running::Plain(context) => context.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Tag {
        let mut tag = [0; TAG];
        match self {
            Running::Keyed(context) => tag.copy_from_slice(context.sign().as_ref()),
            Running::Plain(context) => tag.copy_from_slice(context.finish().as_ref()),
        }
        tag
    }
}

/// The revisions a stored record begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredHeader {
    pub created: Revision,
    pub modified: Revision,
}

impl StoredHeader {
    /// Bytes before the value.
    pub(crate) const LENGTH: usize = 16 + TAG;

    pub(crate) fn parse(stored: &[u8]) -> Option<StoredHeader> {
        if stored.len() < Self::LENGTH {
            return None;
        }
        let created = u64::from_le_bytes(stored[..8].try_into().ok()?);
        let modified = u64::from_le_bytes(stored[8..16].try_into().ok()?);
        Some(StoredHeader { created, modified })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_accepted_only_where_it_was_put() {
        let keyed = Authenticator::new(Some(RecordKey::new(&[7; 32])));
        let key = Bytes::from_static(b"/a");
        let value = Bytes::from_static(b"sealed");
        let record = Record {
            key: key.clone(),
            value,
            created: 3,
            modified: 9,
        };
        let mut stored = Vec::new();
        keyed.encode(&record, &mut stored);
        assert_eq!(keyed.decode(&key, &stored), Some(record));
        assert_eq!(
            keyed.decode(&Bytes::from_static(b"/b"), &stored),
            None,
            "another key"
        );
        assert_eq!(
            Authenticator::default().decode(&key, &stored),
            None,
            "another secret"
        );
        for byte in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged[byte] ^= 0x10;
            assert_eq!(keyed.decode(&key, &damaged), None, "byte {byte}");
        }
        for length in 0..stored.len() {
            assert_eq!(keyed.decode(&key, &stored[..length]), None, "cut to {length}");
        }
    }
}
