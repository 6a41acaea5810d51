//! From the first container to the last.

use serde_json::json;
use strongroom_e2e::{BUSYBOX, Pods};

#[test]
fn init_containers_exit_codes_and_messages() {
    let world = Pods::start();
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: job}}
spec:
  nodeName: {node}
  restartPolicy: Never
  securityContext: {{runAsUser: 1000, fsGroup: 2000}}
  initContainers:
  - name: first
    image: {BUSYBOX}
    command: [sh, -c, "echo one > /work/f"]
    volumeMounts: [{{name: w, mountPath: /work}}]
  - name: beside
    image: {BUSYBOX}
    restartPolicy: Always
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 1; done"]
  containers:
  - name: c
    image: {BUSYBOX}
    command: [sh, -c, "cat /work/f; id -u; id -G; stat -c %u:%g /work; printf done > /dev/termination-log; exit 3"]
    volumeMounts: [{{name: w, mountPath: /work}}]
  volumes:
  - {{name: w, emptyDir: {{medium: Memory}}}}
"#,
        node = world.node
    ));
    let pod = world.in_phase("job", "Failed");
    let terminated = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(terminated["exitCode"], 3);
    assert_eq!(terminated["reason"], "Error");
    assert_eq!(terminated["message"], "done");
    let init = &pod["status"]["initContainerStatuses"][0]["state"]["terminated"];
    assert_eq!(init["exitCode"], 0);
    assert_eq!(world.log_of(&pod, "c"), "one\n1000\n0 2000\n0:2000\n");
    assert_eq!(
        world.kubectl.ok(&["delete", "pod", "job"]),
        "pod \"job\" deleted\n"
    );
}

#[test]
fn probes_hooks_and_restarts() {
    let world = Pods::start();
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: probed}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 5
  containers:
  - name: c
    image: {BUSYBOX}
    command: [sh, -c, "mkdir -p /www; touch /www/alive; sleep 1; echo ok > /www/ready; httpd -f -p 8080 -h /www"]
    ports: [{{containerPort: 8080, name: web}}]
    readinessProbe: {{httpGet: {{path: /ready, port: web}}, periodSeconds: 1}}
    livenessProbe: {{exec: {{command: [test, -f, /www/alive]}}, periodSeconds: 1, failureThreshold: 1, initialDelaySeconds: 2}}
    lifecycle:
      postStart: {{exec: {{command: [sh, -c, "echo hook > /tmp/hook"]}}}}
"#,
        node = world.node
    ));
    let pod = world.ready("probed");
    assert_eq!(
        world.run_in(&pod, "c", &["cat", "/tmp/hook"]).as_deref(),
        Some("hook\n")
    );
    assert_eq!(pod["status"]["containerStatuses"][0]["started"], json!(true));
    world.run_in(&pod, "c", &["rm", "/www/alive"]);
    world.until("the restart", || {
        let pod = world.get("pod", "probed")?;
        (pod["status"]["containerStatuses"][0]["restartCount"] == 1).then_some(())
    });
    world.ready("probed");
    assert!(
        world
            .events("probed", "Killing")
            .contains(&"Container c failed liveness probe, will be restarted".to_owned())
    );
}

#[test]
fn what_others_say_of_a_pod_is_heard_at_once() {
    let world = Pods::start();
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: gated}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  readinessGates: [{{conditionType: example.com/ready}}]
  containers:
  - {{name: c, image: "{BUSYBOX}", command: [sleep, "100000"]}}
"#,
        node = world.node
    ));
    world.in_phase("gated", "Running");
    let said = |patch: &str| {
        let arguments = [
            "patch",
            "pod",
            "gated",
            "--subresource=status",
            "--type=merge",
            "-p",
        ];
        world.kubectl.ok(&[&arguments[..], &[patch]].concat());
    };
    let ready = || {
        let pod = world.get("pod", "gated")?;
        let conditions = pod["status"]["conditions"].as_array()?.clone();
        let ready = conditions
            .into_iter()
            .find(|condition| condition["type"] == "Ready")?;
        Some(ready["status"].as_str()?.to_owned())
    };
    assert_eq!(ready().as_deref(), Some("False"));
    let pod = world.get("pod", "gated").unwrap();
    let mut conditions = pod["status"]["conditions"].clone();
    let gate = json!({"type": "example.com/ready", "status": "True"});
    conditions.as_array_mut().unwrap().push(gate);
    said(&json!({"status": {"conditions": conditions}}).to_string());
    world.until("the gate is heard of", || (ready()? == "True").then_some(()));

    // Somebody else ends it: its containers end, too.
    said(r#"{"status": {"phase": "Failed", "reason": "Evicted"}}"#);
    world.until("its container is stopped", || {
        let pod = world.get("pod", "gated")?;
        pod["status"]["containerStatuses"][0]["state"]["terminated"]
            .is_object()
            .then_some(())
    });
    world.kubectl.ok(&["delete", "pod", "gated"]);
}

