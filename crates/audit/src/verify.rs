//! Proving that nothing was removed, reordered or changed.

mod error;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::chain::{self, Hash, Link, Position};
use crate::head::Head;
pub use error::VerifyError;

/// What to insist on.
#[derive(Debug, Clone, Copy, Default)]
pub struct VerifyOptions<'a> {
    /// A head that was fetched or kept.
    pub head: Option<&'a Head>,
    /// The key that must have signed it, 32 bytes. Without one the head's signature is not looked at.
    pub public_key: Option<&'a [u8]>,
    /// Whether the files must begin with record 1, rather than where retention left them.
    pub complete: bool,
}

/// What was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// How many records there are.
    pub records: u64,
    /// The first one's number; above 1 when older files are not among those given. 0 if there is none.
    pub first_sequence: u64,
    /// The last one's number; 0 if there is none.
    pub last_sequence: u64,
    /// The last one's hash. Nothing vouches for this record but a head.
    pub last_hash: [u8; 32],
    /// The files in the order of their records, without empty ones.
    pub files: Vec<PathBuf>,
    /// What the head had to say.
    pub head: HeadCheck,
}

/// What a head proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadCheck {
    /// No head was given: records at the end may be missing, and the last one may have been changed.
    NotGiven,
    /// The record the head names is there and unchanged. So many records follow it that it does not vouch for.
    Holds {
        /// Records behind the one the head names.
        behind: u64,
    },
}

/// Proves the chain over `files`, given in any order, and against `head` if there is one.
///
/// # Errors
/// The first thing that is wrong, with its file, line and record.
pub fn verify(
    files: &[PathBuf],
    head: Option<&Head>,
    public_key: Option<&[u8]>,
) -> Result<Summary, VerifyError> {
    verify_with(
        files,
        &VerifyOptions {
            head,
            public_key,
            complete: false,
        },
    )
}

/// As [`verify`], with all that can be asked for.
///
/// # Errors
/// As [`verify`].
pub fn verify_with<P: AsRef<Path>>(files: &[P], options: &VerifyOptions<'_>) -> Result<Summary, VerifyError> {
    if let (Some(head), Some(key)) = (options.head, options.public_key) {
        head.verify(key)?;
    }
    let files = in_order(files)?;
    let mut walk = Walk::new(options.head);
    for file in &files {
        walk.file(file)?;
    }
    let Some(last) = &walk.last else {
        return match options.head {
            Some(head) if head.sequence == 0 => Ok(Summary {
                records: 0,
                first_sequence: 0,
                last_sequence: 0,
                last_hash: head.hash,
                files: Vec::new(),
                head: HeadCheck::Holds { behind: 0 },
            }),
            _ => Err(VerifyError::Empty),
        };
    };
    if options.complete && walk.first > 1 {
        let file = files[0].clone();
        return Err(VerifyError::Incomplete {
            file,
            first: walk.first,
        });
    }
    let head = walk.check_end(last, &files[0])?;
    Ok(Summary {
        records: last.position.sequence - walk.first + 1,
        first_sequence: walk.first,
        last_sequence: last.position.sequence,
        last_hash: last.position.hash,
        files,
        head,
    })
}

/// The files by their first records. One that is given twice counts once; empty ones do not count.
fn in_order<P: AsRef<Path>>(files: &[P]) -> Result<Vec<PathBuf>, VerifyError> {
    let mut seen = Vec::new();
    let mut ordered = Vec::new();
    for file in files {
        let file = file.as_ref();
        let failed = |source| VerifyError::Read {
            file: file.to_owned(),
            source,
        };
        let identity = file.canonicalize().map_err(failed)?;
        if seen.contains(&identity) {
            continue;
        }
        seen.push(identity);
        let opened = File::open(file).map_err(failed)?;
        if opened.metadata().map_err(failed)?.len() > 0 {
            let first = first_sequence(BufReader::new(opened)).map_err(failed)?;
            ordered.push((first, file.to_owned()));
        }
    }
    ordered.sort();
    Ok(ordered.into_iter().map(|(_, file)| file).collect())
}

/// The number of the first line that has one: where the file belongs, even if its first line was spoiled.
fn first_sequence(mut reader: impl BufRead) -> io::Result<u64> {
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        if let Some(link) = line.strip_suffix(b"\n").and_then(chain::link) {
            return Ok(link.sequence);
        }
        line.clear();
    }
    Ok(u64::MAX)
}

