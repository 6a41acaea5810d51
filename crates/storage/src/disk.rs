//! The file system as the embedded engine sees it: a few named files in one directory. A seam, so
//! that tests can lose power, run out of space and damage bits.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory of files.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// Opens a file for reading and writing; makes an empty one if it does not exist and `create`
    /// is set. The name of a new file is durable when this returns.
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>>;

    /// Removes a file; it is no error if there is none.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Gives a file another name; durable when this returns.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Bytes that can still be written, if that can be known.
    fn available(&self) -> Option<u64>;
}

/// One open file.
pub(crate) trait DiskFile: fmt::Debug + Send + Sync {
    fn len(&self) -> io::Result<u64>;
    /// Fills `out`; reading behind the end is an error.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Cuts the file or extends it with zeros.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Returns when everything written before is durable. After an error nothing is certain.
    fn sync(&self) -> io::Result<()>;
}

/// A directory of the file system, readable for its owner only.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Makes the directory (0700) if it does not exist; parents must exist.
    pub(crate) fn create(path: &Path) -> io::Result<Directory> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => sync_parent(path)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(Directory {
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes names in the directory that holds `path` durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Makes a file that only its owner can read.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

impl Disk for Directory {
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path.join(name);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                let file = create_private(&path)?;
                File::open(&self.path)?.sync_all()?;
                file
            }
            opened => opened?,
        };
        Ok(Arc::new(RealFile { file }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))?;
        File::open(&self.path)?.sync_all()
    }

    fn available(&self) -> Option<u64> {
        let status = rustix::fs::statvfs(&self.path).ok()?;
        Some(status.f_bavail * status.f_frsize)
    }
}

#[derive(Debug)]
struct RealFile {
    file: File,
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Whether an error says that there is no room, as opposed to something being broken.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
