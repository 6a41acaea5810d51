//! A private registry with TLS and passwords, and the Secrets that open it: pods §7, §8; checklist §8 on image pulls.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use strongroom_e2e::{BUSYBOX, containers, tool};

use crate::world::World;

const USER: &str = "puller";
const PASSWORD: &str = "rEg-pa55:with-colon";

/// Debian's docker-registry on loopback; ended when dropped.
struct Registry {
    child: Child,
    port: u16,
    hosts: PathBuf,
}

impl Registry {
    /// A registry with one image, which nobody else has.
    fn start(directory: &Path) -> Registry {
        fs::create_dir_all(directory).expect("a directory");
        let file = |name: &str| directory.join(name).display().to_string();
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("bound")
            .port();
        let (certificate, key) = (file("tls.crt"), file("tls.key"));
        run(Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=registry"])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-keyout", &key, "-out", &certificate]));
        run(Command::new("htpasswd").args(["-Bbc", &file("htpasswd"), USER, PASSWORD]));
        let configuration = json!({
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": file("storage")}},
            "http": {"addr": format!("127.0.0.1:{port}"), "tls": {"certificate": certificate, "key": key}},
            "auth": {"htpasswd": {"realm": "private", "path": file("htpasswd")}},
        });
        // JSON is YAML.
        fs::write(file("config.yml"), configuration.to_string()).expect("a file");
        let log = fs::File::create(file("log")).expect("a file");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(tool("runtime").join("usr/bin/docker-registry"))
            .args(["serve", &file("config.yml")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .expect("docker-registry starts");
        let hosts = containers()
            .containerd
            .registries()
            .join(format!("127.0.0.1:{port}"));
        fs::create_dir_all(&hosts).expect("a directory");
        let address = format!("https://127.0.0.1:{port}");
        let text = format!("server = \"{address}\"\n[host.\"{address}\"]\n  ca = \"{certificate}\"\n");
        fs::write(hosts.join("hosts.toml"), text).expect("a file");
        let registry = Registry { child, port, hosts };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(file("log")).unwrap_or_default();
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "no registry: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        let image = registry.image();
        let containerd = &containers().containerd;
        run(&mut containerd.ctr(&["images", "tag", "--force", BUSYBOX, &image]));
        let hosts = containerd.registries().display().to_string();
        run(&mut containerd.ctr(&[
            "images",
            "push",
            "--hosts-dir",
            &hosts,
            "--user",
            &format!("{USER}:{PASSWORD}"),
            &image,
        ]));
        run(&mut containerd.ctr(&["images", "rm", &image]));
        registry
    }

    fn image(&self) -> String {
        format!("127.0.0.1:{}/team/private:1", self.port)
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = containers()
            .containerd
            .ctr(&["images", "rm", &self.image()])
            .output();
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.hosts);
    }
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {shown}");
}

