//! Environment variables, exit codes, and what is said when something is lacking.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use strongroom_e2e::{Scanner, memory};

use crate::running::{Place, children};

#[test]
fn variables_of_every_form() {
    let place = Place::new();
    place.secret(
        "db",
        &[
            ("username", "app"),
            ("password", "s3cr3t $HOME\n\"x\""),
            ("tls.crt", "cert"),
        ],
    );
    place.secret("other", &[("username", "somebody")]);
    place.config_map("settings", &[("username", "nobody"), ("HOST", "db.local")]);
    place.put(
        "secrets",
        "binary",
        json!({"data": {"raw": STANDARD.encode(b"\xff\xfe")}}),
    );
    let check = |arguments: &[&str], script: &str, expect: &str| {
        let arguments = [arguments, &["--", "sh", "-c", script]].concat();
        let (code, output, errors) = place.ended(&arguments);
        assert_eq!(
            (code, output.as_str(), errors.as_str()),
            (0, expect, ""),
            "{arguments:?}"
        );
    };
    check(
        &["--secret", "db"],
        "printf %s \"$username/$password\"",
        "app/s3cr3t $HOME\n\"x\"",
    );
    check(
        &["--secret", "db:password=PGPASSWORD"],
        "env | grep -c -e username -e PGPASSWORD=s3",
        "1\n",
    );
    check(&["--secret=db:username"], "echo $username", "app\n");
    check(
        &["--secret", "db", "--secret", "other"],
        "echo $username",
        "somebody\n",
    );
    check(
        &["--secret", "other", "--secret", "db"],
        "echo $username",
        "app\n",
    );
    check(
        &["--secret", "db", "--config-map", "settings"],
        "echo $username $HOST",
        "app db.local\n",
    );
    check(
        &["--secret", "binary"],
        "printf %s \"$raw\" | od -An -tx1",
        " ff fe\n",
    );
    check(
        &[
            "-n",
            "default",
            "--secret",
            "db",
            "--optional",
            "--secret",
            "gone",
        ],
        "echo $username",
        "app\n",
    );
    // What is inherited stays. A shell would drop the name with a dot.
    let (_, output, _) = place.ended(&["--secret", "db", "--", "env"]);
    assert!(output.lines().any(|line| line == "tls.crt=cert"), "{output}");
    assert!(output.lines().any(|line| line.starts_with("PATH=")), "{output}");
}

#[test]
fn exit_codes() {
    let place = Place::new();
    place.secret("db", &[("username", "app")]);
    let check = |command: &[&str], expect: i32, errors: &str| {
        let arguments = [&["--secret", "db", "--"], command].concat();
        let (code, _, found) = place.ended(&arguments);
        assert_eq!((code, found.as_str()), (expect, errors), "{command:?}");
    };
    check(&["true"], 0, "");
    check(&["sh", "-c", "exit 42"], 42, "");
    check(&["sh", "-c", "exit 255"], 255, "");
    check(&["sh", "-c", "kill -KILL $$"], 137, "");
    check(&["sh", "-c", "kill -TERM $$"], 143, "");
    check(
        &["no-such-command"],
        127,
        "error: There is no command no-such-command; look at its spelling and at $PATH.\n",
    );
    check(
        &["/etc/passwd"],
        126,
        "error: /etc/passwd cannot be executed: Permission denied (os error 13).\n",
    );
}

