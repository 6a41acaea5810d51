//! What can go wrong, named after who must act.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;

use crate::store::Revision;

/// Why a store refused or could not do something. Never holds a value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The revision has been compacted away: the caller lists again (HTTP 410).
    #[error("required revision {requested} has been compacted; the oldest is {compacted}")]
    Compacted {
        /// The revision asked for.
        requested: Revision,
        /// The oldest revision that can be read.
        compacted: Revision,
    },
    /// The revision does not exist yet (HTTP 504, "Too large resource version").
    #[error("required revision {requested} is a future revision; the newest is {current}")]
    FutureRevision {
        /// The revision asked for.
        requested: Revision,
        /// The newest revision.
        current: Revision,
    },
    /// The disk is full: reads and deletes go on, other writes are refused until space returns
    /// (HTTP 507).
    #[error("the disk that holds the data directory is full; deletes are still possible")]
    Full,
    /// A write failed so that the content of the disk is uncertain. No write is taken any more;
    /// the process must be restarted.
    #[error("storage has failed and takes no writes until the restart: {reason}")]
    Failed {
        /// What failed.
        reason: String,
    },
    /// The store is being closed.
    #[error("storage is shutting down")]
    ShuttingDown,
    /// A key, a value or a transaction is larger than the store takes.
    #[error("{what} of {size} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large: `key of bytes`, `value of bytes`, `transaction of writes`.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The transaction writes the same key twice.
    #[error("duplicate key {key:?} in a transaction")]
    DuplicateKey {
        /// The key.
        key: Bytes,
    },
    /// Keys cannot be empty.
    #[error("the key is empty")]
    EmptyKey,
    /// This record is damaged or was put there by someone else; others are not affected.
    #[error("the record of {key:?} is damaged or was tampered with")]
    Corrupt {
        /// The key.
        key: Bytes,
    },
    /// The file's structure is damaged where it was read.
    #[error("the database file is damaged: {reason}")]
    CorruptFile {
        /// What was found.
        reason: String,
    },
    /// Reading the file failed.
    #[error("{operation} failed")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The target of a backup exists already.
    #[error("{path} exists already", path = path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// This engine cannot do that.
    #[error("the {engine} engine does not support {operation}")]
    Unsupported {
        /// The engine.
        engine: &'static str,
        /// What was asked of it.
        operation: &'static str,
    },
}

/// Why a watch ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The watch fell behind, and the changes it needs next have been compacted away (HTTP 410).
    #[error("required revision {requested} has been compacted; the oldest is {compacted}")]
    Compacted {
        /// The revision the watch has seen up to.
        requested: Revision,
        /// The oldest revision that can be read.
        compacted: Revision,
    },
    /// The store was closed.
    #[error("storage is shutting down")]
    Closed,
    /// The history the watch needs next could not be read.
    #[error("reading the history of changes failed: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
}

/// Why an embedded store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the store open.
    #[error("the data directory is in use by process {pid}")]
    Locked {
        /// Its process id, as it wrote it beside the lock; 0 if it could not be read.
        pid: u32,
    },
    /// The file is damaged, or is not a Strongroom store.
    #[error("the store is damaged: {reason}")]
    Corrupt {
        /// What was found.
        reason: String,
    },
    /// The file was written by a newer version of Strongroom.
    #[error("the store has format {found}; this version reads up to {supported}")]
    Format {
        /// The format of the file.
        found: u32,
        /// The newest format this version knows.
        supported: u32,
    },
    /// The record key does not belong to this store.
    #[error("the record key does not fit this store")]
    WrongKey,
    /// A file operation failed.
    #[error("{operation} failed")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Why a backup could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file is no backup, was cut short, was changed, or was made with another record key.
    #[error("{path} cannot be restored: {reason}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: &'static str,
    },
    /// The file was written by a newer version of Strongroom.
    #[error("the backup has format {found}; this version reads up to {supported}")]
    Format {
        /// The format of the file.
        found: u32,
        /// The newest format this version knows.
        supported: u32,
    },
    /// The data directory holds a store already.
    #[error("{path} holds a store already", path = path.display())]
    NotEmpty {
        /// The data directory.
        path: PathBuf,
    },
    /// The new store could not be made.
    #[error("the store could not be made")]
    Open(#[from] OpenError),
    /// The new store could not be filled.
    #[error("the store could not be filled")]
    Store(#[from] StoreError),
    /// A file operation failed.
    #[error("{operation} failed")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Why a value could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
    /// The keyring refused.
    #[error(transparent)]
    Seal(#[from] strongroom_encryption::SealError),
}
