//! What can be wrong with audit files.

use std::io;
use std::path::PathBuf;

use crate::head::HeadError;

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
    #[error("{} line {line}: record {sequence} was changed, or its hash in {witness} was: they do not agree",
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
    /// The head is from before the first record of these files, so it cannot say anything about them.
    #[error("{} line 1: the files begin with record {first}, but the signed head is at record {head}: give the older \
             files too, or a newer head", file.display())]
    HeadTooOld {
        /// The first file.
        file: PathBuf,
        /// Its first record.
        first: u64,
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
