//! Bearer tokens. What a token proves by itself is remembered; what the store must still hold is looked at for every
//! request, by version alone as long as nothing has changed: a token ends with what it is bound to, at once.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use strongroom_access::Identity;
use strongroom_objects::{Object, Value};
use strongroom_tokens::TokenError;
use strongroom_tokens::bootstrap::{self, BootstrapToken, TokenSecret};
use strongroom_tokens::cache::{SUCCESS_TTL, TokenCache as Cache};
use strongroom_tokens::service_account::legacy::{
    AUTO_GENERATED_WARNING, INVALID_SINCE_LABEL, LAST_USED_LABEL, LegacyClaims, LegacyLive, LiveSecret,
    LiveServiceAccount, check_legacy_live, verify_legacy,
};
use strongroom_tokens::service_account::{
    BoundClaims, Live, check_claims, check_live, prove, stale_token_annotation, still_good, username,
};

use super::Caller;
use super::live::{Looked, live};
use crate::server::ApiServer;

/// Tokens whose signature is remembered.
const CAPACITY: usize = 16 * 1024;
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// What is remembered of tokens.
pub(crate) type TokenCache = Cache<Arc<Known>>;

/// An empty [`TokenCache`].
pub(crate) fn new_cache() -> TokenCache {
    Cache::new(&crate::random::bytes(), CAPACITY, REMEMBERED)
}

/// A token whose signature holds.
#[derive(Debug)]
pub(crate) struct Known {
    proven: Proven,
    /// The last time everything was looked at.
    last: Mutex<Option<Arc<Last>>>,
}

#[derive(Debug)]
enum Proven {
    Bound(Arc<BoundClaims>),
    Legacy {
        claims: LegacyClaims,
        /// SHA-256 of the token, to know it again in its Secret.
        digest: [u8; 32],
    },
    /// Somebody else's, believed until a moment without asking again.
    Outside {
        identity: Arc<Identity>,
        until: Timestamp,
    },
}

#[derive(Debug)]
struct Last {
    /// The verdict. Without its token: that would be a circle.
    verdict: Verdict,
    looked: Looked,
}

/// What came of a look at everything.
#[derive(Debug, Clone)]
struct Verdict {
    caller: Caller,
    /// Until then it is the same, as long as nothing changes.
    holds_until: Timestamp,
    /// Something that the token is bound to is being deleted: the token ends with time, without another change.
    is_ending: bool,
}

impl Verdict {
    fn of(caller: Caller, holds_until: Timestamp) -> Self {
        Self {
            caller,
            holds_until,
            is_ending: false,
        }
    }
}

type Problems = Vec<String>;

/// Whose token this is; `None` when nobody knows it. `audiences` are those that are wanted of it.
///
/// # Errors
/// What each authenticator that knows this kind of token says against it.
pub(crate) async fn check(
    server: &ApiServer,
    token: &str,
    audiences: &[String],
) -> Result<Option<Caller>, Problems> {
    let now = Timestamp::now();
    let cache = &server.0.tokens;
    if let Some(known) = cache.get(token, now).filter(|known| known.is_fresh(now)) {
        return known.accept(server, token, audiences, now).await.map(Some);
    }
    let mut problems = Problems::new();
    let settings = &server.0.authentication;
    let accepted = |identity: Identity| {
        for_api(server, audiences)?;
        Ok(Some(Caller::known(Arc::new(identity))))
    };
    if let Some(tokens) = &settings.static_tokens
        && let Some(identity) = tokens.authenticate(token)
    {
        return accepted(identity);
    }
    match prove_service_account(server, token) {
        Ok(Some(proven)) => {
            let known = Arc::new(Known {
                proven,
                last: Mutex::default(),
            });
            let caller = known.accept(server, token, audiences, now).await?;
            cache.insert(token, known, now);
            return Ok(Some(caller));
        }
        Ok(None) => {}
        Err(problem) => problems.push(problem),
    }
    if settings.bootstrap_tokens
        && let Some(parsed) = BootstrapToken::parse(token)
    {
        match check_bootstrap(server, &parsed, now).await {
            Ok(identity) => return accepted(identity),
            Err(problem) => problems.push(problem),
        }
    }
    for issuer in &settings.issuers {
        match issuer.authenticate(token, now).await {
            Ok(Some(verified)) => {
                let known = Arc::new(Known {
                    proven: Proven::Outside {
                        identity: Arc::new(verified.identity),
                        until: Timestamp::from_second(verified.expires)
                            .unwrap_or(now)
                            .min(now + SUCCESS_TTL),
                    },
                    last: Mutex::default(),
                });
                let caller = known.accept(server, token, audiences, now).await?;
                cache.insert(token, known, now);
                return Ok(Some(caller));
            }
            Ok(None) => {}
            Err(error) => problems.push(error.to_string()),
        }
    }
    if problems.is_empty() {
        Ok(None)
    } else {
        Err(problems)
    }
}

