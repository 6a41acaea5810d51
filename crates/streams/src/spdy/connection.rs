//! One connection: a task that reads frames, a task that writes them, and the streams between.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::{FrameError, SpdyError};
use super::frame::{Frame, FrameReader, FrameWriter, PROTOCOL_ERROR, REFUSED_STREAM};
use super::header_block::Headers;
use super::stream::{Arrival, Ended, Life, StreamReader, StreamWriter};
use crate::idle::Idle;

/// Frames that wait to be written, of all streams.
const OUTGOING: usize = 8;
/// Answers (to pings, to refused streams) that wait to be written; a peer that makes more necessary is cut off.
const ANSWERS: usize = 64;
/// Pieces of data of one stream that wait to be read.
const ARRIVALS: usize = 4;
/// Bytes read from the connection at a time: the largest piece of data.
const READ: usize = 32 * 1024;
/// Time for the last frames to be written once a connection is to close.
const FAREWELL: Duration = Duration::from_secs(5);
const LAST_ID: u32 = 0x7fff_ffff;

/// What one connection may hold.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Streams that are open at the same time.
    pub max_streams: usize,
    /// How long nothing may be read or written.
    pub idle_timeout: Duration,
    /// How long the other side has to accept a stream.
    pub open_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_streams: 256,
            idle_timeout: crate::IDLE_TIMEOUT,
            open_timeout: Duration::from_secs(30),
        }
    }
}

/// A connection that streams are opened on. It closes when it and its streams are dropped.
pub struct Connection {
    shared: Arc<Shared>,
    limits: Limits,
    /// The next id. Held while a SYN_STREAM is queued: ids must go up on the wire.
    next_id: AsyncMutex<u32>,
}

/// Streams that the other side opens.
pub struct Incoming {
    offers: mpsc::Receiver<Offer>,
}

/// A stream that the other side has opened; dropping it refuses it.
pub struct Offer {
    /// What it is for.
    pub headers: Headers,
    reader: StreamReader,
    writer: StreamWriter,
}

/// What the tasks and all streams of a connection share.
pub(super) struct Shared {
    streams: Arc<Streams>,
    outgoing: mpsc::Sender<Frame>,
    _close: DropGuard,
}

/// The open streams; or what ended the connection.
struct Streams(Mutex<Result<HashMap<u32, Open>, SpdyError>>);

/// What the reading task has of a stream.
struct Open {
    arrivals: mpsc::Sender<Arrival>,
    /// Told when the other side has accepted the stream.
    replied: Option<oneshot::Sender<()>>,
    deaf: CancellationToken,
    /// Nothing more may arrive.
    ended: bool,
}

/// The client's side of a connection that has been upgraded.
pub fn client<IO>(io: IO, limits: Limits) -> Connection
where
    IO: AsyncRead + AsyncWrite + Send + 'static,
{
    start(io, limits, 1, None)
}

/// The server's side of a connection that has been upgraded.
pub fn server<IO>(io: IO, limits: Limits) -> (Connection, Incoming)
where
    IO: AsyncRead + AsyncWrite + Send + 'static,
{
    let (told, offers) = mpsc::channel(limits.max_streams.max(1));
    (start(io, limits, 2, Some(told)), Incoming { offers })
}

fn start<IO>(io: IO, limits: Limits, first_id: u32, offers: Option<mpsc::Sender<Offer>>) -> Connection
where
    IO: AsyncRead + AsyncWrite + Send + 'static,
{
    let (outgoing, to_write) = mpsc::channel(OUTGOING);
    let (answers, to_answer) = mpsc::channel(ANSWERS);
    let closing = CancellationToken::new();
    let streams = Arc::new(Streams(Mutex::new(Ok(HashMap::new()))));
    let shared = Arc::new(Shared {
        streams: Arc::clone(&streams),
        outgoing,
        _close: closing.clone().drop_guard(),
    });
    let (input, output) = tokio::io::split(Idle::new(io, limits.idle_timeout));
    let reading = Reading {
        streams: Arc::clone(&streams),
        shared: Arc::downgrade(&shared),
        answers,
        offers,
        last_offered: 0,
        max_streams: limits.max_streams,
        first_id,
    };
    let writing = Writing {
        outgoing: to_write,
        answers: to_answer,
    };
    tokio::spawn(async move {
        let writer = tokio::spawn(writing.run(output, closing.clone()));
        let ended = tokio::select! {
            ended = reading.run(input) => ended,
            () = closing.cancelled() => SpdyError::Closed,
        };
        tracing::debug!(%ended, "a SPDY connection ends");
        streams.end(ended);
        closing.cancel();
        let _ = writer.await;
    });
    Connection {
        shared,
        limits,
        next_id: AsyncMutex::new(first_id),
    }
}

