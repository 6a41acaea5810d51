//! One volume: opened or taken over, published into, torn down.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use strongroom_node_plan::Payload;

use crate::error::{DeliveryError, Doing};
use crate::layout::{Layout, elements};
use crate::sub_path::{self, SubPath, SubPathError};
use crate::tmpfs::{self, Bound, Shape};
use crate::{beneath, mounts};

mod compare;
mod write;

/// The link that says which files are published.
const DATA: &str = "..data";
/// What becomes [`DATA`] by a rename.
const DATA_TEMPORARY: &str = "..data_tmp";
/// What becomes one of the links that users see, where something else is in its place.
const LINK_TEMPORARY: &str = "..link_tmp";

/// How long files stay after others were published in their place: a reader that has followed `..data` and is about
/// to open a file in what it led to still finds it.
const RETIREMENT: Duration = Duration::from_secs(1);
/// How many retired sets are kept at most, whatever their age.
const RETIRED_SETS: usize = 8;

/// Where a volume's files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// A tmpfs of its own.
    Memory {
        /// The most bytes it takes; counted in pages of 4096 bytes, old and new files together during an update.
        bytes: u64,
        /// The most files, directories and links it takes.
        files: u64,
    },
    /// A directory of the file system that it is in.
    Directory,
}

/// What kind of volume it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeKind {
    /// Where the files are.
    pub medium: Medium,
    /// The permission bits of the volume's own directory.
    pub mode: u32,
    /// Whether programs in it can be executed. Only a volume in memory can forbid it.
    pub exec: bool,
}

impl VolumeKind {
    /// A volume in memory, as for Secrets and projected volumes: mode 0777, bounded to `bytes` and `files`.
    pub fn memory(bytes: u64, files: u64) -> Self {
        Self {
            medium: Medium::Memory { bytes, files },
            mode: 0o777,
            exec: false,
        }
    }

    /// A volume in a plain directory, as for ConfigMaps: mode 0777.
    pub fn directory() -> Self {
        Self {
            medium: Medium::Directory,
            mode: 0o777,
            exec: true,
        }
    }

    /// The same, but programs in it can be executed, as in an `emptyDir` in memory.
    pub fn with_exec(self) -> Self {
        Self { exec: true, ..self }
    }

    /// The same with other permission bits for the volume's own directory.
    pub fn with_mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }
}

/// Whose the files are, beyond what each file says (pods-and-kubelet §3.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ownership {
    /// `fsGroup`: the group of all files and directories, which may then read files (`mode | 0440`) and enter
    /// directories (`mode | 0550` and setgid).
    pub fs_group: Option<u32>,
}

impl Ownership {
    fn group(&self) -> u32 {
        self.fs_group
            .unwrap_or_else(|| rustix::process::getegid().as_raw())
    }

    fn file_mode(&self, mode: u32) -> u32 {
        if self.fs_group.is_some() {
            mode & 0o777 | 0o440
        } else {
            mode & 0o777
        }
    }

    fn directory_mode(&self, mode: u32) -> u32 {
        if self.fs_group.is_some() {
            mode & 0o777 | 0o2550
        } else {
            mode & 0o777
        }
    }

    /// Gives an open file or directory its owner and mode, where they differ.
    fn apply(&self, file: &OwnedFd, owner: Option<u32>, mode: u32) -> Result<(), Errno> {
        let status = rustix::fs::fstat(file)?;
        let owner = owner.filter(|owner| *owner != status.st_uid);
        let group = Some(self.group()).filter(|group| *group != status.st_gid);
        if owner.is_some() || group.is_some() {
            rustix::fs::fchown(file, owner.map(Uid::from_raw), group.map(Gid::from_raw))?;
        }
        // Changing the owner may clear bits, so the mode comes last.
        if owner.is_some() || group.is_some() || status.st_mode & 0o7777 != mode {
            rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
        }
        Ok(())
    }
}

/// What a publication did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Whether other files, modes or owners are there now.
    pub changed: bool,
    /// The directory in the volume that holds the files: `..2026_01_02_03_04_05.123456789`.
    pub directory: String,
}

