//! A connection that ends when nothing has flowed through it for a while.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A connection whose reads fail with [`io::ErrorKind::TimedOut`] when nothing was read or written for a time.
pub struct Idle<IO> {
    io: Pin<Box<IO>>,
    limit: Duration,
    last: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl<IO> Idle<IO> {
    /// `io`, of which nothing may be heard for at most `limit`.
    pub fn new(io: IO, limit: Duration) -> Self {
        let now = Instant::now();
        Self {
            io: Box::pin(io),
            limit,
            last: now,
            alarm: Box::pin(sleep_until(now + limit)),
        }
    }

    fn was_idle_for_too_long(&mut self, context: &mut Context<'_>) -> bool {
        while self.alarm.as_mut().poll(context).is_ready() {
            let end = self.last + self.limit;
            if end <= Instant::now() {
                return true;
            }
            self.alarm.as_mut().reset(end);
        }
        false
    }
}

impl<IO: AsyncRead> AsyncRead for Idle<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.io.as_mut().poll_read(context, buffer);
        if read.is_ready() {
            self.last = Instant::now();
            return read;
        }
        if self.was_idle_for_too_long(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<IO: AsyncWrite> AsyncWrite for Idle<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.io.as_mut().poll_write(context, bytes);
        if written.is_ready() {
            self.last = Instant::now();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_shutdown(context)
    }
}
