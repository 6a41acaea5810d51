//! Commands and ports: the runtime's streaming server does the work, bytes are handed on (pods-and-kubelet §11.1).

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Full};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use strongroom_streams::remote_command::Streams;
use strongroom_streams::upgrade::{self, Answer, asks_for, hand_on, stream_headers};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use crate::answer::{Body, Refusal, empty, text};
use crate::metrics::OpenStream;
use crate::node::Refused;
use crate::requests::{Query, Request, Target};

/// How long the runtime's streaming server may take to accept a connection; it is on this machine.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(5);
/// Longest command, in bytes of all its words.
const MAX_COMMAND: usize = 64 * 1024;

/// Runs a command in a container.
pub async fn exec(request: Request, target: Target<'_>) -> Response<Body> {
    let answered = async {
        let streams = wanted_streams(&request.query)?;
        let container = running_container(&request, target)?;
        let command: Vec<String> = request.query.all("command").map(str::to_owned).collect();
        if command.iter().map(String::len).sum::<usize>() > MAX_COMMAND {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "the command is too long"));
        }
        let place = take_place(&request, "exec")?;
        let location = request.server.node.exec(&container, &command, streams).await;
        Ok((location.map_err(refused)?, place))
    };
    connect(answered.await, request).await
}

/// Connects to a container's own process.
pub async fn attach(request: Request, target: Target<'_>) -> Response<Body> {
    let answered = async {
        let mut streams = wanted_streams(&request.query)?;
        let container = running_container(&request, target)?;
        // The process has a terminal or has not, whatever the caller thinks.
        streams.tty = has_terminal(&request, target);
        streams.stderr &= !streams.tty;
        let place = take_place(&request, "attach")?;
        let location = request.server.node.attach(&container, streams).await;
        Ok((location.map_err(refused)?, place))
    };
    connect(answered.await, request).await
}

/// Connects to ports of a pod.
pub async fn port_forward(request: Request, target: Target<'_>) -> Response<Body> {
    let answered = async {
        let pod = request.server.node.pod(target.namespace, target.pod);
        let pod = pod.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "pod does not exist"))?;
        if target.uid.is_some() && target.uid != pod.metadata.uid.as_deref() {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "pod not found"));
        }
        let ports: Vec<u16> = request
            .query
            .all("port")
            .flat_map(|value| value.split(','))
            .filter_map(|port| port.parse().ok())
            .take(strongroom_streams::port_forward::MAX_PORTS)
            .collect();
        let place = take_place(&request, "portForward")?;
        let location = request.server.node.port_forward(&pod, &ports).await;
        Ok((location.map_err(refused)?, place))
    };
    connect(answered.await, request).await
}

type Place = (OwnedSemaphorePermit, OpenStream);

fn take_place(request: &Request, path: &'static str) -> Result<Place, Refusal> {
    let asks = asks_for(&request.headers, "SPDY/3.1") || asks_for(&request.headers, "websocket");
    if !asks || request.upgrade.is_none() {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "Upgrade request required"));
    }
    let server = &request.server;
    let permit = std::sync::Arc::clone(&server.streams).try_acquire_owned();
    let permit =
        permit.map_err(|_| Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many streams are open"))?;
    Ok((permit, server.metrics.open(path)))
}

/// Connects the caller to where the runtime said, or answers why not.
async fn connect(answered: Result<(Uri, Place), Refusal>, request: Request) -> Response<Body> {
    let (location, place) = match answered {
        Ok(answered) => answered,
        Err(refusal) => return refusal.into(),
    };
    match hand_over(&location, request, place).await {
        Ok(response) => response,
        Err(problem) => {
            tracing::warn!(problem, "the runtime's streaming server does not stream");
            text(StatusCode::INTERNAL_SERVER_ERROR, problem)
        }
    }
}

