//! Following the log as it grows, across rotations.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::lines::Backwards;

/// Reads what is new in a log. It never waits: who follows calls [`Tail::read`] again after a pause.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line whose end is not there yet.
    begun: Vec<u8>,
    /// The last lines there were when the tail was opened.
    first: VecDeque<Vec<u8>>,
}

impl Tail {
    /// Begins with the last `lines` lines, from rotated files too. The log need not be there yet.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn open(path: impl Into<PathBuf>, lines: usize) -> io::Result<Self> {
        let path = path.into();
        let mut tail = Self {
            file: None,
            begun: Vec::new(),
            first: VecDeque::new(),
            path,
        };
        match File::open(&tail.path) {
            Ok(mut file) => {
                let length = file.metadata()?.len();
                let torn = tail.take_last(&file, length, lines)?;
                io::Seek::seek(&mut file, io::SeekFrom::Start(length - torn))?;
                tail.file = Some(file);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        for backup in backups(&tail.path)?.into_iter().rev() {
            if tail.first.len() >= lines {
                break;
            }
            let file = File::open(backup)?;
            let length = file.metadata()?.len();
            tail.take_last(&file, length, lines)?;
        }
        Ok(tail)
    }

    /// Lines before those already taken; returns the bytes of an unfinished line at the end.
    fn take_last(&mut self, file: &File, length: u64, lines: usize) -> io::Result<u64> {
        let mut walk = Backwards::new(file, length)?;
        while self.first.len() < lines {
            match walk.line()? {
                Some((_, line)) => self.first.push_front(line),
                None => break,
            }
        }
        Ok(walk.torn)
    }

    /// The lines that are new since the last call, without their line feeds.
    ///
    /// # Errors
    /// When the log cannot be read; it may be tried again.
    pub fn read(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut lines: Vec<Vec<u8>> = self.first.drain(..).collect();
        // Looked at first: what is written to the old file before its rotation is then seen by reading it after.
        let followers = self.followers()?;
        if let Some(file) = &mut self.file {
            take_lines(file, &mut self.begun, &mut lines)?;
        }
        for path in followers {
            let mut file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            };
            self.begun.clear();
            take_lines(&mut file, &mut self.begun, &mut lines)?;
            self.file = Some(file);
        }
        Ok(lines)
    }

    /// The files that were begun after the one that is open.
    fn followers(&self) -> io::Result<Vec<PathBuf>> {
        let Some(open) = &self.file else {
            return Ok(vec![self.path.clone()]);
        };
        let open = open.metadata()?;
        let is_open = |path: &Path| match fs::metadata(path) {
            Ok(found) => found.dev() == open.dev() && found.ino() == open.ino(),
            Err(_) => false,
        };
        if is_open(&self.path) || !self.path.exists() {
            return Ok(Vec::new());
        }
        let mut files = backups(&self.path)?;
        let known = files.iter().position(|path| is_open(path));
        let mut followers = match known {
            Some(at) => files.split_off(at + 1),
            // Removed by retention meanwhile: everything that is left is newer.
            None => files,
        };
        followers.push(self.path.clone());
        Ok(followers)
    }
}

fn backups(path: &Path) -> io::Result<Vec<PathBuf>> {
    match crate::log::backups(path) {
        Ok(found) => Ok(found.into_values().collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn take_lines(file: &mut File, begun: &mut Vec<u8>, lines: &mut Vec<Vec<u8>>) -> io::Result<()> {
    let from = begun.len();
    file.read_to_end(begun)?;
    let Some(last) = begun[from..].iter().rposition(|byte| *byte == b'\n') else {
        return Ok(());
    };
    let rest = begun.split_off(from + last + 1);
    let whole = std::mem::replace(begun, rest);
    let complete = whole[..whole.len() - 1].split(|byte| *byte == b'\n');
    lines.extend(complete.map(<[u8]>::to_vec));
    Ok(())
}

#[cfg(test)]
mod tests;
