//! Records that go to another machine, too. (TLS, refusals and lost batches are tested in crate `audit`.)

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_e2e::{Check, Options, Random, Scanner, Server};

use crate::{SECRETS, files_of, records};

/// A server that takes EventLists.
struct Receiver {
    address: String,
    lists: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Receiver {
    fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let lists: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let taken = Arc::clone(&lists);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let taken = Arc::clone(&taken);
                std::thread::spawn(move || take(stream, &taken));
            }
        });
        Receiver { address, lists }
    }

    fn kubeconfig(&self, server: &tempfile::TempDir) -> PathBuf {
        let path = server.path().join("webhook");
        let config = json!({
            "apiVersion": "v1", "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{}/audit", self.address)}}],
            "users": [{"name": "u", "user": {"token": "of-the-webhook"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        });
        std::fs::write(&path, config.to_string()).expect("a file");
        path
    }

    fn events(&self) -> Vec<Value> {
        let lists = self.lists.lock().expect("no panic");
        let lists = lists
            .iter()
            .map(|body| serde_json::from_slice::<Value>(body).expect("JSON"));
        lists
            .flat_map(|mut list| {
                assert_eq!(list["kind"], "EventList");
                assert_eq!(list["apiVersion"], "audit.k8s.io/v1");
                match list["items"].take() {
                    Value::Array(items) => items,
                    other => panic!("no list: {other}"),
                }
            })
            .collect()
    }

    fn ids(&self) -> BTreeSet<String> {
        let events = self.events().into_iter();
        events
            .map(|event| event["auditID"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

/// Reads requests of one connection and answers each with 200.
fn take(stream: TcpStream, taken: &Mutex<Vec<Vec<u8>>>) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut authorized) = (0, false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            authorized |= line == "authorization: bearer of-the-webhook";
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let status = if authorized { "200 OK" } else { "401 Unauthorized" };
        if authorized {
            taken.lock().expect("no panic").push(body);
        }
        write!(writer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

fn start(receiver: &Receiver, mode: &str) -> Server {
    let directory = tempfile::tempdir().expect("a directory");
    let kubeconfig = receiver.kubeconfig(&directory).display().to_string();
    Server::start_with(Options::with_arguments(&[
        "--audit-webhook-config-file",
        &kubeconfig,
        "--audit-webhook-mode",
        mode,
    ]))
}

/// Who has an answer has a record on the other machine; it is the one in the file, and holds no value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_webhook_has_the_record_before_the_answer() {
    let receiver = Receiver::start();
    let server = start(&receiver, "blocking");
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let (mut random, seed) = Random::fresh();
    println!("seed {seed}");
    let canary = random.word(32);
    let secret = json!({"metadata": {"name": "db"}, "stringData": {"password": canary}});
    admin.post(SECRETS, &secret).await.expect(201);
    for path in [
        format!("{SECRETS}/db"),
        format!("{SECRETS}/absent"),
        "/livez".to_owned(),
    ] {
        let reply = admin.get(&path).await;
        let id = reply.header("audit-id").to_owned();
        check.that(receiver.ids().contains(&id), || {
            format!("{path}: answered with {id} before the webhook had it")
        });
    }
    let sent = receiver.events();
    let written = records(&files_of(&server));
    for event in &sent {
        let same =
            |record: &&Value| record["auditID"] == event["auditID"] && record["stage"] == event["stage"];
        let found = written.iter().find(same).cloned().unwrap_or_default();
        for field in ["verb", "requestURI", "user", "objectRef", "responseStatus"] {
            check.equal(field, &event[field], &found[field]);
        }
    }
    let bodies = receiver.lists.lock().expect("no panic").concat();
    let sightings = Scanner::new(&[canary.as_bytes()]).scan("the webhook", &bodies);
    check.that(sightings.is_empty(), || format!("{sightings:?}"));
    check.finish();
}

/// What waits to be sent together is sent when the server ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batching_webhook_gets_everything_before_the_end() {
    let receiver = Receiver::start();
    let mut server = start(&receiver, "batch");
    let admin = server.client();
    let mut answered = BTreeSet::new();
    for number in 0..30 {
        let reply = admin.get(&format!("{SECRETS}/s{number}")).await;
        answered.insert(reply.header("audit-id").to_owned());
    }
    let metrics = admin.get("/metrics").await.text();
    assert!(
        metrics.contains("strongroom_audit_webhook_dropped_total 0\n"),
        "{metrics}"
    );
    drop(admin);
    let status = tokio::task::spawn_blocking(move || (server.interrupt(), server));
    let (status, _server) = tokio::time::timeout(Duration::from_secs(60), status)
        .await
        .expect("it ends")
        .expect("no panic");
    assert!(status.success(), "{status}");
    let arrived = receiver.ids();
    assert!(
        answered.is_subset(&arrived),
        "{} of {}",
        arrived.len(),
        answered.len()
    );
}
