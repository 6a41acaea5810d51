//! How a Secret reaches a container.

use std::time::{Duration, Instant};

use strongroom_e2e::{BASH, BUSYBOX, Options, Pods};

#[test]
fn files_and_variables_and_a_live_update() {
    let mut world = Pods::start();
    world.kubectl.ok(&[
        "create",
        "secret",
        "generic",
        "login",
        "--from-literal=username=app",
        "--from-literal=password=first",
    ]);
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: reader}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {BUSYBOX}
    command: [sleep, "1000"]
    env:
    - name: USERNAME
      valueFrom: {{secretKeyRef: {{name: login, key: username}}}}
    - {{name: GREETING, value: "hello $(USERNAME)"}}
    envFrom:
    - {{prefix: L_, secretRef: {{name: login}}}}
    volumeMounts:
    - {{name: files, mountPath: /etc/login}}
    - {{name: files, mountPath: /etc/one, subPath: password}}
    - {{name: some, mountPath: /etc/some}}
  volumes:
  - name: files
    secret: {{secretName: login, defaultMode: 0400}}
  - name: some
    projected:
      sources:
      - secret: {{name: login, items: [{{key: username, path: dir/user}}]}}
      - downwardAPI: {{items: [{{path: name, fieldRef: {{fieldPath: metadata.name}}}}]}}
"#,
        node = world.node
    ));
    let pod = world.ready("reader");
    let sh = |line: &str| world.run_in(&pod, "c", &["sh", "-c", line]).unwrap_or_default();
    for (line, expect) in [
        ("cat /etc/login/password", "first"),
        ("stat -c %a /etc/login/..data/password", "400\n"),
        ("readlink /etc/login/password", "..data/password\n"),
        ("cat /etc/one", "first"),
        ("cat /etc/some/dir/user /etc/some/name", "appreader"),
        ("echo $USERNAME $GREETING $L_password", "app hello app first\n"),
        ("touch /etc/login/x 2>&1 | grep -c Read-only", "1\n"),
        (
            "cat /var/run/secrets/kubernetes.io/serviceaccount/namespace",
            "default",
        ),
        (
            "cut -d. -f1 /var/run/secrets/kubernetes.io/serviceaccount/token | grep -c ^ey",
            "1\n",
        ),
        ("hostname", "reader\n"),
    ] {
        assert_eq!(sh(line), expect, "{line}");
    }
    let volume = world.volume(&pod, "kubernetes.io~secret", "files");
    let begun = Instant::now();
    world.kubectl.ok(&[
        "patch",
        "secret",
        "login",
        "-p",
        r#"{"stringData":{"password":"second"}}"#,
    ]);
    let patched = begun.elapsed();
    while std::fs::read_to_string(volume.join("password")).expect("never missing") != "second" {
        assert!(begun.elapsed() < patched + Duration::from_secs(1), "not updated");
    }
    assert_eq!(sh("cat /etc/login/password"), "second");
    assert_eq!(sh("cat /etc/one"), "first", "a subPath stays as it was");
    assert_eq!(sh("echo $L_password"), "first\n", "so does the environment");
    world.kubectl.ok(&["delete", "pod", "reader"]);
    world.until("nothing is left", || {
        let pods = std::fs::read_dir(world.root_dir().join("pods"))
            .map(Iterator::count)
            .ok();
        (world.mounts().is_empty() && pods == Some(0)).then_some(())
    });
    world.server.assert_healthy();
}

#[test]
fn what_is_missing_holds_the_pod_back_until_it_is_there() {
    let world = Pods::start();
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: by-env}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {BUSYBOX}
    command: [sleep, "1000"]
    env: [{{name: A, valueFrom: {{secretKeyRef: {{name: late, key: a}}}}}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: by-volume}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {BUSYBOX}
    command: [sleep, "1000"]
    volumeMounts: [{{name: v, mountPath: /v}}]
  volumes: [{{name: v, secret: {{secretName: late}}}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: optional}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {BUSYBOX}
    command: [sleep, "1000"]
    volumeMounts: [{{name: v, mountPath: /v}}]
  volumes: [{{name: v, secret: {{secretName: late, optional: true}}}}]
"#,
        node = world.node
    ));
    let optional = world.ready("optional");
    assert_eq!(
        world.waits_for("by-env", "CreateContainerConfigError"),
        "secret \"late\" not found"
    );
    assert_eq!(world.waits_for("by-volume", "ContainerCreating"), "");
    let failed = world.until("the event", || world.events("by-env", "Failed").first().cloned());
    assert_eq!(failed, "Error: secret \"late\" not found");
    let failed = world.until("the event", || {
        world.events("by-volume", "FailedMount").first().cloned()
    });
    assert_eq!(
        failed,
        "MountVolume.SetUp failed for volume \"v\" : secret \"late\" not found"
    );
    assert_eq!(
        world.run_in(&optional, "c", &["ls", "/v"]).as_deref(),
        Some(""),
        "an optional volume is empty"
    );
    world
        .kubectl
        .ok(&["create", "secret", "generic", "late", "--from-literal=a=b"]);
    let by_env = world.ready("by-env");
    let by_volume = world.ready("by-volume");
    assert_eq!(
        by_env["status"]["containerStatuses"][0]["restartCount"], 0,
        "no container was lost"
    );
    assert_eq!(
        world.run_in(&by_volume, "c", &["cat", "/v/a"]).as_deref(),
        Some("b")
    );
    world.until("the optional file", || {
        world
            .run_in(&optional, "c", &["cat", "/v/a"])
            .filter(|text| text == "b")
    });
    world.kubectl.ok(&["delete", "secret", "late"]);
    world.until("the optional file is gone", || {
        let listed = world.run_in(&optional, "c", &["ls", "/v"])?;
        listed.is_empty().then_some(())
    });
    assert_eq!(
        world.run_in(&by_volume, "c", &["cat", "/v/a"]).as_deref(),
        Some("b"),
        "the last good files stay"
    );
}

#[test]
fn names_that_are_no_identifiers() {
    for (rule, expect, events) in [("relaxed", "1bad=x\nfine=y\n", 0), ("strict", "fine=y\n", 1)] {
        let world = Pods::start_with(Options::with_arguments(&["--env-names", rule]));
        world.kubectl.ok(&[
            "create",
            "secret",
            "generic",
            "odd",
            "--from-literal=1bad=x",
            "--from-literal=fine=y",
        ]);
        world.apply(&format!(
            r#"
apiVersion: v1
kind: Pod
metadata: {{name: odd}}
spec:
  nodeName: {node}
  restartPolicy: Never
  containers:
  - name: c
    image: {BASH}
    command: [sh, -c, "env | grep -E '^(1bad|fine)=' | sort"]
    envFrom: [{{secretRef: {{name: odd}}}}]
"#,
            node = world.node
        ));
        let pod = world.in_phase("odd", "Succeeded");
        assert_eq!(world.log_of(&pod, "c"), expect, "{rule}");
        let told = world.events("odd", "InvalidEnvironmentVariableNames");
        assert_eq!(told.len(), events, "{rule}: {told:?}");
    }
}
