//! A runtime that is not there, hangs, or dies.

use std::time::Duration;

use strongroom_e2e::{BUSYBOX, Kubectl, Options, Pods, Server, containers};

/// What a pod needs to run for a while.
fn sleeper(name: &str, node: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  containers:
  - {{name: c, image: "{BUSYBOX}", command: [sleep, "1000"]}}
"#
    )
}

#[test]
fn without_a_runtime_the_node_says_what_to_do() {
    let server = Server::start_with(Options::with_arguments(&[
        "--container-runtime-endpoint",
        "unix:///nowhere/containerd.sock",
        "--node-name",
        "lonely",
        "--node-port",
        "0",
    ]));
    let kubectl = Kubectl::new("1.32", &server);
    let start = std::time::Instant::now();
    let path = "jsonpath={.status.conditions[?(@.type==\"Ready\")].message}";
    loop {
        let message = kubectl.run(&["get", "node", "lonely", "-o", path]).stdout;
        if message.contains("container runtime is down")
            && message.contains("/nowhere/containerd.sock")
            && message.contains("--container-runtime-endpoint")
        {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{message}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_runtime_that_hangs_delays_pods_and_no_files() {
    let world = Pods::start();
    world
        .kubectl
        .ok(&["create", "secret", "generic", "s", "--from-literal=k=one"]);
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: with-files}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {BUSYBOX}
    command: [sleep, "1000"]
    volumeMounts: [{{name: v, mountPath: /v}}]
  volumes: [{{name: v, secret: {{secretName: s}}}}]
"#,
        node = world.node
    ));
    let pod = world.ready("with-files");
    let file = world.volume(&pod, "kubernetes.io~secret", "v").join("k");
    let containerd = containers().containerd.pid().to_string();
    let signal = |name: &str| {
        let status = std::process::Command::new("kill")
            .args([&format!("-{name}"), &containerd])
            .status();
        assert!(status.is_ok_and(|status| status.success()));
    };
    signal("STOP");
    world.apply(&sleeper("waiting", &world.node));
    world
        .kubectl
        .ok(&["patch", "secret", "s", "-p", r#"{"stringData":{"k":"two"}}"#]);
    world.until("the update", || {
        (std::fs::read_to_string(&file).ok()? == "two").then_some(())
    });
    signal("CONT");
    world.ready("waiting");
    world.kubectl.ok(&["delete", "pod", "--all", "--force"]);
    world.until("nothing is left", || {
        let pods = std::fs::read_dir(world.root_dir().join("pods"))
            .map(Iterator::count)
            .ok();
        (world.mounts().is_empty() && pods == Some(0)).then_some(())
    });
}
