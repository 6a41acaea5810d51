//! Who is it? The authenticators in the order of auth §2: a proxy in front, client certificate, bearer token, anonymous.

mod bearer;
mod live;
mod tokens;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use jiff::Timestamp;
use strongroom_access::Identity;
use strongroom_objects::Status;
use strongroom_tokens::TokenError;
use strongroom_tokens::keys::{KeyError, SigningKey, VerifyingKeys};
use strongroom_tokens::service_account::request::TokenSettings;
use strongroom_tokens::static_file::StaticTokens;
use strongroom_tokens::structured::{Anonymous, VerifiedIssuer};

use crate::pipeline::Peer;
use crate::server::ApiServer;
use crate::tls::Credential;

pub(crate) use bearer::without_bearer_protocol;
pub(crate) use tokens::{Known, TokenCache, audiences as token_audiences, check as check_token, new_cache};

/// How callers may prove who they are.
#[derive(Debug)]
pub struct Authentication {
    /// Whether callers without credentials are taken, as `system:anonymous`; what they may do is for the authorizers
    /// to say.
    pub anonymous: Anonymous,
    /// Service accounts and their tokens.
    pub service_accounts: ServiceAccounts,
    /// Whether bootstrap tokens of `kube-system` are taken.
    pub bootstrap_tokens: bool,
    /// Tokens from a file.
    pub static_tokens: Option<StaticTokens>,
    /// Others whose tokens are believed, in this order.
    pub issuers: Vec<Box<dyn TokenIssuer>>,
}

impl Authentication {
    /// Certificates, service accounts and bootstrap tokens, with Kubernetes' own issuer.
    ///
    /// # Errors
    /// When the key's other half cannot be used.
    pub fn new(signing_key: SigningKey) -> Result<Self, KeyError> {
        let issuer = "https://kubernetes.default.svc.cluster.local".to_owned();
        let keys = VerifyingKeys::default().with_signing_key(&signing_key)?;
        Ok(Self {
            anonymous: Anonymous {
                enabled: true,
                paths: Vec::new(),
            },
            service_accounts: ServiceAccounts {
                signing_key,
                keys,
                issuers: vec![issuer.clone()],
                jwks_uri: format!("{issuer}/openid/v1/jwks"),
                tokens: TokenSettings {
                    api_audiences: vec![issuer.clone()],
                    issuer,
                    max_expiration_seconds: None,
                    extend_expiration: true,
                },
            },
            bootstrap_tokens: true,
            static_tokens: None,
            issuers: Vec::new(),
        })
    }
}

/// Somebody else whose tokens are believed.
#[async_trait]
pub trait TokenIssuer: Debug + Send + Sync {
    /// Whose token this is; `None` when it is not this issuer's.
    ///
    /// # Errors
    /// When it is this issuer's and no good.
    async fn authenticate(&self, token: &str, now: Timestamp) -> Result<Option<VerifiedIssuer>, TokenError>;
}

/// How service-account tokens are made and believed.
#[derive(Debug)]
pub struct ServiceAccounts {
    /// Signs new tokens.
    pub signing_key: SigningKey,
    /// Verify tokens; the signing key's other half among them.
    pub keys: VerifyingKeys,
    /// Issuers whose tokens are believed.
    pub issuers: Vec<String>,
    /// What new tokens are like.
    pub tokens: TokenSettings,
    /// Where the keys can be fetched.
    pub jwks_uri: String,
}

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub identity: Arc<Identity>,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
    /// For the audit log.
    pub annotations: Vec<(&'static str, String)>,
    /// The token with which the caller proved it, when that can lose its force.
    pub token: Option<Arc<Known>>,
}

impl Caller {
    fn known(identity: Arc<Identity>) -> Self {
        Self {
            identity,
            warnings: Vec::new(),
            annotations: Vec::new(),
            token: None,
        }
    }
}

/// Who calls. A credential that is no good is refused, even where having none would do (auth §2).
///
/// # Errors
/// 401.
pub(crate) async fn authenticate(
    server: &ApiServer,
    peer: &Peer,
    headers: &HeaderMap,
    path: &str,
) -> Result<Caller, Box<Status>> {
    if let Some(believed) = &peer.front_proxy
        && let Some(identity) = believed.identity(&text(headers))
    {
        return Ok(Caller::known(Arc::new(identity)));
    }
    if let Credential::Certificate(identity) = &peer.credential {
        return Ok(Caller::known(Arc::clone(identity)));
    }
    let bearer = bearer::token(headers);
    if let Some(token) = bearer.token {
        let audiences = &server.0.authentication.service_accounts.tokens.api_audiences;
        return match check_token(server, &token, audiences).await {
            Ok(Some(caller)) => Ok(caller),
            Ok(None) => Err(refused("invalid bearer token")),
            Err(problems) => Err(refused(&problems.join(", "))),
        };
    }
    if matches!(peer.credential, Credential::Refused) {
        return Err(refused("the client certificate is not believed"));
    }
    if !server.0.authentication.anonymous.allows(path) {
        return Err(refused("no credentials"));
    }
    Ok(Caller {
        warnings: bearer.warnings,
        ..Caller::known(Arc::clone(&server.0.anonymous))
    })
}

/// The headers whose values are text.
fn text(headers: &HeaderMap) -> Vec<(&str, &str)> {
    headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect()
}

/// The client learns nothing of why (auth §1).
fn refused(problem: &str) -> Box<Status> {
    tracing::debug!(problem, "a request is not authenticated");
    Box::new(Status::unauthorized())
}
