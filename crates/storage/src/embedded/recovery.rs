//! After a crash: what the journal holds beyond the tables becomes an overlay again.

use std::sync::Arc;

use super::journal::Entry;
use super::overlay::{self, Overlay};
use super::tables::Tables;
use crate::error::StoreError;
use crate::store::{Change, Event, Record};

/// Turns entries back into events.
pub(crate) fn replay(tables: &Tables, entries: Vec<Entry>) -> Result<Overlay, StoreError> {
    let mut replayed = Overlay::default();
    for Entry {
        revision,
        created,
        key,
        value,
    } in entries
    {
        let previous = match replayed.latest(&key) {
            Some(event) => overlay::after(event).cloned(),
            None => tables.get(&key)?.and_then(Result::ok),
        };
        let change = match value {
            Some(value) => Change::Put(Record {
                key: key.clone(),
                value,
                created,
                modified: revision,
            }),
            None => Change::Delete,
        };
        replayed.push(Arc::new(Event {
            revision,
            key,
            change,
            previous,
        }));
    }
    Ok(replayed)
}
