//! What stands on the disk after one publication (pods-and-kubelet §3.1, §3.2, §12.1).

use std::os::unix::fs::MetadataExt;

use strongroom_delivery::{Ownership, VolumeKind};

use crate::scratch::{Scratch, bookkeeping, payload, seen};

#[test]
fn examples() {
    let check = |files: &[(&str, &str, u32)], fs_group: Option<u32>, expect: &[(&str, &str)]| {
        for kind in [VolumeKind::memory(1 << 20, 100), VolumeKind::directory()] {
            let scratch = Scratch::new();
            let mut volume = scratch.open(kind);
            let ownership = Ownership { fs_group };
            let published = volume.publish(&payload(files), &ownership).unwrap();
            assert!(published.changed);
            let found = seen(volume.path());
            let found: Vec<_> = found
                .iter()
                .map(|(path, line)| (path.as_str(), line.as_str()))
                .collect();
            assert_eq!(found, expect, "{kind:?}");
            assert_eq!(bookkeeping(volume.path()), ["..TIME", "..data"]);
            assert!(!volume.publish(&payload(files), &ownership).unwrap().changed);
            volume.teardown().unwrap();
            assert!(!scratch.path().exists());
        }
    };
    check(&[], None, &[]);
    check(
        &[("username", "admin", 0o644), ("password", "s3cr3t", 0o400)],
        None,
        &[("password", "s3cr3t 400 0:0"), ("username", "admin 644 0:0")],
    );
    check(
        &[("dir/a.txt", "1", 0o400)],
        Some(1001),
        &[("dir/a.txt", "1 440 0:1001")],
    );
    check(
        &[(".secret-file", "", 0o777)],
        None,
        &[(".secret-file", " 777 0:0")],
    );
    check(&[("./a//b/", "x", 0)], Some(7), &[("a/b", "x 440 0:7")]);
}

#[test]
fn links_and_directories() {
    let scratch = Scratch::new();
    let mut volume = scratch.memory();
    let files = payload(&[("dir/sub/a.txt", "1", 0o400), ("b", "2", 0o644)]);
    let published = volume
        .publish(&files, &Ownership { fs_group: Some(1001) })
        .unwrap();
    let link = |name: &str| std::fs::read_link(volume.path().join(name)).unwrap();
    assert_eq!(link("..data").to_str(), Some(&*published.directory));
    assert_eq!(link("dir").to_str(), Some("..data/dir"));
    assert_eq!(link("b").to_str(), Some("..data/b"));
    let check = |name: &str, mode: u32| {
        let status = std::fs::metadata(volume.path().join(name)).unwrap();
        assert_eq!((status.mode() & 0o7777, status.gid()), (mode, 1001), "{name}");
    };
    check("", 0o2777);
    check("..data", 0o2755);
    check("dir", 0o2755);
    check("dir/sub", 0o2755);
}
