//! Tokens of service accounts for projected volumes: asked for before they are needed, renewed before they end
//! (pods-and-kubelet §9).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use strongroom_node_plan::objects::LookupError;
use strongroom_node_plan::references::TokenReference;
use strongroom_node_plan::token_refresh::{MAXIMUM_JITTER, refresh_at};
use zeroize::Zeroizing;

use crate::server::Server;

/// The pod's other files wait for this long at most.
const LIMIT: Duration = Duration::from_secs(5);
/// After a failure a token is asked for again this much later.
const RETRY: SignedDuration = SignedDuration::from_secs(5);

/// The tokens of all pods of this node.
pub(crate) struct Tokens {
    server: Server,
    kept: Mutex<HashMap<(String, TokenReference), Kept>>,
}

struct Kept {
    token: Result<Zeroizing<String>, String>,
    renew_at: Timestamp,
    expires_at: Timestamp,
}

/// What came of asking for a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ensured {
    /// The answer may be another one than before.
    pub is_new: bool,
    /// When to ask again.
    pub next: Timestamp,
}

/// The pod that a token is bound to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
}

impl Tokens {
    pub fn new(server: Server) -> Tokens {
        Tokens {
            server,
            kept: Mutex::default(),
        }
    }

    /// Asks for the token if there is none or it is due. An old token that has not ended stays in use when a new one
    /// cannot be had.
    pub async fn ensure(&self, pod: Bound<'_>, reference: &TokenReference, now: Timestamp) -> Ensured {
        let ensured = |is_new, next| Ensured { is_new, next };
        let key = (pod.uid.to_owned(), reference.clone());
        if let Some(kept) = self.kept().get(&key)
            && now < kept.renew_at
        {
            return ensured(false, kept.renew_at);
        }
        let asked = self.server.token(
            pod.namespace,
            &reference.service_account,
            reference.audience.as_deref(),
            reference.expiration_seconds,
            (pod.name, pod.uid),
        );
        let issued = tokio::time::timeout(LIMIT, asked).await;
        let issued = issued.map_or_else(
            |_| Err("no answer in time".to_owned()),
            |asked| asked.map_err(|error| error.to_string()),
        );
        let mut all = self.kept();
        match issued {
            Ok(issued) => {
                let renew_at = refresh_at(now, issued.expires_at, jitter(now));
                let kept = Kept {
                    token: Ok(issued.token),
                    renew_at,
                    expires_at: issued.expires_at,
                };
                all.insert(key, kept);
                ensured(true, renew_at)
            }
            Err(error) => {
                tracing::warn!(pod = pod.name, namespace = pod.namespace, %error, "no service account token");
                let renew_at = later(now, RETRY);
                let kept = all.entry(key).or_insert_with(|| Kept {
                    token: Err(String::new()),
                    renew_at,
                    expires_at: now,
                });
                kept.renew_at = renew_at;
                if kept.expires_at <= now {
                    kept.token = Err(error);
                }
                ensured(true, renew_at)
            }
        }
    }

    /// The token as it is at hand.
    pub fn current(&self, uid: &str, reference: &TokenReference) -> Result<Zeroizing<String>, LookupError> {
        let key = (uid.to_owned(), reference.clone());
        match self.kept().get(&key).map(|kept| kept.token.clone()) {
            Some(Ok(token)) => Ok(token),
            Some(Err(message)) => Err(LookupError::Token { message }),
            None => Err(LookupError::Token {
                message: "it was not asked for yet".to_owned(),
            }),
        }
    }

    /// Forgets the tokens of a pod.
    pub fn forget(&self, uid: &str) {
        self.kept().retain(|(owner, _), _| owner != uid);
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<(String, TokenReference), Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Pods begin at different nanoseconds.
fn jitter(now: Timestamp) -> SignedDuration {
    let range = MAXIMUM_JITTER.as_millis().max(1);
    let millis = i128::from(now.subsec_nanosecond()) % range;
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or(0))
}