/// A volume of this process; see the crate's documentation.
#[derive(Debug)]
pub struct Volume {
    path: PathBuf,
    kind: VolumeKind,
    root: OwnedFd,
    /// Directories of files that are published no more, and since when at the latest.
    retired: BTreeMap<OsString, Instant>,
    /// First elements of the paths that something is to be mounted on.
    mount_points: BTreeSet<String>,
}

impl Volume {
    /// Creates the directory and mounts its tmpfs, or takes over what an earlier process left there with all its
    /// files. Nothing that is published changes. Parents of the directory are created and must be trusted.
    ///
    /// # Errors
    /// No privilege to mount; swap is on and cannot be avoided; another file system is mounted there; the system's.
    pub fn open(directory: impl Into<PathBuf>, kind: VolumeKind) -> Result<Self, DeliveryError> {
        Self::open_by(directory.into(), kind, tmpfs::open)
    }

    /// As [`Volume::open`], but with a tmpfs of its own even if one is mounted there already, which it hides.
    ///
    /// # Errors
    /// As [`Volume::open`].
    pub fn open_new(directory: impl Into<PathBuf>, kind: VolumeKind) -> Result<Self, DeliveryError> {
        Self::open_by(directory.into(), kind, tmpfs::open_new)
    }

    fn open_by(
        path: PathBuf,
        kind: VolumeKind,
        open_memory: impl FnOnce(&Path, &Shape) -> Result<OwnedFd, DeliveryError>,
    ) -> Result<Self, DeliveryError> {
        std::fs::create_dir_all(&path).map_err(|source| DeliveryError::Io {
            operation: "create",
            what: path.display().to_string(),
            source,
        })?;
        let root = match kind.medium {
            Medium::Memory { bytes, files } => {
                let shape = Shape {
                    bound: Bound { bytes, files },
                    mode: kind.mode,
                    exec: kind.exec,
                };
                open_memory(&path, &shape)?
            }
            Medium::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::open(&path, flags, Mode::empty()).doing("open", || path.display().to_string())?
            }
        };
        let mut volume = Self {
            path,
            kind,
            root,
            retired: BTreeMap::new(),
            mount_points: BTreeSet::new(),
        };
        volume.retired = volume.left_behind()?;
        Ok(volume)
    }

    /// The volume's directory, to be mounted (read-only) into containers.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether files have been published, by this process or one before it.
    ///
    /// # Errors
    /// The volume cannot be read.
    pub fn is_published(&self) -> Result<bool, DeliveryError> {
        let Some(name) = self.current_name()? else {
            return Ok(false);
        };
        Ok(beneath::open_directory(&self.root, &name).is_ok())
    }

    /// Makes `payload` the volume's files: readers see the whole old or the whole new set. What is there already is
    /// left alone, down to the inode. Also repairs what a crash or somebody else has left behind.
    ///
    /// # Errors
    /// A bad path, no room, or the system's. Whatever fails before the new set is complete leaves the old one as it
    /// was; should a link that users see fail after it, the next call makes it.
    pub fn publish(&mut self, payload: &Payload, ownership: &Ownership) -> Result<Published, DeliveryError> {
        let layout = Layout::of(payload)?;
        if let Some(name) = layout
            .names()
            .into_iter()
            .find(|name| self.mount_points.contains(*name))
        {
            return Err(DeliveryError::Obstructed {
                name: name.to_owned(),
            });
        }
        self.sweep();
        let current = self.current_name()?;
        if current.is_none() {
            // Somebody took the link away, and what it led to is still there.
            for (name, since) in self.left_behind()? {
                self.retired.entry(name).or_insert(since);
            }
        }
        let holds = |name| {
            beneath::open_directory(&self.root, name)
                .is_ok_and(|data| compare::holds(&data, &layout, ownership))
        };
        let unchanged = current.as_deref().is_some_and(holds);
        let directory = match current {
            Some(name) if unchanged => name,
            old => self.replace(old, &layout, ownership)?,
        };
        self.own_root(ownership)?;
        self.link(&layout)
            .map_err(|error| self.explained(error, &layout))?;
        Ok(Published {
            changed: !unchanged,
            directory: directory.to_string_lossy().into_owned(),
        })
    }

    /// Removes files that are published no more, once a reader that was on its way to them must have arrived.
    /// Returns when to call this again; [`Volume::publish`] calls it as well.
    pub fn sweep(&mut self) -> Option<Instant> {
        let due = Instant::now().checked_sub(RETIREMENT);
        // By age, then by name, which begins with the time.
        let mut by_age: Vec<(Instant, OsString)> = self
            .retired
            .iter()
            .map(|(name, since)| (*since, name.clone()))
            .collect();
        by_age.sort();
        let surplus = by_age.len().saturating_sub(RETIRED_SETS);
        for (index, (since, name)) in by_age.into_iter().enumerate() {
            if index < surplus || due.is_some_and(|due| since <= due) {
                self.discard(&name);
            }
        }
        self.retired.values().min().map(|since| *since + RETIREMENT)
    }

    /// Creates directories for what is to be mounted inside the volume, which containers cannot write to. `paths`
    /// are relative to the volume. Must be called again after [`Volume::open`], so that no file takes their place.
    ///
    /// # Errors
    /// A bad path, a file of that name, or the system's.
    pub fn make_mount_points(&mut self, paths: &[&str]) -> Result<(), DeliveryError> {
        for path in paths {
            let elements = elements(path)?;
            let mut directory = beneath::descend::<&str>(&self.root, &[])
                .doing("open", || self.path.display().to_string())?;
            for element in &elements {
                let name = OsStr::new(*element);
                match rustix::fs::mkdirat(&directory, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno).doing("create the mount point", || (*path).to_owned()),
                }
                directory = match beneath::open_directory(&directory, name) {
                    Err(Errno::NOTDIR | Errno::LOOP) => {
                        return Err(DeliveryError::Obstructed {
                            name: (*element).to_owned(),
                        });
                    }
                    other => other.doing("open the mount point", || (*path).to_owned())?,
                };
            }
            self.mount_points
                .extend(elements.first().map(|first| (*first).to_owned()));
        }
        Ok(())
    }

    /// Binds what `request.sub_path` leads to, now, to `place`, for a container to mount: a file or a directory,
    /// created as a directory if it does not exist (pods-and-kubelet §3.4). What was bound to `place` before is
    /// released. The parent of `place` is created and must be trusted.
    ///
    /// # Errors
    /// With the exact texts of the node's messages.
    pub fn bind_sub_path(&self, request: &SubPath<'_>, place: &Path) -> Result<(), SubPathError> {
        sub_path::bind(&self.root, request, place)
    }

    /// Unmounts the volume and leaves its directory as it was before; a plain directory keeps its files. Whoever has
    /// the volume mounted elsewhere keeps it.
    ///
    /// # Errors
    /// The system's.
    pub fn unmount(self) -> Result<(), DeliveryError> {
        let Self { path, kind, .. } = self;
        match kind.medium {
            Medium::Memory { .. } => tmpfs::unmount_once(&path),
            Medium::Directory => Ok(()),
        }
    }

    /// Unmounts the volume and removes its directory with all files.
    ///
    /// # Errors
    /// As [`remove_volume`].
    pub fn teardown(self) -> Result<(), DeliveryError> {
        let path = self.path.clone();
        drop(self);
        remove_volume(&path)
    }

    /// The name of the directory whose files are published.
    fn current_name(&self) -> Result<Option<OsString>, DeliveryError> {
        let target =
            beneath::link_target(&self.root, OsStr::new(DATA)).doing("read", || self.describe(DATA))?;
        Ok(target.filter(|target| is_data_directory(target)))
    }

    /// Writes the new files beside the old ones and lets [`DATA`] lead to them.
    fn replace(
        &mut self,
        old: Option<OsString>,
        layout: &Layout<'_>,
        ownership: &Ownership,
    ) -> Result<OsString, DeliveryError> {
        let new = match self.write(layout, ownership) {
            // Room for the new files matters more than a reader that is late.
            Err(error) if error.is_no_space() && !self.retired.is_empty() => {
                for name in self.retired.keys().cloned().collect::<Vec<_>>() {
                    self.discard(&name);
                }
                self.write(layout, ownership)
            }
            other => other,
        };
        let new = new.map_err(|error| self.explained(error, layout))?;
        let flipped = self.own_root(ownership).and_then(|()| {
            beneath::replace_with_link(&self.root, &new, OsStr::new(DATA_TEMPORARY), OsStr::new(DATA))
                .doing("publish", || self.describe(DATA))
        });
        if let Err(error) = flipped {
            let published = self.current_name().ok().flatten();
            if published.as_ref() != Some(&new) {
                self.discard(&new);
                return Err(self.explained(error, layout));
            }
        }
        self.retired.extend(old.map(|old| (old, Instant::now())));
        Ok(new)
    }

    /// Makes the links that users see; removes those to what is there no more, and those that a crash left half made.
    fn link(&self, layout: &Layout<'_>) -> Result<(), DeliveryError> {
        let wanted = layout.names();
        for name in &wanted {
            let target = Path::new(DATA).join(name);
            let (name, target) = (OsStr::new(*name), target.as_os_str());
            let present = beneath::link_target(&self.root, name).doing("read", || self.describe(name))?;
            if present.as_deref() != Some(target) {
                beneath::replace_with_link(&self.root, target, OsStr::new(LINK_TEMPORARY), name)
                    .doing("create the link", || self.describe(name))?;
            }
        }
        for name in beneath::names(&self.root).doing("list", || self.path.display().to_string())? {
            if name == DATA_TEMPORARY || name == LINK_TEMPORARY {
                beneath::remove(&self.root, &name).doing("remove", || self.describe(&name))?;
                continue;
            }
            let is_wanted = name.to_str().is_some_and(|name| wanted.contains(name));
            if is_wanted || name.as_bytes().starts_with(b"..") {
                continue;
            }
            if beneath::link_target(&self.root, &name)
                .doing("read", || self.describe(&name))?
                .is_some()
            {
                beneath::remove(&self.root, &name).doing("remove the link", || self.describe(&name))?;
            }
        }
        Ok(())
    }

    /// Gives the volume's own directory its mode and group.
    fn own_root(&self, ownership: &Ownership) -> Result<(), DeliveryError> {
        ownership
            .apply(&self.root, None, ownership.directory_mode(self.kind.mode))
            .doing("change the owner of", || self.path.display().to_string())
    }

    /// Sets of files that are not the current one: an earlier process was about to remove or to publish them.
    fn left_behind(&self) -> Result<BTreeMap<OsString, Instant>, DeliveryError> {
        let current = self.current_name()?;
        let names = beneath::names(&self.root).doing("list", || self.path.display().to_string())?;
        let now = Instant::now();
        let left = names
            .into_iter()
            .filter(|name| is_data_directory(name) && current.as_ref() != Some(name));
        Ok(left.map(|name| (name, now)).collect())
    }

    /// Removes a set of files that is not published; what cannot be removed is tried again by the next sweep.
    fn discard(&mut self, name: &OsStr) {
        let removed = match self.current_name() {
            Ok(current) if current.as_deref() != Some(name) => {
                beneath::remove(&self.root, name).doing("remove", || self.describe(name))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match removed {
            Ok(()) => {
                self.retired.remove(name);
            }
            Err(error) => {
                tracing::warn!(%error, "old files of a volume could not be removed");
                self.retired.insert(name.to_owned(), Instant::now());
            }
        }
    }

    /// Says what the bound is when there was no room.
    fn explained(&self, error: DeliveryError, layout: &Layout<'_>) -> DeliveryError {
        match (self.kind.medium, tmpfs::bound(&self.root)) {
            (Medium::Memory { .. }, Ok(bound)) if error.is_no_space() => DeliveryError::Full {
                needed_bytes: layout.bytes,
                needed_files: layout.entries,
                bytes: bound.bytes,
                files: bound.files,
            },
            _ => error,
        }
    }

    fn describe(&self, name: impl AsRef<OsStr>) -> String {
        self.path.join(name.as_ref()).display().to_string()
    }
}

/// Removes a volume that no [`Volume`] is open for, such as one whose pod went away while the node was not running:
/// unmounts whatever is mounted at or below `directory` and removes it. That there is none is fine.
///
/// # Errors
/// The system's; calling it again goes on where it stopped.
pub fn remove_volume(directory: &Path) -> Result<(), DeliveryError> {
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

/// Whether a name is that of a set of files: `..2026_01_02_03_04_05.123456789`.
fn is_data_directory(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.starts_with(b"..") && name.get(2).is_some_and(u8::is_ascii_digit) && !name.contains(&b'/')
}
