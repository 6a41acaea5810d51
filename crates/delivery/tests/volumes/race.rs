//! Somebody who exchanges directories for links while the writer is at work (RELIABILITY S16): whatever the outcome
//! of each attempt, nothing outside changes and nothing outside is bound.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use strongroom_delivery::{Ownership, SubPath, Volume, VolumeKind, bind_sub_path, unbind_sub_paths};

use crate::scratch::{Scratch, payload, seen};

/// How often; `DELIVERY_RACES` for more.
fn rounds() -> usize {
    std::env::var("DELIVERY_RACES")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(3000)
}

struct Attacker(Arc<AtomicBool>, JoinHandle<u64>);

impl Attacker {
    fn start(mut attack: impl FnMut() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut attacks = 0;
            while !stopped.load(Ordering::Relaxed) {
                attack();
                attacks += 1;
            }
            attacks
        });
        Self(stop, thread)
    }

    fn stop(self) -> u64 {
        self.0.store(true, Ordering::Relaxed);
        self.1.join().unwrap()
    }
}

fn outside() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outside");
    std::fs::create_dir_all(path.join("dir")).unwrap();
    for file in ["a", "x", "dir/b"] {
        std::fs::write(path.join(file), "outside").unwrap();
    }
    (directory, path)
}

fn exchange(first: &Path, second: &Path) {
    let _ = renameat_with(CWD, first, CWD, second, RenameFlags::EXCHANGE);
}

#[test]
fn while_publishing() {
    let scratch = Scratch::new();
    let mut volume = scratch.open(VolumeKind::memory(16 << 20, 10_000));
    let (_kept, outside) = outside();
    let before = seen(&outside);
    let (root, target) = (volume.path().to_owned(), outside.clone());
    let attacker = Attacker::start(move || {
        let _ = symlink(&target, root.join("evil"));
        for entry in std::fs::read_dir(&root).unwrap().flatten() {
            let name = entry.file_name();
            let is_set = name.to_str().is_some_and(|name| name.starts_with("..2"));
            if is_set {
                // The directory that is being written to becomes a link for a moment, and so does what is in it.
                exchange(&entry.path(), &root.join("evil"));
                exchange(&entry.path(), &root.join("evil"));
                let inner = entry.path().join("evil");
                let _ = symlink(&target, &inner);
                exchange(&entry.path().join("dir"), &inner);
                exchange(&entry.path().join("dir"), &inner);
            }
        }
        for name in ["a", "dir", "..data", "..data_tmp"] {
            exchange(&root.join(name), &root.join("evil"));
        }
    });
    let mut refused = 0;
    for version in 0..rounds() {
        let content = version.to_string();
        let files = payload(&[("a", &content, 0o644), ("dir/b", &content, 0o600)]);
        refused += usize::from(volume.publish(&files, &Ownership { fs_group: Some(77) }).is_err());
    }
    let attacks = attacker.stop();
    println!("{} publications, {refused} refused, {attacks} attacks", rounds());
    assert_eq!(seen(&outside), before);
    // Once it is over, one publication puts everything right.
    let files = payload(&[("a", "last", 0o644), ("dir/b", "last", 0o600)]);
    volume.publish(&files, &Ownership { fs_group: Some(77) }).unwrap();
    let found = seen(volume.path());
    assert_eq!(found["a"], "last 644 0:77");
    assert_eq!(found["dir/b"], "last 640 0:77");
    drop(volume);
    drop(scratch);
    assert_eq!(seen(&outside), before);
}

#[test]
fn while_binding() {
    let volume = tempfile::tempdir().unwrap();
    let places = tempfile::tempdir().unwrap();
    let place = places.path().join("subpaths/0");
    let (_kept, outside) = outside();
    let before = seen(&outside);
    std::fs::create_dir_all(volume.path().join("dir/deeper")).unwrap();
    std::fs::write(volume.path().join("dir/x"), "inside").unwrap();
    symlink(&outside, volume.path().join("evil")).unwrap();
    symlink("../../../..", volume.path().join("up")).unwrap();
    let root = volume.path().to_owned();
    let attacker = Attacker::start(move || {
        if !root.join("dir").is_symlink() {
            exchange(&root.join("dir"), &root.join("evil"));
        }
        exchange(&root.join("dir"), &root.join("evil"));
        exchange(&root.join("dir/deeper"), &root.join("up"));
        exchange(&root.join("dir/deeper"), &root.join("up"));
    });
    let (mut bound, mut refused) = (0, 0);
    for round in 0..rounds() {
        let sub_path = ["dir/x", "dir", "dir/deeper", "dir/new/er"][round % 4];
        let request = SubPath {
            volume_mount: "v",
            container: "c",
            sub_path,
        };
        match bind_sub_path(volume.path(), &request, &place) {
            Ok(()) => {
                bound += 1;
                let is_outside = |path: &Path| {
                    path.join("a").exists() || std::fs::read(path).is_ok_and(|content| content == b"outside")
                };
                assert!(!is_outside(&place), "{sub_path} leads outside");
                assert!(!place.join("etc").exists(), "{sub_path} leads up");
            }
            Err(_) => refused += 1,
        }
    }
    let attacks = attacker.stop();
    println!("{bound} bound, {refused} refused, {attacks} attacks");
    unbind_sub_paths(&places.path().join("subpaths")).unwrap();
    assert_eq!(seen(&outside), before);
    assert!(bound > 0);
    let _ = Volume::open(volume.path(), VolumeKind::directory()).unwrap();
}
