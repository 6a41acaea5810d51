//! One request to the API server and its answer.
//!
//! `kube::Client`'s own decoding logs the text of an answer it cannot read. An answer may hold
//! Secrets, so requests are sent through [`kube::Client::send`] and decoded here, where an error
//! carries a path and a position and never content.

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::core::Status;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The name the controllers call by; it becomes the field manager of what they write.
const CONTROLLERS: &str = "strongroom-controllers";

/// Which representation of objects the answer shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Whole objects.
    Object,
    /// `PartialObjectMetadata`: no data leaves the server.
    Metadata,
}

impl Form {
    fn accept(self, list: bool) -> &'static str {
        match (self, list) {
            (Form::Object, _) => "application/json",
            (Form::Metadata, false) => {
                "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
            }
            (Form::Metadata, true) => {
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
            }
        }
    }
}

/// Why a request had no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The server answered with a failure.
    #[error("{method} {path}: {code} {}", status.message)]
    Refused {
        /// Method of the request.
        method: Method,
        /// Path of the request, without query.
        path: String,
        /// HTTP status code.
        code: u16,
        /// The server's explanation.
        status: Box<Status>,
    },
    /// The request could not be formed.
    #[error("{path}: not a request path")]
    Malformed {
        /// Path of the request.
        path: String,
    },
    /// The request did not reach the server, or its answer did not arrive whole.
    #[error("{path}: no answer")]
    Unanswered {
        /// Path of the request.
        path: String,
        /// What the transport said.
        #[source]
        source: kube::Error,
    },
    /// The answer is not what the API promises.
    #[error("{path}: unexpected answer (line {line}, column {column})")]
    Undecodable {
        /// Path of the request.
        path: String,
        /// Line of the answer where decoding stopped.
        line: usize,
        /// Column of the answer where decoding stopped.
        column: usize,
    },
}

impl RequestError {
    /// The HTTP status code, when the server answered.
    pub fn code(&self) -> Option<u16> {
        match self {
            RequestError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// 404.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// 409: somebody else was first.
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// 410: the resource version or continue token is too old.
    pub fn is_gone(&self) -> bool {
        self.code() == Some(410)
    }

    fn undecodable(path: &str, error: &serde_json::Error) -> Self {
        RequestError::Undecodable {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
        }
    }
}

/// One page of a collection.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub struct Page<T> {
    /// The collection's own metadata.
    #[serde(default)]
    pub metadata: PageMetadata,
    /// The items of this page.
    #[serde(default = "Vec::new")]
    pub items: Vec<T>,
}

/// `meta/v1 ListMeta`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PageMetadata {
    /// Revision the whole list was taken at.
    pub resource_version: String,
    /// Token for the next page; empty on the last.
    #[serde(rename = "continue")]
    pub continue_token: String,
}

/// Makes requests under one name.
#[derive(Clone)]
pub struct ApiClient {
    client: kube::Client,
    caller: &'static str,
}

impl ApiClient {
    /// Requests of the controllers.
    pub fn new(client: kube::Client) -> Self {
        Self::named(client, CONTROLLERS)
    }

    /// Requests of `caller`: the user agent, and so the field manager of what it writes.
    pub fn named(client: kube::Client, caller: &'static str) -> Self {
        Self { client, caller }
    }

