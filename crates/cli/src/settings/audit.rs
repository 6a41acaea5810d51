//! What is written down of every request: named as kube-apiserver names them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::duration;

/// The audit log.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Audit")]
pub struct AuditSettings {
    /// What is recorded of which requests, an audit.k8s.io/v1 Policy [default: metadata of every request]
    #[arg(long, value_name = "FILE")]
    pub audit_policy_file: Option<PathBuf>,

    /// Where records go [default: audit/audit.log in the data directory]
    #[arg(long, value_name = "FILE")]
    pub audit_log_path: Option<PathBuf>,

    /// A file of so many megabytes is followed by the next
    #[arg(long, value_name = "MB", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub audit_log_maxsize: u64,

    /// Days after which older files are removed; 0 keeps them
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub audit_log_maxage: u32,

    /// Older files kept; 0 keeps all, and a full disk stops the server
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub audit_log_maxbackup: u32,

    /// With `blocking` a record is in the file before its answer leaves, and what cannot be recorded is refused;
    /// `batch` is faster and may lose records
    #[arg(long, value_name = "MODE", value_enum, default_value = "blocking")]
    pub audit_log_mode: AuditMode,

    /// When records are forced to the disk: `always` before the answer leaves, or every so often
    #[arg(long, value_name = "WHEN", value_parser = AuditSync::parse, default_value = "1s")]
    pub audit_log_fsync: AuditSync,

    /// Where records are sent, too: a kubeconfig that names an HTTPS server
    #[arg(long, value_name = "FILE")]
    pub audit_webhook_config_file: Option<PathBuf>,

    /// With `blocking` an answer waits until the webhook has its record
    #[arg(long, value_name = "MODE", value_enum, default_value = "batch")]
    pub audit_webhook_mode: AuditMode,
}

/// Whether answers wait for their records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuditMode {
    /// They do.
    Blocking,
    /// They do not.
    Batch,
}

/// When records are forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditSync {
    /// Before the answer leaves; answers that wait share the effort.
    Always,
    /// Every so often.
    Every(Duration),
}

impl AuditSync {
    fn parse(text: &str) -> Result<AuditSync, String> {
        if text == "always" {
            return Ok(AuditSync::Always);
        }
        match duration::parse(text) {
            Ok(every) if !every.is_zero() => Ok(AuditSync::Every(every)),
            _ => Err("expected `always` or a duration such as 1s".to_owned()),
        }
    }
}
