//! What readers, the writer and the checkpointer share.

use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock};

use bytes::Bytes;
use tokio::sync::watch;

use super::lock::ProcessLock;
use super::overlay::{self, Overlay};
use super::pages::PageFailure;
use super::space::{Load, Space};
use super::tables::{Checked, DamagedRecord, Tables};
use crate::error::{StoreError, WatchError};
use crate::event_log::{EventLog, History, HistoryBatch};
use crate::store::{Event, Page, Range, Record, Revision, Serving};
use crate::transaction::{check_readable, is_countable, is_page_full};

/// The content of the store: tables, and over them what only the journal holds yet.
#[derive(Debug)]
pub(crate) struct View {
    /// `None` once the store is closed.
    pub tables: Option<Arc<Tables>>,
    /// On its way into the tables; follows them without a gap.
    pub frozen: Option<Arc<Overlay>>,
    /// Follows `frozen`; its events are durable in the journal.
    pub active: Overlay,
    pub revision: Revision,
}

/// What the writer and the checkpointer tell each other.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// There is a frozen overlay to move into the tables.
    pub frozen: bool,
    /// The last attempt to do so met a full disk.
    pub stuck: bool,
    /// The table file has to be opened anew, because a read failed.
    pub reopen: bool,
    /// History is to be removed.
    pub trim: bool,
    /// The checkpointer is to finish.
    pub stop: bool,
}

pub(crate) struct Shared {
    pub view: RwLock<View>,
    pub log: Arc<EventLog>,
    pub signals: Mutex<Signals>,
    pub signalled: Condvar,
    pub serving: watch::Sender<Serving>,
    pub compacted: AtomicU64,
    pub revision: AtomicU64,
    pub corrupt_records: AtomicU64,
    pub store_id: [u8; 16],
    pub lock: Mutex<Option<ProcessLock>>,
    pub space: Space,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// A key's place in the history, with its record unless that is damaged.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub created: Revision,
    pub modified: Revision,
    pub record: Option<Record>,
}

impl Found {
    pub(crate) fn of(record: &Record) -> Found {
        let Record {
            created, modified, ..
        } = *record;
        Found {
            created,
            modified,
            record: Some(record.clone()),
        }
    }

    fn checked(checked: Checked) -> Found {
        match checked {
            Ok(record) => Found::of(&record),
            // Whatever it claims, it exists: it is not at revision 0.
            Err(DamagedRecord { header }) => Found {
                created: header.map_or(1, |header| header.created.max(1)),
                modified: header.map_or(Revision::MAX, |header| header.modified.max(1)),
                record: None,
            },
        }
    }
}

/// One state of the tables and of the overlays over a range of keys.
struct Snapshot {
    tables: Arc<Tables>,
    revision: Revision,
    total: Option<u64>,
    /// Records of the overlays in key order; `None` if deleted.
    changed: Vec<(Bytes, Option<Record>)>,
}

impl Shared {
    pub(crate) fn serving(&self) -> Serving {
        self.serving.borrow().clone()
    }

    /// What the journal holds and the tables do not.
    pub(crate) fn load(&self) -> Load {
        let view = self.view.read().expect("view");
        view.active.load()
            + view
                .frozen
                .as_ref()
                .map_or(Load::default(), |frozen| frozen.load())
    }

    /// Ends writing for good.
    pub(crate) fn fail(&self, reason: String) {
        tracing::error!(%reason, "storage has failed; no write is taken until the restart");
        self.serving.send_if_modified(|serving| match serving {
            Serving::Failed { .. } => false,
            _ => {
                *serving = Serving::Failed { reason };
                true
            }
        });
        self.signalled.notify_all();
    }

    /// Changes between taking all writes and only deletes.
    pub(crate) fn set_full(&self, full: bool) {
        self.serving.send_if_modified(|serving| match (&serving, full) {
            (Serving::Yes, true) => {
                tracing::error!("the disk is full: only deletes are taken");
                *serving = Serving::Full;
                true
            }
            (Serving::Full, false) => {
                tracing::info!("the disk has space again: all writes are taken");
                *serving = Serving::Yes;
                true
            }
            _ => false,
        });
    }

    pub(crate) fn signal(&self, change: impl FnOnce(&mut Signals)) {
        change(&mut self.signals.lock().expect("signals"));
        self.signalled.notify_all();
    }

    /// Runs a read, again if the table file was opened anew meanwhile.
    fn retrying<T>(
        &self,
        mut read: impl FnMut() -> Result<(T, Arc<Tables>), (StoreError, Option<Arc<Tables>>)>,
    ) -> Result<T, StoreError> {
        for _ in 0..3 {
            match read() {
                Ok((result, _)) => return Ok(result),
                Err((error @ StoreError::Io { .. }, Some(tables))) => {
                    if self.is_current(&tables) {
                        self.ask_to_reopen(&tables);
                        return Err(error);
                    }
                }
                Err((error, _)) => return Err(error),
            }
        }
        let source = std::io::Error::other("the table file is being opened anew");
        Err(StoreError::Io {
            operation: "reading the table file",
            source,
        })
    }

