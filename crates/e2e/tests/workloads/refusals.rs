//! What holds a pod back, in whose words, and how it heals: checklist §2.10, §2.11, §3.9, §3.10; pods §4, §5, §7.

use std::sync::Arc;

use serde_json::json;
use strongroom_e2e::{Options, Pods};

use crate::world::{World, pod, sleeping};

/// A pod that waits, and for what.
struct Waiting {
    name: &'static str,
    spec: &'static str,
    container: &'static str,
    reason: &'static str,
    message: &'static str,
    event: (&'static str, &'static str),
}

const AT_V: &str = "volumeMounts: [{name: v, mountPath: /v}]";

const WAITING: [Waiting; 12] = [
    Waiting {
        name: "env-no-secret",
        spec: "",
        container: "env: [{name: A, valueFrom: {secretKeyRef: {name: late, key: k}}}]",
        reason: "CreateContainerConfigError",
        message: "secret \"late\" not found",
        event: ("Failed", "Error: secret \"late\" not found"),
    },
    Waiting {
        name: "env-no-key",
        spec: "",
        container: "env: [{name: A, valueFrom: {secretKeyRef: {name: there, key: k}}}]",
        reason: "CreateContainerConfigError",
        message: "couldn't find key k in Secret refusals/there",
        event: ("Failed", "Error: couldn't find key k in Secret refusals/there"),
    },
    Waiting {
        name: "from-no-secret",
        spec: "",
        container: "envFrom: [{secretRef: {name: late}}]",
        reason: "CreateContainerConfigError",
        message: "secret \"late\" not found",
        event: ("Failed", "Error: secret \"late\" not found"),
    },
    Waiting {
        name: "env-no-map",
        spec: "",
        container: "env: [{name: A, valueFrom: {configMapKeyRef: {name: late, key: k}}}]",
        reason: "CreateContainerConfigError",
        message: "configmap \"late\" not found",
        event: ("Failed", "Error: configmap \"late\" not found"),
    },
    Waiting {
        name: "env-no-map-key",
        spec: "",
        container: "env: [{name: A, valueFrom: {configMapKeyRef: {name: there, key: k}}}]",
        reason: "CreateContainerConfigError",
        message: "couldn't find key k in ConfigMap refusals/there",
        event: ("Failed", "Error: couldn't find key k in ConfigMap refusals/there"),
    },
    Waiting {
        name: "volume-no-secret",
        spec: "volumes: [{name: v, secret: {secretName: late}}]",
        container: AT_V,
        reason: "ContainerCreating",
        message: "",
        event: (
            "FailedMount",
            "MountVolume.SetUp failed for volume \"v\" : secret \"late\" not found",
        ),
    },
    Waiting {
        name: "volume-no-key",
        spec: "volumes: [{name: v, secret: {secretName: there, items: [{key: k, path: p}]}}]",
        container: AT_V,
        reason: "ContainerCreating",
        message: "",
        event: (
            "FailedMount",
            "MountVolume.SetUp failed for volume \"v\" : references non-existent secret key: k",
        ),
    },
    Waiting {
        name: "projected-no-secret",
        spec: "volumes: [{name: v, projected: {sources: [{secret: {name: late}}]}}]",
        container: AT_V,
        reason: "ContainerCreating",
        message: "",
        event: (
            "FailedMount",
            "MountVolume.SetUp failed for volume \"v\" : secret \"late\" not found",
        ),
    },
    Waiting {
        name: "projected-no-key",
        spec: "volumes: [{name: v, projected: {sources: [{secret: {name: there, items: [{key: k, path: p}]}}]}}]",
        container: AT_V,
        reason: "ContainerCreating",
        message: "",
        event: (
            "FailedMount",
            "MountVolume.SetUp failed for volume \"v\" : references non-existent secret key: k",
        ),
    },
    Waiting {
        name: "two-missing",
        spec: "volumes: [{name: v, projected: {sources: [{secret: {name: late}}, {configMap: {name: late}}]}}]",
        container: AT_V,
        reason: "ContainerCreating",
        message: "",
        event: (
            "FailedMount",
            "MountVolume.SetUp failed for volume \"v\" : [secret \"late\" not found, configmap \"late\" not found]",
        ),
    },
    Waiting {
        name: "map-no-key",
        spec: "volumes: [{name: v, configMap: {name: there, items: [{key: k, path: p}]}}]",
        container: AT_V,
        reason: "ContainerCreating",
        message: "",
        event: (
            "FailedMount",
            "MountVolume.SetUp failed for volume \"v\" : configmap references non-existent config key: k",
        ),
    },
    Waiting {
        name: "no-sub-path-variable",
        spec: "volumes: [{name: v, secret: {secretName: there}}]",
        container: "env: [{name: A, valueFrom: {secretKeyRef: {name: there, key: k, optional: true}}}]\n\
                    volumeMounts: [{name: v, mountPath: /v, subPathExpr: $(A)}]",
        reason: "CreateContainerConfigError",
        message: "missing value for A",
        event: ("Failed", "Error: missing value for A"),
    },
];

