//! Backups: one consistent state of the tables in a file, exactly as sealed. Format in
//! `docs/storage-format.md`.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use bytes::Bytes;

use super::tables::Tables;
use crate::disk::{create_private, sync_parent};
use crate::error::{RestoreError, StoreError};
use crate::record::{Authenticator, TAG, same};
use crate::store::{BackupSummary, Revision};

const MAGIC: [u8; 8] = *b"SRbackup";
const FORMAT: u32 = 1;
/// Neither a key nor a record is longer; a damaged length must not make us allocate more.
const MAX_LENGTH: u32 = 16 << 20;

/// Writes what `tables` show to `path`, which must not exist.
pub(crate) fn write(tables: &Tables, store_id: [u8; 16], path: &Path) -> Result<BackupSummary, StoreError> {
    if path.try_exists().map_err(failed("looking for the backup file"))? {
        return Err(StoreError::Exists {
            path: path.to_owned(),
        });
    }
    let partial = partial_path(path);
    let written = write_partial(tables, store_id, &partial).and_then(|summary| {
        fs::rename(&partial, path).map_err(failed("naming the backup file"))?;
        sync_parent(path).map_err(failed("syncing the backup's directory"))?;
        Ok(summary)
    });
    if written.is_err() {
        // It is of no use; that it could not be written is the error to report.
        let _ = fs::remove_file(&partial);
    }
    written
}

fn failed(operation: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io { operation, source }
}

fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn write_partial(tables: &Tables, store_id: [u8; 16], partial: &Path) -> Result<BackupSummary, StoreError> {
    // What an earlier attempt left when it was killed.
    match fs::remove_file(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("removing an unfinished backup")(error));
        }
        _ => {}
    }
    let file = create_private(partial).map_err(failed("making the backup file"))?;
    let mut out = Summing::new(BufWriter::with_capacity(256 << 10, file));
    let failed = failed("writing the backup");
    let mut summary = BackupSummary {
        revision: tables.state.revision,
        records: 0,
        bytes: 0,
        corrupt: Vec::new(),
    };
    let mut header = Vec::new();
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&FORMAT.to_le_bytes());
    header.extend_from_slice(&u32::from(tables.authenticator.is_keyed()).to_le_bytes());
    header.extend_from_slice(&store_id);
    header.extend_from_slice(&summary.revision.to_le_bytes());
    let mut result = out.write_all(&header);
    tables.scan(b"", b"", summary.revision, |row| {
        let key = Bytes::copy_from_slice(row.key);
        if row.is_old || tables.authenticator.decode(&key, row.stored).is_none() {
            summary.corrupt.push(key);
            return true;
        }
        summary.records += 1;
        result = write_record(&mut out, &key, row.stored);
        result.is_ok()
    })?;
    result.map_err(&failed)?;
    let mut end = Vec::from(0_u32.to_le_bytes());
    end.extend_from_slice(&summary.records.to_le_bytes());
    out.write_all(&end).map_err(&failed)?;
    let (mut file, sum, bytes) = out.finish();
    let tag = tables.authenticator.tag(b"backup 1", &[sum.as_ref()]);
    file.write_all(&tag).map_err(&failed)?;
    let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(&failed)?;
    summary.bytes = bytes + TAG as u64;
    Ok(summary)
}

fn write_record(out: &mut impl Write, key: &[u8], stored: &[u8]) -> io::Result<()> {
    out.write_all(&(key.len() as u32).to_le_bytes())?;
    out.write_all(key)?;
    out.write_all(&(stored.len() as u32).to_le_bytes())?;
    out.write_all(stored)
}

/// Passes bytes on and keeps their SHA-256 and number.
struct Summing<T> {
    inner: T,
    context: digest::Context,
    bytes: u64,
}

impl<T> Summing<T> {
    fn new(inner: T) -> Self {
        Summing {
            inner,
            context: digest::Context::new(&digest::SHA256),
            bytes: 0,
        }
    }

    fn finish(self) -> (T, digest::Digest, u64) {
        (self.inner, self.context.finish(), self.bytes)
    }

    fn count(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<T: Write> Write for Summing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Summing<T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.count(&out[..read]);
        Ok(read)
    }
}

/// What a backup says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BackupHeader {
    pub revision: Revision,
}

/// Reads a backup: `visit` gets every key with its stored record. Whether the file is whole is
/// only known when this returns; what it visited before an error must not be used.
pub(crate) fn read(
    path: &Path,
    authenticator: &Authenticator,
    mut visit: impl FnMut(Bytes, Vec<u8>) -> Result<(), RestoreError>,
) -> Result<BackupHeader, RestoreError> {
    let damaged = |reason| RestoreError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let ended = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it is cut short"),
        _ => RestoreError::Io {
            operation: "reading the backup",
            source: error,
        },
    };
    let file = File::open(path).map_err(|source| RestoreError::Io {
        operation: "opening the backup",
        source,
    })?;
    let mut input = Summing::new(BufReader::with_capacity(256 << 10, file));
    if take::<8>(&mut input).map_err(ended)? != MAGIC {
        return Err(damaged("it is not a backup"));
    }
    let found = u32::from_le_bytes(take(&mut input).map_err(ended)?);
    if found != FORMAT {
        return Err(RestoreError::Format {
            found,
            supported: FORMAT,
        });
    }
    if u32::from_le_bytes(take(&mut input).map_err(ended)?) != u32::from(authenticator.is_keyed()) {
        return Err(damaged("it was made with another record key"));
    }
    let _store_id: [u8; 16] = take(&mut input).map_err(ended)?;
    let revision = u64::from_le_bytes(take(&mut input).map_err(ended)?);
    let mut records: u64 = 0;
    loop {
        let key = take_block(&mut input)
            .map_err(ended)?
            .ok_or_else(|| damaged("it was changed"))?;
        if key.is_empty() {
            break;
        }
        let stored = take_block(&mut input)
            .map_err(ended)?
            .ok_or_else(|| damaged("it was changed"))?;
        records += 1;
        visit(key.into(), stored)?;
    }
    if u64::from_le_bytes(take(&mut input).map_err(ended)?) != records {
        return Err(damaged("it was changed"));
    }
    let (mut rest, sum, _) = input.finish();
    let tag = authenticator.tag(b"backup 1", &[sum.as_ref()]);
    if !same(&tag, &take::<TAG>(&mut rest).map_err(ended)?) {
        return Err(damaged("it was changed, or made with another record key"));
    }
    if rest.read(&mut [0]).map_err(ended)? != 0 {
        return Err(damaged("something was added to it"));
    }
    Ok(BackupHeader { revision })
}

fn take<const LENGTH: usize>(input: &mut impl Read) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Bytes with their length before them; `None` if the length is absurd.
fn take_block(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let length = u32::from_le_bytes(take(input)?);
    if length > MAX_LENGTH {
        return Ok(None);
    }
    let mut bytes = vec![0; length as usize];
    input.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}
