//! Secrets of type `kubernetes.io/service-account-token` hold a token of the service account they
//! name, for as long as that account exists (secrets.md §7).
//!
//! The watches deliver metadata only. What a Secret holds is read when it is to be decided about,
//! and forgotten with the decision.

mod decide;
mod secret;
mod state;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::{Value, json};

use crate::list_watch::{Collection, escape, list_watch};
use crate::object::Object;
use crate::request::{ApiClient, Form, RequestError};
use crate::service_account_tokens::decide::{Account, Action, decide, without_reference};
use crate::service_account_tokens::secret::{Content, TokenSecret};
use crate::service_account_tokens::state::{Key, State};
use crate::work_queue::Outcome;
use crate::workers::{Progress, Workers};

/// Secrets worked on at the same time; their writes share a commit.
const AT_ONCE: usize = 32;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a legacy service account token says (secrets.md §7): whose it is, and which Secret holds
/// it. It has no audience and does not expire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyToken {
    /// Namespace of the account and of the Secret.
    pub namespace: String,
    /// Name of the service account.
    pub service_account: String,
    /// Uid of the service account.
    pub service_account_uid: String,
    /// Name of the Secret.
    pub secret: String,
}

/// Signs a legacy service account token: the JWT in its compact form.
pub type LegacyTokenSigner = Arc<dyn Fn(&LegacyToken) -> String + Send + Sync>;

/// Fills, repairs and removes token Secrets for ever.
pub(crate) async fn run(api: ApiClient, root_ca_pem: String, sign: LegacyTokenSigner) {
    let collection = |resource: &str, field_selector: Option<&'static str>| Collection {
        path: format!("/api/v1/{resource}"),
        field_selector: field_selector.map(Into::into),
        form: Form::Metadata,
        rest_factor: 0,
    };
    let mut secrets = list_watch::<TokenSecret>(
        api.clone(),
        collection("secrets", Some("type=kubernetes.io/service-account-token")),
    );
    let mut accounts = list_watch::<Object>(api.clone(), collection("serviceaccounts", None));
    let keeper = Keeper {
        api,
        root_ca: secret::encode(&root_ca_pem),
        sign,
    };
    let mut state = State::default();
    let mut workers = Workers::<Key, Outcome>::new(AT_ONCE, LONGEST_PAUSE);
    loop {
        let touched: Vec<Key> = tokio::select! {
            Some(change) = secrets.next() => state.secret(change),
            Some(change) = accounts.next() => state.account(change),
            progress = workers.next() => {
                match progress {
                    Progress::Begin(key) => workers.start(key.clone(), tend(keeper.clone(), key)),
                    Progress::Ended(key, outcome) => workers.finish(&key, outcome),
                }
                Vec::new()
            }
        };
        for key in touched {
            workers.queue.add(key, Instant::now());
        }
    }
}

async fn tend(keeper: Keeper, key: Key) -> Outcome {
    let result = match &key {
        Key::Secret { namespace, name } => keeper.keep(namespace, name).await,
        Key::Reference {
            namespace,
            account,
            account_uid,
            secret,
        } => {
            keeper
                .remove_reference(namespace, account, account_uid, secret)
                .await
        }
    };
    match result {
        Ok(outcome) => outcome,
        // Nothing to gain by asking again before somebody changes the object, and then a watch tells.
        Err(error) if matches!(error.code(), Some(413 | 422)) => {
            tracing::warn!(?key, %error, "cannot keep the service account token");
            Outcome::Done
        }
        Err(error) => {
            tracing::debug!(?key, %error, "could not keep the service account token, trying again");
            Outcome::Retry
        }
    }
}

/// What acting on a token Secret takes.
#[derive(Clone)]
struct Keeper {
    api: ApiClient,
    /// In base64; empty when there is none to hand out.
    root_ca: String,
    sign: LegacyTokenSigner,
}

impl Keeper {
    /// Decides by the Secret and the account as they are stored now, whatever the watches have told.
    async fn keep(&self, namespace: &str, name: &str) -> Result<Outcome, RequestError> {
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        let Some(mut content) = found(self.api.get::<Content>(&path, Form::Object).await)? else {
            return Ok(Outcome::Done);
        };
        let account = self.account(namespace, content.account()).await?;
        let written = match decide(&content, account.as_ref(), &self.root_ca) {
            Action::Nothing => return Ok(Outcome::Done),
            Action::Delete(preconditions) => {
                let options = json!({
                    "apiVersion": "v1",
                    "kind": "DeleteOptions",
                    "preconditions": {
                        "uid": preconditions.uid,
                        "resourceVersion": preconditions.resource_version,
                    },
                });
                self.api.delete(&path, &options).await
            }
            Action::Fill(missing, account) => {
                let token = missing.token.then(|| {
                    (self.sign)(&LegacyToken {
                        namespace: namespace.to_owned(),
                        service_account: account.name.clone(),
                        service_account_uid: account.uid.clone(),
                        secret: name.to_owned(),
                    })
                });
                content.fill(&missing, &account, &self.root_ca, token.as_deref());
                self.api.replace(&path, content.object()).await
            }
        };
        match written {
            // Gone or changed since it was read: the watch tells, and then it is decided anew.
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(Outcome::Done),
            written => written.map(|()| Outcome::Done),
        }
    }

    /// Removes a Secret that is gone from what its account lists.
    async fn remove_reference(
        &self,
        namespace: &str,
        account: &str,
        account_uid: &str,
        secret: &str,
    ) -> Result<Outcome, RequestError> {
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{secret}");
        let exists = found(self.api.get::<Object>(&path, Form::Metadata).await)?.is_some();
        if exists || !decide::is_name(account) {
            return Ok(Outcome::Done);
        }
        let path = account_path(namespace, account);
        let Some(live) = found(self.api.get::<Value>(&path, Form::Object).await)? else {
            return Ok(Outcome::Done);
        };
        let Some(edited) = without_reference(live, account_uid, secret) else {
            return Ok(Outcome::Done);
        };
        match self.api.replace(&path, &edited).await {
            Err(error) if error.is_not_found() => Ok(Outcome::Done),
            Err(error) if error.is_conflict() => Ok(Outcome::Retry),
            written => written.map(|()| Outcome::Done),
        }
    }

    async fn account(&self, namespace: &str, name: &str) -> Result<Option<Account>, RequestError> {
        // What no account can be called is not sent as a path.
        if !decide::is_name(name) {
            return Ok(None);
        }
        let path = account_path(namespace, name);
        let account = found(self.api.get::<Object>(&path, Form::Metadata).await)?;
        Ok(account.map(|account| Account {
            name: account.metadata.name,
            uid: account.metadata.uid,
        }))
    }
}

fn account_path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/serviceaccounts/{}", escape(name))
}

/// `None` for 404.
fn found<T>(answer: Result<T, RequestError>) -> Result<Option<T>, RequestError> {
    match answer {
        Err(error) if error.is_not_found() => Ok(None),
        answer => answer.map(Some),
    }
}
