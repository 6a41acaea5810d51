//! The [`Store`] trait and the few types it speaks in.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::StoreError;
use crate::watch::Watch;

/// A point in the history of the whole store. Revision 0 is the empty store; every transaction
/// that changes something takes the next one. An object's `resourceVersion` is the revision that
/// modified it last.
pub type Revision = u64;

/// One key with its value as stored (sealed bytes) and the revisions it was created and last
/// modified at.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The storage key, for example `/registry/secrets/default/a`.
    pub key: Bytes,
    /// The value as stored; sealed, when the caller seals.
    pub value: Bytes,
    /// Revision of the transaction that created the key; a deleted and recreated key starts anew.
    pub created: Revision,
    /// Revision of the transaction that wrote this value.
    pub modified: Revision,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("key", &self.key)
            .field("value", &format_args!("[{} bytes]", self.value.len()))
            .field("created", &self.created)
            .field("modified", &self.modified)
            .finish()
    }
}

/// What to list: keys under a prefix, in key order, from a first key on, at a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Only keys that begin with these bytes; empty for the whole store.
    pub prefix: Bytes,
    /// First key wanted (inclusive); for the next page the last key of this one plus a zero byte.
    pub start: Option<Bytes>,
    /// At most so many records in the page; 0 for no limit.
    pub limit: usize,
    /// End the page after so many bytes of values, but not before its first record; 0 for no
    /// limit. Bounds the memory of a request whatever the size of its objects.
    pub max_bytes: usize,
    /// Read the store as it was at this revision; `None` for now.
    pub at: Option<Revision>,
}

impl Range {
    /// Everything under `prefix`, now.
    pub fn prefix(prefix: impl Into<Bytes>) -> Range {
        Range {
            prefix: prefix.into(),
            ..Range::default()
        }
    }
}

/// Answer to a [`Range`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The revision the page shows: `at` if it was given, else the newest.
    pub revision: Revision,
    /// The records, ordered by key.
    pub records: Vec<Record>,
    /// Keys whose record in the page's range is damaged and was left out. They do not count towards
    /// `limit`. If it is the key itself that is damaged, it may be any.
    pub corrupt: Vec<Bytes>,
    /// Whether keys follow after this page.
    pub more: bool,
    /// Number of keys under the prefix (whatever `start` says) at the current revision. Known only
    /// when `at` is `None` and the prefix is empty or ends with `/`.
    pub total: Option<u64>,
}

impl Page {
    /// The key the next page starts at: just behind the last record of this page. `None` when
    /// nothing follows.
    pub fn next_start(&self) -> Option<Bytes> {
        let last = self.records.last().filter(|_| self.more)?;
        let mut next = Vec::with_capacity(last.key.len() + 1);
        next.extend_from_slice(&last.key);
        next.push(0);
        Some(next.into())
    }
}

/// Holds when the key's modified revision is exactly this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The key looked at; it need not be one that is written.
    pub key: Bytes,
    /// The expected modified revision; 0 means that the key must not exist.
    pub modified: Revision,
}

/// One change of a [`Transaction`].
#[derive(Clone, PartialEq, Eq)]
pub enum Write {
    /// Create the key or replace its value.
    Put {
        /// The key.
        key: Bytes,
        /// The new value, sealed.
        value: Bytes,
    },
    /// Remove the key; nothing happens if it does not exist.
    Delete {
        /// The key.
        key: Bytes,
    },
}

impl Write {
    /// The key this changes.
    pub fn key(&self) -> &Bytes {
        match self {
            Write::Put { key, .. } | Write::Delete { key } => key,
        }
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write::Put { key, value } => write!(f, "Put({key:?}, [{} bytes])", value.len()),
            Write::Delete { key } => write!(f, "Delete({key:?})"),
        }
    }
}

/// If all conditions hold, make all writes at one revision; otherwise change nothing.
/// A key may be written once in a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// All are made, or none.
    pub writes: Vec<Write>,
}

impl Transaction {
    /// Create `key`, which must not exist.
    pub fn create(key: Bytes, value: Bytes) -> Transaction {
        Transaction::replace(key, value, 0)
    }

    /// Put `value` if the key's modified revision is still `modified`.
    pub fn replace(key: Bytes, value: Bytes, modified: Revision) -> Transaction {
        Transaction {
            conditions: vec![Condition {
                key: key.clone(),
                modified,
            }],
            writes: vec![Write::Put { key, value }],
        }
    }

