//! `strongroom audit`: who did what, and can it be proven?

mod follow;
mod head;
mod line;
mod moment;
mod query;
mod verify;

use std::io::{ErrorKind, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};

use crate::data_dir::DataDir;

/// Read the audit log, and prove that nobody changed it.
///
/// Works on files; no server has to run.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
    strongroom audit tail -f\n  \
    strongroom audit query --who alice --what \"get secrets\" --since 2h\n  \
    strongroom audit verify"
)]
pub struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    Verify(verify::Verify),
    Tail(follow::Tail),
    Query(query::Query),
}

impl Audit {
    /// Does it.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            AuditCommand::Verify(verify) => verify.run(),
            AuditCommand::Tail(tail) => tail.run(),
            AuditCommand::Query(query) => query.run(),
        }
    }
}

/// Whose log.
#[derive(Debug, Args)]
struct Place {
    /// Where the server keeps its state [default: /var/lib/strongroom for root, else $XDG_DATA_HOME/strongroom]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Place {
    fn data_dir(&self) -> anyhow::Result<DataDir> {
        DataDir::at(self.data_dir.as_deref())
    }

    /// The file that the server writes.
    fn log(&self) -> anyhow::Result<PathBuf> {
        Ok(self.data_dir()?.audit_log())
    }

    /// That file and what was rotated, the oldest first.
    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let log = self.log()?;
        let files = match strongroom_audit::query::files_of(&log) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            files => files.unwrap_or_default(),
        };
        if files.is_empty() {
            bail!(
                "There is no audit log {}; name its files, or say where state is with --data-dir.",
                log.display()
            );
        }
        Ok(files)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Json,
}

/// Prints text; breaks when the reader went away.
fn print(text: &[u8]) -> anyhow::Result<ControlFlow<()>> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text).and_then(|()| output.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