#[test]
fn what_is_lacking_is_said_in_a_sentence() {
    let place = Place::new();
    place.secret("db", &[("username", "app"), ("password", "x")]);
    place.secret("odd", &[("1st", "1"), ("ok", "k")]);
    place.put(
        "secrets",
        "nul",
        json!({"data": {"raw": STANDARD.encode(b"a\0b")}}),
    );
    place.secret("long", &[("all", &"x".repeat(131_072))]);
    let check = |arguments: &[&str], code: i32, output: &str, errors: &str| {
        let arguments = [arguments, &["--", "sh", "-c", "echo ran $ok"]].concat();
        let found = place.ended(&arguments);
        assert_eq!(
            (found.0, found.1.as_str(), found.2.as_str()),
            (code, output, errors),
            "{arguments:?}"
        );
    };
    let nothing =
        "error: There is nothing to give to the command; add --secret NAME or --secret-dir NAME=PATH.\n";
    check(&[], 125, "", nothing);
    let absent = "There is no Secret \"gone\" in namespace \"default\"; create it, look for it with -n, or go without \
                  it with --optional.";
    check(&["--secret", "gone"], 125, "", &format!("error: {absent}\n"));
    check(
        &["--secret-dir", "gone=here"],
        125,
        "",
        &format!("error: {absent}\n"),
    );
    check(
        &["--optional", "--secret", "gone", "--secret-dir", "gone=here"],
        0,
        "ran\n",
        "",
    );
    check(
        &["--config-map", "gone"],
        125,
        "",
        &format!("error: {}\n", absent.replace("Secret", "ConfigMap")),
    );
    check(
        &["--secret", "db:pass"],
        125,
        "",
        "error: The Secret \"db\" in namespace \"default\" has no key \"pass\" (it has password, username); add it, \
         or go without it with --optional.\n",
    );
    check(&["--optional", "--secret", "db:pass"], 0, "ran\n", "");
    check(
        &["--secret", "nul"],
        125,
        "",
        "error: The value of \"raw\" in the Secret \"nul\" in namespace \"default\" has a NUL byte in it, so it \
         cannot be a variable; give it as a file with --secret-dir.\n",
    );
    check(
        &["--secret", "long"],
        125,
        "",
        "error: The value of \"all\" in the Secret \"long\" in namespace \"default\" is 131072 bytes long, so it \
         cannot be a variable; give it as a file with --secret-dir.\n",
    );
    check(
        &["--env-names=strict", "--secret", "odd"],
        0,
        "ran k\n",
        "strongroom: Of the Secret \"odd\" in namespace \"default\", 1st were skipped: --env-names=strict takes no \
         such names; rename them with :KEY=VAR.\n",
    );
    check(
        &["--env-names=strict", "--secret", "odd:1st=ok"],
        0,
        "ran 1\n",
        "",
    );
    for (arguments, part) in [
        (&["--secret", "db=X"][..], "only one key can have another name"),
        (&["--secret", "Db"], "expected an object's name first"),
        (
            &["--secret", "db", "--on-change", "reload"],
            "expected restart, signal=HUP",
        ),
        (&["--secret-dir", "db=here", "--file-mode", "999"], "octal"),
    ] {
        let (code, output, errors) = place.ended(&[arguments, &["--", "true"]].concat());
        assert!(
            code == 2 && output.is_empty() && errors.contains(part),
            "{arguments:?}: {code} {errors}"
        );
    }
    let (code, _, errors) = place.ended(&["--secret", "db"]);
    assert!(code == 2 && errors.contains("COMMAND"), "{errors}");
}

#[test]
fn a_caller_without_the_right_is_told_so() {
    let place = Place::new();
    place.secret("db", &[("username", "app")]);
    place.server.user("mallory", &[]);
    let kubeconfig = place.server.scratch().join("mallory.kubeconfig");
    let (code, _, errors) = place.ended(&[
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        "--secret",
        "db",
        "--",
        "true",
    ]);
    assert_eq!(code, 125);
    assert!(
        errors.contains("secrets \"db\" is forbidden: User \"mallory\" cannot get resource"),
        "{errors}"
    );
    let (code, _, errors) = place.ended(&["--kubeconfig", "/no/such", "--secret", "db", "--", "true"]);
    assert_eq!(
        (code, errors.as_str()),
        (125, "error: There is no kubeconfig /no/such.\n")
    );
}

