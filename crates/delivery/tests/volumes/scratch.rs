//! A place for volumes, and how tests look at them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use strongroom_delivery::{Volume, VolumeKind, remove_volume};
use strongroom_node_plan::{File, Payload};
use zeroize::Zeroizing;

/// A directory whose mounts are gone when it is dropped.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("volume")
    }

    pub fn memory(&self) -> Volume {
        Volume::open(self.path(), VolumeKind::memory(4 << 20, 1000)).unwrap()
    }

    pub fn open(&self, kind: VolumeKind) -> Volume {
        Volume::open(self.path(), kind).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let removed = remove_volume(&self.path());
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

/// A payload of `(path, content, mode)`.
pub fn payload(files: &[(&str, &str, u32)]) -> Payload {
    let file = |content: &str, mode| File {
        content: Zeroizing::new(content.as_bytes().to_vec()),
        mode,
        owner: None,
    };
    Payload {
        files: files
            .iter()
            .map(|(path, content, mode)| ((*path).to_owned(), file(content, *mode)))
            .collect(),
    }
}

/// What a reader finds, through the links: path to `"<content> <mode> <uid>:<gid>"`.
pub fn seen(volume: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(volume, "", &mut found);
    found
}

fn walk(directory: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if prefix.is_empty() && name.starts_with("..") {
            continue;
        }
        let path = directory.join(&name);
        let status = std::fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if status.is_dir() {
            walk(&path, &format!("{prefix}{name}/"), found);
        } else {
            let content = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            let line = format!(
                "{content} {:o} {}:{}",
                status.mode() & 0o7777,
                status.uid(),
                status.gid()
            );
            found.insert(format!("{prefix}{name}"), line);
        }
    }
}

/// The names in the volume's directory that begin with `..`, without the random part.
pub fn bookkeeping(volume: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(volume)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".."))
        .map(|name| {
            if name.as_bytes()[2].is_ascii_digit() {
                "..TIME".to_owned()
            } else {
                name
            }
        })
        .collect();
    names.sort();
    names
}
