//! One volume on the host.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Instant;

use k8s_openapi::api::core::v1::{Pod, Volume as VolumeSpec};
use strongroom_delivery::{DeliveryError, Ownership, Volume, remove_volume, unbind_sub_paths};
use strongroom_node_plan::Payload;
use strongroom_node_plan::quantity::Amount;
use strongroom_node_plan::security::fs_group;
use strongroom_node_plan::volumes::{VolumeError, VolumeKind};

use crate::mount_points;
use crate::places::PodPlaces;

/// What one source of a volume may take at most: a Secret is 1 MiB, but each of its files takes whole pages, and during
/// an update old and new files lie beside each other. This is room for 8,000 keys; only what is used takes memory.
const SOURCE_BYTES: u64 = 64 << 20;
const SOURCE_FILES: u64 = 32 << 10;
/// An `emptyDir` in memory that names no size takes half of the machine's memory, as a tmpfs does.
const FILES_IN_MEMORY: u64 = 1 << 20;

/// The volumes of a pod.
pub(crate) fn specs(pod: &Pod) -> impl Iterator<Item = &VolumeSpec> {
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref());
    volumes.unwrap_or_default().iter()
}

/// Why a volume is not as it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VolumeFailure {
    /// What should be in it cannot be had.
    #[error(transparent)]
    Content(#[from] VolumeError),
    /// It cannot be put there.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// A path of the host is not what the pod says it is.
    #[error("hostPath type check failed: {path} is not a {wanted}")]
    HostPath {
        /// The path.
        path: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// The system refused.
    #[error("cannot make {path}: {source}")]
    Make {
        /// What was to be made.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A size that is none.
    #[error("sizeLimit: {0}")]
    Size(#[from] strongroom_node_plan::quantity::QuantityError),
}

/// A volume that is there.
pub(crate) enum Placed {
    /// Files that the node writes.
    Files { volume: Box<Volume>, published: bool },
    /// A directory in memory that only the pod writes.
    Memory(Box<Volume>),
    /// A directory or path that the node does not write.
    Plain(PathBuf),
}

impl Placed {
    /// Makes the volume, or takes over one that an earlier process left.
    pub fn open(
        places: &PodPlaces,
        pod: &Pod,
        spec: &VolumeSpec,
        kind: &VolumeKind<'_>,
    ) -> Result<Placed, VolumeFailure> {
        let path = kind.plugin().map(|plugin| places.volume(plugin, &spec.name));
        match (kind, path) {
            (VolumeKind::HostPath { path, type_ }, _) => host_path(path, type_),
            (VolumeKind::Unsupported(what), _) => Err(VolumeError::Unsupported(what).into()),
            (VolumeKind::EmptyDir { memory, size_limit }, Some(path)) => {
                empty_dir(&path, *memory, *size_limit, fs_group(pod))
            }
            (kind, Some(path)) => {
                let medium = if kind.in_memory() {
                    let sources = sources(spec);
                    strongroom_delivery::VolumeKind::memory(SOURCE_BYTES * sources, SOURCE_FILES * sources)
                } else {
                    strongroom_delivery::VolumeKind::directory()
                };
                let mut volume = Volume::open(path, medium)?;
                let inside = mount_points::inside(pod, &spec.name);
                let inside: Vec<&str> = inside.iter().map(String::as_str).collect();
                volume.make_mount_points(&inside)?;
                let published = volume.is_published()?;
                Ok(Placed::Files {
                    volume: Box::new(volume),
                    published,
                })
            }
            (_, None) => Err(VolumeError::Unsupported("this volume").into()),
        }
    }

    /// Whether containers can use it.
    pub fn is_ready(&self) -> bool {
        match self {
            Placed::Files { published, .. } => *published,
            Placed::Memory(_) | Placed::Plain(_) => true,
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Placed::Files { volume, .. } | Placed::Memory(volume) => volume.path(),
            Placed::Plain(path) => path,
        }
    }

    /// Makes these its files.
    pub fn publish(&mut self, pod: &Pod, content: &Payload) -> Result<(), VolumeFailure> {
        if let Placed::Files { volume, published } = self {
            let fs_group = fs_group(pod).and_then(|group| u32::try_from(group).ok());
            volume.publish(content, &Ownership { fs_group })?;
            *published = true;
        }
        Ok(())
    }

    /// Removes files that were replaced; when to do it again.
    pub fn sweep(&mut self) -> Option<Instant> {
        match self {
            Placed::Files { volume, .. } => volume.sweep(),
            _ => None,
        }
    }
}

fn sources(spec: &VolumeSpec) -> u64 {
    let projected = spec
        .projected
        .as_ref()
        .and_then(|projected| projected.sources.as_ref());
    projected.map_or(1, |sources| sources.len().max(1) as u64)
}

fn make(path: &Path) -> impl FnOnce(io::Error) -> VolumeFailure {
    let path = path.display().to_string();
    move |source| VolumeFailure::Make { path, source }
}

fn empty_dir(
    path: &Path,
    memory: bool,
    size_limit: Option<&str>,
    group: Option<i64>,
) -> Result<Placed, VolumeFailure> {
    let placed = if memory {
        let bytes = match size_limit.map(Amount::parse).transpose()? {
            Some(amount) => u64::try_from(amount.value()).unwrap_or(0).max(1),
            None => half_of_memory(),
        };
        let kind = strongroom_delivery::VolumeKind::memory(bytes, FILES_IN_MEMORY).with_exec();
        Placed::Memory(Box::new(Volume::open(path, kind)?))
    } else {
        fs::create_dir_all(path).map_err(make(path))?;
        Placed::Plain(path.to_owned())
    };
    let mut mode = 0o777;
    if let Some(group) = group.and_then(|group| u32::try_from(group).ok()) {
        chown(path, None, Some(group)).map_err(make(path))?;
        mode = 0o2777;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(make(path))?;
    Ok(placed)
}

fn half_of_memory() -> u64 {
    let info = rustix::system::sysinfo();
    u64::from(info.mem_unit.max(1)) * (info.totalram as u64) / 2
}

fn host_path(path: &str, type_: &str) -> Result<Placed, VolumeFailure> {
    let place = PathBuf::from(path);
    if type_ == "DirectoryOrCreate" && !place.exists() {
        fs::create_dir_all(&place).map_err(make(&place))?;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).map_err(make(&place))?;
    }
    if type_ == "FileOrCreate" && !place.exists() {
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&place)
            .map_err(make(&place))?;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o644)).map_err(make(&place))?;
    }
    let is = |wanted: &'static str, holds: fn(&fs::Metadata) -> bool| match fs::metadata(&place) {
        Ok(metadata) if holds(&metadata) => Ok(()),
        _ => Err(VolumeFailure::HostPath {
            path: path.to_owned(),
            wanted,
        }),
    };
    match type_ {
        "Directory" | "DirectoryOrCreate" => is("directory", fs::Metadata::is_dir)?,
        "File" | "FileOrCreate" => is("file", fs::Metadata::is_file)?,
        "Socket" => is("socket file", |metadata| metadata.file_type().is_socket())?,
        "CharDevice" => is("character device", |metadata| {
            metadata.file_type().is_char_device()
        })?,
        "BlockDevice" => is("block device", |metadata| metadata.file_type().is_block_device())?,
        // The runtime would make a directory of what is not there, and so does this.
        _ if !place.exists() => fs::create_dir_all(&place).map_err(make(&place))?,
        _ => {}
    }
    Ok(Placed::Plain(place))
}

/// Takes everything down that was ever mounted for a pod, and removes the files the node made for it. What the machine
/// mounted by itself below (nothing should be) stops this.
pub(crate) fn remove_all(places: &PodPlaces) -> Result<(), VolumeFailure> {
    if !places.directory().exists() {
        return Ok(());
    }
    unbind_sub_paths(&places.sub_paths())?;
    let kinds = fs::read_dir(places.volumes());
    for kind in kinds.into_iter().flatten().flatten() {
        let volumes = fs::read_dir(kind.path());
        for volume in volumes.into_iter().flatten().flatten() {
            remove_volume(&volume.path())?;
        }
    }
    let device = |path: &Path| fs::symlink_metadata(path).map(|metadata| metadata.dev());
    let directory = places.directory();
    // A mount that is left would lose its files.
    if device(directory).ok() == directory.parent().and_then(|parent| device(parent).ok()) {
        fs::remove_dir_all(directory).map_err(make(directory))?;
    }
    Ok(())
}
