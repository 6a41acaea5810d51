//! One publication after another, and after a restart.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use strongroom_delivery::{DeliveryError, Ownership, Volume, VolumeKind, remove_volume};

use crate::scratch::{Scratch, bookkeeping, payload, seen};

#[test]
fn what_changes() {
    let check = |before: &[(&str, &str, u32)],
                 after: &[(&str, &str, u32)],
                 groups: [Option<u32>; 2],
                 changed: bool| {
        for kind in [VolumeKind::memory(1 << 20, 100), VolumeKind::directory()] {
            let scratch = Scratch::new();
            let mut volume = scratch.open(kind);
            volume
                .publish(&payload(before), &Ownership { fs_group: groups[0] })
                .unwrap();
            let published = volume
                .publish(&payload(after), &Ownership { fs_group: groups[1] })
                .unwrap();
            assert_eq!(published.changed, changed, "{before:?} -> {after:?}");
            let fresh = Scratch::new();
            let mut expected = fresh.open(kind);
            expected
                .publish(&payload(after), &Ownership { fs_group: groups[1] })
                .unwrap();
            assert_eq!(seen(volume.path()), seen(expected.path()));
        }
    };
    let same = [None, None];
    check(&[("a", "1", 0o644)], &[("a", "1", 0o644)], same, false);
    check(&[("a", "1", 0o644)], &[("a", "2", 0o644)], same, true);
    check(&[("a", "1", 0o644)], &[("a", "12", 0o644)], same, true);
    check(&[("a", "12", 0o644)], &[("a", "1", 0o644)], same, true);
    check(&[("a", "1", 0o644)], &[("a", "1", 0o400)], same, true);
    check(&[("a", "1", 0o644)], &[("a", "1", 0o644)], [None, Some(5)], true);
    check(
        &[("a", "1", 0o644)],
        &[("a", "1", 0o644)],
        [Some(5), Some(6)],
        true,
    );
    check(&[("a", "1", 0o644)], &[("a", "1", 0o644)], [Some(5), None], true);
    check(
        &[("a", "1", 0o400)],
        &[("a", "1", 0o440)],
        [Some(5), Some(5)],
        false,
    );
    check(&[("a", "1", 0o644)], &[], same, true);
    check(&[], &[("a", "1", 0o644)], same, true);
    check(&[("a", "1", 0o644)], &[("a/b", "1", 0o644)], same, true);
    check(&[("a/b", "1", 0o644)], &[("a", "1", 0o644)], same, true);
    check(
        &[("a/b", "1", 0o644)],
        &[("a/c", "1", 0o644), ("d", "1", 0o644)],
        same,
        true,
    );
    check(&[("a/b", "1", 0o644)], &[("./a//b", "1", 0o644)], same, false);
}

#[test]
fn an_owner_of_its_own() {
    let scratch = Scratch::new();
    let mut volume = scratch.memory();
    let mut files = payload(&[("token", "t", 0o600), ("ca.crt", "c", 0o644)]);
    let mut check = |owner: Option<u32>, fs_group: Option<u32>, changed: bool, expect: &str| {
        files.files.get_mut("token").unwrap().owner = owner;
        let published = volume.publish(&files, &Ownership { fs_group }).unwrap();
        assert_eq!(published.changed, changed, "{owner:?}");
        assert_eq!(seen(volume.path())["token"], expect);
    };
    check(None, None, true, "t 600 0:0");
    check(Some(1000), None, true, "t 600 1000:0");
    check(Some(1000), None, false, "t 600 1000:0");
    check(Some(1000), Some(2000), true, "t 640 1000:2000");
    check(None, Some(2000), true, "t 640 0:2000");
}

#[test]
fn readers_keep_what_they_opened_and_old_files_go_when_they_had_time() {
    let scratch = Scratch::new();
    let mut volume = scratch.memory();
    let old = volume
        .publish(&payload(&[("a", "old", 0o644)]), &Ownership::default())
        .unwrap();
    volume
        .publish(&payload(&[("a", "new", 0o644)]), &Ownership::default())
        .unwrap();
    let on_its_way = volume.path().join(&old.directory).join("a");
    assert_eq!(std::fs::read_to_string(&on_its_way).unwrap(), "old");
    assert!(volume.sweep().is_some());
    std::thread::sleep(Duration::from_millis(1050));
    assert_eq!(volume.sweep(), None);
    assert!(!on_its_way.exists());
    assert_eq!(seen(volume.path())["a"], "new 644 0:0");
}

#[test]
fn many_quick_updates_keep_few_sets() {
    let scratch = Scratch::new();
    let mut volume = scratch.memory();
    for version in 0..200 {
        volume
            .publish(
                &payload(&[("a", &version.to_string(), 0o644)]),
                &Ownership::default(),
            )
            .unwrap();
    }
    assert!(
        bookkeeping(volume.path()).len() <= 11,
        "{:?}",
        bookkeeping(volume.path())
    );
}

