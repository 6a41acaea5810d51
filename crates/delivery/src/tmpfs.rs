//! A tmpfs of one's own for each volume: private, bounded, never in swap (RELIABILITY S21).

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_reconfigure, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, fspick, move_mount,
};

use crate::error::{DeliveryError, Doing};
use crate::{beneath, mounts, swap};

/// What a mount table shows as the source of a volume, so that no other tmpfs is taken for one.
const SOURCE: &str = "strongroom";
/// How many mounts may be stacked on one directory before unmounting gives up.
const STACKED_MOUNTS: usize = 16;

/// How large a tmpfs may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub bytes: u64,
    pub files: u64,
}

/// How a tmpfs is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub bound: Bound,
    pub mode: u32,
    pub exec: bool,
}

/// Mounts a tmpfs at `directory`, over whatever is mounted there.
pub(crate) fn open_new(directory: &Path, shape: &Shape) -> Result<OwnedFd, DeliveryError> {
    mount(directory, &open_place(directory)?, shape)
}

/// Opens the tmpfs that is mounted at `directory`, or mounts one.
pub(crate) fn open(directory: &Path, shape: &Shape) -> Result<OwnedFd, DeliveryError> {
    let place = open_place(directory)?;
    if !is_mount_root(&place).doing("look at", || directory.display().to_string())? {
        return mount(directory, &place, shape);
    }
    let root = beneath::openat2(
        &place,
        OsStr::new("."),
        DIRECTORY,
        Mode::empty(),
        ResolveFlags::BENEATH,
    )
    .doing("open", || directory.display().to_string())?;
    adopt(directory, &root, shape.bound)?;
    Ok(root)
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW);

/// The directory that is seen under this path now, only as a place.
pub(crate) fn open_place(directory: &Path) -> Result<OwnedFd, DeliveryError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(directory, flags, Mode::empty()).doing("open", || directory.display().to_string())
}

/// Whether an open directory is the root of a mount.
pub(crate) fn is_mount_root(directory: impl AsFd) -> Result<bool, Errno> {
    let status = rustix::fs::statx(directory, "", AtFlags::EMPTY_PATH, StatxFlags::empty())?;
    Ok(status.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

fn mount(directory: &Path, place: &OwnedFd, shape: &Shape) -> Result<OwnedFd, DeliveryError> {
    let what = || format!("a tmpfs at {}", directory.display());
    let refused = |errno: Errno| match errno {
        Errno::PERM | Errno::ACCESS => DeliveryError::MountRefused {
            directory: directory.to_owned(),
        },
        errno => DeliveryError::Io {
            operation: "mount",
            what: what(),
            source: errno.into(),
        },
    };
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).map_err(refused)?;
    fsconfig_set_string(&context, "source", SOURCE).map_err(refused)?;
    fsconfig_set_string(&context, "size", shape.bound.bytes.to_string()).map_err(refused)?;
    fsconfig_set_string(&context, "nr_inodes", shape.bound.files.to_string()).map_err(refused)?;
    fsconfig_set_string(&context, "mode", format!("{:o}", shape.mode)).map_err(refused)?;
    match fsconfig_set_flag(&context, "noswap") {
        Ok(()) => {}
        // Linux before 6.4, or a user namespace.
        Err(Errno::INVAL | Errno::PERM) => swap::refuse()?,
        Err(errno) => return Err(refused(errno)),
    }
    fsconfig_create(&context).map_err(refused)?;
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_RELATIME;
    attributes.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, !shape.exec);
    let mounted = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(refused)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&mounted, "", place, "", flags).map_err(refused)?;
    beneath::openat2(
        &mounted,
        OsStr::new("."),
        DIRECTORY,
        Mode::empty(),
        ResolveFlags::BENEATH,
    )
    .doing("open", || directory.display().to_string())
}

/// Takes over what an earlier process mounted: it must be a volume's tmpfs, out of swap, and is given the bound asked for.
fn adopt(directory: &Path, root: &OwnedFd, bound: Bound) -> Result<(), DeliveryError> {
    let id = rustix::fs::statx(root, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
        .doing("look at", || directory.display().to_string())?
        .stx_mnt_id;
    let mount = mounts::all()?.into_iter().find(|mount| mount.id == id);
    match mount {
        Some(mount) if mount.file_system == "tmpfs" && mount.source == SOURCE => {
            if !mount.is_noswap() {
                swap::refuse()?;
            }
        }
        _ => {
            return Err(DeliveryError::ForeignMount {
                directory: directory.to_owned(),
            });
        }
    }
    if let Err(errno) = rebound(root, bound) {
        tracing::debug!(directory = %directory.display(), %errno, "the volume keeps the size it was mounted with");
    }
    Ok(())
}

fn rebound(root: &OwnedFd, bound: Bound) -> Result<(), Errno> {
    let now = rustix::fs::fstatvfs(root)?;
    if now.f_blocks * now.f_frsize == bound.bytes.next_multiple_of(now.f_frsize) && now.f_files == bound.files
    {
        return Ok(());
    }
    let context = fspick(
        root,
        "",
        FsPickFlags::FSPICK_CLOEXEC | FsPickFlags::FSPICK_EMPTY_PATH,
    )?;
    fsconfig_set_string(&context, "size", bound.bytes.to_string())?;
    fsconfig_set_string(&context, "nr_inodes", bound.files.to_string())?;
    fsconfig_reconfigure(&context)
}

/// The bound that a mounted tmpfs has.
pub(crate) fn bound(root: &OwnedFd) -> Result<Bound, Errno> {
    let status = rustix::fs::fstatvfs(root)?;
    Ok(Bound {
        bytes: status.f_blocks * status.f_frsize,
        files: status.f_files,
    })
}

/// Takes everything off `directory` that is mounted there; whoever has it open keeps it.
pub(crate) fn unmount(directory: &Path) -> Result<(), DeliveryError> {
    for _ in 0..STACKED_MOUNTS {
        match detach(directory) {
            Ok(()) => {}
            // Not a mount point, or not there.
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno).doing("unmount", || directory.display().to_string()),
        }
    }
    Err(Errno::BUSY).doing("unmount", || directory.display().to_string())
}

/// Takes off `directory` what was mounted there last.
pub(crate) fn unmount_once(directory: &Path) -> Result<(), DeliveryError> {
    detach(directory).doing("unmount", || directory.display().to_string())
}

fn detach(directory: &Path) -> Result<(), Errno> {
    rustix::mount::unmount(directory, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
}
