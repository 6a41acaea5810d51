//! The file under redb: passes everything to our own [`DiskFile`], and remembers what kind of
//! failure the last commit met, since redb reports them all alike.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use crate::disk::{DiskFile, is_full};

/// What went wrong below redb since the database was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PageFailure {
    /// No space for a write; nothing that was durable is affected.
    Full,
    /// A read failed; nothing was changed.
    Read(String),
    /// A write or sync failed: what the file holds is uncertain until it is opened anew by another
    /// process.
    Write(String),
}

/// One opening of the table file.
#[derive(Debug)]
pub(crate) struct Pages {
    file: Arc<dyn DiskFile>,
    /// Set when the file is opened anew: this opening must not touch it any more.
    fenced: AtomicBool,
    failure: Mutex<Option<PageFailure>>,
}

impl Pages {
    pub(crate) fn new(file: Arc<dyn DiskFile>) -> Arc<Pages> {
        Arc::new(Pages {
            file,
            fenced: AtomicBool::new(false),
            failure: Mutex::new(None),
        })
    }

    /// Ends this opening; readers that still hold it get errors and look again.
    pub(crate) fn fence(&self) {
        self.fenced.store(true, Ordering::Release);
    }

    /// The first failure, if there was one.
    pub(crate) fn failure(&self) -> Option<PageFailure> {
        self.failure.lock().expect("page failure").clone()
    }

    pub(crate) fn len(&self) -> u64 {
        self.file.len().unwrap_or(0)
    }

    fn check(&self) -> io::Result<()> {
        if self.fenced.load(Ordering::Acquire) {
            return Err(io::Error::other("the table file has been opened anew"));
        }
        Ok(())
    }

    fn note(&self, failure: PageFailure) {
        if !self.fenced.load(Ordering::Acquire) {
            self.failure.lock().expect("page failure").get_or_insert(failure);
        }
    }

    fn note_write(&self, operation: &str, error: &io::Error) {
        self.note(if is_full(error) {
            PageFailure::Full
        } else {
            PageFailure::Write(format!("{operation} the table file: {error}"))
        });
    }
}

/// redb's view of [`Pages`].
#[derive(Debug)]
pub(crate) struct Backend(pub(crate) Arc<Pages>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.check()?;
        self.0.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.check()?;
        let read = self.0.file.read(offset, out);
        read.inspect_err(|error| self.0.note(PageFailure::Read(error.to_string())))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.check()?;
        self.0
            .file
            .set_len(len)
            .inspect_err(|error| self.0.note_write("resizing", error))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.check()?;
        // An error here is never "full", whatever the code: the kernel may have dropped pages.
        self.0.file.sync().inspect_err(|error| {
            self.0
                .note(PageFailure::Write(format!("syncing the table file: {error}")));
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.check()?;
        self.0
            .file
            .write(offset, data)
            .inspect_err(|error| self.0.note_write("writing", error))
    }
}
