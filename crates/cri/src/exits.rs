//! containerd's own news: which container has ended, the moment it has.
//!
//! CRI has such news only in later versions (`GetContainerEvents`, containerd 1.7). containerd's own service is on the
//! same socket; another runtime does not have it, and is looked at once a second instead.

use http::uri::PathAndQuery;
use tonic::Request;
use tonic::client::Grpc;
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

impl Runtime {
    /// Calls `told` with the id of each container that ends, until the runtime tells no more; why it does not.
    ///
    /// containerd says nothing at all, not even that it will, before the first one has ended.
    pub async fn follow_exits(&self, mut told: impl FnMut(String)) -> Error {
        let failed = |message: String| Error::Unreachable {
            call: CALL,
            socket: self.socket().to_owned(),
            message,
        };
        let mut grpc = Grpc::new(self.channel());
        if let Err(error) = grpc.ready().await {
            return failed(error.to_string());
        }
        let request = SubscribeRequest {
            filters: vec![format!("topic==\"{TOPIC}\"")],
        };
        let codec = ProstCodec::<SubscribeRequest, Envelope>::default();
        let path = PathAndQuery::from_static(PATH);
        let mut stream = match grpc.server_streaming(Request::new(request), path, codec).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return failed(status.message().to_owned()),
        };
        loop {
            match stream.message().await {
                Ok(Some(envelope)) => {
                    if let Some(id) = ended(envelope) {
                        told(id);
                    }
                }
                Ok(None) => return failed("it tells no more".to_owned()),
                Err(status) => return failed(status.message().to_owned()),
            }
        }
    }
}

/// The container that has ended; not a program that was run in it.
fn ended(envelope: Envelope) -> Option<String> {
    if envelope.topic != TOPIC {
        return None;
    }
    let value = envelope.event.unwrap_or_default().value;
    let exit = <TaskExit as prost::Message>::decode(value.as_slice()).ok()?;
    (exit.id == exit.container_id).then_some(exit.container_id)
}
