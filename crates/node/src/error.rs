//! Why a node cannot run.

use std::io;
use std::path::PathBuf;

/// What ends a node before it has begun.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A directory cannot be made.
    #[error("{} cannot be made", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Nothing can be opened at the node's address.
    #[error(
        "no port can be opened at {address}, where pods would find the API server; give an address of this machine with --node-ip"
    )]
    ApiGate {
        /// The node's address.
        address: std::net::IpAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The endpoint of the runtime is none.
    #[error(transparent)]
    Runtime(#[from] strongroom_cri::Error),
}
