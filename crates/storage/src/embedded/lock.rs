//! One process at a time: a locked file with the owner's process id in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::OpenError;

/// Holds the lock until it is dropped; the kernel drops it with the process.
#[derive(Debug)]
pub(crate) struct ProcessLock {
    _file: File,
}

impl ProcessLock {
    /// Takes the lock of a data directory.
    pub(crate) fn acquire(directory: &Path) -> Result<ProcessLock, OpenError> {
        let failed = |source| OpenError::Io {
            operation: "locking the data directory",
            source,
        };
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut file = options.open(directory.join("lock")).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { pid: owner(file) }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // The id is a courtesy to whoever finds the lock taken; a full disk must not stop us.
        let written = file.set_len(0).and_then(|()| file.rewind());
        let written = written.and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = written {
            tracing::warn!(%error, "cannot write the process id beside the lock");
        }
        Ok(ProcessLock { _file: file })
    }
}

fn owner(mut file: File) -> u32 {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    read.ok().and_then(|_| text.trim().parse().ok()).unwrap_or(0)
}
