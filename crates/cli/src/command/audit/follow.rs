//! `strongroom audit tail`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use strongroom_audit::{Record, tail};

use super::{Form, Place, line, print};

/// How long a record may be in the file before it is shown.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// Show the last records, and with -f those that follow.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    strongroom audit tail\n  \
    strongroom audit tail -f -n 0\n  \
    strongroom audit tail -f -o json | jq .requestURI")]
pub struct Tail {
    /// The log [default: that of the server whose state is in the data directory]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// Go on with records as they are written, across rotations
    #[arg(short, long)]
    follow: bool,

    /// How many records to begin with
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: usize,

    /// Print records as they are in the files, one to a line
    #[arg(short, long, value_enum)]
    output: Option<Form>,

    #[command(flatten)]
    place: Place,
}

impl Tail {
    /// Shows them.
    pub fn run(self) -> anyhow::Result<()> {
        let path = match &self.file {
            Some(file) => file.clone(),
            None => self.place.log()?,
        };
        if !self.follow && !path.exists() {
            bail!(
                "There is no audit log {}; name its file, or say where state is with --data-dir.",
                path.display()
            );
        }
        let failed = || format!("{} cannot be read", path.display());
        let mut tail = tail::Tail::open(&path, self.lines).with_context(failed)?;
        loop {
            let mut text = Vec::new();
            for line in tail.read().with_context(failed)? {
                self.add(&mut text, &line);
            }
            if !text.is_empty() && print(&text)?.is_break() {
                return Ok(());
            }
            if !self.follow {
                return Ok(());
            }
            if is_unread_after_pause() {
                return Ok(());
            }
        }
    }

    fn add(&self, text: &mut Vec<u8>, line: &[u8]) {
        match (self.output, Record::parse(line)) {
            (Some(Form::Json), _) => {
                text.extend_from_slice(line);
                text.push(b'\n');
            }
            (None, Ok(record)) => text.extend_from_slice(line::for_people(&record).as_bytes()),
            (None, Err(_)) => text.extend_from_slice(b"(a line that is not an audit record)\n"),
        }
    }
}

/// Waits, and says whether the reader of standard output went away meanwhile: nobody would be told before the next
/// record is written.
fn is_unread_after_pause() -> bool {
    let output = std::io::stdout();
    let mut watched = [PollFd::new(&output, PollFlags::empty())];
    let gone = PollFlags::ERR | PollFlags::HUP;
    matches!(poll(&mut watched, Some(&PAUSE)), Ok(1..)) && watched[0].revents().intersects(gone)
}
