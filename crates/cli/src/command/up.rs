//! `strongroom up`.

use clap::Args;
use strongroom_hardening::Shortfall;

use crate::command_line::ConfigFlag;
use crate::server::{self, Ready};
use crate::settings::{LogLevel, Settings, StorageBackend};
use crate::{logging, output};

/// Start everything on this machine, with no configuration.
///
/// The first start makes the data directory, certificates, the root key that seals everything stored, and a
/// kubeconfig. Later starts go on with the same state. Ctrl-C ends it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    strongroom up\n  \
    strongroom up --data-dir ./try --secure-port 0\n\n\
    Every setting of `strongroom serve` is taken here too; see `strongroom serve --help`.")]
pub struct Up {
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigFlag,
    /// Everything that can be set.
    #[command(flatten)]
    pub settings: Settings,
}

/// The settings that `up --help` shows.
pub const SHOWN: &[&str] = &[
    "data-dir",
    "bind-address",
    "secure-port",
    "key-service",
    "root-key-file",
    "passphrase-file",
    "container-runtime-endpoint",
    "node-name",
    "log-level",
    "help",
];

impl Up {
    /// Serves until told to end.
    pub fn run(self, shortfalls: &[Shortfall]) -> anyhow::Result<()> {
        logging::start(
            self.settings.log_level.unwrap_or(LogLevel::Warn),
            self.settings.logging_format,
        );
        server::report_shortfalls(shortfalls);
        server::run(self.settings, |ready| output::print(&welcome(ready)))?;
        output::print("Stopped. The next `strongroom up` goes on from here.\n")
    }
}

fn welcome(ready: &Ready) -> String {
    let data = match ready.storage_backend {
        StorageBackend::Embedded => ready.data_dir.display().to_string(),
        StorageBackend::Memory => "in memory: gone when the server ends".to_owned(),
    };
    let kubeconfig = ready.kubeconfig.display();
    let node = match &ready.node {
        Some(name) => format!("Node        {name}: pods run here\n"),
        None => "Node        none; --container-runtime-endpoint runs pods here\n".to_owned(),
    };
    format!(
        "Strongroom is ready.\n\n\
         Address     {url}\n\
         Kubeconfig  {kubeconfig}\n\
         Data        {data}\n\
         Root key    {place}\n\
         {protects}\n\
         {node}\n\
         Try:\n  \
         export KUBECONFIG={quoted}\n  \
         kubectl create secret generic db-login --from-literal=username=app --from-literal=password=\"$(head -c 18 /dev/urandom | base64)\"\n  \
         kubectl get secrets\n  \
         kubectl get secret db-login -o jsonpath='{{.data.username}}' | base64 -d\n\n\
         Ctrl-C ends it.\n",
        url = ready.url,
        place = ready.root_key_place,
        protects = indented(ready.root_key_protects, 12, 78),
        quoted = shell_quoted(&kubeconfig.to_string()),
    )
}

/// Breaks text into lines of at most `width` characters, `indent` of them spaces.
fn indented(text: &str, indent: usize, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{:indent$}{word}", "")),
        }
    }
    lines.join("\n")
}

fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_broken_and_indented() {
        assert_eq!(indented("aa bb cc dd", 2, 7), "  aa bb\n  cc dd");
        assert_eq!(indented("", 2, 7), "");
    }

    #[test]
    fn paths_can_be_pasted_into_a_shell() {
        for (path, expected) in [
            ("/a/b-c.d", "/a/b-c.d"),
            ("/a b", "'/a b'"),
            ("/it's", "'/it'\\''s'"),
        ] {
            assert_eq!(shell_quoted(path), expected);
        }
    }
}
