//! The tables of the database file and how they are read. Layout in `docs/storage-format.md`.

use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use redb::{ReadOnlyTable, ReadTransaction, TableDefinition};

use super::pages::Pages;
use crate::error::StoreError;
use crate::record::{Authenticator, StoredHeader, TAG};
use crate::store::{Change, Event, Record, Revision};

/// key → stored record.
pub(crate) const CURRENT: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("current");
/// revision, index → event, with the stored record it superseded.
pub(crate) const LOG: TableDefinition<'_, LogKey, &[u8]> = TableDefinition::new("log");
/// key, modified revision of a superseded record → the event that superseded it.
pub(crate) const SUPERSEDED: TableDefinition<'_, (&[u8], u64), LogKey> = TableDefinition::new("superseded");
/// directory → number of keys directly in it.
pub(crate) const DIRECTORIES: TableDefinition<'_, &[u8], u64> = TableDefinition::new("directories");
/// name → what the store knows of itself.
pub(crate) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Revision and index within it, big-endian.
pub(crate) type LogKey = [u8; 12];

pub(crate) fn log_key(revision: Revision, index: u32) -> LogKey {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&revision.to_be_bytes());
    key[8..].copy_from_slice(&index.to_be_bytes());
    key
}

pub(crate) fn log_revision(key: &LogKey) -> Revision {
    u64::from_be_bytes(std::array::from_fn(|byte| key[byte]))
}

/// Where the tables stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableState {
    /// Everything up to this revision is in the tables.
    pub revision: Revision,
    /// Reads below this revision are refused.
    pub compacted: Revision,
    /// The history up to this revision has been removed.
    pub trimmed: Revision,
}

impl TableState {
    /// The form stored in `meta` under `state`, with its tag.
    pub(crate) fn encode(&self, store_id: &[u8; 16], authenticator: &Authenticator) -> Vec<u8> {
        let mut out = Vec::with_capacity(24 + TAG);
        for revision in [self.revision, self.compacted, self.trimmed] {
            out.extend_from_slice(&revision.to_le_bytes());
        }
        let tag = authenticator.tag(b"state  1", &[store_id, &out]);
        out.extend_from_slice(&tag);
        out
    }

    pub(crate) fn decode(
        stored: &[u8],
        store_id: &[u8; 16],
        authenticator: &Authenticator,
    ) -> Option<TableState> {
        let field = |at: usize| Some(u64::from_le_bytes(stored.get(at..at + 8)?.try_into().ok()?));
        let state = TableState {
            revision: field(0)?,
            compacted: field(8)?,
            trimmed: field(16)?,
        };
        (state.encode(store_id, authenticator) == stored).then_some(state)
    }
}

/// What an event's row in `log` says.
pub(crate) struct LogRow<'a> {
    pub deleted: bool,
    pub key: &'a [u8],
    /// The stored record before the event.
    pub previous: Option<&'a [u8]>,
}

impl LogRow<'_> {
    const DELETED: u8 = 1;
    const HAS_PREVIOUS: u8 = 2;

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let deleted = if self.deleted { Self::DELETED } else { 0 };
        let previous = if self.previous.is_some() {
            Self::HAS_PREVIOUS
        } else {
            0
        };
        out.push(deleted | previous);
        out.extend_from_slice(&(self.key.len() as u32).to_le_bytes());
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.previous.unwrap_or_default());
    }

    pub(crate) fn decode(row: &[u8]) -> Option<LogRow<'_>> {
        let flags = *row.first()?;
        let key_length = u32::from_le_bytes(row.get(1..5)?.try_into().ok()?) as usize;
        let key = row.get(5..5usize.checked_add(key_length)?)?;
        let rest = &row[5 + key_length..];
        let previous = (flags & Self::HAS_PREVIOUS != 0).then_some(rest);
        Some(LogRow {
            deleted: flags & Self::DELETED != 0,
            key,
            previous,
        })
    }
}

