//! containerd's own news: which container has ended, the moment it has.
//!
//! CRI has such news only in later versions (`GetContainerEvents`, containerd 1.7). containerd's own service is on the
//! same socket; another runtime does not have it, and is looked at once a second instead.

use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use crate::client::Runtime;
use crate::error::Error;

const CALL: &str = "Subscribe";
const PATH: &str = "/containerd.services.events.v1.Events/Subscribe";
const TOPIC: &str = "/tasks/exit";

/// `containerd.services.events.v1.SubscribeRequest`.
#[derive(Clone, PartialEq, prost::Message)]
struct SubscribeRequest {
    #[prost(string, repeated, tag = "1")]
    filters: Vec<String>,
}

/// `containerd.services.events.v1.Envelope`, without what is not used.
#[derive(Clone, PartialEq, prost::Message)]
struct Envelope {
    #[prost(string, tag = "3")]
    topic: String,
    #[prost(message, optional, tag = "4")]
    event: Option<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `containerd.events.TaskExit`, without what is not used.
#[derive(Clone, PartialEq, prost::Message)]
struct TaskExit {
    #[prost(string, tag = "1")]
    container_id: String,
    /// The container's id again, or that of a program that was run in it.
    #[prost(string, tag = "2")]
    id: String,
}

/// Ends of containers, for as long as the runtime tells them.
pub struct Exits {
    stream: Streaming<Envelope>,
}

impl Runtime {
    /// Asks to be told when containers end.
    ///
    /// # Errors
    /// When the runtime cannot be reached, or is no containerd.
    pub async fn exits(&self) -> Result<Exits, Error> {
        let failed = |message: String| Error::Unreachable {
            call: CALL,
            socket: self.socket().to_owned(),
            message,
        };
        let mut grpc = Grpc::new(self.channel());
        grpc.ready().await.map_err(|error| failed(error.to_string()))?;
        let request = SubscribeRequest {
            filters: vec![format!("topic==\"{TOPIC}\"")],
        };
        let codec = ProstCodec::<SubscribeRequest, Envelope>::default();
        let path = PathAndQuery::from_static(PATH);
        let answer = grpc
            .server_streaming(Request::new(request), path, codec)
            .await
            .map_err(|status| failed(status.message().to_owned()))?;
        Ok(Exits {
            stream: answer.into_inner(),
        })
    }
}

impl Exits {
    /// The id of the next container that ends; `None` when the runtime tells no more.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            let envelope = self.stream.message().await.ok()??;
            if envelope.topic != TOPIC {
                continue;
            }
            let value = envelope.event.unwrap_or_default().value;
            match <TaskExit as prost::Message>::decode(value.as_slice()) {
                Ok(exit) if exit.id == exit.container_id => return Some(exit.container_id),
                _ => {}
            }
        }
    }
}
