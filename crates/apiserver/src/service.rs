//! The server without a socket: a tower service for clients in the same process.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use strongroom_access::Identity;

use crate::body::{Body, RequestBody};
use crate::pipeline::{self, Peer};
use crate::server::ApiServer;
use crate::tls::Credential;

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
        Box::pin(async move { Ok(pipeline::answer(&server, &peer, request).await) })
    }
}
