//! Records as they lie in the file, and the proof that each lies where it was put.

use aws_lc_rs::digest;
use bytes::Bytes;
use strongroom_encryption::RecordKey;

use crate::store::{Record, Revision};

/// Length of an authentication tag in bytes.
pub(crate) const TAG: usize = 32;
/// A tag.
pub(crate) type Tag = [u8; TAG];
/// Most parts of a tagged thing.
const PARTS: usize = 4;

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

    /// Tag over up to [`PARTS`] parts, each with its length; `purpose` keeps tags of one kind from
    /// being taken for another.
    pub(crate) fn tag(&self, purpose: &[u8; 8], parts: &[&[u8]]) -> Tag {
        let mut all: [&[u8]; PARTS + 1] = [&[]; PARTS + 1];
        all[0] = purpose;
        all[1..=parts.len()].copy_from_slice(parts);
        let all = &all[..=parts.len()];
        match &self.key {
            Some(key) => key.tag(all),
            None => {
                let mut context = digest::Context::new(&digest::SHA256);
                for part in all {
                    context.update(&(part.len() as u64).to_be_bytes());
                    context.update(part);
                }
                let mut tag = [0; TAG];
                tag.copy_from_slice(context.finish().as_ref());
                tag
            }
        }
    }

    fn record(&self, key: &[u8], revisions: &[u8], value: &[u8]) -> Tag {
        self.tag(b"record 1", &[key, revisions, value])
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
