//! The database file: opening it, and the two things that change it — moving a stretch of the
//! journal into the tables, and removing compacted history.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, Table, WriteTransaction};

use super::overlay::{count_change, directory};
use super::pages::{Backend, PageFailure, Pages};
use super::tables::{
    CURRENT, DIRECTORIES, LOG, LogKey, LogRow, META, SUPERSEDED, TableState, Tables, guarded, log_key,
    table_error,
};
use crate::disk::Disk;
use crate::error::{OpenError, StoreError};
use crate::record::{Authenticator, StoredHeader, Tag};
use crate::store::{Change, Event, Revision};

/// Version of the layout described in `docs/storage-format.md`.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const FILE_NAME: &str = "strongroom.redb";
const PARTIAL_NAME: &str = "strongroom.redb.partial";
/// Events brought into key order at a time: enough to share pages, little to hold.
const CHUNK: usize = 1024;

/// What opening needs to know.
#[derive(Clone, Debug)]
pub(crate) struct TableOptions {
    /// Identity given to a new store.
    pub store_id: [u8; 16],
    pub authenticator: Authenticator,
    pub cache_bytes: usize,
}

/// The open database file. Used by one thread.
pub(crate) struct TableFile {
    disk: Arc<dyn Disk>,
    options: TableOptions,
    database: Database,
    pages: Arc<Pages>,
    state: TableState,
}

impl TableFile {
    /// Opens the database, or makes it if there is none. It gets its name when it is complete.
    pub(crate) fn open(disk: Arc<dyn Disk>, options: TableOptions) -> Result<Self, OpenError> {
        if is_missing(disk.as_ref(), FILE_NAME)? {
            TableFile::create(disk, options)?.publish()
        } else {
            TableFile::open_named(disk, options, FILE_NAME)
        }
    }

