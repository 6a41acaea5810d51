//! What a change leads to.

use std::time::{Duration, Instant};

use crate::running::Place;

#[test]
fn nothing() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    let mut running = place.run(&[
        "--secret",
        "db",
        "--",
        "sh",
        "-c",
        "echo $a; sleep 1.5; echo $a; exit 5",
    ]);
    running.prints("1");
    place.secret("db", &[("a", "2")]);
    assert_eq!(running.wait().code(), Some(5));
    assert_eq!(
        (running.output().as_str(), running.errors().as_str()),
        ("1\n1\n", "")
    );
}

#[test]
fn a_signal_once_the_files_are_there() {
    let place = Place::new();
    place.secret("db", &[("a", "1"), ("b", "1")]);
    let directory = place.directory("files");
    let script = format!(
        "cd {}; trap 'echo got $(cat a b)' HUP; echo ready; while :; do sleep 0.1; done",
        directory.display()
    );
    let given = format!("db={}", directory.display());
    let running = place.run(&[
        "--secret-dir",
        &given,
        "--on-change",
        "signal=HUP",
        "--",
        "sh",
        "-c",
        &script,
    ]);
    running.prints("ready");
    for (a, b) in [("2", "2"), ("3", "2"), ("3", "3")] {
        place.secret("db", &[("a", a), ("b", b)]);
        running.prints(&format!("got {a}{b}"));
    }
    assert_eq!(running.output(), "ready\ngot 22\ngot 32\ngot 33\n");
    // Nothing that the command was given has changed: no signal.
    place.put(
        "secrets",
        "db",
        serde_json::json!({"stringData": {"a": "3", "b": "3"}, "type": "Opaque"}),
    );
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(running.output(), "ready\ngot 22\ngot 32\ngot 33\n");
}

#[test]
fn a_restart_with_the_new_variables() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    place.config_map("settings", &[("b", "1")]);
    let script = "trap 'echo ending; exit 3' TERM; echo $a$b; while :; do sleep 0.1; done";
    let mut running = place.run(&[
        "--secret",
        "db",
        "--config-map",
        "settings",
        "--on-change",
        "restart",
        "--",
        "sh",
        "-c",
        script,
    ]);
    running.prints("11");
    place.secret("db", &[("a", "2")]);
    running.prints("21");
    place.config_map("settings", &[("b", "2")]);
    running.prints("22");
    assert_eq!(running.output(), "11\nending\n21\nending\n22\n");
    // Its own end is the end.
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(3));
    assert_eq!(running.errors(), "");
}

#[test]
fn a_command_that_does_not_end_is_killed_and_started_again() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    let script = "trap 'echo no' TERM; echo $a; while :; do sleep 0.1; done";
    let mut running = place.run(&[
        "--secret",
        "db",
        "--on-change",
        "restart",
        "--stop-timeout",
        "500ms",
        "--",
        "sh",
        "-c",
        script,
    ]);
    running.prints("1");
    let begin = Instant::now();
    place.secret("db", &[("a", "2")]);
    running.prints("no");
    running.prints("2");
    assert!(begin.elapsed() > Duration::from_millis(500));
    running.signal("KILL");
    running.wait();
}

#[test]
fn whoever_ends_it_during_a_restart_ends_it_for_good() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    let script = "trap 'echo ending; sleep 1; exit 4' TERM; echo $a; while :; do sleep 0.1; done";
    let mut running = place.run(&[
        "--secret",
        "db",
        "--on-change",
        "restart",
        "--",
        "sh",
        "-c",
        script,
    ]);
    running.prints("1");
    place.secret("db", &[("a", "2")]);
    running.prints("ending");
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(4));
    assert!(!running.output().contains('2'), "{}", running.output());
}

#[test]
fn another_command() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    let directory = place.directory("files");
    let script = "echo started $a; while :; do sleep 0.1; done";
    let hook = format!("exec=echo hook $a $(cat {}/a); test $a != 3", directory.display());
    let given = format!("db={}", directory.display());
    let running = place.run(&[
        "--secret",
        "db",
        "--secret-dir",
        &given,
        "--on-change",
        &hook,
        "--",
        "sh",
        "-c",
        script,
    ]);
    running.prints("started 1");
    place.secret("db", &[("a", "2")]);
    running.prints("hook 2 2");
    place.secret("db", &[("a", "3")]);
    running.prints("hook 3 3");
    running.warns("The command of --on-change exec= ended with 1.");
    place.secret("db", &[("a", "4")]);
    running.prints("hook 4 4");
    assert_eq!(running.output(), "started 1\nhook 2 2\nhook 3 3\nhook 4 4\n");
}

#[test]
fn a_key_that_goes_keeps_its_value() {
    let place = Place::new();
    place.secret("db", &[("a", "1"), ("b", "1")]);
    let script = "echo $a$b; while :; do sleep 0.1; done";
    let running = place.run(&[
        "--secret",
        "db:a",
        "--secret",
        "db:b",
        "--on-change",
        "restart",
        "--",
        "sh",
        "-c",
        script,
    ]);
    running.prints("11");
    place.secret("db", &[("a", "2")]);
    running.prints("21");
    running.warns("has no key \"b\" any more; b keeps its last value until the key is back.");
    place.secret("db", &[("a", "2"), ("b", "3")]);
    running.prints("23");
}
