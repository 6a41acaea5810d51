//! From settings to the ways in which callers may prove who they are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use jiff::Timestamp;
use strongroom_apiserver::{Authentication, ServiceAccounts, TokenIssuer};
use strongroom_oidc::IssuerKeys;
use strongroom_tokens::TokenError;
use strongroom_tokens::keys::{SigningKey, VerifyingKeys};
use strongroom_tokens::service_account::request::TokenSettings;
use strongroom_tokens::static_file::StaticTokens;
use strongroom_tokens::structured::{
    Anonymous, AuthenticationConfiguration, Issuer, OidcFlags, VerifiedIssuer,
};

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
    let configured = configured(settings)?;
    Ok(Authentication {
        anonymous: anonymous(settings, configured.anonymous)?,
        service_accounts: service_accounts(settings, data_dir, advertised)?,
        bootstrap_tokens: settings.enable_bootstrap_token_auth,
        static_tokens: static_tokens(settings)?,
        issuers: issuers(configured.issuers)?,
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

/// The issuers that are believed beside this server itself.
fn configured(settings: &AuthenticationSettings) -> anyhow::Result<AuthenticationConfiguration> {
    if let Some(path) = &settings.authentication_config {
        let text =
            String::from_utf8(read(path)?).with_context(|| format!("{} is not UTF-8", path.display()))?;
        return AuthenticationConfiguration::parse(&text, &settings.service_account_issuer)
            .with_context(|| format!("--authentication-config {}", path.display()));
    }
    let Some(issuer_url) = settings.oidc_issuer_url.clone() else {
        return Ok(AuthenticationConfiguration::default());
    };
    let certificate_authority = match &settings.oidc_ca_file {
        Some(path) => Some(
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?,
        ),
        None => None,
    };
    let issuer = Issuer::from_flags(OidcFlags {
        issuer_url,
        client_id: settings.oidc_client_id.clone().unwrap_or_default(),
        username_claim: settings.oidc_username_claim.clone(),
        username_prefix: settings.oidc_username_prefix.clone().unwrap_or_default(),
        groups_claim: settings.oidc_groups_claim.clone().unwrap_or_default(),
        groups_prefix: settings.oidc_groups_prefix.clone().unwrap_or_default(),
        required_claims: required_claims(settings)?,
        signing_algorithms: settings.oidc_signing_algs.clone(),
        certificate_authority,
    })?;
    Ok(AuthenticationConfiguration {
        issuers: vec![issuer],
        anonymous: None,
    })
}

fn required_claims(settings: &AuthenticationSettings) -> anyhow::Result<BTreeMap<String, String>> {
    let pair = |claim: &String| {
        let (key, value) = claim.split_once('=')?;
        Some((key.to_owned(), value.to_owned()))
    };
    let pairs: Option<BTreeMap<_, _>> = settings.oidc_required_claim.iter().map(pair).collect();
    pairs.context("--oidc-required-claim is given as key=value.")
}

fn anonymous(settings: &AuthenticationSettings, configured: Option<Anonymous>) -> anyhow::Result<Anonymous> {
    if configured.is_some() && !settings.anonymous_auth {
        anyhow::bail!(
            "--anonymous-auth and `anonymous` in the file of --authentication-config say the same thing; leave one out."
        );
    }
    Ok(configured.unwrap_or(Anonymous {
        enabled: settings.anonymous_auth,
        paths: Vec::new(),
    }))
}

/// Issuers whose keys are fetched from now on, for as long as the server runs.
fn issuers(configured: Vec<Issuer>) -> anyhow::Result<Vec<Box<dyn TokenIssuer>>> {
    let mut issuers: Vec<Box<dyn TokenIssuer>> = Vec::new();
    for issuer in configured {
        let url = issuer.url().to_owned();
        let keys = IssuerKeys::new(issuer).with_context(|| format!("The issuer {url} cannot be reached"))?;
        let keys = Arc::new(keys);
        let kept = Arc::clone(&keys);
        tokio::spawn(async move { kept.keep_fresh().await });
        issuers.push(Box::new(Outside(keys)));
    }
    Ok(issuers)
}

/// An issuer elsewhere.
#[derive(Debug)]
struct Outside(Arc<IssuerKeys>);

#[async_trait]
impl TokenIssuer for Outside {
    async fn authenticate(&self, token: &str, now: Timestamp) -> Result<Option<VerifiedIssuer>, TokenError> {
        self.0.authenticate(token, now).await
    }
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
