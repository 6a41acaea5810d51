//! Watching: a cursor on the event log.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::WatchError;
use crate::event_log::{Bucket, EventLog, Found, HistoryBatch};
use crate::store::{Event, Revision};

/// Events looked at in one go when a watch reads old history.
const HISTORY_STEP: usize = 2_000;
/// A cursor at most so many revisions behind reads history where it is, without a thread.
const NEAR: Revision = 256;

/// A cursor on the history of changes under a prefix. Dropping it ends the watch.
pub struct Watch {
    log: Arc<EventLog>,
    bucket: Arc<Bucket>,
    cursor: Revision,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("prefix", &self.bucket.prefix)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

impl Watch {
    /// A cursor at `after`; the engine has checked that the history above it is still there.
    pub(crate) fn new(log: Arc<EventLog>, prefix: Bytes, after: Revision) -> Watch {
        let bucket = log.join(prefix);
        Watch {
            log,
            bucket,
            cursor: after,
        }
    }

    /// The next changes: one or more whole revisions, in order, never empty. All events of a
    /// revision are in one batch. Cancel-safe: if the future is dropped before it is ready, no
    /// event is lost.
    ///
    /// # Errors
    /// [`WatchError::Compacted`] if the watch fell behind what the store remembers,
    /// [`WatchError::Closed`] if the store was closed.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, WatchError> {
        loop {
            let mut changed = std::pin::pin!(self.bucket.changed().notified());
            // Listen first, look then: what comes in between wakes us.
            changed.as_mut().enable();
            let batch = match self.log.collect(&self.bucket, self.cursor)? {
                None => {
                    changed.await;
                    continue;
                }
                Some(Found::Events(batch)) => batch,
                Some(Found::Older { head }) => self.older(head).await?,
            };
            self.cursor = self.cursor.max(batch.through);
            if !batch.events.is_empty() {
                return Ok(batch.events);
            }
        }
    }

    /// Every change under the prefix up to this revision has been returned by [`Watch::next`];
    /// what a bookmark may say. Moves on while nothing under the prefix changes.
    pub fn progress(&self) -> Revision {
        self.log.progress(&self.bucket, self.cursor)
    }

    /// The prefix watched.
    pub fn prefix(&self) -> &Bytes {
        &self.bucket.prefix
    }

    async fn older(&self, head: Revision) -> Result<HistoryBatch, WatchError> {
        let history = self.log.history().ok_or(WatchError::Closed)?;
        if head - self.cursor <= NEAR {
            return history.events(&self.bucket.prefix, self.cursor, HISTORY_STEP);
        }
        let (prefix, cursor) = (self.bucket.prefix.clone(), self.cursor);
        tokio::task::spawn_blocking(move || history.events(&prefix, cursor, HISTORY_STEP))
            .await
            .map_err(|error| WatchError::Unreadable {
                reason: error.to_string(),
            })?
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.log.leave(&self.bucket);
    }
}