impl Connection {
    /// Opens a stream, and waits until the other side has accepted it.
    ///
    /// # Errors
    /// [`SpdyError::Reset`] when it refuses, [`SpdyError::Timeout`] when it says nothing, and what ended the
    /// connection when that is over.
    pub async fn open(&self, headers: Headers) -> Result<(StreamReader, StreamWriter), SpdyError> {
        let (replied, reply) = oneshot::channel();
        let mut next_id = self.next_id.lock().await;
        let id = *next_id;
        if id > LAST_ID {
            return Err(SpdyError::TooManyStreams);
        }
        *next_id += 2;
        let halves = self.shared.add(id, Some(replied), self.limits.max_streams)?;
        let opening = Frame::SynStream {
            stream: id,
            fin: false,
            unidirectional: false,
            headers,
        };
        self.shared.send(opening).await?;
        drop(next_id);
        match tokio::time::timeout(self.limits.open_timeout, reply).await {
            Ok(Ok(())) => Ok(halves),
            Ok(Err(_)) => Err(self.shared.streams.failure().unwrap_or(SpdyError::Reset)),
            Err(_) => Err(SpdyError::Timeout),
        }
    }

    /// What ended the connection, once it has.
    pub fn failure(&self) -> Option<SpdyError> {
        self.shared.streams.failure()
    }
}

impl Incoming {
    /// The next stream; `None` when the connection is over.
    pub async fn next(&mut self) -> Option<Offer> {
        self.offers.recv().await
    }
}

impl Offer {
    /// Accepts the stream.
    ///
    /// # Errors
    /// [`SpdyError::Closed`] when the connection is over.
    pub async fn accept(self) -> Result<(StreamReader, StreamWriter), SpdyError> {
        let life = &self.writer.life;
        let reply = Frame::SynReply {
            stream: life.id,
            fin: false,
            headers: Headers::new(),
        };
        life.connection.send(reply).await?;
        Ok((self.reader, self.writer))
    }
}

impl Shared {
    /// Queues a frame; waits while many are queued.
    pub async fn send(&self, frame: Frame) -> Result<(), SpdyError> {
        let sent = self.outgoing.send(frame).await;
        sent.map_err(|_| self.streams.failure().unwrap_or(SpdyError::Closed))
    }

    /// Queues a stream's last frame, behind those it has sent, without waiting.
    pub fn send_last(&self, frame: Frame) {
        let Err(mpsc::error::TrySendError::Full(frame)) = self.outgoing.try_send(frame) else {
            return;
        };
        let outgoing = self.outgoing.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { outgoing.send(frame).await });
        }
    }

    /// Forgets a stream.
    pub fn forget(&self, id: u32) {
        if let Ok(open) = self.streams.lock().as_mut() {
            open.remove(&id);
        }
    }

    /// A new stream.
    fn add(
        self: &Arc<Self>,
        id: u32,
        replied: Option<oneshot::Sender<()>>,
        most: usize,
    ) -> Result<(StreamReader, StreamWriter), SpdyError> {
        let (told, arrivals) = mpsc::channel(ARRIVALS);
        let deaf = CancellationToken::new();
        let mut streams = self.streams.lock();
        let open = streams.as_mut().map_err(|failure| failure.clone())?;
        if open.len() >= most {
            return Err(SpdyError::TooManyStreams);
        }
        open.insert(
            id,
            Open {
                arrivals: told,
                replied,
                deaf: deaf.clone(),
                ended: false,
            },
        );
        drop(streams);
        let life = Arc::new(Life {
            id,
            connection: Arc::clone(self),
            deaf,
            sent_end: AtomicBool::new(false),
            received_end: AtomicBool::new(false),
        });
        let reader = StreamReader {
            life: Arc::clone(&life),
            arrivals,
            ended: None,
        };
        Ok((reader, StreamWriter { life }))
    }
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, Result<HashMap<u32, Open>, SpdyError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self) -> Option<SpdyError> {
        self.lock().as_ref().err().cloned()
    }

    /// What `look` finds out of a stream that is open.
    fn with<T>(&self, stream: u32, look: impl FnOnce(&mut Open) -> T) -> Option<T> {
        self.lock().as_mut().ok()?.get_mut(&stream).map(look)
    }

    fn end(&self, why: SpdyError) {
        let ended = std::mem::replace(&mut *self.lock(), Err(why));
        for open in ended.into_iter().flat_map(HashMap::into_values) {
            open.deaf.cancel();
        }
    }
}

struct Reading {
    streams: Arc<Streams>,
    /// Streams that are offered hold the connection open; this task does not.
    shared: std::sync::Weak<Shared>,
    answers: mpsc::Sender<Frame>,
    offers: Option<mpsc::Sender<Offer>>,
    last_offered: u32,
    max_streams: usize,
    /// 1 for clients, 2 for servers: the parity of our own ids.
    first_id: u32,
}

impl Reading {
    async fn run(mut self, mut input: impl AsyncRead + Unpin) -> SpdyError {
        let mut frames = FrameReader::new();
        let mut buffer = BytesMut::new();
        loop {
            loop {
                let frame = match frames.read(&mut buffer) {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(error) => return error.into(),
                };
                if let Err(error) = self.take(frame).await {
                    return error;
                }
            }
            buffer.reserve(READ);
            match input.read_buf(&mut buffer).await {
                Ok(0) => return SpdyError::Closed,
                Ok(_) => {}
                Err(error) => return SpdyError::Io(Arc::new(error)),
            }
        }
    }

