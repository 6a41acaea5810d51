//! Files: how they look, who sees them, and that they follow the Secret whole and at once.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::running::{Place, comes_true, inside};

const WAIT: [&str; 4] = ["--", "sh", "-c", "echo ready; while :; do sleep 0.1; done"];

#[test]
fn modes_and_owners() {
    let place = Place::new();
    place.secret("db", &[("password", "x"), (".hidden", "y")]);
    let directory = place.directory("files");
    let given = format!("db={}", directory.display());
    let check = |arguments: &[&str], expect: (u32, u32, u32)| {
        let running = place.run(&[&["--secret-dir", &given], arguments, &WAIT].concat());
        running.prints("ready");
        let status = std::fs::metadata(inside(&running, &directory).join("password")).unwrap();
        assert_eq!(
            (status.mode() & 0o7777, status.uid(), status.gid()),
            expect,
            "{arguments:?}"
        );
        assert_eq!(
            std::fs::read_dir(&directory).unwrap().count(),
            0,
            "seen from outside"
        );
    };
    check(&[], (0o400, 0, 0));
    check(&["--file-mode", "0644"], (0o644, 0, 0));
    check(&["--file-owner", "1000"], (0o400, 1000, 0));
    check(&["--file-owner", "1000:2000"], (0o440, 1000, 2000));
    let (code, output, _) = place.ended(&[
        "--secret-dir",
        &given,
        "--config-map-dir",
        "settings=new/er",
        "--optional",
        "--",
        "sh",
        "-c",
        &format!(
            "cd {}; ls -A | grep -v '^[.][.]'; ls -A ../new/er; stat -f -c %T . ../new/er",
            directory.display()
        ),
    ]);
    assert_eq!(
        (code, output.as_str()),
        (
            0,
            ".hidden\npassword\n..2026\n..data\ntmpfs\ntmpfs\n"
                .replace("..2026\n..data\n", &empty(&output))
                .as_str()
        )
    );
    assert!(
        !place.server.scratch().join("new").exists(),
        "what was created is removed"
    );
    assert!(directory.exists(), "what was there stays");
}

/// The lines of an empty volume's own names, whatever the time is.
fn empty(output: &str) -> String {
    output
        .lines()
        .filter(|line| line.starts_with(".."))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn what_a_directory_cannot_be() {
    let place = Place::new();
    place.secret("db", &[("password", "x")]);
    let check = |paths: &[&str], part: &str| {
        let mut arguments = Vec::new();
        let given: Vec<String> = paths.iter().map(|path| format!("db={path}")).collect();
        for given in &given {
            arguments.extend(["--secret-dir", given]);
        }
        let (code, output, errors) = place.ended(&[&arguments[..], &["--", "echo", "ran"]].concat());
        assert!(
            code == 125 && output.is_empty() && errors.contains(part),
            "{paths:?}: {code} {errors}"
        );
        assert_eq!(errors.lines().count(), 1, "{errors}");
    };
    check(&["/"], "Files cannot be mounted over /");
    check(&["/etc/passwd"], "is no directory");
    check(&["/proc/nowhere"], "cannot be created");
    check(&["one", "one"], "give each a directory of its own");
    check(&["one", "one/two"], "give each a directory of its own");
    assert!(!place.server.scratch().join("one").exists());
}

#[test]
fn files_follow_within_milliseconds_and_whole() {
    let place = Place::new();
    let stamped = |version: u32| {
        let text = format!("{version}\n").repeat(1000);
        place.secret("db", &[("a", &text), ("b", &text)])
    };
    stamped(0);
    let directory = place.directory("files");
    let running = place.run(
        &[
            &["--secret-dir", &format!("db={}", directory.display())],
            &WAIT[..],
        ]
        .concat(),
    );
    running.prints("ready");
    let volume = inside(&running, &directory);
    let read =
        |name: &str| std::fs::read_to_string(volume.join(name)).unwrap_or_else(|error| panic!("{error}"));
    let mut latencies = Vec::new();
    for version in 1..=40 {
        let acknowledged = stamped(version);
        let expected = format!("{version}\n").repeat(1000);
        loop {
            let (before, b, after) = (read("a"), read("b"), read("a"));
            assert!(
                [&before, &b].iter().all(|text| text.lines().count() == 1000),
                "short"
            );
            if before == after {
                assert_eq!(before, b, "mixed");
            }
            if b == expected {
                break;
            }
            assert!(
                acknowledged.elapsed() < Duration::from_secs(10),
                "it does not come"
            );
        }
        latencies.push(acknowledged.elapsed());
    }
    latencies.sort();
    println!(
        "acknowledged to readable: p50 {:?}, p95 {:?}",
        latencies[20], latencies[38]
    );
    assert!(latencies[20] < Duration::from_millis(250), "{latencies:?}");
}

#[test]
fn the_last_values_stay_when_a_secret_goes_unless_it_is_optional() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    let directory = place.directory("files");
    let given = format!("db={}", directory.display());
    let strict = place.run(&[&["--secret-dir", &given], &WAIT[..]].concat());
    let optional = place.run(&[&["--optional", "--secret-dir", &given], &WAIT[..]].concat());
    strict.prints("ready");
    optional.prints("ready");
    place.delete("secrets", "db");
    strict
        .warns("The Secret \"db\" in namespace \"default\" was deleted; its last values stay in place until");
    let holds = |running, expect: Option<&str>| {
        let file = inside(running, &directory).join("a");
        comes_true(Duration::from_secs(10), || {
            std::fs::read_to_string(&file).ok().as_deref() == expect
        })
    };
    assert!(holds(&optional, None));
    assert!(holds(&strict, Some("1")));
    place.secret("db", &[("a", "2")]);
    assert!(holds(&optional, Some("2")));
    assert!(holds(&strict, Some("2")));
}