    /// Reads one object or document.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, form: Form) -> Result<T, RequestError> {
        let answer = self.send(Method::GET, path, form.accept(false), None).await?;
        decode(path, &answer)
    }

    /// Reads one page of a collection; `path` includes the query.
    pub async fn list<T: DeserializeOwned>(&self, path: &str, form: Form) -> Result<Page<T>, RequestError> {
        let answer = self.send(Method::GET, path, form.accept(true), None).await?;
        decode(path, &answer)
    }

    /// Opens a watch; `path` includes the query.
    pub async fn watch(&self, path: &str, form: Form) -> Result<Lines, RequestError> {
        let request = self.build(Method::GET, path, form.accept(false), None)?;
        let answer = self.answer(Method::GET, path, request).await?;
        Ok(Lines::new(path, answer.into_body()))
    }

    /// Creates an object. The answer's body is not looked at.
    pub async fn create(&self, path: &str, object: &Value) -> Result<(), RequestError> {
        self.send(
            Method::POST,
            path,
            Form::Metadata.accept(false),
            Some(("application/json", object)),
        )
        .await
        .map(drop)
    }

    /// Sends an object and reads the answer: creates, and subresources such as a TokenRequest.
    pub async fn create_returning<T: DeserializeOwned>(
        &self,
        path: &str,
        object: &Value,
    ) -> Result<T, RequestError> {
        let body = Some(("application/json", object));
        let answer = self
            .send(Method::POST, path, Form::Object.accept(false), body)
            .await?;
        decode(path, &answer)
    }

    /// Applies a strategic merge patch and reads the answer.
    pub async fn strategic_patch<T: DeserializeOwned>(
        &self,
        path: &str,
        patch: &Value,
        form: Form,
    ) -> Result<T, RequestError> {
        let body = Some(("application/strategic-merge-patch+json", patch));
        let answer = self.send(Method::PATCH, path, form.accept(false), body).await?;
        decode(path, &answer)
    }

    /// Replaces an object or subresource. The answer's body is not looked at.
    pub async fn replace(&self, path: &str, object: &Value) -> Result<(), RequestError> {
        self.send(
            Method::PUT,
            path,
            Form::Metadata.accept(false),
            Some(("application/json", object)),
        )
        .await
        .map(drop)
    }

    /// Applies an RFC 7386 merge patch. The answer's body is not looked at.
    pub async fn merge_patch(&self, path: &str, patch: &Value) -> Result<(), RequestError> {
        let body = Some(("application/merge-patch+json", patch));
        self.send(Method::PATCH, path, Form::Metadata.accept(false), body)
            .await
            .map(drop)
    }

    /// Applies a configuration server-side as `manager`, taking over what others manage. The
    /// answer's body is not looked at.
    pub async fn apply(&self, path: &str, manager: &str, configuration: &Value) -> Result<(), RequestError> {
        let path = format!("{path}?fieldManager={manager}&force=true");
        // JSON is YAML.
        let body = Some(("application/apply-patch+yaml", configuration));
        self.send(Method::PATCH, &path, Form::Metadata.accept(false), body)
            .await
            .map(drop)
    }

    /// Deletes an object with the given DeleteOptions.
    pub async fn delete(&self, path: &str, options: &Value) -> Result<(), RequestError> {
        self.send(
            Method::DELETE,
            path,
            Form::Metadata.accept(false),
            Some(("application/json", options)),
        )
        .await
        .map(drop)
    }

    /// Deletes one page of a collection and returns that page as it was before.
    pub async fn delete_collection<T: DeserializeOwned>(
        &self,
        path: &str,
        options: &Value,
    ) -> Result<Page<T>, RequestError> {
        let body = Some(("application/json", options));
        let answer = self
            .send(Method::DELETE, path, Form::Metadata.accept(true), body)
            .await?;
        decode(path, &answer)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Bytes, RequestError> {
        let request = self.build(method.clone(), path, accept, body)?;
        let answer = self.answer(method, path, request).await?;
        collect(path, answer.into_body()).await
    }

    async fn answer(
        &self,
        method: Method,
        path: &str,
        request: Request<Body>,
    ) -> Result<Response<Body>, RequestError> {
        let answer = self
            .client
            .send(request)
            .await
            .map_err(|source| RequestError::Unanswered {
                path: path.to_owned(),
                source,
            })?;
        let code = answer.status();
        if code.is_success() {
            return Ok(answer);
        }
        let body = collect(path, answer.into_body()).await?;
        Err(refusal(method, path, code, &body))
    }

    fn build(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Request<Body>, RequestError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, accept)
            .header(USER_AGENT, self.caller);
        if let Some((content_type, _)) = body {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let body = body
            .map(|(_, value)| value.to_string().into_bytes())
            .unwrap_or_default();
        request
            .body(Body::from(body))
            .map_err(|_| RequestError::Malformed {
                path: path.to_owned(),
            })
    }
}

fn refusal(method: Method, path: &str, code: StatusCode, body: &[u8]) -> RequestError {
    let status = serde_json::from_slice(body)
        .unwrap_or_else(|_| Status::failure(code.canonical_reason().unwrap_or_default(), ""));
    let path = path.split('?').next().unwrap_or_default().to_owned();
    RequestError::Refused {
        method,
        path,
        code: code.as_u16(),
        status: Box::new(status),
    }
}

async fn collect(path: &str, body: Body) -> Result<Bytes, RequestError> {
    let collected = body.collect().await;
    collected
        .map(http_body_util::Collected::to_bytes)
        .map_err(|source| RequestError::Unanswered {
            path: path.to_owned(),
            source,
        })
}

/// Decodes an answer; the error says where decoding stopped, not at what.
pub fn decode<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, RequestError> {
    serde_json::from_slice(bytes).map_err(|error| RequestError::undecodable(path, &error))
}

/// The lines of a watch.
pub struct Lines {
    path: String,
    body: Body,
    buffer: BytesMut,
    /// How much of `buffer` is known to hold no end of line.
    scanned: usize,
}

impl Lines {
    fn new(path: &str, body: Body) -> Self {
        Self {
            path: path.to_owned(),
            body,
            buffer: BytesMut::new(),
            scanned: 0,
        }
    }

    /// The next line, or `None` when the server ended the watch. Nothing is lost when the future
    /// is dropped.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RequestError> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(line));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(source)) => {
                    return Err(RequestError::Unanswered {
                        path: self.path.clone(),
                        source,
                    });
                }
            }
        }
    }

    fn take_line(&mut self) -> Option<Bytes> {
        let unseen = &self.buffer[self.scanned..];
        match unseen.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                let line = self.buffer.split_to(self.scanned + end + 1).freeze();
                self.scanned = 0;
                // An empty buffer would keep the memory of the lines before it, and so what they said.
                if self.buffer.is_empty() {
                    self.buffer = BytesMut::new();
                }
                Some(line)
            }
            None => {
                self.scanned = self.buffer.len();
                None
            }
        }
    }
}
