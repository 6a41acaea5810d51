//! Bad input: the right Status, bounded memory, nobody else disturbed (S2, S11, S12, S13).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_e2e::{Check, Client, Random, Server, resident_bytes, setting};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const MEBIBYTE: u64 = 1 << 20;

/// Somebody else, who must notice nothing: asks all the time until dropped.
struct Bystander {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<(u64, Duration)>,
}

impl Bystander {
    fn new(server: &Server) -> Bystander {
        let stop = Arc::new(AtomicBool::new(false));
        let (client, flag) = (server.client(), stop.clone());
        let task = tokio::spawn(async move {
            let (mut answered, mut slowest) = (0, Duration::ZERO);
            while !flag.load(Ordering::SeqCst) {
                let start = Instant::now();
                client.get("/api/v1/namespaces/default").await.expect(200);
                slowest = slowest.max(start.elapsed());
                answered += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            (answered, slowest)
        });
        Bystander { stop, task }
    }

    async fn finish(self) {
        self.stop.store(true, Ordering::SeqCst);
        let (answered, slowest) = self.task.await.expect("another client is undisturbed");
        println!("another client: {answered} answers, the slowest after {slowest:?}");
        assert!(
            answered > 0 && slowest < Duration::from_secs(10),
            "another client waited {slowest:?}"
        );
    }
}

/// Sends raw bytes over a connection of its own; what comes back until it is closed or quiet.
async fn raw(client: &Client, bytes: &[u8], patience: Duration) -> String {
    let Ok(mut stream) = client.tls_stream().await else {
        return "no TLS".to_owned();
    };
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(patience, async {
        let mut buffer = [0; 16_384];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..count]);
        }
    })
    .await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies() {
    let mut server = Server::start();
    let bystander = Bystander::new(&server);
    let client = server.client();
    let mut check = Check::new(client.clone());
    client
        .post(
            SECRETS,
            &json!({"metadata": {"name": "s"}, "data": {"a": "eA=="}}),
        )
        .await
        .expect(201);
    let before = resident_bytes(server.pid());
    let send = |method: &str, path: &str, media: &str, body: Vec<u8>| {
        client
            .request(method, path)
            .header("content-type", media)
            .body(body)
    };
    let limit = 3 << 20;

    for (media, method, path) in [
        ("application/json", "POST", SECRETS.to_owned()),
        ("application/yaml", "POST", SECRETS.to_owned()),
        ("application/vnd.kubernetes.protobuf", "POST", SECRETS.to_owned()),
        ("application/json", "PUT", format!("{SECRETS}/s")),
        ("application/merge-patch+json", "PATCH", format!("{SECRETS}/s")),
        ("application/json-patch+json", "PATCH", format!("{SECRETS}/s")),
        (
            "application/apply-patch+yaml",
            "PATCH",
            format!("{SECRETS}/s?fieldManager=m"),
        ),
        ("application/json", "DELETE", format!("{SECRETS}/s")),
    ] {
        let reply = send(method, &path, media, vec![b' '; limit + 1]).try_send().await;
        check.rejects_large(reply);
        let reply = server
            .client_http2()
            .request(method, &path)
            .header("content-type", media);
        check.rejects_large(reply.body(vec![b' '; limit + 1]).try_send().await);
    }
    // An endless chunked body is cut off.
    let head = format!(
        "POST {SECRETS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let mut endless = head.clone().into_bytes();
    for _ in 0..5 {
        endless.extend_from_slice(b"100000\r\n");
        endless.extend(vec![b' '; 1 << 20]);
        endless.extend_from_slice(b"\r\n");
    }
    let answer = raw(&client, &endless, Duration::from_secs(10)).await;
    check.that(answer.is_empty() || answer.starts_with("HTTP/1.1 413 "), || {
        format!("endless: {answer}")
    });
    check.that(!answer.is_empty(), || {
        "endless: the connection is closed without an answer".to_owned()
    });

    // Deep, repeated, broken.
    for depth in [65, 1_000, 100_000, 400_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let body = format!(
                "{{\"metadata\":{{\"name\":\"deep\"}},\"x\":{}1{}}}",
                open.repeat(depth),
                close.repeat(depth)
            );
            let reply = send("POST", SECRETS, "application/json", body.clone().into_bytes())
                .send()
                .await;
            check.that(matches!(reply.status, 400 | 413), || {
                format!(
                    "depth {depth} of {open}: {} {}",
                    reply.status,
                    &reply.text()[..reply.text().len().min(300)]
                )
            });
            if depth == 1_000 {
                let reply = send("POST", SECRETS, "application/yaml", body.into_bytes())
                    .send()
                    .await;
                check.that(matches!(reply.status, 400 | 413), || {
                    format!("YAML depth {depth}: {}", reply.status)
                });
            }
        }
    }
    let many_keys: String = (0..200_000)
        .map(|number| format!("\"k{number}\":\"\","))
        .collect();
    let reply = send(
        "POST",
        SECRETS,
        "application/json",
        format!("{{\"metadata\":{{\"name\":\"many\"}},\"nothing\":{{{many_keys}\"z\":1}}}}").into_bytes(),
    )
    .send()
    .await;
    check.that(reply.status < 500, || format!("many keys: {}", reply.status));
    let duplicates: String = (0..150_000).map(|_| "\"dup\":\"eA==\",").collect();
    let reply = send(
        "POST",
        &format!("{SECRETS}?fieldValidation=Strict"),
        "application/json",
        format!("{{\"metadata\":{{\"name\":\"dup\"}},\"data\":{{{duplicates}\"z\":\"\"}}}}").into_bytes(),
    )
    .send()
    .await;
    check.that(reply.status == 400 && reply.body.len() < 100_000, || {
        format!("duplicates: {} {} bytes", reply.status, reply.body.len())
    });
    let reply = send(
        "POST",
        SECRETS,
        "application/json",
        format!("{{\"metadata\":{{\"name\":\"dup2\"}},\"data\":{{{duplicates}\"z\":\"\"}}}}").into_bytes(),
    )
    .send()
    .await;
    check.that(
        reply.status == 201
            && reply
                .headers
                .get_all("warning")
                .iter()
                .map(|value| value.len())
                .sum::<usize>()
                < 32_000,
        || format!("warnings: {}", reply.status),
    );
    let empty_arrays = format!(
        "{{\"metadata\":{{\"name\":\"arrays\"}},\"x\":[{}[]]}}",
        "[],".repeat(1_000_000)
    );
    let reply = send("POST", SECRETS, "application/json", empty_arrays.into_bytes())
        .send()
        .await;
    check.that(reply.status < 500, || {
        format!("a million arrays: {}", reply.status)
    });
    for bad in [
        &b"\xff\xfe"[..],
        b"{\"metadata\":{\"name\":\"\xc3\x28\"}}",
        b"{\"a\":\"\\ud800\"}",
        b"\0",
        b"{\"metadata\":{\"name\":\"n\\u0000\"}}",
        b"{\"metadata\":{\"name\":\"a\"}}}}",
        b"nul",
        b"{\"a\":1e999999}",
        b"{\"a\":-}",
        b"[1,]",
    ] {
        let reply = send("POST", SECRETS, "application/json", bad.to_vec())
            .send()
            .await;
        check.that(matches!(reply.status, 400 | 422), || {
            format!(
                "{}: {} {}",
                String::from_utf8_lossy(bad),
                reply.status,
                reply.text()
            )
        });
    }
    let numbers = format!(
        "{{\"metadata\":{{\"name\":\"n\"}},\"data\":{{\"a\":{}}}}}",
        "9".repeat(1_000_000)
    );
    let reply = send("POST", SECRETS, "application/json", numbers.into_bytes())
        .send()
        .await;
    check.that(reply.status == 400 && reply.body.len() < 10_000, || {
        format!("a long number: {} {} bytes", reply.status, reply.body.len())
    });

    // YAML bombs.
    let laughs = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\ni: &i [*h,*h,*h,*h,*h,*h,*h,*h,*h]\n";
    for (method, path, media) in [
        ("POST", SECRETS.to_owned(), "application/yaml"),
        (
            "PATCH",
            format!("{SECRETS}/laugh?fieldManager=m"),
            "application/apply-patch+yaml",
        ),
    ] {
        let start = Instant::now();
        let reply = send(method, &path, media, laughs.as_bytes().to_vec())
            .send()
            .await;
        check.that(
            reply.status == 400 && start.elapsed() < Duration::from_secs(2),
            || format!("laughs: {} after {:?}", reply.status, start.elapsed()),
        );
    }
    let after = resident_bytes(server.pid());
    check.that(after < before + 96 * MEBIBYTE, || {
        format!(
            "memory grew from {} to {} MiB",
            before / MEBIBYTE,
            after / MEBIBYTE
        )
    });
    bystander.finish().await;
    server.assert_healthy();
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches() {
    let mut server = Server::start();
    let bystander = Bystander::new(&server);
    let client = server.client();
    let mut check = Check::new(client.clone());
    let value = "x".repeat(500_000);
    client
        .post(
            SECRETS,
            &json!({"metadata": {"name": "s"}, "stringData": {"a": value}}),
        )
        .await
        .expect(201);
    let path = format!("{SECRETS}/s");
    let before = resident_bytes(server.pid());

    let copies: Vec<Value> = (0..10_000)
        .map(|number| json!({"op": "copy", "from": "/data/a", "path": format!("/data/k{number}")}))
        .collect();
    let reply = client.patch("json", &path, &json!(copies)).await;
    check.that(matches!(reply.status, 413 | 422), || {
        format!(
            "copies: {} {}",
            reply.status,
            &reply.text()[..reply.text().len().min(300)]
        )
    });
    // Each copy doubles what is there.
    let doubling: Vec<Value> = (0..64)
        .map(|_| json!({"op": "copy", "from": "/data", "path": "/data/again"}))
        .collect();
    let reply = client.patch("json", &path, &json!(doubling)).await;
    check.that(matches!(reply.status, 400 | 413 | 422), || {
        format!("doubling: {}", reply.status)
    });
    let arrays: Vec<Value> =
        std::iter::once(json!({"op": "add", "path": "/x", "value": [1, 1, 1, 1, 1, 1, 1, 1]}))
            .chain((0..40).map(|_| json!({"op": "copy", "from": "/x", "path": "/x/-"})))
            .collect();
    let reply = client.patch("json", &path, &json!(arrays)).await;
    check.that(matches!(reply.status, 200 | 400 | 413 | 422), || {
        format!("arrays: {}", reply.status)
    });
    let many: Vec<Value> = (0..10_001)
        .map(|_| json!({"op": "test", "path": "/kind", "value": "Secret"}))
        .collect();
    let reply = client.patch("json", &path, &json!(many)).await;
    check.rejects(
        &reply,
        413,
        "RequestEntityTooLarge",
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001",
    );
    let inserts: Vec<Value> = std::iter::once(
        json!({"op": "add", "path": "/metadata/finalizers", "value": []}),
    )
    .chain((0..9_999).map(
        |number| json!({"op": "add", "path": "/metadata/finalizers/0", "value": format!("a.b/{number}")}),
    ))
    .collect();
    let start = Instant::now();
    let reply = client
        .patch("json", &format!("{path}?dryRun=All"), &json!(inserts))
        .await;
    check.that(
        reply.status < 500 && start.elapsed() < Duration::from_secs(15),
        || format!("inserts: {} after {:?}", reply.status, start.elapsed()),
    );
    let deep_path = "/a".repeat(100_000);
    let reply = client
        .patch(
            "json",
            &path,
            &json!([{"op": "add", "path": deep_path, "value": 1}]),
        )
        .await;
    check.that(matches!(reply.status, 400 | 422), || {
        format!("a deep path: {}", reply.status)
    });
    let nested = format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000));
    for (media, query) in [
        ("application/merge-patch+json", ""),
        ("application/strategic-merge-patch+json", ""),
        ("application/apply-patch+yaml", "?fieldManager=m"),
    ] {
        let request = client
            .request("PATCH", &format!("{path}{query}"))
            .header("content-type", media);
        let reply = request.body(nested.clone()).send().await;
        check.that(matches!(reply.status, 400 | 413 | 422 | 500), || {
            format!("{media} nested: {}", reply.status)
        });
    }
    let labels: serde_json::Map<String, Value> = (0..60_000)
        .map(|number| (format!("l{number}"), json!("v")))
        .collect();
    let start = Instant::now();
    let reply = client
        .patch(
            "apply",
            &format!("{path}?fieldManager=m&force=true"),
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "labels": labels}}),
        )
        .await;
    check.that(start.elapsed() < Duration::from_secs(20), || {
        format!("60,000 labels: {} after {:?}", reply.status, start.elapsed())
    });
    let stored = client.get(&path).await.expect(200);
    check.that(
        stored["data"].as_object().map(serde_json::Map::len) == Some(1),
        || "a refused patch left something".to_owned(),
    );
    let after = resident_bytes(server.pid());
    check.that(after < before + 128 * MEBIBYTE, || {
        format!(
            "memory grew from {} to {} MiB",
            before / MEBIBYTE,
            after / MEBIBYTE
        )
    });
    bystander.finish().await;
    server.assert_healthy();
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_half_requests() {
    let mut server = Server::start();
    let bystander = Bystander::new(&server);
    let client = server.client();
    // Headers that never end, bodies that never come, connections that say nothing.
    let mut open = Vec::new();
    for number in 0..300 {
        let Ok(mut stream) = client.tls_stream().await else {
            continue;
        };
        let start: String = match number % 4 {
            0 => "GET /livez HTTP/1.1\r\nHost: x\r\nX-A: ".to_owned(),
            1 => format!(
                "POST {SECRETS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
            ),
            2 => format!(
                "POST {SECRETS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{{\"me"
            ),
            _ => String::new(),
        };
        let _ = stream.write_all(start.as_bytes()).await;
        open.push(stream);
    }
    for _ in 0..50 {
        // TCP without TLS, and half a TLS hello.
        if let Ok(mut socket) = tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await {
            let _ = socket.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await;
            std::mem::forget(socket);
        }
    }
    let fresh = server.client();
    fresh.get(SECRETS).await.expect(200);
    tokio::time::sleep(Duration::from_secs(2)).await;
    for stream in open.iter_mut().take(100) {
        let _ = stream.write_all(b"a").await;
    }
    fresh
        .post(SECRETS, &json!({"metadata": {"name": "still"}}))
        .await
        .expect(201);
    drop(open);
    bystander.finish().await;
    server.assert_healthy();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_headers_are_given_up() {
    let server = Server::start();
    let client = server.client();
    let mut stream = client.tls_stream().await.expect("TLS");
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        .await
        .expect("writable");
    let start = Instant::now();
    let mut buffer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(45), async {
        let _ = stream.read_to_end(&mut buffer).await;
    });
    assert!(
        ended.await.is_ok(),
        "a request whose headers do not end within 45 s keeps its connection"
    );
    println!(
        "given up after {:?}: {}",
        start.elapsed(),
        String::from_utf8_lossy(&buffer)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shapes_of_requests() {
    let mut server = Server::start();
    let client = server.client();
    client
        .post(
            SECRETS,
            &json!({"metadata": {"name": "s"}, "data": {"a": "c2VjcmV0"}}),
        )
        .await
        .expect(201);
    let anonymous = server.anonymous();
    let get = format!("GET {SECRETS}/s HTTP/1.1\r\nHost: x\r\n");
    let smuggled = format!("GET {SECRETS}/s HTTP/1.1\r\nHost: x\r\n\r\n");
    let body = r#"{"metadata":{"name":"smuggled"}}"#;
    // (what, bytes, the statuses allowed for the first answer; 0 = closed without one)
    let post = |headers: &str, body: &str| {
        format!("POST {SECRETS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n{body}")
    };
    let cases: Vec<(&str, String, Vec<u16>)> = vec![
        (
            "both lengths",
            post(
                &format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", body.len()),
                &format!("0\r\n\r\n{smuggled}"),
            ),
            vec![0, 400],
        ),
        (
            "two lengths",
            post("Content-Length: 5\r\nContent-Length: 50\r\n", body),
            vec![0, 400],
        ),
        (
            "a negative length",
            post("Content-Length: -1\r\n", body),
            vec![0, 400],
        ),
        (
            "a length with a sign",
            post(&format!("Content-Length: +{}\r\n", body.len()), body),
            vec![0, 400],
        ),
        (
            "a length in hex",
            post("Content-Length: 0x10\r\n", body),
            vec![0, 400],
        ),
        (
            "an unknown coding",
            post("Transfer-Encoding: cow\r\n", body),
            vec![0, 400, 501],
        ),
        (
            "chunked not last",
            post("Transfer-Encoding: chunked, identity\r\n", body),
            vec![0, 400, 501],
        ),
        (
            "a bad chunk",
            post("Transfer-Encoding: chunked\r\n", "zz\r\nabc\r\n0\r\n\r\n"),
            vec![0, 400],
        ),
        (
            "a huge chunk",
            post("Transfer-Encoding: chunked\r\n", "ffffffffffffffff1\r\nabc\r\n"),
            vec![0, 400, 413],
        ),
        (
            "a folded header",
            format!("{get}X-A: b\r\n c\r\n\r\n"),
            vec![0, 400, 200],
        ),
        (
            "a blank before the colon",
            format!("{get}Content-Length : 5\r\n\r\n"),
            vec![0, 400],
        ),
        ("a NUL in a header", format!("{get}X-A: \0\r\n\r\n"), vec![0, 400]),
        (
            "no host",
            format!("GET {SECRETS}/s HTTP/1.1\r\n\r\n"),
            vec![0, 200, 400],
        ),
        (
            "an old version",
            format!("GET {SECRETS}/s HTTP/0.9\r\n\r\n"),
            vec![0, 400, 505],
        ),
        (
            "a blank in the path",
            format!("GET {SECRETS}/s s HTTP/1.1\r\nHost: x\r\n\r\n"),
            vec![0, 400],
        ),
        ("no request", "nonsense\r\n\r\n".to_owned(), vec![0, 400]),
        (
            "many headers",
            format!(
                "{get}{}\r\n",
                (0..5_000)
                    .map(|number| format!("X-{number}: a\r\n"))
                    .collect::<String>()
            ),
            vec![0, 400, 431],
        ),
        (
            "a long header",
            format!("{get}X-Long: {}\r\n\r\n", "a".repeat(3 << 20)),
            vec![0, 400, 431],
        ),
        (
            "a long path",
            format!("GET /api/v1/{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1 << 20)),
            vec![0, 400, 404, 414, 431],
        ),
        (
            "CONNECT",
            "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n".to_owned(),
            vec![0, 400, 404, 405],
        ),
        (
            "TRACE",
            "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            vec![0, 400, 404, 405],
        ),
        (
            "h2c",
            format!(
                "{get}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
            ),
            vec![0, 200, 400],
        ),
    ];
    for (what, bytes, allowed) in cases {
        let answer = raw(&client, bytes.as_bytes(), Duration::from_millis(1500)).await;
        let status: u16 = answer
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        assert!(
            allowed.contains(&status),
            "{what}: {}",
            &answer[..answer.len().min(600)]
        );
        if !allowed.contains(&200) {
            assert!(
                !answer.contains("c2VjcmV0"),
                "{what}: a second request was smuggled: {answer}"
            );
        }
    }
    assert_eq!(
        client.get(&format!("{SECRETS}/smuggled")).await.status,
        404,
        "a refused request was carried out"
    );

    // Paths are decoded once; authorization and routing see the same.
    for path in [
        "//api/v1/namespaces/default/secrets/s",
        "/api/v1/namespaces/default/secrets/%73",
        "/api/v1/namespaces/default%2Fsecrets/s",
        "/livez/../api/v1/namespaces/default/secrets/s",
        "/livez/%2e%2e/api/v1/namespaces/default/secrets/s",
        "/api/v1/namespaces/default/secrets/s%00",
        "/api/v1/namespaces/default/secrets/s;x",
        "/./api/v1/namespaces/default/secrets/s",
        "/healthz%2f..%2fapi/v1/secrets",
    ] {
        let reply = anonymous.get(path).await;
        assert!(
            matches!(reply.status, 400 | 401 | 403 | 404),
            "{path} without a certificate: {} {}",
            reply.status,
            reply.text()
        );
        assert!(!reply.text().contains("c2VjcmV0"), "{path}");
    }
    for (name, value) in [
        ("x-remote-user", "admin"),
        ("x-remote-group", "system:masters"),
        ("x-http-method-override", "DELETE"),
        ("x-forwarded-for", "127.0.0.1"),
        ("impersonate-user", "admin"),
        ("x-original-url", "/livez"),
    ] {
        let reply = anonymous.request("GET", SECRETS).header(name, value).send().await;
        assert!(matches!(reply.status, 401 | 403), "{name}: {}", reply.status);
    }
    let reply = client
        .request("GET", SECRETS)
        .header("x-http-method-override", "DELETE")
        .send()
        .await;
    assert_eq!(reply.status, 200);
    client.get(&format!("{SECRETS}/s")).await.expect(200);
    server.assert_healthy();
}

/// HTTP/2 frames by hand.
mod frames {
    pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        out.extend([kind, flags]);
        out.extend(stream.to_be_bytes());
        out.extend(payload);
        out
    }

    /// HEADERS of `GET path`, complete.
    pub fn get(stream: u32, path: &str) -> Vec<u8> {
        // :method GET and :scheme https are in the static table, the others literal without an index.
        let mut block = vec![0x82, 0x87, 0x04, path.len() as u8];
        block.extend(path.as_bytes());
        block.extend([0x01, 1, b'x']);
        frame(1, 0x05, stream, &block)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_abuse() {
    let mut server = Server::start();
    let bystander = Bystander::new(&server);
    let client = server.client_http2();
    let before = resident_bytes(server.pid());
    let open = async || {
        let mut stream = client.tls_stream().await.expect("TLS");
        let start = [frames::PREFACE.to_vec(), frames::frame(4, 0, 0, &[])].concat();
        let _ = stream.write_all(&start).await;
        stream
    };
    // Rapid resets.
    let mut stream = open().await;
    let mut closed = false;
    for batch in 0..200_u32 {
        let bytes: Vec<u8> = (0..250_u32)
            .flat_map(|number| {
                let id = (batch * 250 + number) * 2 + 1;
                [
                    frames::get(id, "/api/v1/secrets"),
                    frames::frame(3, 0, id, &8_u32.to_be_bytes()),
                ]
                .concat()
            })
            .collect();
        if stream.write_all(&bytes).await.is_err() {
            closed = true;
            break;
        }
    }
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer))
        .await
        .is_ok();
    println!("50,000 resets: closed while writing {closed}, closed afterwards {ended}");
    assert!(closed || ended, "a connection with 50,000 resets must be closed");

    // More streams than allowed, headers without end, pings and settings without end.
    let mut stream = open().await;
    let many: Vec<u8> = (0..5_000_u32)
        .flat_map(|number| frames::get(number * 2 + 1, "/api/v1/secrets?watch=true"))
        .collect();
    let _ = stream.write_all(&many).await;
    let mut floods = vec![stream];
    let mut stream = open().await;
    let _ = stream.write_all(&frames::frame(1, 0x01, 1, &[0x82, 0x87])).await;
    for _ in 0..2_000 {
        let header = [&[0x00, 0x05][..], b"x-abc", &[0x7f, 0x81, 0x06], &[b'a'; 1024]].concat();
        if stream.write_all(&frames::frame(9, 0, 1, &header)).await.is_err() {
            break;
        }
    }
    floods.push(stream);
    for (kind, payload) in [(6_u8, vec![0; 8]), (4, vec![0, 3, 0, 0, 0, 100])] {
        let mut stream = open().await;
        let flood: Vec<u8> = (0..20_000)
            .flat_map(|_| frames::frame(kind, 0, 0, &payload))
            .collect();
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.write_all(&flood)).await;
        floods.push(stream);
    }
    // A window of nothing: the answer is never taken.
    let mut stream = client.tls_stream().await.expect("TLS");
    let start = [
        frames::PREFACE.to_vec(),
        frames::frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]),
    ]
    .concat();
    let _ = stream.write_all(&start).await;
    let unread: Vec<u8> = (0..200_u32)
        .flat_map(|number| frames::get(number * 2 + 1, "/openapi/v2"))
        .collect();
    let _ = stream.write_all(&unread).await;
    floods.push(stream);
    tokio::time::sleep(Duration::from_secs(1)).await;

    server.client_http2().get(SECRETS).await.expect(200);
    bystander.finish().await;
    let after = resident_bytes(server.pid());
    assert!(
        after < before + 200 * MEBIBYTE,
        "memory grew from {} to {} MiB",
        before / MEBIBYTE,
        after / MEBIBYTE
    );
    drop(floods);
    server.assert_healthy();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_tell_where_and_never_what() {
    let mut server = Server::start();
    let client = server.client();
    let (mut random, seed) = Random::fresh();
    println!("seed {seed}");
    let canary = "Zm9yYmlkZGVuLWNhbmFyeS12YWx1ZQ";
    let original = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "m", "annotations": {"a": canary}}, "data": {"a": format!("{canary}=="), "b": canary},
        "stringData": {"c": canary}, "type": "Opaque"}).to_string().into_bytes();
    let mut refused = 0;
    for _ in 0..setting("STRONGROOM_MUTATIONS", 1500) {
        let mut body = original.clone();
        for _ in 0..=random.below(3) {
            if body.is_empty() {
                break;
            }
            let at = random.below(body.len() as u64) as usize;
            match random.below(4) {
                0 => body[at] = random.below(256) as u8,
                1 => {
                    body.remove(at);
                }
                2 => body.insert(at, b"{}[]\",:0tnf\\"[random.below(12) as usize]),
                _ => body.truncate(at.max(1)),
            }
        }
        let media = if random.below(4) == 0 {
            "application/yaml"
        } else {
            "application/json"
        };
        let reply = client
            .request("POST", &format!("{SECRETS}?dryRun=All"))
            .header("content-type", media)
            .body(body.clone())
            .send()
            .await;
        if reply.status < 300 {
            continue;
        }
        refused += 1;
        assert!(
            matches!(reply.status, 400 | 413 | 422),
            "seed {seed}: {} for {}",
            reply.status,
            String::from_utf8_lossy(&body)
        );
        let text = reply.text();
        let leak = (0..canary.len() - 8).find(|start| text.contains(&canary[*start..start + 8]));
        let in_name = String::from_utf8_lossy(&body).contains("\"name\":\"m\"");
        // In YAML a lost quote makes the value part of a key, and refusals name the keys they are about.
        let names_a_key = reply.status == 422 && text.contains("data[");
        assert!(
            leak.is_none() || !in_name || names_a_key,
            "seed {seed}: an answer shows what was sent: {text}\nfor {}",
            String::from_utf8_lossy(&body)
        );
    }
    assert!(refused > 300, "{refused}");
    server.assert_healthy();
}
