//! Connections that become something else: asking a server for it, and handing the bytes on.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};

use crate::Idle;
use crate::spdy;

/// The header in which SPDY's clients name the protocols of their streams, and servers the one they chose.
pub const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");
/// What a server is asked to upgrade to.
const SPDY: HeaderValue = HeaderValue::from_static("SPDY/3.1");
/// The protocol of a command's streams (version 4: a Status on the error stream).
pub const COMMAND_PROTOCOL: &str = "v4.channel.k8s.io";
/// The protocol of port-forward's streams.
pub const PORT_FORWARD_PROTOCOL: &str = "portforward.k8s.io";

/// How long a server may take to answer a request.
const ANSWER: Duration = Duration::from_secs(30);
/// Bytes that are on their way in each direction of a connection that is handed on.
const COPY: usize = 32 * 1024;
/// Largest text, in bytes, that is read of a refusal.
const MAX_REFUSAL: usize = 50_000;

/// A connection that has been upgraded, from here to a server.
pub type Connection = TokioIo<Upgraded>;

/// What a server answered.
pub enum Answer {
    /// It speaks the other protocol now. The response is its 101.
    Upgraded(Response<()>, Connection),
    /// Anything else.
    Other(Response<Incoming>),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The connection broke, or what came is no HTTP.
    #[error("the request could not be sent or answered: {0}")]
    Http(#[from] hyper::Error),
    /// It took too long.
    #[error("there was no answer in time")]
    Timeout,
    /// A 101 to another protocol than was asked for.
    #[error("the server chose a stream protocol that is not spoken here")]
    Protocol,
    /// The server does not want to; its words.
    #[error("unable to upgrade connection: {0}")]
    Refused(String),
}

/// Whether a request asks for an upgrade to `protocol`.
pub fn asks_for(headers: &HeaderMap, protocol: &str) -> bool {
    let lists = |name: HeaderName, wanted: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(wanted))
    };
    lists(CONNECTION, "upgrade") && lists(UPGRADE, protocol)
}

/// The headers of a request or of a 101 that mean something to the two ends of an upgraded connection. Credentials and
/// everything else stay behind.
pub fn stream_headers(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        let wanted = *name == CONNECTION
            || *name == UPGRADE
            || *name == STREAM_PROTOCOL
            || name.as_str().starts_with("sec-websocket-");
        if wanted {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// The headers of a request for SPDY with streams of `protocol`.
pub fn spdy_headers(protocol: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, SPDY);
    headers.insert(STREAM_PROTOCOL, HeaderValue::from_static(protocol));
    headers
}

/// Sends one request over a connection.
///
/// # Errors
/// [`RequestError::Http`] and [`RequestError::Timeout`].
pub async fn send<IO>(io: IO, request: Request<Empty<Bytes>>) -> Result<Answer, RequestError>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let exchange = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to a server of streams ended badly");
            }
        });
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Answer::Other(response));
        }
        let mut head = Response::new(());
        *head.status_mut() = response.status();
        head.headers_mut().clone_from(response.headers());
        let upgraded = hyper::upgrade::on(response).await?;
        Ok(Answer::Upgraded(head, TokioIo::new(upgraded)))
    };
    tokio::time::timeout(ANSWER, exchange)
        .await
        .map_err(|_| RequestError::Timeout)?
}

/// Sends a request for SPDY, made with [`spdy_headers`], and becomes a client.
///
/// # Errors
/// [`RequestError`]; a refusal's text is what the server said.
pub async fn spdy<IO>(
    io: IO,
    request: Request<Empty<Bytes>>,
    limits: spdy::Limits,
) -> Result<spdy::Connection, RequestError>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let protocol = request.headers().get(STREAM_PROTOCOL).cloned();
    match send(io, request).await? {
        Answer::Upgraded(head, connection) if head.headers().get(STREAM_PROTOCOL) == protocol.as_ref() => {
            Ok(spdy::client(connection, limits))
        }
        Answer::Upgraded(..) => Err(RequestError::Protocol),
        Answer::Other(response) => Err(RequestError::Refused(refusal(response).await)),
    }
}

/// The text of a refusal, at most 50,000 bytes of it; the status where there is none.
pub async fn refusal(response: Response<Incoming>) -> String {
    use http_body_util::BodyExt as _;
    let status = response.status();
    let mut body = response.into_body();
    let mut text = Vec::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            if let Some(data) = frame.data_ref() {
                text.extend_from_slice(&data[..data.len().min(MAX_REFUSAL - text.len())]);
            }
            if text.len() == MAX_REFUSAL {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(ANSWER, reading).await;
    let text = String::from_utf8_lossy(&text).trim_end().to_owned();
    if text.is_empty() { status.to_string() } else { text }
}

/// Hands bytes on in both directions until both have ended, one breaks, nothing flows for `idle_timeout`, or `until`
/// completes.
pub async fn hand_on(
    one: impl AsyncRead + AsyncWrite + Unpin,
    other: impl AsyncRead + AsyncWrite + Unpin,
    idle_timeout: Duration,
    until: impl Future<Output = ()>,
) {
    // Whatever flows is either read from this side or written to it.
    let mut one = Idle::new(one, idle_timeout);
    let mut other = other;
    tokio::select! {
        copied = copy_bidirectional_with_sizes(&mut one, &mut other, COPY, COPY) => {
            if let Err(error) = copied {
                tracing::debug!(%error, "a connection that was handed on ended badly");
            }
        }
        () = until => {}
    }
}
