//! `strongroom kubeconfig`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::data_dir::{DataDir, write_private};
use crate::duration;
use crate::kubeconfig_file::{self, Kubeconfig as KubeconfigFile};
use crate::output;
use crate::pki::{ADMIN, Issued, Pki};

/// Print a kubeconfig for the administrator, or for another user.
///
/// With --user a new client certificate is issued by Strongroom's own CA. It holds until it expires: to take it
/// back earlier, take the user's permissions away.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    strongroom kubeconfig > admin.kubeconfig\n  \
    strongroom kubeconfig --user alice --group developers --group on-call --output alice.kubeconfig\n  \
    strongroom kubeconfig --server https://strongroom.example.com:6443")]
pub struct Kubeconfig {
    /// Where state is kept [default: /var/lib/strongroom for root, else $XDG_DATA_HOME/strongroom]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Issue a certificate for this user instead of the administrator
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// A group the user is in; may be given several times
    #[arg(long, value_name = "GROUP", requires = "user")]
    group: Vec<String>,

    /// How long the new certificate is valid
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "8760h", requires = "user")]
    expires_in: Duration,

    /// The server's URL [default: where it was started last]
    #[arg(long, value_name = "URL")]
    server: Option<String>,

    /// Write to this file, readable by you alone, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Kubeconfig {
    /// Prints or writes it.
    pub fn run(self) -> anyhow::Result<()> {
        let data_dir = DataDir::at(self.data_dir.as_deref())?;
        let Ok(existing) = std::fs::read_to_string(data_dir.kubeconfig()) else {
            bail!(
                "There is no kubeconfig in {}; run `strongroom up` first, or say where state is with --data-dir.",
                data_dir.path().display()
            );
        };
        let cluster = kubeconfig_file::cluster_in(&existing).with_context(|| {
            format!(
                "{} is damaged; start the server again",
                data_dir.kubeconfig().display()
            )
        })?;
        let issued = self.issued(&Pki::at(data_dir.pki()))?;
        let text = KubeconfigFile {
            server: self.server.as_deref().unwrap_or(&cluster.server),
            certificate_authority: &cluster.certificate_authority,
            user: self.user.as_deref().unwrap_or(ADMIN),
            certificate: &issued.certificate,
            key: &issued.key,
        }
        .text();
        match &self.output {
            None => output::print(&text),
            Some(path) => write_private(path, text.as_bytes())
                .with_context(|| format!("{} cannot be written", path.display())),
        }
    }

    fn issued(&self, pki: &Pki) -> anyhow::Result<Issued> {
        let Some(user) = &self.user else {
            return pki.admin();
        };
        let lifetime = i64::try_from(self.expires_in.as_secs()).unwrap_or(i64::MAX / 2);
        let now = jiff::Timestamp::now().as_second();
        pki.authority()?.issue_client(user, &self.group, lifetime, now)
    }
}
