//! Records as they lie in the file, and the proof that each lies where it was put.

use std::cell::RefCell;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::Bytes;
use strongroom_encryption::RecordKey;

use crate::store::{Record, Revision};

/// Length of an authentication tag in bytes.
pub(crate) const TAG: usize = 16;
/// A tag.
pub(crate) type Tag = [u8; TAG];

/// Makes and checks tags: AES-256-GCM-SIV over no plaintext, with what is authenticated as
/// associated data and the purpose as nonce. That is a MAC which, unlike GMAC, stays one when a
/// nonce repeats (RFC 8452 §9), and here costs a tenth of an HMAC-SHA256: every read checks one.
///
/// With a [`RecordKey`] tags stop whoever can write the file but lacks the key; without one the
/// key is known to everybody and they find accidents only.
pub(crate) struct Authenticator {
    key: LessSafeKey,
    keyed: Option<RecordKey>,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("keyed", &self.is_keyed())
            .finish_non_exhaustive()
    }
}

impl Clone for Authenticator {
    fn clone(&self) -> Self {
        Authenticator::new(self.keyed.clone())
    }
}

thread_local! {
    /// Associated data has to be in one piece. Holds sealed bytes only.
    static PIECE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A thread that authenticated something large does not keep the room for it.
const PIECE_KEPT: usize = 256 << 10;

impl Authenticator {
    pub(crate) fn new(keyed: Option<RecordKey>) -> Self {
        let bytes = keyed
            .as_ref()
            .map_or([0; 32], |key| key.tag(&[b"storage tags 1"]));
        let key = UnboundKey::new(&AES_256_GCM_SIV, &bytes).expect("the key has 32 bytes");
        Authenticator {
            key: LessSafeKey::new(key),
            keyed,
        }
    }

    pub(crate) fn is_keyed(&self) -> bool {
        self.keyed.is_some()
    }

    /// Tag over `parts`, each with its length; `purpose` keeps tags of one kind from being taken
    /// for another.
    pub(crate) fn tag(&self, purpose: &[u8; 8], parts: &[&[u8]]) -> Tag {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(purpose);
        PIECE.with_borrow_mut(|piece| {
            piece.clear();
            for part in parts {
                piece.extend_from_slice(&(part.len() as u64).to_le_bytes());
                piece.extend_from_slice(part);
            }
            let nonce = Nonce::assume_unique_for_key(nonce);
            let sealed = self
                .key
                .seal_in_place_separate_tag(nonce, Aad::from(&piece[..]), &mut []);
            let sealed = sealed.expect("the associated data is short enough");
            piece.shrink_to(PIECE_KEPT);
            let mut tag = [0; TAG];
            tag.copy_from_slice(sealed.as_ref());
            tag
        })
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
            Authenticator::new(None).decode(&key, &stored),
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
