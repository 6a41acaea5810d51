//! The embedded engine against the memory engine, against power cuts, failing and full disks, and
//! damaged files.

mod backups;
mod damage;
mod failures;
mod model;
mod power;
mod simulated_disk;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::simulated_disk::SimulatedDisk;
use super::{Embedded, EmbeddedOptions};
use crate::RecordKey;
use crate::error::OpenError;
use crate::event_log::WindowLimits;
use crate::store::{Committed, Revision, Store, Transaction, Write};

/// A small store: every few kilobytes a segment is full and the tables change.
fn small() -> EmbeddedOptions {
    EmbeddedOptions {
        record_key: Some(RecordKey::new(&[3; 32])),
        cache_bytes: 1 << 20,
        window: WindowLimits {
            events: 20,
            bytes: 1 << 20,
        },
        segment_bytes: 16 << 10,
        checkpoint_delay: Duration::from_millis(1),
        reserve_bytes: 64 << 10,
        ..EmbeddedOptions::new("/unused", [1; 16])
    }
}

fn open(disk: &Arc<SimulatedDisk>) -> Result<Embedded, OpenError> {
    Embedded::open_on(disk.clone(), &small(), None)
}

/// A linear congruential generator: the same everywhere, for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn put_of(key: &str, value: &[u8]) -> Write {
    Write::Put {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value),
    }
}

fn delete_of(key: &str) -> Write {
    Write::Delete {
        key: Bytes::copy_from_slice(key.as_bytes()),
    }
}

async fn commit(store: &dyn Store, writes: Vec<Write>) -> Result<Revision, crate::error::StoreError> {
    match store
        .commit(Transaction {
            conditions: Vec::new(),
            writes,
        })
        .await?
    {
        Committed::Applied { revision } => Ok(revision),
        failed => panic!("{failed:?}"),
    }
}

/// What an environment variable says instead of the small number for every commit.
fn count(variable: &str, small: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(small)
}
