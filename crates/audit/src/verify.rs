//! Proving that nothing was removed, reordered or changed.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::chain::{self, Hash, Link, Position};
use crate::head::{Head, HeadError};

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
    /// The head is from before the first record of these files.
    Older,
}

/// What is wrong with the files, in a sentence.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The head itself is not to be believed.
    #[error("{0}")]
    Head(#[from] HeadError),
    /// A line is no record.
    #[error("{} line {line}: this is not an audit record with its place in the chain; after record {after}, \
             something was changed or inserted", file.display())]
    NotARecord {
        /// Where.
        file: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// Number of the record before; 0 if there is none.
        after: u64,
    },
    /// A file ends within a line.
    #[error("{} line {line}: the file ends in the middle of a line, after record {after}", file.display())]
    Torn {
        /// Where.
        file: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// Number of the record before; 0 if there is none.
        after: u64,
    },
    /// Records are missing.
    #[error("{} line {line}: this is record {found}, but record {expected} should be here: {}", file.display(),
            missing(*expected, *found))]
    Gap {
        /// Where the gap is seen.
        file: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// Number that should be here.
        expected: u64,
        /// Number that is.
        found: u64,
    },
    /// Records are not in their order, or twice there.
    #[error("{} line {line}: this is record {found}, but record {expected} should be here: the lines were reordered \
             or repeated", file.display())]
    Order {
        /// Where.
        file: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// Number that should be here.
        expected: u64,
        /// Number that is.
        found: u64,
    },
    /// A record is not the one that the next one, or the head, vouches for.
    #[error("{} line {line}: record {sequence} was changed: its hash is not the one that {witness} carries",
            file.display())]
    Changed {
        /// Where the record is.
        file: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// Its number.
        sequence: u64,
        /// Who says otherwise.
        witness: String,
    },
    /// The first record names a predecessor although it is the first of all.
    #[error("{} line {line}: record 1 names a record before it, so it was changed", file.display())]
    FalseBeginning {
        /// Where.
        file: PathBuf,
        /// Line, counted from 1.
        line: u64,
    },
    /// The files begin later than asked for.
    #[error("{} line 1: the files begin with record {first}; records 1 to {} are missing", file.display(), first - 1)]
    Incomplete {
        /// The first file.
        file: PathBuf,
        /// Its first record.
        first: u64,
    },
    /// The head knows of records that are not there.
    #[error("{} line {line}: the files end with record {last}, but the signed head is at record {head}: {}",
            file.display(), missing(last.saturating_add(1), head.saturating_add(1)))]
    EndMissing {
        /// The last file.
        file: PathBuf,
        /// Its last line.
        line: u64,
        /// Its last record.
        last: u64,
        /// The head's record.
        head: u64,
    },
    /// There is no record at all.
    #[error("there are no audit records in these files")]
    Empty,
}

fn missing(expected: u64, found: u64) -> String {
    match found - expected {
        1 => format!("record {expected} is missing"),
        _ => format!("records {expected} to {} are missing", found - 1),
    }
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
    for (first, file) in &files {
        walk.file(file, *first)?;
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
        let file = files[0].1.clone();
        return Err(VerifyError::Incomplete {
            file,
            first: walk.first,
        });
    }
    let head = walk.check_end(last)?;
    Ok(Summary {
        records: last.position.sequence - walk.first + 1,
        first_sequence: walk.first,
        last_sequence: last.position.sequence,
        last_hash: last.position.hash,
        files: files.into_iter().map(|(_, file)| file).collect(),
        head,
    })
}

/// The files by their first records. One that is given twice counts once; empty ones do not count.
fn in_order<P: AsRef<Path>>(files: &[P]) -> Result<Vec<(Option<u64>, PathBuf)>, VerifyError> {
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
        let mut line = Vec::new();
        let mut reader = BufReader::new(File::open(file).map_err(failed)?);
        if reader.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            continue;
        }
        let link = line.strip_suffix(b"\n").and_then(chain::link);
        ordered.push((link.map(|link| link.sequence), file.to_owned()));
    }
    // What has no place goes last: everything before it is proven first, and then it is named.
    ordered.sort_by_key(|(first, _)| first.unwrap_or(u64::MAX));
    Ok(ordered)
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

    fn file(&mut self, file: &Path, _first: Option<u64>) -> Result<(), VerifyError> {
        let failed = |source| VerifyError::Read {
            file: file.to_owned(),
            source,
        };
        let mut reader = BufReader::with_capacity(1 << 20, File::open(file).map_err(failed)?);
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

    fn check_end(&self, last: &Seen) -> Result<HeadCheck, VerifyError> {
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
        Ok(HeadCheck::Older)
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
