//! Config map `kube-public/cluster-info` is signed with every bootstrap token that may sign, so
//! that who knows only a token can trust it (secrets.md §8).
//!
//! The watches deliver metadata only and tell when to look; the tokens are read for one decision.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use strongroom_tokens::bootstrap::sign_kubeconfig;

use crate::bootstrap_token::{BootstrapToken, COLLECTION, SELECTOR};
use crate::list_watch::{Change, Collection, escape, list_watch};
use crate::object::Object;
use crate::request::{ApiClient, Form, Page, RequestError};
use crate::work_queue::Outcome;
use crate::workers::{Progress, Workers};

const CONFIG_MAPS: &str = "/api/v1/namespaces/kube-public/configmaps";
const CLUSTER_INFO: &str = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
const KUBECONFIG: &str = "kubeconfig";
const SIGNATURE_PREFIX: &str = "jws-kubeconfig-";

const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Tokens per page of a list.
const PAGE: usize = 500;

/// Key of a signature → signature.
type Signatures = BTreeMap<String, String>;

/// The signatures of `tokens` over a kubeconfig.
fn signatures(kubeconfig: &str, tokens: &[BootstrapToken], now: Timestamp) -> Signatures {
    let keys = tokens.iter().filter_map(|token| token.signing_key(now));
    keys.map(|(id, secret)| {
        (
            format!("{SIGNATURE_PREFIX}{id}"),
            sign_kubeconfig(&id, &secret, kubeconfig),
        )
    })
    .collect()
}

/// The config map with exactly these signatures; `None` when it has them already.
fn decide(mut config_map: Value, signatures: &Signatures) -> Option<Value> {
    let data = config_map["data"].as_object_mut()?;
    let before = data
        .iter()
        .filter(|(key, _)| key.starts_with(SIGNATURE_PREFIX))
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let wanted = signatures
        .iter()
        .map(|(key, value)| (key.as_str(), Some(value.as_str())));
    if before.collect::<BTreeMap<_, _>>() == wanted.collect() {
        return None;
    }
    data.retain(|key, _| !key.starts_with(SIGNATURE_PREFIX));
    data.extend(signatures.iter().map(|(key, value)| (key.clone(), json!(value))));
    Some(config_map)
}

/// Signs for ever.
pub(crate) async fn run(api: ApiClient) {
    let collection = |path: &str, field_selector| Collection {
        path: path.to_owned(),
        field_selector: Some(str::to_owned(field_selector).into()),
        form: Form::Metadata,
        rest_factor: 0,
    };
    let mut tokens = list_watch::<Object>(api.clone(), collection(COLLECTION, SELECTOR));
    let cluster_info = collection(CONFIG_MAPS, "metadata.name=cluster-info");
    let mut cluster_info = list_watch::<Object>(api.clone(), cluster_info);
    let mut workers = Workers::<(), Outcome>::new(1, LONGEST_PAUSE);
    loop {
        let look = tokio::select! {
            Some(change) = tokens.next() => !matches!(change, Change::Listing),
            Some(change) = cluster_info.next() => matches!(change, Change::Applied(_)),
            progress = workers.next() => {
                match progress {
                    Progress::Begin(()) => workers.start((), sign(api.clone())),
                    Progress::Ended((), outcome) => workers.finish(&(), outcome),
                }
                false
            }
        };
        if look {
            workers.queue.add((), Instant::now());
        }
    }
}

async fn sign(api: ApiClient) -> Outcome {
    match try_sign(&api).await {
        Ok(()) => Outcome::Done,
        // There is nothing to sign, or somebody changed it just now: the watch tells.
        Err(error) if error.is_not_found() || error.is_conflict() => Outcome::Done,
        Err(error) => {
            tracing::debug!(%error, "could not sign cluster-info, trying again");
            Outcome::Retry
        }
    }
}

async fn try_sign(api: &ApiClient) -> Result<(), RequestError> {
    let config_map: Value = api.get(CLUSTER_INFO, Form::Object).await?;
    let Some(kubeconfig) = config_map["data"][KUBECONFIG].as_str().map(str::to_owned) else {
        return Ok(());
    };
    let mut wanted = Signatures::new();
    let mut path = format!("{COLLECTION}?limit={PAGE}&fieldSelector={}", escape(SELECTOR));
    let first = path.clone();
    loop {
        let page: Page<BootstrapToken> = api.list(&path, Form::Object).await?;
        wanted.extend(signatures(&kubeconfig, &page.items, Timestamp::now()));
        if page.metadata.continue_token.is_empty() {
            break;
        }
        path = format!("{first}&continue={}", escape(&page.metadata.continue_token));
    }
    match decide(config_map, &wanted) {
        Some(signed) => api.replace(CLUSTER_INFO, &signed).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap_token::example;

    const SIGNATURE: &str =
        "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..vH_kT4yiol-nrAWgjfCYqvum5wsKETXe0S7OOp1VgnE";

    fn cluster_info(more: Value) -> Value {
        let mut object = json!({
            "metadata": {"name": "cluster-info", "resourceVersion": "7"},
            "data": {"kubeconfig": "apiVersion: v1\nkind: Config\n", "other": "kept"},
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            object["data"][key] = value.clone();
        }
        object
    }

    fn check(more: Value, tokens: &[BootstrapToken], expect: Option<Value>) {
        let subject = cluster_info(more);
        let kubeconfig = subject["data"]["kubeconfig"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let signatures = signatures(&kubeconfig, tokens, Timestamp::UNIX_EPOCH);
        assert_eq!(decide(subject, &signatures), expect.map(cluster_info));
    }

    #[test]
    fn signatures_follow_the_tokens() {
        let token = || [example("bootstrap-token-abcdef", &[])];
        let signed = || json!({"jws-kubeconfig-abcdef": SIGNATURE});
        check(json!({}), &token(), Some(signed()));
        check(signed(), &token(), None);
        check(signed(), &[], Some(json!({})));
        check(json!({}), &[], None);
        check(
            json!({"jws-kubeconfig-abcdef": "stale", "jws-kubeconfig-gone": "x"}),
            &token(),
            Some(signed()),
        );
        let silent = [example(
            "bootstrap-token-abcdef",
            &[("usage-bootstrap-signing", None)],
        )];
        check(signed(), &silent, Some(json!({})));
        let expired = [example(
            "bootstrap-token-abcdef",
            &[("expiration", Some("1969-12-31T00:00:00Z"))],
        )];
        check(signed(), &expired, Some(json!({})));
    }
}
