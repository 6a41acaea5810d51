//! A command's streams: a client on a websocket, the process behind SPDY (pods-and-kubelet §11.1).

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::spdy::{Connection, Headers, SpdyError, StreamReader, StreamWriter};
use crate::websocket::channel::{CLOSE, ERROR, Protocol, RESIZE, STDERR, STDIN, STDOUT};
use crate::websocket::{Gone, Receiver, Sender, Socket};

/// Largest Status, in bytes, of how a command ended.
const MAX_STATUS: usize = 64 * 1024;
/// How long a client may take to read why it is cut off.
const FAREWELL: Duration = Duration::from_secs(5);
/// Largest size of a terminal, in bytes of JSON.
const MAX_RESIZE: usize = 1024;

/// Which streams of a process are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streams {
    /// Its input.
    pub stdin: bool,
    /// Its output.
    pub stdout: bool,
    /// Its error output; a terminal has none of its own.
    pub stderr: bool,
    /// Whether it has a terminal.
    pub tty: bool,
}

/// Why a command's streams end before it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Something did not work: told as `Internal error occurred: …`.
    Internal(String),
    /// A Status, in JSON: the right to go on was lost.
    Status(String),
}

/// Brings a client and a process together until the process has ended, the client is gone, or `revoked` completes.
/// `connect` reaches the process; what it cannot reach is told on the error channel.
pub async fn bridge<IO>(
    io: IO,
    protocol: Protocol,
    streams: Streams,
    idle_timeout: Duration,
    connect: impl Future<Output = Result<Connection, String>>,
    revoked: impl Future<Output = String>,
) where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut socket = Socket::server(io, idle_timeout).await;
    let (sender, mut receiver) = socket.split();
    let sender = Channels { sender, protocol };
    let command = async {
        sender.announce(streams).await?;
        let outcome = match connect.await {
            Ok(connection) => run(&connection, &sender, &mut receiver, streams).await?,
            Err(problem) => Err(Failure::Internal(problem)),
        };
        sender.tell(outcome).await
    };
    let ended = tokio::select! {
        ended = command => ended.map(|()| CloseCode::Normal),
        status = revoked => sender.tell_at_last(Failure::Status(status)).await.map(|()| CloseCode::Policy),
        gone = sender.sender.ping() => Err(gone),
    };
    if let Ok(code) = ended {
        socket.close(code, "").await;
    }
}

struct Channels<'a, IO> {
    sender: Sender<'a, IO>,
    protocol: Protocol,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Channels<'_, IO> {
    async fn send(&self, channel: u8, data: &[u8]) -> Result<(), Gone> {
        self.sender.send(self.protocol.encode(channel, data)).await
    }

    /// Clients take the first message, which is empty, as a sign that the command can begin.
    async fn announce(&self, streams: Streams) -> Result<(), Gone> {
        let channel = match streams {
            Streams { stdout: true, .. } => STDOUT,
            Streams { stderr: true, .. } => STDERR,
            _ => ERROR,
        };
        self.send(channel, &[]).await
    }

    async fn copy(&self, channel: u8, stream: Option<StreamReader>) -> Result<(), Gone> {
        let Some(mut stream) = stream else { return Ok(()) };
        while let Some(data) = stream.next().await {
            self.send(channel, &data).await?;
        }
        Ok(())
    }

    /// Tells a client, which may not be reading, that this is the end.
    async fn tell_at_last(&self, failure: Failure) -> Result<(), Gone> {
        let told = tokio::time::timeout(FAREWELL, self.tell(Err(failure))).await;
        told.unwrap_or(Err(Gone))
    }

    /// Tells how the command ended; success of old protocols is silence.
    async fn tell(&self, outcome: Result<Vec<u8>, Failure>) -> Result<(), Gone> {
        let status = match outcome {
            Ok(status) => status,
            Err(Failure::Status(status)) => status.into_bytes(),
            Err(Failure::Internal(problem)) => internal_error(&problem).into_bytes(),
        };
        if self.protocol.version >= 4 {
            return self.send(ERROR, &status).await;
        }
        match failure_message(&status) {
            Some(message) => self.send(ERROR, message.as_bytes()).await,
            None => Ok(()),
        }
    }
}

/// The process's side of the streams.
struct Process {
    error: StreamReader,
    _error_writer: StreamWriter,
    stdin: Option<StreamWriter>,
    stdout: Option<StreamReader>,
    stderr: Option<StreamReader>,
    resize: Option<StreamWriter>,
}

