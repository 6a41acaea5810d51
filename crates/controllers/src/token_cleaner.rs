//! Expired bootstrap tokens are deleted at the moment they expire (secrets.md §8).
//!
//! The watch delivers metadata only. A token is read when its time may have come.

use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use serde_json::json;

use crate::bootstrap_token::{BootstrapToken, COLLECTION, Expiration, SELECTOR};
use crate::list_watch::{Change, Collection, list_watch};
use crate::object::Object;
use crate::request::{ApiClient, Form, RequestError};
use crate::work_queue::Outcome;
use crate::workers::{Progress, Workers};

const AT_ONCE: usize = 8;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Somebody may set the clock, so a token is looked at this often even when nothing is due.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// What is to be done about a token.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    /// Nothing until it changes.
    Keep,
    /// Look at it again after this long.
    Wait(Duration),
    /// It is expired.
    Delete,
}

fn decide(token: &BootstrapToken, now: Timestamp) -> Action {
    if !token.is_bootstrap_token() || token.metadata.is_deleting() {
        return Action::Keep;
    }
    match token.expiration() {
        Expiration::Never => Action::Keep,
        Expiration::At(time) if time > now => {
            let remaining = Duration::try_from(time.duration_since(now)).unwrap_or_default();
            Action::Wait(remaining.min(LONGEST_WAIT))
        }
        Expiration::At(_) | Expiration::Unreadable => Action::Delete,
    }
}

/// What came of looking at a token.
enum Finding {
    Finished(Outcome),
    NotYet(Duration),
}

/// Deletes expired bootstrap tokens for ever.
pub(crate) async fn run(api: ApiClient) {
    let tokens = Collection {
        path: COLLECTION.to_owned(),
        field_selector: Some(SELECTOR.into()),
        form: Form::Metadata,
        rest_factor: 0,
    };
    let mut changes = list_watch::<Object>(api.clone(), tokens);
    let mut workers = Workers::<String, Finding>::new(AT_ONCE, LONGEST_PAUSE);
    loop {
        tokio::select! {
            Some(change) = changes.next() => match change {
                Change::Applied(token) => workers.queue.add(token.metadata.name, Instant::now()),
                Change::Deleted(token) => workers.queue.remove(&token.metadata.name),
                Change::Listing | Change::Listed => {}
            },
            progress = workers.next() => match progress {
                Progress::Begin(name) => workers.start(name.clone(), clean(api.clone(), name)),
                Progress::Ended(name, Finding::Finished(outcome)) => workers.finish(&name, outcome),
                Progress::Ended(name, Finding::NotYet(wait)) => {
                    workers.finish(&name, Outcome::Done);
                    workers.queue.add(name, Instant::now() + wait);
                }
            },
        }
    }
}

async fn clean(api: ApiClient, name: String) -> Finding {
    match try_clean(&api, &name).await {
        Ok(finding) => finding,
        // Gone, or changed since it was read: the watch tells.
        Err(error) if error.is_not_found() || error.is_conflict() => Finding::Finished(Outcome::Done),
        Err(error) => {
            tracing::debug!(%error, "could not clean up a bootstrap token, trying again");
            Finding::Finished(Outcome::Retry)
        }
    }
}

async fn try_clean(api: &ApiClient, name: &str) -> Result<Finding, RequestError> {
    let path = format!("{COLLECTION}/{name}");
    let token: BootstrapToken = api.get(&path, Form::Object).await?;
    match decide(&token, Timestamp::now()) {
        Action::Keep => {}
        Action::Wait(wait) => return Ok(Finding::NotYet(wait)),
        Action::Delete => {
            let options = json!({
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "preconditions": {
                    "uid": token.metadata.uid,
                    "resourceVersion": token.metadata.resource_version,
                },
            });
            api.delete(&path, &options).await?;
        }
    }
    Ok(Finding::Finished(Outcome::Done))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap_token::example;

    fn check(expiration: Option<&str>, expect: Action) {
        let token = example("bootstrap-token-abcdef", &[("expiration", expiration)]);
        let now = "2026-01-01T12:00:00Z".parse().expect("a time");
        assert_eq!(decide(&token, now), expect, "{expiration:?}");
    }

    #[test]
    fn decisions() {
        check(None, Action::Keep);
        check(Some(""), Action::Keep);
        check(Some("2026-01-01T11:59:59Z"), Action::Delete);
        check(Some("2026-01-01T12:00:00Z"), Action::Delete);
        check(Some("in a week"), Action::Delete);
        check(Some("2026-01-01T12:00:07Z"), Action::Wait(Duration::from_secs(7)));
        check(Some("9999-01-01T00:00:00Z"), Action::Wait(LONGEST_WAIT));
    }

    #[test]
    fn what_is_being_deleted_is_left_alone() {
        let mut token = example("bootstrap-token-abcdef", &[("expiration", Some("never"))]);
        token.metadata.deletion_timestamp = Some("2026-01-01T11:00:00Z".to_owned());
        assert_eq!(decide(&token, Timestamp::UNIX_EPOCH), Action::Keep);
    }
}
