//! `strongroom run`: Secrets for a process without a container.

mod delivered;
mod explain;
mod follow;
mod on_change;
mod place;
mod private_mounts;
mod process;
mod pulse;
mod server;
mod signals;
mod source;
mod supervise;
mod variables;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use crate::duration;
use delivered::Delivered;
use on_change::OnChange;
use server::Server;
use source::{DirectorySource, FileMode, Kind, Owner, VariableSource};
use supervise::Supervisor;
use variables::NameRule;

/// It failed before the command ran; as `env`, `timeout` and `docker run` say it.
const FAILED: u8 = 125;

/// Run a command with Secrets as environment variables and files.
///
/// Files are in memory, and only the command and what it starts can see them. They follow the Secret within
/// milliseconds, all files of a Secret at once, and stay as they are while the server is away or if the Secret is
/// deleted. Environment variables are those of the moment the command was started.
///
/// Ends with the command's exit code, 128 plus the number of the signal that ended it, 127 if there is no such
/// command, 126 if it cannot be executed, and 125 if Secrets could not be had.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    strongroom run --secret db -- psql\n  \
    strongroom run --secret db:password=PGPASSWORD -n shop -- psql -h db shop\n  \
    strongroom run --secret-dir tls=/etc/nginx/tls --on-change signal=HUP -- nginx -g 'daemon off;'\n  \
    strongroom run --secret db --on-change restart -- ./server")]
pub struct Run {
    /// A Secret whose keys become environment variables; one key with :KEY, under another name with =VAR
    #[arg(long, value_name = "NAME[:KEY][=VAR]", value_parser = source::variable)]
    secret: Vec<VariableSource>,

    /// A Secret whose keys become files in a directory; what the directory holds otherwise is hidden
    #[arg(long, value_name = "NAME=PATH", value_parser = source::directory)]
    secret_dir: Vec<DirectorySource>,

    /// As --secret, from a ConfigMap; a Secret's variable goes before a ConfigMap's of the same name
    #[arg(long, value_name = "NAME[:KEY][=VAR]", value_parser = source::variable)]
    config_map: Vec<VariableSource>,

    /// As --secret-dir, from a ConfigMap
    #[arg(long, value_name = "NAME=PATH", value_parser = source::directory)]
    config_map_dir: Vec<DirectorySource>,

    /// The namespace [default: the one in the kubeconfig, else default]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Start without Secrets, ConfigMaps and keys that do not exist
    #[arg(long)]
    optional: bool,

    /// What to do when a value has changed: restart, signal=HUP, exec=COMMAND (in a shell) or none
    #[arg(long, value_name = "ACTION", default_value = "none", value_parser = on_change::parse)]
    on_change: OnChange,

    /// How long the command may take to end when it is restarted, before it is killed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    stop_timeout: Duration,

    /// Which keys become variables: all, or only those that every shell can use, with a warning for the others
    #[arg(long, value_name = "RULE", value_enum, default_value_t = NameRule::Relaxed)]
    env_names: NameRule,

    /// The permission bits of files, octal
    #[arg(long, value_name = "MODE", default_value = "0400", value_parser = source::file_mode)]
    file_mode: FileMode,

    /// The user, and the group that may read too, of files, as numbers [default: who runs this]
    #[arg(long, value_name = "UID[:GID]", value_parser = source::owner)]
    file_owner: Option<Owner>,

    /// The kubeconfig [default: $KUBECONFIG, else the administrator's in the data directory]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    kubeconfig: Option<PathBuf>,

    /// Where the server keeps its state [default: /var/lib/strongroom for root, else $XDG_DATA_HOME/strongroom]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data_dir: Option<PathBuf>,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
}

impl Run {
    /// Runs the command, and ends as it does.
    pub fn run(self) -> ExitCode {
        self.supervise().unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            ExitCode::from(FAILED)
        })
    }

    fn supervise(self) -> anyhow::Result<ExitCode> {
        let variables = source::of_kinds(self.config_map, self.secret);
        let directories = source::of_kinds(self.config_map_dir, self.secret_dir);
        if variables.is_empty() && directories.is_empty() {
            anyhow::bail!(
                "There is nothing to give to the command; add --secret NAME or --secret-dir NAME=PATH."
            );
        }
        variables::check_names(&variables, self.env_names)?;
        let directories = place::settle(directories)?;
        // Before there is another thread, which would stay outside.
        if !directories.is_empty() {
            private_mounts::enter()?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let server = Server::open(
                self.kubeconfig.as_deref(),
                self.data_dir.as_deref(),
                self.namespace,
            )
            .await?;
            let mut delivered =
                Delivered::new(variables, directories, self.env_names, self.optional, &server);
            delivered.set_ownership(self.file_mode, self.file_owner);
            let known = server.read_all(delivered.wanted()).await?;
            delivered.start(known)?;
            Supervisor::new(self.command, self.on_change, self.stop_timeout, delivered)
                .run(&server)
                .await
        })
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Kind::Secret => "Secret",
            Kind::ConfigMap => "ConfigMap",
        })
    }
}

impl std::fmt::Display for NameRule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.to_possible_value();
        formatter.write_str(name.as_ref().map_or("", |name| name.get_name()))
    }
}
