//! What somebody who can write to a volume may have put there: nothing outside is written, removed or read, and the
//! volume is right again after one publication.

use std::os::unix::fs::symlink;
use std::path::Path;

use strongroom_delivery::{Ownership, VolumeKind};

use crate::scratch::{Scratch, bookkeeping, payload, seen};

const BEFORE: &[(&str, &str, u32)] = &[("a", "1", 0o644), ("dir/b", "2", 0o600)];
const AFTER: &[(&str, &str, u32)] = &[("a", "3", 0o644), ("dir/b", "4", 0o600), ("c", "5", 0o444)];

/// Tampers with a published volume, publishes again, and looks at both sides.
fn check(name: &str, tamper: impl Fn(&Path, &Path)) {
    for kind in [VolumeKind::memory(1 << 20, 1000), VolumeKind::directory()] {
        for files in [BEFORE, AFTER] {
            let scratch = Scratch::new();
            let outside = tempfile::tempdir().unwrap();
            std::fs::create_dir(outside.path().join("dir")).unwrap();
            for file in ["a", "b", "c", "dir/b"] {
                std::fs::write(outside.path().join(file), "outside").unwrap();
            }
            let before = seen(outside.path());
            let mut volume = scratch.open(kind);
            volume.publish(&payload(BEFORE), &Ownership::default()).unwrap();
            tamper(volume.path(), outside.path());
            volume
                .publish(&payload(files), &Ownership { fs_group: Some(77) })
                .unwrap();
            let found = seen(volume.path());
            for (path, content, _) in files {
                assert!(
                    found[*path].starts_with(&format!("{content} ")),
                    "{name}: {found:?}"
                );
            }
            let left: Vec<_> = bookkeeping(volume.path())
                .into_iter()
                .filter(|name| name != "..TIME" && name != "..data")
                .collect();
            assert!(
                left.is_empty() || name == "a name of the writer's kind",
                "{name}: {left:?}"
            );
            assert_eq!(seen(outside.path()), before, "{name}");
            drop(volume);
            drop(scratch);
            assert_eq!(seen(outside.path()), before, "{name}: teardown");
        }
    }
}

fn data_directory(volume: &Path) -> std::path::PathBuf {
    volume.join(std::fs::read_link(volume.join("..data")).unwrap())
}

#[test]
fn the_writers_own_names() {
    check("..data leads out", |volume, outside| {
        std::fs::remove_file(volume.join("..data")).unwrap();
        symlink(outside, volume.join("..data")).unwrap();
    });
    check("..data leads up", |volume, _| {
        std::fs::remove_file(volume.join("..data")).unwrap();
        symlink("..", volume.join("..data")).unwrap();
    });
    check(
        "..data leads to a link of the right name that leads out",
        |volume, outside| {
            std::fs::remove_file(volume.join("..data")).unwrap();
            symlink(outside, volume.join("..2026_01_01_00_00_00.1")).unwrap();
            symlink("..2026_01_01_00_00_00.1", volume.join("..data")).unwrap();
        },
    );
    check("..data leads to itself", |volume, _| {
        std::fs::remove_file(volume.join("..data")).unwrap();
        symlink("..data", volume.join("..data")).unwrap();
    });
    check("..data is a directory", |volume, outside| {
        std::fs::remove_file(volume.join("..data")).unwrap();
        std::fs::create_dir(volume.join("..data")).unwrap();
        symlink(outside, volume.join("..data/a")).unwrap();
    });
    check("..data is a file", |volume, _| {
        std::fs::remove_file(volume.join("..data")).unwrap();
        std::fs::write(volume.join("..data"), "x").unwrap();
    });
    check("..data is gone", |volume, _| {
        std::fs::remove_file(volume.join("..data")).unwrap()
    });
    check("a stale ..data_tmp", |volume, outside| {
        symlink(outside, volume.join("..data_tmp")).unwrap()
    });
    check("..data_tmp is a full directory", |volume, outside| {
        std::fs::create_dir_all(volume.join("..data_tmp/x/y")).unwrap();
        symlink(outside, volume.join("..data_tmp/x/out")).unwrap();
    });
    check("..link_tmp leads out", |volume, outside| {
        symlink(outside, volume.join("..link_tmp")).unwrap()
    });
    check("old sets that lead out", |volume, outside| {
        for index in 0..20 {
            symlink(outside, volume.join(format!("..2020_01_01_00_00_00.{index}"))).unwrap();
        }
    });
}

