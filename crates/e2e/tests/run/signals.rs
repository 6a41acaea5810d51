//! Signals pass through, once.

use std::process::Command;
use std::time::Duration;

use strongroom_e2e::binary;

use crate::running::{Place, Running};

#[test]
fn every_signal_that_programs_handle() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    let names = ["HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM", "WINCH"];
    let traps: String = names
        .iter()
        .map(|name| format!("trap 'echo {name}' {name}; "))
        .collect();
    let script = format!("{traps} echo ready; while :; do sleep 0.05; done");
    let running = place.run(&["--secret", "db", "--", "sh", "-c", &script]);
    running.prints("ready");
    for name in names {
        running.signal(name);
        running.prints(name);
    }
    assert_eq!(
        running.output().lines().count(),
        1 + names.len(),
        "{}",
        running.output()
    );
}

#[test]
fn a_command_that_a_signal_ends() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    for (name, code) in [("TERM", 143), ("INT", 130), ("HUP", 129), ("USR1", 138)] {
        let mut running = place.run(&["--secret", "db", "--", "sh", "-c", "echo ready; exec sleep 60"]);
        running.prints("ready");
        running.signal(name);
        assert_eq!(running.wait().code(), Some(code), "{name}");
    }
}

#[test]
fn what_was_ignored_stays_ignored() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    let script = format!(
        "trap '' HUP; exec {} run --secret db -- sh -c 'echo ready; sleep 1; echo here'",
        binary().display()
    );
    let mut command = Command::new("sh");
    command
        .args(["-c", &script])
        .env("KUBECONFIG", place.server.kubeconfig());
    let mut running = Running::spawn(&mut command);
    running.prints("ready");
    running.signal("HUP");
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(running.output(), "ready\nhere\n");
}

#[test]
fn a_terminals_interrupt_comes_once() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    let script =
        "trap 'echo int' INT; trap 'echo term; exit 6' TERM; echo ready; while :; do sleep 0.1; done";
    let line = format!(
        "exec {} run --secret db -- sh -c \"{script}\"",
        binary().display()
    );
    let mut command = Command::new("env");
    command
        .args(["--default-signal", "script", "-q", "-e", "-c", &line, "/dev/null"])
        .env("KUBECONFIG", place.server.kubeconfig());
    let mut running = Running::spawn(&mut command);
    let prints = |running: &Running, word: &str| {
        crate::running::comes_true(Duration::from_secs(20), || {
            running
                .output()
                .lines()
                .any(|line| line.trim_end().ends_with(word))
        })
    };
    assert!(prints(&running, "ready"), "{}", running.output());
    running.type_in("\u{3}");
    assert!(prints(&running, "int"), "{}", running.output());
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(
        running.output().matches("int\r").count(),
        1,
        "{}",
        running.output()
    );
    // Sent to the one process, the same signal is passed on.
    let launcher = crate::running::children(running.pid())[0];
    assert!(
        Command::new("kill")
            .args(["-INT", &launcher.to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert!(crate::running::comes_true(Duration::from_secs(20), || running
        .output()
        .matches("int\r")
        .count()
        == 2));
    assert!(
        Command::new("kill")
            .args(["-TERM", &launcher.to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(running.wait().code(), Some(6));
}

#[test]
fn no_zombies_as_the_first_process() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    // Children whose parents end become those of process 1 of the namespace, which is `strongroom run`.
    let script = "for i in 1 2 3 4 5; do (sleep 0.1 &) ; done; sleep 1; \
                  grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l; exit 9";
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(binary())
        .args(["run", "--secret", "db", "--", "sh", "-c", script])
        .env("KUBECONFIG", place.server.kubeconfig());
    let mut running = Running::spawn(&mut command);
    assert_eq!(running.wait().code(), Some(9), "{}", running.errors());
    assert_eq!(running.output(), "0\n");
}
