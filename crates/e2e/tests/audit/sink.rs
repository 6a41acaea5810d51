//! R17: the log can take no more.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_audit::{VerifyOptions, verify_with};
use strongroom_e2e::{Check, Client, Options, Reply, Server};

use crate::{SECRETS, files, head_at, records, sequence};

/// A small tmpfs, unmounted when dropped.
struct SmallDisk {
    mount: tempfile::TempDir,
}

impl SmallDisk {
    fn new(kibibytes: u32) -> SmallDisk {
        let mount = tempfile::tempdir().expect("a directory");
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kibibytes}k"), "none"])
            .arg(mount.path())
            .status();
        assert!(done.expect("mount runs").success(), "root may mount");
        SmallDisk { mount }
    }

    fn log(&self) -> PathBuf {
        self.mount.path().join("audit.log")
    }

    fn ballast(&self) -> PathBuf {
        self.mount.path().join("ballast")
    }

    /// Writes until nothing fits.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.ballast()).expect("a file");
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.mount.path()).status();
    }
}

/// A file system that takes whatever is written, and fails to bring it to its disk: that lies in a file on a
/// [`SmallDisk`]. Without a journal, so that it goes on when there is space again.
struct FailingDisk {
    outer: SmallDisk,
    mount: tempfile::TempDir,
}

impl FailingDisk {
    fn new() -> FailingDisk {
        let outer = SmallDisk::new(4096);
        let image = outer.mount.path().join("image");
        let file = std::fs::File::create(&image).expect("a file");
        file.set_len(16 << 20).expect("a sparse file");
        let mount = tempfile::tempdir().expect("a directory");
        let run = |command: &mut Command| {
            let status = command.status().expect("the command runs");
            assert!(status.success(), "{command:?}: {status}");
        };
        let options = [
            "-q",
            "-F",
            "-O",
            "^has_journal",
            "-E",
            "lazy_itable_init=0,nodiscard",
        ];
        run(Command::new("mkfs.ext4").args(options).arg(&image));
        run(Command::new("mount")
            .args(["-o", "loop"])
            .args([image.as_path(), mount.path()]));
        FailingDisk { outer, mount }
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.mount.path()).status();
    }
}

/// Ids of all answers that told or did something.
#[derive(Default)]
struct Served(BTreeSet<String>);

impl Served {
    fn note(&mut self, reply: Reply) -> Reply {
        if reply.status != 503 {
            self.0.insert(reply.header("audit-id").to_owned());
        }
        reply
    }
}

