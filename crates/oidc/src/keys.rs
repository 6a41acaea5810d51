use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use strongroom_tokens::TokenError;
use strongroom_tokens::keys::VerifyingKeys;
use strongroom_tokens::structured::{Issuer, VerifiedIssuer};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::FetchError;
use crate::fetch::Fetcher;

/// How often keys are fetched again.
pub const REFRESH_PERIOD: Duration = Duration::from_secs(300);
/// How often while there are none yet.
const FIRST_KEYS_PAUSE: Duration = Duration::from_secs(10);
/// How often tokens that name an unknown key may make the keys be fetched again.
pub const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(5);

/// Why an issuer's tokens cannot be verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are no keys of issuer {issuer}: {problem}")]
pub struct NoKeys {
    /// Its URL.
    pub issuer: String,
    /// What happened when they were fetched.
    pub problem: String,
}

/// One outside issuer with its keys.
pub struct IssuerKeys {
    issuer: Issuer,
    fetcher: Fetcher,
    state: ArcSwap<State>,
    /// When an unknown key last made the keys be fetched; held while that goes on.
    asked: Mutex<Option<Instant>>,
}

#[derive(Clone, Default)]
struct State {
    /// The last good ones.
    keys: Arc<VerifyingKeys>,
    /// Why the last attempt failed.
    problem: Option<String>,
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKeys")
            .field("issuer", &self.issuer.url())
            .finish_non_exhaustive()
    }
}

impl IssuerKeys {
    /// An issuer without keys yet; run [`IssuerKeys::keep_fresh`] to get them. Nothing is fetched here, so an issuer
    /// that is away does not keep the server from starting.
    ///
    /// # Errors
    /// When the issuer's certificates, or the system's, cannot be used.
    pub fn new(issuer: Issuer) -> Result<IssuerKeys, FetchError> {
        Ok(IssuerKeys {
            fetcher: Fetcher::new(issuer.certificate_authority())?,
            issuer,
            state: ArcSwap::default(),
            asked: Mutex::new(None),
        })
    }

    /// The issuer these keys are of.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The keys as they are now; none before the first success.
    pub fn current(&self) -> Arc<VerifyingKeys> {
        self.state.load().keys.clone()
    }

    /// The caller with this token; `Ok(None)` when it is another issuer's. When the token names a key that is not
    /// known, the keys are fetched again first, at most once in [`UNKNOWN_KEY_PAUSE`] for all callers together.
    ///
    /// # Errors
    /// As [`Issuer::authenticate`].
    pub async fn authenticate(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<VerifiedIssuer>, TokenError> {
        let keys = self.current();
        if self.issuer.wants_other_keys(token, &keys) {
            self.refresh_for_unknown_key(&keys).await;
        }
        self.issuer.authenticate(token, now, &self.current())
    }

    /// Fetches the keys once. After a failure the last good ones stay.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn refresh(&self) -> Result<(), FetchError> {
        let fetched = self
            .fetcher
            .keys(self.issuer.url(), self.issuer.discovery_url())
            .await;
        let (keys, problem, result) = match fetched {
            Ok(keys) => (Arc::new(keys), None, Ok(())),
            Err(error) => (self.current(), Some(error.to_string()), Err(error)),
        };
        self.state.store(Arc::new(State { keys, problem }));
        result
    }

    /// Fetches the keys now and again and again; ends only by being dropped.
    pub async fn keep_fresh(&self) {
        loop {
            if let Err(error) = self.refresh().await {
                tracing::warn!(issuer = self.issuer.url(), %error, "the keys of an issuer could not be fetched");
            }
            let pause = if self.current().is_empty() {
                FIRST_KEYS_PAUSE
            } else {
                REFRESH_PERIOD
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// For `/readyz` and logs: whether there are keys, and otherwise why not. An issuer that is away after it gave its
    /// keys is no reason not to be ready.
    ///
    /// # Errors
    /// When there are none.
    pub fn readiness(&self) -> Result<(), NoKeys> {
        let state = self.state.load();
        if !state.keys.is_empty() {
            return Ok(());
        }
        let problem = state
            .problem
            .as_deref()
            .unwrap_or("they have not been fetched yet");
        Err(NoKeys {
            issuer: self.issuer.url().to_owned(),
            problem: problem.to_owned(),
        })
    }

    /// Why the last attempt to fetch failed, even if older keys still serve.
    pub fn last_problem(&self) -> Option<String> {
        self.state.load().problem.clone()
    }

    async fn refresh_for_unknown_key(&self, seen: &Arc<VerifyingKeys>) {
        let mut asked = self.asked.lock().await;
        let others_did = !Arc::ptr_eq(seen, &self.current());
        if others_did || asked.is_some_and(|asked| asked.elapsed() < UNKNOWN_KEY_PAUSE) {
            return;
        }
        let _ = self.refresh().await;
        *asked = Some(Instant::now());
    }
}