impl Process {
    /// Opens the streams in the order in which servers wait for them: the error stream first.
    async fn open(connection: &Connection, wanted: Streams) -> Result<Self, SpdyError> {
        let open = async |kind: &str, wanted: bool| match wanted {
            true => connection
                .open(Headers::new().with("streamtype", kind))
                .await
                .map(Some),
            false => Ok(None),
        };
        let (error, error_writer) = connection
            .open(Headers::new().with("streamtype", "error"))
            .await?;
        let stdin = open("stdin", wanted.stdin).await?;
        let stdout = open("stdout", wanted.stdout).await?;
        let stderr = open("stderr", wanted.stderr && !wanted.tty).await?;
        let resize = open("resize", wanted.tty).await?;
        // A half that is dropped costs nothing: what comes for it is dropped, too.
        Ok(Self {
            error,
            _error_writer: error_writer,
            stdin: stdin.map(|(_, writer)| writer),
            stdout: stdout.map(|(reader, _)| reader),
            stderr: stderr.map(|(reader, _)| reader),
            resize: resize.map(|(_, writer)| writer),
        })
    }
}

/// Runs a command to its end, and returns its Status.
async fn run<IO>(
    connection: &Connection,
    sender: &Channels<'_, IO>,
    receiver: &mut Receiver<'_, IO>,
    streams: Streams,
) -> Result<Result<Vec<u8>, Failure>, Gone>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let process = match Process::open(connection, streams).await {
        Ok(process) => process,
        Err(error) => return Ok(Err(Failure::Internal(error.to_string()))),
    };
    let mut error = process.error;
    let output = async {
        let stdout = sender.copy(STDOUT, process.stdout);
        let stderr = sender.copy(STDERR, process.stderr);
        tokio::try_join!(stdout, stderr)?;
        Ok(error.collect(MAX_STATUS).await)
    };
    let input = take_input(receiver, sender.protocol, process.stdin, process.resize);
    tokio::select! {
        status = output => Ok(match status? {
            status if status.is_empty() => Err(Failure::Internal(
                "the connection to the container ended before the command told how it ended".to_owned(),
            )),
            status => Ok(status),
        }),
        gone = input => Err(gone),
    }
}

/// Hands on what the client sends, for as long as it sends.
async fn take_input<IO>(
    receiver: &mut Receiver<'_, IO>,
    protocol: Protocol,
    mut stdin: Option<StreamWriter>,
    mut resize: Option<StreamWriter>,
) -> Gone
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let message = match receiver.next().await {
            Ok(message) => message,
            Err(gone) => return gone,
        };
        let sent = match (protocol.decode(message), &mut stdin, &mut resize) {
            (Some((STDIN, data)), Some(stdin), _) => stdin.send(data).await,
            (Some((CLOSE, channel)), Some(stdin), _)
                if protocol.version >= 5 && channel.as_ref() == [STDIN] =>
            {
                stdin.finish().await
            }
            (Some((RESIZE, size)), _, Some(resize)) => match terminal_size(&size) {
                Some(size) => resize.send(size).await,
                None => Ok(()),
            },
            _ => Ok(()),
        };
        if let Err(error) = sent {
            // The process no longer listens; what it still says, and how it ends, comes another way.
            tracing::trace!(%error, "a command takes no more input");
        }
    }
}

#[derive(Deserialize)]
struct TerminalSize {
    #[serde(rename = "Width", alias = "width")]
    width: u16,
    #[serde(rename = "Height", alias = "height")]
    height: u16,
}

/// A terminal's size as the process's side reads it; `None` for what is none.
fn terminal_size(text: &[u8]) -> Option<Bytes> {
    if text.len() > MAX_RESIZE {
        return None;
    }
    let TerminalSize { width, height } = serde_json::from_slice(text).ok()?;
    Some(format!("{{\"Width\":{width},\"Height\":{height}}}\n").into())
}

/// The Status of what did not work.
fn internal_error(problem: &str) -> String {
    let status = json!({
        "metadata": {},
        "status": "Failure",
        "message": format!("Internal error occurred: {problem}"),
        "reason": "InternalError",
        "details": {"causes": [{"message": problem}]},
        "code": 500,
    });
    status.to_string()
}

/// What protocols before version 4 say of a Status: its message if it is a failure.
fn failure_message(status: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Outcome {
        #[serde(default)]
        status: String,
        #[serde(default)]
        message: String,
    }
    match serde_json::from_slice::<Outcome>(status) {
        Ok(outcome) if outcome.status == "Success" => None,
        Ok(outcome) => Some(outcome.message),
        Err(_) => Some(String::from_utf8_lossy(status).into_owned()),
    }
}

#[cfg(test)]
mod tests;
