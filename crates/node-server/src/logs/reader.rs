//! Reading a log file from where it is wanted to its end, and on, through rotations, for as long as its container runs.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use strongroom_node_plan::logs::{Selection, Writer, parse};
use tokio::sync::mpsc;

use crate::node::Node;

/// Bytes read at a time.
const READ: usize = 64 * 1024;
/// Longest line of the runtime's, in bytes. What is longer is cut into lines that cannot be read, and left out.
const MAX_LINE: usize = 1024 * 1024;
/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How many looks without news there are before the runtime is asked whether any can come.
const LOOKS: u32 = 10;

/// A log that is followed to the end of its container.
pub struct Follow {
    pub node: Arc<dyn Node>,
    /// The container's bare id.
    pub container: String,
}

/// A log that is being read. Its methods block for as long as a disk takes.
pub struct LogReader {
    path: PathBuf,
    file: File,
    writer: Writer,
    /// The beginning of a line whose end is not written yet.
    line: Vec<u8>,
    buffer: Vec<u8>,
}

/// What reading on has brought.
struct Step {
    reader: LogReader,
    answer: Vec<u8>,
    /// Bytes that were read of the file; none at its end.
    read: usize,
}

impl LogReader {
    /// Opens the log at `path` where `selection` wants it to begin.
    pub fn open(path: PathBuf, selection: Selection) -> io::Result<Self> {
        let mut file = File::open(&path)?;
        if let Some(lines) = selection.tail_lines {
            let start = tail_start(&mut file, lines)?;
            file.seek(SeekFrom::Start(start))?;
        }
        Ok(Self {
            path,
            file,
            writer: Writer::new(selection),
            line: Vec::new(),
            buffer: vec![0; READ],
        })
    }

    /// Reads to the end, and sends what is wanted.
    pub async fn run(self, follow: Option<Follow>, pieces: &mpsc::Sender<Bytes>) {
        let mut reader = self;
        let mut looks = 0;
        // Once the container has ended, one more reading finds all that it wrote.
        let mut is_last = follow.is_none();
        loop {
            let step = match reader.step().await {
                Ok(step) => step,
                Err(error) => {
                    tracing::warn!(%error, "a container's log cannot be read on");
                    return;
                }
            };
            reader = step.reader;
            if !step.answer.is_empty() && pieces.send(step.answer.into()).await.is_err() {
                return;
            }
            if reader.writer.is_full() {
                return;
            }
            if step.read > 0 {
                looks = 0;
                continue;
            }
            let Some(follow) = follow.as_ref().filter(|_| !is_last) else {
                break;
            };
            tokio::time::sleep(LOOK).await;
            looks += 1;
            if looks % LOOKS == 0 {
                is_last =
                    !matches!(follow.node.container(&follow.container).await, Ok(found) if found.running);
            }
        }
        let mut rest = Vec::new();
        reader.finish(&mut rest);
        if !rest.is_empty() {
            let _ = pieces.send(rest.into()).await;
        }
    }

    /// Reads on where blocking is no harm.
    async fn step(mut self) -> io::Result<Step> {
        let stepped = tokio::task::spawn_blocking(move || {
            let mut answer = Vec::new();
            let read = self.read_on(&mut answer)?;
            Ok(Step {
                reader: self,
                answer,
                read,
            })
        });
        stepped.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    }

    /// Reads a piece of the file, and appends what is wanted of its lines to `answer`; the bytes that were read.
    fn read_on(&mut self, answer: &mut Vec<u8>) -> io::Result<usize> {
        let mut read = self.file.read(&mut self.buffer)?;
        if read == 0 && self.next_file()? {
            read = self.file.read(&mut self.buffer)?;
        }
        let buffer = std::mem::take(&mut self.buffer);
        for piece in buffer[..read].split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") || self.line.len() > MAX_LINE {
                self.take_line(answer);
            }
        }
        self.buffer = buffer;
        Ok(read)
    }

    /// At the end of a file that was rotated away, goes on with its successor, unless there was a last word.
    fn next_file(&mut self) -> io::Result<bool> {
        let own = self.file.metadata()?;
        let now = match std::fs::metadata(&self.path) {
            Ok(now) => now,
            // Between the two.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if (own.dev(), own.ino()) == (now.dev(), now.ino()) {
            // A file that was cut is read from its start.
            if self.file.stream_position()? > now.len() {
                self.file.seek(SeekFrom::Start(0))?;
                self.line.clear();
                return Ok(true);
            }
            return Ok(false);
        }
        if self.file.stream_position()? < own.len() {
            return Ok(true);
        }
        self.file = File::open(&self.path)?;
        Ok(true)
    }

    fn take_line(&mut self, answer: &mut Vec<u8>) {
        match parse(&self.line) {
            Ok(line) => self.writer.write(&line, answer),
            Err(error) => tracing::debug!(%error, "a line of a container's log cannot be read"),
        }
        self.line.clear();
    }

    /// Takes a last line that was not ended.
    fn finish(&mut self, answer: &mut Vec<u8>) {
        if !self.line.is_empty() {
            self.take_line(answer);
        }
    }
}

/// Where the last `lines` lines of a file begin.
fn tail_start(file: &mut (impl Read + Seek), lines: u64) -> io::Result<u64> {
    let length = file.seek(SeekFrom::End(0))?;
    if lines == 0 {
        return Ok(length);
    }
    let mut block = vec![0; READ];
    let mut end = length;
    let mut found = 0;
    while end > 0 {
        let start = end.saturating_sub(READ as u64);
        let block = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(block)?;
        for (index, byte) in block.iter().enumerate().rev() {
            let at = start + index as u64;
            // The break at the very end ends the last line; it begins none.
            if *byte == b'\n' && at + 1 < length {
                found += 1;
                if found == lines {
                    return Ok(at + 1);
                }
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests;
