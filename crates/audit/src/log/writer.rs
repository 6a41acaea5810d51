//! The open file and the end of the chain.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::config::{LogConfig, OpenError};
use super::files;
use super::reserve::Reserve;
use crate::chain::{self, OpenLine, Position};
use crate::lines::Backwards;

/// A rotation that failed is tried again after this.
const ROTATION_PAUSE: Duration = Duration::from_secs(10);

/// One thread at a time has it.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    size_limit: u64,
    file: Arc<File>,
    /// Bytes of whole lines in the file.
    length: u64,
    end: Position,
    failure: Option<Failure>,
    /// Rotated, but not synced yet.
    retired: Vec<Arc<File>>,
    /// A file was made or renamed since the last sync.
    directory_changed: bool,
    no_rotation_before: Option<Instant>,
    reserve: Reserve,
}

/// Why the writer takes no lines.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The end of the file must be looked at before anything is written behind it.
    Write(String),
    /// This file must never be synced again: the system has forgotten what it could not write, and a second sync
    /// would succeed.
    Sync(String),
}

impl Failure {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Write(reason) | Self::Sync(reason) => reason,
        }
    }
}

/// What one sync has to do.
pub(super) struct SyncWork {
    pub files: Vec<Arc<File>>,
    pub directory: bool,
    /// The end of the chain once it is done.
    pub end: Position,
}

impl SyncWork {
    /// Brings the log at `path` to the disk.
    pub(super) fn run(&self, path: &Path) -> io::Result<()> {
        self.files.iter().try_for_each(|file| file.sync_data())?;
        match self.directory {
            true => files::sync_directory(path),
            false => Ok(()),
        }
    }
}

/// Where an existing file ends.
struct FileEnd {
    /// Bytes of whole lines.
    length: u64,
    /// Behind them, a line that was never finished.
    torn: u64,
    /// The last record; none in a file without lines.
    end: Option<Position>,
    /// Whether lines that are no records lie behind it.
    damaged: bool,
}