    fn is_current(&self, tables: &Tables) -> bool {
        let view = self.view.read().expect("view");
        view.tables
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current.pages(), tables.pages()))
    }

    fn ask_to_reopen(&self, tables: &Tables) {
        if matches!(tables.pages().failure(), Some(PageFailure::Read(_))) {
            self.signal(|signals| signals.reopen = true);
        }
    }

    /// The newest state of a key.
    pub(crate) fn find(&self, key: &[u8]) -> Result<Option<Found>, StoreError> {
        self.retrying(|| {
            let tables = {
                let view = self.view.read().expect("view");
                let tables = view.tables.clone().ok_or((StoreError::ShuttingDown, None))?;
                let frozen = || view.frozen.as_ref().and_then(|frozen| frozen.latest(key));
                if let Some(event) = view.active.latest(key).or_else(frozen) {
                    return Ok((overlay::after(event).map(Found::of), tables));
                }
                tables
            };
            match tables.get(key) {
                Ok(found) => Ok((found.map(Found::checked), tables)),
                Err(error) => Err((error, Some(tables))),
            }
        })
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        match self.find(key)? {
            None => Ok(None),
            Some(Found {
                record: Some(record), ..
            }) => Ok(Some(record)),
            Some(_) => {
                let key = Bytes::copy_from_slice(key);
                self.note_corrupt(&key);
                Err(StoreError::Corrupt { key })
            }
        }
    }

    fn note_corrupt(&self, key: &Bytes) {
        tracing::error!(?key, "a stored record is damaged or was tampered with");
        self.corrupt_records.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn range(&self, range: &Range) -> Result<Page, StoreError> {
        let start = range
            .start
            .as_ref()
            .map_or(&range.prefix, |start| start.max(&range.prefix));
        let page = self.retrying(|| {
            let snapshot = self.snapshot(range, start).map_err(|error| (error, None))?;
            match read_page(&snapshot, range, start) {
                Ok(page) => Ok((page, snapshot.tables)),
                Err(error) => Err((error, Some(snapshot.tables))),
            }
        })?;
        for key in &page.corrupt {
            self.note_corrupt(key);
        }
        Ok(page)
    }

    fn snapshot(&self, range: &Range, start: &[u8]) -> Result<Snapshot, StoreError> {
        let view = self.view.read().expect("view");
        let tables = view.tables.clone().ok_or(StoreError::ShuttingDown)?;
        // History is only removed after `compacted` is raised, so these tables still have it all.
        check_readable(range.at, view.revision, self.compacted.load(Ordering::Acquire))?;
        let revision = range.at.unwrap_or(view.revision);
        let mut changed = Vec::new();
        if revision > tables.state.revision {
            changed = scan_overlays(&view, range, start, revision);
        }
        let mut total = None;
        if range.at.is_none() && is_countable(&range.prefix) {
            total = Some(count(&view, &tables, &range.prefix)?);
        }
        Ok(Snapshot {
            tables,
            revision,
            total,
            changed,
        })
    }

    /// Number of keys.
    pub(crate) fn keys(&self) -> u64 {
        let view = self.view.read().expect("view");
        let tables = view.tables.as_ref();
        tables
            .and_then(|tables| count(&view, tables, b"").ok())
            .unwrap_or(0)
    }

    /// Bytes of the table file.
    pub(crate) fn file_bytes(&self) -> u64 {
        let view = self.view.read().expect("view");
        view.tables.as_ref().map_or(0, |tables| tables.pages().len())
    }
}

fn count(view: &View, tables: &Tables, prefix: &[u8]) -> Result<u64, StoreError> {
    let frozen = view
        .frozen
        .as_ref()
        .map_or(0, |frozen| frozen.count_change(prefix));
    let change = frozen + view.active.count_change(prefix);
    Ok(tables.count(prefix)?.saturating_add_signed(change))
}

/// The overlays' keys in a range, merged; the active overlay is newer. Stops when it has more
/// records than the page takes.
fn scan_overlays(
    view: &View,
    range: &Range,
    start: &[u8],
    revision: Revision,
) -> Vec<(Bytes, Option<Record>)> {
    let bound = Bound::Included(start);
    let mut active = view.active.scan(&range.prefix, bound, revision).peekable();
    let frozen = view.frozen.as_ref();
    let frozen = frozen.map(|frozen| frozen.scan(&range.prefix, bound, revision));
    let mut frozen = frozen.into_iter().flatten().peekable();
    let mut changed = Vec::new();
    let (mut records, mut bytes) = (0, 0);
    loop {
        let next = match (active.peek(), frozen.peek()) {
            (Some((newer, _)), Some((older, _))) if older < newer => frozen.next(),
            (Some((newer, _)), Some((older, _))) if older == newer => {
                frozen.next();
                active.next()
            }
            (Some(_), _) => active.next(),
            (None, _) => frozen.next(),
        };
        let Some((key, record)) = next else { return changed };
        changed.push((key.clone(), record.cloned()));
        if let Some(record) = record {
            if is_page_full(range, records, bytes) {
                return changed;
            }
            records += 1;
            bytes += record.value.len();
        }
    }
}

