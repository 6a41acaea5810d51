//! §11 and §18: watch semantics.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_e2e::{Check, Client, Server, Watch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";

fn secret(name: &str, label: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": {"color": label}}, "data": {"a": "eA=="}})
}

fn one(name: &str) -> String {
    format!("{SECRETS}/{name}")
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

async fn list_version(client: &Client) -> u64 {
    version(&client.get(SECRETS).await.expect(200))
}

#[tokio::test]
async fn from_the_state_and_from_a_version() {
    let server = Server::start();
    let client = server.client();
    let writer = server.client();
    let first = client.post(SECRETS, &secret("a", "red")).await.expect(201);
    client.post(SECRETS, &secret("b", "red")).await.expect(201);

    for query in ["", "&resourceVersion=0", "&resourceVersion="] {
        let mut watch = client.watch(&format!("{SECRETS}?watch=true{query}")).await;
        assert_eq!(watch.status, 200);
        assert_eq!(watch.headers["content-type"], "application/json");
        let object = watch.expect("ADDED", "a").await;
        assert_eq!(
            (&object["kind"], &object["apiVersion"]),
            (&json!("Secret"), &json!("v1")),
            "items say what they are"
        );
        assert_eq!(object["data"]["a"], "eA==");
        watch.expect("ADDED", "b").await;
    }

    let mut watch = client
        .watch(&format!(
            "{SECRETS}?watch=true&resourceVersion={}",
            version(&first)
        ))
        .await;
    watch.expect("ADDED", "b").await;
    let changed = writer.put(&one("a"), &secret("a", "blue")).await.expect(200);
    assert_eq!(version(&watch.expect("MODIFIED", "a").await), version(&changed));
    let before = list_version(&writer).await;
    writer.delete(&one("a")).await.expect(200);
    let deleted = watch.expect("DELETED", "a").await;
    assert!(version(&deleted) > before, "a deletion carries its own version");
    assert_eq!(deleted["data"]["a"], "eA==", "and the last state");

    // Nothing for what changes nothing.
    let object = writer.get(&one("b")).await.expect(200);
    writer.put(&one("b"), &object).await.expect(200);
    writer
        .post(&format!("{SECRETS}?dryRun=All"), &secret("dry", "red"))
        .await
        .expect(201);
    writer.patch("merge", &one("b"), &json!({})).await.expect(200);
    writer.post(SECRETS, &secret("c", "red")).await.expect(201);
    watch.expect("ADDED", "c").await;

    // Other resources and namespaces do not show.
    writer
        .post(
            "/api/v1/namespaces/default/configmaps",
            &json!({"metadata": {"name": "c"}}),
        )
        .await
        .expect(201);
    writer
        .post("/api/v1/namespaces/kube-public/secrets", &secret("far", "red"))
        .await
        .expect(201);
    writer.delete(&one("c")).await.expect(200);
    watch.expect("DELETED", "c").await;

    let mut everywhere = client.watch("/api/v1/secrets?watch=true").await;
    everywhere.expect("ADDED", "b").await;
    let far = everywhere.expect("ADDED", "far").await;
    assert_eq!(far["metadata"]["namespace"], "kube-public");

    let mut future = client
        .watch(&format!("{SECRETS}?watch=true&resourceVersion=99999999"))
        .await;
    assert_eq!(future.status, 200);
    assert!(future.next_within(Duration::from_millis(300)).await.is_none());
    let reply = client
        .request("GET", &format!("{SECRETS}?watch=true&resourceVersion=abc"))
        .send()
        .await;
    assert_eq!(reply.status, 500);
    assert!(
        reply
            .text()
            .contains("resourceVersion: Invalid value: \\\"abc\\\": strconv"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn selectors_and_transitions() {
    let server = Server::start();
    let client = server.client();
    client.post(SECRETS, &secret("a", "red")).await.expect(201);
    client.post(SECRETS, &secret("b", "blue")).await.expect(201);
    let mut red = server
        .client()
        .watch(&format!("{SECRETS}?watch=1&labelSelector=color%3Dred"))
        .await;
    let mut named = server
        .client()
        .watch(&format!("{SECRETS}?watch=1&fieldSelector=metadata.name%3Db"))
        .await;
    let mut typed = server
        .client()
        .watch(&format!("{SECRETS}?watch=1&fieldSelector=type%3DOpaque"))
        .await;
    red.expect("ADDED", "a").await;
    named.expect("ADDED", "b").await;
    typed.expect("ADDED", "a").await;
    typed.expect("ADDED", "b").await;

    let now_red = client.put(&one("b"), &secret("b", "red")).await.expect(200);
    let seen = red.expect("ADDED", "b").await;
    assert_eq!(version(&seen), version(&now_red));
    named.expect("MODIFIED", "b").await;
    typed.expect("MODIFIED", "b").await;

    let now_blue = client.put(&one("b"), &secret("b", "blue")).await.expect(200);
    let gone = red.expect("DELETED", "b").await;
    assert_eq!(version(&gone), version(&now_blue), "the version of the change");
    assert_eq!(
        gone["metadata"]["labels"]["color"], "red",
        "the last matching state"
    );
    named.expect("MODIFIED", "b").await;

    client
        .patch("merge", &one("a"), &json!({"data": {"z": "eg=="}}))
        .await
        .expect(200);
    red.expect("MODIFIED", "a").await;
    client.delete(&one("b")).await.expect(200);
    named.expect("DELETED", "b").await;
    client.delete(&one("a")).await.expect(200);
    red.expect("DELETED", "a").await;

    let mut check = Check::new(client.clone());
    let reply = client.get(&format!("{SECRETS}?watch=1&labelSelector=-")).await;
    check.that(reply.status == 400, || reply.text());
    let reply = client
        .get(&format!("{SECRETS}?watch=1&fieldSelector=x%3D1"))
        .await;
    check.rejects(&reply, 400, "BadRequest", "field label not supported: x");
    check.finish();
}

#[tokio::test]
async fn streaming_lists() {
    let server = Server::start();
    let client = server.client();
    for name in ["a", "b"] {
        client.post(SECRETS, &secret(name, "red")).await.expect(201);
    }
    let stream =
        "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    for query in [
        stream.to_owned(),
        format!("{stream}&resourceVersion=0"),
        format!("{stream}&resourceVersion={}", list_version(&client).await),
    ] {
        let mut watch = server.client().watch(&format!("{SECRETS}?{query}")).await;
        watch.expect("ADDED", "a").await;
        let last = watch.expect("ADDED", "b").await;
        let (kind, bookmark) = watch.event().await;
        assert_eq!(kind, "BOOKMARK");
        assert_eq!(
            (&bookmark["kind"], &bookmark["apiVersion"]),
            (&json!("Secret"), &json!("v1"))
        );
        assert_eq!(
            bookmark["metadata"]["annotations"],
            json!({"k8s.io/initial-events-end": "true"})
        );
        assert!(version(&bookmark) >= version(&last));
        assert!(
            bookmark["metadata"]["name"].is_null() && bookmark["data"].is_null(),
            "{bookmark}"
        );
        let created = client.post(SECRETS, &secret("c", "red")).await.expect(201);
        assert_eq!(version(&watch.expect("ADDED", "c").await), version(&created));
        client.delete(&one("c")).await.expect(200);
        watch.expect("DELETED", "c").await;
    }
    let mut silent = server
        .client()
        .watch(&format!(
            "{SECRETS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        ))
        .await;
    silent.expect("ADDED", "a").await;
    silent.expect("ADDED", "b").await;
    assert!(
        silent.next_within(Duration::from_millis(300)).await.is_none(),
        "no bookmark unasked"
    );

    // The client-go reflector: protobuf preferred, a field selector, the end marked.
    let mut named = server
        .client()
        .watch(&format!("{SECRETS}?{stream}&fieldSelector=metadata.name%3Dnone"))
        .await;
    let (kind, bookmark) = named.event().await;
    assert_eq!(kind, "BOOKMARK", "an empty list ends at once");
    assert_eq!(
        bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );

    let mut check = Check::new(client.clone());
    let wrong = |error: &str| format!("ListOptions.meta.k8s.io \"\" is invalid: {error}");
    let reply = client
        .get(&format!("{SECRETS}?watch=true&sendInitialEvents=true"))
        .await;
    check.rejects(&reply, 422, "Invalid", &wrong("resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    let reply = client
        .get(&format!("{SECRETS}?watch=true&resourceVersionMatch=NotOlderThan"))
        .await;
    check.rejects(&reply, 422, "Invalid", &wrong("resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
    let reply = client
        .get(&format!(
            "{SECRETS}?watch=true&sendInitialEvents=true&resourceVersion=1&resourceVersionMatch=Exact"
        ))
        .await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &[
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            "resourceVersionMatch: Unsupported value: \"Exact\": supported values: \"NotOlderThan\"",
        ],
    );
    check.finish();
}

#[tokio::test]
async fn bookmarks_and_deadlines() {
    let server = Server::start();
    let client = server.client();
    client.post(SECRETS, &secret("a", "red")).await.expect(201);
    let start = Instant::now();
    let mut watch = server
        .client()
        .watch(&format!(
            "{SECRETS}?watch=true&timeoutSeconds=4&allowWatchBookmarks=true"
        ))
        .await;
    let added = watch.expect("ADDED", "a").await;
    client
        .post(
            "/api/v1/namespaces/default/configmaps",
            &json!({"metadata": {"name": "elsewhere"}}),
        )
        .await
        .expect(201);
    let mut bookmarks = Vec::new();
    while let Some(event) = watch.next_within(Duration::from_secs(10)).await {
        assert_eq!(event["type"], "BOOKMARK", "{event}");
        bookmarks.push(version(&event["object"]));
        assert_eq!(event["object"]["kind"], "Secret");
        assert!(event["object"]["data"].is_null());
    }
    assert!(!bookmarks.is_empty(), "a bookmark comes before the deadline");
    assert!(
        bookmarks.windows(2).all(|pair| pair[0] <= pair[1]) && bookmarks[0] >= version(&added),
        "{bookmarks:?}"
    );
    let took = start.elapsed();
    assert!(
        took >= Duration::from_secs(3) && took < Duration::from_secs(9),
        "{took:?}"
    );

    let mut watch = server
        .client()
        .watch(&format!(
            "{SECRETS}?watch=true&timeoutSeconds=1&resourceVersion={}",
            version(&added)
        ))
        .await;
    assert!(
        watch.ends_within(Duration::from_secs(5)).await,
        "the server closes cleanly, without bookmarks unasked"
    );
}

#[tokio::test]
async fn tables() {
    let server = Server::start();
    let client = server.client();
    client.post(SECRETS, &secret("a", "red")).await.expect(201);
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let mut watch = server.client()
        .request("GET", &format!("{SECRETS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"))
        .header("accept", table).watch().await;
    let (kind, first) = watch.event().await;
    assert_eq!((kind.as_str(), &first["kind"]), ("ADDED", &json!("Table")));
    assert_eq!(first["columnDefinitions"].as_array().map(Vec::len), Some(4));
    assert_eq!(first["rows"].as_array().map(Vec::len), Some(1));
    assert_eq!(first["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(first["rows"][0]["cells"][0], "a");
    let (kind, bookmark) = watch.event().await;
    assert_eq!((kind.as_str(), &bookmark["kind"]), ("BOOKMARK", &json!("Table")));
    assert_eq!(bookmark["rows"].as_array().map(Vec::len), Some(1), "{bookmark}");
    assert_eq!(bookmark["rows"][0]["cells"], json!(["", "", 0, "<unknown>"]));
    let metadata = &bookmark["rows"][0]["object"]["metadata"];
    assert_eq!(metadata["annotations"]["k8s.io/initial-events-end"], "true");
    assert!(metadata["resourceVersion"].is_string());
    client.post(SECRETS, &secret("b", "red")).await.expect(201);
    let (kind, next) = watch.event().await;
    assert_eq!(kind, "ADDED");
    assert!(next["columnDefinitions"].is_null(), "columns only once: {next}");
    assert!(
        next.as_object()
            .is_some_and(|table| table.contains_key("columnDefinitions")),
        "null, not absent: {next}"
    );

    let partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let mut watch = server
        .client()
        .request("GET", &format!("{SECRETS}?watch=true"))
        .header("accept", partial)
        .watch()
        .await;
    let object = watch.expect("ADDED", "a").await;
    assert_eq!(
        (&object["kind"], &object["data"]),
        (&json!("PartialObjectMetadata"), &Value::Null)
    );
}

#[tokio::test]
async fn deprecated_paths() {
    let server = Server::start();
    let client = server.client();
    client.post(SECRETS, &secret("a", "red")).await.expect(201);
    client.post(SECRETS, &secret("b", "red")).await.expect(201);
    for path in [
        "/api/v1/watch/namespaces/default/secrets",
        "/api/v1/watch/secrets",
    ] {
        let mut watch = server.client().watch(path).await;
        watch.expect("ADDED", "a").await;
        watch.expect("ADDED", "b").await;
    }
    let mut watch = server
        .client()
        .watch("/api/v1/watch/namespaces/default/secrets/b")
        .await;
    watch.expect("ADDED", "b").await;
    client.delete(&one("a")).await.expect(200);
    client.delete(&one("b")).await.expect(200);
    watch.expect("DELETED", "b").await;
    let mut watch = server.client().watch("/api/v1/watch/namespaces/default").await;
    let object = watch.expect("ADDED", "default").await;
    assert_eq!(object["kind"], "Namespace");
}

/// Either form of telling a client that its version is too old (§11).
async fn assert_expired(mut watch: Watch) {
    let event = watch.next().await;
    let status = if watch.status == 410 {
        event
    } else {
        event["object"].clone()
    };
    assert_eq!(
        (&status["reason"], &status["code"]),
        (&json!("Expired"), &json!(410)),
        "{status}"
    );
    assert!(
        status["message"]
            .as_str()
            .is_some_and(|message| message.starts_with("too old resource version: 1 (")),
        "{status}"
    );
    assert!(watch.ends_within(Duration::from_secs(5)).await, "and closes");
}

#[tokio::test]
async fn old_versions_work_or_are_expired() {
    let server = Server::start();
    let client = server.client();
    client.post(SECRETS, &secret("a", "red")).await.expect(201);
    let from = list_version(&client).await;
    for number in 0..200 {
        client
            .patch(
                "merge",
                &one("a"),
                &json!({"data": {"a": format!("{:08}", number)}}),
            )
            .await
            .expect(200);
    }
    // A version of seconds ago still works, and every change in between comes in order, once.
    let mut watch = server
        .client()
        .watch(&format!("{SECRETS}?watch=true&resourceVersion={from}"))
        .await;
    let mut last = from;
    for _ in 0..200 {
        let object = watch.expect("MODIFIED", "a").await;
        assert!(version(&object) > last);
        last = version(&object);
    }
    // Version 1 is before anything that a started server still knows, or it works from there.
    let mut ancient = server
        .client()
        .watch("/api/v1/secrets?watch=true&resourceVersion=1&timeoutSeconds=3")
        .await;
    let event = ancient.next().await;
    if event["type"] == "ERROR" || ancient.status == 410 {
        assert_expired(
            server
                .client()
                .watch("/api/v1/secrets?watch=true&resourceVersion=1&timeoutSeconds=3")
                .await,
        )
        .await;
    } else {
        assert_eq!(event["type"], "ADDED", "{event}");
    }
}

#[tokio::test]
async fn http2_and_many_streams() {
    let server = Server::start();
    let client = server.client_http2();
    let mut watches = Vec::new();
    for _ in 0..50 {
        watches.push(client.watch(&format!("{SECRETS}?watch=true")).await);
    }
    client.post(SECRETS, &secret("a", "red")).await.expect(201);
    for watch in &mut watches {
        watch.expect("ADDED", "a").await;
    }
    drop(watches.split_off(10));
    client.delete(&one("a")).await.expect(200);
    for watch in &mut watches {
        watch.expect("DELETED", "a").await;
    }
}

#[tokio::test]
async fn the_order_of_events_under_parallel_writers() {
    let server = Server::start();
    let client = server.client();
    let watching = server.client();
    let mut watch = watching
        .watch(&format!(
            "{SECRETS}?watch=true&resourceVersion={}",
            list_version(&client).await
        ))
        .await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let client = server.client();
            tokio::spawn(async move {
                for number in 0..15 {
                    let name = format!("w{writer}-{number}");
                    client.post(SECRETS, &secret(&name, "red")).await.expect(201);
                    client.put(&one(&name), &secret(&name, "blue")).await.expect(200);
                    client.delete(&one(&name)).await.expect(200);
                }
            })
        })
        .collect();
    let mut seen: std::collections::BTreeMap<String, Vec<String>> = std::collections::BTreeMap::new();
    let mut last = 0;
    for _ in 0..8 * 15 * 3 {
        let (kind, object) = watch.event().await;
        assert!(version(&object) > last, "ordered and once");
        last = version(&object);
        seen.entry(object["metadata"]["name"].as_str().unwrap_or_default().to_owned())
            .or_default()
            .push(kind);
    }
    for writer in writers {
        writer.await.expect("a writer succeeds");
    }
    assert_eq!(seen.len(), 8 * 15);
    assert!(
        seen.values()
            .all(|kinds| kinds == &["ADDED", "MODIFIED", "DELETED"]),
        "{seen:?}"
    );
}

#[tokio::test]
async fn websockets() {
    let server = Server::start();
    let client = server.client();
    client.post(SECRETS, &secret("a", "red")).await.expect(201);
    let handshake = |origin: &str| {
        format!(
            "GET {SECRETS}?watch=true HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{origin}\r\n",
            server.port()
        )
    };
    let mut stream = client.tls_stream().await.expect("TLS");
    stream
        .write_all(handshake("Origin: https://127.0.0.1\r\n").as_bytes())
        .await
        .expect("writable");
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(
        head.to_ascii_lowercase()
            .contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{head}"
    );
    let (opcode, payload) = read_frame(&mut stream).await;
    assert_eq!(opcode, 1, "a text frame for each event");
    let event: Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(
        (&event["type"], &event["object"]["metadata"]["name"]),
        (&json!("ADDED"), &json!("a"))
    );
    client.delete(&one("a")).await.expect(200);
    let (_, payload) = read_frame(&mut stream).await;
    let event: Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(event["type"], "DELETED");
    // A ping is answered, a close is answered.
    stream
        .write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i'])
        .await
        .expect("writable");
    let (opcode, payload) = read_frame(&mut stream).await;
    assert_eq!((opcode, payload.as_slice()), (10, b"hi".as_slice()));
    stream
        .write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])
        .await
        .expect("writable");
    let (opcode, _) = read_frame(&mut stream).await;
    assert_eq!(opcode, 8);

    let mut stream = client.tls_stream().await.expect("TLS");
    stream
        .write_all(handshake("").as_bytes())
        .await
        .expect("writable");
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 403 "), "without an Origin: {head}");
}

type Stream = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

async fn read_head(stream: &mut Stream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut byte))
            .await
            .expect("in time")
            .expect("readable");
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

async fn read_frame(stream: &mut Stream) -> (u8, Vec<u8>) {
    let read = async {
        let mut head = [0; 2];
        stream.read_exact(&mut head).await?;
        let mut length = u64::from(head[1] & 0x7f);
        if length == 126 {
            length = u64::from(stream.read_u16().await?);
        } else if length == 127 {
            length = stream.read_u64().await?;
        }
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await?;
        Ok::<_, std::io::Error>((head[0] & 0x0f, payload))
    };
    tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .expect("in time")
        .expect("readable")
}
