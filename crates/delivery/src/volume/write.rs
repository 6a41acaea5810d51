//! Writing a new set of files beside the published one.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use strongroom_node_plan::File;

use super::{Ownership, Volume};
use crate::beneath;
use crate::error::{DeliveryError, Doing};
use crate::layout::{Entry, Layout};

/// The permission bits of directories, before those that `fsGroup` adds.
pub(super) const DIRECTORY_MODE: u32 = 0o755;
/// How often another name is tried when one is taken.
const ATTEMPTS: usize = 8;

impl Volume {
    /// Writes the files into a directory of their own and returns its name. What fails leaves nothing behind.
    pub(super) fn write(
        &mut self,
        layout: &Layout<'_>,
        ownership: &Ownership,
    ) -> Result<OsString, DeliveryError> {
        let name = self.make_data_directory()?;
        match self.fill(&name, layout, ownership) {
            Ok(()) => Ok(name),
            Err(error) => {
                self.discard(&name);
                Err(error)
            }
        }
    }

    fn make_data_directory(&self) -> Result<OsString, DeliveryError> {
        let mut attempts = 0;
        loop {
            let name = data_directory_name();
            match rustix::fs::mkdirat(&self.root, &name, Mode::RWXU) {
                Ok(()) => return Ok(name),
                Err(Errno::EXIST) if attempts < ATTEMPTS => attempts += 1,
                Err(errno) => return Err(errno).doing("create", || self.describe(&name)),
            }
        }
    }

    fn fill(&self, name: &OsStr, layout: &Layout<'_>, ownership: &Ownership) -> Result<(), DeliveryError> {
        let data = beneath::open_directory(&self.root, name).doing("open", || self.describe(name))?;
        for (path, children) in &layout.directories {
            let path_of = |child: &str| path.iter().chain([&child]).copied().collect::<Vec<_>>().join("/");
            let directory = beneath::descend(&data, path).doing("open", || path_of("."))?;
            for (child, entry) in children {
                match entry {
                    Entry::Directory => rustix::fs::mkdirat(&directory, OsStr::new(child), Mode::RWXU),
                    Entry::File(file) => write_file(&directory, OsStr::new(child), file, ownership),
                }
                .doing("write", || path_of(child))?;
            }
            ownership
                .apply(&directory, None, ownership.directory_mode(DIRECTORY_MODE))
                .doing("change the mode of", || path_of("."))?;
        }
        Ok(())
    }
}

/// Nobody but the writer may read the file until it has its owner and its mode.
fn write_file(directory: &OwnedFd, name: &OsStr, file: &File, ownership: &Ownership) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let open = beneath::open_file(directory, name, flags, Mode::RUSR | Mode::WUSR)?;
    let mut rest = file.content.as_slice();
    while !rest.is_empty() {
        match rustix::io::retry_on_intr(|| rustix::io::write(&open, rest))? {
            0 => return Err(Errno::NOSPC),
            written => rest = &rest[written..],
        }
    }
    ownership.apply(&open, file.owner, ownership.file_mode(file.mode))
}

/// `..2026_01_02_03_04_05.123456789`: when it was made, in UTC. Sorts by age.
fn data_directory_name() -> OsString {
    jiff::Timestamp::now()
        .strftime("..%Y_%m_%d_%H_%M_%S.%9N")
        .to_string()
        .into()
}
