//! Batch mode: records wait for a thread that writes them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::shared::Shared;
use crate::chain::OpenLine;

#[derive(Debug)]
pub(super) struct Queue {
    shared: Arc<Shared>,
    /// Taken away to end the thread.
    lines: Option<SyncSender<OpenLine>>,
    waiting: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    pub(super) fn start(shared: Arc<Shared>, length: usize) -> io::Result<Self> {
        let (lines, received) = sync_channel::<OpenLine>(length.max(1));
        let waiting = Arc::new(AtomicU64::new(0));
        let (writing, counted) = (Arc::clone(&shared), Arc::clone(&waiting));
        let thread = thread::Builder::new()
            .name("audit-queue".to_owned())
            .spawn(move || {
                for line in received {
                    if writing.append(line).is_err() {
                        writing.counters.dropped.fetch_add(1, Relaxed);
                    }
                    counted.fetch_sub(1, AcqRel);
                }
            })?;
        Ok(Self {
            shared,
            lines: Some(lines),
            waiting,
            thread: Some(thread),
        })
    }

    pub(super) fn push(&self, line: OpenLine) {
        self.waiting.fetch_add(1, AcqRel);
        let sent = self.lines.as_ref().map(|lines| lines.try_send(line));
        if !matches!(sent, Some(Ok(()))) {
            self.waiting.fetch_sub(1, AcqRel);
            self.shared.counters.dropped.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.waiting.load(Acquire)
    }

    /// Waits until nothing waits any more.
    pub(super) fn drain(&self) {
        while self.length() > 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
