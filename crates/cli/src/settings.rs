//! What can be set about a server, and where a setting may come from.
//!
//! Each setting is declared once, as a flag. The same name in capitals with `STRONGROOM_` in front
//! is its environment variable, and the name itself its key in the configuration file. A flag goes
//! before the environment, that before the file, that before the default.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::duration;

mod audit;
mod authentication;
mod node;
mod node_client;

pub use audit::{AuditMode, AuditSettings, AuditSync};
pub use authentication::AuthenticationSettings;
pub use node::{NODES, NodeSettings};
pub use node_client::NodeClientSettings;

/// The settings of `strongroom serve` and `strongroom up`.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Where state is kept [default: /var/lib/strongroom for root, else $XDG_DATA_HOME/strongroom]
    #[arg(long, value_name = "DIR", help_heading = "State")]
    pub data_dir: Option<PathBuf>,

    /// Where objects are kept: `embedded` is a durable file in the data directory, `memory` forgets
    /// everything when the server ends
    #[arg(
        long,
        value_name = "ENGINE",
        value_enum,
        default_value = "embedded",
        help_heading = "State"
    )]
    pub storage_backend: StorageBackend,

    /// How long events are kept
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "1h0m0s", help_heading = "State")]
    pub event_ttl: Duration,

    /// How often old revisions are forgotten; at least as much history stays for watches and paged lists.
    /// 0 keeps all of it
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "5m0s", help_heading = "State")]
    pub etcd_compaction_interval: Duration,

    /// What holds the root key.
    #[command(flatten)]
    pub keys: KeySettings,

    /// The IP address to listen on; 0.0.0.0 or :: for all
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1",
        help_heading = "Serving"
    )]
    pub bind_address: IpAddr,

    /// The port to serve HTTPS on; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 6443, help_heading = "Serving")]
    pub secure_port: u16,

    /// The IP address to tell clients [default: the bind address, or the machine's own]
    #[arg(long, value_name = "ADDRESS", help_heading = "Serving")]
    pub advertise_address: Option<IpAddr>,

    /// The serving certificate with its chain, PEM [default: issued by Strongroom's own CA, and renewed]
    #[arg(long, value_name = "FILE", help_heading = "Serving")]
    pub tls_cert_file: Option<PathBuf>,

    /// The serving certificate's private key, PEM
    #[arg(long, value_name = "FILE", help_heading = "Serving")]
    pub tls_private_key_file: Option<PathBuf>,

    /// Certificates of the CAs that clients' certificates may come from, PEM [default: Strongroom's own CA]
    #[arg(long, value_name = "FILE", help_heading = "Serving")]
    pub client_ca_file: Option<PathBuf>,

    /// The certificate of the CA that signs what CertificateSigningRequests ask for, PEM [default: Strongroom's own
    /// CA, unless --client-ca-file names another]
    #[arg(long, value_name = "FILE", help_heading = "Serving")]
    pub cluster_signing_cert_file: Option<PathBuf>,

    /// That CA's private key, PEM
    #[arg(long, value_name = "FILE", help_heading = "Serving")]
    pub cluster_signing_key_file: Option<PathBuf>,

    /// How long certificates that are signed on request hold at most
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "8760h0m0s", help_heading = "Serving")]
    pub cluster_signing_duration: Duration,

    /// What clients trust to recognise this server, PEM, as published in `kube-root-ca.crt`
    /// [default: Strongroom's own CA, or --tls-cert-file where that is given]
    #[arg(long, value_name = "FILE", help_heading = "Serving")]
    pub root_ca_file: Option<PathBuf>,

    /// How callers prove who they are.
    #[command(flatten)]
    pub authentication: AuthenticationSettings,

    /// What is written down of every request.
    #[command(flatten)]
    pub audit: AuditSettings,

    /// How nodes are spoken to.
    #[command(flatten)]
    pub node_client: NodeClientSettings,

    /// Pods on this machine.
    #[command(flatten)]
    pub node: NodeSettings,

    /// The port of the node's own API; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 10250, help_heading = "Node")]
    pub node_port: u16,

    /// Requests that read, served at the same time; more are answered 429. 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 400, help_heading = "Limits")]
    pub max_requests_inflight: usize,

    /// Requests that write, served at the same time; more are answered 429. 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 200, help_heading = "Limits")]
    pub max_mutating_requests_inflight: usize,

    /// How long a request may take; watches are excepted
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "1m0s", help_heading = "Limits")]
    pub request_timeout: Duration,

    /// A watch without a timeout of its own lasts between this and twice as many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, help_heading = "Limits")]
    pub min_request_timeout: u64,

    /// Requests at the same time on one HTTP/2 connection
    #[arg(long, value_name = "N", default_value_t = 250, help_heading = "Limits",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub http2_max_streams_per_connection: u32,

    /// How long to go on serving, no longer ready, once told to end
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "0s", help_heading = "Limits")]
    pub shutdown_delay_duration: Duration,

    /// How much to log: error, warn, info, debug or trace; or a number as Kubernetes has them, where
    /// 0 to 3 is info, 4 and 5 debug, more trace [default: info for serve, warn for up]
    #[arg(short = 'v', long, alias = "v", value_name = "LEVEL", value_parser = LogLevel::parse, help_heading = "Logging")]
    pub log_level: Option<LogLevel>,

    /// How log lines on standard error look
    #[arg(
        long,
        visible_alias = "log-format",
        value_name = "FORMAT",
        value_enum,
        default_value = "text",
        help_heading = "Logging"
    )]
    pub logging_format: LoggingFormat,
}

