//! The way of a request. [`answer`] is the order of the stages; read it first.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Response};
use strongroom_access::{FrontProxyHeaders, Identity};
use strongroom_objects::Status;
use strongroom_resources::options::Query;

use crate::authentication::{Caller, authenticate, without_bearer_protocol};
use crate::authorization::authorize_now;
use crate::body::{self, Body, RequestBody};
use crate::impersonation::impersonate;
use crate::limits::{Seat, SeatKind};
use crate::negotiation::wants_pretty;
use crate::request_info::{RequestInfo, path_verb};
use crate::respond;
use crate::routes;
use crate::server::ApiServer;
use crate::tls::Credential;
use crate::trail::{RequestObject, Trail};

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// What it proved itself with when it connected.
    pub credential: Credential,
    /// Headers that are believed of it, if it is a proxy in front.
    pub front_proxy: Option<Arc<FrontProxyHeaders>>,
    /// Where it calls from; `None` within this process.
    pub address: Option<IpAddr>,
}

/// A request that has passed every gate: it may be answered.
pub(crate) struct Admitted<'a, B> {
    pub server: &'a ApiServer,
    /// Who calls, as whom.
    pub user: &'a Arc<Identity>,
    /// How the caller proved it.
    pub caller: &'a Caller,
    pub info: &'a Arc<RequestInfo>,
    pub query: &'a Query,
    pub headers: HeaderMap,
    pub method: Method,
    pub body: Option<B>,
    /// Held until the answer has been made; answers that flow take it along.
    pub seat: Option<Seat>,
    /// Where an upgraded connection comes out.
    pub upgrade: Option<hyper::upgrade::OnUpgrade>,
    pub trail: &'a mut Trail,
    /// Where the body is kept for the audit log.
    pub request_object: &'a RequestObject,
}

impl<B> Admitted<'_, B> {
    /// A header's value, if it is text.
    pub fn header(&self, name: &http::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl<B: RequestBody> Admitted<'_, B> {
    /// The request's body; empty the second time.
    ///
    /// # Errors
    /// 413 for one that is too large, 400 for one that breaks off.
    pub async fn read_body(&mut self) -> Result<Bytes, Box<Status>> {
        let Some(body) = self.body.take() else {
            return Ok(Bytes::new());
        };
        let body = body::read(body, self.server.0.limits.max_body).await?;
        if self.trail.wants_request_body() {
            self.request_object.keep(&body, self.header(&CONTENT_TYPE));
        }
        Ok(body)
    }
}

/// Answers one request: who is it, may they, is there room, and only then what do they want. What can be recorded is
/// done; what was done is recorded before the answer leaves.
pub async fn answer<B>(server: &ApiServer, peer: &Peer, mut request: Request<B>) -> Response<Body>
where
    B: RequestBody,
{
    let upgrade = request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
    let (mut parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let info = Arc::new(RequestInfo::new(&parts.method, parts.uri.path(), &query));
    let accept = text(&parts.headers, ACCEPT).map(str::to_owned);
    let pretty = wants_pretty(query.get("pretty"), text(&parts.headers, USER_AGENT));
    let accept_encoding = text(&parts.headers, ACCEPT_ENCODING).map(str::to_owned);
    let measured = server.0.metrics.start(&info);
    let path_verb = path_verb(&parts.method);
    let verb = if info.is_resource { info.verb } else { &path_verb };
    let mut trail = Trail::begin(&parts, &info, verb, peer.address);
    let request_object = RequestObject::default();
    let mut warnings = Vec::new();

    let stages = async {
        let caller = authenticate(server, peer, &parts.headers, &info.path).await?;
        trail.called_by(&caller);
        warnings.clone_from(&caller.warnings);
        without_bearer_protocol(&mut parts.headers);
        let impersonated = impersonate(server, &caller.identity, &mut parts.headers)?;
        let user = impersonated.as_ref().unwrap_or(&caller.identity);
        if impersonated.is_some() {
            trail.acts_as(user);
        }
        trail.received(server).await?;
        match authorize_now(server, user, &info, &query, verb).await {
            Ok(reason) => trail.authorized(true, reason),
            Err(refused) => {
                trail.authorized(false, refused.reason);
                return Err(refused.status);
            }
        }
        let seat = take_seat(server, user, &info).await?;
        let request = Admitted {
            server,
            user,
            caller: &caller,
            info: &info,
            query: &query,
            headers: parts.headers,
            method: parts.method,
            body: Some(body),
            seat,
            upgrade,
            trail: &mut trail,
            request_object: &request_object,
        };
        routes::dispatch(request).await
    };
    let stages = AssertUnwindSafe(stages).catch_unwind();
    let outcome = match tokio::time::timeout(server.0.limits.request_timeout, stages).await {
        Ok(Ok(outcome)) => outcome,
        // It may have changed something, so it is recorded like any other.
        Ok(Err(_panic)) => Err(Box::new(Status::internal(
            "the server has a bug, and its log says where",
        ))),
        Err(_) => Err(Box::new(Status::timeout(
            "request did not complete within the allotted timeout",
        ))),
    };
    let failed = |status: &Status| respond::status(status, accept.as_deref(), pretty);
    let failure = outcome.as_ref().err().cloned();
    let mut response = outcome.unwrap_or_else(|status| failed(&status));
    // An answer that flows has told of its beginning and tells of its end.
    if !trail.has_begun() || failure.is_some() {
        let code = response.status().as_u16();
        let answered = trail.answered(&response);
        let recorded = trail
            .completed(server, code, answered, failure.as_deref(), &request_object)
            .await;
        if let Err(unrecorded) = recorded {
            response = failed(&unrecorded);
        }
    }
    respond::add_warnings(&mut response, &warnings);
    respond::compress_if_large(&mut response, accept_encoding.as_deref());
    if let Ok(id) = HeaderValue::from_str(trail.id()) {
        response.headers_mut().insert("audit-id", id);
    }
    measured.finish(&response);
    response
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Health, metrics and discovery need no seat: they must answer when all are taken.
async fn take_seat(
    server: &ApiServer,
    user: &Identity,
    info: &RequestInfo,
) -> Result<Option<Seat>, Box<Status>> {
    if !info.is_resource {
        return Ok(None);
    }
    let kind = match info.verb {
        _ if info.connects() => SeatKind::Connecting,
        "watch" => SeatKind::Watching,
        "get" | "list" | "head" | "options" => SeatKind::Reading,
        _ => SeatKind::Writing,
    };
    server.0.seats.take(kind, &user.user).await.map(Some)
}

/// The manager that managed fields name when a request does not: the start of its User-Agent (api-conventions §7).
pub(crate) fn default_manager(headers: &HeaderMap) -> String {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let manager: String = agent
        .split('/')
        .next()
        .unwrap_or_default()
        .chars()
        .take(128)
        .collect();
    if manager.is_empty() {
        "unknown".to_owned()
    } else {
        manager
    }
}