/// Merges the tables with the overlays' changes into a page.
fn read_page(snapshot: &Snapshot, range: &Range, start: &[u8]) -> Result<Page, StoreError> {
    let (revision, total) = (snapshot.revision, snapshot.total);
    let page = Page {
        revision,
        total,
        ..Page::default()
    };
    let mut page = PageBuilder {
        range,
        bytes: 0,
        page,
    };
    let mut changed = &snapshot.changed[..];
    let tables = &snapshot.tables;
    tables.scan(&range.prefix, start, revision, |row| {
        let key = Bytes::copy_from_slice(row.key);
        let record = if row.is_old {
            None
        } else {
            tables.authenticator.decode(&key, row.stored)
        };
        // A damaged row may claim any key, so nothing is concluded from its place.
        let Some(record) = record.filter(|record| page.is_in_order(&record.key)) else {
            let is_changed = snapshot
                .changed
                .binary_search_by(|(other, _)| other.cmp(&key))
                .is_ok();
            return is_changed || page.add_corrupt(key);
        };
        let before = changed.partition_point(|(other, _)| *other < key);
        for (_, record) in &changed[..before] {
            if !page.add(record.as_ref()) {
                return false;
            }
        }
        changed = &changed[before..];
        match changed.split_first() {
            Some(((other, newer), rest)) if *other == key => {
                changed = rest;
                page.add(newer.as_ref())
            }
            _ => page.add(Some(&record)),
        }
    })?;
    if !page.page.more {
        // Stops by itself at the record that the page has no room for.
        let _ = changed.iter().all(|(_, record)| page.add(record.as_ref()));
    }
    Ok(page.finish())
}

struct PageBuilder<'a> {
    range: &'a Range,
    bytes: usize,
    page: Page,
}

impl PageBuilder<'_> {
    fn is_in_order(&self, key: &Bytes) -> bool {
        self.page.records.last().is_none_or(|last| last.key < key)
    }

    /// Whether another key may be added; if not, the page says that there are more.
    fn has_room(&mut self) -> bool {
        self.page.more = self.page.more || is_page_full(self.range, self.page.records.len(), self.bytes);
        !self.page.more
    }

    fn add(&mut self, record: Option<&Record>) -> bool {
        let Some(record) = record else { return true };
        if !self.has_room() {
            return false;
        }
        self.bytes += record.value.len();
        self.page.records.push(record.clone());
        true
    }

    fn add_corrupt(&mut self, key: Bytes) -> bool {
        let has_room = self.has_room();
        if has_room {
            self.page.corrupt.push(key);
        }
        has_room
    }

    /// A whole list that is shorter than its count has lost keys to damage, names unknown.
    fn finish(self) -> Page {
        let Page {
            records,
            corrupt,
            more,
            total,
            ..
        } = &self.page;
        let is_whole = !more && self.range.start.is_none();
        if is_whole && total.is_some_and(|total| total != (records.len() + corrupt.len()) as u64) {
            tracing::error!(prefix = ?self.range.prefix, found = records.len(), ?total, "keys are missing from the tables, or there are too many");
        }
        self.page
    }
}

impl History for Shared {
    fn events(&self, prefix: &[u8], after: Revision, limit: usize) -> Result<HistoryBatch, WatchError> {
        let (tables, recent, through) = {
            let view = self.view.read().expect("view");
            let tables = view.tables.clone().ok_or(WatchError::Closed)?;
            let recent = if after >= tables.state.revision {
                recent_events(&view, prefix, after)
            } else {
                Vec::new()
            };
            (tables, recent, view.revision)
        };
        let compacted = self.compacted.load(Ordering::Acquire);
        if after < compacted {
            return Err(WatchError::Compacted {
                requested: after,
                compacted,
            });
        }
        if after >= tables.state.revision {
            return Ok(HistoryBatch {
                events: recent,
                through,
            });
        }
        match tables.events(prefix, after, limit) {
            Ok((events, through)) => Ok(HistoryBatch { events, through }),
            Err(error) => Err(WatchError::Unreadable {
                reason: error.to_string(),
            }),
        }
    }
}

/// Events of the overlays; bounded by the size of the overlays.
fn recent_events(view: &View, prefix: &[u8], after: Revision) -> Vec<Arc<Event>> {
    let frozen = view
        .frozen
        .as_ref()
        .map_or(&[][..], |frozen| frozen.events_after(after));
    let events = frozen.iter().chain(view.active.events_after(after));
    events
        .filter(|event| event.key.starts_with(prefix))
        .cloned()
        .collect()
}
