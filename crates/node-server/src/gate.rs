//! Who calls, and may they? Asked for every request, before anything of it is looked at (auth §13).

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use sha2::{Digest as _, Sha256};
use strongroom_access::Identity;

use crate::answer::Refusal;
use crate::cache::Cache;
use crate::review::Reviewer;

/// How long a review is believed.
const BELIEVED: Duration = Duration::from_secs(10);
/// How long a refusal is: a right that has just been given should work soon.
const REFUSED: Duration = Duration::from_secs(3);
/// Reviews that are remembered.
const REMEMBERED: usize = 1024;
/// Longest token, in bytes, that is asked about.
const MAX_TOKEN: usize = 16 * 1024;

/// Lets callers through.
pub struct Gate {
    reviewer: Arc<dyn Reviewer>,
    node: String,
    anonymous: bool,
    callers: Cache<[u8; 32], Option<Arc<Identity>>>,
    rights: Cache<Right, bool>,
}

#[derive(PartialEq, Eq, Hash)]
struct Right {
    caller: Vec<u8>,
    verb: &'static str,
    subresource: &'static str,
}

impl Gate {
    /// For the node called `node`; `anonymous` lets callers without credentials be `system:anonymous`.
    pub fn new(reviewer: Arc<dyn Reviewer>, node: String, anonymous: bool) -> Self {
        Self {
            reviewer,
            node,
            anonymous,
            callers: Cache::new(REMEMBERED),
            rights: Cache::new(REMEMBERED),
        }
    }

    /// Returns if a request may be answered; otherwise why not.
    pub async fn pass(
        &self,
        certificate: Option<&Arc<Identity>>,
        headers: &HeaderMap,
        method: &Method,
        path: &str,
    ) -> Result<(), Refusal> {
        let caller = match certificate {
            Some(identity) => Some(Arc::clone(identity)),
            None => self.caller(headers).await?,
        };
        let Some(caller) = caller else {
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized"));
        };
        let verb = verb(method);
        let wanted = subresources(path);
        for subresource in wanted {
            if self.may(&caller, verb, subresource).await? {
                return Ok(());
            }
        }
        let refusal = format!(
            "Forbidden (user={}, verb={verb}, resource=nodes, subresource(s)=[{}])",
            caller.user,
            wanted.join(" ")
        );
        Err(Refusal::new(StatusCode::FORBIDDEN, refusal))
    }

    /// Who a bearer token names; without one, nobody or the anonymous user.
    async fn caller(&self, headers: &HeaderMap) -> Result<Option<Arc<Identity>>, Refusal> {
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Ok(self.anonymous.then(|| Arc::new(Identity::anonymous())));
        };
        let token = header.to_str().ok().and_then(bearer);
        let Some(token) = token.filter(|token| token.len() <= MAX_TOKEN) else {
            return Ok(None);
        };
        // Only the hash is kept.
        let key: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.callers.get(&key, Instant::now()) {
            return Ok(known);
        }
        let reviewed = self.reviewer.who(token).await.map_err(|error| {
            tracing::warn!(%error, "a bearer token cannot be looked at");
            Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized")
        })?;
        let caller = reviewed.map(Arc::new);
        let time = if caller.is_some() { BELIEVED } else { REFUSED };
        self.callers.put(key, caller.clone(), Instant::now(), time);
        Ok(caller)
    }

    async fn may(
        &self,
        caller: &Identity,
        verb: &'static str,
        subresource: &'static str,
    ) -> Result<bool, Refusal> {
        let key = || Right {
            caller: key(caller),
            verb,
            subresource,
        };
        if let Some(known) = self.rights.get(&key(), Instant::now()) {
            return Ok(known);
        }
        let reviewed = self.reviewer.may(caller, verb, &self.node, subresource).await;
        let allowed = reviewed.map_err(|error| {
            tracing::warn!(%error, "a right cannot be looked at");
            let problem = format!(
                "Authorization error (user={}, verb={verb}, resource=nodes, subresource={subresource})",
                caller.user
            );
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, problem)
        })?;
        let time = if allowed { BELIEVED } else { REFUSED };
        self.rights.put(key(), allowed, Instant::now(), time);
        Ok(allowed)
    }
}

/// Everything that a right may hang on, unambiguously.
fn key(caller: &Identity) -> Vec<u8> {
    let all = (&caller.user, &caller.uid, &caller.groups, &caller.extra);
    serde_json::to_vec(&all).unwrap_or_default()
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::GET | Method::HEAD => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

/// The subresources of `nodes` of which one must be allowed.
fn subresources(path: &str) -> &'static [&'static str] {
    let below = |root: &str| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match path {
        _ if below("/stats") => &["stats"],
        _ if below("/metrics") => &["metrics"],
        _ if below("/logs") => &["log"],
        _ if below("/checkpoint") => &["checkpoint"],
        _ if below("/pods") => &["pods", "proxy"],
        _ if below("/healthz") => &["healthz", "proxy"],
        _ if below("/configz") => &["configz", "proxy"],
        _ => &["proxy"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes() {
        let check = |path: &str, expect: &str| assert_eq!(subresources(path).join(" "), expect, "{path}");
        check("/stats/summary", "stats");
        check("/metrics", "metrics");
        check("/metrics/cadvisor", "metrics");
        check("/metricsx", "proxy");
        check("/logs/", "log");
        check("/checkpoint/a/b/c", "checkpoint");
        check("/pods", "pods proxy");
        check("/healthz/ping", "healthz proxy");
        check("/configz", "configz proxy");
        check("/containerLogs/a/b/c", "proxy");
        check("/exec/a/b/c", "proxy");
        check("/", "proxy");
    }

    #[test]
    fn bearers() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer "), None);
        assert_eq!(bearer("abc"), None);
    }
}