#[test]
fn the_published_set() {
    check("the set is a link that leads out", |volume, outside| {
        let data = data_directory(volume);
        std::fs::remove_dir_all(&data).unwrap();
        symlink(outside, &data).unwrap();
    });
    check("the set is a file", |volume, _| {
        let data = data_directory(volume);
        std::fs::remove_dir_all(&data).unwrap();
        std::fs::write(&data, "x").unwrap();
    });
    check("a file in it leads out", |volume, outside| {
        let data = data_directory(volume);
        std::fs::remove_file(data.join("a")).unwrap();
        symlink(outside.join("a"), data.join("a")).unwrap();
    });
    check("a directory in it leads out", |volume, outside| {
        let data = data_directory(volume);
        std::fs::remove_dir_all(data.join("dir")).unwrap();
        symlink(outside.join("dir"), data.join("dir")).unwrap();
    });
    check("a file in it is a hard link", |volume, _| {
        let data = data_directory(volume);
        std::fs::remove_file(data.join("a")).unwrap();
        std::fs::hard_link(data.join("dir/b"), data.join("a")).unwrap();
    });
    check("a pipe stands for a file", |volume, _| {
        let data = data_directory(volume);
        std::fs::remove_file(data.join("a")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            data.join("a"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
    });
    check("more in it than there should be", |volume, outside| {
        symlink(outside, data_directory(volume).join("dir/more")).unwrap();
    });
    check("content of the same length", |volume, _| {
        std::fs::write(data_directory(volume).join("a"), "X").unwrap();
    });
}

#[test]
fn the_links_that_users_see() {
    check("gone", |volume, _| {
        std::fs::remove_file(volume.join("a")).unwrap();
        std::fs::remove_file(volume.join("dir")).unwrap();
    });
    check("lead out", |volume, outside| {
        for name in ["a", "dir"] {
            std::fs::remove_file(volume.join(name)).unwrap();
            symlink(outside.join(name), volume.join(name)).unwrap();
        }
    });
    check("are full directories", |volume, outside| {
        for name in ["a", "dir"] {
            std::fs::remove_file(volume.join(name)).unwrap();
            std::fs::create_dir_all(volume.join(name).join("x/y/z")).unwrap();
            symlink(outside, volume.join(name).join("x/out")).unwrap();
        }
    });
    check("are files", |volume, _| {
        for name in ["a", "dir"] {
            std::fs::remove_file(volume.join(name)).unwrap();
            std::fs::write(volume.join(name), "mine").unwrap();
        }
    });
    check("one to come leads out already", |volume, outside| {
        symlink(outside.join("c"), volume.join("c")).unwrap();
    });
    check("one that nobody asked for", |volume, outside| {
        symlink(outside.join("c"), volume.join("extra")).unwrap();
    });
}

#[test]
fn links_that_nobody_asked_for_go() {
    let scratch = Scratch::new();
    let mut volume = scratch.memory();
    symlink("/etc/passwd", volume.path().join("extra")).unwrap();
    symlink("..data/gone", volume.path().join("gone")).unwrap();
    std::fs::create_dir(volume.path().join("made-by-a-sub-path")).unwrap();
    volume.publish(&payload(BEFORE), &Ownership::default()).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(volume.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.retain(|name| !name.to_str().unwrap().starts_with(".."));
    names.sort();
    assert_eq!(names, ["a", "dir", "made-by-a-sub-path"]);
}