/// Which of the wanted audiences the token is for that `caller` proved itself with, for TokenReview's
/// `status.audiences`.
pub(crate) fn audiences(server: &ApiServer, caller: &Caller, wanted: &[String]) -> Vec<String> {
    let of_token = match caller.token.as_ref().map(|known| &known.proven) {
        Some(Proven::Bound(claims)) => &claims.audiences,
        _ => &server.0.authentication.service_accounts.tokens.api_audiences,
    };
    let both = wanted.iter().filter(|wanted| of_token.contains(wanted));
    both.cloned().collect()
}

/// Whether the API server is among the wanted audiences: a token that names none is for it and nobody else, and must
/// not let anybody in who asks on behalf of another service.
fn for_api(server: &ApiServer, wanted: &[String]) -> Result<(), Problems> {
    let own = &server.0.authentication.service_accounts.tokens.api_audiences;
    if wanted.iter().any(|wanted| own.contains(wanted)) {
        return Ok(());
    }
    let error = TokenError::Audiences {
        token: own.clone(),
        target: wanted.to_vec(),
    };
    Err(vec![error.to_string()])
}

fn prove_service_account(server: &ApiServer, token: &str) -> Result<Option<Proven>, String> {
    let settings = &server.0.authentication.service_accounts;
    let legacy = verify_legacy(token, &settings.keys).map_err(|error| error.to_string())?;
    if let Some(claims) = legacy {
        let digest = Sha256::digest(token).into();
        return Ok(Some(Proven::Legacy { claims, digest }));
    }
    let bound = prove(token, &settings.keys, &settings.issuers).map_err(|error| error.to_string())?;
    Ok(bound.map(|claims| Proven::Bound(claims.into())))
}

impl Known {
    fn is_fresh(&self, now: Timestamp) -> bool {
        match &self.proven {
            Proven::Outside { until, .. } => now < *until,
            Proven::Bound(_) | Proven::Legacy { .. } => true,
        }
    }

    /// Whether the token is as good as when it was last looked at.
    pub async fn is_still_good(&self, server: &ApiServer) -> bool {
        let now = Timestamp::now();
        let unchanged = match self.last() {
            Some(last) => !last.verdict.is_ending && last.looked.is_unchanged(server).await,
            None => false,
        };
        match &self.proven {
            Proven::Legacy { .. } if unchanged => true,
            Proven::Legacy { claims, digest } => stored_legacy_is_good(server, claims, digest, now).await,
            // Its issuer's word holds until it expires; nothing here can take it back.
            Proven::Outside { .. } => true,
            Proven::Bound(claims) if still_good(claims, now, &claims.audiences).is_err() => false,
            Proven::Bound(_) if unchanged => true,
            Proven::Bound(claims) => bound_caller(server, claims, &mut Looked::begin(server), now)
                .await
                .is_ok(),
        }
    }

