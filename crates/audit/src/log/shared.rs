//! What the threads of a log share.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::config::{AuditError, LogConfig, LogStats, OpenError};
use super::writer::{Failure, Writer};
use crate::chain::{OpenLine, Position};
use crate::event::{Event, User};
use crate::head::HeadSigner;
use crate::stage::{Level, Stage};

/// The annotation of records about the log itself.
pub(crate) const NOTE_ANNOTATION: &str = "strongroom.dev/audit-note";

#[derive(Debug)]
pub(super) struct Shared {
    pub config: LogConfig,
    pub signer: HeadSigner,
    pub counters: Counters,
    pub(super) writer: Mutex<Writer>,
    progress: Mutex<Progress>,
    /// The keeper has something to do.
    wake: Condvar,
    /// A sync has ended, for those who wait with their thread.
    done: Condvar,
    /// And for those who wait without.
    done_async: Notify,
    failed: AtomicBool,
    /// There is no room for the records of requests under way, should more begin.
    short: AtomicBool,
    /// The next sync fails.
    #[cfg(test)]
    pub disk_broken: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub recorded: AtomicU64,
    pub bytes: AtomicU64,
    pub refused: AtomicU64,
    pub dropped: AtomicU64,
    pub write_failures: AtomicU64,
    pub sync_failures: AtomicU64,
    pub syncs: AtomicU64,
    pub rotations: AtomicU64,
}

/// How far syncing is.
#[derive(Debug, Default)]
struct Progress {
    stop: bool,
    /// Somebody waits for the record with this sequence.
    wanted: u64,
    rotated: bool,
    synced: Position,
    /// Records after the first and up to the second number were in the file when a sync failed.
    lost: Option<(u64, u64)>,
    reason: String,
}

/// Why the keeper was woken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wake {
    pub stop: bool,
    pub rotated: bool,
}

impl Progress {
    fn outcome(&self, sequence: u64) -> Option<Result<(), AuditError>> {
        if self
            .lost
            .is_some_and(|(after, last)| sequence > after && sequence <= last)
        {
            let reason = self.reason.clone();
            return Some(Err(AuditError::Sync { reason }));
        }
        (self.synced.sequence >= sequence).then_some(Ok(()))
    }
}

