//! The streams of one connection.
//!
//! hyper would make each stream of HTTP/2 a task. Here they run in the task of their connection, and before it, and what
//! they wrote is sent after it: so what several of them have to say at the same time leaves in one TLS record and one
//! system call instead of one for each. That is what a node's thirty watches need when many Secrets change at once.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use hyper::rt::Executor;
use tokio::io::{AsyncRead, AsyncWrite};

use super::gathered::Gathered;

/// The streams of one connection; none with HTTP/1.
pub(super) struct Streams<S> {
    outgoing: Gathered<S>,
    begun: Begun,
    running: FuturesUnordered<BoxFuture<'static, ()>>,
}

/// Where hyper leaves the streams that it begins.
#[derive(Clone, Default)]
pub(super) struct Begun(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

impl<F> Executor<F> for Begun
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        // A stream that panics ends alone: dropped, it is reset.
        let stream = AssertUnwindSafe(stream).catch_unwind().map(drop);
        self.lock().push(Box::pin(stream));
    }
}

impl Begun {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<BoxFuture<'static, ()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Streams<S> {
    /// None yet; what they write goes to `outgoing`.
    pub(super) fn new(outgoing: Gathered<S>) -> Self {
        Self {
            outgoing,
            begun: Begun::default(),
            running: FuturesUnordered::new(),
        }
    }

    /// For the builder of the connection.
    pub(super) fn executor(&self) -> Begun {
        self.begun.clone()
    }

    /// Runs `connection` and its streams until the connection ends. Cancel-safe.
    pub(super) async fn run<C: Future>(&mut self, mut connection: Pin<&mut C>) -> C::Output {
        poll_fn(|context| {
            loop {
                self.poll(context);
                let ended = connection.as_mut().poll(context);
                let begun = std::mem::take(&mut *self.begun.lock());
                if ended.is_pending() && !begun.is_empty() {
                    self.running.extend(begun);
                    continue;
                }
                // An error shows when the connection reads or writes the next time.
                let _ = self.outgoing.poll_send(context);
                return ended;
            }
        })
        .await
    }

    fn poll(&mut self, context: &mut Context<'_>) {
        while let Poll::Ready(Some(())) = self.running.poll_next_unpin(context) {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn all_that_is_ready_runs_before_the_connection() {
        let mut streams = Streams::new(Gathered::new(tokio::io::empty()));
        let executor = streams.executor();
        let (news, said) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let mut accepted = false;
        let mut heard = Vec::new();
        let connection = poll_fn(|_| {
            if !accepted {
                accepted = true;
                for _ in 0..30 {
                    let (news, said) = (Arc::clone(&news), Arc::clone(&said));
                    executor.execute(async move {
                        loop {
                            news.notified().await;
                            said.fetch_add(1, Relaxed);
                        }
                    });
                }
            }
            heard.push(said.swap(0, Relaxed));
            if heard.iter().sum::<usize>() < 60 {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        });
        let connection = std::pin::pin!(connection);
        let tell = async {
            for _ in 0..2 {
                tokio::task::yield_now().await;
                news.notify_waiters();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = streams.run(connection) => {}
            () = tell => {}
        }
        heard.retain(|streams| *streams > 0);
        assert_eq!(heard, [30, 30]);
    }

    #[tokio::test]
    async fn streams_end_with_their_connection_or_before() {
        let mut streams = Streams::new(Gathered::new(tokio::io::empty()));
        let executor = streams.executor();
        let held = Arc::new(());
        let mut polls = 0;
        let connection = poll_fn(|context| {
            polls += 1;
            if polls == 1 {
                let (brief, lasting) = (Arc::clone(&held), Arc::clone(&held));
                executor.execute(async move { drop(brief) });
                executor.execute(async move {
                    let _lasting = lasting;
                    std::future::pending::<()>().await;
                });
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Arc::strong_count(&held))
        });
        let left = streams.run(std::pin::pin!(connection)).await;
        assert_eq!(left, 2, "the second is still open");
        drop(streams);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
