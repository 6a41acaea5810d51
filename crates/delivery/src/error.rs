//! What can go wrong, named after what was being done.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::layout::PathError;

/// Why files could not be put into place. Never holds content.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// A path of the payload is none that a volume may hold.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The files do not fit; those published before are still there.
    #[error(
        "the files need {needed_bytes} bytes in {needed_files} files and do not fit into the volume, which is \
         bounded to {bytes} bytes and {files} files and holds the old files until the new ones are complete"
    )]
    Full {
        /// Bytes of the new files, in whole pages.
        needed_bytes: u64,
        /// New files, directories and links.
        needed_files: u64,
        /// The most bytes that the volume takes.
        bytes: u64,
        /// The most files, directories and links that the volume takes.
        files: u64,
    },
    /// Memory could be written to a swap device, and this kernel cannot prevent it.
    #[error(
        "swap is on ({device}), and a tmpfs mounted here cannot be kept out of it; run `swapoff -a`, or use \
         Linux 6.4 or later and the initial user namespace"
    )]
    SwapIsOn {
        /// The first swap device.
        device: String,
    },
    /// Mounting needs a privilege that the process does not have.
    #[error(
        "mounting a tmpfs at {directory} is not permitted; run as root or with CAP_SYS_ADMIN in a mount namespace \
         of your own"
    )]
    MountRefused {
        /// Where the mount was to be.
        directory: PathBuf,
    },
    /// Something else is mounted where the volume should be.
    #[error("{directory} is the mount point of another file system; unmount it or use another directory")]
    ForeignMount {
        /// The volume's directory.
        directory: PathBuf,
    },
    /// A file of the payload has the name of a directory that something is to be mounted on.
    #[error("{name:?} is the name of a file and of a mount point in the volume; rename one of them")]
    Obstructed {
        /// The first element of the path.
        name: String,
    },
    /// The operating system refused.
    #[error("cannot {operation} {what}: {source}")]
    Io {
        /// What was tried, as a verb: `write`, `mount`.
        operation: &'static str,
        /// On what.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Says what was being done when the system refused.
pub(crate) trait Doing<T> {
    fn doing(self, operation: &'static str, what: impl FnOnce() -> String) -> Result<T, DeliveryError>;
}

impl<T> Doing<T> for Result<T, Errno> {
    fn doing(self, operation: &'static str, what: impl FnOnce() -> String) -> Result<T, DeliveryError> {
        self.map_err(|errno| DeliveryError::Io {
            operation,
            what: what(),
            source: errno.into(),
        })
    }
}

impl DeliveryError {
    /// Whether there was no room.
    pub(crate) fn is_no_space(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if Errno::from_io_error(source).is_some_and(|errno| errno == Errno::NOSPC || errno == Errno::DQUOT))
    }
}
