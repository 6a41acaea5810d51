//! One stream: two directions that end separately.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::connection::Shared;
use super::error::SpdyError;
use super::frame::{CANCEL, Frame};

/// Bytes of one frame that is sent. So many frames wait at most, and so much memory.
const PIECE: usize = 32 * 1024;

/// How the other side's data came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It said so.
    Finished,
    /// It gave the stream up, which is how `spdystream` ends those it is done with.
    Reset,
    /// The connection ended.
    Lost,
}

/// What comes from the other side.
pub(super) enum Arrival {
    Data(Bytes),
    End(Ended),
}

/// The part of a stream that both halves share; when both are gone, so is the stream.
pub(super) struct Life {
    pub id: u32,
    pub connection: Arc<Shared>,
    /// Cancelled when nothing that is written would arrive any more.
    pub deaf: CancellationToken,
    pub sent_end: AtomicBool,
    pub received_end: AtomicBool,
}

impl Drop for Life {
    fn drop(&mut self) {
        let over = *self.sent_end.get_mut() && *self.received_end.get_mut();
        self.connection.forget(self.id);
        if !over && !self.deaf.is_cancelled() {
            self.connection.send_last(Frame::Reset {
                stream: self.id,
                status: CANCEL,
            });
        }
    }
}

/// The reading half of a stream.
pub struct StreamReader {
    pub(super) life: Arc<Life>,
    pub(super) arrivals: mpsc::Receiver<Arrival>,
    pub(super) ended: Option<Ended>,
}

impl StreamReader {
    /// The next bytes; `None` at their end, of which [`StreamReader::ended`] tells. Cancel-safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        if self.ended.is_some() {
            return None;
        }
        let ended = match self.arrivals.recv().await {
            Some(Arrival::Data(data)) => return Some(data),
            Some(Arrival::End(ended)) => ended,
            None => Ended::Lost,
        };
        self.ended = Some(ended);
        self.life.received_end.store(true, Ordering::Relaxed);
        None
    }

    /// How the data ended, once it has.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// All that is still to come, at most `limit` bytes of it; the rest is dropped.
    pub async fn collect(&mut self, limit: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(data) = self.next().await {
            all.extend_from_slice(&data[..data.len().min(limit - all.len())]);
        }
        all
    }
}

/// The writing half of a stream. Dropping it does not finish the stream; dropping both halves gives it up.
pub struct StreamWriter {
    pub(super) life: Arc<Life>,
}

impl StreamWriter {
    /// Sends bytes; waits while the connection is behind.
    ///
    /// # Errors
    /// [`SpdyError::Reset`] once the other side takes no more of this stream, [`SpdyError::Closed`] without a connection.
    pub async fn send(&mut self, mut data: Bytes) -> Result<(), SpdyError> {
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(PIECE));
            self.write(piece, false).await?;
        }
        Ok(())
    }

    /// Says that no more bytes follow; the other direction goes on.
    ///
    /// # Errors
    /// As [`StreamWriter::send`].
    pub async fn finish(&mut self) -> Result<(), SpdyError> {
        if self.life.sent_end.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        self.write(Bytes::new(), true).await
    }

    /// Returns once the other side takes nothing more of this stream.
    pub async fn deaf(&self) {
        self.life.deaf.cancelled().await;
    }

    async fn write(&mut self, data: Bytes, fin: bool) -> Result<(), SpdyError> {
        let stream = self.life.id;
        tokio::select! {
            biased;
            () = self.life.deaf.cancelled() => Err(SpdyError::Reset),
            sent = self.life.connection.send(Frame::Data { stream, fin, data }) => sent,
        }
    }
}
