//! What a pod says and does: `log`, `exec`, `attach` and `portforward` (pods-and-kubelet §11). The pod's node answers;
//! this server finds it, speaks to it under its own name, and ends what lasts when the right to it is lost.

mod command;
mod location;
mod log;
mod nodes;
mod options;
mod ports;

use std::future::Future;
use std::time::Duration;

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use strongroom_objects::Status;
use strongroom_streams::upgrade::{self, Answer, RequestError, asks_for, hand_on, stream_headers};
use strongroom_streams::websocket::Handshake;

use self::location::Location;
use crate::authorization::{Permission, authorize_now};
use crate::body::Body;
use crate::limits::Seat;
use crate::metrics::OpenConnection;
use crate::pipeline::Admitted;
use crate::respond;
use crate::routes::Target;
use crate::server::ApiServer;
use crate::trail::TellEnd;

pub use nodes::{NodeTls, NodeTlsError};

/// How long nothing may flow through a command's or port's connection.
const IDLE: Duration = strongroom_streams::IDLE_TIMEOUT;

/// Answers a request for one of the four subresources.
pub(crate) async fn answer<B>(
    request: Admitted<'_, B>,
    target: Target,
) -> Result<Response<Body>, Box<Status>> {
    match target.subresource.as_str() {
        "log" => log::answer(request, target).await,
        "portforward" => ports::answer(request, target).await,
        _ => command::answer(request, target).await,
    }
}

/// What a connection has for as long as it is open.
struct Held {
    permission: Permission,
    _end: TellEnd,
    _seat: Option<Seat>,
    _measured: OpenConnection,
}

/// What an answer with status `code` to `request` holds while it lasts; the audit log is told that it begins.
async fn hold<B>(
    request: &mut Admitted<'_, B>,
    permission: Permission,
    code: StatusCode,
) -> Result<Held, Box<Status>> {
    request.trail.started(request.server, code.as_u16()).await?;
    Ok(Held {
        permission,
        _end: request.trail.until_end(request.server, code.as_u16()),
        _seat: request.seat.take(),
        _measured: request.server.0.metrics.connection(request.info),
    })
}

/// What a client wants its connection to become.
enum Wanted {
    /// SPDY, which is handed on as it is.
    Spdy,
    /// A websocket, which ends here.
    Websocket(Handshake),
}

/// How the client's connection is upgraded.
///
/// # Errors
/// 400 for a client that does not ask for it, or not in a way that is spoken here.
fn wanted<B>(request: &mut Admitted<'_, B>) -> Result<(Wanted, OnUpgrade), Box<Status>> {
    let wanted = match handshake(&request.headers)? {
        Some(handshake) => Wanted::Websocket(handshake),
        None if asks_for(&request.headers, "SPDY/3.1") => Wanted::Spdy,
        None => return Err(bad("Upgrade request required")),
    };
    Ok((wanted, upgrading(request)?))
}

/// The websocket handshake that the client has begun, if it has.
fn handshake(headers: &HeaderMap) -> Result<Option<Handshake>, Box<Status>> {
    Handshake::read(headers).map_err(|error| bad(&error.to_string()))
}

/// The client's connection once it is upgraded.
fn upgrading<B>(request: &mut Admitted<'_, B>) -> Result<OnUpgrade, Box<Status>> {
    let upgrade = request.upgrade.take();
    upgrade.ok_or_else(|| bad("Upgrade request required"))
}

fn not_spoken() -> Box<Status> {
    bad("none of the websocket's protocols is spoken here")
}

fn bad(text: &str) -> Box<Status> {
    Box::new(Status::bad_request(text))
}

/// The right to connect. Whoever comes by GET needs `create`, too, as those who come by POST do (since 1.35).
async fn connecting<B>(request: &mut Admitted<'_, B>) -> Result<Permission, Box<Status>> {
    const VERB: &str = "create";
    if request.info.verb != VERB {
        let decided = authorize_now(request.server, request.user, request.info, request.query, VERB).await;
        decided.map_err(|refused| {
            request.trail.authorized(false, refused.reason);
            refused.status
        })?;
    }
    Ok(Permission::new(request).to(VERB))
}

/// Asks a node.
///
/// # Errors
/// [`NodeError`] when it cannot be reached or does not answer.
async fn ask(
    server: &ApiServer,
    location: &Location,
    method: Method,
    headers: HeaderMap,
    insecure: bool,
) -> Result<Answer, NodeError> {
    let stream = nodes::dial(server, location, insecure)
        .await
        .map_err(NodeError::Dial)?;
    Ok(upgrade::send(stream, node_request(location, method, headers)?).await?)
}

fn node_request(
    location: &Location,
    method: Method,
    headers: HeaderMap,
) -> Result<Request<Empty<bytes::Bytes>>, NodeError> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = method;
    *request.uri_mut() = location.path_and_query.parse().map_err(|_| NodeError::Location)?;
    *request.headers_mut() = headers;
    let host = HeaderValue::from_str(&location.authority()).map_err(|_| NodeError::Location)?;
    request.headers_mut().insert(HOST, host);
    Ok(request)
}

/// Why a node has not answered.
#[derive(Debug, thiserror::Error)]
enum NodeError {
    /// It cannot be reached.
    #[error("{0}")]
    Dial(nodes::DialError),
    /// It can, but does not answer as it should.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Names that make no URL.
    #[error("the names of the pod and its node make no address")]
    Location,
}

/// The answer to a client whose connection could not be handed on.
fn not_connected(error: &NodeError) -> Box<Status> {
    Box::new(Status::unclassified(&format!("error dialing backend: {error}")))
}

/// Hands a client's SPDY on to a node, or answers what the node answers.
async fn hand_spdy_on<B>(
    request: &mut Admitted<'_, B>,
    location: &Location,
    upgrade: OnUpgrade,
    permission: Permission,
) -> Result<Response<Body>, Box<Status>> {
    let headers = stream_headers(&request.headers);
    let asked = ask(request.server, location, request.method.clone(), headers, false).await;
    match asked.map_err(|error| not_connected(&error))? {
        Answer::Other(refusal) => Ok(relayed(refusal).await),
        Answer::Upgraded(head, node) => {
            let mut held = hold(request, permission, StatusCode::SWITCHING_PROTOCOLS).await?;
            tokio::spawn(async move {
                let Ok(client) = upgrade.await else { return };
                let revoked = async { drop(held.permission.lost().await) };
                hand_on(TokioIo::new(client), node, IDLE, revoked).await;
            });
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            *response.headers_mut() = stream_headers(head.headers());
            Ok(response)
        }
    }
}

/// What a node said instead of upgrading, for the client.
async fn relayed(refusal: Response<hyper::body::Incoming>) -> Response<Body> {
    let code = refusal.status();
    let code = if code.is_client_error() || code.is_server_error() {
        code
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    respond::text(code, upgrade::refusal(refusal).await)
}

/// Runs `serve` on the client's connection once it is upgraded, for as long as the permission lasts.
fn spawn<F, S>(upgrade: OnUpgrade, held: Held, serve: S)
where
    F: Future<Output = ()> + Send,
    S: FnOnce(TokioIo<hyper::upgrade::Upgraded>, Held) -> F + Send + 'static,
{
    tokio::spawn(async move {
        match upgrade.await {
            Ok(client) => serve(TokioIo::new(client), held).await,
            Err(error) => tracing::debug!(%error, "a client's connection was not upgraded"),
        }
    });
}
