//! Tokens that were once made automatically for service accounts and that nobody has used for a year are marked
//! invalid; a year later their Secrets are deleted (secrets.md §7).
//!
//! A Strongroom never makes such Secrets. They come with data from elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use strongroom_tokens::service_account::legacy::{INVALID_SINCE_LABEL, LAST_USED_LABEL};

use crate::list_watch::escape;
use crate::request::{ApiClient, Form, Page, RequestError};

const CONFIG_MAPS: &str = "/api/v1/namespaces/kube-system/configmaps";
/// Config map that says since when uses of tokens are noted on their Secrets.
const TRACKING: &str = "kube-apiserver-legacy-service-account-token-tracking";
const SINCE: &str = "since";
const ACCOUNT_ANNOTATION: &str = "kubernetes.io/service-account.name";

/// Days without use after which a token is marked, and days after which a marked one goes.
const PERIOD_DAYS: i64 = 365;
/// How often tokens are looked through.
const INTERVAL: Duration = Duration::from_secs(24 * 3600);
const RETRY: Duration = Duration::from_secs(60);
/// Items per page of a list.
const PAGE: usize = 500;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    uid: String,
    resource_version: String,
    creation_timestamp: Option<String>,
    deletion_timestamp: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// A Secret without what it holds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct TokenSecret {
    metadata: Metadata,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct ServiceAccount {
    metadata: Metadata,
    secrets: Vec<Reference>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Reference {
    name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Pod {
    metadata: Metadata,
    spec: PodSpec,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct PodSpec {
    volumes: Vec<Volume>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Volume {
    secret: Option<SecretVolume>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SecretVolume {
    secret_name: String,
}

/// What the config map says.
#[derive(Debug, Deserialize)]
struct TrackingMap {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// Namespace and name.
type Key = (String, String);

/// What keeps tokens, and what makes them candidates.
#[derive(Debug, Default)]
struct Uses {
    /// Account and Secret: the account lists the Secret, as it did when both were made together.
    listed: BTreeSet<(Key, String)>,
    /// Secrets that pods mount.
    mounted: BTreeSet<Key>,
}

#[derive(Debug, PartialEq, Eq)]
enum Action {
    Keep,
    MarkInvalid,
    Delete,
}

/// The last day of which uses are too long ago.
fn horizon(today: Date) -> Date {
    today.saturating_sub(Span::new().days(PERIOD_DAYS))
}

/// Whether uses have been noted for so long that silence means something.
fn is_tracked_long_enough(since: Date, today: Date) -> bool {
    since.saturating_add(Span::new().days(1)) < horizon(today)
}

fn decide(secret: &TokenSecret, uses: &Uses, today: Date) -> Action {
    let metadata = &secret.metadata;
    let horizon = horizon(today);
    let label = |name: &str| metadata.labels.get(name).map(|text| text.parse::<Date>());
    let created = metadata
        .creation_timestamp
        .as_ref()
        .and_then(|time| time.parse::<Timestamp>().ok());
    let is_old = created.is_some_and(|created| created.to_zoned(TimeZone::UTC).date() < horizon);
    // A day that cannot be read says that the token was used some day.
    let is_unused = match label(LAST_USED_LABEL) {
        None => true,
        Some(day) => day.is_ok_and(|day| day < horizon),
    };
    let key = (metadata.namespace.clone(), metadata.name.clone());
    let account = metadata
        .annotations
        .get(ACCOUNT_ANNOTATION)
        .cloned()
        .unwrap_or_default();
    let account = (metadata.namespace.clone(), account);
    let is_automatic = uses.listed.contains(&(account, metadata.name.clone()));
    if metadata.deletion_timestamp.is_some()
        || !is_old
        || !is_unused
        || !is_automatic
        || uses.mounted.contains(&key)
    {
        return Action::Keep;
    }
    match label(INVALID_SINCE_LABEL) {
        Some(Ok(day)) if day < horizon => Action::Delete,
        Some(Ok(_)) => Action::Keep,
        None | Some(Err(_)) => Action::MarkInvalid,
    }
}

/// Cleans once a day for ever.
pub(crate) async fn run(api: ApiClient) {
    loop {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let wait = match clean(&api, today).await {
            Ok(()) => INTERVAL,
            Err(error) => {
                tracing::debug!(%error, "could not look through service account tokens, trying again");
                RETRY
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn clean(api: &ApiClient, today: Date) -> Result<(), RequestError> {
    if !is_tracked_long_enough(tracked_since(api, today).await?, today) {
        return Ok(());
    }
    let selector = "fieldSelector=type%3Dkubernetes.io%2Fservice-account-token";
    let secrets: Vec<TokenSecret> = all(api, &format!("/api/v1/secrets?{selector}&"), Form::Metadata).await?;
    if secrets.is_empty() {
        return Ok(());
    }
    let uses = uses(api).await?;
    for secret in &secrets {
        let result = match decide(secret, &uses, today) {
            Action::Keep => continue,
            Action::MarkInvalid => mark_invalid(api, &secret.metadata, today).await,
            Action::Delete => delete(api, &secret.metadata).await,
        };
        match result {
            // Gone or changed since it was read: looked at again tomorrow.
            Err(error) if matches!(error.code(), Some(404 | 409 | 422)) => {}
            other => other?,
        }
    }
    Ok(())
}

/// The day since when uses are noted; today where nothing is written about it yet.
async fn tracked_since(api: &ApiClient, today: Date) -> Result<Date, RequestError> {
    let path = format!("{CONFIG_MAPS}/{TRACKING}");
    let data = json!({SINCE: today.to_string()});
    match api.get::<TrackingMap>(&path, Form::Object).await {
        Ok(map) => {
            if let Some(Ok(day)) = map.data.get(SINCE).map(|text| text.parse()) {
                return Ok(day);
            }
            api.merge_patch(&path, &json!({"data": data})).await?;
        }
        Err(error) if error.is_not_found() => {
            let object = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": TRACKING}, "data": data,
            });
            api.create(CONFIG_MAPS, &object).await?;
        }
        Err(error) => return Err(error),
    }
    Ok(today)
}

async fn uses(api: &ApiClient) -> Result<Uses, RequestError> {
    let accounts: Vec<ServiceAccount> = all(api, "/api/v1/serviceaccounts?", Form::Object).await?;
    let pods: Vec<Pod> = all(api, "/api/v1/pods?", Form::Object).await?;
    let mut uses = Uses::default();
    for account in accounts {
        let key = (account.metadata.namespace, account.metadata.name);
        let secrets = account.secrets.into_iter().map(|secret| secret.name);
        uses.listed.extend(secrets.map(|secret| (key.clone(), secret)));
    }
    for pod in pods {
        let volumes = pod.spec.volumes.into_iter().filter_map(|volume| volume.secret);
        let namespace = pod.metadata.namespace;
        uses.mounted
            .extend(volumes.map(|volume| (namespace.clone(), volume.secret_name)));
    }
    Ok(uses)
}

/// Every item of a collection; `path` ends where more parameters may follow.
async fn all<T: DeserializeOwned>(api: &ApiClient, path: &str, form: Form) -> Result<Vec<T>, RequestError> {
    let mut items = Vec::new();
    let mut token = String::new();
    loop {
        let page: Page<T> = api
            .list(&format!("{path}limit={PAGE}&continue={}", escape(&token)), form)
            .await?;
        items.extend(page.items);
        token = page.metadata.continue_token;
        if token.is_empty() {
            return Ok(items);
        }
    }
}

async fn mark_invalid(api: &ApiClient, secret: &Metadata, today: Date) -> Result<(), RequestError> {
    let patch = json!({"metadata": {
        "uid": secret.uid,
        "resourceVersion": secret.resource_version,
        "labels": {INVALID_SINCE_LABEL: today.to_string()},
    }});
    api.merge_patch(&path(secret), &patch).await
}

async fn delete(api: &ApiClient, secret: &Metadata) -> Result<(), RequestError> {
    let options: Value = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": secret.uid, "resourceVersion": secret.resource_version},
    });
    api.delete(&path(secret), &options).await
}

fn path(secret: &Metadata) -> String {
    format!("/api/v1/namespaces/{}/secrets/{}", secret.namespace, secret.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: &str = "2026-11-22";

    fn day(text: &str) -> Date {
        text.parse().expect("a day")
    }

    #[test]
    fn silence_has_to_last() {
        let check = |since: &str, expect: bool| {
            assert_eq!(is_tracked_long_enough(day(since), day(TODAY)), expect, "{since}");
        };
        check("2026-11-22", false);
        check("2025-11-21", false);
        check("2025-11-20", true);
    }

    fn uses() -> Uses {
        let account = ("ns".to_owned(), "robot".to_owned());
        Uses {
            listed: BTreeSet::from([(account, "t".to_owned())]),
            mounted: BTreeSet::new(),
        }
    }

    fn secret(labels: Value) -> TokenSecret {
        let secret = json!({"metadata": {
            "namespace": "ns", "name": "t", "creationTimestamp": "2024-01-01T00:00:00Z",
            "annotations": {ACCOUNT_ANNOTATION: "robot"}, "labels": labels,
        }});
        serde_json::from_value(secret).expect("a secret")
    }

    #[test]
    fn tokens_are_marked_and_go_a_year_later() {
        let check = |labels: Value, expect: Action| {
            assert_eq!(
                decide(&secret(labels.clone()), &uses(), day(TODAY)),
                expect,
                "{labels}"
            );
        };
        let marked = |when: &str| json!({INVALID_SINCE_LABEL: when});
        check(json!({}), Action::MarkInvalid);
        check(json!({LAST_USED_LABEL: "2025-11-21"}), Action::MarkInvalid);
        check(json!({LAST_USED_LABEL: "2025-11-22"}), Action::Keep);
        check(json!({LAST_USED_LABEL: "some day"}), Action::Keep);
        check(marked("2025-11-22"), Action::Keep);
        check(marked("2025-11-21"), Action::Delete);
        check(marked("some day"), Action::MarkInvalid);
    }

    #[test]
    fn some_tokens_are_kept() {
        let check = |secret: TokenSecret, uses: &Uses| {
            assert_eq!(decide(&secret, uses, day(TODAY)), Action::Keep);
        };
        check(secret(json!({})), &Uses::default());
        let mut mounted = uses();
        mounted.mounted.insert(("ns".to_owned(), "t".to_owned()));
        check(secret(json!({})), &mounted);
        let mut young = secret(json!({}));
        young.metadata.creation_timestamp = Some("2026-01-01T00:00:00Z".to_owned());
        check(young, &uses());
        let mut going = secret(json!({}));
        going.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".to_owned());
        check(going, &uses());
    }
}