#[test]
fn a_private_registry_is_opened_by_pull_secrets() {
    let world = World::new("private-registry");
    let registry = Registry::start(&world.pods.server.scratch().join("registry"));
    let (address, image) = (registry.address(), registry.image());
    let pod = |name: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  restartPolicy: Never\n  terminationGracePeriodSeconds: 1\n{more}  containers:\n  \
             - {{name: c, image: \"{image}\", imagePullPolicy: Always, command: [echo, pulled]}}\n"
        )
    };
    let with = |name: &str, secrets: &[&str]| {
        let list: Vec<_> = secrets.iter().map(|secret| json!({"name": secret})).collect();
        pod(name, &format!("  imagePullSecrets: {}\n", json!(list)))
    };
    world.kubectl(&[
        "create",
        "secret",
        "docker-registry",
        "my-image-pull-secret",
        &format!("--docker-server=https://{address}"),
        &format!("--docker-username={USER}"),
        &format!("--docker-password={PASSWORD}"),
        "--docker-email=me@example.com",
    ]);
    let auth = |password: &str| STANDARD.encode(format!("{USER}:{password}"));
    let legacy = json!({(address.clone()): {"auth": auth(PASSWORD)}}).to_string();
    let typed = |name: &str, kind: &str, key: &str, content: &str| {
        let body = json!({"metadata": {"name": name}, "type": kind, "stringData": {key: content}});
        world.post("secrets", &body).expect(201);
    };
    let modern = |name: &str, entry: serde_json::Value| {
        let content = json!({"auths": {(address.clone()): entry}}).to_string();
        typed(
            name,
            "kubernetes.io/dockerconfigjson",
            ".dockerconfigjson",
            &content,
        );
    };
    typed("legacy", "kubernetes.io/dockercfg", ".dockercfg", &legacy);
    typed(
        "untyped",
        "Opaque",
        ".dockerconfigjson",
        &json!({"auths": {(address.clone()): {"auth": auth(PASSWORD)}}}).to_string(),
    );
    modern("wrong", json!({"auth": auth("wrong")}));
    modern("no-colon", json!({"auth": STANDARD.encode("nocolon")}));
    modern(
        "beats",
        json!({"auth": auth(PASSWORD), "username": USER, "password": "wrong"}),
    );
    world.kubectl(&["create", "serviceaccount", "puller"]);
    world
        .merge(
            "serviceaccounts/puller",
            &json!({"imagePullSecrets": [{"name": "my-image-pull-secret"}]}),
        )
        .expect(200);

    let good = [
        ("by-pod", with("by-pod", &["my-image-pull-secret"])),
        ("by-account", pod("by-account", "  serviceAccountName: puller\n")),
        ("by-legacy", with("by-legacy", &["legacy"])),
        ("auth-wins", with("auth-wins", &["beats"])),
        (
            "second-works",
            with("second-works", &["wrong", "my-image-pull-secret"]),
        ),
        (
            "one-is-absent",
            with("one-is-absent", &["absent", "my-image-pull-secret"]),
        ),
    ];
    let bad = [
        ("anonymous", pod("anonymous", "")),
        ("wrong-password", with("wrong-password", &["wrong"])),
        ("wrong-type", with("wrong-type", &["untyped"])),
        ("no-colon", with("no-colon", &["no-colon"])),
    ];
    let manifests: Vec<&str> = good
        .iter()
        .chain(&bad)
        .map(|(_, manifest)| manifest.as_str())
        .collect();
    world.apply(&manifests.join("---\n"));
    for (name, _) in &good {
        world.in_phase(name, "Succeeded");
        assert_eq!(world.log(name, "c"), "pulled\n", "{name}");
    }
    world.event(
        "one-is-absent",
        "FailedToRetrieveImagePullSecret",
        "Unable to retrieve some image pull secrets (absent); attempting to pull the image may not succeed.",
    );
    for (name, _) in &bad {
        let message = world.waits_for(name, "ImagePullBackOff");
        assert!(
            message.starts_with(&format!("Back-off pulling image \"{image}\": ErrImagePull: ")),
            "{message}"
        );
        let expect = if *name == "no-colon" {
            "unable to parse auth field, must be formatted as base64(username:password)"
        } else {
            "401"
        };
        let alternative = if *name == "no-colon" {
            expect
        } else {
            "authorization"
        };
        assert!(
            message.contains(expect) || message.contains(alternative),
            "{name}: {message}"
        );
    }
    let all = world.overview();
    for value in [
        PASSWORD,
        &auth(PASSWORD),
        &auth("wrong"),
        "nocolon",
        &STANDARD.encode("nocolon"),
    ] {
        assert!(!all.contains(value), "{value} in {all}");
    }
    // A Secret put right lets the next try through.
    let content = json!({"auths": {(address.clone()): {"auth": auth(PASSWORD)}}}).to_string();
    world
        .merge(
            "secrets/wrong",
            &json!({"stringData": {".dockerconfigjson": content}}),
        )
        .expect(200);
    world.in_phase("wrong-password", "Succeeded");
}
