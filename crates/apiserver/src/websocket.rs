//! Watches over a websocket: one message for each event (api-conventions §11).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, HeaderMap, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use strongroom_objects::Status;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::body::Body;
use crate::event_frame::Framing;
use crate::watch::Watching;

/// RFC 6455 §1.3.
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// A watcher has nothing to say: what it sends is read and dropped, and may not be large.
const MAX_INCOMING: usize = 64 * 1024;

/// A handshake that the client has begun.
pub(crate) enum Handshake {
    /// The connection becomes a websocket.
    Accepted {
        upgrade: OnUpgrade,
        accept: String,
        protocol: Option<String>,
    },
    /// Browsers must say where they come from; what does not is refused with an empty 403.
    NoOrigin,
}

/// The handshake in `headers`; `None` where the client asked for none.
pub(crate) fn handshake(
    headers: &HeaderMap,
    upgrade: Option<OnUpgrade>,
) -> Result<Option<Handshake>, Box<Status>> {
    let text = |name: &http::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let asks = text(&UPGRADE).is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
        && text(&CONNECTION).is_some_and(|connection| connection.to_ascii_lowercase().contains("upgrade"));
    if !asks {
        return Ok(None);
    }
    if headers.get(ORIGIN).is_none() {
        return Ok(Some(Handshake::NoOrigin));
    }
    let (Some(key), Some(upgrade)) = (text(&SEC_WEBSOCKET_KEY), upgrade) else {
        return Err(Box::new(Status::bad_request(
            "the websocket handshake has no Sec-WebSocket-Key",
        )));
    };
    let accept = STANDARD.encode(Sha1::digest(format!("{key}{ACCEPT_SUFFIX}")));
    let protocol = text(&SEC_WEBSOCKET_PROTOCOL)
        .and_then(|all| all.split(',').next())
        .map(|one| one.trim().to_owned());
    Ok(Some(Handshake::Accepted {
        upgrade,
        accept,
        protocol,
    }))
}

impl Handshake {
    /// Answers the handshake; the watch goes on over the upgraded connection.
    pub(crate) fn serve(self, watching: Watching) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        let Self::Accepted {
            upgrade,
            accept,
            protocol,
        } = self
        else {
            *response.status_mut() = StatusCode::FORBIDDEN;
            return response;
        };
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Ok(accept) = HeaderValue::from_str(&accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(protocol) = protocol.and_then(|protocol| HeaderValue::from_str(&protocol).ok()) {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        tokio::spawn(async move {
            if let Err(error) = run(upgrade, watching).await {
                tracing::debug!(%error, "a websocket ended badly");
            }
        });
        response
    }
}

async fn run(
    upgrade: OnUpgrade,
    mut watching: Watching,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let connection = TokioIo::new(upgrade.await?);
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(MAX_INCOMING);
    config.max_frame_size = Some(MAX_INCOMING);
    let mut socket = WebSocketStream::from_raw_socket(connection, Role::Server, Some(config)).await;
    let framing = watching.framing();
    loop {
        tokio::select! {
            frame = watching.next_frame() => match frame {
                Some(frame) => socket.send(message(framing, frame)?).await?,
                None => break,
            },
            incoming = socket.next() => match incoming {
                Some(Ok(message)) if !message.is_close() => {}
                Some(Ok(_)) => return answer_close(socket).await,
                _ => return Ok(()),
            },
        }
    }
    socket.close(None).await?;
    Ok(())
}

/// The library has the answering Close frame ready; reading to the end sends it.
async fn answer_close<S>(
    mut socket: WebSocketStream<S>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(_)) = socket.next().await {}
    socket.get_mut().shutdown().await?;
    Ok(())
}

fn message(framing: Framing, frame: Bytes) -> Result<Message, std::str::Utf8Error> {
    Ok(match framing {
        Framing::Json => Message::text(std::str::from_utf8(&frame)?.trim_end()),
        // The websocket delimits messages: the length in front is not needed.
        Framing::Protobuf => Message::binary(frame.slice(4..)),
    })
}
