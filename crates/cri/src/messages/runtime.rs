//! The runtime itself.

/// Asks who the runtime is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VersionRequest {
    /// Version of the kubelet's API.
    #[prost(string, tag = "1")]
    pub version: String,
}

/// Who the runtime is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VersionResponse {
    /// Version of the kubelet's API.
    #[prost(string, tag = "1")]
    pub version: String,
    /// Its name, such as `containerd`.
    #[prost(string, tag = "2")]
    pub runtime_name: String,
    /// Its version.
    #[prost(string, tag = "3")]
    pub runtime_version: String,
    /// Version of its API, such as `v1`.
    #[prost(string, tag = "4")]
    pub runtime_api_version: String,
}

/// One way in which a runtime is ready or not.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RuntimeCondition {
    /// `RuntimeReady` or `NetworkReady` (`type` in the definition).
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Whether it is.
    #[prost(bool, tag = "2")]
    pub status: bool,
    /// Why not, in one word.
    #[prost(string, tag = "3")]
    pub reason: String,
    /// Why not, in more words.
    #[prost(string, tag = "4")]
    pub message: String,
}

/// Whether a runtime is ready.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RuntimeStatus {
    /// In which ways.
    #[prost(message, repeated, tag = "1")]
    pub conditions: Vec<RuntimeCondition>,
}

/// Asks whether the runtime is ready.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StatusRequest {
    /// Whether the runtime's own information is wanted too.
    #[prost(bool, tag = "1")]
    pub verbose: bool,
}

/// Whether the runtime is ready.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StatusResponse {
    /// The status.
    #[prost(message, optional, tag = "1")]
    pub status: Option<RuntimeStatus>,
}

/// An answer without content.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Empty {}
