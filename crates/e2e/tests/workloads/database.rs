//! The walk-through of "What are Kubernetes Secrets?" with a real database: Redis stands in for MongoDB.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use strongroom_containerd::{Image, Programs};
use strongroom_e2e::{containers, tool};

use crate::world::World;

const IMAGE: &str = "registry.example.com/redis:7";

/// Debian's Redis with the libraries it is linked with, beside a busybox.
fn import_redis() {
    let programs = Programs::unpacked_at(&tool("runtime"));
    let mut image = Image::busybox(&programs.busybox, &[IMAGE]).expect("an image");
    let redis = tool("redis");
    let architecture = format!("{}-linux-gnu", std::env::consts::ARCH);
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for program in ["redis-server", "redis-cli"] {
        let path = redis.join("usr/bin").join(program);
        let output = Command::new("ldd")
            .arg(&path)
            .env("LD_LIBRARY_PATH", redis.join("usr/lib").join(&architecture))
            .output()
            .expect("ldd runs");
        for word in String::from_utf8_lossy(&output.stdout)
            .split_whitespace()
            .filter(|word| word.starts_with('/'))
        {
            let library = Path::new(word);
            let name = library
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let place = if name.starts_with("ld-") {
                word.trim_start_matches('/').to_owned()
            } else {
                format!("lib/{architecture}/{name}")
            };
            files.insert(place, library.to_owned());
        }
        files.insert(format!("usr/bin/{program}"), path);
    }
    for (place, path) in files {
        image.files.push((place, 0o755, fs::read(&path).expect("a file")));
    }
    containers().containerd.import(&image).expect("an import");
}

#[test]
fn a_database_whose_password_comes_from_a_secret() {
    import_redis();
    let world = World::new("database");
    world.apply(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: demo-dbcreds}\ntype: Opaque\n\
         stringData: {mongodb-root-password: 'p4ss w\"rd', mongodb-passwords: x}\n",
    );
    let volumes = "  volumes:\n  - name: secret-volume\n    secret:\n      secretName: demo-dbcreds\n";
    let mounts = "    volumeMounts:\n    - name: secret-volume\n      mountPath: \"/mnt/secrets\"\n";
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: backend}}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: c
    image: {IMAGE}
    command: [sh, -c]
    args:
    - |
      password=$(sed 's/[\\"]/\\&/g' /mnt/secrets/mongodb-root-password)
      printf 'port 6379\nbind 0.0.0.0\nsave ""\nrequirepass "%s"\n' "$password" | exec redis-server -
    readinessProbe:
      tcpSocket: {{port: 6379}}
      periodSeconds: 1
{mounts}{volumes}"#
    ));
    let backend = world.ready("backend");
    let address = backend["status"]["podIP"]
        .as_str()
        .expect("an address")
        .to_owned();
    let client = |name: &str, password: &str| {
        format!(
            r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: Never
  containers:
  - name: c
    image: {IMAGE}
    command: ["/bin/sh", "-c"]
    args:
    - |
      export REDISCLI_AUTH="{password}"
      until redis-cli -h {address} ping > /tmp/answer 2>&1 || grep -q AUTH /tmp/answer; do sleep 1; done
      redis-cli -h {address} incr visits
{mounts}{volumes}"#
        )
    };
    world.apply(&client("conn-test", "$(cat /mnt/secrets/mongodb-root-password)"));
    world.in_phase("conn-test", "Succeeded");
    let log = world.log("conn-test", "c");
    assert!(
        log.ends_with("1\n") && !log.contains("NOAUTH") && !log.contains("WRONGPASS"),
        "{log}"
    );
    world.apply(&client("stranger", "guess"));
    world.until("the stranger has tried", || {
        let log = world
            .pods
            .kubectl
            .run(&["-n", "database", "logs", "stranger"])
            .stdout;
        (log.contains("NOAUTH") || log.contains("WRONGPASS")).then_some(())
    });
    // The password is rotated: the file first, then the server learns it from the file.
    world.kubectl(&[
        "patch",
        "secret",
        "demo-dbcreds",
        "-p",
        r#"{"stringData":{"mongodb-root-password":"rotated"}}"#,
    ]);
    world.until("the file", || {
        (world.sh("backend", "cat /mnt/secrets/mongodb-root-password") == "rotated").then_some(())
    });
    let line = r#"REDISCLI_AUTH='p4ss w"rd' redis-cli config set requirepass "$(cat /mnt/secrets/mongodb-root-password)""#;
    assert!(world.sh("backend", line).ends_with("OK\n"));
    world.apply(&client(
        "after-rotation",
        "$(cat /mnt/secrets/mongodb-root-password)",
    ));
    world.in_phase("after-rotation", "Succeeded");
    assert!(world.log("after-rotation", "c").ends_with("2\n"));
}
