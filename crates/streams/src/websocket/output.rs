//! What a client only reads, over a websocket: each piece is a message, and the end of the pieces the end of the
//! connection (`binary.k8s.io`).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{Gone, Socket};

/// How pieces are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    /// Its name; empty where none was agreed on.
    name: &'static str,
    /// Whether messages are text in base64, for clients that have no others.
    base64: bool,
}

const PROTOCOLS: [Protocol; 2] = [
    Protocol {
        name: "binary.k8s.io",
        base64: false,
    },
    Protocol {
        name: "base64.binary.k8s.io",
        base64: true,
    },
];

impl Protocol {
    /// The first of the `offered` protocols that is spoken here, bytes where none is offered; `None` when none of them
    /// is.
    pub fn choose(offered: &[String]) -> Option<Self> {
        if offered.is_empty() {
            return Some(Self {
                name: "",
                base64: false,
            });
        }
        let known = |name: &String| PROTOCOLS.iter().find(|protocol| protocol.name == name);
        offered.iter().find_map(known).copied()
    }

    /// The name that the handshake is answered with, if any.
    pub fn agreed(&self) -> Option<&'static str> {
        (!self.name.is_empty()).then_some(self.name)
    }

    fn message(self, piece: Bytes) -> Message {
        if self.base64 {
            Message::text(STANDARD.encode(piece))
        } else {
            Message::binary(piece)
        }
    }
}

/// Sends `pieces` until they end or the client is gone. The first message is empty: it tells that there will be others.
pub async fn send<IO: AsyncRead + AsyncWrite + Unpin>(
    io: IO,
    protocol: Protocol,
    idle_timeout: Duration,
    pieces: impl Stream<Item = Bytes>,
) {
    let mut socket = Socket::server(io, idle_timeout).await;
    let (sender, mut receiver) = socket.split();
    let sending = async {
        sender.send(protocol.message(Bytes::new())).await?;
        let mut pieces = std::pin::pin!(pieces);
        while let Some(piece) = pieces.next().await {
            sender.send(protocol.message(piece)).await?;
        }
        Ok::<(), Gone>(())
    };
    // What the client says means nothing; that it goes does.
    let leaving = async { while receiver.next().await.is_ok() {} };
    tokio::select! {
        sent = sending => if sent.is_ok() {
            socket.close(CloseCode::Normal, "").await;
        },
        () = leaving => {}
        _ = sender.ping() => {}
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    #[test]
    fn protocols() {
        let choose = |offered: &[&str]| {
            let offered: Vec<String> = offered.iter().map(|name| (*name).to_owned()).collect();
            Protocol::choose(&offered).map(|protocol| (protocol.agreed(), protocol.base64))
        };
        assert_eq!(choose(&[]), Some((None, false)));
        assert_eq!(
            choose(&["channel.k8s.io", "base64.binary.k8s.io", "binary.k8s.io"]),
            Some((Some("base64.binary.k8s.io"), true))
        );
        assert_eq!(choose(&["channel.k8s.io"]), None);
    }

    async fn received(protocol: &str) -> Vec<Message> {
        let (client, server) = tokio::io::duplex(1024);
        let protocol = Protocol::choose(&[protocol.to_owned()]).unwrap();
        let pieces = stream::iter([Bytes::from_static(b"one "), Bytes::from_static(b"\xfftwo")]);
        tokio::spawn(send(server, protocol, Duration::from_secs(10), pieces));
        let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        let messages = client.filter_map(async |message| message.ok());
        messages
            .filter(|message| std::future::ready(!message.is_close()))
            .collect()
            .await
    }

    #[tokio::test]
    async fn every_piece_is_a_message_and_the_end_is_a_close() {
        assert_eq!(
            received("binary.k8s.io").await,
            [
                Message::binary(&b""[..]),
                Message::binary(&b"one "[..]),
                Message::binary(&b"\xfftwo"[..])
            ]
        );
        assert_eq!(
            received("base64.binary.k8s.io").await,
            ["", "b25lIA==", "/3R3bw=="].map(Message::text)
        );
    }
}
