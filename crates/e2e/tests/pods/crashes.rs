//! R20 with the whole agent: it is killed again and again while it delivers an update, and a reader inside the
//! container never misses a file or sees two versions at once. (`delivery` kills the writer alone, at every system call.)

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_e2e::{BUSYBOX, Pods, containers, setting};

/// Kills are spread over the time in which an update is written, and a little more.
const SPREAD: Duration = Duration::from_millis(12);

#[test]
fn killed_while_it_delivers() {
    let kills: u32 = setting("STRONGROOM_R20_KILLS", 10);
    let mut world = Pods::with_a_worker();
    world.kubectl.ok(&[
        "create",
        "secret",
        "generic",
        "s",
        "--from-literal=a=start",
        "--from-literal=b=start",
    ]);
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: reading}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  containers:
  - {{name: c, image: {BUSYBOX}, command: [sleep, "1000"], volumeMounts: [{{name: v, mountPath: /v}}]}}
  volumes: [{{name: v, secret: {{secretName: s}}}}]
"#,
        node = world.node
    ));
    let pod = world.ready("reading");
    let volume = root_of(&pod).join("v");
    let stop = Arc::new(AtomicBool::new(false));
    let reader = {
        let (volume, stop) = (volume.clone(), Arc::clone(&stop));
        std::thread::spawn(move || read_on(&volume, &stop))
    };
    let tokio = tokio::runtime::Runtime::new().expect("a runtime");
    let client = world.server.client();
    let write = |value: &str| {
        let patch = json!({"stringData": {"a": value, "b": value}});
        tokio
            .block_on(client.patch("merge", "/api/v1/namespaces/default/secrets/s", &patch))
            .expect(200);
    };
    for kill in 0..kills {
        let value = format!("value {kill}");
        write(&value);
        std::thread::sleep(SPREAD * kill / kills);
        let worker = world.worker.as_mut().expect("a worker");
        worker.restart();
        // Once more when the new agent is at work, so that the next kill does not meet one that is still beginning.
        let is = |value: &str| (fs::read_to_string(volume.join("a")).ok()? == value).then_some(());
        world.until("the update is caught up with", || is(&value));
        write("between two kills");
        world.until("updates go on", || is("between two kills"));
    }
    stop.store(true, Ordering::Relaxed);
    let (reads, values) = reader.join().expect("the reader saw nothing wrong");
    println!("{reads} reads, {values} values");
    assert!(
        values > kills as usize,
        "{values} values of {kills} and the first"
    );
    assert_eq!(
        world.ready("reading")["status"]["containerStatuses"],
        pod["status"]["containerStatuses"],
        "the same container"
    );
}

/// The root of the pod's container, as its processes see it.
fn root_of(pod: &Value) -> PathBuf {
    let id = pod["status"]["containerStatuses"][0]["containerID"]
        .as_str()
        .expect("an id")
        .trim_start_matches("containerd://");
    let listed = containers().containerd.ctr(&["tasks", "list"]).output();
    let listed = String::from_utf8_lossy(&listed.expect("ctr runs").stdout).into_owned();
    let line = listed
        .lines()
        .find(|line| line.starts_with(id))
        .expect("its task");
    let pid = line.split_whitespace().nth(1).expect("a process id");
    Path::new("/proc").join(pid).join("root")
}

/// Reads both files until it is told to stop; how often, and how many values there were.
fn read_on(volume: &Path, stop: &AtomicBool) -> (usize, usize) {
    let (mut reads, mut values) = (0, Vec::<String>::new());
    while !stop.load(Ordering::Relaxed) {
        for name in ["a", "b"] {
            let text = fs::read_to_string(volume.join(name)).expect("a file is never missing");
            assert!(!text.is_empty(), "a file is never empty");
        }
        let data = || fs::read_link(volume.join("..data")).expect("there is always a version");
        let version = data();
        let read = |name: &str| fs::read_to_string(volume.join(&version).join(name));
        match (read("a"), read("b")) {
            (Ok(a), Ok(b)) => {
                assert_eq!(a, b, "one version is one version");
                if values.last() != Some(&a) {
                    values.push(a);
                }
            }
            // An older version may go once it is not the current one.
            _ => assert_ne!(data(), version, "the current version is whole"),
        }
        reads += 1;
    }
    (reads, values.len())
}
