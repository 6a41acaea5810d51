//! Watching: a cursor on the event log.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::WatchError;
use crate::store::{Event, Revision};

/// A cursor on the history of changes under a prefix. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watch {
    prefix: Bytes,
    cursor: Revision,
}

impl Watch {
    /// The next changes: one or more whole revisions, in order, never empty. All events of a
    /// revision are in one batch. Cancel-safe: if the future is dropped before it is ready, no
    /// event is lost.
    ///
    /// # Errors
    /// [`WatchError::Compacted`] if the watch fell behind what the store remembers,
    /// [`WatchError::Closed`] if the store was closed.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, WatchError> {
        Err(WatchError::Closed)
    }

    /// Every change under the prefix up to this revision has been returned by [`Watch::next`];
    /// what a bookmark may say. Moves on while nothing under the prefix changes.
    pub fn progress(&self) -> Revision {
        self.cursor
    }

    /// The prefix watched.
    pub fn prefix(&self) -> &Bytes {
        &self.prefix
    }
}
