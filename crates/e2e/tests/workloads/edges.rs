//! What is rare but happens: pods that end while they wait, names that come again, many pods of one Secret, paths that
//! collide, and every kubectl.

use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_e2e::{BUSYBOX, Kubectl, python};

use crate::world::{World, sleeping};

const AT_V: &str = "volumeMounts: [{name: v, mountPath: /v}]";

/// A pod that waits for a Secret is deleted at once, and one of its name may follow.
#[test]
fn a_waiting_pod_is_deleted_and_made_again() {
    let world = World::new("made-again");
    let manifests = format!(
        "{}---\n{}",
        sleeping(
            "by-volume",
            "volumes: [{name: v, secret: {secretName: late}}]",
            AT_V
        ),
        sleeping(
            "by-env",
            "",
            "env: [{name: A, valueFrom: {secretKeyRef: {name: late, key: k}}}]"
        ),
    );
    world.apply(&manifests);
    world.waits_for("by-volume", "ContainerCreating");
    world.waits_for("by-env", "CreateContainerConfigError");
    let begun = Instant::now();
    world.kubectl(&["delete", "pod", "by-volume", "by-env"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    world.secret("late", &[("k", "one")]);
    world.apply(&manifests);
    let first = world.ready("by-volume");
    assert_eq!(world.sh("by-volume", "cat /v/k"), "one");
    // By force: the API forgets it at once, the next of its name is another pod with its own files.
    world.kubectl(&["delete", "pod", "by-volume", "--force", "--grace-period=0"]);
    world
        .merge("secrets/late", &json!({"stringData": {"k": "two"}}))
        .expect(200);
    world.apply(&manifests);
    let second = world.ready("by-volume");
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    assert_eq!(world.sh("by-volume", "cat /v/k"), "two");
    world.until("the files of the first are gone", || {
        (!world.pods.volume(&first, "kubernetes.io~secret", "v").exists()).then_some(())
    });
}

/// Init containers, sidecars and regular ones see the same files, each only what it mounts.
#[test]
fn every_kind_of_container() {
    let world = World::new("kinds");
    world.secret("a", &[("k", "of a")]);
    world.secret("b", &[("k", "of b")]);
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: p}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  initContainers:
  - name: init
    image: {BUSYBOX}
    command: [sh, -c, "cat /a/k; ls /b 2>&1; echo $K"]
    env: [{{name: K, valueFrom: {{secretKeyRef: {{name: b, key: k}}}}}}]
    volumeMounts: [{{name: a, mountPath: /a}}]
  - name: side
    image: {BUSYBOX}
    restartPolicy: Always
    command: [sh, -c, "cat /b/k; trap 'exit 0' TERM; while :; do sleep 1; done"]
    volumeMounts: [{{name: b, mountPath: /b}}]
  containers:
  - name: c
    image: {BUSYBOX}
    securityContext: {{readOnlyRootFilesystem: true, runAsUser: 1000}}
    command: [sh, -c, "cat /deep/er/a/k /deep/b/k; env | grep -c ^K=; touch /x 2>&1"]
    volumeMounts: [{{name: a, mountPath: /deep/er/a}}, {{name: b, mountPath: /deep/b}}]
  volumes:
  - {{name: a, secret: {{secretName: a}}}}
  - {{name: b, secret: {{secretName: b}}}}
"#
    ));
    // Sidecars end after the others, and only then is their last line, which has no end, in the log.
    world.in_phase("p", "Failed");
    assert_eq!(
        world.log("p", "init"),
        "of als: /b: No such file or directory\nof b\n"
    );
    assert_eq!(world.log("p", "side"), "of b");
    assert_eq!(
        world.log("p", "c"),
        "of aof b0\ntouch: /x: Read-only file system\n"
    );
}

