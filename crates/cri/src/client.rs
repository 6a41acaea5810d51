//! One method for each call.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::error::Error;
use crate::messages::container::{
    AttachRequest, Container, ContainerConfig, ContainerFilter, ContainerStatus, ContainerStatusRequest,
    ContainerStatusResponse, CreateContainerRequest, CreateContainerResponse, ExecRequest, ExecSyncRequest,
    ExecSyncResponse, ListContainersRequest, ListContainersResponse, RemoveContainerRequest,
    ReopenContainerLogRequest, StartContainerRequest, StopContainerRequest, StreamingResponse,
};
use crate::messages::image::{
    AuthConfig, Image, ImageSpec, ImageStatusRequest, ImageStatusResponse, ListImagesRequest,
    ListImagesResponse, PullImageRequest, PullImageResponse,
};
use crate::messages::runtime::{
    Empty, RuntimeStatus, StatusRequest, StatusResponse, VersionRequest, VersionResponse,
};
use crate::messages::sandbox::{
    ListPodSandboxRequest, ListPodSandboxResponse, PodSandbox, PodSandboxConfig, PodSandboxFilter,
    PodSandboxStatus, PodSandboxStatusRequest, PodSandboxStatusResponse, PortForwardRequest,
    RemovePodSandboxRequest, RunPodSandboxRequest, RunPodSandboxResponse, StopPodSandboxRequest,
};

/// Questions whose answer the runtime has at hand.
const QUESTION: Duration = Duration::from_secs(10);
/// Work on one container or sandbox; a kubelet waits as long for a sandbox.
const WORK: Duration = Duration::from_secs(120);
const SANDBOX: Duration = Duration::from_secs(240);
/// Pulling an image.
const PULL: Duration = Duration::from_secs(30 * 60);
/// What is added to a limit that the runtime itself keeps.
const MARGIN: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);
/// The longest answer: a list of everything.
const LONGEST_ANSWER: usize = 64 << 20;

/// A container runtime behind a unix socket. Cloning is cheap; connecting happens when the first call is made, and
/// again when the runtime was away.
#[derive(Debug, Clone)]
pub struct Runtime {
    socket: PathBuf,
    channel: Channel,
}

/// The path in `unix:///run/containerd/containerd.sock`; a bare absolute path is taken too.
///
/// # Errors
/// When it is neither.
pub fn socket_of(endpoint: &str) -> Result<PathBuf, Error> {
    let path = Path::new(endpoint.strip_prefix("unix://").unwrap_or(endpoint));
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    Err(Error::Endpoint {
        endpoint: endpoint.to_owned(),
    })
}