    async fn accept(
        self: &Arc<Self>,
        server: &ApiServer,
        token: &str,
        audiences: &[String],
        now: Timestamp,
    ) -> Result<Caller, Problems> {
        match &self.proven {
            Proven::Bound(claims) => {
                still_good(claims, now, audiences).map_err(|error| vec![error.to_string()])?;
            }
            Proven::Legacy { .. } | Proven::Outside { .. } => for_api(server, audiences)?,
        }
        if let Some(last) = self.last()
            && now < last.verdict.holds_until
            && last.looked.is_unchanged(server).await
        {
            return Ok(last.verdict.caller.clone().by_token(self));
        }
        let mut looked = Looked::begin(server);
        let verdict = match &self.proven {
            Proven::Bound(claims) => bound_caller(server, claims, &mut looked, now).await?,
            // From the next day on its label is due again.
            Proven::Legacy { claims, .. } => {
                let caller = legacy_caller(server, token, claims, &mut looked, now).await?;
                Verdict::of(caller, now)
            }
            Proven::Outside { identity, .. } => {
                Verdict::of(Caller::known(Arc::clone(identity)), Timestamp::MAX)
            }
        };
        let caller = verdict.caller.clone();
        let last = Last { verdict, looked };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(last));
        Ok(caller.by_token(self))
    }

    fn last(&self) -> Option<Arc<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Caller {
    fn by_token(mut self, known: &Arc<Known>) -> Self {
        self.token = Some(Arc::clone(known));
        self
    }
}

async fn bound_caller(
    server: &ApiServer,
    claims: &Arc<BoundClaims>,
    looked: &mut Looked,
    now: Timestamp,
) -> Result<Verdict, Problems> {
    let namespace = &claims.namespace;
    let mut live_of = async |plural: &str, namespace: &str, name: Option<&str>| match name {
        Some(name) => {
            let object = looked.at(server, plural, namespace, name).await;
            object
                .map(|object| object.as_ref().map(live))
                .map_err(|status| vec![status.message])
        }
        None => Ok(None),
    };
    let name = |reference: Option<&strongroom_tokens::service_account::Reference>| {
        reference.map(|reference| reference.name.clone())
    };
    let account = claims.service_account.name.as_str();
    let live = Live {
        service_account: live_of("serviceaccounts", namespace, Some(account)).await?,
        pod: live_of("pods", namespace, name(claims.pod.as_ref()).as_deref()).await?,
        secret: live_of("secrets", namespace, name(claims.secret.as_ref()).as_deref()).await?,
        node: live_of("nodes", "", name(claims.bound_node()).as_deref()).await?,
    };
    let audiences = &claims.audiences;
    let verified =
        check_claims(Arc::clone(claims), now, audiences).map_err(|error| vec![error.to_string()])?;
    let identity = check_live(&verified, &live, now).map_err(|error| vec![error.to_string()])?;
    let mut caller = Caller::known(Arc::new(identity));
    let stale = stale_token_annotation(claims, now);
    caller
        .annotations
        .extend(stale.map(|value| ("authentication.k8s.io/stale-token", value)));
    let parts = [&live.service_account, &live.pod, &live.secret, &live.node];
    let deleting = parts
        .iter()
        .any(|part| part.as_ref().is_some_and(|part| part.deletion.is_some()));
    // A warning comes with a time of its own, which is another one in each record.
    let warned = claims.warn_after.map(Timestamp::from_second);
    let warned = warned.map_or(Timestamp::MAX, |at| at.unwrap_or(now));
    Ok(Verdict {
        caller,
        holds_until: if deleting { now } else { warned },
        is_ending: deleting,
    })
}

