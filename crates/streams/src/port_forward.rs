//! Ports of a pod for a client on a websocket (pods-and-kubelet §11.1): SPDY tunnelled through its messages, or a pair
//! of channels for each port.

use std::future::Future;
use std::time::Duration;

use futures::future::{join_all, select};
use futures::pin_mut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::spdy::{Connection, Headers, SpdyError, StreamReader, StreamWriter};
use crate::websocket::channel::Protocol;
use crate::websocket::{Gone, Receiver, Sender, Socket};

/// The protocol in which every message is a piece of a SPDY connection.
pub const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
/// The older one, whose channels are those of version 4.
pub const CHANNELS: &str = "portforward.k8s.io";
/// Ports that one client may ask for: each has two channels, and 255 is taken.
pub const MAX_PORTS: usize = 127;
/// Bytes of one message.
const PIECE: usize = 32 * 1024;
/// Largest text, in bytes, of what went wrong with a port.
const MAX_ERROR: usize = 16 * 1024;

/// Tunnels `upstream` (a SPDY connection, which is not looked into) through a websocket, until either is gone or
/// `revoked` completes.
pub async fn tunnel<IO>(
    io: IO,
    upstream: impl AsyncRead + AsyncWrite + Unpin,
    idle_timeout: Duration,
    revoked: impl Future<Output = ()>,
) where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut socket = Socket::server(io, idle_timeout).await;
    let (sender, mut receiver) = socket.split();
    let (mut input, mut output) = tokio::io::split(crate::Idle::new(upstream, idle_timeout));
    let there = async {
        loop {
            let Ok(message) = receiver.next().await else {
                return;
            };
            if output.write_all(&message).await.is_err() || output.flush().await.is_err() {
                return;
            }
        }
    };
    let back = async {
        let mut buffer = bytes::BytesMut::new();
        loop {
            buffer.reserve(PIECE);
            match input.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let message = Message::Binary(buffer.split().freeze());
            if sender.send(message).await.is_err() {
                return;
            }
        }
    };
    let code = tokio::select! {
        () = there => CloseCode::Normal,
        () = back => CloseCode::Normal,
        _gone = sender.ping() => CloseCode::Normal,
        () = revoked => CloseCode::Policy,
    };
    socket.close(code, "").await;
}

/// Brings the ports behind `connection` to a client with a pair of channels for each: data on `2n`, what went wrong on
/// `2n + 1`, where `n` counts `ports`. Each channel begins with its port in two bytes, the low one first.
pub async fn bridge<IO>(
    io: IO,
    protocol: Protocol,
    ports: &[u16],
    idle_timeout: Duration,
    connection: Connection,
    revoked: impl Future<Output = ()>,
) where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut socket = Socket::server(io, idle_timeout).await;
    let (sender, mut receiver) = socket.split();
    let forwarding = run(&sender, &mut receiver, protocol, ports, &connection);
    let code = tokio::select! {
        ended = forwarding => ended.map(|()| CloseCode::Normal),
        gone = sender.ping() => Err(gone),
        () = revoked => Ok(CloseCode::Policy),
    };
    if let Ok(code) = code {
        socket.close(code, "").await;
    }
}

async fn run<IO>(
    sender: &Sender<'_, IO>,
    receiver: &mut Receiver<'_, IO>,
    protocol: Protocol,
    ports: &[u16],
    connection: &Connection,
) -> Result<(), Gone>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut writers = Vec::new();
    let mut readers = Vec::new();
    for (index, port) in ports.iter().enumerate().take(MAX_PORTS) {
        let channel = index as u8 * 2;
        for channel in [channel, channel + 1] {
            sender.send(protocol.encode(channel, &port.to_le_bytes())).await?;
        }
        match open(connection, *port, index).await {
            Ok((reader, writer, errors)) => {
                writers.push(Some(writer));
                readers.push((channel, reader, errors));
            }
            Err(error) => {
                let text = format!("error forwarding port {port}: {error}");
                sender.send(protocol.encode(channel + 1, text.as_bytes())).await?;
                writers.push(None);
            }
        }
    }
    let outputs = readers
        .into_iter()
        .map(async |(channel, mut reader, mut errors)| {
            while let Some(data) = reader.next().await {
                sender.send(protocol.encode(channel, &data)).await?;
            }
            let text = errors.collect(MAX_ERROR).await;
            if !text.is_empty() {
                sender.send(protocol.encode(channel + 1, &text)).await?;
            }
            Ok::<_, Gone>(())
        });
    let output = join_all(outputs);
    let input = async {
        loop {
            let Ok(message) = receiver.next().await else {
                return;
            };
            let Some((channel, data)) = protocol.decode(message) else {
                continue;
            };
            let writer = writers.get_mut(usize::from(channel / 2)).and_then(Option::as_mut);
            // Nothing is sent on channels of errors, and a port that is closed takes nothing.
            if let Some(writer) = writer.filter(|_| channel % 2 == 0) {
                let _ = writer.send(data).await;
            }
        }
    };
    pin_mut!(output, input);
    select(output, input).await;
    Ok(())
}

/// Opens the two streams of one connection to a port.
async fn open(
    connection: &Connection,
    port: u16,
    request: usize,
) -> Result<(StreamReader, StreamWriter, StreamReader), SpdyError> {
    let headers = |kind: &str| {
        Headers::new()
            .with("streamtype", kind)
            .with("port", port.to_string())
            .with("requestid", request.to_string())
    };
    let (errors, mut nothing) = connection.open(headers("error")).await?;
    nothing.finish().await?;
    let (reader, writer) = connection.open(headers("data")).await?;
    Ok((reader, writer, errors))
}

/// The first of the `offered` protocols with channels that ports are forwarded by; `None` when none of them is.
pub fn choose(offered: &[String]) -> Option<Protocol> {
    if offered.is_empty() {
        return Protocol::choose(offered);
    }
    let of = |name: &String| match name.as_str() {
        CHANNELS => Some(Protocol {
            name: CHANNELS,
            version: 4,
            base64: false,
        }),
        _ => Protocol::choose(std::slice::from_ref(name)).filter(|protocol| protocol.version == 4),
    };
    offered.iter().find_map(of)
}

/// The ports of a query's `ports` values, each a list with commas.
///
/// # Errors
/// The text that is no port, or a remark on how many there are.
pub fn parse_ports<'a>(values: impl Iterator<Item = &'a str>) -> Result<Vec<u16>, PortsError> {
    let mut ports = Vec::new();
    for text in values.flat_map(|value| value.split(',')) {
        let text = text.trim();
        let port = text.parse::<u16>().ok().filter(|port| *port != 0);
        ports.push(port.ok_or_else(|| PortsError::Port(text.to_owned()))?);
        if ports.len() > MAX_PORTS {
            return Err(PortsError::TooMany);
        }
    }
    if ports.is_empty() {
        return Err(PortsError::None);
    }
    Ok(ports)
}

/// What is wrong with the ports that a client asks for: 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    /// No number from 1 to 65535.
    #[error("unable to parse {0:?} as a port")]
    Port(String),
    /// None at all.
    #[error("query parameter \"ports\" is required")]
    None,
    /// More than there are channels for.
    #[error("more than {MAX_PORTS} ports")]
    TooMany,
}
