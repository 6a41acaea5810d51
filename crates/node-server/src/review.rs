//! Who says who a caller is, and what they may do: the API server, by TokenReview and SubjectAccessReview (auth §13).

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use strongroom_access::Identity;
use strongroom_client::request::{ApiClient, RequestError};

/// How long a review may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The name that reviews carry.
const CALLER: &str = "strongroom-node-server";

/// Decides who may call.
#[async_trait]
pub trait Reviewer: Send + Sync + 'static {
    /// Whose bearer token this is; `None` for a token that proves nothing.
    ///
    /// # Errors
    /// [`ReviewError`] when nobody could be asked.
    async fn who(&self, token: &str) -> Result<Option<Identity>, ReviewError>;

    /// Whether `caller` may use `verb` on `nodes/<subresource>` of the node called `node`.
    ///
    /// # Errors
    /// [`ReviewError`] when nobody could be asked.
    async fn may(
        &self,
        caller: &Identity,
        verb: &str,
        node: &str,
        subresource: &str,
    ) -> Result<bool, ReviewError>;
}

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The API server refused or could not be reached.
    #[error("the API server made no review")]
    Request(#[from] Box<RequestError>),
    /// It did not answer in time.
    #[error("the API server made no review in time")]
    Late,
}

/// Asks the API server, as whoever the client is: a node may create both reviews.
pub struct KubeReviewer(ApiClient);

impl KubeReviewer {
    /// Asks through `client`.
    pub fn new(client: kube::Client) -> Self {
        Self(ApiClient::named(client, CALLER))
    }

    async fn review<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        review: &Value,
    ) -> Result<T, ReviewError> {
        let answered = tokio::time::timeout(LIMIT, self.0.create_returning(path, review)).await;
        answered
            .map_err(|_| ReviewError::Late)?
            .map_err(|error| ReviewError::Request(Box::new(error)))
    }
}

#[derive(Deserialize)]
struct Reviewed<S> {
    status: S,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TokenStatus {
    authenticated: bool,
    user: User,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AccessStatus {
    allowed: bool,
    denied: bool,
}

#[async_trait]
impl Reviewer for KubeReviewer {
    async fn who(&self, token: &str) -> Result<Option<Identity>, ReviewError> {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token},
        });
        let reviewed: Reviewed<TokenStatus> = self
            .review("/apis/authentication.k8s.io/v1/tokenreviews", &review)
            .await?;
        let TokenStatus { authenticated, user } = reviewed.status;
        Ok((authenticated && !user.username.is_empty()).then_some(Identity {
            user: user.username,
            uid: user.uid,
            groups: user.groups,
            extra: user.extra,
        }))
    }

    async fn may(
        &self,
        caller: &Identity,
        verb: &str,
        node: &str,
        subresource: &str,
    ) -> Result<bool, ReviewError> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": caller.user,
                "uid": caller.uid,
                "groups": caller.groups,
                "extra": caller.extra,
                "resourceAttributes": {
                    "verb": verb,
                    "group": "",
                    "version": "v1",
                    "resource": "nodes",
                    "subresource": subresource,
                    "name": node,
                },
            },
        });
        let reviewed: Reviewed<AccessStatus> = self
            .review("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review)
            .await?;
        Ok(reviewed.status.allowed && !reviewed.status.denied)
    }
}
