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
    /// The endpoint of the runtime is none.
    #[error(transparent)]
    Runtime(#[from] strongroom_cri::Error),
}
