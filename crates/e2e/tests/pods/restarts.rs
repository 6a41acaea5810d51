//! The node ends, and begins again.

use std::fs;
use std::time::{Duration, Instant};

use strongroom_e2e::{BUSYBOX, Partition, Pods, containers};

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
    let file = world.volume(&pod, "kubernetes.io~secret", "v").join("k");
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

#[test]
fn a_worker_bears_the_absence_of_its_server() {
    let mut world = Pods::with_a_worker();
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
    command: [sh, -c, "trap 'exit 0' TERM; while :; do [ -e /tmp/end ] && exit 1; sleep 0.1; done"]
    volumeMounts: [{{name: v, mountPath: /v}}]
  volumes: [{{name: v, secret: {{secretName: s}}}}]
"#,
        node = world.node
    ));
    let pod = world.ready("lasting");
    let file = world.volume(&pod, "kubernetes.io~secret", "v").join("k");
    world.server.kill();
    world.run_in(&pod, "c", &["touch", "/tmp/end"]);
    let again = world.until("the container is started again without a server", || {
        world.run_in(&pod, "c", &["sh", "-c", "[ ! -e /tmp/end ] && cat /v/k"])
    });
    assert_eq!(again, "one");
    world.server.restart();
    world
        .kubectl
        .ok(&["patch", "secret", "s", "-p", r#"{"stringData":{"k":"two"}}"#]);
    let acknowledged = Instant::now();
    while fs::read_to_string(&file).expect("never missing") != "two" {
        assert!(
            acknowledged.elapsed() < Duration::from_secs(2),
            "not current in time"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    world.until("the restart is told", || {
        let pod = world.get("pod", "lasting")?;
        (pod["status"]["containerStatuses"][0]["restartCount"] == 1).then_some(())
    });
    if let Some(worker) = &mut world.worker {
        worker.restart();
    }
    world
        .kubectl
        .ok(&["patch", "secret", "s", "-p", r#"{"stringData":{"k":"three"}}"#]);
    world.until("the new node's update", || {
        (fs::read_to_string(&file).ok()? == "three").then_some(())
    });
    world.kubectl.ok(&["delete", "pod", "lasting"]);
}

/// R12: the network loses everything for a while, and nobody is told.
#[test]
fn a_partition_is_caught_up_with_within_two_seconds() {
    const GROUP: u32 = 61_235;
    let world = Pods::with_a_worker_of(GROUP);
    let secret = |value: &str| {
        let patch = format!(r#"{{"stringData":{{"k":"{value}"}}}}"#);
        world.kubectl.ok(&["patch", "secret", "s", "-p", &patch]);
    };
    world
        .kubectl
        .ok(&["create", "secret", "generic", "s", "--from-literal=k=0"]);
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: lasting}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  containers:
  - {{name: c, image: {BUSYBOX}, command: [sleep, "1000"], volumeMounts: [{{name: v, mountPath: /v}}]}}
  volumes: [{{name: v, secret: {{secretName: s}}}}]
"#,
        node = world.node
    ));
    let pod = world.ready("lasting");
    let file = world.volume(&pod, "kubernetes.io~secret", "v").join("k");
    let holds = |value: &str| fs::read_to_string(&file).expect("never missing") == value;
    let partition = Partition::of_group(GROUP, world.server.port());
    // The mark is set when a connection says something: this one asks each second whether the server is there.
    std::thread::sleep(Duration::from_secs(3));
    let mut slowest = Duration::ZERO;
    for (round, seconds) in [(1, 1), (2, 3), (3, 8), (4, 15)] {
        partition.begin();
        secret("lost");
        std::thread::sleep(Duration::from_secs(seconds));
        secret(&format!("now {round}"));
        assert!(!holds("lost") && !holds(&format!("now {round}")), "cut off");
        partition.end();
        let healed = Instant::now();
        world.until("the update", || holds(&format!("now {round}")).then_some(()));
        println!("current {:?} after a partition of {seconds} s", healed.elapsed());
        slowest = slowest.max(healed.elapsed());
    }
    // Two seconds, and what a busy machine adds.
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    assert_eq!(
        world.ready("lasting")["status"]["containerStatuses"],
        pod["status"]["containerStatuses"],
        "the same container"
    );
}