/// One Secret in many volumes.
#[test]
fn many_pods_of_one_secret() {
    let world = World::new("many");
    world.secret("s", &[("k", "one")]);
    let names: Vec<String> = (0..10).map(|number| format!("p{number}")).collect();
    let manifests: Vec<String> = names
        .iter()
        .map(|name| sleeping(name, "volumes: [{name: v, secret: {secretName: s}}]", AT_V))
        .collect();
    world.apply(&manifests.join("---\n"));
    let files: Vec<_> = names
        .iter()
        .map(|name| {
            world
                .pods
                .volume(&world.ready(name), "kubernetes.io~secret", "v")
                .join("k")
        })
        .collect();
    world
        .merge("secrets/s", &json!({"stringData": {"k": "two"}}))
        .expect(200);
    let begun = Instant::now();
    for file in &files {
        while std::fs::read_to_string(file).expect("never missing") != "two" {
            assert!(begun.elapsed() < Duration::from_secs(10), "{}", file.display());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    println!("ten volumes took {:?}", begun.elapsed());
    world.kubectl(&["delete", "pods", "--all"]);
    world.until("no file is left", || {
        files.iter().all(|file| !file.exists()).then_some(())
    });
}

/// A file where another source wants a directory: the pod waits and says so; a Secret without the one heals it.
#[test]
fn paths_that_collide() {
    let world = World::new("collide");
    world.secret("s", &[("dir", "a file"), ("k", "v")]);
    world.apply(&sleeping(
        "p",
        "volumes: [{name: v, projected: {sources: [{secret: {name: s, optional: true, items: [{key: dir, path: dir}]}}, {secret: {name: s, items: [{key: k, path: dir/k}]}}]}}]",
        AT_V,
    ));
    world.until("the event", || {
        let events = world.events("p");
        let failed = |event: &serde_json::Value| {
            event["reason"] == "FailedMount"
                && event["message"]
                    .as_str()
                    .is_some_and(|text| text.starts_with("MountVolume.SetUp failed for volume \"v\" : "))
        };
        events.iter().any(failed).then_some(())
    });
    world
        .merge("secrets/s", &json!({"data": {"dir": null}}))
        .expect(200);
    world.ready("p");
    assert_eq!(world.sh("p", "cat /v/dir/k"), "v");
}

/// A whole directory by subPath stays as it was when the container started.
#[test]
fn a_directory_by_sub_path_stays() {
    let world = World::new("sub-directory");
    world.secret("s", &[("k", "one")]);
    world.apply(&sleeping(
        "p",
        "volumes: [{name: v, secret: {secretName: s, items: [{key: k, path: d/f}]}}]",
        "volumeMounts: [{name: v, mountPath: /d, subPath: d}, {name: v, mountPath: /v}]",
    ));
    world.ready("p");
    assert_eq!(world.sh("p", "cat /d/f"), "one");
    world
        .merge("secrets/s", &json!({"stringData": {"k": "two"}}))
        .expect(200);
    world.until("the update", || {
        (world.sh("p", "cat /v/d/f") == "two").then_some(())
    });
    // Kubernetes deletes the old files below the mount and leaves an empty directory; either is no mixture.
    let now = world.sh("p", "cat /d/f 2>/dev/null; true");
    assert!(now == "one" || now.is_empty(), "{now}");
}

/// The names and values that the API allows, as files.
#[test]
fn long_names_and_many_keys() {
    let world = World::new("long-names");
    let long = "k".repeat(253);
    let mut data = serde_json::Map::new();
    data.insert(long.clone(), json!("v"));
    data.insert("...three".to_owned(), json!("v"));
    for number in 0..500 {
        data.insert(format!("key-{number}"), json!("x"));
    }
    let made = world.post("secrets", &json!({"metadata": {"name": "s"}, "stringData": data}));
    if made.status == 422 {
        // Keys that begin with two dots are refused by the API, as files of that name are the writer's own.
        data.remove("...three");
        world
            .post("secrets", &json!({"metadata": {"name": "s"}, "stringData": data}))
            .expect(201);
    }
    world.apply(&sleeping(
        "p",
        "volumes: [{name: v, secret: {secretName: s}}]",
        AT_V,
    ));
    world.ready("p");
    assert_eq!(
        world.sh("p", &format!("ls /v | wc -l; cat /v/{long}")),
        format!("{}\nv", data.len())
    );
}

/// SPDY and WebSocket clients: what they print and how they end.
#[test]
fn every_kubectl_reads_logs_and_runs_commands() {
    let world = World::new("every-kubectl");
    world.secret("s", &[("k", "v")]);
    world.apply(&sleeping(
        "p",
        "volumes: [{name: v, secret: {secretName: s}}]",
        AT_V,
    ));
    world.ready("p");
    for version in ["1.20", "1.32", "1.36"] {
        let kubectl = Kubectl::new(version, &world.pods.server);
        let run = |words: &[&str], input: &str| {
            kubectl.run_with(&[&["-n", "every-kubectl"], words].concat(), input, &[])
        };
        let ran = run(
            &["exec", "p", "--", "sh", "-c", "cat /v/k; echo e >&2; exit 3"],
            "",
        );
        assert_eq!((ran.code, ran.stdout.as_str()), (3, "v"), "{ran:?}");
        assert!(
            ran.stderr.starts_with("e\n") && ran.stderr.contains("exit code 3"),
            "{ran:?}"
        );
        let ran = run(&["exec", "-i", "p", "--", "wc", "-c"], "twelve bytes");
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "12\n"), "{ran:?}");
        let ran = run(&["exec", "p", "-c", "none", "--", "true"], "");
        assert!(
            ran.code != 0 && ran.stderr.contains("container none is not valid for pod p"),
            "{ran:?}"
        );
        let ran = run(&["logs", "p", "-c", "none"], "");
        assert!(
            ran.code != 0 && ran.stderr.contains("container none is not valid for pod p"),
            "{ran:?}"
        );
        let ran = run(&["cp", "p:/v/..data/k", &format!("copied-{version}")], "");
        assert_eq!(ran.code, 0, "{ran:?}");
        let copied = std::fs::read_to_string(kubectl.home().join(format!("copied-{version}")));
        assert_eq!(copied.expect("a copy"), "v");
    }
}

