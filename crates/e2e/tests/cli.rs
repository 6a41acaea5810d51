//! The command line as a person meets it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_e2e::{Client, Credentials, Http, Kubectl, Options, Server, binary};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";

fn strongroom(arguments: &[&str]) -> Output {
    Command::new("timeout")
        .arg("30")
        .arg(binary())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn modes(directory: &Path, found: &mut Vec<(String, u32)>) {
    let mode = std::fs::metadata(directory).expect("there").permissions().mode() & 0o777;
    found.push((format!("{}/", directory.display()), mode));
    for entry in std::fs::read_dir(directory)
        .expect("readable")
        .filter_map(Result::ok)
    {
        if entry.path().is_dir() {
            modes(&entry.path(), found);
        } else {
            found.push((
                entry.path().display().to_string(),
                entry.metadata().expect("there").permissions().mode() & 0o777,
            ));
        }
    }
}

#[tokio::test]
async fn a_first_start() {
    let begun = Instant::now();
    let mut server = Server::start_with(Options {
        log_level: "warn".to_owned(),
        ..Options::default()
    });
    println!("ready after {:?}", begun.elapsed());
    let printed = server.stdout();
    for part in [
        server.url(),
        server.kubeconfig().display().to_string(),
        server.data().display().to_string(),
        "Root key".to_owned(),
        "kubectl create secret generic".to_owned(),
        "kubectl get secrets".to_owned(),
    ] {
        assert!(printed.contains(&part), "no {part} in\n{printed}");
    }
    assert!(
        printed.matches("\n  kubectl").count() >= 3,
        "three commands to try:\n{printed}"
    );
    assert_eq!(server.stderr(), "", "nothing to warn about");
    let mut found = Vec::new();
    modes(&server.data(), &mut found);
    for (path, mode) in &found {
        let expected = if path.ends_with('/') { 0o700 } else { 0o600 };
        assert_eq!(*mode, expected, "{path} is {mode:o}");
    }
    assert!(found.len() > 8, "{found:?}");
    assert!(
        !server
            .data()
            .parent()
            .expect("a directory")
            .join(".kube")
            .exists(),
        "~/.kube is never touched"
    );

    // What it prints is what works, as it is typed.
    let commands: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("  "))
        .map(str::trim)
        .filter(|line| line.starts_with("kubectl") || line.starts_with("export"))
        .collect();
    let kubectl = Kubectl::new("1.32", &server);
    let path = format!(
        "{}:/usr/bin:/bin",
        strongroom_e2e::kubectl_directory("1.32").display()
    );
    let ran = Command::new("bash")
        .args(["-euc", &commands.join("\n")])
        .env_clear()
        .env("PATH", path)
        .env("HOME", kubectl.home())
        .output()
        .expect("bash");
    assert!(ran.status.success(), "{commands:?}: {}", text(&ran));

    for name in ["localhost", "127.0.0.1", "::1"] {
        let option = if name == "localhost" {
            "-verify_hostname"
        } else {
            "-verify_ip"
        };
        let authority = server.scratch().join("ca.crt");
        std::fs::write(
            &authority,
            Credentials::from_kubeconfig(&server.kubeconfig()).authority,
        )
        .expect("written");
        let output = Command::new("openssl")
            .args([
                "s_client",
                "-connect",
                &format!("127.0.0.1:{}", server.port()),
                option,
                name,
                "-verify_return_error",
                "-CAfile",
            ])
            .arg(&authority)
            .stdin(Stdio::null())
            .output()
            .expect("openssl");
        assert!(
            text(&output).contains("Verify return code: 0 (ok)")
                || text(&output).contains("Verification: OK"),
            "{name}: {}",
            text(&output)
        );
    }

    // A second one on the same directory says who holds it.
    let second = strongroom(&[
        "up",
        "--data-dir",
        &server.data().display().to_string(),
        "--secure-port",
        "0",
    ]);
    assert!(!second.status.success());
    assert!(
        text(&second).contains(&server.pid().to_string()),
        "who holds it: {}",
        text(&second)
    );
    assert!(!text(&second).contains("panicked"), "{}", text(&second));
    server.assert_healthy();
}

