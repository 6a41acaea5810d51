//! GET of a pod's `log`.

use std::future::ready;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use strongroom_objects::Status;
use strongroom_streams::upgrade::{Answer, refusal};
use strongroom_streams::websocket::Handshake;
use strongroom_streams::websocket::output::{self, Protocol};

use super::options::LogOptions;
use super::{Held, IDLE, ask, handshake, hold, location, not_spoken, spawn, upgrading};
use crate::authorization::Permission;
use crate::body::{Body, BrokenOff};
use crate::pipeline::Admitted;
use crate::respond;
use crate::routes::Target;

/// Answers with what a container wrote, as its node sends it.
pub async fn answer<B>(mut request: Admitted<'_, B>, target: Target) -> Result<Response<Body>, Box<Status>> {
    let options = LogOptions::parse(request.query, &target.name)?;
    let websocket = websocket(&request.headers)?;
    let server = request.server;
    let pod = location::pod(server, &target).await?;
    let container = location::container(&pod, options.container.as_deref())?;
    let path = format!(
        "/containerLogs/{}/{}/{container}{}",
        target.namespace, target.name, options.query
    );
    let Some(location) = location::location(server, &pod, path).await? else {
        let mut nothing = Response::new(Body::empty());
        *nothing.status_mut() = StatusCode::NO_CONTENT;
        return Ok(nothing);
    };
    let permission = Permission::new(&request);
    let asked = ask(server, &location, Method::GET, HeaderMap::new(), options.insecure).await;
    let answer = asked.map_err(|error| {
        let url = format!("https://{}{}", location.authority(), location.path_and_query);
        Box::new(Status::unclassified(&format!("Get {url:?}: {error}")))
    })?;
    let Answer::Other(response) = answer else {
        return Err(Box::new(Status::internal("the node does not answer with a log")));
    };
    if !(200..=206).contains(&response.status().as_u16()) {
        return Err(refused(response, &target.name).await);
    }
    if let Some((handshake, protocol)) = websocket {
        let upgrade = upgrading(&mut request)?;
        let held = hold(&mut request, permission, StatusCode::SWITCHING_PROTOCOLS).await?;
        spawn(upgrade, held, async move |client, mut held| {
            let pieces = pieces(response.into_body());
            // A client that does not read must not keep what it has lost the right to.
            tokio::select! {
                biased;
                _status = held.permission.lost() => {}
                () = output::send(client, protocol, IDLE, pieces) => {}
            }
        });
        return Ok(handshake.response(protocol.agreed()));
    }
    let held = hold(&mut request, permission, StatusCode::OK).await?;
    Ok(respond::answer(
        StatusCode::OK,
        "text/plain",
        Body::flowing(Flow::begin(response, held)),
    ))
}

/// The websocket that the client wants its log over, if it does.
fn websocket(headers: &HeaderMap) -> Result<Option<(Handshake, Protocol)>, Box<Status>> {
    let Some(handshake) = handshake(headers)? else {
        return Ok(None);
    };
    let protocol = Protocol::choose(handshake.offered()).ok_or_else(not_spoken)?;
    Ok(Some((handshake, protocol)))
}

/// The data of a node's answer; to a websocket its end is the end, complete or not.
fn pieces(body: Incoming) -> impl Stream<Item = Bytes> + Send {
    let frames = body.into_data_stream().take_while(|piece| ready(piece.is_ok()));
    frames.filter_map(|piece| ready(piece.ok()))
}

/// A log on its way.
struct Flow {
    body: Incoming,
    held: Held,
    ended: bool,
}

impl Flow {
    /// The pieces of the log; the last is an error where it is cut off.
    fn begin(
        response: Response<Incoming>,
        held: Held,
    ) -> impl Stream<Item = Result<Bytes, BrokenOff>> + Send {
        let flow = Self {
            body: response.into_body(),
            held,
            ended: false,
        };
        stream::unfold(flow, async |mut flow| {
            let piece = flow.next().await?;
            Some((piece, flow))
        })
    }

    async fn next(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        while !self.ended {
            let frame = tokio::select! {
                biased;
                _status = self.held.permission.lost() => {
                    // Text has no place for a Status: the client sees that the answer is cut off.
                    self.ended = true;
                    return Some(Err(BrokenOff("the right to read the log was lost".to_owned())));
                }
                frame = self.body.frame() => frame,
            };
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(BrokenOff(error.to_string())));
                }
                None => self.ended = true,
            }
        }
        None
    }
}

/// What a node refuses, as the client is told: its words, under the code it chose.
async fn refused(response: Response<Incoming>, pod: &str) -> Box<Status> {
    let code = response.status().as_u16();
    let text = refusal(response).await;
    Box::new(match code {
        400 => Status::bad_request(&text),
        404 => {
            let message = format!("the server could not find the requested resource ( pods/log {pod})");
            Status {
                message,
                ..Status::not_found("", "pods/log", pod)
            }
        }
        401 | 403 => Status::internal(&format!("the node does not let this server read logs: {text}")),
        429 => Status::too_many_requests(),
        _ => Status::internal(&text),
    })
}
