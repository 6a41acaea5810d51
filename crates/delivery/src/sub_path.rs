//! One file or directory of a volume, mounted by itself (pods-and-kubelet §3.4).

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use crate::error::{DeliveryError, Doing};
use crate::{beneath, mounts, tmpfs};

/// How often a path is looked at again when somebody changes it meanwhile.
const ATTEMPTS: usize = 16;

/// What a container asks for.
#[derive(Debug, Clone, Copy)]
pub struct SubPath<'request> {
    /// The name of the volumeMount, for messages.
    pub volume_mount: &'request str,
    /// The name of the container, for messages.
    pub container: &'request str,
    /// The path in the volume, expanded.
    pub sub_path: &'request str,
}

impl SubPath<'_> {
    fn unprepared(&self, source: DeliveryError) -> SubPathError {
        SubPathError::Unprepared {
            volume_mount: self.volume_mount.to_owned(),
            container: self.container.to_owned(),
            source: Box::new(source),
        }
    }
}

/// Why a part of a volume cannot be mounted. The texts are those of Kubernetes' nodes.
#[derive(Debug, thiserror::Error)]
pub enum SubPathError {
    /// The path begins with `/`.
    #[error("error SubPath `{0}` must not be an absolute path")]
    Absolute(String),
    /// The path has an element `..`.
    #[error("unable to provision SubPath `{0}`: must not contain '..'")]
    Parent(String),
    /// Everything else; the source says what.
    #[error("failed to prepare subPath for volumeMount {volume_mount:?} of container {container:?}")]
    Unprepared {
        /// The name of the volumeMount.
        volume_mount: String,
        /// The name of the container.
        container: String,
        /// What happened, for the log.
        #[source]
        source: Box<DeliveryError>,
    },
}

/// Whether a subPath may be looked for at all.
///
/// # Errors
/// It is absolute or has an element `..`.
pub fn check_sub_path(sub_path: &str) -> Result<(), SubPathError> {
    if sub_path.starts_with('/') {
        return Err(SubPathError::Absolute(sub_path.to_owned()));
    }
    if sub_path.split('/').any(|element| element == "..") {
        return Err(SubPathError::Parent(sub_path.to_owned()));
    }
    Ok(())
}

/// Binds what `request.sub_path` leads to in the directory `volume`, now, to `place`, for a container to mount: a file
/// or a directory, created as a directory if it does not exist. No link that leads out of the volume is followed,
/// whoever can write to it. What was bound to `place` before is released; the parent of `place` is created and must
/// be trusted, as the parents of `volume`.
///
/// # Errors
/// With the exact texts of Kubernetes' nodes.
pub fn bind_sub_path(volume: &Path, request: &SubPath<'_>, place: &Path) -> Result<(), SubPathError> {
    check_sub_path(request.sub_path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let volume = rustix::fs::open(volume, flags, Mode::empty())
        .doing("open", || volume.display().to_string())
        .map_err(|source| request.unprepared(source))?;
    bind(&volume, request, place)
}

/// The same in an open volume.
pub(crate) fn bind(volume: &OwnedFd, request: &SubPath<'_>, place: &Path) -> Result<(), SubPathError> {
    check_sub_path(request.sub_path)?;
    prepare(volume, request.sub_path, place).map_err(|source| request.unprepared(source))
}

fn prepare(volume: &OwnedFd, sub_path: &str, place: &Path) -> Result<(), DeliveryError> {
    let target = resolve(volume, sub_path).doing("open", || format!("{sub_path:?} in the volume"))?;
    let status = rustix::fs::fstat(&target).doing("look at", || format!("{sub_path:?} in the volume"))?;
    let is_directory = FileType::from_raw_mode(status.st_mode) == FileType::Directory;
    let place_fd = make_place(place, is_directory)?;
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(&target, "", flags).doing("bind", || place.display().to_string())?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&tree, "", &place_fd, "", flags).doing("bind", || place.display().to_string())
}

/// Follows the volume's own links, and none that leads out of it; creates directories where nothing is.
fn resolve(volume: &OwnedFd, sub_path: &str) -> Result<OwnedFd, Errno> {
    let elements: Vec<&str> = sub_path
        .split('/')
        .filter(|element| !matches!(*element, "" | "."))
        .collect();
    for _ in 0..ATTEMPTS {
        match open_beneath(volume, &elements) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let mut existing = elements.len().saturating_sub(1);
        let parent = loop {
            match open_beneath(volume, &elements[..existing]) {
                Err(Errno::NOENT) if existing > 0 => existing -= 1,
                other => break other?,
            }
        };
        let mode = Mode::from_raw_mode(rustix::fs::fstat(volume)?.st_mode & 0o777);
        let mut parent = beneath::open_directory(&parent, OsStr::new("."))?;
        for element in &elements[existing..] {
            let name = OsStr::new(*element);
            match rustix::fs::mkdirat(&parent, name, mode) {
                Ok(()) => {}
                // Made by somebody else meanwhile, or a link that leads nowhere.
                Err(Errno::EXIST) => break,
                Err(errno) => return Err(errno),
            }
            parent = beneath::open_directory(&parent, name)?;
            rustix::fs::fchmod(&parent, mode)?;
        }
    }
    Err(Errno::NOENT)
}

fn open_beneath(volume: &OwnedFd, elements: &[&str]) -> Result<OwnedFd, Errno> {
    let path = if elements.is_empty() {
        ".".to_owned()
    } else {
        elements.join("/")
    };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let target = beneath::openat2(volume, OsStr::new(&path), OFlags::PATH, Mode::empty(), resolve)?;
    Ok(target)
}

/// An empty file or directory that nothing is mounted on.
fn make_place(place: &Path, is_directory: bool) -> Result<OwnedFd, DeliveryError> {
    let what = || place.display().to_string();
    let io = |source| DeliveryError::Io {
        operation: "create",
        what: what(),
        source,
    };
    let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
        return Err(Errno::INVAL).doing("create", what);
    };
    std::fs::create_dir_all(parent).map_err(io)?;
    tmpfs::unmount(place)?;
    let parent = tmpfs::open_place(parent)?;
    beneath::remove(&parent, name).doing("replace", what)?;
    if is_directory {
        rustix::fs::mkdirat(&parent, name, Mode::RWXU).doing("create", what)?;
    } else {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        beneath::open_file(&parent, name, flags, Mode::RUSR).doing("create", what)?;
    }
    beneath::openat2(
        &parent,
        name,
        OFlags::PATH | OFlags::NOFOLLOW,
        Mode::empty(),
        beneath::CLOSED,
    )
    .doing("open", what)
}

/// Releases everything that is bound at or below `directory` (the bookkeeping of one volume, or of a pod) and removes
/// the places. Must come before the volume is torn down. That there is none is fine.
///
/// # Errors
/// The system's; calling it again goes on where it stopped.
pub fn unbind_sub_paths(directory: &Path) -> Result<(), DeliveryError> {
    for point in mounts::beneath(&mounts::as_printed(directory))? {
        tmpfs::unmount(&point)?;
    }
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        return Ok(());
    };
    match tmpfs::open_place(parent) {
        Err(DeliveryError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => beneath::remove(&other?, name).doing("remove", || directory.display().to_string()),
    }
}
