//! The node ends, and begins again.

use std::fs;

use strongroom_e2e::{BUSYBOX, Pods, containers};

fn tasks() -> Vec<String> {
    let output = containers()
        .containerd
        .ctr(&["tasks", "list", "-q"])
        .output()
        .expect("ctr runs");
    let mut tasks: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect();
    tasks.sort();
    tasks
}

#[test]
fn kill_9_touches_no_container_and_no_file() {
    let mut world = Pods::start();
    world
        .kubectl
        .ok(&["create", "secret", "generic", "s", "--from-literal=k=one"]);
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: lasting}}
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
    let pod = world.ready("lasting");
    let id = pod["status"]["containerStatuses"][0]["containerID"]
        .as_str()
        .expect("an id")
        .trim_start_matches("containerd://")
        .to_owned();
    let file = world
        .volume(&pod, "kubernetes.io~secret", "v")
        .join("k");
    world.server.kill();
    assert!(tasks().contains(&id), "the container runs on");
    assert_eq!(fs::read_to_string(&file).expect("the file is there"), "one");
    world.server.restart();
    world.kubectl = strongroom_e2e::Kubectl::new("1.32", &world.server);
    world
        .kubectl
        .ok(&["patch", "secret", "s", "-p", r#"{"stringData":{"k":"two"}}"#]);
    world.until("the update", || {
        (fs::read_to_string(&file).ok()? == "two").then_some(())
    });
    let after = world.ready("lasting");
    assert_eq!(
        after["status"]["containerStatuses"], pod["status"]["containerStatuses"],
        "the same container"
    );
    assert!(tasks().contains(&id));
    world.kubectl.ok(&["delete", "pod", "lasting"]);
    assert!(!tasks().contains(&id));
}