#[test]
fn a_restart_takes_over() {
    let scratch = Scratch::new();
    let mut volume = scratch.memory();
    assert!(!volume.is_published().unwrap());
    let files = payload(&[("a", "1", 0o644)]);
    volume.publish(&files, &Ownership::default()).unwrap();
    let before = std::fs::metadata(volume.path().join("a")).unwrap();
    drop(volume);
    let mut volume = scratch.open(VolumeKind::memory(8 << 20, 2000));
    assert!(volume.is_published().unwrap());
    assert!(!volume.publish(&files, &Ownership::default()).unwrap().changed);
    let after = std::fs::metadata(volume.path().join("a")).unwrap();
    assert_eq!(
        (before.dev(), before.ino(), before.ctime_nsec()),
        (after.dev(), after.ino(), after.ctime_nsec())
    );
    let size = rustix::fs::statvfs(volume.path()).unwrap();
    assert_eq!((size.f_blocks * size.f_frsize, size.f_files), (8 << 20, 2000));
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = table
        .lines()
        .find(|line| line.contains(volume.path().to_str().unwrap()))
        .unwrap();
    for word in ["nosuid", "nodev", "noexec", "noswap", "size=8192k"] {
        assert!(line.contains(word), "{line}");
    }
}

#[test]
fn what_is_removed_is_gone_however_often_it_was_mounted() {
    let scratch = Scratch::new();
    let mut volume = scratch.memory();
    volume
        .publish(&payload(&[("a/b/c", "1", 0o644)]), &Ownership::default())
        .unwrap();
    for _ in 0..3 {
        rustix::mount::mount(
            "none",
            scratch.path(),
            "tmpfs",
            rustix::mount::MountFlags::empty(),
            None,
        )
        .unwrap();
    }
    drop(volume);
    remove_volume(&scratch.path()).unwrap();
    assert!(!scratch.path().exists());
    remove_volume(&scratch.path()).unwrap();
    remove_volume(&scratch.path().join("no/such/place")).unwrap();
}

#[test]
fn another_file_system_is_not_taken_over() {
    for file_system in ["ramfs", "tmpfs"] {
        let scratch = Scratch::new();
        std::fs::create_dir(scratch.path()).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("none", scratch.path(), file_system, flags, None).unwrap();
        let kind = VolumeKind::memory(1 << 20, 100);
        let error = Volume::open(scratch.path(), kind).unwrap_err();
        assert!(matches!(error, DeliveryError::ForeignMount { .. }), "{error}");
    }
}

#[test]
fn programs_in_a_volume() {
    for (kind, runs) in [
        (VolumeKind::memory(1 << 20, 100), false),
        (VolumeKind::memory(1 << 20, 100).with_exec(), true),
        (VolumeKind::directory(), true),
    ] {
        let scratch = Scratch::new();
        let mut volume = scratch.open(kind);
        volume
            .publish(
                &payload(&[("program", "#!/bin/sh\nexit 0", 0o755)]),
                &Ownership::default(),
            )
            .unwrap();
        let ran = std::process::Command::new(volume.path().join("program")).status();
        assert_eq!(ran.is_ok_and(|status| status.success()), runs, "{kind:?}");
    }
}

#[test]
fn a_volume_over_another() {
    let scratch = Scratch::new();
    let mut below = scratch.memory();
    below
        .publish(&payload(&[("a", "below", 0o644)]), &Ownership::default())
        .unwrap();
    let mut above = Volume::open_new(scratch.path(), VolumeKind::memory(1 << 20, 100)).unwrap();
    assert!(!above.is_published().unwrap());
    above
        .publish(&payload(&[("b", "above", 0o644)]), &Ownership::default())
        .unwrap();
    assert_eq!(seen(&scratch.path()).keys().collect::<Vec<_>>(), ["b"]);
    above.unmount().unwrap();
    assert_eq!(seen(&scratch.path()).keys().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn mount_points_inside() {
    let scratch = Scratch::new();
    let mut volume = scratch.memory();
    volume.make_mount_points(&["sub/deeper", "other"]).unwrap();
    volume
        .publish(&payload(&[("a", "1", 0o644)]), &Ownership::default())
        .unwrap();
    volume
        .publish(&payload(&[("b", "1", 0o644)]), &Ownership::default())
        .unwrap();
    assert!(volume.path().join("sub/deeper").is_dir() && volume.path().join("other").is_dir());
    let error = volume
        .publish(&payload(&[("sub/x", "1", 0o644)]), &Ownership::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"sub\" is the name of a file and of a mount point in the volume; rename one of them"
    );
    assert_eq!(seen(volume.path()).keys().collect::<Vec<_>>(), ["b"]);
    let error = volume.make_mount_points(&["b/c"]).unwrap_err();
    assert!(matches!(error, DeliveryError::Obstructed { .. }), "{error}");
    assert!(volume.make_mount_points(&["../x"]).is_err());
}
