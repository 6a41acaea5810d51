//! One request and its answer, whoever brings it: a connection, or a client in the same process.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Version};
use strongroom_access::Identity;
use strongroom_objects::Status;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::AbortOnDropHandle;

use crate::body::{Body, RequestBody};
use crate::pipeline::{self, Peer};
use crate::respond;
use crate::server::ApiServer;
use crate::tls::Credential;

/// Answers a request. Whatever changes something is brought to its end and recorded though its caller go away in the
/// middle: otherwise a change could be made that no record tells of. It holds `place` until then.
pub(crate) async fn answer<B: RequestBody>(
    server: ApiServer,
    peer: Peer,
    request: Request<B>,
    place: Option<OwnedSemaphorePermit>,
) -> Response<Body> {
    let is_shared = request.version() == Version::HTTP_2;
    let changes_nothing = request.method().is_safe();
    let endings = server.0.endings.clone();
    let answering = async move {
        let _place = place;
        pipeline::answer(&server, &peer, request).await
    };
    let answered = match (changes_nothing, is_shared) {
        (true, false) => return answering.await,
        // The other streams of the connection do not wait for it.
        (true, true) => AbortOnDropHandle::new(tokio::spawn(answering)).await,
        (false, _) => endings.spawn(answering).await,
    };
    answered.unwrap_or_else(|error| {
        tracing::error!(%error, "a request was not answered");
        let status = Status::internal("the answer broke off; the server's log says why");
        respond::status(&status, None, false)
    })
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
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let InProcess { server, peer } = self.clone();
        Box::pin(async move { Ok(answer(server, peer, request, None).await) })
    }
}
