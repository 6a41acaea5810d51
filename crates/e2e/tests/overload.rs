//! More than the server can do (R16), and a client that does not read (R14).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_e2e::{Options, Server, resident_bytes, setting};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const MEBIBYTE: u64 = 1 << 20;

/// One place for each kind of request, and far more requests than may wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r16_over_capacity() {
    let seconds: u64 = setting("STRONGROOM_R16_SECONDS", 6);
    let limits = [
        "--max-requests-inflight",
        "1",
        "--max-mutating-requests-inflight",
        "1",
    ];
    let mut server = Server::start_with(Options::with_arguments(&limits));
    let client = server.client();
    client
        .post(SECRETS, &json!({"metadata": {"name": "s"}}))
        .await
        .expect(201);
    let (served, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let before = resident_bytes(server.pid());
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut users = Vec::new();
    for _ in 0..5 {
        let connection = server.client_http2();
        for user in 0..200 {
            let (client, served, refused) = (connection.clone(), served.clone(), refused.clone());
            users.push(tokio::spawn(async move {
                while Instant::now() < until {
                    let request = match user % 10 {
                        0 => client.request("GET", &format!("{SECRETS}/s")),
                        _ => client
                            .request("PATCH", &format!("{SECRETS}/s"))
                            .json(&json!({"metadata": {"labels": {"u": user.to_string()}}}))
                            .header("content-type", "application/merge-patch+json"),
                    };
                    let reply = request.send().await;
                    match reply.status {
                        200 => {
                            served.fetch_add(1, Ordering::SeqCst);
                        }
                        429 => {
                            let status = reply.json();
                            assert_eq!(
                                (&status["reason"], &status["message"]),
                                (
                                    &json!("TooManyRequests"),
                                    &json!("Too many requests, please try again later.")
                                )
                            );
                            assert_eq!(reply.header("retry-after"), "1");
                            refused.fetch_add(1, Ordering::SeqCst);
                            tokio::time::sleep(Duration::from_millis(300)).await;
                        }
                        _ => panic!("{}: {}", reply.status, reply.text()),
                    }
                }
            }));
        }
    }
    let mut health = 0;
    while Instant::now() < until {
        let reply = client
            .request("GET", "/livez")
            .patience(Duration::from_secs(10))
            .send()
            .await;
        assert_eq!(reply.status, 200, "/livez takes no place");
        health += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for user in users {
        user.await.expect("a user sees 200 or 429");
    }
    let (served, refused) = (served.load(Ordering::SeqCst), refused.load(Ordering::SeqCst));
    let after = resident_bytes(server.pid());
    println!(
        "R16: {served} served, {refused} refused, {health} health checks in {seconds} s, memory {} -> {} MiB",
        before / MEBIBYTE,
        after / MEBIBYTE
    );
    assert!(served > 100, "goodput: {served}");
    assert!(refused > 0, "1000 users on two places, and none was refused");
    assert!(after < before + 128 * MEBIBYTE, "memory grew");
    // Watches do not take a place for as long as they last.
    let mut watches = Vec::new();
    for _ in 0..20 {
        let mut watch = server.client().watch(&format!("{SECRETS}?watch=true")).await;
        assert_eq!(watch.event().await.0, "ADDED");
        watches.push(watch);
    }
    client.get(&format!("{SECRETS}/s")).await.expect(200);
    server.assert_healthy();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_a_slow_watcher_disturbs_nobody() {
    let seconds: u64 = setting("STRONGROOM_R14_SECONDS", 12);
    let healthy: usize = setting("STRONGROOM_R14_WATCHERS", 60);
    let mut server = Server::start();
    let client = server.client();
    let value = "x".repeat(2_000);
    client
        .post(
            SECRETS,
            &json!({"metadata": {"name": "s"}, "stringData": {"a": value}}),
        )
        .await
        .expect(201);
    let before = resident_bytes(server.pid());
    // Watches that are opened and never read.
    let mut stalled = Vec::new();
    for _ in 0..5 {
        stalled.push(server.client().watch(&format!("{SECRETS}?watch=true")).await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..healthy {
        let mut watch = server
            .client()
            .watch(&format!("{SECRETS}?watch=true&resourceVersion=0"))
            .await;
        let stop = stop.clone();
        readers.push(tokio::spawn(async move {
            let (mut events, mut last) = (0_u64, 0_u64);
            while let Some(event) = watch.next_within(Duration::from_secs(5)).await {
                assert_ne!(event["type"], "ERROR", "{event}");
                let version = event["object"]["metadata"]["resourceVersion"]
                    .as_str()
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(0);
                assert!(version > last, "in order");
                last = version;
                events += 1;
            }
            assert!(
                stop.load(Ordering::SeqCst),
                "a healthy watch ended or went quiet for 5 s"
            );
            (events, last)
        }));
    }
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut written = 0_u64;
    let mut last = 0;
    while Instant::now() < until {
        let batch = (0..8).map(|writer| {
            let (client, value) = (client.clone(), format!("{written}-{writer}-{value}"));
            async move {
                client
                    .patch(
                        "merge",
                        &format!("{SECRETS}/s"),
                        &json!({"stringData": {"a": value}}),
                    )
                    .await
                    .expect(200)
            }
        });
        for body in futures::future::join_all(batch).await {
            last = last.max(
                body["metadata"]["resourceVersion"]
                    .as_str()
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(0),
            );
            written += 1;
        }
    }
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        let (events, seen) = reader.await.expect("a healthy watcher is undisturbed");
        assert!(
            seen == last && events >= written,
            "a healthy watcher saw {events} of {written}, up to {seen} of {last}"
        );
    }
    let after = resident_bytes(server.pid());
    println!(
        "R14: {written} writes in {seconds} s, {healthy} watchers, memory {} -> {} MiB",
        before / MEBIBYTE,
        after / MEBIBYTE
    );
    assert!(
        after < before + (healthy as u64 + 5) * MEBIBYTE + 64 * MEBIBYTE,
        "memory grew from {} to {} MiB",
        before / MEBIBYTE,
        after / MEBIBYTE
    );
    drop(stalled);
    server.assert_healthy();
}
