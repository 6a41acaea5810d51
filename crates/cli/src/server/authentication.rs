//! From settings to the ways in which callers may prove who they are.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use strongroom_apiserver::{Anonymous, Authentication, ServiceAccounts};
use strongroom_tokens::keys::{SigningKey, VerifyingKeys};
use strongroom_tokens::service_account::request::TokenSettings;
use strongroom_tokens::static_file::StaticTokens;

use crate::data_dir::DataDir;
use crate::random;
use crate::settings::AuthenticationSettings;

/// Reads every file that the settings name.
///
/// # Errors
/// When one cannot be read or makes no sense; the message names the file and, where there is one, the line.
pub fn prepare(
    settings: &AuthenticationSettings,
    data_dir: &DataDir,
    advertised: SocketAddr,
) -> anyhow::Result<Authentication> {
    settings.check_authorization_mode()?;
    Ok(Authentication {
        anonymous: if settings.anonymous_auth {
            Anonymous::Everywhere
        } else {
            Anonymous::Nowhere
        },
        service_accounts: service_accounts(settings, data_dir, advertised)?,
        bootstrap_tokens: settings.enable_bootstrap_token_auth,
        static_tokens: static_tokens(settings)?,
        issuers: Vec::new(),
    })
}

/// The key that signs service-account tokens.
///
/// # Errors
/// When its file cannot be read or holds no usable key.
pub fn signing_key(settings: &AuthenticationSettings, data_dir: &DataDir) -> anyhow::Result<SigningKey> {
    let own = data_dir.pki().join("sa.key");
    let path = settings
        .service_account_signing_key_file
        .as_deref()
        .unwrap_or(&own);
    SigningKey::from_pem(&read(path)?).with_context(|| format!("{} cannot sign tokens", path.display()))
}

fn service_accounts(
    settings: &AuthenticationSettings,
    data_dir: &DataDir,
    advertised: SocketAddr,
) -> anyhow::Result<ServiceAccounts> {
    let signing_key = signing_key(settings, data_dir)?;
    let mut keys = VerifyingKeys::default();
    if !settings.service_account_key_file.is_empty() {
        let mut files = Vec::new();
        for path in &settings.service_account_key_file {
            let pem = read(path)?;
            VerifyingKeys::from_pem([pem.as_slice()])
                .with_context(|| format!("{} cannot verify tokens", path.display()))?;
            files.push(pem);
        }
        keys = VerifyingKeys::from_pem(files.iter().map(Vec::as_slice))?;
    }
    let keys = keys.with_signing_key(&signing_key)?;
    let issuers = settings.service_account_issuer.clone();
    let issuer = issuers
        .first()
        .cloned()
        .context("--service-account-issuer must not be empty")?;
    let api_audiences = match settings.api_audiences.as_slice() {
        [] => issuers.clone(),
        given => given.to_vec(),
    };
    let maximum = settings.service_account_max_token_expiration;
    let own_keys = || format!("https://{advertised}/openid/v1/jwks");
    Ok(ServiceAccounts {
        signing_key,
        keys,
        issuers,
        tokens: TokenSettings {
            issuer,
            api_audiences,
            max_expiration_seconds: i64::try_from(maximum.as_secs())
                .ok()
                .filter(|seconds| *seconds > 0),
            extend_expiration: settings.service_account_extend_token_expiration,
        },
        jwks_uri: settings.service_account_jwks_uri.clone().unwrap_or_else(own_keys),
    })
}

fn static_tokens(settings: &AuthenticationSettings) -> anyhow::Result<Option<StaticTokens>> {
    let Some(path) = &settings.token_auth_file else {
        return Ok(None);
    };
    let text = String::from_utf8(read(path)?).with_context(|| format!("{} is not UTF-8", path.display()))?;
    let tokens = StaticTokens::parse(&text, &random::bytes()?)
        .with_context(|| format!("--token-auth-file {}", path.display()))?;
    Ok(Some(tokens))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}
