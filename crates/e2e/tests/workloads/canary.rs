//! A value that a pod uses is nowhere but in the pod: S1, S20 of the reliability list, on the node's side.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use strongroom_e2e::{Random, Scanner, Sighting, containers};

use crate::world::{World, pod, sleeping};

#[test]
fn values_of_pods_are_in_no_file_and_no_answer() {
    let world = World::new("canary");
    // Files older than this cannot know the values; a coarse file system clock is behind.
    let since = SystemTime::now() - Duration::from_secs(2);
    let (mut random, seed) = Random::fresh();
    println!("seed {seed}");
    let by_file = [random.word(32), random.word(32)];
    let by_variable = random.word(32);
    world.secret("file", &[("k", &by_file[0])]);
    world.secret("variable", &[("k", &by_variable)]);
    world.apply(&format!(
        "{}---\n{}---\n{}",
        sleeping(
            "uses-files",
            "volumes: [{name: v, secret: {secretName: file}}, {name: w, projected: {sources: [{secret: {name: file, items: [{key: k, path: d/f, mode: 0400}]}}]}}]",
            "volumeMounts: [{name: v, mountPath: /v}, {name: w, mountPath: /w}, {name: v, mountPath: /sub, subPath: k}]",
        ),
        sleeping("uses-a-variable", "", "env: [{name: K, valueFrom: {secretKeyRef: {name: variable, key: k}}}]"),
        pod(
            "refused",
            "volumes: [{name: v, secret: {secretName: file, items: [{key: absent, path: p}]}}]",
            "env: [{name: K, valueFrom: {secretKeyRef: {name: file, key: k}}}]\nvolumeMounts: [{name: v, mountPath: /v}]",
        ),
    ));
    world.ready("uses-files");
    world.ready("uses-a-variable");
    world.event(
        "refused",
        "FailedMount",
        "MountVolume.SetUp failed for volume \"v\" : references non-existent secret key: absent",
    );
    assert_eq!(world.sh("uses-files", "cat /v/k"), by_file[0]);
    assert_eq!(world.sh("uses-a-variable", "printf %s $K"), by_variable);
    world
        .merge(
            "secrets/file",
            &serde_json::json!({"stringData": {"k": by_file[1]}}),
        )
        .expect(200);
    world.until("the update", || {
        (world.sh("uses-files", "cat /v/k") == by_file[1]).then_some(())
    });

    let values = [&by_file[0], &by_file[1], &by_variable];
    let scanner = Scanner::new(&values.map(String::as_bytes));
    let mut sightings: Vec<Sighting> = Vec::new();
    let containerd = &containers().containerd;
    let directory = containerd.root().parent().expect("a directory").to_owned();
    for place in [directory.as_path(), &world.pods.server.data()] {
        sightings.extend(scan_since(&scanner, place, since));
    }
    for words in [
        &["describe", "pods"][..],
        &["get", "pods", "-o", "yaml"],
        &["get", "events", "-o", "yaml"],
        &["describe", "secrets"],
        &["describe", "node", &world.pods.node],
        &["get", "node", &world.pods.node, "-o", "yaml"],
    ] {
        sightings.extend(scanner.scan(
            &format!("kubectl {}", words.join(" ")),
            world.kubectl(words).as_bytes(),
        ));
    }
    sightings.extend(scanner.scan("the server's output", world.pods.server.logs().as_bytes()));
    for process in fs::read_dir("/proc").expect("/proc").filter_map(Result::ok) {
        let path = process.path().join("cmdline");
        if let Ok(bytes) = fs::read(&path) {
            sightings.extend(scanner.scan(&path.display().to_string(), &bytes));
        }
    }
    // containerd writes the environment of a container to its disk, in clear; docs/threat-model.md says so.
    let (known, unknown): (Vec<_>, Vec<_>) = sightings
        .into_iter()
        .partition(|seen| seen.canary == 2 && Path::new(&seen.place).starts_with(&directory));
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(
        !known.is_empty(),
        "containerd no longer writes variables: tell docs/threat-model.md"
    );
}

/// Files of this file system that were written since, mounted ones left out.
fn scan_since(scanner: &Scanner, top: &Path, since: SystemTime) -> Vec<Sighting> {
    let device = fs::metadata(top).expect("a directory").dev();
    let mut sightings = Vec::new();
    let mut waiting = vec![top.to_owned()];
    let mut scanned = 0;
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
        {
            let path = entry.path();
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            if metadata.is_dir() && metadata.dev() == device {
                waiting.push(path);
            } else if metadata.is_file()
                && metadata.dev() == device
                && metadata.modified().is_ok_and(|time| time >= since)
            {
                scanned += 1;
                let bytes = fs::read(&path).unwrap_or_default();
                sightings.extend(scanner.scan(&path.display().to_string(), &bytes));
            }
        }
    }
    assert!(scanned > 0, "nothing was written below {}", top.display());
    sightings
}