async fn legacy_caller(
    server: &ApiServer,
    token: &str,
    claims: &LegacyClaims,
    looked: &mut Looked,
    now: Timestamp,
) -> Result<Caller, Problems> {
    let namespace = &claims.namespace;
    let problem = |status: Box<strongroom_objects::Status>| vec![status.message];
    let secret = looked
        .at(server, "secrets", namespace, &claims.secret)
        .await
        .map_err(problem)?;
    let account = looked
        .at(server, "serviceaccounts", namespace, &claims.service_account)
        .await
        .map_err(problem)?;
    let stored = secret
        .as_ref()
        .and_then(|secret| data(secret, "token"))
        .unwrap_or_default();
    let label = |object: &Object, name: &str| object.metadata.labels.get(name).cloned().unwrap_or_default();
    let labels = secret.as_ref().map(|secret| {
        (
            label(secret, INVALID_SINCE_LABEL),
            label(secret, LAST_USED_LABEL),
            secret.metadata.deletion_timestamp.is_some(),
        )
    });
    let live = LegacyLive {
        secret: labels
            .as_ref()
            .map(|(invalid_since, last_used, deleting)| LiveSecret {
                deleting: *deleting,
                token: &stored,
                invalid_since,
                last_used,
            }),
        service_account: account.as_ref().map(|account| LiveServiceAccount {
            uid: &account.metadata.uid,
            deleting: account.metadata.deletion_timestamp.is_some(),
            lists_secret: lists(account, &claims.secret),
        }),
    };
    let accepted = check_legacy_live(token, claims, &live, now).map_err(|error| vec![error.to_string()])?;
    let mut caller = Caller::known(Arc::new(accepted.identity));
    let kind = if accepted.auto_generated {
        caller.warnings.push(AUTO_GENERATED_WARNING.to_owned());
        "authentication.k8s.io/legacy-token-autogenerated-secret"
    } else {
        "authentication.k8s.io/legacy-token-manual-secret"
    };
    caller.annotations.push((kind, claims.secret.clone()));
    let subject = username(namespace, &claims.service_account);
    caller
        .annotations
        .push(("authentication.k8s.io/legacy-token", subject));
    if let (Some(day), Some(secret)) = (accepted.mark_last_used, &secret) {
        tokio::spawn(crate::token_use::mark(server.clone(), secret.clone(), day));
    }
    Ok(caller)
}

/// Whether the Secret still holds the token with this digest, and the token is good.
async fn stored_legacy_is_good(
    server: &ApiServer,
    claims: &LegacyClaims,
    digest: &[u8; 32],
    now: Timestamp,
) -> bool {
    let mut looked = Looked::begin(server);
    let secret = looked
        .at(server, "secrets", &claims.namespace, &claims.secret)
        .await;
    let Ok(Some(secret)) = secret else { return false };
    let stored = data(&secret, "token").and_then(|token| String::from_utf8(token).ok());
    let Some(stored) = stored.filter(|stored| Sha256::digest(stored).as_slice() == digest) else {
        return false;
    };
    legacy_caller(server, &stored, claims, &mut looked, now)
        .await
        .is_ok()
}

async fn check_bootstrap(
    server: &ApiServer,
    token: &BootstrapToken<'_>,
    now: Timestamp,
) -> Result<Identity, String> {
    let mut looked = Looked::begin(server);
    let secret = looked
        .at(server, "secrets", bootstrap::NAMESPACE, &token.secret_name())
        .await
        .map_err(|status| status.message)?;
    let value = |key: &str| secret.as_ref().and_then(|secret| data(secret, key));
    let found = secret.as_ref().map(|secret| TokenSecret {
        name: &secret.metadata.name,
        secret_type: secret
            .body
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default(),
        deleting: secret.metadata.deletion_timestamp.is_some(),
        data: &value,
    });
    token
        .authenticate(found.as_ref(), now)
        .map_err(|refusal| refusal.to_string())
}

fn data(secret: &Object, key: &str) -> Option<Vec<u8>> {
    let encoded = secret.body.get("data")?.get(key)?.as_str()?;
    STANDARD.decode(encoded).ok()
}

fn lists(account: &Object, secret: &str) -> bool {
    let secrets = account.body.get("secrets").and_then(Value::as_array);
    secrets
        .into_iter()
        .flatten()
        .any(|reference| reference.get("name").and_then(Value::as_str) == Some(secret))
}
