//! What can go wrong between the node and its runtime.

use std::path::PathBuf;
use std::time::Duration;

/// Why a call had no useful answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The endpoint is not `unix://` and an absolute path.
    #[error("{endpoint}: a container runtime endpoint is unix:// and an absolute path")]
    Endpoint {
        /// As it was given.
        endpoint: String,
    },
    /// The runtime cannot be reached, or went away during the call.
    #[error("{call}: the container runtime at {} cannot be reached: {message}", socket.display())]
    Unreachable {
        /// The call's name.
        call: &'static str,
        /// The runtime's socket.
        socket: PathBuf,
        /// What the transport said.
        message: String,
    },
    /// The runtime did not answer in time.
    #[error("{call}: no answer within {} s", limit.as_secs())]
    Late {
        /// The call's name.
        call: &'static str,
        /// How long it might have taken.
        limit: Duration,
    },
    /// There is no such sandbox, container or image.
    #[error("{call}: {message}")]
    NotFound {
        /// The call's name.
        call: &'static str,
        /// The runtime's words.
        message: String,
    },
    /// The runtime refused or failed.
    #[error("{call}: {message}")]
    Failed {
        /// The call's name.
        call: &'static str,
        /// The gRPC code, as a kubelet prints it (`Unknown`, `DeadlineExceeded` …).
        code: &'static str,
        /// The runtime's words.
        message: String,
    },
    /// The answer lacks what it must have.
    #[error("{call}: the answer has no {field}")]
    Incomplete {
        /// The call's name.
        call: &'static str,
        /// What is missing.
        field: &'static str,
    },
}

impl Error {
    /// Whether the thing asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::NotFound { .. })
    }

    /// Whether the runtime itself is away or does not answer.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Error::Unreachable { .. } | Error::Late { .. })
    }

    /// As a kubelet says it in statuses and events: `rpc error: code = Unknown desc = …`.
    pub fn as_rpc_error(&self) -> String {
        let (code, message) = match self {
            Error::Failed { code, message, .. } => (*code, message.clone()),
            Error::NotFound { message, .. } => ("NotFound", message.clone()),
            Error::Late { .. } => ("DeadlineExceeded", "context deadline exceeded".to_owned()),
            Error::Unreachable { message, .. } => ("Unavailable", message.clone()),
            Error::Endpoint { .. } | Error::Incomplete { .. } => ("Unknown", self.to_string()),
        };
        format!("rpc error: code = {code} desc = {message}")
    }
}