/// Runs something that reads or writes the tables. redb can panic where the file is damaged;
/// that must not leave the engine.
pub(crate) fn guarded<T>(run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result,
        Err(_) => Err(StoreError::CorruptFile {
            reason: "the tables are inconsistent".into(),
        }),
    }
}

/// Turns redb's errors into ours.
pub(crate) fn table_error(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Io(source) => StoreError::Io {
            operation: "reading the table file",
            source,
        },
        redb::Error::Corrupted(reason) => StoreError::CorruptFile { reason },
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
            let source = std::io::Error::other("the table file has to be opened anew");
            StoreError::Io {
                operation: "reading the table file",
                source,
            }
        }
        other => StoreError::CorruptFile {
            reason: other.to_string(),
        },
    }
}

/// The tables at one revision, for reading.
pub(crate) struct Tables {
    pub state: TableState,
    pub authenticator: Authenticator,
    current: ReadOnlyTable<&'static [u8], &'static [u8]>,
    log: ReadOnlyTable<LogKey, &'static [u8]>,
    superseded: ReadOnlyTable<(&'static [u8], u64), LogKey>,
    directories: ReadOnlyTable<&'static [u8], u64>,
    pages: Arc<Pages>,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// A record found, or the news that it is damaged.
pub(crate) type Checked = Result<Record, DamagedRecord>;

/// A record whose tag is wrong; the revisions are what it claims.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DamagedRecord {
    pub header: Option<StoredHeader>,
}

/// A row of `current`, or of its past, as a scan meets it.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub key: &'a [u8],
    pub stored: &'a [u8],
    /// `superseded` says that this version is not the current one, where only that can be: a page
    /// of the file has been replaced by an older one.
    pub is_old: bool,
}

/// Walks through `superseded` beside a scan of `current`.
struct Versions<'a> {
    tables: &'a Tables,
    rows: redb::Range<'static, (&'static [u8], u64), LogKey>,
    next: Option<(Vec<u8>, u64)>,
}

impl<'a> Versions<'a> {
    /// Versions of one key passed over before looking up the place instead.
    const STEPS: usize = 16;

    fn new(tables: &'a Tables, start: &[u8]) -> Result<Self, StoreError> {
        let rows = tables.superseded.range((start, 0)..).map_err(table_error)?;
        let mut versions = Versions {
            tables,
            rows,
            next: None,
        };
        versions.advance()?;
        Ok(versions)
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        self.next = match self.rows.next() {
            Some(row) => {
                let (row, _) = row.map_err(table_error)?;
                let (key, modified) = row.value();
                Some((key.to_vec(), modified))
            }
            None => None,
        };
        Ok(())
    }

    /// Whether the version that `stored` claims to be has been superseded. Keys must be asked for
    /// in order.
    fn contains(&mut self, key: &[u8], stored: &[u8]) -> Result<bool, StoreError> {
        let Some(StoredHeader { modified, .. }) = StoredHeader::parse(stored) else {
            return Ok(false);
        };
        for _ in 0..Self::STEPS {
            let Some((next_key, next_modified)) = &self.next else {
                return Ok(false);
            };
            match (&next_key[..], *next_modified).cmp(&(key, modified)) {
                Ordering::Less => self.advance()?,
                Ordering::Equal => return Ok(true),
                Ordering::Greater => return Ok(false),
            }
        }
        self.rows = self
            .tables
            .superseded
            .range((key, modified)..)
            .map_err(table_error)?;
        self.advance()?;
        Ok(self
            .next
            .as_ref()
            .is_some_and(|(k, m)| &k[..] == key && *m == modified))
    }
}

impl Tables {
    pub(crate) fn open(
        transaction: &ReadTransaction,
        state: TableState,
        authenticator: Authenticator,
        pages: Arc<Pages>,
    ) -> Result<Tables, StoreError> {
        Ok(Tables {
            state,
            authenticator,
            current: transaction.open_table(CURRENT).map_err(table_error)?,
            log: transaction.open_table(LOG).map_err(table_error)?,
            superseded: transaction.open_table(SUPERSEDED).map_err(table_error)?,
            directories: transaction.open_table(DIRECTORIES).map_err(table_error)?,
            pages,
        })
    }

