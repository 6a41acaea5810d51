//! The file that records go to.
//!
//! Whoever records brings its line as far as it can be brought alone, and takes the writer's lock only to give the line
//! its place in the chain and to write it. A thread of its own, the keeper, syncs, retries after failures, and removes
//! what is too old.

mod config;
mod files;
mod keeper;
mod queue;
mod reserve;
mod shared;
mod writer;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;

use jiff::Timestamp;

pub use config::{AuditError, Fsync, LogConfig, LogStats, Mode, OpenError};

use crate::chain::OpenLine;
use crate::event::Event;
use crate::head::{Head, HeadSigner};
use queue::Queue;
use shared::Shared;
use writer::Writer;

pub(crate) use files::backups;
pub(crate) use shared::NOTE_ANNOTATION;

/// Buffers that grew beyond this are given back.
const KEPT_BUFFER: usize = 64 * 1024;

thread_local! {
    /// The last line's memory, for the next one.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The audit log: one file with its rotated predecessors. May be used from many threads. Dropping it writes and syncs
/// what is left.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    queue: Option<Queue>,
    keeper: Option<JoinHandle<()>>,
}

impl Log {
    /// Opens the log where it ended. A line that was torn by a crash is cut off, and an event says so.
    ///
    /// # Errors
    /// When the directory or the file cannot be made, read or written.
    pub fn open(config: LogConfig, signer: HeadSigner) -> Result<Self, OpenError> {
        let mode = config.mode;
        let queue_length = config.queue_length;
        let (writer, notes) = Writer::open(&config)?;
        let shared = Arc::new(Shared::new(config, signer, writer));
        shared.take_over(&notes)?;
        let spawn_failed = |source| OpenError::Io {
            operation: "starting a thread for",
            path: shared.config.path.clone(),
            source,
        };
        let keeper = keeper::start(Arc::clone(&shared)).map_err(spawn_failed)?;
        let mut log = Self {
            shared: Arc::clone(&shared),
            queue: None,
            keeper: Some(keeper),
        };
        if mode == Mode::Batch {
            let queue = Queue::start(Arc::clone(&shared), queue_length).map_err(spawn_failed)?;
            log.queue = Some(queue);
        }
        Ok(log)
    }

    /// Records `event`. In blocking mode its line is in the file when this returns and, with [`Fsync::Always`], on the
    /// disk: there it takes as long as a disk does, and asynchronous code uses [`Log::record_async`]. In batch mode it is
    /// queued, and what finds no room is counted and dropped.
    ///
    /// # Errors
    /// In blocking mode, when the record is not in the file or not on the disk. Never in batch mode.
    pub fn record(&self, event: &Event<'_>) -> Result<(), AuditError> {
        match self.put(event)? {
            Some(sequence) => self.shared.wait_synced(sequence),
            None => Ok(()),
        }
    }

    /// As [`Log::record`], without blocking the thread while the disk works. The line itself is written before the
    /// first `await`.
    ///
    /// # Errors
    /// As [`Log::record`].
    pub async fn record_async(&self, event: &Event<'_>) -> Result<(), AuditError> {
        match self.put(event)? {
            Some(sequence) => self.shared.wait_synced_async(sequence).await,
            None => Ok(()),
        }
    }

    /// Whether a record would be taken now: cheap, for refusing requests (503) before anything is done for them. Always
    /// true in batch mode.
    pub fn is_healthy(&self) -> bool {
        self.queue.is_some() || self.shared.healthy()
    }

    /// A signed statement of the last record that is on the disk: no crash takes it back.
    pub fn head(&self) -> Head {
        let synced = self.shared.synced();
        self.shared
            .signer
            .sign(synced.sequence, synced.hash, Timestamp::now())
    }

    /// The key that verifies heads, 32 bytes.
    pub fn public_key(&self) -> &[u8] {
        self.shared.signer.public_key()
    }

    /// Counters, for metrics.
    pub fn stats(&self) -> LogStats {
        let mut stats = self.shared.stats();
        stats.queued = self.queue.as_ref().map_or(0, Queue::length);
        stats
    }

    /// Waits until everything recorded so far is on the disk.
    ///
    /// # Errors
    /// When it could not be brought there.
    pub fn flush(&self) -> Result<(), AuditError> {
        if let Some(queue) = &self.queue {
            queue.drain();
        }
        self.shared.wait_flushed()
    }

    /// The sequence to wait for, if there is one.
    fn put(&self, event: &Event<'_>) -> Result<Option<u64>, AuditError> {
        if let Some(queue) = &self.queue {
            let mut bytes = Vec::new();
            let opened = event.write_open(&mut bytes);
            queue.push(OpenLine::new(bytes, opened));
            return Ok(None);
        }
        if !self.shared.healthy() {
            self.shared.counters.refused.fetch_add(1, Relaxed);
            return Err(self.shared.refusal());
        }
        let mut bytes = BUFFER.take();
        let opened = event.write_open(&mut bytes);
        let (sequence, mut bytes) = self.shared.append(OpenLine::new(bytes, opened))?;
        if bytes.capacity() <= KEPT_BUFFER {
            bytes.clear();
            BUFFER.set(bytes);
        }
        Ok((self.shared.config.fsync == Fsync::Always).then_some(sequence))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // The queue first: what it still holds is written before the last sync.
        self.queue = None;
        self.shared.stop();
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

#[cfg(test)]
mod tests;
