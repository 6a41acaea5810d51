//! From settings to the audit log.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use strongroom_apiserver::Auditing;
use strongroom_audit::{
    Fsync, HeadSigner, Log, LogConfig, Mode, Policy, Webhook, WebhookConfig, WebhookMode, WebhookTarget,
};

use crate::data_dir::{DataDir, private_directory, write_private};
use crate::settings::{AuditMode, AuditSettings, AuditSync};

/// Opens the log. To be called within a runtime: the webhook lives there.
///
/// # Errors
/// When a file cannot be read, written or understood; the message names the file and the line.
pub fn prepare(settings: &AuditSettings, data_dir: &DataDir) -> anyhow::Result<Auditing> {
    let policy = match &settings.audit_policy_file {
        None => Policy::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            Policy::parse(&text).with_context(|| format!("--audit-policy-file {}", path.display()))?
        }
    };
    let path = log_path(settings, data_dir);
    if let Some(directory) = path.parent().filter(|_| settings.audit_log_path.is_none()) {
        private_directory(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    }
    let config = LogConfig {
        max_size_bytes: settings.audit_log_maxsize.saturating_mul(1 << 20),
        max_age_days: settings.audit_log_maxage,
        max_backups: settings.audit_log_maxbackup,
        mode: match settings.audit_log_mode {
            AuditMode::Blocking => Mode::Blocking,
            AuditMode::Batch => Mode::Batch,
        },
        fsync: match settings.audit_log_fsync {
            AuditSync::Always => Fsync::Always,
            AuditSync::Every(every) => Fsync::Every(every),
        },
        ..LogConfig::new(path)
    };
    data_dir.note_audit_log(&config.path)?;
    let log = Log::open(config, signer(&data_dir.pki().join("audit.key"))?)?;
    Ok(Auditing {
        policy,
        log,
        webhook: webhook(settings)?,
    })
}

/// Where records go.
pub fn log_path(settings: &AuditSettings, data_dir: &DataDir) -> PathBuf {
    let asked = settings.audit_log_path.clone();
    asked.unwrap_or_else(|| data_dir.own_audit_log())
}

/// The key that signs where the log ends; made at the first start.
fn signer(path: &Path) -> anyhow::Result<HeadSigner> {
    if !path.exists() {
        let key = HeadSigner::generate()?;
        write_private(path, &key).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let key = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    HeadSigner::from_pkcs8(&key).with_context(|| format!("{} holds no key for the audit log", path.display()))
}

fn webhook(settings: &AuditSettings) -> anyhow::Result<Option<Webhook>> {
    let Some(path) = &settings.audit_webhook_config_file else {
        return Ok(None);
    };
    let target = WebhookTarget::from_kubeconfig_file(path)
        .with_context(|| format!("--audit-webhook-config-file {}", path.display()))?;
    let config = WebhookConfig {
        mode: match settings.audit_webhook_mode {
            AuditMode::Blocking => WebhookMode::Blocking,
            AuditMode::Batch => WebhookMode::Batch,
        },
        ..WebhookConfig::new(target)
    };
    Ok(Some(Webhook::start(config)?))
}