#[test]
fn get_and_watch_of_one_secret_are_enough() {
    let place = Place::new();
    place.secret("db", &[("username", "1")]);
    place.secret("other", &[("username", "x")]);
    let user = place.server.user("alice", &[]);
    drop(user);
    place.role("get-and-watch", "alice", &["get", "watch"], "db");
    let kubeconfig = place.server.scratch().join("alice.kubeconfig");
    let kubeconfig = ["--kubeconfig", kubeconfig.to_str().unwrap()];
    let script = "echo $username; while :; do sleep 0.1; done";
    let running = place.run(
        &[
            &kubeconfig[..],
            &[
                "--secret",
                "db",
                "--on-change",
                "restart",
                "--",
                "sh",
                "-c",
                script,
            ],
        ]
        .concat(),
    );
    running.prints("1");
    place.secret("db", &[("username", "2")]);
    running.prints("2");
    place.role("get-and-watch", "alice", &["get"], "db");
    running.warns("Changes of the Secret \"db\" cannot be seen now: ");
    place.role("get-and-watch", "alice", &["get", "list", "watch"], "db");
    place.secret("db", &[("username", "3")]);
    running.prints("3");
    assert_eq!(running.output(), "1\n2\n3\n");
    let (code, _, errors) = place.ended(&[&kubeconfig[..], &["--secret", "other", "--", "true"]].concat());
    assert!(
        code == 125 && errors.contains("secrets \"other\" is forbidden"),
        "{errors}"
    );
}

#[test]
fn values_are_in_the_command_and_nowhere_else() {
    let place = Place::new();
    let canary = "canary-Zk3vQ8rT5wYx7Lm1";
    place.secret("db", &[("password", canary)]);
    let directory = place.directory("files");
    let running = place.run(&[
        "--secret",
        "db",
        "--secret-dir",
        &format!("db={}", directory.display()),
        "--on-change",
        "restart",
        "--",
        "sh",
        "-c",
        "echo ready; while :; do sleep 1; done",
    ]);
    running.prints("ready");
    let scanner = Scanner::new(&[canary]);
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let command_line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let place = entry.path().display().to_string();
        // This test's own source is no argument of anybody's.
        assert!(scanner.scan(&place, &command_line).is_empty(), "{place}");
    }
    let environment = |pid: u32| std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    assert!(scanner.scan("", &environment(running.pid())).is_empty());
    assert!(
        !scanner
            .scan("", &environment(children(running.pid())[0]))
            .is_empty()
    );
    assert!(scanner.scan_directory(&place.server.scratch()).is_empty());
    assert!(scanner.scan("", running.errors().as_bytes()).is_empty());
    assert!(scanner.scan("", running.output().as_bytes()).is_empty());
}

#[test]
fn values_of_the_past_are_not_in_memory() {
    let place = Place::new();
    let old = "canary-of-the-past-Zk3vQ8rT5wYx7Lm1";
    place.secret("db", &[("password", old), ("large", &old.repeat(1000))]);
    let directory = place.directory("files");
    let given = format!("db={}", directory.display());
    let script = "trap 'echo changed' USR1; echo ready; while :; do sleep 0.1; done";
    let running = place.run(&[
        "--secret-dir",
        &given,
        "--on-change",
        "signal=USR1",
        "--",
        "sh",
        "-c",
        script,
    ]);
    running.prints("ready");
    let new = "canary-of-today-Hb6nJ2kM9pQs4Vx0";
    place.secret("db", &[("password", new), ("large", &new.repeat(1000))]);
    running.prints("changed");
    // Until readers that were on their way had their time.
    std::thread::sleep(Duration::from_millis(1500));
    let scanner = Scanner::new(&[old, new]);
    let mut sightings = Vec::new();
    for (mapping, bytes) in memory(running.pid()).unwrap() {
        // Most of it was never used; a value of so many copies would be in one page or another all the same.
        for page in bytes
            .chunks(4096)
            .filter(|page| page.iter().any(|byte| *byte != 0))
        {
            sightings.extend(scanner.scan(&mapping, page));
        }
    }
    assert!(
        sightings.iter().all(|sighting| sighting.canary == 1),
        "{sightings:?}"
    );
    assert!(!sightings.is_empty(), "what is in use would be found");
}