#[test]
fn what_is_missing_is_named_and_its_arrival_heals() {
    let world = World::new("refusals");
    world.secret("there", &[("other", "x")]);
    world.config_map("there", &[("other", "x")]);
    let manifests: Vec<String> = WAITING
        .iter()
        .map(|case| sleeping(case.name, case.spec, case.container))
        .collect();
    world.apply(&manifests.join("---\n"));
    let mut failures = Vec::new();
    for case in &WAITING {
        let message = world.waits_for(case.name, case.reason);
        if message != case.message {
            failures.push(format!("{}: {message}", case.name));
        }
        let (reason, message) = case.event;
        let event = world.event(case.name, reason, message);
        if event["type"] != "Warning" || event["source"]["component"] != "kubelet" {
            failures.push(format!("{}: {event}", case.name));
        }
        let field = &event["involvedObject"]["fieldPath"];
        let expect = if reason == "Failed" {
            json!("spec.containers{c}")
        } else {
            json!(null)
        };
        if *field != expect {
            failures.push(format!("{}: fieldPath {field}", case.name));
        }
        let pod = world.get("pods", case.name).expect("a pod");
        let status = &pod["status"];
        let condition = |kind: &str| {
            let list = status["conditions"].as_array().cloned().unwrap_or_default();
            let found = list.into_iter().find(|condition| condition["type"] == kind);
            found.map_or("none".to_owned(), |found| {
                [&found["status"], &found["reason"], &found["message"]]
                    .iter()
                    .filter_map(|part| part.as_str())
                    .collect::<Vec<_>>()
                    .join(" ")
            })
        };
        let has_sandbox = if reason == "Failed" { "True" } else { "False" };
        for (kind, expect) in [
            ("PodReadyToStartContainers", has_sandbox),
            ("Initialized", "True"),
            (
                "Ready",
                "False ContainersNotReady containers with unready status: [c]",
            ),
            (
                "ContainersReady",
                "False ContainersNotReady containers with unready status: [c]",
            ),
            ("PodScheduled", "True"),
        ] {
            if condition(kind) != expect {
                failures.push(format!(
                    "{}: {kind} is {:?}, not {expect:?}",
                    case.name,
                    condition(kind)
                ));
            }
        }
        if status["phase"] != "Pending" || status["containerStatuses"][0]["restartCount"] != 0 {
            failures.push(format!("{}: {status}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    world.secret("late", &[("k", "v")]);
    world.config_map("late", &[("k", "v")]);
    for resource in ["secrets", "configmaps"] {
        let field = if resource == "secrets" {
            "stringData"
        } else {
            "data"
        };
        world
            .merge(&format!("{resource}/there"), &json!({field: {"k": "v"}}))
            .expect(200);
    }
    for case in &WAITING {
        let pod = world.ready(case.name);
        assert_eq!(
            pod["status"]["containerStatuses"][0]["restartCount"], 0,
            "{}",
            case.name
        );
    }
}

#[test]
fn images_that_cannot_be_had() {
    let world = World::new("images");
    let manifest = |name: &str, image: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers:\n  - {{name: c, image: \"{image}\"{more}}}\n"
        )
    };
    world.apply(
        &[
            manifest("never", "example.com/none:1", ", imagePullPolicy: Never"),
            manifest("nowhere", "127.0.0.1:9/none:1", ""),
            manifest("no-name", "127.0.0.1:9/None::", ""),
        ]
        .join("---\n"),
    );
    let never = "Container image \"example.com/none:1\" is not present with pull policy of Never";
    assert_eq!(world.waits_for("never", "ErrImageNeverPull"), never);
    world.event("never", "ErrImageNeverPull", never);
    world.event("never", "Failed", "Error: ErrImageNeverPull");
    let message = world.waits_for("nowhere", "ImagePullBackOff");
    assert!(
        message.starts_with("Back-off pulling image \"127.0.0.1:9/none:1\": ErrImagePull: "),
        "{message}"
    );
    world.event("nowhere", "Pulling", "Pulling image \"127.0.0.1:9/none:1\"");
    world.event(
        "nowhere",
        "BackOff",
        "Back-off pulling image \"127.0.0.1:9/none:1\"",
    );
    world.event("nowhere", "Failed", "Error: ErrImagePull");
    world.event("nowhere", "Failed", "Error: ImagePullBackOff");
    world.until("the reason of the failed pull", || {
        let events = world.events("nowhere");
        events
            .iter()
            .any(|event| {
                let text = event["message"].as_str().unwrap_or_default();
                text.starts_with("Failed to pull image \"127.0.0.1:9/none:1\": ")
                    && event["type"] == "Warning"
            })
            .then_some(())
    });
    world.waits_for("no-name", "InvalidImageName");
    // The states by turns: a log asked for meanwhile is refused in the kubelet's words.
    let error = world.kubectl_fails(&["logs", "nowhere"]);
    assert!(
        error.contains(
            "container \"c\" in pod \"nowhere\" is waiting to start: trying and failing to pull image"
        ) || error.contains("container \"c\" in pod \"nowhere\" is waiting to start: image can't be pulled"),
        "{error}"
    );
}

/// Pods §5.1, §6: the reasons of containers that do not run.
#[test]
fn containers_that_cannot_be_started() {
    let world = World::new("not-started");
    world.apply(&format!(
        "{}---\n{}---\n{}",
        pod("crash", "restartPolicy: Always", "command: [sh, -c, exit 3]"),
        pod("no-program", "", "command: [/does/not/exist]"),
        pod(
            "not-root",
            "securityContext: {runAsNonRoot: true}",
            "command: [\"true\"]"
        ),
    ));
    let uid = |pod: &str| {
        world.get("pods", pod).expect("a pod")["metadata"]["uid"]
            .as_str()
            .expect("a uid")
            .to_owned()
    };
    assert_eq!(
        world.waits_for("crash", "CrashLoopBackOff"),
        format!(
            "back-off 10s restarting failed container=c pod=crash_not-started({})",
            uid("crash")
        )
    );
    let crash = world.get("pods", "crash").expect("a pod");
    assert_eq!(crash["status"]["phase"], "Running");
    assert_eq!(
        crash["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"],
        3
    );
    world.event(
        "crash",
        "BackOff",
        &format!(
            "Back-off restarting failed container c in pod crash_not-started({})",
            uid("crash")
        ),
    );
    assert_eq!(
        world.waits_for("not-root", "CreateContainerConfigError"),
        format!(
            "container has runAsNonRoot and image will run as root (pod: \"not-root_not-started({})\", container: c)",
            uid("not-root")
        )
    );
    let failed = world.in_phase("no-program", "Failed");
    let state = &failed["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(state["exitCode"], 128, "{state}");
    assert_eq!(state["reason"], "StartError", "{state}");
}

/// The reference document's rule and its event, for those who choose it; the document's own example.
#[test]
fn names_that_are_skipped_in_strict_mode() {
    let cluster = Arc::new(Pods::start_with(Options::with_arguments(&[
        "--env-names",
        "strict",
    ])));
    let world = World::on(cluster, "strict");
    world.secret(
        "mysecret",
        &[
            ("1badkey", "a"),
            ("2alsobad", "b"),
            ("good", "c"),
            ("also.good-1", "d"),
        ],
    );
    world.apply(&pod(
        "dapi-test-pod",
        "",
        "command: [/bin/busybox, awk, \"BEGIN { for (n in ENVIRON) if (n ~ /bad|good/) print n | \\\"/bin/busybox sort\\\" }\"]\n\
         envFrom: [{secretRef: {name: mysecret}}]",
    ));
    world.in_phase("dapi-test-pod", "Succeeded");
    assert_eq!(world.log("dapi-test-pod", "c"), "also.good-1\ngood\n");
    let event = world.event(
        "dapi-test-pod",
        "InvalidEnvironmentVariableNames",
        "Keys [1badkey, 2alsobad] from the EnvFrom secret strict/mysecret were skipped since they are considered invalid environment variable names.",
    );
    assert_eq!(event["type"], "Warning");
    assert!(
        world
            .kubectl(&["get", "events"])
            .contains("InvalidEnvironmentVariableNames")
    );
}

/// A value with a NUL cannot be a variable; others are not harmed.
#[test]
fn a_nul_in_a_variable() {
    let world = World::new("nul");
    world.secret("s", &[("k", "a\u{0}b")]);
    world.apply(&format!(
        "{}---\n{}",
        sleeping(
            "by-env",
            "",
            "env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]"
        ),
        sleeping("by-file", "volumes: [{name: v, secret: {secretName: s}}]", AT_V,),
    ));
    world.ready("by-file");
    assert_eq!(world.sh("by-file", "wc -c < /v/k"), "3\n");
    // Kubernetes leaves it to the runtime (`setenv: invalid argument`); here it is said before, and which one it is.
    let message = world.waits_for("by-env", "CreateContainerConfigError");
    assert_eq!(
        message,
        "value of environment variable \"A\" contains a NUL byte: invalid argument"
    );
    let text = world.overview();
    assert!(!text.contains("a\u{0}b") && !text.contains("a\\u0000b"), "{text}");
}

/// Pods §2, §9, §11: what the API refuses at once.
#[test]
fn what_is_no_pod_at_all() {
    let world = World::new("no-pod");
    let with = |volume: serde_json::Value| json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "busybox", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}], "volumes": [volume]}});
    for (body, expect) in [
        (
            with(json!({"name": "v", "secret": {}})),
            "spec.volumes[0].secret.secretName: Required value",
        ),
        (
            with(json!({"name": "v", "secret": {"secretName": "s", "defaultMode": 1000}})),
            "spec.volumes[0].secret.defaultMode: Invalid value: 1000: must be a number between 0 and 0777 (octal), both inclusive",
        ),
        (
            with(
                json!({"name": "v", "secret": {"secretName": "s", "items": [{"key": "k", "path": "../up"}]}}),
            ),
            "must not contain '..'",
        ),
        (
            with(
                json!({"name": "v", "secret": {"secretName": "s", "items": [{"key": "k", "path": "/abs"}]}}),
            ),
            "must be a relative path",
        ),
        (
            with(json!({"name": "w", "secret": {"secretName": "s"}})),
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
        ),
    ] {
        let reply = world.post("pods", &body).expect(422);
        let message = reply["message"].as_str().unwrap_or_default();
        assert!(message.contains(expect), "{message}");
    }
    let mut body = with(json!({"name": "v", "secret": {"secretName": "s"}}));
    body["spec"]["serviceAccountName"] = json!("nobody");
    let reply = world.post("pods", &body).expect(403);
    assert_eq!(
        reply["message"],
        "pods \"p\" is forbidden: error looking up service account no-pod/nobody: serviceaccount \"nobody\" not found"
    );
}