/// Where the root key comes from.
#[derive(Debug, Clone, Args)]
pub struct KeySettings {
    /// What holds the root key that seals everything stored
    #[arg(
        long,
        value_name = "KIND",
        value_enum,
        default_value = "file",
        help_heading = "Encryption"
    )]
    pub key_service: KeyServiceKind,

    /// The root key's file, for `--key-service file` [default: keys/root.key in the data directory]
    #[arg(long, value_name = "FILE", help_heading = "Encryption")]
    pub root_key_file: Option<PathBuf>,

    /// A file with the passphrase in its first line, for `--key-service passphrase`; without it the
    /// passphrase is asked for
    #[arg(long, value_name = "FILE", help_heading = "Encryption")]
    pub passphrase_file: Option<PathBuf>,
}

/// The engines that can keep objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StorageBackend {
    /// A durable file.
    Embedded,
    /// Memory alone.
    Memory,
}

/// The key services that can hold the root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyServiceKind {
    /// A key file on this machine.
    File,
    /// A key derived from a passphrase.
    Passphrase,
}

/// How much to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What someone should look at.
    Warn,
    /// What happened.
    Info,
    /// What developers ask for.
    Debug,
    /// Everything.
    Trace,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LoggingFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

impl LogLevel {
    /// Reads a level by name, or by a number as Kubernetes has them.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<LogLevel, NotALevel> {
        Ok(match text {
            "error" => LogLevel::Error,
            "warn" | "warning" => LogLevel::Warn,
            "info" => LogLevel::Info,
            "debug" => LogLevel::Debug,
            "trace" => LogLevel::Trace,
            _ => match text.parse::<u8>() {
                Ok(0..=3) => LogLevel::Info,
                Ok(4..=5) => LogLevel::Debug,
                Ok(_) => LogLevel::Trace,
                Err(_) => return Err(NotALevel),
            },
        })
    }
}

#[derive(Debug, Clone, Copy)]
/// Neither a name nor a number of a level.
pub struct NotALevel;

impl fmt::Display for NotALevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected error, warn, info, debug, trace or a number")
    }
}

impl std::error::Error for NotALevel {}

impl Settings {
    /// The certificate and key to serve with, if they are given rather than issued.
    ///
    /// # Errors
    /// When only one of the two is given.
    pub fn serving_files(&self) -> anyhow::Result<Option<(&Path, &Path)>> {
        match (&self.tls_cert_file, &self.tls_private_key_file) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            _ => anyhow::bail!(
                "A serving certificate needs both --tls-cert-file and --tls-private-key-file; give the missing one too."
            ),
        }
    }

    /// The certificate and key of the CA that signs on request, if they are given.
    ///
    /// # Errors
    /// When only one of the two is given.
    pub fn signing_files(&self) -> anyhow::Result<Option<(&Path, &Path)>> {
        match (&self.cluster_signing_cert_file, &self.cluster_signing_key_file) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            _ => anyhow::bail!(
                "A CA that signs needs both --cluster-signing-cert-file and --cluster-signing-key-file; give the \
                 missing one too."
            ),
        }
    }
}
