//! Volumes that are too small, and large ones that are not.

use strongroom_delivery::{DeliveryError, Ownership, VolumeKind};
use strongroom_node_plan::{File, Payload};
use zeroize::Zeroizing;

use crate::scratch::{Scratch, bookkeeping, payload, seen};

fn sized(files: usize, bytes: usize) -> Payload {
    let file = |index| {
        let content = Zeroizing::new(vec![b'a' + u8::try_from(index % 26).unwrap(); bytes]);
        (
            format!("key-{index}"),
            File {
                content,
                mode: 0o644,
                owner: None,
            },
        )
    };
    Payload {
        files: (0..files).map(file).collect(),
    }
}

#[test]
fn what_does_not_fit_is_refused_and_the_old_files_stay() {
    let scratch = Scratch::new();
    let mut volume = scratch.open(VolumeKind::memory(1 << 20, 40));
    let published = payload(&[("a", "1", 0o644)]);
    volume.publish(&published, &Ownership::default()).unwrap();
    let before = seen(volume.path());
    for (files, bytes, needed_bytes, needed_files) in [
        (1, 2 << 20, 2 << 20, 2),
        (30, 100_000, 30 * 102_400, 31),
        (50, 1, 50 * 4096, 51),
    ] {
        let error = volume
            .publish(&sized(files, bytes), &Ownership::default())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the files need {needed_bytes} bytes in {needed_files} files and do not fit into the volume, which is \
                 bounded to 1048576 bytes and 40 files and holds the old files until the new ones are complete"
            )
        );
        assert!(matches!(error, DeliveryError::Full { .. }));
        assert_eq!(seen(volume.path()), before);
        assert_eq!(bookkeeping(volume.path()), ["..TIME", "..data"]);
    }
    assert!(!volume.publish(&published, &Ownership::default()).unwrap().changed);
    assert!(
        volume
            .publish(&sized(2, 100), &Ownership::default())
            .unwrap()
            .changed
    );
}

#[test]
fn old_files_make_room_early_when_the_new_ones_need_it() {
    let scratch = Scratch::new();
    let mut volume = scratch.open(VolumeKind::memory(1 << 20, 40));
    for round in 0..6 {
        volume
            .publish(&sized(4 + round % 2, 90_000), &Ownership::default())
            .unwrap();
    }
}

#[test]
fn a_mebibyte_in_each_of_many_files() {
    let scratch = Scratch::new();
    let mut volume = scratch.open(VolumeKind::memory(256 << 20, 1000));
    for files in [64, 65] {
        volume
            .publish(&sized(files, 1 << 20), &Ownership::default())
            .unwrap();
        for index in 0..files {
            let path = volume.path().join(format!("key-{index}"));
            assert_eq!(std::fs::metadata(path).unwrap().len(), 1 << 20);
        }
    }
    assert!(
        !volume
            .publish(&sized(65, 1 << 20), &Ownership::default())
            .unwrap()
            .changed
    );
}

#[test]
fn ten_thousand_files_and_a_deep_one() {
    let scratch = Scratch::new();
    let mut volume = scratch.open(VolumeKind::memory(256 << 20, 100_000));
    let mut files = sized(10_000, 3);
    files
        .files
        .insert("d/".repeat(2000) + "f", files.files["key-0"].clone());
    assert!(
        volume
            .publish(&files, &Ownership { fs_group: Some(9) })
            .unwrap()
            .changed
    );
    assert!(
        !volume
            .publish(&files, &Ownership { fs_group: Some(9) })
            .unwrap()
            .changed
    );
    assert!(
        volume
            .publish(&payload(&[]), &Ownership::default())
            .unwrap()
            .changed
    );
    assert!(seen(volume.path()).is_empty());
}
