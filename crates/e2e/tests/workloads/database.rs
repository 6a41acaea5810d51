//! The walk-through of "What are Kubernetes Secrets?" with a real database: Redis stands in for MongoDB.

use strongroom_e2e::tool;

use crate::images;
use crate::world::World;

const IMAGE: &str = "registry.example.com/redis:7";

#[test]
fn a_database_whose_password_comes_from_a_secret() {
    images::import(IMAGE, &tool("redis"), &["redis-server", "redis-cli"]);
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
