//! What becomes known of a request on its way, and how the audit log is told (auth §10).

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Response};
use jiff::Timestamp;
use strongroom_access::Identity;
use strongroom_audit::{
    AuditError, Decision, Event, Log, ObjectReference, Policy, Request, ResponseStatus, Stage, User, Webhook,
};
use strongroom_objects::json::Limits;
use strongroom_objects::{Status, Value, json, protobuf, schema, yaml};

use crate::authentication::Caller;
use crate::body::Body;
use crate::request_info::RequestInfo;
use crate::server::ApiServer;

const DECISION: &str = "authorization.k8s.io/decision";
const REASON: &str = "authorization.k8s.io/reason";
/// Longer ids of clients are replaced by our own.
const ID_LENGTH: usize = 64;

/// What is recorded of requests, and where.
#[derive(Debug)]
pub struct Auditing {
    /// What is recorded of which requests.
    pub policy: Policy,
    /// The file.
    pub log: Log,
    /// Another machine.
    pub webhook: Option<Webhook>,
}

/// What is known of one request so far.
#[derive(Debug, Clone)]
pub(crate) struct Trail {
    received: Timestamp,
    id: String,
    uri: String,
    agent: String,
    source: Option<IpAddr>,
    info: Arc<RequestInfo>,
    verb: String,
    /// The name in the body of a create, which the URL does not have.
    created: String,
    caller: Option<Arc<Identity>>,
    acting: Option<Arc<Identity>>,
    annotations: Vec<(&'static str, Cow<'static, str>)>,
    decision: Option<Decision>,
    decided: bool,
    begun: bool,
}

/// The body of a request, kept if the policy wants it.
#[derive(Debug, Default)]
pub(crate) struct RequestObject(Mutex<Option<Value>>);

