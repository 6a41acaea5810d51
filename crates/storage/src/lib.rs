//! Where is it kept, and in which order?
//!
//! A store holds keys → (value, created revision, modified revision), ordered by key, under one
//! global, strictly increasing revision: etcd's model. It knows keys, bytes and revisions, never
//! Kubernetes. Values arrive here sealed; see [`Sealed`] for the part that seals.

mod compactor;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(test)]
mod conformance_tests;
mod disk;
mod embedded;
mod error;
mod event_log;
mod memory;
mod record;
mod sealed;
mod store;
mod transaction;
mod watch;

pub use compactor::{Compaction, compact_regularly};
pub use embedded::{Embedded, EmbeddedOptions, restore};
pub use error::{OpenError, RestoreError, SealingError, StoreError, WatchError};
pub use event_log::WindowLimits;
pub use memory::Memory;
pub use sealed::Sealed;
pub use store::{
    BackupSummary, Change, Committed, Condition, Event, Page, Range, Record, Revision, Serving, Store,
    StoreStatus, Transaction, Write,
};
pub use strongroom_encryption::RecordKey;
pub use watch::Watch;
