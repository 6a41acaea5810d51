//! Known values must not be found anywhere but in the answers they belong in (S1, S20).

use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_e2e::{Client, Options, Random, Reply, Scanner, Server, Sighting, memory};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";

/// Values that were sent, and the answers that had no business with them.
struct Canaries {
    random: Random,
    values: Vec<Vec<u8>>,
    answers: Vec<(String, Vec<u8>)>,
}

impl Canaries {
    fn new() -> Canaries {
        let (random, seed) = Random::fresh();
        println!("seed {seed}");
        Canaries {
            random,
            values: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// A new text to look for.
    fn text(&mut self) -> String {
        let text = self.random.word(32);
        self.values.push(text.clone().into_bytes());
        text
    }

    /// New bytes to look for, in base64.
    fn bytes(&mut self) -> String {
        let bytes = self.random.bytes(32);
        self.values.push(bytes.clone());
        STANDARD.encode(bytes)
    }

    /// An answer that must not show what was sent.
    fn answer(&mut self, reply: &Reply) {
        let headers: String = reply
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        self.answers.push((
            format!("{} {}", reply.request, reply.status),
            [headers.as_bytes(), &reply.body].concat(),
        ));
    }
}

/// Puts values through every path that takes them.
async fn put_everywhere(client: &Client, anonymous: &Client, canaries: &mut Canaries) {
    let one = |name: &str| format!("{SECRETS}/{name}");
    for number in 0..5 {
        let name = format!("s{number}");
        let body = json!({"metadata": {"name": name, "annotations": {"note": canaries.text()}}, "data": {"a": canaries.bytes()}, "stringData": {"b": canaries.text()}});
        client.post(SECRETS, &body).await.expect(201);
        client.put(&one(&name), &json!({"metadata": {"name": name}, "data": {"a": canaries.bytes()}, "stringData": {"b": canaries.text()}})).await.expect(200);
        client
            .patch(
                "merge",
                &one(&name),
                &json!({"stringData": {"c": canaries.text()}}),
            )
            .await
            .expect(200);
        client
            .patch(
                "strategic",
                &one(&name),
                &json!({"data": {"d": canaries.bytes()}}),
            )
            .await
            .expect(200);
        client
            .patch(
                "json",
                &one(&name),
                &json!([{"op": "add", "path": "/data/e", "value": canaries.bytes()}]),
            )
            .await
            .expect(200);
        let applied = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": canaries.text()}}, "data": {"f": canaries.bytes()}});
        client
            .patch("apply", &format!("{}?fieldManager=canary", one(&name)), &applied)
            .await
            .expect(200);
        client.get(&one(&name)).await.expect(200);
        client
            .request("GET", &one(&name))
            .header("accept", "application/yaml")
            .send()
            .await;
        client
            .request("GET", &one(&name))
            .header("accept", "application/vnd.kubernetes.protobuf")
            .send()
            .await;
    }
    let large = format!("{}{}", canaries.text(), "x".repeat(300_000));
    client
        .post(
            SECRETS,
            &json!({"metadata": {"name": "large"}, "stringData": {"a": large}}),
        )
        .await
        .expect(201);
    client
        .request("GET", &one("large"))
        .header("accept-encoding", "gzip")
        .send()
        .await;
    client.get(SECRETS).await.expect(200);
    client.get(&format!("{SECRETS}?limit=2")).await.expect(200);
    let mut watch = client.watch(&format!("{SECRETS}?watch=true")).await;
    for _ in 0..6 {
        watch.next().await;
    }
    drop(watch);
    client
        .post(
            "/api/v1/namespaces/default/configmaps",
            &json!({"metadata": {"name": "c"}, "data": {"a": canaries.text()}}),
        )
        .await
        .expect(201);
    client.delete(&one("s4")).await.expect(200);

    // Refused objects: the refusal names the place, not the value.
    let docker = json!({"metadata": {"name": "x"}, "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": canaries.text()}});
    let invalid: Vec<(&str, Value)> = vec![
        ("malformed docker config", docker),
        (
            "invalid base64",
            json!({"metadata": {"name": "x"}, "data": {"a": format!("!{}", canaries.text())}}),
        ),
        (
            "a value of the wrong type",
            json!({"metadata": {"name": "x"}, "data": {"a": {"b": canaries.text()}}}),
        ),
        (
            "a list of texts",
            json!({"metadata": {"name": "x"}, "data": [canaries.text()]}),
        ),
        (
            "an object for a text",
            json!({"metadata": {"name": "x"}, "type": {"a": canaries.text()}}),
        ),
        (
            "a bad name beside a value",
            json!({"metadata": {"name": "Not A Name"}, "stringData": {"a": canaries.text()}}),
        ),
        (
            "too long",
            json!({"metadata": {"name": "x"}, "stringData": {"a": format!("{}{}", canaries.text(), "x".repeat(1_100_000))}}),
        ),
        (
            "unknown strictly",
            json!({"metadata": {"name": "x"}, "dtaa": {"a": canaries.text()}}),
        ),
    ];
    for (what, body) in invalid {
        let reply = client
            .post(&format!("{SECRETS}?fieldValidation=Strict"), &body)
            .await;
        assert!(reply.status >= 400, "{what}: {}", reply.status);
        canaries.answer(&reply);
        let reply = client
            .put(&format!("{}?fieldValidation=Strict", one("s0")), &body)
            .await;
        assert!(reply.status >= 400, "{what}: {}", reply.status);
        canaries.answer(&reply);
        let reply = client
            .patch("merge", &format!("{}?fieldValidation=Strict", one("s0")), &body)
            .await;
        canaries.answer(&reply);
        let reply = client
            .patch("apply", &format!("{}?fieldManager=m", one("s0")), &body)
            .await;
        canaries.answer(&reply);
    }
    let value = canaries.text();
    for body in [
        format!("{{\"data\":{{\"a\":\"{value}"),
        format!("{value}{{"),
        format!("{{\"data\":{{\"a\":\"{value}\"}},}}"),
        format!("{{\"data\": {value}}}"),
        format!("\"{value}\""),
    ] {
        for media in [
            "application/json",
            "application/yaml",
            "application/vnd.kubernetes.protobuf",
        ] {
            let reply = client
                .request("POST", SECRETS)
                .header("content-type", media)
                .body(body.clone())
                .send()
                .await;
            canaries.answer(&reply);
        }
        for kind in [
            "application/merge-patch+json",
            "application/json-patch+json",
            "application/strategic-merge-patch+json",
            "application/apply-patch+yaml",
        ] {
            let reply = client
                .request("PATCH", &format!("{}?fieldManager=m", one("s0")))
                .header("content-type", kind)
                .body(body.clone())
                .send()
                .await;
            canaries.answer(&reply);
        }
    }
    let reply = client
        .patch(
            "json",
            &one("s0"),
            &json!([{"op": "test", "path": "/data/a", "value": canaries.text()}]),
        )
        .await;
    canaries.answer(&reply);
    // An immutable one that is changed, an update that comes too late.
    client
        .post(
            SECRETS,
            &json!({"metadata": {"name": "fixed"}, "stringData": {"a": canaries.text()}, "immutable": true}),
        )
        .await
        .expect(201);
    let reply = client
        .patch(
            "merge",
            &one("fixed"),
            &json!({"stringData": {"a": canaries.text()}}),
        )
        .await;
    canaries.answer(&reply);
    let reply = client.put(&one("s0"), &json!({"metadata": {"name": "s0", "resourceVersion": "1"}, "stringData": {"a": canaries.text()}})).await;
    canaries.answer(&reply);
    let reply = client.patch("apply", &format!("{}?fieldManager=rival", one("s0")), &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s0"}, "data": {"f": canaries.bytes()}})).await;
    assert_eq!(reply.status, 409);
    canaries.answer(&reply);

    // Credentials in headers and queries.
    for (name, value) in [
        ("authorization", format!("Bearer {}", canaries.text())),
        (
            "authorization",
            format!("Basic {}", STANDARD.encode(canaries.text())),
        ),
        ("cookie", format!("token={}", canaries.text())),
        ("x-auth-token", canaries.text()),
    ] {
        let reply = anonymous
            .request("GET", SECRETS)
            .header(name, &value)
            .send()
            .await;
        canaries.answer(&reply);
        client.request("GET", SECRETS).header(name, &value).send().await;
    }
    for path in ["access_token", "token", "password"] {
        let reply = anonymous
            .get(&format!("{SECRETS}?{path}={}", canaries.text()))
            .await;
        canaries.answer(&reply);
    }
}

fn report(sightings: &[Sighting], canaries: &Canaries) -> String {
    sightings
        .iter()
        .take(20)
        .map(|seen| {
            format!(
                "\n  {seen:?} ({})",
                String::from_utf8_lossy(&canaries.values[seen.canary])
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_stay_where_they_belong() {
    let mut server = Server::start_with(Options {
        log_level: "trace".to_owned(),
        ..Options::default()
    });
    let mut canaries = Canaries::new();
    let client = server.client();
    put_everywhere(&client, &server.anonymous(), &mut canaries).await;
    let metrics = client.get("/metrics").await;
    canaries.answer(&metrics);
    let scanner = Scanner::new(&canaries.values);

    let shown: Vec<Sighting> = canaries
        .answers
        .iter()
        .flat_map(|(place, bytes)| scanner.scan(place, bytes))
        .collect();
    assert!(shown.is_empty(), "in answers:{}", report(&shown, &canaries));
    let logs = server.logs();
    assert!(logs.len() > 500, "the most verbose level says something");
    let logged = scanner.scan("logs", logs.as_bytes());
    assert!(logged.is_empty(), "in the logs:{}", report(&logged, &canaries));
    let stored = scanner.scan_directory(&server.data());
    assert!(
        stored.is_empty(),
        "in the data directory:{}",
        report(&stored, &canaries)
    );
    // The scanner would have found them.
    let proof = client.get(&format!("{SECRETS}/s0")).await;
    assert!(!scanner.scan("an answer", &proof.body).is_empty());
    assert!(server.interrupt().success());
    let stored = scanner.scan_directory(&server.data());
    assert!(
        stored.is_empty(),
        "in the data directory after the end:{}",
        report(&stored, &canaries)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_server_remembers_nothing() {
    let server = Server::start();
    let mut canaries = Canaries::new();
    {
        let client = server.client();
        put_everywhere(&client, &server.anonymous(), &mut canaries).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let scanner = Scanner::new(&canaries.values);
    let regions = memory(server.pid()).expect("root may read it");
    let total: usize = regions.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(total > 1 << 20, "only {total} bytes could be read");
    let found: Vec<Sighting> = regions
        .iter()
        .flat_map(|(mapping, bytes)| scanner.scan(mapping, bytes))
        .collect();
    assert!(
        found.is_empty(),
        "{} sightings in {} MiB of memory:{}",
        found.len(),
        total >> 20,
        report(&found, &canaries)
    );

    let core = server.scratch().join("core");
    let made = Command::new("gcore")
        .arg("-o")
        .arg(&core)
        .arg(server.pid().to_string())
        .output()
        .expect("gdb");
    let file = server.scratch().join(format!("core.{}", server.pid()));
    if let Ok(bytes) = std::fs::read(&file) {
        let found = scanner.scan("core", &bytes);
        assert!(found.is_empty(), "in a core dump:{}", report(&found, &canaries));
    } else {
        println!(
            "no core dump is to be had: {}",
            String::from_utf8_lossy(&made.stderr)
                .lines()
                .last()
                .unwrap_or_default()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_root_key_is_not_in_dumpable_memory() {
    let server = Server::start();
    let keys: Vec<Vec<u8>> = std::fs::read_dir(server.data().join("keys"))
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| std::fs::read(entry.path()).ok())
        .collect();
    assert!(!keys.is_empty(), "the root key lies in keys/");
    server
        .client()
        .post(
            SECRETS,
            &json!({"metadata": {"name": "s"}, "stringData": {"a": "b"}}),
        )
        .await
        .expect(201);
    let mut values = Vec::new();
    for key in &keys {
        // The file itself, or 32 bytes in base64 within it.
        if key.len() >= 16 {
            values.push(key.clone());
        }
        for word in String::from_utf8_lossy(key).split_whitespace() {
            if let Ok(bytes) = STANDARD.decode(word)
                && bytes.len() == 32
            {
                values.push(bytes);
            }
        }
    }
    let scanner = Scanner::new(&values);
    let core = server.scratch().join("core");
    let _ = Command::new("gcore")
        .arg("-o")
        .arg(&core)
        .arg(server.pid().to_string())
        .output()
        .expect("gdb");
    if let Ok(bytes) = std::fs::read(server.scratch().join(format!("core.{}", server.pid()))) {
        let found = scanner.scan("core", &bytes);
        assert!(found.is_empty(), "the root key is in a core dump: {found:?}");
    }
}