impl RequestObject {
    /// Keeps `body` for the audit log.
    pub fn keep(&self, body: &Bytes, content_type: Option<&str>) {
        let value = to_json(body, content_type.unwrap_or("application/json"));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    fn take(&self) -> Option<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Trail {
    /// Begins with what the request says of itself.
    pub fn begin(parts: &Parts, info: &Arc<RequestInfo>, verb: &str, source: Option<IpAddr>) -> Self {
        let text = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let id = text(http::HeaderName::from_static("audit-id"))
            .filter(|id| !id.is_empty() && id.len() <= ID_LENGTH)
            .map_or_else(crate::random::uuid, str::to_owned);
        let uri = parts.uri.path_and_query().map_or("/", |uri| uri.as_str());
        Self {
            received: Timestamp::now(),
            id,
            uri: without_unknown_values(uri),
            agent: text(USER_AGENT).unwrap_or_default().to_owned(),
            source,
            info: Arc::clone(info),
            verb: verb.to_owned(),
            created: String::new(),
            caller: None,
            acting: None,
            annotations: Vec::new(),
            decision: None,
            decided: false,
            begun: false,
        }
    }

    /// The request's id, as the response's `Audit-Id` repeats it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Who called.
    pub fn called_by(&mut self, caller: &Caller) {
        self.caller = Some(Arc::clone(&caller.identity));
        let annotations = caller.annotations.iter();
        self.annotations
            .extend(annotations.map(|(name, value)| (*name, Cow::Owned(value.clone()))));
    }

    /// As whom, if as somebody else.
    pub fn acts_as(&mut self, identity: &Arc<Identity>) {
        self.acting = Some(Arc::clone(identity));
    }

    /// What the authorizers said.
    pub fn authorized(&mut self, allowed: bool, reason: String) {
        let decision = if allowed { "allow" } else { "forbid" };
        self.annotations.push((DECISION, decision.into()));
        self.annotations.push((REASON, reason.into()));
    }

    /// Which object is created.
    pub fn creates(&mut self, name: &str) {
        name.clone_into(&mut self.created);
    }

    /// A further fact.
    pub fn note(&mut self, name: &'static str, value: String) {
        self.annotations.push((name, value.into()));
    }

    /// The answer's body, if the policy wants it and it does not flow.
    pub fn answered(&self, response: &Response<Body>) -> Option<Value> {
        let wanted = self.decision.as_ref().is_some_and(Decision::wants_response_body);
        wanted.then(|| answered(response)).flatten()
    }

    /// Whether the policy wants the request's body.
    pub fn wants_request_body(&self) -> bool {
        self.decision.as_ref().is_some_and(Decision::wants_request_body)
    }

    /// Tells the log that the request is here.
    ///
    /// # Errors
    /// 503 when the log takes no records: nothing is done that could not be recorded.
    pub async fn received(&mut self, server: &ApiServer) -> Result<(), Box<Status>> {
        self.decide(server);
        let Some(auditing) = &server.0.auditing else {
            return Ok(());
        };
        if self.decision.is_some() && !auditing.log.is_healthy() {
            return Err(unrecorded());
        }
        self.record(auditing, Stage::RequestReceived, None, None, None)
            .await
    }

    /// Tells the log that an answer that flows has begun.
    ///
    /// # Errors
    /// 503 when that cannot be recorded.
    pub async fn started(&mut self, server: &ApiServer, code: u16) -> Result<(), Box<Status>> {
        self.begun = true;
        let Some(auditing) = &server.0.auditing else {
            return Ok(());
        };
        let status = ResponseStatus {
            code,
            ..ResponseStatus::default()
        };
        self.record(auditing, Stage::ResponseStarted, Some(status), None, None)
            .await
    }

    /// Whether an answer that flows has begun: it tells of its end itself.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Tells the log how the request ended.
    ///
    /// # Errors
    /// 503 when that cannot be recorded.
    pub async fn completed(
        &mut self,
        server: &ApiServer,
        code: u16,
        answered: Option<Value>,
        failure: Option<&Status>,
        request_object: &RequestObject,
    ) -> Result<(), Box<Status>> {
        self.decide(server);
        let Some(auditing) = &server.0.auditing else {
            return Ok(());
        };
        let status = response_status(code, failure);
        let sent = request_object.take();
        self.record(
            auditing,
            Stage::ResponseComplete,
            Some(status),
            sent.as_ref(),
            answered.as_ref(),
        )
        .await
    }

    /// What is left to tell when an answer that flows ends, whoever ends it.
    pub fn until_end(&self, server: &ApiServer, code: u16) -> TellEnd {
        TellEnd {
            trail: self.clone(),
            server: server.clone(),
            code,
        }
    }

    fn decide(&mut self, server: &ApiServer) {
        let Some(auditing) = server.0.auditing.as_ref().filter(|_| !self.decided) else {
            return;
        };
        self.decided = true;
        let info = &self.info;
        let user = self.acting.as_ref().or(self.caller.as_ref());
        self.decision = auditing.policy.decide(&Request {
            user: user.map_or("", |user| &user.user),
            groups: user.map_or(&[], |user| &user.groups),
            verb: &self.verb,
            namespace: &info.namespace,
            api_group: &info.group,
            resource: &info.resource,
            subresource: &info.subresource,
            name: &info.name,
            path: &info.path,
            is_resource: info.is_resource,
        });
    }

    async fn record(
        &self,
        auditing: &Auditing,
        stage: Stage,
        status: Option<ResponseStatus<'_>>,
        request_object: Option<&Value>,
        response_object: Option<&Value>,
    ) -> Result<(), Box<Status>> {
        let Some(decision) = self.decision.filter(|decision| decision.records(stage)) else {
            return Ok(());
        };
        let info = &self.info;
        let annotations: Vec<(&str, &str)> = self
            .annotations
            .iter()
            .map(|(name, value)| (*name, value.as_ref()))
            .collect();
        let event = Event {
            level: decision.level,
            audit_id: &self.id,
            stage,
            request_uri: &self.uri,
            verb: &self.verb,
            user: user(self.caller.as_deref()),
            impersonated_user: self.acting.as_deref().map(|acting| user(Some(acting))),
            source_ips: self.source.as_slice(),
            user_agent: &self.agent,
            object_reference: info.is_resource.then(|| ObjectReference {
                resource: &info.resource,
                namespace: &info.namespace,
                name: if info.name.is_empty() {
                    &self.created
                } else {
                    &info.name
                },
                api_group: &info.group,
                api_version: &info.version,
                subresource: &info.subresource,
                ..ObjectReference::default()
            }),
            response_status: status,
            request_object: request_object.and_then(|body| decision.request_body(body)),
            response_object: response_object.and_then(|body| decision.response_body(body)),
            request_received: self.received,
            stage_time: Timestamp::now(),
            annotations: &annotations,
        };
        let recorded = auditing.log.record_async(&event).await;
        recorded.map_err(|error| not_recorded(&error))?;
        if let Some(webhook) = &auditing.webhook {
            webhook.send(&event).await.map_err(|error| {
                tracing::error!(%error, "a record did not reach the audit webhook");
                unrecorded()
            })?;
        }
        Ok(())
    }
}

/// Parameters of requests whose values may be recorded. Clients put tokens and passwords into others.
const RECORDED_PARAMETERS: [&str; 37] = [
    "allowWatchBookmarks",
    "container",
    "continue",
    "dryRun",
    "exclude",
    "fieldManager",
    "fieldSelector",
    "fieldValidation",
    "follow",
    "force",
    "gracePeriodSeconds",
    "includeObject",
    "insecureSkipTLSVerifyBackend",
    "labelSelector",
    "limit",
    "limitBytes",
    "orphanDependents",
    "ports",
    "pretty",
    "previous",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "sinceSeconds",
    "sinceTime",
    "stderr",
    "stdin",
    "stdout",
    "stream",
    "tailLines",
    "timeout",
    "timeoutSeconds",
    "timestamps",
    "tty",
    "verbose",
    "watch",
];

/// A path and query in which values of parameters that Kubernetes does not have are left out.
fn without_unknown_values(uri: &str) -> String {
    let Some((path, query)) = uri.split_once('?') else {
        return uri.to_owned();
    };
    let mut recorded = String::with_capacity(uri.len());
    recorded.push_str(path);
    for (index, pair) in query.split('&').enumerate() {
        recorded.push(if index == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if !RECORDED_PARAMETERS.contains(&name) => {
                recorded.push_str(name);
                recorded.push_str("=(not recorded)");
            }
            _ => recorded.push_str(pair),
        }
    }
    recorded
}

/// Tells the log that an answer has ended, when it is dropped.
pub(crate) struct TellEnd {
    trail: Trail,
    server: ApiServer,
    code: u16,
}

impl Drop for TellEnd {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (trail, server, code) = (self.trail.clone(), self.server.clone(), self.code);
        let endings = self.server.0.endings.clone();
        let told = async move {
            let Some(auditing) = &server.0.auditing else {
                return;
            };
            let status = response_status(code, None);
            // There is nobody left to refuse; the log itself has said what is wrong with it.
            let _ = trail
                .record(auditing, Stage::ResponseComplete, Some(status), None, None)
                .await;
        };
        endings.spawn_on(told, &runtime);
    }
}

fn user(identity: Option<&Identity>) -> User<'_> {
    identity.map_or(User::default(), |identity| User {
        username: &identity.user,
        uid: &identity.uid,
        groups: &identity.groups,
        extra: (!identity.extra.is_empty()).then_some(&identity.extra),
    })
}