#[test]
fn containers_that_end_are_started_again() {
    let world = Pods::start();
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: crash}}
spec:
  nodeName: {node}
  containers:
  - {{name: c, image: "{BUSYBOX}", command: [sh, -c, "exit 1"]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: nowhere}}
spec:
  nodeName: {node}
  containers:
  - {{name: c, image: "127.0.0.1:9/none:1"}}
---
apiVersion: v1
kind: Pod
metadata: {{name: never}}
spec:
  nodeName: {node}
  containers:
  - {{name: c, image: "example.com/none:1", imagePullPolicy: Never}}
"#,
        node = world.node
    ));
    let message = world.waits_for("crash", "CrashLoopBackOff");
    assert!(
        message.starts_with("back-off 10s restarting failed container=c pod=crash_default("),
        "{message}"
    );
    let message = world.waits_for("nowhere", "ImagePullBackOff");
    assert!(
        message.starts_with("Back-off pulling image \"127.0.0.1:9/none:1\": ErrImagePull: "),
        "{message}"
    );
    assert_eq!(
        world.waits_for("never", "ErrImageNeverPull"),
        "Container image \"example.com/none:1\" is not present with pull policy of Never"
    );
    world.kubectl.ok(&["delete", "pod", "--all"]);
}

#[test]
fn host_network_host_ports_limits_and_users() {
    let world = Pods::start();
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: on-host}}
spec:
  nodeName: {node}
  hostNetwork: true
  restartPolicy: Never
  containers:
  - {{name: c, image: "{BUSYBOX}", command: [sh, -c, "ls -d /sys/class/net/lo; head -1 /etc/hosts"]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: greedy}}
spec:
  nodeName: {node}
  restartPolicy: Never
  containers:
  - name: c
    image: {BUSYBOX}
    command: [sh, -c, "x=aaaa; while :; do x=$x$x; done"]
    resources: {{limits: {{memory: 16Mi}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: root}}
spec:
  nodeName: {node}
  securityContext: {{runAsNonRoot: true}}
  containers:
  - {{name: c, image: "{BUSYBOX}", command: [sleep, "1"]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: confined}}
spec:
  nodeName: {node}
  restartPolicy: Never
  containers:
  - name: c
    image: {BUSYBOX}
    command: [sh, -c, "id -u; touch /x 2>&1; grep -E 'CapEff|NoNewPrivs' /proc/self/status; cat /proc/keys 2>/dev/null | wc -c"]
    securityContext:
      runAsUser: 1234
      runAsGroup: 5678
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: {{drop: [ALL]}}
      seccompProfile: {{type: RuntimeDefault}}
"#,
        node = world.node
    ));
    let pod = world.in_phase("on-host", "Succeeded");
    assert_eq!(
        world.log_of(&pod, "c"),
        "/sys/class/net/lo\n# Kubernetes-managed hosts file (host network).\n"
    );
    assert_eq!(pod["status"]["podIP"], pod["status"]["hostIP"]);
    let pod = world.in_phase("greedy", "Failed");
    let terminated = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(terminated["reason"], "OOMKilled");
    assert_eq!(terminated["exitCode"], 137);
    let message = world.waits_for("root", "CreateContainerConfigError");
    assert!(
        message.starts_with("container has runAsNonRoot and image will run as root (pod: \"root_default("),
        "{message}"
    );
    let pod = world.in_phase("confined", "Succeeded");
    assert_eq!(
        world.log_of(&pod, "c"),
        "1234\ntouch: /x: Read-only file system\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n0\n"
    );
    world.kubectl.ok(&["delete", "pod", "--all", "--grace-period=1"]);
}