impl Runtime {
    /// The runtime at an endpoint such as `unix:///run/containerd/containerd.sock`. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the endpoint is not a unix socket's.
    pub fn at(endpoint: &str) -> Result<Runtime, Error> {
        let socket = socket_of(endpoint)?;
        let path = socket.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        // The address is not used: the connector knows where to go.
        let channel = Endpoint::from_static("http://localhost")
            .connect_timeout(CONNECT)
            .connect_with_connector_lazy(connector);
        Ok(Runtime { socket, channel })
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Who the runtime is.
    pub async fn version(&self) -> Result<VersionResponse, Error> {
        let request = VersionRequest {
            version: "v1".to_owned(),
        };
        self.call("Version", QUESTION, request).await
    }

    /// Whether it is ready.
    pub async fn status(&self) -> Result<RuntimeStatus, Error> {
        let answer: StatusResponse = self
            .call("Status", QUESTION, StatusRequest { verbose: false })
            .await?;
        answer.status.ok_or(missing("Status", "status"))
    }

    /// Makes and starts a sandbox; its id.
    pub async fn run_pod_sandbox(&self, config: PodSandboxConfig) -> Result<String, Error> {
        let request = RunPodSandboxRequest {
            config: Some(config),
            runtime_handler: String::new(),
        };
        let answer: RunPodSandboxResponse = self.call("RunPodSandbox", SANDBOX, request).await?;
        named("RunPodSandbox", answer.pod_sandbox_id)
    }

    /// Stops a sandbox and all in it. One that does not exist is stopped.
    pub async fn stop_pod_sandbox(&self, id: &str) -> Result<(), Error> {
        let request = StopPodSandboxRequest {
            pod_sandbox_id: id.to_owned(),
        };
        gone_is_done(self.call("StopPodSandbox", SANDBOX, request).await)
    }

    /// Removes a sandbox and all in it. One that does not exist is removed.
    pub async fn remove_pod_sandbox(&self, id: &str) -> Result<(), Error> {
        let request = RemovePodSandboxRequest {
            pod_sandbox_id: id.to_owned(),
        };
        gone_is_done(self.call("RemovePodSandbox", SANDBOX, request).await)
    }

    /// How a sandbox is.
    pub async fn pod_sandbox_status(&self, id: &str) -> Result<PodSandboxStatus, Error> {
        let request = PodSandboxStatusRequest {
            pod_sandbox_id: id.to_owned(),
            verbose: false,
        };
        let answer: PodSandboxStatusResponse = self.call("PodSandboxStatus", QUESTION, request).await?;
        answer.status.ok_or(missing("PodSandboxStatus", "status"))
    }

    /// The sandboxes that the filter lets through.
    pub async fn list_pod_sandboxes(&self, filter: PodSandboxFilter) -> Result<Vec<PodSandbox>, Error> {
        let request = ListPodSandboxRequest { filter: Some(filter) };
        let answer: ListPodSandboxResponse = self.call("ListPodSandbox", QUESTION, request).await?;
        Ok(answer.items)
    }

    /// Makes a container; its id.
    pub async fn create_container(
        &self,
        sandbox: &str,
        config: ContainerConfig,
        sandbox_config: PodSandboxConfig,
    ) -> Result<String, Error> {
        let request = CreateContainerRequest {
            pod_sandbox_id: sandbox.to_owned(),
            config: Some(config),
            sandbox_config: Some(sandbox_config),
        };
        let answer: CreateContainerResponse = self.call("CreateContainer", WORK, request).await?;
        named("CreateContainer", answer.container_id)
    }

    /// Starts a container.
    pub async fn start_container(&self, id: &str) -> Result<(), Error> {
        let request = StartContainerRequest {
            container_id: id.to_owned(),
        };
        self.call::<_, Empty>("StartContainer", WORK, request)
            .await
            .map(drop)
    }

    /// Stops a container: SIGTERM, then after `grace` SIGKILL. One that does not exist is stopped.
    pub async fn stop_container(&self, id: &str, grace: Duration) -> Result<(), Error> {
        let request = StopContainerRequest {
            container_id: id.to_owned(),
            timeout: whole_seconds(grace),
        };
        gone_is_done(self.call("StopContainer", grace + WORK, request).await)
    }

    /// Removes a container. One that does not exist is removed.
    pub async fn remove_container(&self, id: &str) -> Result<(), Error> {
        let request = RemoveContainerRequest {
            container_id: id.to_owned(),
        };
        gone_is_done(self.call("RemoveContainer", WORK, request).await)
    }

    /// The containers that the filter lets through.
    pub async fn list_containers(&self, filter: ContainerFilter) -> Result<Vec<Container>, Error> {
        let request = ListContainersRequest { filter: Some(filter) };
        let answer: ListContainersResponse = self.call("ListContainers", QUESTION, request).await?;
        Ok(answer.containers)
    }

    /// How a container is.
    pub async fn container_status(&self, id: &str) -> Result<ContainerStatus, Error> {
        let request = ContainerStatusRequest {
            container_id: id.to_owned(),
            verbose: false,
        };
        let answer: ContainerStatusResponse = self.call("ContainerStatus", QUESTION, request).await?;
        answer.status.ok_or(missing("ContainerStatus", "status"))
    }

    /// Runs a program in a container, for at most `limit`.
    pub async fn exec_sync(
        &self,
        container: &str,
        command: Vec<String>,
        limit: Duration,
    ) -> Result<ExecSyncResponse, Error> {
        let request = ExecSyncRequest {
            container_id: container.to_owned(),
            cmd: command,
            timeout: whole_seconds(limit),
        };
        self.call("ExecSync", limit + MARGIN, request).await
    }

    /// A URL that runs a program in a container.
    pub async fn exec(&self, request: ExecRequest) -> Result<String, Error> {
        let answer: StreamingResponse = self.call("Exec", QUESTION, request).await?;
        named("Exec", answer.url)
    }

    /// A URL that is connected to a container's first process.
    pub async fn attach(&self, request: AttachRequest) -> Result<String, Error> {
        let answer: StreamingResponse = self.call("Attach", QUESTION, request).await?;
        named("Attach", answer.url)
    }

    /// A URL that forwards ports of a sandbox.
    pub async fn port_forward(&self, request: PortForwardRequest) -> Result<String, Error> {
        let answer: StreamingResponse = self.call("PortForward", QUESTION, request).await?;
        named("PortForward", answer.url)
    }

    /// Has the runtime open a container's log anew, after the file was moved away.
    pub async fn reopen_container_log(&self, id: &str) -> Result<(), Error> {
        let request = ReopenContainerLogRequest {
            container_id: id.to_owned(),
        };
        self.call::<_, Empty>("ReopenContainerLog", QUESTION, request)
            .await
            .map(drop)
    }

    /// All images.
    pub async fn list_images(&self) -> Result<Vec<Image>, Error> {
        let answer: ListImagesResponse = self.call("ListImages", QUESTION, ListImagesRequest {}).await?;
        Ok(answer.images)
    }

    /// The image of this name or id, if there is one.
    pub async fn image(&self, name: &str) -> Result<Option<Image>, Error> {
        let request = ImageStatusRequest {
            image: Some(image_spec(name)),
            verbose: false,
        };
        let answer: ImageStatusResponse = self.call("ImageStatus", QUESTION, request).await?;
        Ok(answer.image)
    }

    /// Fetches an image; what it was resolved to.
    pub async fn pull_image(
        &self,
        name: &str,
        auth: Option<AuthConfig>,
        sandbox_config: Option<PodSandboxConfig>,
    ) -> Result<String, Error> {
        let request = PullImageRequest {
            image: Some(image_spec(name)),
            auth,
            sandbox_config,
        };
        let answer: PullImageResponse = self.call("PullImage", PULL, request).await?;
        named("PullImage", answer.image_ref)
    }

    async fn call<Q, A>(&self, call: &'static str, limit: Duration, message: Q) -> Result<A, Error>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let unreachable = |message: String| Error::Unreachable {
            call,
            socket: self.socket.clone(),
            message,
        };
        let exchange = async {
            let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(LONGEST_ANSWER);
            grpc.ready().await.map_err(|error| unreachable(cause(&error)))?;
            let codec = ProstCodec::<Q, A>::default();
            grpc.unary(Request::new(message), path(call), codec)
                .await
                .map_err(|status| match transport_failure(&status) {
                    Some(message) => unreachable(message),
                    None => refusal(call, &status),
                })
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(answer) => answer.map(tonic::Response::into_inner),
            Err(_) => Err(Error::Late { call, limit }),
        }
    }
}