async fn hand_over(location: &Uri, mut request: Request, place: Place) -> Result<Response<Body>, String> {
    let (host, port) = match (location.scheme_str(), location.host(), location.port_u16()) {
        (Some("http"), Some(host), Some(port)) => (host, port),
        _ => return Err("the runtime gave an address that is not http://host:port".to_owned()),
    };
    let host = host.trim_matches(['[', ']']);
    let connected = tokio::time::timeout(CONNECT, TcpStream::connect((host, port))).await;
    let stream = match connected {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(format!("error dialing backend: {error}")),
        Err(_) => return Err("error dialing backend: no answer in time".to_owned()),
    };
    let _ = stream.set_nodelay(true);
    let path = location.path_and_query().map_or("/", |path| path.as_str());
    let authority = location.authority().map_or("", |authority| authority.as_str());
    let mut onward = http::Request::new(Empty::<Bytes>::new());
    *onward.method_mut() = request.method.clone();
    *onward.uri_mut() = path.parse().map_err(|_| "the runtime gave no path".to_owned())?;
    *onward.headers_mut() = stream_headers(&request.headers);
    if let Ok(authority) = HeaderValue::from_str(authority) {
        onward.headers_mut().insert(HOST, authority);
    }
    match upgrade::send(stream, onward).await {
        Ok(Answer::Upgraded(head, onward)) => {
            let Some(caller) = request.upgrade.take() else {
                return Err("this connection cannot be upgraded".to_owned());
            };
            let mut response = Response::new(empty());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            *response.headers_mut() = stream_headers(head.headers());
            let server = std::sync::Arc::clone(&request.server);
            tokio::spawn(async move {
                let _place = place;
                let Ok(caller) = caller.await else { return };
                let caller = hyper_util::rt::TokioIo::new(caller);
                let stopping = server.stopping.cancelled();
                hand_on(caller, onward, server.limits.idle_timeout, stopping).await;
            });
            Ok(response)
        }
        Ok(Answer::Other(response)) => {
            let code = response.status();
            let mut refusal =
                Response::new(Full::new(Bytes::from(upgrade::refusal(response).await)).boxed_unsync());
            *refusal.status_mut() = if code.is_client_error() || code.is_server_error() {
                code
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            };
            Ok(refusal)
        }
        Err(error) => Err(error.to_string()),
    }
}

fn wanted_streams(query: &Query) -> Result<Streams, Refusal> {
    let tty = query.flag("tty");
    let streams = Streams {
        stdin: query.flag("input"),
        stdout: query.flag("output"),
        stderr: query.flag("error") && !tty,
        tty,
    };
    if streams.stdin || streams.stdout || streams.stderr {
        return Ok(streams);
    }
    let problem = "you must specify at least 1 of stdin, stdout, stderr";
    Err(Refusal::new(StatusCode::BAD_REQUEST, problem))
}

/// The bare id of the running container that a path names.
fn running_container(request: &Request, target: Target<'_>) -> Result<String, Refusal> {
    let pod = request.server.node.pod(target.namespace, target.pod);
    let pod = pod.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "pod does not exist"))?;
    let same = target.uid.is_none() || target.uid == pod.metadata.uid.as_deref();
    let id = same.then(|| running(&pod, target.container)).flatten();
    id.ok_or_else(|| {
        let problem = format!("container not found ({:?})", target.container);
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, problem)
    })
}

fn has_terminal(request: &Request, target: Target<'_>) -> bool {
    let pod = request.server.node.pod(target.namespace, target.pod);
    let spec = pod.as_ref().and_then(|pod| pod.spec.as_ref());
    let containers = spec.into_iter().flat_map(|spec| &spec.containers);
    containers
        .filter(|container| container.name == target.container)
        .any(|container| container.tty == Some(true))
}

fn running(pod: &Pod, container: &str) -> Option<String> {
    let found = statuses(pod).find(|status| status.name == container)?;
    found.state.as_ref()?.running.as_ref()?;
    Some(bare(found.container_id.as_deref()?).to_owned())
}

/// The statuses of all of a pod's containers.
pub fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.iter();
    status.flat_map(|status| {
        let lists = [
            &status.container_statuses,
            &status.init_container_statuses,
            &status.ephemeral_container_statuses,
        ];
        lists.into_iter().flatten().flatten()
    })
}

/// A container's id without the name of its runtime.
pub fn bare(id: &str) -> &str {
    id.split_once("://").map_or(id, |(_, id)| id)
}

fn refused(refused: Refused) -> Refusal {
    let code = match &refused {
        Refused::NotFound(_) => StatusCode::NOT_FOUND,
        Refused::Exhausted(_) => StatusCode::TOO_MANY_REQUESTS,
        Refused::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Refusal::new(code, refused.to_string())
}
