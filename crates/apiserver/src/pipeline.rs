//! The way of a request. [`answer`] is the order of the stages; read it first.

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Response};
use strongroom_access::{Attributes, Decision, Identity, forbidden_message};
use strongroom_objects::Status;
use strongroom_resources::options::Query;

use crate::body::{Body, RequestBody};
use crate::limits::{Seat, SeatKind};
use crate::negotiation::wants_pretty;
use crate::request_info::{RequestInfo, path_verb};
use crate::respond;
use crate::routes;
use crate::server::ApiServer;

/// What the connection says about its peer.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Who the peer's certificate names; `None` without one.
    pub certificate: Option<Identity>,
}

/// A request that has passed every gate: it may be answered.
pub(crate) struct Admitted<'a, B> {
    pub server: &'a ApiServer,
    pub info: &'a RequestInfo,
    pub query: &'a Query,
    pub headers: HeaderMap,
    pub method: Method,
    pub body: B,
    /// Held until the answer has been made; answers that flow take it along.
    pub seat: Option<Seat>,
    /// Where an upgraded connection comes out.
    pub upgrade: Option<hyper::upgrade::OnUpgrade>,
}

impl<B> Admitted<'_, B> {
    /// A header's value, if it is text.
    pub fn header(&self, name: &http::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Answers one request: who is it, may they, is there room, and only then what do they want.
pub async fn answer<B>(server: &ApiServer, peer: &Peer, mut request: Request<B>) -> Response<Body>
where
    B: RequestBody,
{
    let upgrade = request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let info = RequestInfo::new(&parts.method, parts.uri.path(), &query);
    let accept = parts
        .headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let text = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let pretty = wants_pretty(query.get("pretty"), text(USER_AGENT));
    let accept_encoding = text(ACCEPT_ENCODING).map(str::to_owned);
    let measured = server.0.metrics.start(&info);
    let deadline = server.0.limits.request_timeout;

    let stages = async {
        let user = authenticate(peer, &parts.headers)?;
        authorize(server, &user, &info, &query, &parts.method)?;
        let seat = take_seat(server, &user, &info).await?;
        let headers = parts.headers;
        let method = parts.method;
        let request = Admitted {
            server,
            info: &info,
            query: &query,
            headers,
            method,
            body,
            seat,
            upgrade,
        };
        routes::dispatch(request).await
    };
    let outcome = match tokio::time::timeout(deadline, stages).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Box::new(Status::timeout(
            "request did not complete within the allotted timeout",
        ))),
    };
    let mut response = outcome.unwrap_or_else(|status| respond::status(&status, accept.as_deref(), pretty));
    respond::compress_if_large(&mut response, accept_encoding.as_deref());
    if let Ok(id) = HeaderValue::from_str(&crate::random::uuid()) {
        response.headers_mut().insert("audit-id", id);
    }
    measured.finish(&response);
    response
}

/// Certificates until tokens arrive: a bearer token that nobody knows is refused, no credentials are anonymous
/// (auth §2).
fn authenticate(peer: &Peer, headers: &HeaderMap) -> Result<Identity, Box<Status>> {
    if let Some(identity) = &peer.certificate {
        return Ok(identity.clone());
    }
    let header = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.starts_with(' ') {
        return Err(Box::new(Status::unauthorized()));
    }
    Ok(Identity::anonymous())
}

fn authorize(
    server: &ApiServer,
    user: &Identity,
    info: &RequestInfo,
    query: &Query,
    method: &Method,
) -> Result<(), Box<Status>> {
    let path_verb = path_verb(method);
    let attributes = Attributes {
        user,
        verb: if info.is_resource { info.verb } else { &path_verb },
        namespace: &info.namespace,
        api_group: &info.group,
        api_version: &info.version,
        resource: &info.resource,
        subresource: &info.subresource,
        name: &info.name,
        path: &info.path,
        is_resource_request: info.is_resource,
        field_selector: query.get("fieldSelector"),
        label_selector: query.get("labelSelector"),
    };
    let reason = match server.0.authorizer.authorize(&attributes) {
        Decision::Allow { .. } => return Ok(()),
        Decision::NoOpinion { reason } | Decision::Deny { reason } => reason,
    };
    let message = forbidden_message(&attributes, &reason);
    Err(Box::new(Status::forbidden_with(
        &info.group,
        &info.resource,
        &info.name,
        &message,
    )))
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