/// A record that the next one must vouch for.
struct Seen {
    file: PathBuf,
    line: u64,
    position: Position,
}

struct Walk<'a> {
    head: Option<&'a Head>,
    first: u64,
    last: Option<Seen>,
    head_met: bool,
}

impl<'a> Walk<'a> {
    fn new(head: Option<&'a Head>) -> Self {
        Self {
            head,
            first: 0,
            last: None,
            head_met: false,
        }
    }

    fn file(&mut self, file: &Path) -> Result<(), VerifyError> {
        let failed = |source| VerifyError::Read {
            file: file.to_owned(),
            source,
        };
        let mut reader = BufReader::with_capacity(64 * 1024, File::open(file).map_err(failed)?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if reader.read_until(b'\n', &mut line).map_err(failed)? == 0 {
                break;
            }
            self.line(file, number, &line)?;
        }
        Ok(())
    }

    fn line(&mut self, file: &Path, number: u64, line: &[u8]) -> Result<(), VerifyError> {
        let after = self.last.as_ref().map_or(0, |last| last.position.sequence);
        let (file, line_number) = (file.to_owned(), number);
        let Some(content) = line.strip_suffix(b"\n") else {
            return Err(VerifyError::Torn {
                file,
                line: line_number,
                after,
            });
        };
        let Some(link) = chain::link(content) else {
            return Err(VerifyError::NotARecord {
                file,
                line: line_number,
                after,
            });
        };
        let position = Position {
            sequence: link.sequence,
            hash: chain::hash(content),
        };
        let seen = Seen {
            file,
            line: line_number,
            position,
        };
        self.check_link(&seen, &link)?;
        if let Some(head) = self.head.filter(|head| head.sequence == link.sequence) {
            if head.hash != position.hash {
                return Err(changed(&seen, "the signed head".to_owned()));
            }
            self.head_met = true;
        }
        self.last = Some(seen);
        Ok(())
    }

    fn check_link(&mut self, seen: &Seen, link: &Link) -> Result<(), VerifyError> {
        let Some(last) = &self.last else {
            self.first = link.sequence;
            return self.check_first(seen, link);
        };
        let (expected, found) = (last.position.sequence.saturating_add(1), link.sequence);
        let (file, line) = (seen.file.clone(), seen.line);
        if found > expected {
            return Err(VerifyError::Gap {
                file,
                line,
                expected,
                found,
            });
        }
        if found < expected {
            return Err(VerifyError::Order {
                file,
                line,
                expected,
                found,
            });
        }
        if link.previous != last.position.hash {
            return Err(changed(
                last,
                format!("record {found} (line {line} of {})", file.display()),
            ));
        }
        Ok(())
    }

    fn check_first(&mut self, seen: &Seen, link: &Link) -> Result<(), VerifyError> {
        if link.sequence == 1 && link.previous != Hash::default() {
            return Err(VerifyError::FalseBeginning {
                file: seen.file.clone(),
                line: seen.line,
            });
        }
        let names_head = self
            .head
            .filter(|head| head.sequence.saturating_add(1) == link.sequence);
        if names_head.is_some_and(|head| head.hash != link.previous) {
            return Err(changed(seen, "the signed head".to_owned()));
        }
        Ok(())
    }

    fn check_end(&self, last: &Seen, first_file: &Path) -> Result<HeadCheck, VerifyError> {
        let Some(head) = self.head else {
            return Ok(HeadCheck::NotGiven);
        };
        if head.sequence > last.position.sequence {
            return Err(VerifyError::EndMissing {
                file: last.file.clone(),
                line: last.line,
                last: last.position.sequence,
                head: head.sequence,
            });
        }
        if self.head_met || head.sequence.saturating_add(1) == self.first {
            let behind = last.position.sequence - head.sequence;
            return Ok(HeadCheck::Holds { behind });
        }
        Err(VerifyError::HeadTooOld {
            file: first_file.to_owned(),
            first: self.first,
            head: head.sequence,
        })
    }
}

fn changed(seen: &Seen, witness: String) -> VerifyError {
    VerifyError::Changed {
        file: seen.file.clone(),
        line: seen.line,
        sequence: seen.position.sequence,
        witness,
    }
}

#[cfg(test)]
mod tests;
