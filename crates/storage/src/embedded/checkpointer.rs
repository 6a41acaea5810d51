//! The thread that moves what the journal holds into the tables, removes compacted history, and
//! deals with a full disk. Writers never wait for it, unless they fill a segment of the journal
//! faster than it empties the other one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::pages::PageFailure;
use super::shared::Shared;
use super::table_file::TableFile;
use super::writer::Job;
use crate::error::StoreError;
use crate::store::Serving;

/// How often it looks whether something is due.
const TICK: Duration = Duration::from_millis(500);
/// Events of history removed in one transaction.
const TRIM: usize = 2_000;

pub(crate) struct Checkpointer {
    pub shared: Arc<Shared>,
    /// Only absent while it is being opened anew.
    pub file: Option<TableFile>,
    /// To ask the writer for what it holds.
    pub jobs: mpsc::WeakSender<Job>,
    /// What the journal holds may be so old.
    pub delay: Duration,
}

/// What is due.
enum Due {
    Stop,
    Reopen,
    Checkpoint,
    Trim,
    Nothing,
}

impl Checkpointer {
    /// Works until told to stop or until the store has failed.
    pub(crate) fn run(mut self) {
        if let Err(reason) = self.work() {
            self.shared.fail(reason);
            // What can still be read is read until the process ends; nothing is written.
            while !self.is_stopped() {
                std::thread::park_timeout(TICK);
            }
        }
        self.shared.view.write().expect("view").tables = None;
        let closed = self.file.take().map(TableFile::close);
        if let Some(Err(error)) = closed {
            tracing::warn!(%error, "closing the table file; the next start recovers it");
        }
    }

    fn is_stopped(&self) -> bool {
        self.shared.signals.lock().expect("signals").stop
    }

    fn work(&mut self) -> Result<(), String> {
        loop {
            match self.wait() {
                Due::Stop => return Ok(()),
                Due::Reopen => self.reopen()?,
                Due::Checkpoint => self.checkpoint()?,
                Due::Trim => self.trim()?,
                Due::Nothing => self.ask_for_old_changes(),
            }
            self.look_for_room();
        }
    }

    fn wait(&self) -> Due {
        let deadline = Instant::now() + TICK;
        let mut signals = self.shared.signals.lock().expect("signals");
        loop {
            if signals.stop {
                return Due::Stop;
            }
            if std::mem::take(&mut signals.reopen) {
                return Due::Reopen;
            }
            if signals.frozen && !signals.stuck {
                return Due::Checkpoint;
            }
            if signals.trim {
                return Due::Trim;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return if signals.frozen {
                    Due::Checkpoint
                } else {
                    Due::Nothing
                };
            }
            signals = self
                .shared
                .signalled
                .wait_timeout(signals, left)
                .expect("signals")
                .0;
        }
    }

    fn file(&mut self) -> &mut TableFile {
        self.file.as_mut().expect("the table file is open")
    }

    fn checkpoint(&mut self) -> Result<(), String> {
        let frozen = self.shared.view.read().expect("view").frozen.clone();
        let Some(frozen) = frozen else {
            self.shared.signal(|signals| signals.frozen = false);
            return Ok(());
        };
        match self.file().apply(&frozen.events) {
            Ok(()) => {
                self.shared.space.note_used(frozen.load());
                self.show(true)?;
                self.shared.signal(|signals| {
                    signals.frozen = false;
                    signals.stuck = false;
                    // Compaction may have waited for these events.
                    signals.trim |= self.shared.compacted.load(Ordering::Acquire) > 0;
                });
                Ok(())
            }
            Err(error) => self.recover(error),
        }
    }

    /// Shows readers the tables as they are now.
    fn show(&mut self, without_frozen: bool) -> Result<(), String> {
        let tables = self.file().read().map_err(|error| error.to_string())?;
        let mut view = self.shared.view.write().expect("view");
        view.tables = Some(tables);
        if without_frozen {
            view.frozen = None;
        }
        Ok(())
    }

    fn trim(&mut self) -> Result<(), String> {
        let compacted = self.shared.compacted.load(Ordering::Acquire);
        let state = self.file().state();
        if compacted <= state.compacted && compacted.min(state.revision) <= state.trimmed {
            self.shared.signal(|signals| signals.trim = false);
            return Ok(());
        }
        match self.file().trim(compacted, TRIM) {
            Ok(freed) => {
                self.shared.space.note_freed(freed as u64);
                self.show(false)
            }
            Err(error) => {
                self.shared.signal(|signals| signals.trim = false);
                self.recover(error)
            }
        }
    }

    /// After a failed change of the tables. Nothing acknowledged is at stake: it is in the
    /// journal. With a full disk the change is tried again; anything else ends the process.
    fn recover(&mut self, error: StoreError) -> Result<(), String> {
        match self.file().failure() {
            Some(PageFailure::Full) => {}
            Some(PageFailure::Write(reason) | PageFailure::Read(reason)) => return Err(reason),
            None => return Err(error.to_string()),
        }
        self.shared.set_full(true);
        self.shared.space.forget_reusable();
        let given_up = self.shared.space.give_up_reserve();
        let had_reserve = given_up.map_err(|error| format!("giving up the reserve: {error}"))?;
        self.reopen()?;
        // Without anything gained there is no point in trying at once.
        self.shared.signal(|signals| signals.stuck = !had_reserve);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), String> {
        let file = self.file.take().expect("the table file is open");
        let file = file
            .reopen()
            .map_err(|error| format!("opening the table file anew: {error}"))?;
        self.file = Some(file);
        self.show(false)
    }

    /// Asks the writer to hand over changes that only the journal has held for a while.
    fn ask_for_old_changes(&self) {
        let old = {
            let view = self.shared.view.read().expect("view");
            view.frozen.is_none()
                && view
                    .active
                    .since
                    .is_some_and(|since| since.elapsed() >= self.delay)
        };
        if old && let Some(jobs) = self.jobs.upgrade() {
            // If the queue is full the writer is busy enough to come here by itself.
            let _ = jobs.try_send(Job::Flush(oneshot::channel().0));
        }
    }

    /// Once the disk was full: takes puts again when there is room.
    fn look_for_room(&self) {
        if self.shared.serving() == Serving::Full && !self.shared.signals.lock().expect("signals").frozen {
            self.shared.set_full(!self.shared.space.is_enough());
        }
    }
}