    /// Makes an empty database, which is not found by [`TableFile::open`] until it is published.
    pub(crate) fn create(disk: Arc<dyn Disk>, options: TableOptions) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io {
            operation: "removing an unfinished table file",
            source,
        };
        disk.remove(PARTIAL_NAME).map_err(failed)?;
        TableFile::open_named(disk, options, PARTIAL_NAME)
    }

    /// Gives a new database its name.
    pub(crate) fn publish(self) -> Result<Self, OpenError> {
        let (disk, options) = (Arc::clone(&self.disk), self.options.clone());
        let closed = self.close();
        closed.map_err(|error| OpenError::Corrupt {
            reason: error.to_string(),
        })?;
        let failed = |source| OpenError::Io {
            operation: "naming the table file",
            source,
        };
        disk.rename(PARTIAL_NAME, FILE_NAME).map_err(failed)?;
        TableFile::open_named(disk, options, FILE_NAME)
    }

    fn open_named(disk: Arc<dyn Disk>, mut options: TableOptions, name: &str) -> Result<Self, OpenError> {
        let (database, pages) = open_database(disk.as_ref(), name, options.cache_bytes)?;
        let opened = catch_unwind(AssertUnwindSafe(|| identify(&database, &mut options)));
        let state = opened.unwrap_or_else(|_| Err(inconsistent()))?;
        Ok(TableFile {
            disk,
            options,
            database,
            pages,
            state,
        })
    }

    pub(crate) fn store_id(&self) -> [u8; 16] {
        self.options.store_id
    }

    pub(crate) fn state(&self) -> TableState {
        self.state
    }

    pub(crate) fn failure(&self) -> Option<PageFailure> {
        self.pages.failure()
    }

    /// The tables as of the last commit.
    pub(crate) fn read(&self) -> Result<Arc<Tables>, StoreError> {
        guarded(|| {
            let transaction = self.database.begin_read().map_err(table_error)?;
            let authenticator = self.options.authenticator.clone();
            let pages = Arc::clone(&self.pages);
            Ok(Arc::new(Tables::open(
                &transaction,
                self.state,
                authenticator,
                pages,
            )?))
        })
    }

    /// Opens the database anew after a failed operation. What was committed is still there; what
    /// failed is not. Readers of the old opening get errors.
    pub(crate) fn reopen(self) -> Result<Self, OpenError> {
        let TableFile {
            disk,
            options,
            database,
            pages,
            ..
        } = self;
        pages.fence();
        // Its pages are fenced, so what it still tries to write goes nowhere.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(database)));
        Self::open(disk, options)
    }

    /// Closes the database, so that the next opening need not recover.
    pub(crate) fn close(self) -> Result<(), StoreError> {
        guarded(|| self.database.close().map_err(table_error))
    }

    fn begin(&self) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.database.begin_write().map_err(table_error)?;
        transaction.set_two_phase_commit(true);
        // Recovery then costs the same however large the file is.
        transaction.set_quick_repair(true);
        Ok(transaction)
    }

    /// Puts events (in order, following the table's revision) into the tables and makes that
    /// durable. All or nothing.
    pub(crate) fn apply(&mut self, events: &[Arc<Event>]) -> Result<(), StoreError> {
        let events = &events[events.partition_point(|event| event.revision <= self.state.revision)..];
        let Some(last) = events.last() else { return Ok(()) };
        let state = TableState {
            revision: last.revision,
            ..self.state
        };
        self.change(state, |transaction, options| {
            let mut current = transaction.open_table(CURRENT).map_err(table_error)?;
            let mut log = transaction.open_table(LOG).map_err(table_error)?;
            let mut superseded = transaction.open_table(SUPERSEDED).map_err(table_error)?;
            let mut numbered = numbered(events);
            for chunk in numbered.chunks_mut(CHUNK) {
                let mut rows = Vec::with_capacity(chunk.len());
                chunk.sort_by(|left, right| left.1.key.cmp(&right.1.key).then_with(|| left.0.cmp(&right.0)));
                for events in chunk.chunk_by(|left, right| left.1.key == right.1.key) {
                    let authenticator = &options.authenticator;
                    apply_to_key(&mut current, &mut superseded, authenticator, events, &mut rows)?;
                }
                rows.sort_unstable_by_key(|row| row.0);
                for (key, row) in rows {
                    log.insert(key, &row[..]).map_err(table_error)?;
                }
            }
            count(
                &mut transaction.open_table(DIRECTORIES).map_err(table_error)?,
                events,
            )
        })
    }

    /// Starts over at a revision with the given records, for a restore.
    pub(crate) fn load(&mut self, state: TableState, records: &[(Bytes, Vec<u8>)]) -> Result<(), StoreError> {
        self.change(state, |transaction, _| {
            let mut current = transaction.open_table(CURRENT).map_err(table_error)?;
            let mut directories = transaction.open_table(DIRECTORIES).map_err(table_error)?;
            let mut counts: BTreeMap<Bytes, u64> = BTreeMap::new();
            for (key, stored) in records {
                current.insert(&key[..], &stored[..]).map_err(table_error)?;
                *counts.entry(directory(key)).or_default() += 1;
            }
            for (directory, keys) in counts {
                let before = directories.get(&directory[..]).map_err(table_error)?;
                let before = before.map_or(0, |count| count.value());
                directories
                    .insert(&directory[..], before + keys)
                    .map_err(table_error)?;
            }
            Ok(())
        })
    }

    /// Removes up to `limit` events of the history up to `compacted`, and what they superseded.
    /// Returns the bytes of values freed.
    pub(crate) fn trim(&mut self, compacted: Revision, limit: usize) -> Result<usize, StoreError> {
        let target = compacted.min(self.state.revision);
        let mut state = TableState {
            compacted: compacted.max(self.state.compacted),
            ..self.state
        };
        let mut freed = 0;
        let mut removed = 0;
        let rows = self.database.begin_read().map_err(table_error)?;
        let history = rows.open_table(LOG).map_err(table_error)?;
        let range = ..=log_key(target, u32::MAX);
        let doomed = guarded(|| {
            let mut doomed: Vec<(LogKey, Option<(Vec<u8>, Revision)>)> = Vec::new();
            for row in history.range(range).map_err(table_error)?.take(limit) {
                let (key, row) = row.map_err(table_error)?;
                let row = LogRow::decode(row.value());
                let previous = row.and_then(|row| Some((row.key.to_vec(), row.previous?)));
                freed += previous.as_ref().map_or(0, |(_, stored)| stored.len());
                let previous = previous.map(|(key, stored)| (key, modified(stored)));
                doomed.push((key.value(), previous));
            }
            removed = doomed.len();
            Ok(doomed)
        })?;
        drop((history, rows));
        if removed < limit {
            state.trimmed = target;
        }
        self.change(state, |transaction, _| {
            let mut log = transaction.open_table(LOG).map_err(table_error)?;
            let mut superseded = transaction.open_table(SUPERSEDED).map_err(table_error)?;
            for (event, previous) in &doomed {
                log.remove(event).map_err(table_error)?;
                if let Some((key, modified)) = previous {
                    superseded.remove((&key[..], *modified)).map_err(table_error)?;
                }
            }
            Ok(())
        })?;
        Ok(freed)
    }

    /// Runs `run` in a write transaction that leads to `state`.
    fn change(
        &mut self,
        state: TableState,
        run: impl FnOnce(&WriteTransaction, &TableOptions) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        guarded(|| {
            let transaction = self.begin()?;
            run(&transaction, &self.options)?;
            let encoded = state.encode(&self.options.store_id, &self.options.authenticator);
            {
                let mut meta = transaction.open_table(META).map_err(table_error)?;
                meta.insert("state", &encoded[..]).map_err(table_error)?;
            }
            transaction.commit().map_err(table_error)
        })?;
        self.state = state;
        Ok(())
    }
}

