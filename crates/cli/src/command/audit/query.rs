//! `strongroom audit query`.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::Timestamp;
use strongroom_audit::Record;
use strongroom_audit::query::{Filter, What};

use super::{Form, Place, line, moment, print};
use crate::command::access::user;
use crate::misread::Misread;

/// Output is gathered up to this, so that long answers are not written line by line.
const GATHERED: usize = 64 * 1024;

/// Find records: who did what, and when.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    strongroom audit query --who alice --since 2h\n  \
    strongroom audit query --what \"get secrets/db-login\" -n shop\n  \
    strongroom audit query --who sa:shop/web --what \"delete secrets\" --since 2026-11-22T05:00:00Z -o json\n  \
    strongroom audit query --what /metrics audit-2026-11-2*.log")]
pub struct Query {
    /// The files, in their order [default: the log in the data directory with all rotated files]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The user; a service account also as sa:NAMESPACE/NAME, or by its name alone
    #[arg(long, value_name = "USER", value_parser = user::full_name)]
    who: Option<String>,

    /// VERB, RESOURCE, "VERB RESOURCE", "VERB RESOURCE/NAME", or a path
    #[arg(long, value_name = "WHAT")]
    what: Option<String>,

    /// The namespace
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Not before: 2h or 7d ago, a moment in RFC 3339, or a day
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,

    /// Before
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,

    /// Print records as they are in the files, one to a line
    #[arg(short, long, value_enum)]
    output: Option<Form>,

    #[command(flatten)]
    place: Place,
}

fn time(text: &str) -> Result<Timestamp, Misread> {
    moment::parse(text, Timestamp::now())
}

impl Query {
    /// Prints what is found.
    pub fn run(self) -> anyhow::Result<()> {
        let files = if self.files.is_empty() {
            self.place.files()?
        } else {
            self.files.clone()
        };
        let mut gathered = Vec::new();
        let show = |line: &[u8], record: &Record| {
            match self.output {
                Some(Form::Json) => {
                    gathered.extend_from_slice(line);
                    gathered.push(b'\n');
                }
                None => gathered.extend_from_slice(line::for_people(record).as_bytes()),
            }
            if gathered.len() < GATHERED {
                return Ok(ControlFlow::Continue(()));
            }
            print(&std::mem::take(&mut gathered))
        };
        let strange = find(&files, &self.filter(), show)?;
        if print(&gathered)?.is_break() {
            return Ok(());
        }
        match strange.as_slice() {
            [] => Ok(()),
            [first, others @ ..] => bail!(
                "{first} is not an audit record{}; `strongroom audit verify` says more.",
                match others.len() {
                    0 => String::new(),
                    more => format!(", and {more} more lines are not either"),
                }
            ),
        }
    }

    fn filter(&self) -> Filter {
        Filter {
            who: self.who.clone(),
            what: self.what.as_deref().map(What::parse),
            namespace: self.namespace.clone(),
            since: self.since,
            until: self.until,
        }
    }
}

/// Shows the lines whose records are wanted, until told to break. Returns where lines are that are no records.
///
/// # Errors
/// When a file cannot be read.
pub fn find(
    files: &[PathBuf],
    filter: &Filter,
    mut show: impl FnMut(&[u8], &Record) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<Vec<String>> {
    let mut strange = Vec::new();
    for path in files {
        if find_in(path, filter, &mut show, &mut strange)?.is_break() {
            break;
        }
    }
    Ok(strange)
}

fn find_in(
    path: &Path,
    filter: &Filter,
    show: &mut impl FnMut(&[u8], &Record) -> anyhow::Result<ControlFlow<()>>,
    strange: &mut Vec<String>,
) -> anyhow::Result<ControlFlow<()>> {
    let failed = || format!("{} cannot be read", path.display());
    let mut reader = BufReader::with_capacity(256 * 1024, File::open(path).with_context(failed)?);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        reader.read_until(b'\n', &mut line).with_context(failed)?;
        // Without a line feed it is still being written.
        let Some(whole) = line.strip_suffix(b"\n") else {
            break;
        };
        match Record::parse(whole) {
            Ok(record) if filter.matches(&record) => {
                if show(whole, &record)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(_) => {}
            Err(_) => strange.push(format!("{} line {number}", path.display())),
        }
    }
    Ok(ControlFlow::Continue(()))
}
