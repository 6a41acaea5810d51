//! WebSockets, the server's side (RFC 6455), as Kubernetes' clients use them for exec, attach and port-forward
//! (pods-and-kubelet §11.1).

pub mod channel;
pub mod output;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::stream::SplitStream;
use futures::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Response, StatusCode};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::Idle;

/// Largest message, in bytes, that a client may send. Ours have at most 32 KiB and a channel.
pub const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// RFC 6455 §1.3.
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How often a ping is sent, so that a connection that has broken is noticed while nothing else is said.
const PING_EVERY: Duration = Duration::from_secs(30);
/// How long the client may take to answer a Close.
const FAREWELL: Duration = Duration::from_secs(5);
/// Protocols that one client may offer.
const MAX_OFFERED: usize = 32;

/// A handshake that a client has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    accept: String,
    offered: Vec<String>,
}

/// A handshake that cannot be accepted: 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Another version than 13.
    #[error("the websocket handshake is not of version 13")]
    Version,
    /// No key, or one that is not 16 bytes in base64.
    #[error("the websocket handshake has no valid Sec-WebSocket-Key")]
    Key,
    /// More protocols than anybody speaks.
    #[error("the websocket handshake offers too many protocols")]
    TooManyProtocols,
}

impl Handshake {
    /// The handshake in a request's headers; `None` where the client asks for no websocket.
    ///
    /// # Errors
    /// [`HandshakeError`] for a handshake that is not of RFC 6455.
    pub fn read(headers: &HeaderMap) -> Result<Option<Self>, HandshakeError> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if !crate::upgrade::asks_for(headers, "websocket") {
            return Ok(None);
        }
        if text(SEC_WEBSOCKET_VERSION) != Some("13") {
            return Err(HandshakeError::Version);
        }
        let key = text(SEC_WEBSOCKET_KEY).ok_or(HandshakeError::Key)?;
        if STANDARD.decode(key).map(|key| key.len()) != Ok(16) {
            return Err(HandshakeError::Key);
        }
        let all = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let offered: Vec<String> = all
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|protocol| protocol.trim().to_owned())
            .filter(|protocol| !protocol.is_empty())
            .take(MAX_OFFERED + 1)
            .collect();
        if offered.len() > MAX_OFFERED {
            return Err(HandshakeError::TooManyProtocols);
        }
        Ok(Some(Self {
            accept: STANDARD.encode(Sha1::digest(format!("{key}{ACCEPT_SUFFIX}"))),
            offered,
        }))
    }

    /// The protocols that the client speaks, best first.
    pub fn offered(&self) -> &[String] {
        &self.offered
    }

    /// The 101 that completes the handshake.
    pub fn response<B: Default>(&self, protocol: Option<&str>) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(Ok(protocol)) = protocol.map(HeaderValue::from_str) {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }
}

/// A websocket that is open.
pub(crate) struct Socket<IO> {
    sink: Mutex<futures::stream::SplitSink<WebSocketStream<Idle<IO>>, Message>>,
    source: SplitStream<WebSocketStream<Idle<IO>>>,
}

/// The half that sends; several may use it at once.
pub(crate) struct Sender<'a, IO>(&'a Mutex<futures::stream::SplitSink<WebSocketStream<Idle<IO>>, Message>>);

/// The half that receives.
pub(crate) struct Receiver<'a, IO>(&'a mut SplitStream<WebSocketStream<Idle<IO>>>);

/// The client is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl<IO: AsyncRead + AsyncWrite + Unpin> Socket<IO> {
    /// The websocket on a connection that has been upgraded.
    pub async fn server(io: IO, idle_timeout: Duration) -> Self {
        let mut config = WebSocketConfig::default();
        config.max_message_size = Some(MAX_MESSAGE);
        config.max_frame_size = Some(MAX_MESSAGE);
        // Whoever sends waits until it is written: nothing gathers.
        config.write_buffer_size = 0;
        let io = Idle::new(io, idle_timeout);
        let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let (sink, source) = stream.split();
        Self {
            sink: Mutex::new(sink),
            source,
        }
    }

    /// Both halves.
    pub fn split(&mut self) -> (Sender<'_, IO>, Receiver<'_, IO>) {
        (Sender(&self.sink), Receiver(&mut self.source))
    }

    /// Says goodbye, and waits a little for the answer, so that the client reads everything that was sent.
    pub async fn close(mut self, code: CloseCode, reason: &str) {
        let frame = CloseFrame {
            code,
            reason: reason.to_owned().into(),
        };
        let farewell = async {
            let mut sink = self.sink.lock().await;
            if sink.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.source.next().await {}
            }
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Sender<'_, IO> {
    /// Sends one message; waits until the connection has taken it.
    pub async fn send(&self, message: Message) -> Result<(), Gone> {
        self.0.lock().await.send(message).await.map_err(|_| Gone)
    }

    /// Sends pings until the connection breaks.
    pub async fn ping(&self) -> Gone {
        loop {
            tokio::time::sleep(PING_EVERY).await;
            if let Err(gone) = self.send(Message::Ping(Bytes::new())).await {
                return gone;
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Receiver<'_, IO> {
    /// What the client sends next. Text and bytes are the same here. Pings are answered on the way. Cancel-safe.
    pub async fn next(&mut self) -> Result<Bytes, Gone> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
                Some(Ok(Message::Text(text))) => return Ok(text.into()),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Err(Gone),
                Some(Err(error)) => {
                    tracing::debug!(%error, "a websocket ended badly");
                    return Err(Gone);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
