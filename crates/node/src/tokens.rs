//! Tokens of service accounts for projected volumes: asked for before they are needed, renewed before they end
//! (pods-and-kubelet §9).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use strongroom_node_plan::objects::LookupError;
use strongroom_node_plan::references::TokenReference;
use zeroize::Zeroizing;

use crate::server::Server;

/// A token older than this is renewed, however long it lives.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);
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

    /// Asks for the token if there is none or it is due; when to do this again. An old token that has not ended stays
    /// in use when a new one cannot be had.
    pub async fn ensure(&self, pod: Bound<'_>, reference: &TokenReference, now: Timestamp) -> Timestamp {
        let key = (pod.uid.to_owned(), reference.clone());
        if let Some(kept) = self.kept().get(&key)
            && now < kept.renew_at
        {
            return kept.renew_at;
        }
        let issued = self
            .server
            .token(
                pod.namespace,
                &reference.service_account,
                reference.audience.as_deref(),
                reference.expiration_seconds,
                (pod.name, pod.uid),
            )
            .await;
        let mut all = self.kept();
        match issued {
            Ok(issued) => {
                let renew_at = renewal(now, issued.expires_at);
                let kept = Kept {
                    token: Ok(issued.token),
                    renew_at,
                    expires_at: issued.expires_at,
                };
                all.insert(key, kept);
                renew_at
            }
            Err(error) => {
                tracing::warn!(pod = pod.name, namespace = pod.namespace, %error, "no service account token");
                let renew_at = later(now, RETRY);
                let message = error.to_string();
                let kept = all.entry(key).or_insert_with(|| Kept {
                    token: Err(String::new()),
                    renew_at,
                    expires_at: now,
                });
                kept.renew_at = renew_at;
                if kept.expires_at <= now {
                    kept.token = Err(message);
                }
                renew_at
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

/// When four fifths of its life are over, and a day after it was made at the latest.
fn renewal(now: Timestamp, expires_at: Timestamp) -> Timestamp {
    let life = expires_at.duration_since(now).max(SignedDuration::ZERO);
    later(now, (life * 4 / 5).min(OLDEST))
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_comes_before_the_end() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (life, expect) in [(3607, 2885), (600, 480), (7 * 86_400, 86_400), (-5, 0)] {
            let end = now + SignedDuration::from_secs(life);
            assert_eq!(renewal(now, end).as_second() - now.as_second(), expect, "{life}");
        }
    }
}
