//! One request and its answer, whoever brings it: a connection, or a client in the same process.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Version};
use strongroom_access::Identity;
use strongroom_objects::Status;
use tokio::sync::Semaphore;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::body::{Body, RequestBody};
use crate::pipeline::{self, Peer};
use crate::respond;
use crate::server::ApiServer;
use crate::tls::Credential;

/// Answers a request. Whatever changes something is brought to its end and recorded though its caller go away in the
/// middle: otherwise a change could be made that no record tells of. `places` bounds how many of a connection's streams
/// can have been given up and still be under way.
pub(crate) fn answer<B: RequestBody>(
    server: ApiServer,
    peer: Peer,
    request: Request<B>,
    places: Option<Arc<Semaphore>>,
) -> Answering {
    let is_shared = request.version() == Version::HTTP_2;
    let changes_nothing = request.method().is_safe();
    let endings = server.0.endings.clone();
    // In a box: hyper keeps room for it as long as the answer flows, and a watch flows for half an hour.
    let answering: Under = match places.filter(|_| is_shared) {
        None => Box::pin(async move { pipeline::answer(&server, &peer, request).await }),
        // In a task of its own: the other streams of the connection do not wait for it.
        Some(places) => Box::pin(async move {
            let place = match changes_nothing {
                true => None,
                false => places.acquire_owned().await.ok(),
            };
            let tracker = server.0.endings.clone();
            let task = async move {
                let _place = place;
                pipeline::answer(&server, &peer, request).await
            };
            let answered = match changes_nothing {
                true => AbortOnDropHandle::new(tokio::spawn(task)).await,
                false => tracker.spawn(task).await,
            };
            answered.unwrap_or_else(|error| {
                tracing::error!(%error, "a request was not answered");
                let status = Status::internal("the answer broke off; the server's log says why");
                respond::status(&status, None, false)
            })
        }),
    };
    Answering {
        under: Some(answering),
        endings: (!changes_nothing && !is_shared).then_some(endings),
    }
}

type Under = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// An answer that is being made.
pub struct Answering {
    under: Option<Under>,
    /// Where it goes on if it is dropped before its end.
    endings: Option<TaskTracker>,
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Taken out: what panics is not polled again.
        let mut under = self.under.take().expect("not polled after its end");
        match under.as_mut().poll(context) {
            Poll::Ready(response) => Poll::Ready(Ok(response)),
            Poll::Pending => {
                self.under = Some(under);
                Poll::Pending
            }
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let (Some(under), Some(endings)) = (self.under.take(), self.endings.take()) else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            endings.spawn_on(under, &runtime);
        }
    }
}

/// Calls the server as one user, through every gate that a connection passes.
#[derive(Clone)]
pub struct InProcess {
    server: ApiServer,
    peer: Peer,
}

impl ApiServer {
    /// A service that calls this server as `identity`.
    pub fn service(&self, identity: Identity) -> InProcess {
        InProcess {
            server: self.clone(),
            peer: Peer {
                credential: Credential::Certificate(Arc::new(identity)),
                front_proxy: None,
                address: None,
            },
        }
    }
}

impl<B> tower::Service<Request<B>> for InProcess
where
    B: RequestBody,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let InProcess { server, peer } = self.clone();
        answer(server, peer, request, None)
    }
}