/// Whether there is no file of that name.
pub(crate) fn is_missing(disk: &dyn Disk, name: &str) -> Result<bool, OpenError> {
    match disk.open(name, false) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(OpenError::Io {
            operation: "looking into the data directory",
            source,
        }),
    }
}

fn modified(stored: &[u8]) -> Revision {
    StoredHeader::parse(stored).map_or(0, |header| header.modified)
}

type NumberedEvent<'a> = (LogKey, &'a Event);

/// Gives every event its key in the log.
fn numbered(events: &[Arc<Event>]) -> Vec<NumberedEvent<'_>> {
    let mut numbered: Vec<NumberedEvent<'_>> = Vec::with_capacity(events.len());
    for revision in events.chunk_by(|left, right| left.revision == right.revision) {
        let keys = (0..).map(|index| log_key(revision[0].revision, index));
        numbered.extend(keys.zip(revision.iter().map(AsRef::as_ref)));
    }
    numbered
}

/// Applies the events of one key, oldest first; their log rows are added to `rows`.
fn apply_to_key(
    current: &mut Table<'_, &'static [u8], &'static [u8]>,
    superseded: &mut Table<'_, (&'static [u8], u64), LogKey>,
    authenticator: &Authenticator,
    events: &[NumberedEvent<'_>],
    rows: &mut Vec<(LogKey, Vec<u8>)>,
) -> Result<(), StoreError> {
    let stored = |event: &Event| match &event.change {
        Change::Put(record) => {
            let mut stored = Vec::with_capacity(StoredHeader::LENGTH + record.value.len());
            authenticator.encode(record, &mut stored);
            Some(stored)
        }
        Change::Delete => None,
    };
    let Some((last, earlier)) = events.split_last() else {
        return Ok(());
    };
    let key = &last.1.key[..];
    let old = match stored(last.1) {
        Some(new) => current.insert(key, &new[..]).map_err(table_error)?,
        None => current.remove(key).map_err(table_error)?,
    };
    let mut previous = old.map(|old| old.value().to_vec());
    for (log_key, event) in earlier.iter().chain([last]) {
        let deleted = matches!(event.change, Change::Delete);
        let row = LogRow {
            deleted,
            key,
            previous: previous.as_deref(),
        };
        let mut encoded = Vec::with_capacity(5 + key.len() + row.previous.map_or(0, <[u8]>::len));
        row.encode(&mut encoded);
        rows.push((*log_key, encoded));
        if let Some(stored) = &previous {
            superseded
                .insert((key, modified(stored)), *log_key)
                .map_err(table_error)?;
        }
        if log_key != &last.0 {
            previous = stored(event);
        }
    }
    Ok(())
}

