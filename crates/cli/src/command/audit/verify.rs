//! `strongroom audit verify`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use strongroom_audit::query::{self, Filter};
use strongroom_audit::{Head, HeadCheck, Record, Summary, VerifyError, VerifyOptions, tail, verify_with};

use super::head::{self, Source};
use super::{Form, Place};
use crate::output;

/// A running server may be in the middle of a line, or between two files: then it is tried again.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Prove that no record was removed, reordered or changed.
///
/// Every record carries the hash of the one before. What no chain can show by itself, that records at the end are
/// missing, a head shows: the server's signed word on where the log ends, which anyone may fetch and keep. Without
/// files, the log in the data directory is taken, and the head that is kept beside it.
///
/// Ends with 0 if all was proven, 1 if not; the message names the place.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    strongroom audit verify\n  \
    strongroom audit verify --complete --head https://strongroom.example.com:6443\n  \
    strongroom audit verify --head yesterday.head --public-key zCgspKaS8cDHkRW6uyp1xR/vrf2vkEyVudqPAJExSII= \
    audit*.log\n\n\
    To keep a head:\n  \
    kubectl get --raw /.well-known/strongroom/audit-head > $(date +%F).head")]
pub struct Verify {
    /// The files, in any order [default: the log in the data directory with all rotated files]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// A head: a file, the server's URL, or - for standard input
    #[arg(long, value_name = "FILE|URL|-", value_parser = Source::parse)]
    head: Option<Source>,

    /// The key that must have signed the head, in base64 or a file [default: that of the data directory, if its log
    /// is taken]
    #[arg(long, value_name = "KEY", value_parser = head::public_key)]
    public_key: Option<Key>,

    /// Insist on all records from the first one on
    #[arg(long)]
    complete: bool,

    /// Whose CA to trust when the head is fetched [default: $KUBECONFIG, else the one in the data directory]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The form to print the result in
    #[arg(short, long, value_enum)]
    output: Option<Form>,

    #[command(flatten)]
    place: Place,
}

/// 32 bytes; an alias, since clap takes a bare `Vec` for several values.
type Key = Vec<u8>;

/// What was proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    verified: bool,
    files: Vec<PathBuf>,
    records: u64,
    first_sequence: u64,
    last_sequence: u64,
    first_time: Option<Timestamp>,
    last_time: Option<Timestamp>,
    last_hash: String,
    head: Option<CheckedHead>,
}

/// A head that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckedHead {
    sequence: u64,
    time: Timestamp,
    #[serde(rename = "logID")]
    log_id: String,
    /// Records that follow the one the head names.
    records_behind: u64,
    public_key: String,
    key_from: KeyFrom,
}

/// How the key is known that signed a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyFrom {
    /// It was given.
    Given,
    /// It is the data directory's.
    DataDirectory,
    /// Only from the head itself.
    Head,
}

/// What the files are held against.
#[derive(Debug, Clone)]
pub struct Witness {
    /// The head.
    pub head: Head,
    /// The key that must have signed it.
    pub public_key: Vec<u8>,
    /// How that is known.
    pub key_from: KeyFrom,
}

impl Verify {
    /// Proves it, or fails with the place.
    pub fn run(self) -> anyhow::Result<()> {
        match self.prove() {
            Ok(proof) => output::print(&match self.output {
                None => proof.to_string(),
                Some(Form::Json) => serde_json::to_string_pretty(&proof)? + "\n",
            }),
            Err(error) => {
                if self.output == Some(Form::Json) {
                    let failure = serde_json::json!({"verified": false, "error": format!("{error:#}")});
                    output::print(&format!("{failure:#}\n"))?;
                }
                Err(error)
            }
        }
    }

    fn prove(&self) -> anyhow::Result<Proof> {
        // The head first: what is written meanwhile is then behind it, and nothing is missing.
        let witness = self.witness()?;
        let mut attempts = ATTEMPTS;
        loop {
            attempts -= 1;
            let files = if self.files.is_empty() {
                self.place.files()?
            } else {
                self.files.clone()
            };
            match prove(&files, witness.as_ref(), self.complete) {
                Err(error) if attempts > 0 && self.files.is_empty() && is_passing(&error) => {
                    std::thread::sleep(PAUSE);
                }
                outcome => return outcome.map_err(|error| anyhow!("The audit log does not hold: {error}.")),
            }
        }
    }

    fn witness(&self) -> anyhow::Result<Option<Witness>> {
        let data_dir = self.place.data_dir()?;
        let own = self.files.is_empty();
        let kept = self.place.log()?.with_extension("log.head");
        let source = match &self.head {
            Some(source) => source.clone(),
            None if own && kept.exists() => Source::File(kept),
            None => return Ok(None),
        };
        let head = source.read(self.kubeconfig.as_deref(), self.place.data_dir.as_deref())?;
        let known = if own { head::key_of(&data_dir)? } else { None };
        let (public_key, key_from) = match (&self.public_key, known) {
            (Some(key), _) => (key.clone(), KeyFrom::Given),
            (None, Some(key)) => (key, KeyFrom::DataDirectory),
            (None, None) => (head.public_key.clone(), KeyFrom::Head),
        };
        Ok(Some(Witness {
            head,
            public_key,
            key_from,
        }))
    }
}