#[tokio::test]
async fn an_end_and_a_new_start() {
    let mut server = Server::start();
    let client = server.client();
    let created = client
        .post(
            SECRETS,
            &json!({"metadata": {"name": "s"}, "stringData": {"a": "b"}}),
        )
        .await
        .expect(201);
    let mut watch = server.client().watch(&format!("{SECRETS}?watch=true")).await;
    watch.next().await;
    let kubeconfig = Credentials::from_kubeconfig(&server.kubeconfig());
    let begun = Instant::now();
    let status = server.interrupt();
    assert_eq!(status.code(), Some(0), "Ctrl-C: {}", server.logs());
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "an open watch holds it up: {:?}",
        begun.elapsed()
    );
    assert!(watch.ends_within(Duration::from_secs(5)).await);
    server.restart();
    let again = Credentials::from_kubeconfig(&server.kubeconfig());
    assert_eq!(kubeconfig.authority, again.authority);
    // The credentials of before still work, and the state is the same.
    let client = Client::new(server.port(), &kubeconfig, Http::One);
    let read = client.get(&format!("{SECRETS}/s")).await.expect(200);
    assert_eq!(read, created);
    server.signal("TERM");
    let status = server.wait(Duration::from_secs(10));
    assert_eq!(
        status.and_then(|status| status.code()),
        Some(0),
        "SIGTERM: {}",
        server.logs()
    );
    server.restart();
    server.kill();
    server.restart();
    server.client().get(&format!("{SECRETS}/s")).await.expect(200);
}

/// Starts `strongroom serve` with words and environment, and waits for readiness on the port.
struct Served {
    child: std::process::Child,
    directory: tempfile::TempDir,
}

