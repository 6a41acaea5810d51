//! `strongroom serve`.

use clap::Args;
use strongroom_hardening::Shortfall;

use crate::command_line::ConfigFlag;
use crate::settings::{LogLevel, Settings};
use crate::{logging, output, server};

/// Run the server alone.
///
/// Each setting is a flag, an environment variable (STRONGROOM_ and the name in capitals, as in
/// STRONGROOM_SECURE_PORT), or a line in the file given with --config. A flag goes before the environment,
/// that before the file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    strongroom serve --data-dir /var/lib/strongroom --bind-address 0.0.0.0\n  \
    strongroom serve --config /etc/strongroom.yaml --log-format json\n\n\
    A configuration file:\n  \
    bind-address: 0.0.0.0\n  \
    secure-port: 6443\n  \
    key-service: passphrase\n  \
    passphrase-file: /run/credentials/passphrase\n\n\
    SIGHUP reads certificates again (they are also looked at every minute); SIGTERM ends the server once \
    requests are answered.")]
pub struct Serve {
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigFlag,
    /// Everything that can be set.
    #[command(flatten)]
    pub settings: Settings,
}

impl Serve {
    /// Serves until told to end.
    pub fn run(self, shortfalls: &[Shortfall]) -> anyhow::Result<()> {
        logging::start(
            self.settings.log_level.unwrap_or(LogLevel::Info),
            self.settings.logging_format,
        );
        server::report_shortfalls(shortfalls);
        server::run(self.settings, |ready| {
            output::print(&format!(
                "Strongroom serves {} (process {}).\n",
                ready.url,
                std::process::id()
            ))
        })
    }
}
