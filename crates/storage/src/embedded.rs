//! The embedded engine, the default: one directory on a local disk, one process.
//!
//! A change is durable when the journal is synced. The tables (redb) follow at their own pace, in
//! large transactions; until they have, the change is read from memory. See
//! `docs/storage-format.md` for the files, and [`writer`] and [`checkpointer`] for the two threads.

mod backup;
mod checkpointer;
mod journal;
mod lock;
mod overlay;
mod pages;
mod recovery;
mod restore;
mod shared;
mod space;
mod table_file;
mod tables;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use strongroom_encryption::RecordKey;
use tokio::sync::{mpsc, oneshot, watch};

pub use self::restore::restore;

use self::checkpointer::Checkpointer;
use self::journal::{Journal, JournalFormat};
use self::lock::ProcessLock;
use self::overlay::Overlay;
use self::shared::{Shared, Signals, View};
use self::space::Space;
use self::table_file::{TableFile, TableOptions};
use self::writer::{Job, Pending, Writer};
use crate::disk::{Directory, Disk};
use crate::error::{OpenError, StoreError};
use crate::event_log::{EventLog, History, WindowLimits};
use crate::record::Authenticator;
use crate::store::{
    BackupSummary, Committed, Page, Range, Record, Revision, Serving, Store, StoreStatus, Transaction,
};
use crate::transaction::{self, Limits};
use crate::watch::Watch;

/// Transactions that may wait for the writer.
const QUEUE: usize = 1024;
/// Pages of more records than this are read on a thread of their own.
const INLINE: usize = 512;

/// Takes the largest group of transactions.
const MIN_SEGMENT_BYTES: u64 = 8 << 20;

/// How to open an embedded store.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// The directory of its files; made (0700) if it does not exist.
    pub directory: PathBuf,
    /// Identity given to the store if it is made now: 16 random bytes.
    pub store_id: [u8; 16],
    /// Authenticates records; without one only accidental damage is found. Must be the same each
    /// time.
    pub record_key: Option<RecordKey>,
    /// Bytes of the table file kept in memory.
    pub cache_bytes: usize,
    /// Bounds of the in-memory window of events.
    pub window: WindowLimits,
    /// Size of each of the two journal segments in bytes, at least 8 MiB; also about what memory
    /// holds of each. Fixed when the store is made.
    pub segment_bytes: u64,
    /// Changes move from the journal to the tables after this time at the latest.
    pub checkpoint_delay: Duration,
    /// Size of the file that is given up when the disk is full.
    pub reserve_bytes: u64,
}

impl EmbeddedOptions {
    /// The defaults, for a store in `directory`.
    pub fn new(directory: impl Into<PathBuf>, store_id: [u8; 16]) -> EmbeddedOptions {
        EmbeddedOptions {
            directory: directory.into(),
            store_id,
            record_key: None,
            cache_bytes: 24 << 20,
            window: WindowLimits::default(),
            segment_bytes: 8 << 20,
            checkpoint_delay: Duration::from_secs(5),
            reserve_bytes: 4 << 20,
        }
    }
}

/// A store in a directory.
pub struct Embedded {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("revision", &self.revision())
            .finish_non_exhaustive()
    }
}