impl Writer {
    /// Opens the file and finds the end of the chain. Returns what happened to the log that its reader should know.
    pub(super) fn open(config: &LogConfig) -> Result<(Self, Vec<String>), OpenError> {
        let path = &config.path;
        let failed = |operation| {
            let path = path.clone();
            move |source| OpenError::Io {
                operation,
                path,
                source,
            }
        };
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            let reason = "it is no regular file: what is written there cannot be read back and proven";
            return Err(failed("opening")(io::Error::other(reason)));
        }
        files::make_directory(path).map_err(failed("making the directory of"))?;
        let file = files::open(path, false).map_err(failed("opening"))?;
        let mut notes = Vec::new();
        let found = file_end(&file).map_err(failed("reading"))?;
        if found.torn > 0 {
            file.set_len(found.length)
                .map_err(failed("cutting a torn line off"))?;
            notes.push(format!(
                "the last line was not finished when the server ended; {} bytes were cut off",
                found.torn
            ));
        }
        let mut writer = Self {
            path: path.clone(),
            size_limit: config.size_limit(),
            file: Arc::new(file),
            length: found.length,
            end: found.end.unwrap_or_default(),
            failure: None,
            retired: Vec::new(),
            directory_changed: true,
            no_rotation_before: None,
            reserve: Reserve::default(),
        };
        writer.reserve = Reserve::choose(&writer.file, writer.length);
        if found.damaged {
            let aside = writer.set_aside().map_err(failed("setting aside the damaged"))?;
            notes.push(format!(
                "the file ended with lines that are no records; it was set aside as {}",
                aside.display()
            ));
        }
        if found.end.is_none() {
            writer.end = end_of_backups(path).map_err(failed("reading the rotated files of"))?;
        }
        Ok((writer, notes))
    }

    pub(super) fn end(&self) -> Position {
        self.end
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Writes the line as the next one. Gives back its memory, and whether a file was begun for it.
    pub(super) fn append(&mut self, line: OpenLine) -> Result<(Vec<u8>, bool), Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let (bytes, end) = line.close(&self.end);
        let full = self.length > 0 && self.length + bytes.len() as u64 > self.size_limit;
        let rotated = full && self.rotate();
        if let Err(error) = write_once(&self.file, &bytes) {
            // What was written of the line goes; should that fail too, recovery does it.
            let _ = self.file.set_len(self.length);
            let failure = Failure::Write(error.to_string());
            self.failure = Some(failure.clone());
            return Err(failure);
        }
        self.length += bytes.len() as u64;
        self.end = end;
        self.reserve.keep_ahead(&self.file, self.length);
        Ok((bytes, rotated))
    }

    /// Whether there is room for the records of requests that are under way, should the disk be full now.
    pub(super) fn has_room(&self) -> bool {
        !self.reserve.is_short
    }

    /// Tries to have that room again.
    pub(super) fn make_room(&mut self) {
        self.reserve.fill(&self.file, self.length);
    }

    /// Begins the next file. If that cannot be, the current one grows on: a record in a large file is better than none.
    fn rotate(&mut self) -> bool {
        let now = Instant::now();
        if self.no_rotation_before.is_some_and(|time| now < time) {
            return false;
        }
        let current = Arc::clone(&self.file);
        match self.set_aside() {
            Ok(_) => {
                self.retired.push(current);
                self.no_rotation_before = None;
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the audit log could not be rotated; its file grows on");
                self.no_rotation_before = Some(now + ROTATION_PAUSE);
                false
            }
        }
    }

    /// Gives the current file the name of a rotated one and begins a new one.
    fn set_aside(&mut self) -> io::Result<PathBuf> {
        let aside = files::backup_path(&self.path, Timestamp::now())?;
        let renamed = match self.is_in_place() {
            true => fs::rename(&self.path, &aside).map(|()| true)?,
            false => false,
        };
        let fresh = files::open(&self.path, true).inspect_err(|_| {
            if renamed {
                let _ = fs::rename(&aside, &self.path);
            }
        })?;
        // What was reserved for it is free again.
        let _ = self.file.set_len(self.length);
        self.file = Arc::new(fresh);
        self.length = 0;
        self.reserve.fill(&self.file, 0);
        self.directory_changed = true;
        Ok(aside)
    }

    /// Whether the path still leads to the file that is open.
    pub(super) fn is_in_place(&self) -> bool {
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let open = self.file.metadata().map(identity);
        let named = fs::metadata(&self.path).map(identity);
        matches!((open, named), (Ok(open), Ok(named)) if open == named)
    }

    /// Begins a new file if somebody else took the current one away. Whether that was so.
    pub(super) fn replace_if_gone(&mut self) -> io::Result<bool> {
        if self.failure.is_some() || self.is_in_place() {
            return Ok(false);
        }
        // Something else may lie there now: appending to it would be worse than keeping it under another name.
        if fs::exists(&self.path)? {
            fs::rename(&self.path, files::backup_path(&self.path, Timestamp::now())?)?;
        }
        self.retired.push(Arc::clone(&self.file));
        self.set_aside()?;
        Ok(true)
    }

    pub(super) fn sync_work(&mut self) -> SyncWork {
        let mut files = std::mem::take(&mut self.retired);
        files.push(Arc::clone(&self.file));
        SyncWork {
            files,
            directory: std::mem::take(&mut self.directory_changed),
            end: self.end,
        }
    }

    pub(super) fn sync_failed(&mut self, reason: String) {
        self.failure = Some(Failure::Sync(reason));
        self.directory_changed = true;
    }

    /// Tries to write again: `note` is the first line. On success it is on the disk, and so is all before it that no
    /// failed sync has lost.
    pub(super) fn recover(&mut self, note: OpenLine) -> io::Result<()> {
        let Some(failure) = self.failure.clone() else {
            return Ok(());
        };
        if matches!(failure, Failure::Sync(_)) {
            self.set_aside()?;
        } else if !self.reopen()? {
            let old = Arc::clone(&self.file);
            self.set_aside()?;
            self.retired.push(old);
        }
        self.failure = None;
        let (before, began) = (self.end, self.length);
        if let Err(failed) = self.append(note) {
            self.failure = Some(failure);
            if began == 0 {
                self.abandon(before);
            }
            return Err(io::Error::other(failed.reason().to_owned()));
        }
        let work = self.sync_work();
        let synced = work.run(&self.path);
        if let Err(error) = &synced {
            self.sync_failed(error.to_string());
            if began == 0 {
                self.abandon(before);
            }
        }
        synced
    }

    /// Takes back a file that holds nothing, or a note that could not be brought to the disk: one file for each attempt
    /// would be so many that retention removed all the others. No head was signed for it.
    fn abandon(&mut self, end: Position) {
        if self.is_in_place() && fs::remove_file(&self.path).is_ok() {
            self.end = end;
        }
    }

    /// Opens the same file again if it ends where it should, without what was written of the failed line.
    fn reopen(&mut self) -> io::Result<bool> {
        if !self.is_in_place() {
            return Ok(false);
        }
        let file = files::open(&self.path, false)?;
        if file.metadata()?.len() < self.length {
            return Ok(false);
        }
        file.set_len(self.length)?;
        let last = Backwards::new(&file, self.length)?.line()?;
        let intact = match &last {
            Some((_, line)) => chain::hash(line) == self.end.hash,
            None => true,
        };
        if intact {
            self.file = Arc::new(file);
            self.reserve.fill(&self.file, self.length);
        }
        Ok(intact)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.failure.is_none() {
            let _ = self.file.set_len(self.length);
        }
    }
}

/// One write(2): a line is there as a whole or not at all, as far as a file system can.
fn write_once(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    loop {
        match file.write(bytes) {
            Ok(written) if written == bytes.len() => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::StorageFull.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn file_end(file: &File) -> io::Result<FileEnd> {
    let length = file.metadata()?.len();
    let mut lines = Backwards::new(file, length)?;
    let torn = lines.torn;
    let mut found = FileEnd {
        length: length - torn,
        torn,
        end: None,
        damaged: false,
    };
    while let Some((_, line)) = lines.line()? {
        if let Some(link) = chain::link(&line) {
            found.end = Some(Position {
                sequence: link.sequence,
                hash: chain::hash(&line),
            });
            break;
        }
        found.damaged = true;
    }
    Ok(found)
}

/// The last record of the newest rotated file that has one.
fn end_of_backups(path: &Path) -> io::Result<Position> {
    for backup in files::backups(path)?.into_values().rev() {
        if let Some(end) = file_end(&File::open(backup)?)?.end {
            return Ok(end);
        }
    }
    Ok(Position::default())
}
