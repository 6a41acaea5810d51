//! `strongroom restore`.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::data_dir::DataDir;
use crate::output;
use crate::server::store;
use crate::settings::KeySettings;

/// Fill an empty data directory from a backup.
///
/// The root key that the backup was sealed with is needed and is not in the backup: put the saved directory keys/
/// into the data directory first, or say where the key is with --root-key-file (now, and at every start). With the
/// saved directory pki/ in the data directory too, kubeconfigs and tokens stay valid; without it the next start makes
/// a new CA.
#[derive(Debug, Args)]
#[command(after_help = "Example: on a new machine\n  \
    mkdir -p -m 700 /var/lib/strongroom\n  \
    cp -a /srv/backups/keys /srv/backups/pki /var/lib/strongroom/\n  \
    strongroom restore /srv/backups/strongroom-2026-01-31\n  \
    strongroom up")]
pub struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The data directory to fill [default: /var/lib/strongroom for root, else $XDG_DATA_HOME/strongroom]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// The root key.
    #[command(flatten)]
    keys: KeySettings,
}

impl Restore {
    /// Fills the data directory.
    pub fn run(self) -> anyhow::Result<()> {
        if !self.file.exists() {
            bail!("There is no file {}.", self.file.display());
        }
        let data_dir = DataDir::at(self.data_dir.as_deref())?;
        data_dir.create()?;
        let _lock = data_dir.lock()?;
        let revision = store::restore(&data_dir, &self.keys, &self.file)?;
        output::print(&format!(
            "Restored into {}; the store goes on at revision {revision}. Start it with `strongroom up`.\n",
            data_dir.path().display()
        ))
    }
}