#[test]
fn an_immutable_secret_is_followed_no_more() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    let directory = place.directory("files");
    let running = place.run(
        &[
            &["--secret-dir", &format!("db={}", directory.display())],
            &WAIT[..],
        ]
        .concat(),
    );
    running.prints("ready");
    let file = inside(&running, &directory).join("a");
    let holds = |expect: &str| {
        comes_true(Duration::from_secs(10), || {
            std::fs::read_to_string(&file).is_ok_and(|text| text == expect)
        })
    };
    place.secret("db", &[("a", "2")]);
    assert!(holds("2"));
    place.put(
        "secrets",
        "db",
        json!({"stringData": {"a": "3"}, "immutable": true}),
    );
    assert!(holds("3"));
    place.delete("secrets", "db");
    place.secret("db", &[("a", "4")]);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(1500) {
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "3");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(running.errors(), "");
}

#[test]
fn a_key_that_goes_and_comes_and_many_large_ones() {
    let place = Place::new();
    let directory = place.directory("files");
    let large = "x".repeat(100_000);
    let names: Vec<String> = (0..10).map(|index| format!("key-{index}")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), large.as_str())).collect();
    place.secret("db", &all);
    let running = place.run(
        &[
            &["--secret-dir", &format!("db={}", directory.display())],
            &WAIT[..],
        ]
        .concat(),
    );
    running.prints("ready");
    let volume = inside(&running, &directory);
    let names_in = || {
        let mut names: Vec<String> = std::fs::read_dir(&volume)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with(".."))
            .collect();
        names.sort();
        names
    };
    assert_eq!(names_in(), names);
    place.secret("db", &all[..3]);
    assert!(comes_true(Duration::from_secs(10), || names_in() == names[..3]));
    place.secret("db", &all);
    assert!(comes_true(Duration::from_secs(10), || names_in() == names));
    assert_eq!(std::fs::read_to_string(volume.join("key-9")).unwrap(), large);
}

#[test]
fn what_the_command_left_behind_keeps_its_files() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    let directory = place.directory("files");
    let script = format!(
        "(sleep 2; cat {}/a > {}/late) & echo ready",
        directory.display(),
        place.server.scratch().display()
    );
    let (code, output, _) = place.ended(&[
        "--secret-dir",
        &format!("db={}", directory.display()),
        "--",
        "sh",
        "-c",
        &script,
    ]);
    assert_eq!((code, output.as_str()), (0, "ready\n"));
    let late = place.server.scratch().join("late");
    assert!(comes_true(Duration::from_secs(10), || std::fs::read_to_string(
        &late
    )
    .is_ok_and(|text| text == "1")));
}
