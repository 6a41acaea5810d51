//! The requests that a node makes, one method each.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use strongroom_client::list_watch::escape;
use strongroom_client::request::{ApiClient, Form, RequestError};
use zeroize::Zeroizing;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The name that a node's requests carry; it becomes the field manager of what it writes.
pub(crate) const CALLER: &str = "strongroom-node";

/// The API server, as the node uses it. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Server {
    api: ApiClient,
}

/// Why a request had no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    /// The server refused, or could not be reached.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It did not answer in time.
    #[error("{path}: no answer within {} s", LIMIT.as_secs())]
    Late {
        /// What was asked.
        path: String,
    },
}

impl ServerError {
    pub fn code(&self) -> Option<u16> {
        match self {
            ServerError::Request(error) => error.code(),
            ServerError::Late { .. } => None,
        }
    }

    /// Whether asking again would have the same answer.
    pub fn is_final(&self) -> bool {
        matches!(self.code(), Some(code) if (400..500).contains(&code) && code != 429)
    }
}

/// A service-account token and its life.
pub(crate) struct IssuedToken {
    pub token: Zeroizing<String>,
    pub expires_at: Timestamp,
}

impl Server {
    pub fn new(client: kube::Client) -> Server {
        Server {
            api: ApiClient::named(client, CALLER),
        }
    }

    /// For list-watches.
    pub fn api(&self) -> ApiClient {
        self.api.clone()
    }

    pub async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, ServerError> {
        self.limited(path, self.api.get(path, Form::Object)).await
    }

    pub async fn create(&self, path: &str, object: &Value) -> Result<(), ServerError> {
        self.limited(path, self.api.create(path, object)).await
    }

    pub async fn replace(&self, path: &str, object: &Value) -> Result<(), ServerError> {
        self.limited(path, self.api.replace(path, object)).await
    }

    /// A strategic merge patch; the answer's body is not looked at.
    pub async fn patch(&self, path: &str, patch: &Value) -> Result<(), ServerError> {
        let answer = self.api.strategic_patch::<Value>(path, patch, Form::Metadata);
        self.limited(path, answer).await.map(drop)
    }

    /// Removes a pod for good, if it still is the one that is meant.
    pub async fn remove_pod(&self, namespace: &str, name: &str, uid: &str) -> Result<(), ServerError> {
        let path = pod_path(namespace, name);
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": { "uid": uid },
        });
        self.limited(&path, self.api.delete(&path, &options)).await
    }

    /// A token of a service account, bound to a pod.
    pub async fn token(
        &self,
        namespace: &str,
        service_account: &str,
        audience: Option<&str>,
        seconds: i64,
        pod: (&str, &str),
    ) -> Result<IssuedToken, ServerError> {
        #[derive(Deserialize)]
        struct Answer {
            status: Status,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Status {
            token: String,
            expiration_timestamp: Timestamp,
        }
        let (name, uid) = pod;
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token");
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": audience.map(|audience| vec![audience]).unwrap_or_default(),
                "expirationSeconds": seconds,
                "boundObjectRef": { "apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid },
            },
        });
        let answer: Answer = self
            .limited(&path, self.api.create_returning(&path, &request))
            .await?;
        Ok(IssuedToken {
            token: Zeroizing::new(answer.status.token),
            expires_at: answer.status.expiration_timestamp,
        })
    }

    async fn limited<T>(
        &self,
        path: &str,
        request: impl Future<Output = Result<T, RequestError>>,
    ) -> Result<T, ServerError> {
        match tokio::time::timeout(LIMIT, request).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(ServerError::Late {
                path: path.split('?').next().unwrap_or_default().to_owned(),
            }),
        }
    }
}

/// A pod.
pub(crate) fn pod_path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{}/pods/{}", escape(namespace), escape(name))
}