    async fn take(&mut self, frame: Frame) -> Result<(), SpdyError> {
        match frame {
            Frame::Data { stream, fin, data } => {
                self.deliver(stream, Some(data), fin.then_some(Ended::Finished))
                    .await;
            }
            Frame::SynReply { stream, fin, .. } => {
                let told = self.streams.with(stream, |open| open.replied.take());
                if let Some(replied) = told.flatten() {
                    let _ = replied.send(());
                }
                self.deliver(stream, None, fin.then_some(Ended::Finished)).await;
            }
            Frame::Headers { stream, fin, .. } => {
                self.deliver(stream, None, fin.then_some(Ended::Finished)).await;
            }
            Frame::Reset { stream, .. } => {
                self.streams.with(stream, |open| {
                    open.deaf.cancel();
                    open.replied = None;
                });
                self.deliver(stream, None, Some(Ended::Reset)).await;
            }
            Frame::SynStream {
                stream,
                fin,
                unidirectional,
                headers,
            } => return self.offer(stream, fin, unidirectional, headers).await,
            Frame::Ping { id } if id & 1 != self.first_id & 1 => self.answer(Frame::Ping { id })?,
            Frame::Ping { .. }
            | Frame::GoAway { .. }
            | Frame::Settings
            | Frame::WindowUpdate
            | Frame::Unknown => {}
        }
        Ok(())
    }

    /// Hands on what has arrived, and waits until there is room. Nobody may be left to read it.
    async fn deliver(&self, stream: u32, data: Option<bytes::Bytes>, end: Option<Ended>) {
        let arrivals = self.streams.with(stream, |open| {
            let ended = open.ended;
            open.ended |= end.is_some();
            (!ended).then(|| open.arrivals.clone())
        });
        let Some(arrivals) = arrivals.flatten() else {
            return;
        };
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            let _ = arrivals.send(Arrival::Data(data)).await;
        }
        if let Some(end) = end {
            let _ = arrivals.send(Arrival::End(end)).await;
        }
    }

    async fn offer(
        &mut self,
        stream: u32,
        fin: bool,
        unidirectional: bool,
        headers: Headers,
    ) -> Result<(), SpdyError> {
        let refusal = |status| Frame::Reset { stream, status };
        let Some(offers) = &self.offers else {
            return self.answer(refusal(REFUSED_STREAM));
        };
        if stream & 1 == self.first_id & 1 || stream <= self.last_offered {
            // Not to be recovered from: the two sides disagree on which streams there are.
            let _ = self.answer(refusal(PROTOCOL_ERROR));
            return Err(FrameError::StreamId.into());
        }
        self.last_offered = stream;
        let Some(shared) = self.shared.upgrade() else {
            return Err(SpdyError::Closed);
        };
        let Ok((reader, writer)) = shared.add(stream, None, self.max_streams) else {
            return self.answer(refusal(REFUSED_STREAM));
        };
        if unidirectional {
            writer.life.deaf.cancel();
        }
        let offer = Offer {
            headers,
            reader,
            writer,
        };
        // There is room for as many offers as streams. Without a reader of offers the stream is dropped: refused.
        let _ = offers.try_send(offer);
        self.deliver(stream, None, fin.then_some(Ended::Finished)).await;
        Ok(())
    }

    fn answer(&self, frame: Frame) -> Result<(), SpdyError> {
        self.answers.try_send(frame).map_err(|_| FrameError::Flood.into())
    }
}

struct Writing {
    outgoing: mpsc::Receiver<Frame>,
    answers: mpsc::Receiver<Frame>,
}

impl Writing {
    async fn run(mut self, mut output: impl AsyncWrite + Unpin, closing: CancellationToken) {
        let mut frames = FrameWriter::new();
        let mut buffer = BytesMut::new();
        loop {
            let frame = tokio::select! {
                biased;
                Some(frame) = self.answers.recv() => frame,
                Some(frame) = self.outgoing.recv() => frame,
                () = closing.cancelled() => break,
            };
            frames.write(&frame, &mut buffer);
            let written = async {
                output.write_all_buf(&mut buffer).await?;
                output.flush().await
            };
            let written = tokio::select! {
                written = written => written,
                () = stuck(&closing) => return,
            };
            if written.is_err() {
                // The reading side learns of it, too, and tells everybody.
                closing.cancel();
                return;
            }
        }
        let farewell = async {
            self.outgoing.close();
            while let Some(frame) = self.outgoing.recv().await {
                frames.write(&frame, &mut buffer);
            }
            frames.write(&Frame::GoAway { last_stream: 0 }, &mut buffer);
            output.write_all_buf(&mut buffer).await?;
            output.shutdown().await
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

/// Returns some time after the connection is to close: a peer that reads nothing does not keep it.
async fn stuck(closing: &CancellationToken) {
    closing.cancelled().await;
    tokio::time::sleep(FAREWELL).await;
}