/// The two services share one connection; which call belongs to which is in `api.proto`.
fn path(call: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(match call {
        "Version" => "/runtime.v1.RuntimeService/Version",
        "Status" => "/runtime.v1.RuntimeService/Status",
        "RunPodSandbox" => "/runtime.v1.RuntimeService/RunPodSandbox",
        "StopPodSandbox" => "/runtime.v1.RuntimeService/StopPodSandbox",
        "RemovePodSandbox" => "/runtime.v1.RuntimeService/RemovePodSandbox",
        "PodSandboxStatus" => "/runtime.v1.RuntimeService/PodSandboxStatus",
        "ListPodSandbox" => "/runtime.v1.RuntimeService/ListPodSandbox",
        "CreateContainer" => "/runtime.v1.RuntimeService/CreateContainer",
        "StartContainer" => "/runtime.v1.RuntimeService/StartContainer",
        "StopContainer" => "/runtime.v1.RuntimeService/StopContainer",
        "RemoveContainer" => "/runtime.v1.RuntimeService/RemoveContainer",
        "ListContainers" => "/runtime.v1.RuntimeService/ListContainers",
        "ContainerStatus" => "/runtime.v1.RuntimeService/ContainerStatus",
        "ExecSync" => "/runtime.v1.RuntimeService/ExecSync",
        "Exec" => "/runtime.v1.RuntimeService/Exec",
        "Attach" => "/runtime.v1.RuntimeService/Attach",
        "PortForward" => "/runtime.v1.RuntimeService/PortForward",
        "ReopenContainerLog" => "/runtime.v1.RuntimeService/ReopenContainerLog",
        "ListImages" => "/runtime.v1.ImageService/ListImages",
        "ImageStatus" => "/runtime.v1.ImageService/ImageStatus",
        "PullImage" => "/runtime.v1.ImageService/PullImage",
        other => unreachable!("{other} is not a call of this client"),
    })
}

fn refusal(call: &'static str, status: &Status) -> Error {
    let message = status.message().to_owned();
    match status.code() {
        Code::NotFound => Error::NotFound { call, message },
        code => Error::Failed {
            call,
            code: go_name(code),
            message,
        },
    }
}

/// A status that tonic made itself because the connection failed, not one that the runtime sent.
fn transport_failure(status: &Status) -> Option<String> {
    let error = std::error::Error::source(status)?;
    Some(cause(error))
}

/// The innermost reason: "connection refused" says more than "transport error".
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// As Go's gRPC prints codes, which is how users know them.
fn go_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

fn image_spec(name: &str) -> ImageSpec {
    ImageSpec {
        image: name.to_owned(),
        ..ImageSpec::default()
    }
}

fn missing(call: &'static str, field: &'static str) -> Error {
    Error::Incomplete { call, field }
}

fn named(call: &'static str, id: String) -> Result<String, Error> {
    if id.is_empty() {
        return Err(missing(call, "id"));
    }
    Ok(id)
}

fn gone_is_done(outcome: Result<Empty, Error>) -> Result<(), Error> {
    match outcome {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

fn whole_seconds(duration: Duration) -> i64 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
