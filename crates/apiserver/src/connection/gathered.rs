//! What goes out on a connection, gathered until all who share it have spoken.
//!
//! HTTP/2 writes and flushes each frame by itself, so that ten changes would be ten TLS records and ten system calls.
//! Here they wait, as plaintext in memory that is wiped when it is given back, until [`Gathered::poll_send`].

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that wait at most. One TLS record holds a quarter of it.
const MOST: usize = 64 * 1024;
/// So much at a time is not copied, but sent at once behind what waits.
const LARGE: usize = 8 * 1024;

/// One end of a connection: hyper has it to read and write, and whoever runs the connection to say when to send.
#[derive(Debug)]
pub(super) struct Gathered<S>(Arc<Mutex<Outgoing<S>>>);

impl<S> Clone for Gathered<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Outgoing<S> {
    stream: S,
    gathers: bool,
    waiting: Vec<u8>,
    /// So much of it has been sent.
    sent: usize,
    /// Something was written that has not been flushed yet: it may wait in the stream, encrypted.
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gathered<S> {
    /// Nothing is sent before [`Gathered::poll_send`].
    pub fn new(stream: S) -> Self {
        Self(Arc::new(Mutex::new(Outgoing {
            stream,
            gathers: true,
            waiting: Vec::new(),
            sent: 0,
            unflushed: false,
        })))
    }

    /// From now on everything is sent at once: for HTTP/1, which says one thing at a time, and may give the stream away.
    pub fn send_at_once(&self) {
        self.lock().gathers = false;
    }

    /// Sends what waits. A connection that cannot send any more is found out by whoever reads from it or writes to it.
    pub fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_send(context)
    }

    fn lock(&self) -> MutexGuard<'_, Outgoing<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Outgoing<S> {
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_send_waiting(context))?;
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn poll_send_waiting(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.waiting.len() {
            let stream = Pin::new(&mut self.stream);
            match ready!(stream.poll_write(context, &self.waiting[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
        // Freed rather than kept: what is freed is wiped.
        self.waiting = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum::<usize>();
        if length >= LARGE || !self.gathers || self.waiting.len() + length > MOST {
            ready!(self.poll_send_waiting(context))?;
        }
        self.unflushed = self.gathers;
        if length >= LARGE || !self.gathers {
            return Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        }
        for slice in slices {
            self.waiting.extend_from_slice(slice);
        }
        Poll::Ready(Ok(length))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.lock().poll_write(context, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.lock().poll_write(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        let outgoing = self.lock();
        outgoing.gathers || outgoing.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.lock();
        if outgoing.gathers {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut outgoing.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.lock();
        ready!(outgoing.poll_send(context))?;
        Pin::new(&mut outgoing.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What has come out at the other end so far.
    async fn arrived(end: &mut tokio::io::DuplexStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        let all = end.read_to_end(&mut bytes);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(20), all).await;
        bytes
    }

    #[tokio::test]
    async fn what_is_written_waits_until_it_is_to_be_sent() {
        let (end, mut other) = tokio::io::duplex(1024);
        let mut gathered = Gathered::new(end);
        for part in [b"one ".as_slice(), b"two ", b"three"] {
            gathered.write_all(part).await.unwrap();
            gathered.flush().await.unwrap();
        }
        assert_eq!(arrived(&mut other).await, b"");
        poll_fn(|context| gathered.poll_send(context)).await.unwrap();
        assert_eq!(arrived(&mut other).await, b"one two three");
        gathered.write_all(b"four").await.unwrap();
        gathered.shutdown().await.unwrap();
        assert_eq!(arrived(&mut other).await, b"four");
    }

    #[tokio::test]
    async fn no_more_waits_than_the_limit() {
        let (end, mut other) = tokio::io::duplex(1024);
        let mut gathered = Gathered::new(end);
        let written = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&written);
        let sent: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
        let expected = sent.clone();
        let mut handle = gathered.clone();
        let writer = tokio::spawn(async move {
            for part in sent.chunks(1000) {
                handle.write_all(part).await.unwrap();
                count.fetch_add(part.len(), std::sync::atomic::Ordering::Relaxed);
            }
            handle.shutdown().await.unwrap();
        });
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert!(written.load(std::sync::atomic::Ordering::Relaxed) <= MOST + LARGE);
        let mut received = Vec::new();
        other.read_to_end(&mut received).await.unwrap();
        writer.await.unwrap();
        assert!(received == expected, "all of it, in order");
        assert!(gathered.write_all(b"more").await.is_ok(), "it waits");
        assert!(poll_fn(|context| gathered.poll_send(context)).await.is_err());
    }

    #[tokio::test]
    async fn without_gathering_all_is_sent_at_once() {
        let (end, mut other) = tokio::io::duplex(1024);
        let mut gathered = Gathered::new(end);
        gathered.send_at_once();
        gathered.write_all(b"now").await.unwrap();
        assert_eq!(arrived(&mut other).await, b"now");
    }
}