/// Whether a server that is writing could be the reason.
fn is_passing(error: &VerifyError) -> bool {
    matches!(
        error,
        VerifyError::Torn { .. }
            | VerifyError::Gap { .. }
            | VerifyError::Read { .. }
            | VerifyError::EndMissing { .. }
    )
}

/// Proves the chain over the files and against the witness.
///
/// # Errors
/// The first thing that is wrong.
pub fn prove(files: &[PathBuf], witness: Option<&Witness>, complete: bool) -> Result<Proof, VerifyError> {
    let options = VerifyOptions {
        head: witness.map(|witness| &witness.head),
        public_key: witness.map(|witness| witness.public_key.as_slice()),
        complete,
    };
    let summary = verify_with(files, &options)?;
    let head = match (witness, summary.head) {
        (Some(witness), HeadCheck::Holds { behind }) => Some(CheckedHead {
            sequence: witness.head.sequence,
            time: witness.head.time,
            log_id: witness.head.log_id.clone(),
            records_behind: behind,
            public_key: STANDARD.encode(&witness.public_key),
            key_from: witness.key_from,
        }),
        _ => None,
    };
    Ok(Proof {
        verified: true,
        first_time: first_time(&summary),
        last_time: summary.files.last().and_then(|file| last_time(file)),
        records: summary.records,
        first_sequence: summary.first_sequence,
        last_sequence: summary.last_sequence,
        last_hash: summary
            .last_hash
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        files: summary.files,
        head,
    })
}

fn first_time(summary: &Summary) -> Option<Timestamp> {
    let first = summary.files.first()?.clone();
    query::query(vec![first], Filter::default()).next()?.ok()?.time()
}

fn last_time(file: &Path) -> Option<Timestamp> {
    let line = tail::Tail::open(file, 1).ok()?.read().ok()?.into_iter().next()?;
    Record::parse(&line).ok()?.time()
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time =
            |time: Option<Timestamp>| time.map_or_else(|| "unknown".to_owned(), |time| format!("{time:.3}"));
        writeln!(f, "{}\n", self.headline())?;
        match self.files.as_slice() {
            [] => writeln!(f, "Files    none with a record")?,
            [first, others @ ..] => {
                writeln!(f, "Files    {}", first.display())?;
                for file in others {
                    writeln!(f, "         {}", file.display())?;
                }
            }
        }
        writeln!(
            f,
            "Records  {}, number {} to {}",
            self.records, self.first_sequence, self.last_sequence
        )?;
        writeln!(
            f,
            "Time     {} to {}",
            time(self.first_time),
            time(self.last_time)
        )?;
        match &self.head {
            Some(head) => head.write(f)?,
            None => writeln!(
                f,
                "Head     none: whether later records are missing, or all were written anew, is not known;\n         \
                 give a head that was kept or fetched, with --head"
            )?,
        }
        if self.first_sequence > 1 {
            writeln!(
                f,
                "\nNote: records 1 to {} are in older files, which were not given or were removed by retention; \
                 --complete insists on them.",
                self.first_sequence - 1
            )?;
        }
        Ok(())
    }
}

impl Proof {
    /// No more than what was proven: a chain without a signature shows accidents, and not who could compute it anew.
    fn headline(&self) -> String {
        let first = self.first_sequence;
        match &self.head {
            Some(head) if head.key_from == KeyFrom::Head => format!(
                "The chain holds, and a head agrees with it at record {}, if its key is the server's.",
                head.sequence
            ),
            Some(head) if head.sequence < first || head.sequence == 0 => format!(
                "The chain holds, and goes on from where the server signed, at record {}.",
                head.sequence
            ),
            Some(head) => format!(
                "Proven: from record {first} to {} nothing was removed, reordered or changed.",
                head.sequence
            ),
            None => "The chain holds: no gap and no change shows between these records.".to_owned(),
        }
    }
}

impl CheckedHead {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Head     holds: record {}, signed at {:.3}",
            self.sequence, self.time
        )?;
        if self.records_behind > 0 {
            writeln!(
                f,
                "         {} later records are chained, but not vouched for by this head",
                self.records_behind
            )?;
        }
        let whose = match self.key_from {
            KeyFrom::Given => "the one that was given",
            KeyFrom::DataDirectory => "the data directory's",
            KeyFrom::Head => "known from the head alone; give the server's with --public-key",
        };
        writeln!(f, "Key      {} ({whose})", self.public_key)
    }
}
