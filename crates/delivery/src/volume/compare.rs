//! Are these files there already?

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use strongroom_node_plan::File;
use zeroize::Zeroizing;

use super::{Ownership, write};
use crate::beneath;
use crate::layout::{Entry, Layout};

/// How much of a file is read at a time.
const CHUNK: usize = 64 * 1024;

/// Whether `data` holds exactly these files with these modes and owners. What cannot be read is not held.
pub(super) fn holds(data: &OwnedFd, layout: &Layout<'_>, ownership: &Ownership) -> bool {
    layout.directories.iter().all(|(path, children)| {
        beneath::descend(data, path)
            .is_ok_and(|directory| holds_directory(&directory, children, ownership).unwrap_or(false))
    })
}

fn holds_directory(
    directory: &OwnedFd,
    children: &BTreeMap<&str, Entry<'_>>,
    ownership: &Ownership,
) -> Result<bool, Errno> {
    let status = rustix::fs::fstat(directory)?;
    if status.st_mode & 0o7777 != ownership.directory_mode(write::DIRECTORY_MODE)
        || status.st_gid != ownership.group()
    {
        return Ok(false);
    }
    let names = beneath::names(directory)?;
    if names.len() != children.len()
        || !names
            .iter()
            .all(|name| name.to_str().is_some_and(|name| children.contains_key(name)))
    {
        return Ok(false);
    }
    for (name, entry) in children {
        if let Entry::File(file) = entry
            && !holds_file(directory, name, file, ownership)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds_file(directory: &OwnedFd, name: &str, file: &File, ownership: &Ownership) -> Result<bool, Errno> {
    let open = beneath::open_file(directory, OsStr::new(name), OFlags::RDONLY, Mode::empty())?;
    let status = rustix::fs::fstat(&open)?;
    let owner = file.owner.unwrap_or_else(|| rustix::process::geteuid().as_raw());
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile
        || status.st_mode & 0o7777 != ownership.file_mode(file.mode)
        || status.st_uid != owner
        || status.st_gid != ownership.group()
        || u64::try_from(status.st_size).ok() != Some(file.content.len() as u64)
    {
        return Ok(false);
    }
    let mut expected = file.content.as_slice();
    let mut chunk = Zeroizing::new(vec![0_u8; CHUNK.min(expected.len() + 1)]);
    loop {
        let read = rustix::io::retry_on_intr(|| rustix::io::read(&open, chunk.as_mut_slice()))?;
        match (expected.split_at_checked(read), read) {
            (_, 0) => return Ok(expected.is_empty()),
            (Some((head, tail)), read) if *head == chunk[..read] => expected = tail,
            _ => return Ok(false),
        }
    }
}
