//! Reading container logs: the lines that the runtime writes, and which of them a request wants
//! (pods-and-kubelet §6, §11).
//!
//! A line on disk is `<RFC3339Nano> stdout|stderr F|P <text>`; `P` means that the next line of the stream goes on.

use jiff::Timestamp;

#[cfg(test)]
mod tests;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The time as written.
    pub time_text: &'a str,
    /// The time.
    pub time: Timestamp,
    /// Where it came from.
    pub stream: Stream,
    /// The text goes on in the next line of the same stream.
    pub partial: bool,
    /// The text, without a line break.
    pub text: &'a [u8],
}

/// A line that the runtime cannot have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// No time, or one that cannot be read.
    #[error("timestamp is not found")]
    Time,
    /// Neither stdout nor stderr.
    #[error("unexpected stream type")]
    Stream,
    /// Neither `F` nor `P`.
    #[error("log tag is not found")]
    Tag,
}

/// Reads one line, with or without its line break.
///
/// # Errors
/// When it has another form.
pub fn parse(line: &[u8]) -> Result<Line<'_>, LineError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let (time_text, rest) = split(line).ok_or(LineError::Time)?;
    let time_text = std::str::from_utf8(time_text).map_err(|_| LineError::Time)?;
    let time = time_text.parse().map_err(|_| LineError::Time)?;
    let (stream, rest) = split(rest).ok_or(LineError::Stream)?;
    let stream = match stream {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return Err(LineError::Stream),
    };
    let (tags, text) = split(rest).unwrap_or((rest, b""));
    let partial = match tags.split(|byte| *byte == b':').next() {
        Some(b"F") => false,
        Some(b"P") => true,
        _ => return Err(LineError::Tag),
    };
    Ok(Line {
        time_text,
        time,
        stream,
        partial,
        text,
    })
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == b' ')?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// What a request wants of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The last lines only; partial lines count as lines, as in Kubernetes.
    pub tail_lines: Option<u64>,
    /// Lines from then on only.
    pub since: Option<Timestamp>,
    /// Stop after this many bytes of the answer.
    pub limit_bytes: Option<u64>,
    /// Put the time before each line.
    pub timestamps: bool,
    /// One stream only.
    pub stream: Option<Stream>,
}

/// The part of a log file that `tail_lines` leaves: where to begin, given the bytes before the end. Call it with
/// growing pieces of the file's end until it answers or the piece is the whole file (then begin at 0).
#[must_use]
pub fn tail_start(end_of_file: &[u8], lines: u64) -> Option<usize> {
    if lines == 0 {
        return Some(end_of_file.len());
    }
    let body = end_of_file.strip_suffix(b"\n").unwrap_or(end_of_file);
    let breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let nth = usize::try_from(lines - 1).ok()?;
    breaks.map(|(at, _)| at + 1).nth(nth)
}

/// Turns lines of a log file into the bytes of an answer, one after the other.
#[derive(Debug, Clone)]
pub struct Writer {
    selection: Selection,
    remaining: Option<u64>,
    goes_on: [bool; 2],
}

impl Writer {
    /// A writer for one answer. `tail_lines` is the caller's part ([`tail_start`]).
    #[must_use]
    pub fn new(selection: Selection) -> Writer {
        let remaining = selection.limit_bytes;
        Writer {
            selection,
            remaining,
            goes_on: [false; 2],
        }
    }

    /// Whether the limit is reached and nothing more will come.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.remaining == Some(0)
    }

    /// Appends what the answer shows of one line. Pieces of a partial line are joined: the time stands before the
    /// first, the line break after the last.
    pub fn write(&mut self, line: &Line<'_>, answer: &mut Vec<u8>) {
        let wanted = self.selection.stream.is_none_or(|stream| stream == line.stream)
            && self.selection.since.is_none_or(|since| line.time >= since);
        let goes_on = &mut self.goes_on[usize::from(line.stream == Stream::Stderr)];
        let continues = std::mem::replace(goes_on, line.partial);
        if !wanted {
            return;
        }
        if self.selection.timestamps && !continues {
            let time = fixed_width(line.time_text);
            self.append(time.as_bytes(), answer);
            self.append(b" ", answer);
        }
        self.append(line.text, answer);
        if !line.partial {
            self.append(b"\n", answer);
        }
    }

    fn append(&mut self, bytes: &[u8], answer: &mut Vec<u8>) {
        let taken = match &mut self.remaining {
            Some(remaining) => {
                let room = usize::try_from(*remaining).unwrap_or(usize::MAX).min(bytes.len());
                *remaining -= room as u64;
                room
            }
            None => bytes.len(),
        };
        answer.extend_from_slice(&bytes[..taken]);
    }
}

/// A time with all nine digits of its fraction, so that lines stand in columns.
fn fixed_width(time: &str) -> String {
    let (seconds, rest) = match time.split_once('.') {
        Some(parts) => parts,
        None => match time.get(19..) {
            Some(zone) => (&time[..19], zone),
            None => return time.to_owned(),
        },
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let zone = &rest[digits..];
    format!("{seconds}.{:0<9}{zone}", &rest[..digits])
}