    pub(crate) fn pages(&self) -> &Arc<Pages> {
        &self.pages
    }

    fn check(&self, key: &Bytes, stored: &[u8]) -> Checked {
        let header = StoredHeader::parse(stored);
        self.authenticator
            .decode(key, stored)
            .ok_or(DamagedRecord { header })
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Checked>, StoreError> {
        guarded(|| {
            let Some(stored) = self.current.get(key).map_err(table_error)? else {
                return Ok(None);
            };
            let checked = self.check(&Bytes::copy_from_slice(key), stored.value());
            if let Ok(record) = &checked
                && self
                    .superseded
                    .get((key, record.modified))
                    .map_err(table_error)?
                    .is_some()
            {
                return Ok(Some(Err(DamagedRecord {
                    header: StoredHeader::parse(stored.value()),
                })));
            }
            Ok(Some(checked))
        })
    }

    /// Visits every key under a prefix from `start` on, in order, as of `revision`, until `visit`
    /// says stop (returns false).
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        start: &[u8],
        revision: Revision,
        mut visit: impl FnMut(Row<'_>) -> bool,
    ) -> Result<(), StoreError> {
        guarded(|| {
            if revision >= self.state.revision {
                self.scan_current(prefix, start, &mut visit)
            } else {
                self.scan_at(prefix, start, revision, &mut visit)
            }
        })
    }

    fn scan_current(
        &self,
        prefix: &[u8],
        start: &[u8],
        visit: &mut impl FnMut(Row<'_>) -> bool,
    ) -> Result<(), StoreError> {
        let mut versions = Versions::new(self, start)?;
        for row in self.current.range(start..).map_err(table_error)? {
            let (key, stored) = row.map_err(table_error)?;
            let (key, stored) = (key.value(), stored.value());
            if !key.starts_with(prefix) {
                break;
            }
            let is_old = versions.contains(key, stored)?;
            if !visit(Row { key, stored, is_old }) {
                break;
            }
        }
        Ok(())
    }

    /// Merges what is current, as far as it was there already at `revision`, with what has been
    /// superseded since. At most one of the two knows a key.
    fn scan_at(
        &self,
        prefix: &[u8],
        start: &[u8],
        revision: Revision,
        visit: &mut impl FnMut(Row<'_>) -> bool,
    ) -> Result<(), StoreError> {
        let mut versions = Versions::new(self, start)?;
        let mut old = self.next_superseded(prefix, start, revision)?;
        for row in self.current.range(start..).map_err(table_error)? {
            let (key, stored) = row.map_err(table_error)?;
            let (key, stored) = (key.value(), stored.value());
            if !key.starts_with(prefix) {
                break;
            }
            while let Some((key, stored)) = old.take_if(|(old_key, _)| &old_key[..] < key) {
                if !visit(Row {
                    key: &key,
                    stored: &stored,
                    is_old: false,
                }) {
                    return Ok(());
                }
                old = self.next_superseded(prefix, &successor(&key), revision)?;
            }
            if StoredHeader::parse(stored).is_some_and(|header| header.modified > revision) {
                continue;
            }
            let is_old = versions.contains(key, stored)?;
            if !visit(Row { key, stored, is_old }) {
                return Ok(());
            }
        }
        while let Some((key, stored)) = old {
            if !visit(Row {
                key: &key,
                stored: &stored,
                is_old: false,
            }) {
                return Ok(());
            }
            old = self.next_superseded(prefix, &successor(&key), revision)?;
        }
        Ok(())
    }

    /// The first key from `start` on whose record at `revision` has been superseded since, with
    /// that record.
    fn next_superseded(
        &self,
        prefix: &[u8],
        start: &[u8],
        revision: Revision,
    ) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
        let mut start = start.to_vec();
        loop {
            let first = self
                .superseded
                .range((&start[..], 0)..)
                .map_err(table_error)?
                .next();
            let Some(first) = first else { return Ok(None) };
            let key = first.map_err(table_error)?.0.value().0.to_vec();
            if !key.starts_with(prefix) {
                return Ok(None);
            }
            let versions = (&key[..], 0)..=(&key[..], revision);
            let version = self.superseded.range(versions).map_err(table_error)?.next_back();
            if let Some(version) = version {
                let (_, by) = version.map_err(table_error)?;
                if log_revision(&by.value()) > revision {
                    let stored = self.previous_of(&by.value())?;
                    return Ok(Some((key, stored)));
                }
            }
            start = successor(&key);
        }
    }

    /// The stored record that an event superseded; empty (which no tag fits) if that is gone.
    fn previous_of(&self, event: &LogKey) -> Result<Vec<u8>, StoreError> {
        let row = self.log.get(event).map_err(table_error)?;
        let row = row.as_ref().and_then(|row| LogRow::decode(row.value()));
        Ok(row
            .and_then(|row| row.previous.map(<[u8]>::to_vec))
            .unwrap_or_default())
    }

    /// Number of keys under a prefix that is empty or ends with `/`.
    pub(crate) fn count(&self, prefix: &[u8]) -> Result<u64, StoreError> {
        guarded(|| {
            let mut count = 0;
            for row in self.directories.range(prefix..).map_err(table_error)? {
                let (directory, keys) = row.map_err(table_error)?;
                if !directory.value().starts_with(prefix) {
                    break;
                }
                count += keys.value();
            }
            Ok(count)
        })
    }

    /// Events under `prefix` above revision `after`, and the revision up to which they are
    /// complete. Looks at about `limit` events.
    pub(crate) fn events(
        &self,
        prefix: &[u8],
        after: Revision,
        limit: usize,
    ) -> Result<(Vec<Arc<Event>>, Revision), StoreError> {
        guarded(|| {
            let mut events = Vec::new();
            let mut through = after;
            let rows = self.log.range(log_key(after + 1, 0)..).map_err(table_error)?;
            for (looked_at, row) in rows.enumerate() {
                let (log_key, row) = row.map_err(table_error)?;
                let revision = log_revision(&log_key.value());
                if looked_at >= limit && revision > through {
                    return Ok((events, through));
                }
                through = revision;
                let Some(row) = LogRow::decode(row.value()) else {
                    let reason = format!("the event at revision {revision} cannot be read");
                    return Err(StoreError::CorruptFile { reason });
                };
                if row.key.starts_with(prefix) {
                    events.push(Arc::new(self.event(revision, &row)?));
                }
            }
            Ok((events, self.state.revision))
        })
    }

    fn event(&self, revision: Revision, row: &LogRow<'_>) -> Result<Event, StoreError> {
        let key = Bytes::copy_from_slice(row.key);
        let previous = row.previous.and_then(|stored| self.check(&key, stored).ok());
        if row.deleted {
            return Ok(Event {
                revision,
                key,
                change: Change::Delete,
                previous,
            });
        }
        // What the event put is either still current or was superseded by a later event.
        let superseded = self.superseded.get((row.key, revision)).map_err(table_error)?;
        let stored = match superseded {
            Some(by) => Some(self.previous_of(&by.value())?),
            None => self
                .current
                .get(row.key)
                .map_err(table_error)?
                .map(|g| g.value().to_vec()),
        };
        let record = stored.and_then(|stored| self.check(&key, &stored).ok());
        match record.filter(|record| record.modified == revision) {
            Some(record) => Ok(Event {
                revision,
                key,
                change: Change::Put(record),
                previous,
            }),
            None => Err(StoreError::Corrupt { key }),
        }
    }
}

/// The next key after `key`.
fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}
