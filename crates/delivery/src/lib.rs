//! How do files get into place? Volumes in memory, published whole or not at all.
//!
//! A [`Volume`] is a directory that holds the files of one volume of a pod (or of one `--secret-dir` of
//! `strongroom run`) in the layout of Kubernetes' atomic writer (pods-and-kubelet §3.1):
//!
//! ```text
//! <volume>/..2026_01_02_03_04_05.123456789/   the files
//! <volume>/..data -> ..2026_01_02_03_04_05.123456789
//! <volume>/password -> ..data/password        one for each first element of a path
//! ```
//!
//! [`Volume::publish`] replaces `..data` by one rename, so a reader sees the whole old or the whole new set.
//!
//! # Invariants
//!
//! - A failed update leaves what is published as it was, and never unmounts anything.
//! - Whatever a crash left behind neither blocks an update nor stays: the next one repairs and sweeps.
//! - Nothing outside a volume is read, written or removed, whatever somebody put into it: every step is one path
//!   element from an open directory, and no symbolic link is followed.
//! - Content, mode and owner are compared; a change of any of them is applied.
//!
//! One process writes a volume at a time; the caller sees to that. Linux 5.8 or later.

mod beneath;
mod error;
mod layout;
mod mounts;
mod sub_path;
mod swap;
mod tmpfs;
mod volume;

pub use error::DeliveryError;
pub use layout::{PathError, check_path};
pub use sub_path::{SubPath, SubPathError, bind_sub_path, check_sub_path, unbind_sub_paths};
pub use volume::{Medium, Ownership, Published, Volume, VolumeKind, remove_volume};