    /// Delete `key` if its modified revision is still `modified`.
    pub fn remove(key: Bytes, modified: Revision) -> Transaction {
        Transaction {
            conditions: vec![Condition {
                key: key.clone(),
                modified,
            }],
            writes: vec![Write::Delete { key }],
        }
    }
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// All conditions held and all writes are durable.
    Applied {
        /// The revision the writes took; if nothing changed (only deletes of absent keys, or no
        /// writes at all) the current one.
        revision: Revision,
    },
    /// A condition did not hold; nothing was written.
    ConditionFailed {
        /// Key of the first condition that did not hold.
        key: Bytes,
    },
}

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key was created (`created == modified`) or its value replaced.
    Put(Record),
    /// The key was removed.
    Delete,
}

/// One change in the history of the store, with sealed values only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The transaction's revision; several events may share it.
    pub revision: Revision,
    /// The key changed.
    pub key: Bytes,
    /// What happened.
    pub change: Change,
    /// The record before this change; `None` for a creation, or if the old record is damaged.
    pub previous: Option<Record>,
}

/// Whether a store takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serving {
    /// Reads and writes.
    Yes,
    /// The disk is full: reads and deletes only, until space returns.
    Full,
    /// A write to the disk failed in a way that leaves its content uncertain: every later write is
    /// refused, and the process should exit non-zero and be started again.
    Failed {
        /// What failed, for the log.
        reason: String,
    },
    /// Closed by [`Store::close`].
    Closed,
}

/// A store's state, for readiness, metrics and the curious.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreStatus {
    /// `memory`, `embedded`, `etcd`.
    pub engine: &'static str,
    /// The newest revision.
    pub revision: Revision,
    /// Reads and watches below this revision are refused.
    pub compacted: Revision,
    /// Number of keys.
    pub keys: u64,
    /// Size of the database file in bytes; 0 if there is none.
    pub file_bytes: u64,
    /// Watches that are open.
    pub watchers: usize,
    /// Events in the in-memory window.
    pub window_events: usize,
    /// Bytes of keys and values in the in-memory window.
    pub window_bytes: usize,
    /// Damaged records met by reads since the start.
    pub corrupt_records: u64,
    /// Whether writes are taken.
    pub serving: Serving,
}

/// What a finished backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// The revision the backup shows.
    pub revision: Revision,
    /// Number of records in it.
    pub records: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Damaged records that were left out.
    pub corrupt: Vec<Bytes>,
}

/// Keys and values under one revision counter. Every engine passes the same conformance suite.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The record of `key` now, or `None`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the record is damaged.
    async fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError>;

    /// A page of records under a prefix, all at one revision.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] or [`StoreError::FutureRevision`] if `at` cannot be read.
    async fn range(&self, range: Range) -> Result<Page, StoreError>;

    /// Make the writes of a transaction if its conditions hold. Durable, and visible to every
    /// later read, when it returns. If the returned future is dropped, the transaction may still
    /// be made.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::TooLarge`] and the others that refuse: nothing was
    /// written. [`StoreError::Failed`]: unknown; a restart will tell.
    async fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError>;

    /// The changes under `prefix` with a revision above `after`, which may lie in the future.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] if changes above `after` have been compacted away.
    fn watch(&self, prefix: Bytes, after: Revision) -> Result<Watch, StoreError>;

    /// Forget the history below `revision`: older reads and watches are refused from now on, and
    /// the space is freed, some of it after this returns. A revision at or below the compacted one
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError::FutureRevision`] if it is above the current revision.
    async fn compact(&self, revision: Revision) -> Result<(), StoreError>;

    /// The newest revision that can be read; never goes back.
    fn revision(&self) -> Revision;

    /// The store's state.
    fn status(&self) -> StoreStatus;

    /// Write a consistent backup to `file`, which must not exist, while the store is in use.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] for engines that have nothing of their own to save.
    async fn backup(&self, file: &Path) -> Result<BackupSummary, StoreError>;

    /// Returns once the store has failed for good ([`Serving::Failed`]), with the reason; the
    /// process should then exit non-zero. Never returns otherwise.
    async fn failed(&self) -> String;

    /// Refuse new writes, finish those accepted, end all watches and release the files.
    async fn close(&self);
}