impl Embedded {
    /// Opens the store, or makes an empty one. Blocks for as long as recovery takes: some
    /// hundred milliseconds at most, whatever the size of the store.
    ///
    /// # Errors
    /// [`OpenError::Locked`] if another process has it open; [`OpenError::Corrupt`] if it is
    /// damaged in a way that may have cost acknowledged data.
    pub fn open(options: &EmbeddedOptions) -> Result<Embedded, OpenError> {
        let failed = |source| OpenError::Io {
            operation: "opening the data directory",
            source,
        };
        let directory = Directory::create(&options.directory).map_err(failed)?;
        let lock = ProcessLock::acquire(directory.path())?;
        let segment_bytes = options.segment_bytes.max(MIN_SEGMENT_BYTES);
        let options = EmbeddedOptions {
            segment_bytes,
            ..options.clone()
        };
        Embedded::open_on(Arc::new(directory), &options, Some(lock))
    }

    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        options: &EmbeddedOptions,
        lock: Option<ProcessLock>,
    ) -> Result<Embedded, OpenError> {
        let authenticator = Authenticator::new(options.record_key.clone());
        let table_options = TableOptions {
            store_id: options.store_id,
            authenticator: authenticator.clone(),
            cache_bytes: options.cache_bytes,
        };
        let file = TableFile::open(Arc::clone(&disk), table_options)?;
        let state = file.state();
        let format = JournalFormat {
            store_id: file.store_id(),
            segment_bytes: options.segment_bytes,
            authenticator,
        };
        let (journal, entries) = Journal::open(disk.as_ref(), format, state.revision)?;
        let damaged = |error: StoreError| OpenError::Corrupt {
            reason: error.to_string(),
        };
        let tables = file.read().map_err(damaged)?;
        let replayed = recovery::replay(&tables, entries).map_err(damaged)?;
        let revision = replayed
            .events
            .last()
            .map_or(state.revision, |event| event.revision);
        let space = Space::new(Arc::clone(&disk), options.reserve_bytes);
        let has_reserve = space.make_reserve().is_ok();
        let frozen = !replayed.is_empty();
        let view = View {
            tables: Some(tables),
            frozen: frozen.then(|| Arc::<Overlay>::new(replayed)),
            active: Overlay::default(),
            revision,
        };
        let serving = if has_reserve { Serving::Yes } else { Serving::Full };
        let signals = Signals {
            frozen,
            trim: state.compacted > state.trimmed,
            ..Signals::default()
        };
        let shared = Arc::new_cyclic(|shared: &std::sync::Weak<Shared>| {
            let history: std::sync::Weak<dyn History> = shared.clone();
            Shared {
                view: RwLock::new(view),
                log: Arc::new(EventLog::new(revision, options.window, history)),
                signals: Mutex::new(signals),
                signalled: Condvar::new(),
                serving: watch::Sender::new(serving),
                compacted: AtomicU64::new(state.compacted),
                revision: AtomicU64::new(revision),
                corrupt_records: AtomicU64::new(0),
                store_id: file.store_id(),
                lock: Mutex::new(lock),
                space,
            }
        });
        let (jobs, receiver) = mpsc::channel(QUEUE);
        let checkpointer = Checkpointer {
            shared: Arc::clone(&shared),
            file: Some(file),
            jobs: jobs.downgrade(),
            delay: options.checkpoint_delay,
        };
        let checkpointer = spawn("checkpointer", move || checkpointer.run())?;
        let writer = Writer {
            shared: Arc::clone(&shared),
            jobs: receiver,
            journal,
            revision,
            checkpointer,
        };
        spawn("writer", move || writer.run())?;
        Ok(Embedded { shared, jobs })
    }

    /// The identity the store was given when it was made.
    pub fn store_id(&self) -> [u8; 16] {
        self.shared.store_id
    }

    /// Moves everything from the journal into the tables.
    pub(crate) async fn flush(&self) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.jobs.send(Job::Flush(answer)).await;
        sent.map_err(|_| self.gone())?;
        answered.await.unwrap_or_else(|_| Err(self.gone()))
    }

    fn gone(&self) -> StoreError {
        match self.shared.serving() {
            Serving::Failed { reason } => StoreError::Failed { reason },
            _ => StoreError::ShuttingDown,
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>, OpenError> {
    let spawned = thread::Builder::new().name(format!("storage-{name}")).spawn(run);
    spawned.map_err(|source| OpenError::Io {
        operation: "starting a thread",
        source,
    })
}

#[async_trait]
impl Store for Embedded {
    async fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.shared.get(key)
    }

    async fn range(&self, range: Range) -> Result<Page, StoreError> {
        if (1..=INLINE).contains(&range.limit) {
            return self.shared.range(&range);
        }
        let shared = Arc::clone(&self.shared);
        let read = tokio::task::spawn_blocking(move || shared.range(&range)).await;
        read.unwrap_or_else(|error| {
            Err(StoreError::CorruptFile {
                reason: error.to_string(),
            })
        })
    }

    async fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        transaction::check(&transaction, &Limits::default())?;
        let (answer, answered) = oneshot::channel();
        let sent = self.jobs.send(Job::Commit(Pending { transaction, answer })).await;
        sent.map_err(|_| self.gone())?;
        answered.await.unwrap_or_else(|_| Err(self.gone()))
    }

    fn watch(&self, prefix: Bytes, after: Revision) -> Result<Watch, StoreError> {
        let compacted = self.shared.compacted.load(Ordering::Acquire);
        if after < compacted {
            return Err(StoreError::Compacted {
                requested: after,
                compacted,
            });
        }
        Ok(Watch::new(Arc::clone(&self.shared.log), prefix, after))
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        let current = self.revision();
        if revision > current {
            return Err(StoreError::FutureRevision {
                requested: revision,
                current,
            });
        }
        self.shared.compacted.fetch_max(revision, Ordering::AcqRel);
        self.shared.signal(|signals| signals.trim = true);
        Ok(())
    }

    fn revision(&self) -> Revision {
        self.shared.revision.load(Ordering::Acquire)
    }

    fn status(&self) -> StoreStatus {
        let window = self.shared.log.status();
        StoreStatus {
            engine: "embedded",
            revision: self.revision(),
            compacted: self.shared.compacted.load(Ordering::Acquire),
            keys: self.shared.keys(),
            file_bytes: self.shared.file_bytes(),
            watchers: window.watchers,
            window_events: window.events,
            window_bytes: window.bytes,
            corrupt_records: self.shared.corrupt_records.load(Ordering::Relaxed),
            serving: self.shared.serving(),
        }
    }

    async fn backup(&self, file: &Path) -> Result<BackupSummary, StoreError> {
        // The tables alone are then the store as it is now.
        self.flush().await?;
        let tables = self.shared.view.read().expect("view").tables.clone();
        let tables = tables.ok_or(StoreError::ShuttingDown)?;
        let (store_id, file) = (self.store_id(), file.to_owned());
        let written = tokio::task::spawn_blocking(move || backup::write(&tables, store_id, &file)).await;
        written.unwrap_or_else(|error| {
            Err(StoreError::CorruptFile {
                reason: error.to_string(),
            })
        })
    }

    async fn failed(&self) -> String {
        let mut serving = self.shared.serving.subscribe();
        loop {
            if let Serving::Failed { reason } = &*serving.borrow_and_update() {
                return reason.clone();
            }
            if serving.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if self.jobs.send(Job::Close(answer)).await.is_ok() {
            // An error only says that someone else closed it first.
            let _ = answered.await;
        }
    }
}

#[cfg(test)]
mod tests;
