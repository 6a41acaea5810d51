//! Nothing can be taken out, changed or moved, across rotations, restarts and crashes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use strongroom_audit::{HeadCheck, VerifyError, VerifyOptions, verify, verify_with};
use strongroom_e2e::{Options, Server};

use crate::{HEAD, SECRETS, files_of, head, head_at, records, sequence};

/// Copies of the log's files, to be spoiled.
fn copies(files: &[PathBuf], directory: &Path) -> Vec<PathBuf> {
    let copy = |file: &PathBuf| {
        let to = directory.join(file.file_name().expect("a name"));
        std::fs::copy(file, &to).expect("copied");
        to
    };
    files.iter().map(copy).collect()
}

async fn some_traffic(server: &Server) {
    let (admin, anonymous) = (server.client(), server.anonymous());
    for number in 0..20 {
        let name = format!("s{number}");
        admin
            .post(
                SECRETS,
                &json!({"metadata": {"name": name}, "stringData": {"a": "b"}}),
            )
            .await
            .expect(201);
        admin.get(&format!("{SECRETS}/{name}")).await.expect(200);
        anonymous.get(SECRETS).await.expect(403);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spoiling_is_found() {
    let server = Server::start();
    some_traffic(&server).await;
    let last = records(&files_of(&server)).last().map(sequence).expect("records");
    let head = head_at(&server.anonymous(), last).await;
    let key = head.public_key.clone();
    let scratch = server.scratch();
    // Others go on writing; what is proven is a copy.
    let files = copies(&files_of(&server), &scratch);
    let options = VerifyOptions {
        head: Some(&head),
        public_key: Some(&key),
        complete: true,
    };
    let summary = verify_with(&files, &options).expect("the log is whole");
    assert_eq!(summary.first_sequence, 1);
    assert!(
        summary.last_sequence >= last && matches!(summary.head, HeadCheck::Holds { .. }),
        "{summary:?}"
    );
    let file = files[0].clone();
    let good = std::fs::read(&file).expect("readable");
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    let until_head = usize::try_from(head.sequence).expect("small");
    let check = |what: &str, bytes: Vec<u8>, line: Option<usize>| {
        std::fs::write(&file, bytes).expect("written");
        let error = verify_with(&files, &options).expect_err(what);
        let text = error.to_string();
        assert!(text.contains("audit.log"), "{what}: {text}");
        if let Some(line) = line {
            assert!(
                text.contains(&format!("line {line}")),
                "{what}: expected line {line}: {text}"
            );
        }
    };
    for line in [0, 1, until_head / 2, until_head - 1] {
        let start: usize = lines[..line].iter().map(|line| line.len()).sum();
        for at in [0, 20, lines[line].len() / 2, lines[line].len() - 2] {
            let mut bytes = good.clone();
            bytes[start + at] ^= 1;
            check(&format!("byte {at} of line {}", line + 1), bytes, None);
        }
        // Any one byte within a value, told with its line.
        let mut bytes = good.clone();
        let text = String::from_utf8_lossy(lines[line]).into_owned();
        let at = start + text.find("\"userAgent\":\"").map_or(30, |at| at + 14);
        bytes[at] = if bytes[at] == b'X' { b'Y' } else { b'X' };
        check(
            &format!("the user agent in line {}", line + 1),
            bytes,
            Some(line + 1),
        );
        if line + 1 < until_head {
            let removed = [&lines[..line], &lines[line + 1..]].concat().concat();
            check(&format!("without line {}", line + 1), removed, None);
            let mut swapped = lines.clone();
            swapped.swap(line, line + 1);
            check(
                &format!("lines {} and the next swapped", line + 1),
                swapped.concat(),
                None,
            );
        }
        let twice = [&lines[..=line], &lines[line..]].concat().concat();
        check(&format!("line {} twice", line + 1), twice, None);
    }
    check("cut before the head", lines[..until_head - 1].concat(), None);
    check("cut within a line", good[..good.len() - 5].to_vec(), None);
    check("nothing left", b"\n".to_vec(), None);
    // Another server's word is none.
    std::fs::write(&file, &good).expect("written");
    let other = Server::start();
    let foreign = crate::head(&other.anonymous()).await;
    assert!(verify(&files, Some(&foreign), Some(&key)).is_err());
    assert!(matches!(
        verify(&files, Some(&head), Some(&foreign.public_key)),
        Err(VerifyError::Head(_))
    ));
    verify(&files, Some(&head), Some(&key)).expect("as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_head_is_for_everybody() {
    let mut server = Server::start();
    let anonymous = server.anonymous();
    let reply = anonymous.get(HEAD).await;
    assert_eq!(reply.header("content-type"), "application/json");
    let first = head(&anonymous).await;
    first.verify(&first.public_key).expect("the signature holds");
    let mut forged = first.clone();
    forged.sequence += 1;
    forged.verify(&first.public_key).expect_err("a changed head");
    let before = records(&files_of(&server)).last().map(sequence).expect("records");
    let second = head_at(&anonymous, before).await;
    assert!(
        second.sequence >= before,
        "the head follows within seconds: {} {before}",
        second.sequence
    );
    assert_eq!(
        (&second.log_id, &second.public_key),
        (&first.log_id, &first.public_key)
    );
    assert_eq!(anonymous.request("POST", HEAD).send().await.status, 403);
    assert!(server.interrupt().success());
    server.restart();
    let third = head(&server.anonymous()).await;
    assert_eq!(
        (&third.log_id, &third.public_key),
        (&first.log_id, &first.public_key)
    );
    assert!(third.sequence >= second.sequence);
    for head in [&first, &second, &third] {
        let proven = verify(&files_of(&server), Some(head), Some(&first.public_key))
            .expect("every head that ever was holds");
        assert!(matches!(proven.head, HeadCheck::Holds { .. }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotated_files() {
    let server = Server::start_with(Options::with_arguments(&["--audit-log-maxsize", "1"]));
    let agent = "a".repeat(1000);
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (client, agent) = (server.client(), agent.clone());
            tokio::spawn(async move {
                for _ in 0..400 {
                    client
                        .request("GET", &format!("{SECRETS}/none"))
                        .header("user-agent", &agent)
                        .send()
                        .await
                        .expect(404);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("every request is answered");
    }
    let last = records(&files_of(&server))
        .iter()
        .map(sequence)
        .max()
        .expect("records");
    let head = head_at(&server.anonymous(), last).await;
    let key = head.public_key.clone();
    let files = copies(&files_of(&server), &server.scratch());
    assert!(files.len() >= 3, "{files:?}");
    for file in &files {
        let size = std::fs::metadata(file).expect("there").len();
        assert!(size <= (1 << 20) + 4096, "{}: {size} bytes", file.display());
    }
    let options = VerifyOptions {
        head: Some(&head),
        public_key: Some(&key),
        complete: true,
    };
    let summary = verify_with(&files, &options).expect("whole");
    assert_eq!(summary.files.len(), files.len());
    assert!(summary.records >= 1600);
    for missing in 0..files.len() {
        let rest: Vec<PathBuf> = files
            .iter()
            .enumerate()
            .filter(|(number, _)| *number != missing)
            .map(|(_, file)| file.clone())
            .collect();
        let error = verify_with(&rest, &options).expect_err("a file is missing");
        println!("{error}");
    }
    // What was rotated may be given in any order.
    let backwards: Vec<PathBuf> = files.iter().rev().cloned().collect();
    verify_with(&backwards, &options).expect("whole");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_files_are_removed() {
    let server = Server::start_with(Options::with_arguments(&[
        "--audit-log-maxsize",
        "1",
        "--audit-log-maxbackup",
        "1",
    ]));
    let agent = "a".repeat(1000);
    let client = server.client();
    for _ in 0..2200 {
        client
            .request("GET", "/version")
            .header("user-agent", &agent)
            .send()
            .await
            .expect(200);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let files = copies(&files_of(&server), &server.scratch());
    assert!(files.len() <= 2, "{files:?}");
    let summary = verify(&files, None, None).expect("what is left is whole");
    assert!(summary.first_sequence > 1);
}

/// SIGKILL in the middle: what was answered is recorded, and the chain goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle() {
    let mut server = Server::start();
    let answered: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let mut heads = vec![head(&server.anonymous()).await];
    let key = heads[0].public_key.clone();
    for round in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks: Vec<_> = (0..4)
            .map(|worker| {
                let (client, answered, stop) = (server.client(), Arc::clone(&answered), Arc::clone(&stop));
                tokio::spawn(async move {
                    for number in 0.. {
                        if stop.load(Ordering::SeqCst) {
                            return;
                        }
                        let body = json!({"metadata": {"name": format!("s{round}-{worker}-{number}")}});
                        let request = client.request("POST", SECRETS).json(&body);
                        let Ok(reply) = request.try_send().await else {
                            return;
                        };
                        answered
                            .lock()
                            .expect("unpoisoned")
                            .insert(reply.header("audit-id").to_owned());
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(700)).await;
        heads.push(head(&server.anonymous()).await);
        server.kill();
        stop.store(true, Ordering::SeqCst);
        for task in tasks {
            task.await.expect("the task ends");
        }
        server.restart();
        heads.push(head(&server.anonymous()).await);
    }
    let files = copies(&files_of(&server), &server.scratch());
    for head in &heads {
        verify(&files, Some(head), Some(&key)).expect("every head that was ever given holds");
    }
    let options = VerifyOptions {
        head: heads.last(),
        public_key: Some(&key),
        complete: true,
    };
    verify_with(&files, &options).expect("whole");
    let recorded: BTreeSet<String> = records(&files)
        .iter()
        .filter_map(|record| record["auditID"].as_str().map(str::to_owned))
        .collect();
    let answered = answered.lock().expect("unpoisoned");
    let lost: Vec<_> = answered.difference(&recorded).collect();
    println!("{} answers", answered.len());
    assert!(
        answered.len() > 20 && lost.is_empty(),
        "{} of {} answers are not recorded",
        lost.len(),
        answered.len()
    );
}