fn response_status(code: u16, failure: Option<&Status>) -> ResponseStatus<'_> {
    match failure {
        Some(failure) => ResponseStatus {
            code,
            status: "Failure",
            message: &failure.message,
            reason: &failure.reason,
        },
        None => ResponseStatus {
            code,
            ..ResponseStatus::default()
        },
    }
}

fn not_recorded(error: &AuditError) -> Box<Status> {
    tracing::error!(%error, "a request cannot be recorded, so it is refused");
    unrecorded()
}

fn unrecorded() -> Box<Status> {
    let text = "the audit log takes no records, and nothing is served that is not recorded; an administrator must see \
                to the disk or the webhook of the audit log";
    Box::new(Status::service_unavailable(text))
}

fn answered(response: &Response<Body>) -> Option<Value> {
    let Body::Whole(Some(bytes)) = response.body() else {
        return None;
    };
    to_json(bytes, content_type(response.headers()))
}

fn content_type(headers: &HeaderMap) -> &str {
    let header = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    header.unwrap_or_default()
}

/// A body as a tree, whatever it is encoded in; `None` for what is no object.
fn to_json(body: &[u8], content_type: &str) -> Option<Value> {
    if content_type.starts_with("application/vnd.kubernetes.protobuf") {
        let envelope = protobuf::open_envelope(body).ok()?;
        let (group, version) = envelope
            .api_version
            .split_once('/')
            .unwrap_or(("", envelope.api_version));
        let kind = schema().kind(group, version, envelope.kind)?;
        let mut map = protobuf::decode(kind, envelope.raw, &Limits::STORED).ok()?;
        map.insert("apiVersion".to_owned(), envelope.api_version.into());
        map.insert("kind".to_owned(), envelope.kind.into());
        return Some(Value::Object(map));
    }
    if content_type.contains("yaml") {
        return yaml::parse(body, &Limits::STORED).ok().map(|parsed| parsed.value);
    }
    json::parse(body, &Limits::STORED).ok().map(|parsed| parsed.value)
}
