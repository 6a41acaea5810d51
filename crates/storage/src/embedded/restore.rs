//! From a backup to a new store.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::EmbeddedOptions;
use super::backup;
use super::lock::ProcessLock;
use super::table_file::{FILE_NAME, TableFile, TableOptions, is_missing};
use super::tables::TableState;
use crate::disk::{Directory, Disk};
use crate::error::RestoreError;
use crate::record::Authenticator;
use crate::store::Revision;

/// Records and bytes brought into the tables in one transaction.
const BATCH: usize = 2_000;
const BATCH_BYTES: usize = 4 << 20;
/// A restored store goes on at the next multiple of this but one, so that no revision which
/// anybody has seen after the backup was made is given out again.
const EPOCH: Revision = 1_000_000;

/// Fills an empty data directory from a backup and returns the revision the store goes on at, far
/// above the backup's: whoever still watches or pages through the lost history is told that it was
/// compacted. Records keep the revisions they had. Interrupted, it leaves no store behind.
///
/// # Errors
/// [`RestoreError::NotEmpty`] if there is a store in the directory, [`RestoreError::Damaged`] if
/// the file is not the whole of a backup made with the same record key.
pub fn restore(backup: &Path, options: &EmbeddedOptions) -> Result<Revision, RestoreError> {
    let authenticator = Authenticator::new(options.record_key.clone());
    // The whole file is checked before the first record is used.
    let header = backup::read(backup, &authenticator, |_, _| Ok(()))?;
    let failed = |operation| move |source: io::Error| RestoreError::Io { operation, source };
    let directory = Directory::create(&options.directory).map_err(failed("making the data directory"))?;
    let _lock = ProcessLock::acquire(directory.path())?;
    let path = directory.path().to_owned();
    let disk: Arc<dyn Disk> = Arc::new(directory);
    for name in [FILE_NAME, "journal-0", "journal-1"] {
        if !is_missing(disk.as_ref(), name)? {
            return Err(RestoreError::NotEmpty { path });
        }
    }
    let table_options = TableOptions {
        store_id: options.store_id,
        authenticator: authenticator.clone(),
        cache_bytes: options.cache_bytes,
    };
    let mut file = TableFile::create(disk, table_options)?;
    let revision = (header.revision / EPOCH + 2) * EPOCH;
    fill(&mut file, backup, &authenticator, revision)?;
    file.publish()?.close()?;
    Ok(revision)
}

fn fill(
    file: &mut TableFile,
    backup: &Path,
    authenticator: &Authenticator,
    revision: Revision,
) -> Result<(), RestoreError> {
    let damaged = |reason| RestoreError::Damaged {
        path: backup.to_owned(),
        reason,
    };
    let mut batch: Vec<(Bytes, Vec<u8>)> = Vec::new();
    let mut bytes = 0;
    backup::read(backup, authenticator, |key, stored| {
        if authenticator.decode(&key, &stored).is_none() {
            return Err(damaged("a record in it was changed"));
        }
        bytes += stored.len();
        batch.push((key, stored));
        if batch.len() >= BATCH || bytes >= BATCH_BYTES {
            file.load(TableState::default(), &batch)?;
            batch.clear();
            bytes = 0;
        }
        Ok(())
    })?;
    let state = TableState {
        revision,
        compacted: revision,
        trimmed: revision,
    };
    Ok(file.load(state, &batch)?)
}
