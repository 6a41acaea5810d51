//! What the journal holds and the tables do not yet: recent changes, in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::space::Load;
use crate::event_log::event_bytes;
use crate::store::{Change, Event, Record, Revision};

/// A run of consecutive events and their effect.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    /// All events, in revision order.
    pub events: Vec<Arc<Event>>,
    /// Indexes into `events` for each key changed, oldest first.
    keys: BTreeMap<Bytes, Vec<u32>>,
    /// Change in the number of keys, by directory.
    directories: BTreeMap<Bytes, i64>,
    /// Bytes held.
    pub bytes: usize,
    /// When the first event came.
    pub since: Option<Instant>,
}

/// The part of a key up to and including its last `/`: what keys are counted by.
pub(crate) fn directory(key: &Bytes) -> Bytes {
    let length = key
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    key.slice(..length)
}

/// Change in the number of keys that an event makes.
pub(crate) fn count_change(event: &Event) -> i64 {
    match &event.change {
        Change::Put(record) if record.created == record.modified => 1,
        Change::Put(_) => 0,
        Change::Delete => -1,
    }
}

impl Overlay {
    pub(crate) fn load(&self) -> Load {
        Load {
            events: self.events.len(),
            bytes: self.bytes,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(crate) fn push(&mut self, event: Arc<Event>) {
        self.since.get_or_insert_with(Instant::now);
        self.bytes += event_bytes(&event);
        let change = count_change(&event);
        if change != 0 {
            *self.directories.entry(directory(&event.key)).or_default() += change;
        }
        let index = self.events.len() as u32;
        self.keys.entry(event.key.clone()).or_default().push(index);
        self.events.push(event);
    }

    /// The newest event of a key.
    pub(crate) fn latest(&self, key: &[u8]) -> Option<&Event> {
        let index = self.keys.get(key)?.last()?;
        Some(&self.events[*index as usize])
    }

    /// Keys from `start` on, while they have the prefix, with their record at `revision` (`None`
    /// if deleted); keys not changed by then are left out.
    pub(crate) fn scan<'a>(
        &'a self,
        prefix: &'a [u8],
        start: Bound<&[u8]>,
        revision: Revision,
    ) -> impl Iterator<Item = (&'a Bytes, Option<&'a Record>)> {
        let keys = self.keys.range::<[u8], _>((start, Bound::Unbounded));
        let keys = keys.take_while(move |(key, _)| key.starts_with(prefix));
        keys.filter_map(move |(key, indexes)| {
            let events = indexes.iter().rev().map(|index| &self.events[*index as usize]);
            let event = events.into_iter().find(|event| event.revision <= revision)?;
            Some((key, after(event)))
        })
    }

    /// Change in the number of keys under a prefix.
    pub(crate) fn count_change(&self, prefix: &[u8]) -> i64 {
        let directories = self
            .directories
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let under = directories.take_while(|(directory, _)| directory.starts_with(prefix));
        under.map(|(_, change)| change).sum()
    }

    /// Events with a revision above `after`.
    pub(crate) fn events_after(&self, after: Revision) -> &[Arc<Event>] {
        let first = self.events.partition_point(|event| event.revision <= after);
        &self.events[first..]
    }
}

/// The record an event leaves.
pub(crate) fn after(event: &Event) -> Option<&Record> {
    match &event.change {
        Change::Put(record) => Some(record),
        Change::Delete => None,
    }
}
