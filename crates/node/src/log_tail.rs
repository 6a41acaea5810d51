//! The beginning of a file and the end of a log, for termination messages.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use strongroom_node_plan::logs::parse;

/// How much of a log's end is looked at.
const WINDOW: u64 = 64 << 10;

/// At most so many of a file's first bytes; none if it cannot be read.
pub(crate) fn beginning(path: &Path, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(most as u64).read_to_end(&mut bytes);
    }
    bytes
}

/// The text of a log's last lines, at most so many and so many bytes.
pub(crate) fn text(path: &Path, lines: usize, bytes: usize) -> Vec<u8> {
    let mut window = Vec::new();
    let mut read = || -> std::io::Result<()> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(WINDOW)))?;
        file.take(WINDOW).read_to_end(&mut window)?;
        Ok(())
    };
    if read().is_err() {
        return Vec::new();
    }
    let parsed: Vec<_> = window
        .split(|byte| *byte == b'\n')
        .filter_map(|line| parse(line).ok())
        .collect();
    let mut text = Vec::new();
    for line in &parsed[parsed.len().saturating_sub(lines)..] {
        text.extend_from_slice(line.text);
        if !line.partial {
            text.push(b'\n');
        }
    }
    text.split_off(text.len().saturating_sub(bytes))
}