async fn post(client: &Client, name: &str) -> Reply {
    client
        .post(
            SECRETS,
            &json!({"metadata": {"name": name}, "stringData": {"a": "b"}}),
        )
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r17_full_disk() {
    let disk = SmallDisk::new(512);
    let mut server = Server::start_with(Options::with_arguments(&[
        "--audit-log-path",
        &disk.log().display().to_string(),
    ]));
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let mut served = Served::default();
    let one = format!("{SECRETS}/s");
    served.note(post(&admin, "s").await).expect(201);
    for round in 0..3 {
        disk.fill();
        // What still fits into the last page is served and recorded; writes come first in one round, reads in another.
        let mut refused = false;
        for number in 0..60 {
            let reply = if round == 1 {
                post(&admin, &format!("w{round}-{number}")).await
            } else {
                admin.get(&one).await
            };
            let reply = served.note(reply);
            if reply.status == 503 {
                refused = true;
                check.has("a Status", &reply.json(), json!({"kind": "Status", "status": "Failure", "reason": "ServiceUnavailable", "code": 503, "message": "*"}));
                check.that(!reply.text().contains("Yg=="), || {
                    "a value in the refusal".to_owned()
                });
                if round == 1 {
                    // Refused means not done: looked at when there is space again.
                    refused_write(
                        &mut check,
                        &disk,
                        &admin,
                        &format!("w{round}-{number}"),
                        &mut served,
                    )
                    .await;
                    disk.fill();
                }
                break;
            }
        }
        check.that(refused, || {
            format!("round {round}: nothing is refused on a full disk")
        });
        // The log tries again by itself, and the last page may have room for a short record or two.
        let mut in_a_row = 0;
        for _ in 0..200 {
            let status = served.note(admin.get(&one).await).status;
            in_a_row = if status == 503 { in_a_row + 1 } else { 0 };
            if in_a_row == 15 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        check.equal("refused for good", in_a_row, 15);
        for number in 0..3 {
            let name = format!("x{round}-{number}");
            for (what, reply) in [
                ("get", admin.get(&one).await),
                ("list", admin.get(SECRETS).await),
                ("create", post(&admin, &name).await),
                (
                    "watch",
                    admin.get(&format!("{SECRETS}?watch=1&timeoutSeconds=1")).await,
                ),
                (
                    "patch",
                    admin
                        .patch("merge", &one, &json!({"stringData": {"b": name}}))
                        .await,
                ),
                ("delete", admin.delete(&one).await),
            ] {
                let reply = served.note(reply);
                check.equal(
                    &format!("round {round}: {what} on a full disk"),
                    reply.status,
                    503,
                );
            }
        }
        disk.empty();
        check.that(recovers(&admin, &mut served).await, || {
            format!("round {round}: does not recover")
        });
        let reply = served.note(admin.get(SECRETS).await);
        let names: Vec<String> = reply.json()["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned))
            .collect();
        check.that(names.contains(&"s".to_owned()), || {
            "a refused deletion was done".to_owned()
        });
        check.that(!names.iter().any(|name| name.starts_with('x')), || {
            format!("refused writes were done: {names:?}")
        });
    }
    let last = records(&files(disk.mount.path()))
        .last()
        .map(sequence)
        .expect("records");
    let head = head_at(&server.anonymous(), last).await;
    let options = VerifyOptions {
        head: Some(&head),
        public_key: Some(&head.public_key),
        complete: true,
    };
    let proven = verify_with(&files(disk.mount.path()), &options);
    check.that(proven.is_ok(), || format!("the chain after all that: {proven:?}"));
    let recorded: BTreeSet<String> = records(&files(disk.mount.path()))
        .iter()
        .filter_map(|record| record["auditID"].as_str().map(str::to_owned))
        .collect();
    let silent: Vec<&String> = served.0.difference(&recorded).collect();
    check.that(silent.is_empty(), || {
        format!("served and not recorded: {} of {}", silent.len(), served.0.len())
    });
    server.assert_healthy();
    check.finish();
}

/// A write that was answered 503 is either not done, or at least recorded.
async fn refused_write(check: &mut Check, disk: &SmallDisk, admin: &Client, name: &str, served: &mut Served) {
    disk.empty();
    check.that(recovers(admin, served).await, || "does not recover".to_owned());
    let done = served.note(admin.get(&format!("{SECRETS}/{name}")).await).status == 200;
    let log: String = files(disk.mount.path())
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap_or_default())
        .collect();
    let recorded = log
        .lines()
        .any(|line| line.contains("\"verb\":\"create\"") && line.contains(name));
    check.that(!done || recorded, || format!("a write of {name} was refused with 503 for want of a record, but it was done, and there is no record of it"));
}

async fn recovers(admin: &Client, served: &mut Served) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if served.note(admin.get(SECRETS).await).status == 200 {
            println!("recovered after {:?}", start.elapsed());
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// A disk that fails when records are to be brought there: nothing is served until it takes them again, and the files
/// of all the attempts do not drive out the older ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_disk() {
    let disk = FailingDisk::new();
    let log = disk.mount.path().join("audit.log");
    let mut server = Server::start_with(Options::with_arguments(&[
        "--audit-log-path",
        &log.display().to_string(),
    ]));
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let mut served = Served::default();
    served.note(post(&admin, "s").await).expect(201);
    let one = format!("{SECRETS}/s");
    disk.outer.fill();
    let start = Instant::now();
    let mut in_a_row = 0;
    while in_a_row < 40 && start.elapsed() < Duration::from_secs(60) {
        let status = served.note(admin.get(&one).await).status;
        in_a_row = if status == 503 { in_a_row + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    check.equal("refused for good", in_a_row, 40);
    served.note(post(&admin, "x").await).expect(503);
    let attempts = files(disk.mount.path()).len();
    check.that(attempts <= 3, || {
        format!("{attempts} files after two seconds of trying")
    });
    disk.outer.empty();
    check.that(recovers(&admin, &mut served).await, || {
        "does not recover".to_owned()
    });
    let reply = served.note(admin.get(&format!("{SECRETS}/x")).await);
    check.equal("a refused write", reply.status, 404);
    let all = records(&files(disk.mount.path()));
    let note = "may not have reached the disk";
    check.that(all.iter().any(|record| record.to_string().contains(note)), || {
        "nothing says that records may be lost".to_owned()
    });
    let recorded: BTreeSet<&str> = all
        .iter()
        .filter_map(|record| record["auditID"].as_str())
        .collect();
    check.that(served.0.iter().all(|id| recorded.contains(id.as_str())), || {
        "served and not recorded".to_owned()
    });
    let proven = verify_with(&files(disk.mount.path()), &VerifyOptions::default());
    check.that(proven.is_ok(), || format!("the chain after all that: {proven:?}"));
    server.assert_healthy();
    check.finish();
}

/// What is written to a pipe is gone, and a reader that sleeps would stop the server.
#[test]
fn pipes_are_no_place_for_the_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let pipe = directory.path().join("audit.log");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    let pipe = pipe.display().to_string();
    let failure = Server::try_start(Options::with_arguments(&["--audit-log-path", &pipe]));
    let Err(failure) = failure else {
        panic!("started with a pipe for a log")
    };
    assert!(
        failure.output.contains(&pipe) && failure.output.contains("no regular file"),
        "{failure}"
    );
}

/// A log that cannot be opened stops the start.
#[test]
fn no_place_for_the_log() {
    let failure = Server::try_start(Options::with_arguments(&[
        "--audit-log-path",
        "/proc/nowhere/audit.log",
    ]));
    let Err(failure) = failure else {
        panic!("started without a place for the log")
    };
    assert!(failure.output.contains("/proc/nowhere"), "{failure}");
    assert!(!failure.output.contains("panicked"), "{failure}");
}
