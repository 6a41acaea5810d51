//! Clients that go away before they are answered.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_e2e::{Client, Server};
use tokio::io::AsyncWriteExt;

use crate::{SECRETS, files_of, records, with_id};

const TRIES: u32 = 100;

/// What client number so and so waits for before it goes: from nothing to about as long as an answer takes.
fn patience(number: u32) -> Duration {
    Duration::from_micros(u64::from(number) * 30)
}

async fn make(admin: &Client, prefix: &str) {
    for number in 0..TRIES {
        let object = json!({"metadata": {"name": format!("{prefix}-{number}")}});
        admin.post(SECRETS, &object).await.expect(201);
    }
}

/// Which of the Secrets are no more, once nothing is under way.
async fn deleted(admin: &Client, prefix: &str) -> BTreeSet<String> {
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut deleted = BTreeSet::new();
    for number in 0..TRIES {
        let name = format!("{prefix}-{number}");
        if admin.get(&format!("{SECRETS}/{name}")).await.status == 404 {
            deleted.insert(name);
        }
    }
    deleted
}

/// Those of `names` that no record says were deleted.
async fn unrecorded(server: &Server, names: &BTreeSet<String>) -> Vec<String> {
    let start = Instant::now();
    loop {
        let mut missing = names.clone();
        for record in records(&files_of(server)) {
            let done = record["verb"] == "delete" && record["responseStatus"]["code"] == 200;
            if done && let Some(name) = record["objectRef"]["name"].as_str() {
                missing.remove(name);
            }
        }
        if missing.is_empty() || start.elapsed() > Duration::from_secs(5) {
            return missing.into_iter().collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_did_is_recorded_though_it_is_gone() {
    let server = Server::start();
    let admin = server.client();
    for prefix in ["reset", "closed"] {
        make(&admin, prefix).await;
    }
    let shared = server.client_http2();
    shared.get(SECRETS).await.expect(200);
    for number in 0..TRIES {
        let path = format!("{SECRETS}/reset-{number}");
        // The stream is reset when the future is dropped.
        let _ = tokio::time::timeout(patience(number), shared.delete(&path)).await;

        let mut connection = admin.tls_stream().await.expect("a connection");
        let request = format!(
            "DELETE {SECRETS}/closed-{number} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).await.expect("sent");
        connection.flush().await.expect("sent");
        tokio::time::sleep(patience(number)).await;
        drop(connection);
    }
    for prefix in ["reset", "closed"] {
        let deleted = deleted(&admin, prefix).await;
        assert!(
            !deleted.is_empty(),
            "{prefix}: no client got as far as the server"
        );
        let unrecorded = unrecorded(&server, &deleted).await;
        assert!(
            unrecorded.is_empty(),
            "{prefix}: of {} Secrets deleted, {} without a record: {unrecorded:?}",
            deleted.len(),
            unrecorded.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_has_an_end_only_if_it_began() {
    let server = Server::start();
    let admin = server.client();
    let refused = format!("{SECRETS}?watch=true&fieldSelector=nothing%3Dof");
    let reply = admin
        .request("GET", &refused)
        .header("audit-id", "refused-watch")
        .send();
    reply.await.expect(400);
    // The longest that can be asked for, and longer than times can be told.
    let endless = format!("{SECRETS}?watch=true&timeoutSeconds={}", i64::MAX);
    let watch = admin
        .request("GET", &endless)
        .header("audit-id", "endless-watch")
        .watch()
        .await;
    drop(watch);
    assert_eq!(with_id(&server, "endless-watch", 2).await.len(), 2);
    let records = with_id(&server, "refused-watch", 1).await;
    let codes: Vec<_> = records
        .iter()
        .map(|record| &record["responseStatus"]["code"])
        .collect();
    assert_eq!(codes, [400]);
}
