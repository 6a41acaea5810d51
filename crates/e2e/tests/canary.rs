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

/// Tokens of every kind, shown well and badly, and values of Secrets under a policy that records all bodies: nothing
/// of them is in logs, audit files, metrics, refusals or the errors of reviews.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_stay_where_they_belong() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut random, seed) = Random::fresh();
    println!("seed {seed}");
    let fixed = random.word(32);
    let lower = |random: &mut Random| random.word(16).to_ascii_lowercase();
    let (bootstrap, wrong) = (lower(&mut random), lower(&mut random));
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let tokens = file("tokens.csv", &format!("{fixed},fixed,1,system:masters\n"));
    let policy = file(
        "policy.yaml",
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: RequestResponse\n",
    );
    let mut options =
        Options::with_arguments(&["--token-auth-file", &tokens, "--audit-policy-file", &policy]);
    options.log_level = "trace".to_owned();
    let server = Server::start_with(options);
    let (admin, anonymous) = (server.client(), server.anonymous());

    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    admin
        .post(accounts, &json!({"metadata": {"name": "robot"}}))
        .await
        .expect(201);
    let bound = admin
        .post(&format!("{accounts}/robot/token"), &json!({}))
        .await
        .expect(201)["status"]["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    admin.post(SECRETS, &json!({"metadata": {"name": "legacy", "annotations": {"kubernetes.io/service-account.name": "robot"}}, "type": "kubernetes.io/service-account-token"})).await.expect(201);
    let legacy = loop {
        let got = admin.get(&format!("{SECRETS}/legacy")).await.expect(200);
        if let Some(token) = got["data"]["token"].as_str() {
            break String::from_utf8(STANDARD.decode(token).expect("base64")).expect("text");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    admin.post("/api/v1/namespaces/kube-system/secrets", &json!({"metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token", "stringData": {"token-id": "abcdef", "token-secret": bootstrap, "usage-bootstrap-authentication": "true", "usage-bootstrap-signing": "true"}})).await.expect(201);
    admin
        .post(
            "/api/v1/namespaces/kube-public/configmaps",
            &json!({"metadata": {"name": "cluster-info"}, "data": {"kubeconfig": "x"}}),
        )
        .await
        .expect(201);
    let value = random.word(32);
    admin
        .post(
            SECRETS,
            &json!({"metadata": {"name": "s"}, "stringData": {"a": value}}),
        )
        .await
        .expect(201);
    admin.get(&format!("{SECRETS}/s")).await.expect(200);

    // What must not be seen: of a signed token the signature, of the others all.
    let signature = |token: &str| token.rsplit('.').next().expect("a signature")[..40].to_owned();
    let mut canaries = Canaries::new();
    for text in [
        &fixed,
        &bootstrap,
        &wrong,
        &signature(&bound),
        &signature(&legacy),
        &value,
    ] {
        canaries.values.push(text.clone().into_bytes());
    }
    let bootstrap = format!("abcdef.{bootstrap}");
    for token in [&fixed, &bootstrap, &bound, &legacy] {
        let shown = format!("Bearer {token}");
        let get = |path: &str| anonymous.request("GET", path);
        let known = get("/version").header("authorization", &shown).send().await;
        assert_eq!(known.status, 200, "the tokens are good");
        canaries.answer(&known);
        canaries.answer(
            &get(&format!("{SECRETS}/gone"))
                .header("authorization", &shown)
                .send()
                .await,
        );
        // Almost right, in the wrong place, or with more around it.
        for value in [
            format!("Bearer {token}x"),
            format!("Bearer x{token}"),
            format!("Bearer  {token}"),
            format!("Basic {token}"),
            format!("Basic {}", STANDARD.encode(format!("user:{token}"))),
            token.clone(),
        ] {
            canaries.answer(&get(SECRETS).header("authorization", &value).send().await);
        }
        let twice = format!("Bearer {token} {token}");
        canaries.answer(&get("/version").header("authorization", &twice).send().await);
        let protocol = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(token);
        let protocol = format!("base64url.bearer.authorization.k8s.io.{protocol}, base64.binary.k8s.io");
        canaries.answer(
            &get("/version")
                .header("sec-websocket-protocol", &protocol)
                .send()
                .await,
        );
        for review in [token.clone(), format!("{token}x"), format!("x{token}")] {
            let body = json!({"spec": {"token": review, "audiences": ["elsewhere"]}});
            let reply = admin
                .post("/apis/authentication.k8s.io/v1/tokenreviews", &body)
                .await;
            let status = reply.expect(201)["status"].to_string();
            canaries
                .answers
                .push(("what a review says".to_owned(), status.into_bytes()));
        }
        let reply = anonymous
            .post(
                "/apis/authentication.k8s.io/v1/tokenreviews",
                &json!({"spec": {"token": token}}),
            )
            .await;
        canaries.answer(&reply);
        let malformed = json!({"spec": {"token": [token], "audiences": token}});
        let reply = admin
            .post("/apis/authentication.k8s.io/v1/tokenreviews", &malformed)
            .await;
        canaries.answer(&reply);
        let reply = admin
            .post(
                &format!("{accounts}/robot/token"),
                &json!({"spec": {"audiences": token}}),
            )
            .await;
        canaries.answer(&reply);
    }
    let wrong = format!("Bearer abcdef.{wrong}");
    canaries.answer(
        &anonymous
            .request("GET", SECRETS)
            .header("authorization", &wrong)
            .send()
            .await,
    );
    // The token's end, by what it is bound to.
    admin.delete(&format!("{accounts}/robot")).await.expect(200);
    canaries.answer(&server.bearer(&bound).get(SECRETS).await);
    canaries.answer(&admin.get("/metrics").await);
    tokio::time::sleep(Duration::from_millis(300)).await;

    let scanner = Scanner::new(&canaries.values);
    let shown: Vec<Sighting> = canaries
        .answers
        .iter()
        .flat_map(|(place, bytes)| scanner.scan(place, bytes))
        .collect();
    let logged = scanner.scan("logs", server.logs().as_bytes());
    let stored = scanner.scan_directory(&server.data());
    assert!(
        std::fs::read(server.audit_log()).is_ok_and(|log| log.len() > 10_000),
        "there is an audit log"
    );
    let mut failures = String::new();
    for (place, seen) in [
        ("answers", shown),
        ("the logs", logged),
        ("the data directory", stored),
    ] {
        if !seen.is_empty() {
            failures.push_str(&format!("\nin {place}:{}", report(&seen, &canaries)));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
