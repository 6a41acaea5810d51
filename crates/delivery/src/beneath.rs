//! Steps inside a directory that never lead out of it: one path element at a time, from an open directory, through
//! no symbolic link.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

/// The most steps that removing one tree takes, should somebody add to it while it is being removed.
const REMOVAL_STEPS: usize = 1_000_000;

/// The most bytes of a path in one system call; the kernel takes 4095.
const LONGEST_PATH: usize = 4000;

/// How names are resolved everywhere in a volume.
pub(crate) const CLOSED: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// Opens `name` in `directory` for reading its entries. One file system only.
pub(crate) fn open_directory(directory: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    openat2(
        directory,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW,
        Mode::empty(),
        CLOSED | ResolveFlags::NO_XDEV,
    )
}

/// Opens a file or creates one; never a symbolic link, never waiting for a pipe's other end.
pub(crate) fn open_file(
    directory: impl AsFd,
    name: &OsStr,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    openat2(directory, name, flags, mode, CLOSED | ResolveFlags::NO_XDEV)
}

/// `openat2` that is tried again where the kernel asks for it.
pub(crate) fn openat2(
    directory: impl AsFd,
    name: &OsStr,
    flags: OFlags,
    mode: Mode,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    // EAGAIN: something was renamed while `..` or a link was being resolved. A racing attacker could prolong it.
    for _ in 0..128 {
        match rustix::fs::openat2(directory.as_fd(), name, flags | OFlags::CLOEXEC, mode, resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// Opens the directory that `elements` lead to; at most two directories are open at a time.
pub(crate) fn descend<Name: AsRef<OsStr>>(directory: impl AsFd, elements: &[Name]) -> Result<OwnedFd, Errno> {
    let mut current = open_directory(directory, OsStr::new("."))?;
    let mut path = OsString::new();
    for element in elements {
        let element = element.as_ref();
        // The kernel takes many elements at once, and resolves each of them as it would alone.
        if path.len() + 1 + element.len() > LONGEST_PATH {
            current = open_directory(&current, &path)?;
            path.clear();
        }
        if !path.is_empty() {
            path.push("/");
        }
        path.push(element);
    }
    if path.is_empty() {
        Ok(current)
    } else {
        open_directory(&current, &path)
    }
}

/// The names in a directory, without `.` and `..`.
pub(crate) fn names(directory: impl AsFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory.as_fd())? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    Ok(names)
}

/// Where a symbolic link leads, or `None` if there is none of that name.
pub(crate) fn link_target(directory: impl AsFd, name: &OsStr) -> Result<Option<OsString>, Errno> {
    match rustix::fs::readlinkat(directory, name, Vec::new()) {
        Ok(target) => Ok(Some(OsString::from_vec(target.into_bytes()))),
        Err(Errno::NOENT | Errno::INVAL) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Makes `name` a link to `target` in one step, whatever stood there: a reader finds the old or the new.
pub(crate) fn replace_with_link(
    directory: impl AsFd,
    target: &OsStr,
    temporary: &OsStr,
    name: &OsStr,
) -> Result<(), Errno> {
    let directory = directory.as_fd();
    remove(directory, temporary)?;
    rustix::fs::symlinkat(target, directory, temporary)?;
    match rustix::fs::renameat(directory, temporary, directory, name) {
        Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => {
            rustix::fs::renameat_with(directory, temporary, directory, name, RenameFlags::EXCHANGE)?;
            remove(directory, temporary)
        }
        other => other,
    }
}

/// Removes `name` with all that is in it; that there is none is fine. Mount points are not entered (`EBUSY`, `EXDEV`).
pub(crate) fn remove(directory: impl AsFd, name: &OsStr) -> Result<(), Errno> {
    let directory = directory.as_fd();
    match unlink(directory, name)? {
        Unlinked::Gone => return Ok(()),
        Unlinked::NotEmpty => {}
    }
    // A list of names, not of open directories: however deep the tree, two are open at a time.
    let mut path = vec![name.to_owned()];
    for _ in 0..REMOVAL_STEPS {
        let current = descend(directory, &path)?;
        let mut deeper = None;
        for entry in names(&current)? {
            if let Unlinked::NotEmpty = unlink(&current, &entry)? {
                deeper = Some(entry);
                break;
            }
        }
        match deeper {
            Some(entry) => path.push(entry),
            None => {
                let Some(last) = path.pop() else { return Ok(()) };
                let parent = descend(directory, &path)?;
                if let Unlinked::NotEmpty = unlink(&parent, &last)? {
                    path.push(last);
                } else if path.is_empty() {
                    return Ok(());
                }
            }
        }
    }
    Err(Errno::BUSY)
}

enum Unlinked {
    Gone,
    NotEmpty,
}

/// Removes a name that is no directory, or an empty one.
fn unlink(directory: impl AsFd, name: &OsStr) -> Result<Unlinked, Errno> {
    let directory = directory.as_fd();
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(Unlinked::Gone),
        Err(Errno::ISDIR) => {}
        Err(errno) => return Err(errno),
    }
    match rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(Unlinked::Gone),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(Unlinked::NotEmpty),
        // Exchanged for something else in between: looked at again.
        Err(Errno::NOTDIR) => Ok(Unlinked::NotEmpty),
        Err(errno) => Err(errno),
    }
}