impl Served {
    fn start(
        words: &[&str],
        environment: &[(&str, &str)],
        port: u16,
        directory: tempfile::TempDir,
    ) -> Served {
        let log = std::fs::File::create(directory.path().join("log")).expect("a file");
        let errors = log.try_clone().expect("a second handle");
        let child = Command::new(binary())
            .args(words)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("it starts");
        let mut served = Served { child, directory };
        let begun = Instant::now();
        // The kubeconfig is the last thing written before requests are answered.
        let kubeconfig = served.directory.path().join("data/kubeconfig");
        while !kubeconfig.exists() || std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = served.child.try_wait().expect("ours");
            assert!(
                ended.is_none() && begun.elapsed() < Duration::from_secs(30),
                "{}",
                served.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        served
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

#[tokio::test]
async fn settings_from_flags_file_and_environment() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data").display().to_string();
    let port = free_port();
    let served = Served::start(
        &[
            "serve",
            "--data-dir",
            &data,
            "--secure-port",
            &port.to_string(),
            "--log-level",
            "info",
        ],
        &[],
        port,
        directory,
    );
    let kubeconfig = served.directory.path().join("data/kubeconfig");
    let client = Client::new(port, &Credentials::from_kubeconfig(&kubeconfig), Http::One);
    client.get(SECRETS).await.expect(200);
    let Served { .. } = &served;

    let directory = tempfile::tempdir().expect("a directory");
    let (file_port, environment_port) = (free_port(), free_port());
    let config = directory.path().join("config.yaml");
    let data = directory.path().join("data");
    std::fs::write(
        &config,
        format!(
            "# settings\ndata-dir: {}\nsecure-port: {file_port}\nlog-level: warn\n",
            data.display()
        ),
    )
    .expect("written");
    let config = config.display().to_string();
    let served = Served::start(&["serve", "--config", &config], &[], file_port, directory);
    drop(
        Client::new(
            file_port,
            &Credentials::from_kubeconfig(&data.join("kubeconfig")),
            Http::One,
        )
        .get(SECRETS)
        .await
        .expect(200),
    );
    drop(served);

    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let config = directory.path().join("config.yaml");
    std::fs::write(
        &config,
        format!("secure-port: {file_port}\ndata-dir: {}\n", data.display()),
    )
    .expect("written");
    let environment = environment_port.to_string();
    let served = Served::start(
        &["serve"],
        &[
            ("STRONGROOM_CONFIG", &config.display().to_string()),
            ("STRONGROOM_SECURE_PORT", &environment),
        ],
        environment_port,
        directory,
    );
    Client::new(
        environment_port,
        &Credentials::from_kubeconfig(&data.join("kubeconfig")),
        Http::One,
    )
    .get(SECRETS)
    .await
    .expect(200);
    drop(served);

    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("config.yaml");
    std::fs::write(&config, "secure-prot: 1\n").expect("written");
    let output = strongroom(&["serve", "--config", &config.display().to_string()]);
    assert!(
        !output.status.success() && text(&output).contains("secure-prot"),
        "{}",
        text(&output)
    );
    let output = strongroom(&["serve", "--secure-port", "many"]);
    assert!(
        !output.status.success() && text(&output).contains("--secure-port"),
        "{}",
        text(&output)
    );
    let help = text(&strongroom(&["serve", "--help"]));
    for flag in [
        "--data-dir",
        "--bind-address",
        "--secure-port",
        "--tls-cert-file",
        "--tls-private-key-file",
        "--client-ca-file",
        "--event-ttl",
        "--max-requests-inflight",
        "--max-mutating-requests-inflight",
        "--request-timeout",
        "--min-request-timeout",
    ] {
        assert!(help.contains(flag), "{flag} in\n{help}");
    }
}

#[tokio::test]
async fn small_commands() {
    let version = strongroom(&["version"]);
    assert!(
        version.status.success() && text(&version).contains("v1.36"),
        "{}",
        text(&version)
    );
    let version = strongroom(&["version", "-o", "json"]);
    let parsed: Value = serde_json::from_slice(&version.stdout).expect("JSON");
    assert!(parsed.is_object(), "{parsed}");
    for shell in ["bash", "zsh", "fish"] {
        let output = strongroom(&["completion", shell]);
        assert!(
            output.status.success() && text(&output).contains("strongroom"),
            "{shell}"
        );
        if shell == "bash" {
            let mut check = Command::new("bash")
                .args(["-n"])
                .stdin(Stdio::piped())
                .spawn()
                .expect("bash");
            std::io::Write::write_all(&mut check.stdin.take().expect("piped"), &output.stdout)
                .expect("written");
            assert!(check.wait().expect("ends").success(), "the completion is bash");
        }
    }
    let help = text(&strongroom(&["--help"]));
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(
        ["up", "serve", "node", "run"]
            .iter()
            .all(|command| commands.contains(command)),
        "{help}"
    );
    for command in commands {
        let output = strongroom(&[command, "--help"]);
        let help = text(&output);
        assert!(
            output.status.success() && help.contains("Usage") && help.contains("Example"),
            "{command} --help\n{help}"
        );
    }
    let output = strongroom(&["upp"]);
    assert!(
        !output.status.success() && text(&output).contains("upp"),
        "{}",
        text(&output)
    );
}

#[tokio::test]
async fn kubeconfigs() {
    let server = Server::start();
    let data = server.data().display().to_string();
    let output = strongroom(&["kubeconfig", "--data-dir", &data]);
    assert!(output.status.success(), "{}", text(&output));
    let file = server.scratch().join("printed");
    std::fs::write(&file, &output.stdout).expect("written");
    Client::new(server.port(), &Credentials::from_kubeconfig(&file), Http::One)
        .get(SECRETS)
        .await
        .expect(200);
    let alice = server.user("alice", &["developers"]);
    assert_eq!(alice.get(SECRETS).await.status, 403);
    let output = strongroom(&["kubeconfig", "--data-dir", "/nonexistent/place"]);
    assert!(
        !output.status.success() && text(&output).contains("strongroom up"),
        "{}",
        text(&output)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backup_and_restore_under_writes() {
    let mut server = Server::start();
    let client = server.client();
    for number in 0..50 {
        client.post(SECRETS, &json!({"metadata": {"name": format!("before-{number}")}, "stringData": {"v": format!("a-value-to-look-for-{number}")}})).await.expect(201);
    }
    let writing = tokio::spawn({
        let client = server.client();
        async move {
            let mut written = 0;
            for number in 0..2_000 {
                let reply = client
                    .request("POST", SECRETS)
                    .json(&json!({"metadata": {"name": format!("during-{number:05}")}}))
                    .try_send()
                    .await;
                if reply.is_ok_and(|reply| reply.status == 201) {
                    written += 1;
                } else {
                    break;
                }
            }
            written
        }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let file = server.scratch().join("backup");
    let (data, path) = (server.data().display().to_string(), file.display().to_string());
    let output = strongroom(&["backup", &path, "--data-dir", &data]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(
        std::fs::metadata(&file).expect("made").permissions().mode() & 0o777,
        0o600
    );
    let bytes = std::fs::read(&file).expect("made");
    assert!(
        !bytes.windows(19).any(|window| window == b"a-value-to-look-for"),
        "a backup is sealed"
    );
    writing.abort();
    server.kill();

    // Nothing is restored without the key, all of it beside the key.
    let restored = server.scratch().join("restored");
    let words = ["restore", &path, "--data-dir", &restored.display().to_string()].map(str::to_owned);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = strongroom(&words);
    assert!(
        !output.status.success(),
        "restored without the root key: {}",
        text(&output)
    );
    let _ = std::fs::remove_dir_all(&restored);
    let made = Command::new("install")
        .args(["-d", "-m", "700"])
        .arg(&restored)
        .status()
        .expect("install");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(server.data().join("keys"))
        .arg(server.data().join("pki"))
        .arg(&restored)
        .status()
        .expect("cp");
    assert!(made.success() && copied.success());
    let output = strongroom(&words);
    assert!(output.status.success(), "{}", text(&output));
    let copy = Server::start_with(Options {
        data_directory: Some(restored.clone()),
        ..Options::default()
    });
    let list = copy.client().get(SECRETS).await.expect(200);
    let names: Vec<&str> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item["metadata"]["name"].as_str())
        .collect();
    assert_eq!(
        names.iter().filter(|name| name.starts_with("before-")).count(),
        50,
        "all from before"
    );
    let during: Vec<&&str> = names.iter().filter(|name| name.starts_with("during-")).collect();
    for (number, name) in during.iter().enumerate() {
        assert_eq!(***name, format!("during-{number:05}"), "a prefix without gaps");
    }
    let output = strongroom(&["restore", &path, "--data-dir", &restored.display().to_string()]);
    assert!(!output.status.success(), "only into an empty directory");
}

#[tokio::test]
async fn a_passphrase_instead_of_a_key_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("passphrase");
    std::fs::write(&file, "correct horse battery staple\n").expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
    let words = [
        "--key-service",
        "passphrase",
        "--passphrase-file",
        &file.display().to_string(),
    ]
    .map(str::to_owned);
    let mut server = Server::start_with(Options {
        arguments: words.to_vec(),
        ..Options::default()
    });
    server
        .client()
        .post(
            SECRETS,
            &json!({"metadata": {"name": "s"}, "stringData": {"a": "b"}}),
        )
        .await
        .expect(201);
    server.restart();
    server.client().get(&format!("{SECRETS}/s")).await.expect(200);
    std::fs::write(&file, "wrong\n").expect("written");
    let failure = server
        .try_restart()
        .expect_err("a wrong passphrase must not start");
    assert!(
        failure.status.is_some_and(|status| !status.success()),
        "{failure}"
    );
    assert!(
        failure.output.to_lowercase().contains("passphrase") && !failure.output.contains("panicked"),
        "{failure}"
    );
}

/// A certificate for 127.0.0.1 in `directory`, replacing what is there; returns its fingerprint.
fn issue(directory: &Path, name: &str) -> String {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-subj",
            &format!("/CN={name}"),
        ])
        .args(["-keyout", "tls.key", "-out", "tls.crt"])
        .current_dir(directory)
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", text(&made));
    let shown = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in", "tls.crt"])
        .current_dir(directory)
        .output()
        .expect("openssl");
    text(&shown)
}

fn served_fingerprint(port: u16) -> String {
    let script = format!(
        "openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
    );
    text(
        &Command::new("timeout")
            .args(["10", "bash", "-c", &script])
            .output()
            .expect("openssl"),
    )
}

#[tokio::test]
async fn certificates_are_read_again_without_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = issue(directory.path(), "first");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let port = free_port();
    let words = [
        "--data-dir",
        &path("data"),
        "--secure-port",
        &port.to_string(),
        "--tls-cert-file",
        &path("tls.crt"),
        "--tls-private-key-file",
        &path("tls.key"),
    ]
    .map(str::to_owned);
    let words: Vec<&str> = std::iter::once("serve")
        .chain(words.iter().map(String::as_str))
        .collect();
    let files = directory.path().to_owned();
    let served = Served::start(&words, &[], port, directory);
    assert_eq!(served_fingerprint(port), first);
    let second = issue(&files, "second");
    let hangup = Command::new("kill")
        .args(["-HUP", &served.child.id().to_string()])
        .status()
        .expect("kill");
    assert!(hangup.success());
    let begun = Instant::now();
    while served_fingerprint(port) != second {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "the new certificate is not served: {}",
            served.log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    // A broken file leaves the last good certificate in use.
    std::fs::write(files.join("tls.crt"), "nonsense").expect("written");
    let hangup = Command::new("kill")
        .args(["-HUP", &served.child.id().to_string()])
        .status()
        .expect("kill");
    assert!(hangup.success());
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(served_fingerprint(port), second);
}
