//! Any sequence of operations, beside a model of what readers must see.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use strongroom_delivery::{Ownership, Volume, VolumeKind};
use strongroom_node_plan::{File, Payload};
use zeroize::Zeroizing;

use crate::scratch::{Scratch, bookkeeping, seen};

#[derive(Debug, Clone)]
enum Operation {
    Publish(BTreeMap<String, (Vec<u8>, u32)>, Option<u32>),
    Restart,
    Litter(u8),
    Sweep,
}

fn operation() -> impl Strategy<Value = Operation> {
    let path = prop::sample::select(vec![
        "a", "b", "c", "a/x", "d/x", "d/y", "d/e/f", ".h", "ü", "bad/../x", "..r",
    ]);
    let content = prop_oneof![
        4 => vec(any::<u8>(), 0..20),
        1 => Just(vec![7; 4096]),
        1 => Just(vec![7; 70_000]),
        1 => Just(vec![8; 3 << 20]),
    ];
    let mode = prop::sample::select(vec![0o644, 0o600, 0o400, 0o777, 0]);
    let files = btree_map(path.prop_map(str::to_owned), (content, mode), 0..5);
    prop_oneof![
        6 => (files, prop::option::of(prop::sample::select(vec![0, 1001])))
            .prop_map(|(files, group)| Operation::Publish(files, group)),
        1 => Just(Operation::Restart),
        2 => any::<u8>().prop_map(Operation::Litter),
        1 => Just(Operation::Sweep),
    ]
}

/// What readers must see after a payload is published, or `None` if it must be refused.
fn expected(
    files: &BTreeMap<String, (Vec<u8>, u32)>,
    group: Option<u32>,
) -> Option<BTreeMap<String, String>> {
    let refused = files.keys().any(|path| {
        path.starts_with("..")
            || path.contains("/../")
            || files.keys().any(|other| other.starts_with(&format!("{path}/")))
    });
    if refused {
        return None;
    }
    let line = |(content, mode): &(Vec<u8>, u32)| {
        let mode = if group.is_some() { mode | 0o440 } else { *mode };
        format!(
            "{} {mode:o} 0:{}",
            String::from_utf8_lossy(content),
            group.unwrap_or(0)
        )
    };
    Some(
        files
            .iter()
            .map(|(path, file)| (path.clone(), line(file)))
            .collect(),
    )
}

fn bytes(files: &BTreeMap<String, (Vec<u8>, u32)>) -> usize {
    files
        .values()
        .map(|(content, _)| content.len().next_multiple_of(4096))
        .sum()
}

/// Five of the largest files fit, six do not.
const BOUND: u64 = 17 << 20;

const KIND: fn() -> VolumeKind = || VolumeKind::memory(BOUND, 400);

/// What a crash, or somebody else, may leave.
fn litter(volume: &Volume, what: u8) {
    let root = volume.path();
    let _ = match what % 8 {
        0 => std::os::unix::fs::symlink("..2001_01_01_00_00_00.1", root.join("..data_tmp")),
        1 => std::fs::create_dir_all(root.join("..2001_01_01_00_00_00.1/half/written")),
        2 => std::os::unix::fs::symlink("..data/gone", root.join("gone")),
        3 => std::fs::create_dir_all(root.join("..data_tmp/x")),
        4 => std::os::unix::fs::symlink("/etc", root.join("..link_tmp")),
        5 => std::fs::remove_file(root.join("a")),
        6 => std::fs::write(root.join("..data/a"), "tampered").or(Ok(())),
        _ => std::fs::remove_file(root.join("..data")),
    };
}

/// How many sequences; `PROPTEST_CASES` for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readers_see_what_was_published_last(operations in vec(operation(), 1..12)) {
        let scratch = Scratch::new();
        let mut volume = scratch.open(KIND());
        let mut model: Option<(BTreeMap<String, String>, Option<u32>)> = None;
        let mut littered = false;
        let mut held = 0;
        for operation in operations {
            match operation {
                Operation::Restart => {
                    drop(volume);
                    volume = scratch.open(KIND());
                }
                Operation::Litter(what) => {
                    litter(&volume, what);
                    littered = true;
                }
                Operation::Sweep => {
                    volume.sweep();
                }
                Operation::Publish(files, group) => {
                    let payload = Payload {
                        files: files
                            .iter()
                            .map(|(path, (content, mode))| {
                                let content = Zeroizing::new(content.clone());
                                (path.clone(), File { content, mode: *mode, owner: None })
                            })
                            .collect(),
                    };
                    let result = volume.publish(&payload, &Ownership { fs_group: group });
                    let fits = held + bytes(&files) < BOUND as usize;
                    let same = model.as_ref().is_some_and(|(seen, _)| Some(seen) == expected(&files, group).as_ref());
                    match expected(&files, group) {
                        Some(_) if !fits && (littered || same) => {
                            // What was tampered with may be smaller, and what is the same takes no room.
                            if result.is_err() {
                                continue;
                            }
                            held = bytes(&files);
                            model = Some((expected(&files, group).unwrap_or_default(), group));
                            littered = false;
                        }
                        Some(_) if !fits => prop_assert!(result.is_err()),
                        Some(expected) => {
                            let expected = (expected, group);
                            held = bytes(&files);
                            let published = result.unwrap();
                            if !littered {
                                prop_assert_eq!(published.changed, model.as_ref() != Some(&expected));
                            }
                            let left = bookkeeping(volume.path());
                            prop_assert!(left.iter().all(|name| name == "..TIME" || name == "..data"), "{:?}", left);
                            model = Some(expected);
                            littered = false;
                        }
                        None => prop_assert!(result.is_err()),
                    }
                    if let (Some((model, _)), false) = (&model, littered) {
                        prop_assert_eq!(&seen(volume.path()), model);
                    }
                }
            }
        }
    }
}