fn count(directories: &mut Table<'_, &'static [u8], u64>, events: &[Arc<Event>]) -> Result<(), StoreError> {
    let mut changes: BTreeMap<Bytes, i64> = BTreeMap::new();
    for event in events {
        match count_change(event) {
            0 => {}
            change => *changes.entry(directory(&event.key)).or_default() += change,
        }
    }
    for (directory, change) in changes {
        let before = directories.get(&directory[..]).map_err(table_error)?;
        let keys = before
            .map_or(0, |count| count.value())
            .saturating_add_signed(change);
        if keys == 0 {
            directories.remove(&directory[..]).map_err(table_error)?;
        } else {
            directories.insert(&directory[..], keys).map_err(table_error)?;
        }
    }
    Ok(())
}

fn open_database(
    disk: &dyn Disk,
    name: &str,
    cache_bytes: usize,
) -> Result<(Database, Arc<Pages>), OpenError> {
    let failed = |source| OpenError::Io {
        operation: "opening the table file",
        source,
    };
    let pages = Pages::new(disk.open(name, true).map_err(failed)?);
    let backend = Backend(Arc::clone(&pages));
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    let opened = catch_unwind(AssertUnwindSafe(|| builder.create_with_backend(backend)));
    let database = opened.map_err(|_| inconsistent())?.map_err(open_error)?;
    Ok((database, pages))
}

fn inconsistent() -> OpenError {
    OpenError::Corrupt {
        reason: "the table file is inconsistent".into(),
    }
}

fn open_error(error: impl Into<redb::Error>) -> OpenError {
    match table_error(error) {
        StoreError::Io { source, .. } if source.raw_os_error().is_some() => OpenError::Io {
            operation: "opening the table file",
            source,
        },
        StoreError::Io { source, .. } => OpenError::Corrupt {
            reason: source.to_string(),
        },
        StoreError::CorruptFile { reason } => OpenError::Corrupt { reason },
        other => OpenError::Corrupt {
            reason: other.to_string(),
        },
    }
}

/// Reads who the store is and where it stands; gives a new one its identity.
fn identify(database: &Database, options: &mut TableOptions) -> Result<TableState, OpenError> {
    let transaction = database.begin_read().map_err(open_error)?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(redb::TableError::TableDoesNotExist(_)) => {
            initialize(database, options).map_err(|error| match error {
                StoreError::Io { operation, source } => OpenError::Io { operation, source },
                other => OpenError::Corrupt {
                    reason: other.to_string(),
                },
            })?;
            return Ok(TableState::default());
        }
        Err(error) => return Err(open_error(error)),
    };
    let row = |name: &str| -> Result<Vec<u8>, OpenError> {
        let row = meta.get(name).map_err(open_error)?;
        row.map(|row| row.value().to_vec())
            .ok_or_else(|| OpenError::Corrupt {
                reason: format!("there is no {name} in it"),
            })
    };
    let damaged = |name: &str| OpenError::Corrupt {
        reason: format!("its {name} is damaged"),
    };
    let format = row("format")?.try_into().map_err(|_| damaged("format"))?;
    let found = u32::from_le_bytes(format);
    if found != FORMAT {
        return Err(OpenError::Format {
            found,
            supported: FORMAT,
        });
    }
    options.store_id = row("store id")?.try_into().map_err(|_| damaged("store id"))?;
    if row("key check")? != key_check(options) {
        return Err(OpenError::WrongKey);
    }
    let state = TableState::decode(&row("state")?, &options.store_id, &options.authenticator);
    state.ok_or_else(|| damaged("state"))
}

fn key_check(options: &TableOptions) -> Tag {
    options.authenticator.tag(b"key    1", &[&options.store_id])
}

fn initialize(database: &Database, options: &TableOptions) -> Result<(), StoreError> {
    let mut transaction = database.begin_write().map_err(table_error)?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    {
        let mut meta = transaction.open_table(META).map_err(table_error)?;
        let state = TableState::default().encode(&options.store_id, &options.authenticator);
        let rows: [(&str, &[u8]); 4] = [
            ("format", &FORMAT.to_le_bytes()),
            ("store id", &options.store_id),
            ("key check", &key_check(options)),
            ("state", &state),
        ];
        for (name, value) in rows {
            meta.insert(name, value).map_err(table_error)?;
        }
    }
    transaction.open_table(CURRENT).map_err(table_error)?;
    transaction.open_table(LOG).map_err(table_error)?;
    transaction.open_table(SUPERSEDED).map_err(table_error)?;
    transaction.open_table(DIRECTORIES).map_err(table_error)?;
    transaction.commit().map_err(table_error)
}
