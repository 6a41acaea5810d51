//! Settings, errors and counters of the log.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a [`Log`](super::Log); named as kube-apiserver's flags where those exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The file: `--audit-log-path`. Rotated files lie beside it.
    pub path: PathBuf,
    /// When a file reaches this, the next one begins; 0 stands for 100 MiB, as for kube-apiserver.
    /// `--audit-log-maxsize` is in MiB.
    pub max_size_bytes: u64,
    /// Rotated files older than this are removed; 0 keeps them: `--audit-log-maxage`.
    pub max_age_days: u32,
    /// So many rotated files are kept; 0 keeps all: `--audit-log-maxbackup`.
    pub max_backups: u32,
    /// Whether recording waits for the file: `--audit-log-mode`.
    pub mode: Mode,
    /// When records are on the disk: `--audit-log-fsync`.
    pub fsync: Fsync,
    /// So many records wait in batch mode before more are dropped: `--audit-log-batch-buffer-size`.
    pub queue_length: usize,
}

impl LogConfig {
    /// Blocking, synced every second, files of 100 MiB, all kept.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            max_size_bytes: 0,
            max_age_days: 0,
            max_backups: 0,
            mode: Mode::Blocking,
            fsync: Fsync::Every(Duration::from_secs(1)),
            queue_length: 10_000,
        }
    }

    pub(super) fn size_limit(&self) -> u64 {
        match self.max_size_bytes {
            0 => 100 << 20,
            bytes => bytes,
        }
    }
}

/// Whether recording waits for the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The record is in the file before recording returns; what cannot be recorded is an error.
    Blocking,
    /// Records are queued; what cannot be recorded is counted and lost.
    Batch,
}

/// When records are on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Before recording returns; callers at the same time share one sync.
    Always,
    /// So often.
    Every(Duration),
}

/// Why a request is not recorded: it must not be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The line could not be written.
    #[error("the audit log cannot be written: {reason}")]
    Write {
        /// What the system said.
        reason: String,
    },
    /// The line is in the file, but perhaps not on the disk.
    #[error("the audit log cannot be brought to the disk: {reason}")]
    Sync {
        /// What the system said.
        reason: String,
    },
    /// Nothing was tried: the log has failed before and has not recovered yet.
    #[error("the audit log takes no records: {reason}")]
    Failed {
        /// What the system said when it failed.
        reason: String,
    },
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refused.
    #[error("{operation} the audit log {}: {source}", path.display())]
    Io {
        /// What was tried, as in `opening`.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Counters since the log was opened; for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogStats {
    /// Lines in the file.
    pub recorded: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records that were answered with an error (blocking mode).
    pub refused: u64,
    /// Records that were lost (batch mode).
    pub dropped: u64,
    /// Records waiting for the file (batch mode).
    pub queued: u64,
    /// Writes that failed.
    pub write_failures: u64,
    /// Syncs that failed.
    pub sync_failures: u64,
    /// Syncs that succeeded.
    pub syncs: u64,
    /// Files that were begun because the one before was full.
    pub rotations: u64,
    /// The last record's number.
    pub sequence: u64,
    /// The last record's number that is on the disk.
    pub synced_sequence: u64,
    /// Whether records are taken.
    pub healthy: bool,
}
