//! The in-memory engine: the model the other engines are tested against. It keeps every version of
//! every key until compaction and looks things up in the plainest way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{StoreError, WatchError};
use crate::event_log::{EventLog, History, HistoryBatch, WindowLimits};
use crate::store::{
    BackupSummary, Change, Committed, Event, Page, Range, Record, Revision, Serving, Store, StoreStatus,
    Transaction, Write,
};
use crate::transaction::{self, Limits};
use crate::watch::Watch;

/// A store that lives as long as the process.
#[derive(Debug)]
pub struct Memory {
    state: Arc<State>,
    log: Arc<EventLog>,
}

#[derive(Debug)]
struct State(Mutex<Content>);

#[derive(Debug, Default)]
struct Content {
    revision: Revision,
    compacted: Revision,
    closed: bool,
    /// Versions of a key, oldest first; `None` marks a deletion.
    keys: BTreeMap<Bytes, Vec<(Revision, Option<Record>)>>,
    events: BTreeMap<Revision, Vec<Arc<Event>>>,
}

impl Default for Memory {
    fn default() -> Self {
        Memory::new(WindowLimits::default())
    }
}

impl Memory {
    /// An empty store at revision 0.
    pub fn new(window: WindowLimits) -> Memory {
        let state = Arc::new(State(Mutex::default()));
        let history: Arc<dyn History> = state.clone();
        let log = EventLog::new(0, window, Arc::downgrade(&history));
        Memory {
            state,
            log: Arc::new(log),
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.state.0.lock().expect("memory store")
    }
}

impl Content {
    fn at(&self, key: &[u8], revision: Revision) -> Option<&Record> {
        version_at(self.keys.get(key)?, revision)
    }

    fn page(&self, range: &Range) -> Result<Page, StoreError> {
        let revision = range.at.unwrap_or(self.revision);
        transaction::check_readable(range.at, self.revision, self.compacted)?;
        let mut page = Page {
            revision,
            ..Page::default()
        };
        if range.at.is_none() && transaction::is_countable(&range.prefix) {
            page.total = Some(self.under(&range.prefix, &range.prefix, revision).count() as u64);
        }
        let start = range
            .start
            .as_ref()
            .map_or(&range.prefix, |start| start.max(&range.prefix));
        let mut bytes = 0;
        for record in self.under(&range.prefix, start, revision) {
            if transaction::is_page_full(range, page.records.len(), bytes) {
                page.more = true;
                break;
            }
            bytes += record.value.len();
            page.records.push(record.clone());
        }
        Ok(page)
    }

    fn under<'a>(
        &'a self,
        prefix: &'a [u8],
        start: &Bytes,
        revision: Revision,
    ) -> impl Iterator<Item = &'a Record> {
        let keys = self.keys.range(start.clone()..);
        let keys = keys.take_while(move |(key, _)| key.starts_with(prefix));
        keys.filter_map(move |(_, versions)| version_at(versions, revision))
    }

    fn apply(&mut self, writes: Vec<Write>) -> Vec<Arc<Event>> {
        let revision = self.revision + 1;
        let mut events = Vec::new();
        for write in writes {
            let key = write.key().clone();
            let previous = self.at(&key, self.revision).cloned();
            let record = match write {
                Write::Put { value, .. } => {
                    let created = previous.as_ref().map_or(revision, |record| record.created);
                    Some(Record {
                        key: key.clone(),
                        value,
                        created,
                        modified: revision,
                    })
                }
                Write::Delete { .. } if previous.is_none() => continue,
                Write::Delete { .. } => None,
            };
            let change = record.clone().map_or(Change::Delete, Change::Put);
            self.keys.entry(key.clone()).or_default().push((revision, record));
            events.push(Arc::new(Event {
                revision,
                key,
                change,
                previous,
            }));
        }
        if !events.is_empty() {
            self.revision = revision;
            self.events.insert(revision, events.clone());
        }
        events
    }

    fn compact(&mut self, revision: Revision) {
        self.compacted = revision;
        self.events = self.events.split_off(&(revision + 1));
        self.keys.retain(|_, versions| {
            let current = versions.iter().rposition(|(at, _)| *at <= revision);
            versions.drain(..current.unwrap_or(0));
            versions
                .first()
                .is_some_and(|(at, record)| *at > revision || record.is_some())
                || versions.len() > 1
        });
    }
}

fn version_at(versions: &[(Revision, Option<Record>)], revision: Revision) -> Option<&Record> {
    versions.iter().rev().find(|(at, _)| *at <= revision)?.1.as_ref()
}

impl History for State {
    fn events(&self, prefix: &[u8], after: Revision, _limit: usize) -> Result<HistoryBatch, WatchError> {
        let content = self.0.lock().expect("memory store");
        if after < content.compacted {
            return Err(WatchError::Compacted {
                requested: after,
                compacted: content.compacted,
            });
        }
        let events = content.events.range(after + 1..).flat_map(|(_, events)| events);
        let events = events
            .filter(|event| event.key.starts_with(prefix))
            .cloned()
            .collect();
        Ok(HistoryBatch {
            events,
            through: content.revision,
        })
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        let content = self.content();
        Ok(content.at(key, content.revision).cloned())
    }

    async fn range(&self, range: Range) -> Result<Page, StoreError> {
        self.content().page(&range)
    }

    async fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        transaction::check(&transaction, &Limits::default())?;
        let mut content = self.content();
        if content.closed {
            return Err(StoreError::ShuttingDown);
        }
        for condition in &transaction.conditions {
            let record = content.at(&condition.key, content.revision);
            if record.map_or(0, |record| record.modified) != condition.modified {
                return Ok(Committed::ConditionFailed {
                    key: condition.key.clone(),
                });
            }
        }
        let events = content.apply(transaction.writes);
        let revision = content.revision;
        // Published under the lock, so that events arrive in the order of their revisions.
        self.log.publish(&events);
        Ok(Committed::Applied { revision })
    }

    fn watch(&self, prefix: Bytes, after: Revision) -> Result<Watch, StoreError> {
        let compacted = self.content().compacted;
        if after < compacted {
            return Err(StoreError::Compacted {
                requested: after,
                compacted,
            });
        }
        Ok(Watch::new(Arc::clone(&self.log), prefix, after))
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        let mut content = self.content();
        let current = content.revision;
        if revision > current {
            return Err(StoreError::FutureRevision {
                requested: revision,
                current,
            });
        }
        if revision > content.compacted {
            content.compact(revision);
        }
        Ok(())
    }

    fn revision(&self) -> Revision {
        self.content().revision
    }

    fn status(&self) -> StoreStatus {
        let content = self.content();
        let window = self.log.status();
        StoreStatus {
            engine: "memory",
            revision: content.revision,
            compacted: content.compacted,
            keys: content.under(b"", &Bytes::new(), content.revision).count() as u64,
            file_bytes: 0,
            watchers: window.watchers,
            window_events: window.events,
            window_bytes: window.bytes,
            corrupt_records: 0,
            serving: if content.closed {
                Serving::Closed
            } else {
                Serving::Yes
            },
        }
    }

    async fn backup(&self, _file: &Path) -> Result<BackupSummary, StoreError> {
        Err(StoreError::Unsupported {
            engine: "memory",
            operation: "backup",
        })
    }

    async fn failed(&self) -> String {
        std::future::pending().await
    }

    async fn close(&self) {
        self.content().closed = true;
        self.log.close();
    }
}