/// A thread that panicked holding a lock must not take the others with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(config: LogConfig, signer: HeadSigner, writer: Writer) -> Self {
        Self {
            config,
            signer,
            counters: Counters::default(),
            writer: Mutex::new(writer),
            progress: Mutex::default(),
            wake: Condvar::new(),
            done: Condvar::new(),
            done_async: Notify::new(),
            failed: AtomicBool::new(false),
            short: AtomicBool::new(false),
            #[cfg(test)]
            disk_broken: AtomicBool::new(false),
        }
    }

    /// The first lines after opening, on the disk with all that was there before.
    pub(super) fn take_over(&self, notes: &[String]) -> Result<(), OpenError> {
        let failed = |error: AuditError| OpenError::Io {
            operation: "writing",
            path: self.config.path.clone(),
            source: std::io::Error::other(error),
        };
        for note in notes {
            tracing::warn!(path = %self.config.path.display(), "audit log: {note}");
            self.append(note_line(note)).map_err(failed)?;
        }
        self.sync().map_err(failed)
    }

    pub(super) fn healthy(&self) -> bool {
        !self.failed.load(Acquire) && !self.short.load(Acquire)
    }

    /// Takes new records again once there is room for them.
    pub(super) fn make_room(&self) {
        if self.short.load(Acquire) {
            let mut writer = lock(&self.writer);
            writer.make_room();
            self.short.store(!writer.has_room(), Release);
        }
    }

    pub(super) fn refusal(&self) -> AuditError {
        let failure = lock(&self.writer).failure().cloned();
        let full = || "there is no room left on its disk".to_owned();
        let reason = failure.map_or_else(full, |failure| failure.reason().to_owned());
        AuditError::Failed { reason }
    }

    /// Writes the line; its sequence and its memory.
    pub(super) fn append(&self, line: OpenLine) -> Result<(u64, Vec<u8>), AuditError> {
        let mut writer = lock(&self.writer);
        let was_failed = writer.failure().is_some();
        let outcome = writer.append(line);
        let sequence = writer.end().sequence;
        match outcome {
            Ok((bytes, rotated)) => {
                if !writer.has_room() && !self.short.swap(true, AcqRel) {
                    tracing::error!(path = %self.config.path.display(), "the audit log's disk is full: requests are refused");
                    self.wake.notify_one();
                }
                drop(writer);
                self.counters.recorded.fetch_add(1, Relaxed);
                self.counters.bytes.fetch_add(bytes.len() as u64, Relaxed);
                if rotated {
                    self.counters.rotations.fetch_add(1, Relaxed);
                    lock(&self.progress).rotated = true;
                    self.wake.notify_one();
                }
                Ok((sequence, bytes))
            }
            Err(failure) => {
                self.failed.store(true, Release);
                drop(writer);
                self.counters.refused.fetch_add(1, Relaxed);
                let reason = failure.reason().to_owned();
                if was_failed {
                    return Err(AuditError::Failed { reason });
                }
                self.counters.write_failures.fetch_add(1, Relaxed);
                tracing::error!(path = %self.config.path.display(), %reason, "the audit log cannot be written");
                self.wake.notify_one();
                Err(AuditError::Write { reason })
            }
        }
    }

    pub(super) fn synced(&self) -> Position {
        lock(&self.progress).synced
    }

    pub(super) fn wait_synced(&self, sequence: u64) -> Result<(), AuditError> {
        let mut progress = lock(&self.progress);
        loop {
            if let Some(outcome) = progress.outcome(sequence) {
                return outcome;
            }
            progress.wanted = progress.wanted.max(sequence);
            self.wake.notify_one();
            progress = self.done.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) async fn wait_synced_async(&self, sequence: u64) -> Result<(), AuditError> {
        loop {
            let done = self.done_async.notified();
            {
                let mut progress = lock(&self.progress);
                if let Some(outcome) = progress.outcome(sequence) {
                    return outcome;
                }
                progress.wanted = progress.wanted.max(sequence);
                self.wake.notify_one();
            }
            // Counts from its creation on: a sync that ended meanwhile wakes it.
            done.await;
        }
    }

    pub(super) fn wait_flushed(&self) -> Result<(), AuditError> {
        if self.failed.load(Acquire) {
            return Err(self.refusal());
        }
        let sequence = lock(&self.writer).end().sequence;
        self.wait_synced(sequence)
    }

    /// Brings everything in the file to the disk.
    pub(super) fn sync(&self) -> Result<(), AuditError> {
        let work = {
            let mut writer = lock(&self.writer);
            // After a failed write, what was written before still belongs on the disk.
            if let Some(Failure::Sync(reason)) = writer.failure() {
                let reason = reason.clone();
                return Err(AuditError::Failed { reason });
            }
            writer.sync_work()
        };
        if !work.directory && work.end == self.synced() {
            return Ok(());
        }
        #[cfg(test)]
        let outcome = match self.disk_broken.swap(false, Acquire) {
            true => Err(std::io::Error::other("a broken disk")),
            false => work.run(&self.config.path),
        };
        #[cfg(not(test))]
        let outcome = work.run(&self.config.path);
        let Err(error) = outcome else {
            self.counters.syncs.fetch_add(1, Relaxed);
            self.publish(work.end);
            return Ok(());
        };
        let reason = error.to_string();
        self.counters.sync_failures.fetch_add(1, Relaxed);
        tracing::error!(path = %self.config.path.display(), %reason, "the audit log cannot be synced");
        let mut writer = lock(&self.writer);
        writer.sync_failed(reason.clone());
        self.failed.store(true, Release);
        self.lose(writer.end().sequence, &reason);
        Err(AuditError::Sync { reason })
    }

    /// A sync has failed: records up to `last` that were not on the disk may never be, whatever is synced later.
    fn lose(&self, last: u64, reason: &str) {
        let mut progress = lock(&self.progress);
        let after = progress.lost.map_or(progress.synced.sequence, |(after, _)| after);
        progress.lost = Some((after, last));
        reason.clone_into(&mut progress.reason);
        drop(progress);
        self.announce();
    }

    fn publish(&self, end: Position) {
        lock(&self.progress).synced = end;
        self.announce();
    }

    fn announce(&self) {
        self.done.notify_all();
        self.done_async.notify_waiters();
    }

    /// After a failure: tries to write again.
    pub(super) fn recover(&self) {
        let mut writer = lock(&self.writer);
        let Some(failure) = writer.failure().cloned() else {
            return;
        };
        let last = writer.end().sequence;
        let synced = self.synced().sequence;
        let reason = failure.reason();
        let note = match &failure {
            Failure::Write(_) => format!("recording stopped and resumed: {reason}"),
            Failure::Sync(_) => format!(
                "recording stopped and resumed in a new file: {reason}; records {} to {last} may not have reached the \
                 disk",
                synced + 1
            ),
        };
        match writer.recover(note_line(&note)) {
            Ok(()) => {
                self.failed.store(false, Release);
                let end = writer.end();
                drop(writer);
                self.counters.recorded.fetch_add(1, Relaxed);
                self.publish(end);
                tracing::warn!(path = %self.config.path.display(), "audit log: {note}");
            }
            Err(error) => {
                if matches!(writer.failure(), Some(Failure::Sync(_))) {
                    self.lose(last, &error.to_string());
                }
                tracing::debug!(%error, "the audit log still cannot be written");
            }
        }
    }

    /// Begins a new file if somebody removed the current one.
    pub(super) fn replace_if_gone(&self) {
        let replaced = lock(&self.writer).replace_if_gone();
        match replaced {
            Ok(false) => {}
            Ok(true) => {
                let note =
                    "the file was removed or replaced by somebody else; recording goes on in a new one";
                tracing::error!(path = %self.config.path.display(), "audit log: {note}");
                // If this fails, the log says so itself.
                let _ = self.append(note_line(note));
            }
            Err(error) => tracing::error!(%error, "the audit log's file is gone and cannot be made again"),
        }
    }

    /// Waits for something to do, at most `limit`.
    pub(super) fn wait_for_work(&self, limit: Duration) -> Wake {
        let mut progress = lock(&self.progress);
        let idle = |progress: &mut Progress| {
            let wanted = progress.wanted > progress.synced.sequence && self.healthy();
            !(progress.stop || progress.rotated || wanted)
        };
        if idle(&mut progress) {
            let waited = self.wake.wait_timeout(progress, limit);
            progress = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Wake {
            stop: progress.stop,
            rotated: std::mem::take(&mut progress.rotated),
        }
    }

    /// Whether somebody waits for the disk.
    pub(super) fn sync_wanted(&self) -> bool {
        let progress = lock(&self.progress);
        progress.wanted > progress.synced.sequence
    }

    pub(super) fn stop(&self) {
        lock(&self.progress).stop = true;
        self.wake.notify_one();
    }

    pub(super) fn stats(&self) -> LogStats {
        let sequence = lock(&self.writer).end().sequence;
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        LogStats {
            recorded: load(&self.counters.recorded),
            bytes: load(&self.counters.bytes),
            refused: load(&self.counters.refused),
            dropped: load(&self.counters.dropped),
            queued: 0,
            write_failures: load(&self.counters.write_failures),
            sync_failures: load(&self.counters.sync_failures),
            syncs: load(&self.counters.syncs),
            rotations: load(&self.counters.rotations),
            sequence,
            synced_sequence: self.synced().sequence,
            healthy: self.healthy(),
        }
    }
}

/// A record about the log itself.
pub(super) fn note_line(note: &str) -> OpenLine {
    let now = Timestamp::now();
    let event = Event {
        level: Level::Metadata,
        audit_id: &format!("log-{}", now.as_microsecond()),
        stage: Stage::ResponseComplete,
        request_uri: "",
        verb: "note",
        user: User {
            username: "system:strongroom",
            ..User::default()
        },
        impersonated_user: None,
        source_ips: &[],
        user_agent: "",
        object_reference: None,
        response_status: None,
        request_object: None,
        response_object: None,
        request_received: now,
        stage_time: now,
        annotations: &[(NOTE_ANNOTATION, note)],
    };
    let mut bytes = Vec::new();
    let opened = event.write_open(&mut bytes);
    OpenLine::new(bytes, opened)
}
