//! `strongroom backup`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use strongroom_storage::Store as _;

use crate::control::{self, Answer, Order, Summary};
use crate::data_dir::DataDir;
use crate::output;
use crate::server::store;
use crate::settings::KeySettings;

/// Save all objects to a file, as they are at one moment.
///
/// The server may be running: it writes the file itself, and goes on serving. The objects in the file are sealed
/// as they are in the store. The root key, which opens them, is not in it, and neither are certificates: copy the
/// directories keys/ and pki/ of the data directory too, and keep them elsewhere.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    strongroom backup /srv/backups/strongroom-$(date +%F)\n  \
    strongroom backup --data-dir ./try ./try.backup")]
pub struct Backup {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Where state is kept [default: /var/lib/strongroom for root, else $XDG_DATA_HOME/strongroom]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// The root key, if no server runs.
    #[command(flatten)]
    keys: KeySettings,
}

impl Backup {
    /// Makes the backup.
    pub fn run(self) -> anyhow::Result<()> {
        let data_dir = DataDir::at(self.data_dir.as_deref())?;
        let file = std::path::absolute(&self.file)?;
        let order = Order::Backup(file.clone());
        let answer = match control::send(&data_dir, &order)? {
            Some(answer) => answer,
            None => without_server(&data_dir, &self.keys, order)?,
        };
        match answer {
            Answer::Failed(reason) => bail!("There is no backup: {reason}."),
            Answer::BackedUp(summary) => report(&file, &summary),
        }
    }
}

fn without_server(data_dir: &DataDir, keys: &KeySettings, order: Order) -> anyhow::Result<Answer> {
    if !store::exists(data_dir) {
        bail!(
            "There is nothing to save in {}; say where state is with --data-dir.",
            data_dir.path().display()
        );
    }
    let _lock = data_dir.lock()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let store = store::open_offline(data_dir, keys)?;
        let answer = control::obey(order, &store).await;
        store.close().await;
        Ok(answer)
    })
}

fn report(file: &Path, summary: &Summary) -> anyhow::Result<()> {
    output::print(&format!(
        "Saved {} objects at revision {} to {} ({} bytes).\n\
         It is of no use without the root key, which is not in it.\n",
        summary.records,
        summary.revision,
        file.display(),
        summary.bytes
    ))?;
    if summary.damaged > 0 {
        return Err(anyhow::anyhow!(
            "{} damaged objects are not in it",
            summary.damaged
        ))
        .context("The backup is not complete");
    }
    Ok(())
}