/// The official Python client speaks an older dialect of WebSocket streams.
#[test]
fn the_python_client_reads_logs_and_runs_commands() {
    const SCRIPT: &str = r#"
import sys
from kubernetes import client, config
from kubernetes.stream import stream
config.load_kube_config(sys.argv[1])
api = client.CoreV1Api()
namespace = "python-client"
api.create_namespaced_secret(namespace, client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"k": "value"}))
volume = client.V1Volume(name="v", secret=client.V1SecretVolumeSource(secret_name="s", default_mode=0o400))
container = client.V1Container(name="c", image=sys.argv[2], command=["sh", "-c", "echo begun; trap 'exit 0' TERM; while :; do sleep 1; done"],
    volume_mounts=[client.V1VolumeMount(name="v", mount_path="/v")])
spec = client.V1PodSpec(containers=[container], volumes=[volume], termination_grace_period_seconds=1)
api.create_namespaced_pod(namespace, client.V1Pod(metadata=client.V1ObjectMeta(name="p"), spec=spec))
from kubernetes import watch
for event in watch.Watch().stream(api.list_namespaced_pod, namespace, timeout_seconds=120):
    pod = event["object"]
    if any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or []):
        break
def run(*command, **more):
    return stream(api.connect_get_namespaced_pod_exec, "p", namespace, command=list(command), stdout=True, stderr=True, stdin=False, tty=False, **more)
print(run("cat", "/v/k"))
print(run("stat", "-L", "-c", "%a", "/v/k").strip())
reply = run("sh", "-c", "echo out; echo err >&2; exit 7", _preload_content=False)
reply.run_forever(timeout=30)
print(reply.read_stdout().strip(), reply.read_stderr().strip(), reply.returncode)
print(api.read_namespaced_pod_log("p", namespace).strip())
print(api.read_namespaced_pod("p", namespace).spec.volumes[0].secret.default_mode)
api.delete_namespaced_pod("p", namespace)
"#;
    let world = World::new("python-client");
    let script = world.pods.server.scratch().join("pods.py");
    std::fs::write(&script, SCRIPT).expect("a file");
    let output = std::process::Command::new("timeout")
        .arg("150")
        .arg(python())
        .arg(&script)
        .arg(world.pods.server.kubeconfig())
        .arg(BUSYBOX)
        .output()
        .expect("python runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stdout, "value\n400\nout err 7\nbegun\n256\n", "{stderr}");
}
