use serde_json::{Value, json};

use super::*;
use crate::observed::State;
use crate::probes::{Verdict, Verdicts};
use crate::testing::{self, at, exited, record, running, sandbox};

/// A report put together step by step.
struct Scene {
    pod: Pod,
    previous: PodStatus,
    observed: Observed,
    probes: ProbeResults,
    waiting: BTreeMap<String, Waiting>,
    messages: BTreeMap<String, String>,
    life: Life,
    end: Option<End>,
    now: Timestamp,
}

impl Scene {
    fn new(spec: Value) -> Scene {
        Scene {
            pod: testing::pod(spec),
            previous: PodStatus::default(),
            observed: Observed {
                sandboxes: vec![sandbox(0)],
                containers: Vec::new(),
            },
            probes: ProbeResults::default(),
            waiting: BTreeMap::new(),
            messages: BTreeMap::new(),
            life: Life::Wanted,
            end: None,
            now: at(100),
        }
    }

    fn with(mut self, name: &str, attempt: u32, state: State) -> Scene {
        self.observed.containers.push(record(name, attempt, state));
        self
    }

    fn waits(mut self, name: &str, waiting: Waiting) -> Scene {
        self.waiting.insert(name.to_owned(), waiting);
        self
    }

    fn without_sandbox(mut self) -> Scene {
        self.observed.sandboxes.clear();
        self
    }

    fn lives(mut self, life: Life) -> Scene {
        self.life = life;
        self
    }

    fn previous(mut self, status: Value) -> Scene {
        self.previous = testing::read(status);
        self
    }

    fn verdicts(mut self, id: &str, verdicts: Verdicts) -> Scene {
        self.probes.by_id.insert(id.to_owned(), verdicts);
        self
    }

    fn status(&self) -> PodStatus {
        status(&Report {
            pod: &self.pod,
            previous: &self.previous,
            observed: &self.observed,
            probes: &self.probes,
            waiting: &self.waiting,
            termination_messages: &self.messages,
            life: self.life,
            end: self.end.as_ref(),
            node: &testing::node(),
            runtime: "containerd",
            now: self.now,
        })
    }

    fn json(&self) -> Value {
        serde_json::to_value(self.status()).expect("JSON")
    }

    #[track_caller]
    fn phase(&self, expect: &str) {
        assert_eq!(self.status().phase.as_deref(), Some(expect));
    }

    /// `type=status` with `reason` and `message` where there are any.
    fn conditions(&self) -> Vec<String> {
        let show = |condition: &k8s_openapi::api::core::v1::PodCondition| {
            let reason = condition
                .reason
                .as_ref()
                .map(|reason| format!(" {reason}"))
                .unwrap_or_default();
            let message = condition
                .message
                .as_ref()
                .map(|message| format!(": {message}"))
                .unwrap_or_default();
            format!("{}={}{reason}{message}", condition.type_, condition.status)
        };
        self.status().conditions.iter().flatten().map(show).collect()
    }

    fn container(&self, name: &str) -> Value {
        let status = self.json();
        let lists = ["initContainerStatuses", "containerStatuses"];
        let mut all = lists
            .iter()
            .flat_map(|list| status[*list].as_array().cloned().unwrap_or_default());
        all.find(|status| status["name"] == name)
            .expect("a container of that name")
    }
}

fn one(policy: &str) -> Value {
    json!({"restartPolicy": policy, "containers": [{"name": "c", "image": "busybox"}]})
}

fn two(policy: &str) -> Value {
    json!({"restartPolicy": policy, "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]})
}

fn staged(policy: &str) -> Value {
    json!({
        "restartPolicy": policy,
        "initContainers": [{"name": "i", "image": "x"}, {"name": "s", "image": "x", "restartPolicy": "Always"}],
        "containers": [{"name": "c", "image": "x"}],
    })
}

/// §12.2
#[test]
fn a_secret_that_is_missing() {
    let missing = Waiting::config_error(&"secret \"s1\" not found");
    let status = Scene::new(one("Always")).waits("c", missing).json();
    let stamp = |condition: Value| {
        let mut condition = condition;
        condition["lastTransitionTime"] = json!("2026-01-02T03:05:45Z");
        condition["observedGeneration"] = json!(1);
        condition
    };
    let conditions = [
        json!({"type": "PodReadyToStartContainers", "status": "True"}),
        json!({"type": "Initialized", "status": "True"}),
        json!({"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "containers with unready status: [c]"}),
        json!({"type": "ContainersReady", "status": "False", "reason": "ContainersNotReady", "message": "containers with unready status: [c]"}),
        json!({"type": "PodScheduled", "status": "True"}),
    ];
    assert_eq!(
        status,
        json!({
            "phase": "Pending", "qosClass": "BestEffort", "observedGeneration": 1, "startTime": "2026-01-02T03:05:45Z",
            "hostIP": "192.168.0.1", "hostIPs": [{"ip": "192.168.0.1"}, {"ip": "fd00::1"}],
            "podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}],
            "conditions": conditions.map(stamp),
            "containerStatuses": [{
                "name": "c", "ready": false, "started": false, "restartCount": 0, "image": "busybox", "imageID": "",
                "lastState": {},
                "state": {"waiting": {"reason": "CreateContainerConfigError", "message": "secret \"s1\" not found"}},
            }],
        })
    );
    // In a volume: no sandbox yet, and no message.
    let volume = Scene::new(one("Always")).without_sandbox();
    assert_eq!(volume.conditions()[0], "PodReadyToStartContainers=False");
    assert_eq!(
        volume.container("c")["state"],
        json!({"waiting": {"reason": "ContainerCreating"}})
    );
    volume.phase("Pending");
}

/// §5: while nothing has been made.
#[test]
fn default_reasons() {
    let state = |scene: &Scene, name: &str| scene.container(name)["state"]["waiting"]["reason"].clone();
    assert_eq!(state(&Scene::new(one("Always")), "c"), "ContainerCreating");
    let staged_pod = Scene::new(staged("Always"));
    for name in ["i", "s", "c"] {
        assert_eq!(state(&staged_pod, name), "PodInitializing");
    }
    assert_eq!(
        state(&Scene::new(staged("Always")).with("i", 0, running()), "c"),
        "PodInitializing"
    );
    assert_eq!(
        state(&Scene::new(one("Always")).with("c", 0, State::Created), "c"),
        "ContainerCreating"
    );
}

/// §5.1
#[test]
fn waiting_reasons() {
    let pod = testing::pod(one("Always"));
    for (waiting, reason, message) in [
        (Waiting::config_error(&"x"), "CreateContainerConfigError", "x"),
        (
            Waiting::new(crate::waiting::CREATE_CONTAINER_ERROR, "x"),
            "CreateContainerError",
            "x",
        ),
        (
            Waiting::new(crate::waiting::RUN_CONTAINER_ERROR, "x"),
            "RunContainerError",
            "x",
        ),
        (Waiting::image_pull(&"denied"), "ErrImagePull", "denied"),
        (Waiting::of_pull_error("x", "denied"), "ErrImagePull", "denied"),
        (
            Waiting::of_pull_error("x", "RegistryUnavailable: 503"),
            "RegistryUnavailable",
            "image pull failed for x because the registry is unavailable: 503",
        ),
        (
            Waiting::of_pull_error("x", "SignatureValidationFailed"),
            "SignatureValidationFailed",
            "image pull failed for x because the signature validation failed",
        ),
        (
            Waiting::image_pull_back_off("busybox", "denied"),
            "ImagePullBackOff",
            "Back-off pulling image \"busybox\": ErrImagePull: denied",
        ),
        (
            Waiting::image_never_pull("busybox"),
            "ErrImageNeverPull",
            "Container image \"busybox\" is not present with pull policy of Never",
        ),
        (
            Waiting::crash_loop(&pod, "c", 300),
            "CrashLoopBackOff",
            "back-off 5m0s restarting failed container=c pod=p_ns(u1)",
        ),
    ] {
        let scene = Scene::new(one("Always")).waits("c", waiting);
        assert_eq!(
            scene.container("c")["state"],
            json!({"waiting": {"reason": reason, "message": message}})
        );
        scene.phase("Pending");
    }
    let bare = Scene::new(one("Always")).waits("c", Waiting::bare("RegistryUnavailable"));
    assert_eq!(
        bare.container("c")["state"],
        json!({"waiting": {"reason": "RegistryUnavailable"}})
    );
}

#[test]
fn containers_that_ran() {
    let running_container = Scene::new(one("Always")).with("c", 0, running()).container("c");
    assert_eq!(
        running_container,
        json!({"name": "c", "ready": true, "started": true, "restartCount": 0, "image": "busybox", "imageID": "sha256:1",
               "containerID": "containerd://c-0", "lastState": {}, "state": {"running": {"startedAt": "2026-01-02T03:04:06Z"}}})
    );
    let ended = json!({"exitCode": 3, "reason": "Error", "containerID": "containerd://c-0",
                       "startedAt": "2026-01-02T03:04:06Z", "finishedAt": "2026-01-02T03:04:14Z"});
    let crashed = Scene::new(one("Always")).with("c", 0, exited(3, 9));
    assert_eq!(crashed.container("c")["state"]["terminated"], ended);
    crashed.phase("Running");

    // The crash loop: the end moves to lastState.
    let held = crashed.waits("c", Waiting::crash_loop(&testing::pod(one("Always")), "c", 10));
    let shown = held.container("c");
    assert_eq!(
        (
            &shown["lastState"]["terminated"],
            &shown["state"]["waiting"]["reason"]
        ),
        (&ended, &json!("CrashLoopBackOff"))
    );
    assert_eq!(
        (&shown["ready"], &shown["started"], &shown["restartCount"]),
        (&json!(false), &json!(false), &json!(0))
    );
    held.phase("Running");

    let again = Scene::new(one("Always"))
        .with("c", 0, exited(3, 9))
        .with("c", 1, running());
    let shown = again.container("c");
    assert_eq!(
        (&shown["lastState"]["terminated"], &shown["restartCount"]),
        (&ended, &json!(1))
    );
    assert_eq!(shown["containerID"], "containerd://c-1");

    let done = Scene::new(one("Never")).with("c", 0, exited(0, 9));
    assert_eq!(done.container("c")["state"]["terminated"]["reason"], "Completed");
}

#[test]
fn last_words() {
    let mut scene = Scene::new(one("Never"));
    scene.observed.containers.push(record(
        "c",
        0,
        State::Exited {
            code: 137,
            reason: "OOMKilled".to_owned(),
            message: "of the runtime".to_owned(),
            started_at: None,
            finished_at: at(3),
        },
    ));
    let message = |scene: &Scene| scene.container("c")["state"]["terminated"]["message"].clone();
    assert_eq!(scene.container("c")["state"]["terminated"]["reason"], "OOMKilled");
    assert_eq!(message(&scene), "of the runtime");
    scene.messages.insert("c-0".to_owned(), String::new());
    assert_eq!(message(&scene), "of the runtime");
    scene
        .messages
        .insert("c-0".to_owned(), "of the container".to_owned());
    assert_eq!(message(&scene), "of the container");
}

/// §13.11
#[test]
fn what_the_runtime_forgot_is_remembered() {
    let reported = json!({"phase": "Running", "containerStatuses": [{
        "name": "c", "image": "busybox", "imageID": "", "ready": true, "restartCount": 4, "containerID": "containerd://c-4",
        "state": {"running": {"startedAt": "2026-01-02T03:04:06Z"}},
        "lastState": {"terminated": {"exitCode": 7}}}]});
    let lost = json!({"exitCode": 137, "reason": "ContainerStatusUnknown", "containerID": "containerd://c-4",
        "message": "The container could not be located when the pod was deleted.  The container used to be Running"});
    let gone = Scene::new(one("Always")).previous(reported.clone());
    assert_eq!(gone.container("c")["lastState"]["terminated"], lost);
    assert_eq!(gone.container("c")["restartCount"], 4);
    gone.phase("Running");
    let never = Scene::new(one("Never")).previous(reported.clone());
    assert_eq!(never.container("c")["state"]["terminated"], lost);
    never.phase("Failed");
    // The next attempt runs, the one before is gone from the runtime.
    let next = Scene::new(one("Always"))
        .previous(reported.clone())
        .with("c", 4, running());
    assert_eq!(next.container("c")["lastState"]["terminated"]["exitCode"], 7);
    let fewer = Scene::new(one("Always"))
        .previous(reported)
        .with("c", 0, running());
    assert_eq!(fewer.container("c")["restartCount"], 4);
    let ended = json!({"containerStatuses": [{"name": "c", "image": "x", "imageID": "", "ready": false, "restartCount": 0,
        "containerID": "containerd://c-0", "state": {"terminated": {"exitCode": 1}}}]});
    let next = Scene::new(one("Always")).previous(ended).with("c", 1, running());
    assert_eq!(next.container("c")["lastState"]["terminated"]["exitCode"], 1);
}

/// §5.3
#[test]
fn phases() {
    let init_waits = || Scene::new(staged("Always"));
    init_waits().phase("Pending");
    init_waits().with("i", 0, running()).phase("Pending");
    init_waits().with("i", 0, exited(0, 2)).phase("Pending");
    init_waits().with("i", 0, exited(1, 2)).phase("Pending");
    init_waits()
        .with("i", 0, exited(0, 2))
        .with("s", 0, running())
        .phase("Pending");
    init_waits()
        .with("i", 0, exited(0, 2))
        .with("s", 0, running())
        .with("c", 0, running())
        .phase("Running");
    init_waits()
        .with("i", 0, exited(0, 2))
        .with("s", 0, exited(1, 3))
        .with("c", 0, running())
        .phase("Running");
    Scene::new(staged("Never"))
        .with("i", 0, exited(1, 2))
        .phase("Failed");
    Scene::new(staged("OnFailure"))
        .with("i", 0, exited(1, 2))
        .phase("Pending");
    // The init containers' records may be gone once the pod runs.
    Scene::new(staged("Never"))
        .previous(json!({"initContainerStatuses": [{"name": "i", "image": "x", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"terminated": {"exitCode": 0}}}]}))
        .with("s", 0, running())
        .with("c", 0, running())
        .phase("Running");

    let pair = |policy, a, b| Scene::new(two(policy)).with("a", 0, a).with("b", 0, b);
    Scene::new(two("Always")).with("a", 0, running()).phase("Pending");
    pair("Always", running(), running()).phase("Running");
    pair("Never", running(), exited(1, 2)).phase("Running");
    pair("Never", exited(0, 2), exited(0, 2)).phase("Succeeded");
    pair("Never", exited(0, 2), exited(1, 2)).phase("Failed");
    pair("OnFailure", exited(0, 2), exited(0, 2)).phase("Succeeded");
    pair("OnFailure", exited(0, 2), exited(1, 2)).phase("Running");
    pair("Always", exited(0, 2), exited(0, 2)).phase("Running");
    pair("Always", exited(0, 2), exited(0, 2))
        .lives(Life::Ended)
        .phase("Succeeded");
    pair("Always", exited(0, 2), exited(1, 2))
        .lives(Life::Ended)
        .phase("Failed");
    let own = json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "x", "restartPolicy": "OnFailure"}]});
    Scene::new(own.clone())
        .with("c", 0, exited(1, 2))
        .phase("Running");
    Scene::new(own).with("c", 0, exited(0, 2)).phase("Succeeded");
}

#[test]
fn final_phases_wait_for_the_last_container_and_stay() {
    // The sidecar still runs.
    let scene = Scene::new(staged("Never"))
        .with("i", 0, exited(0, 1))
        .with("s", 0, running())
        .with("c", 0, exited(0, 2))
        .previous(json!({"phase": "Running"}))
        .lives(Life::Ending);
    scene.phase("Running");
    let mut scene = scene;
    scene.end = Some(End {
        reason: "DeadlineExceeded".to_owned(),
        message: "too long".to_owned(),
    });
    scene.phase("Running");
    assert_eq!(scene.status().reason, None);
    scene.observed.containers[1].state = exited(137, 3);
    scene.life = Life::Ended;
    let ended = scene.status();
    assert_eq!(
        (
            ended.phase.as_deref(),
            ended.reason.as_deref(),
            ended.message.as_deref()
        ),
        (Some("Failed"), Some("DeadlineExceeded"), Some("too long"))
    );
    scene.end = None;
    scene.previous = ended.clone();
    scene.now = at(500);
    assert_eq!(scene.status(), ended, "nothing changes any more");

    Scene::new(one("Always"))
        .previous(json!({"phase": "Succeeded"}))
        .with("c", 0, running())
        .phase("Succeeded");
    let mut said_by_server = Scene::new(one("Always")).with("c", 0, running());
    said_by_server.pod.status = Some(testing::read(json!({"phase": "Failed"})));
    said_by_server.phase("Failed");
}

/// §5.6: never-started pods fail when they are deleted.
#[test]
fn pods_that_end_early() {
    let scene = Scene::new(one("Always")).without_sandbox().lives(Life::Ended);
    scene.phase("Failed");
    assert_eq!(
        scene.container("c")["state"]["terminated"],
        json!({"exitCode": 137, "reason": "ContainerStatusUnknown",
               "message": "The container could not be located when the pod was terminated"})
    );
    // Never initialized: the regular containers never had a chance.
    let scene = Scene::new(staged("Never"))
        .with("i", 0, exited(1, 2))
        .lives(Life::Ended);
    scene.phase("Failed");
    assert_eq!(
        scene.container("c")["state"]["waiting"]["reason"],
        "PodInitializing"
    );
    assert_eq!(scene.container("i")["state"]["terminated"]["exitCode"], 1);
    // A crash loop that is being ended shows its last crash.
    let scene = Scene::new(one("Always"))
        .with("c", 0, exited(5, 2))
        .waits("c", Waiting::bare("CrashLoopBackOff"))
        .lives(Life::Ending);
    assert_eq!(scene.container("c")["state"]["terminated"]["exitCode"], 5);
    let scene = Scene::new(one("Always"))
        .with("c", 0, exited(5, 2))
        .waits("c", Waiting::bare("CrashLoopBackOff"))
        .lives(Life::Ended);
    assert_eq!(scene.container("c")["state"]["terminated"]["exitCode"], 5);
    scene.phase("Failed");
}

/// §5.4
#[test]
fn conditions() {
    let check = |scene: Scene, expect: &[&str]| assert_eq!(scene.conditions(), expect);
    check(
        Scene::new(two("Always"))
            .with("a", 0, running())
            .with("b", 0, running()),
        &[
            "PodReadyToStartContainers=True",
            "Initialized=True",
            "Ready=True",
            "ContainersReady=True",
            "PodScheduled=True",
        ],
    );
    check(
        Scene::new(two("Always")),
        &[
            "PodReadyToStartContainers=True",
            "Initialized=True",
            "Ready=False ContainersNotReady: containers with unready status: [a b]",
            "ContainersReady=False ContainersNotReady: containers with unready status: [a b]",
            "PodScheduled=True",
        ],
    );
    check(
        Scene::new(staged("Always")).with("i", 0, running()),
        &[
            "PodReadyToStartContainers=True",
            "Initialized=False ContainersNotInitialized: containers with incomplete status: [i s]",
            "Ready=False ContainersNotReady: containers with unready status: [s c]",
            "ContainersReady=False ContainersNotReady: containers with unready status: [s c]",
            "PodScheduled=True",
        ],
    );
    check(
        Scene::new(one("Never")).with("c", 0, exited(0, 2)),
        &[
            "PodReadyToStartContainers=True",
            "Initialized=True PodCompleted",
            "Ready=False PodCompleted",
            "ContainersReady=False PodCompleted",
            "PodScheduled=True",
        ],
    );
    let mut failed = Scene::new(one("Never")).with("c", 0, exited(1, 2));
    failed.observed.sandboxes[0].ready = false;
    check(
        failed,
        &[
            "PodReadyToStartContainers=False",
            "Initialized=True",
            "Ready=False PodFailed",
            "ContainersReady=False PodFailed",
            "PodScheduled=True",
        ],
    );
}

#[test]
fn readiness_gates_and_conditions_of_others() {
    let mut spec = one("Always");
    spec["readinessGates"] = json!([{"conditionType": "example.com/a"}, {"conditionType": "example.com/b"}]);
    let mut scene = Scene::new(spec).with("c", 0, running());
    let others = |a: &str| {
        json!({"conditions": [{"type": "example.com/a", "status": a}, {"type": "DisruptionTarget", "status": "False"},
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]})
    };
    scene.pod.status = Some(testing::read(others("False")));
    assert_eq!(
        scene.conditions()[2..],
        [
            "Ready=False ReadinessGatesNotReady: the status of pod readiness gate \"example.com/a\" is not \"True\", but False, \
             corresponding condition of pod readiness gate \"example.com/b\" does not exist.",
            "ContainersReady=True",
            "PodScheduled=True",
            "example.com/a=False",
            "DisruptionTarget=False",
        ]
    );
    let scheduled = scene.status().conditions.expect("conditions")[4]
        .last_transition_time
        .clone();
    assert_eq!(
        scheduled,
        Some(Time("2026-01-01T00:00:00Z".parse().expect("a time")))
    );
}

#[test]
fn transition_times_change_with_the_status_only() {
    let mut scene = Scene::new(two("Always"));
    scene.previous = scene.status();
    scene.now = at(200);
    scene = scene.with("a", 0, running());
    let times = |scene: &Scene| -> Vec<i64> {
        let conditions = scene.status().conditions.expect("conditions");
        let seconds = |condition: &k8s_openapi::api::core::v1::PodCondition| {
            let time = condition.last_transition_time.as_ref().expect("a time").0;
            time.duration_since(at(0)).as_secs()
        };
        conditions.iter().map(seconds).collect()
    };
    assert_eq!(times(&scene), [100; 5], "another message is no transition");
    scene = scene.with("b", 0, running());
    assert_eq!(times(&scene), [100, 100, 200, 200, 100]);
    assert_eq!(scene.status().start_time, Some(Time(at(100))));
}

#[test]
fn probes_decide_who_is_ready() {
    let mut spec = one("Always");
    spec["containers"][0]["startupProbe"] = json!({"exec": {}});
    spec["containers"][0]["readinessProbe"] = json!({"exec": {}});
    let flags = |verdicts: Verdicts| {
        let container = Scene::new(spec.clone())
            .with("c", 0, running())
            .verdicts("c-0", verdicts)
            .container("c");
        (container["started"] == true, container["ready"] == true)
    };
    let success = Some(Verdict::Success);
    assert_eq!(flags(Verdicts::default()), (false, false));
    assert_eq!(
        flags(Verdicts {
            startup: success,
            ..Verdicts::default()
        }),
        (true, false)
    );
    assert_eq!(
        flags(Verdicts {
            startup: success,
            readiness: success,
            ..Verdicts::default()
        }),
        (true, true)
    );
    // An init container is ready when it has done its work.
    let init = Scene::new(staged("Always"))
        .with("i", 0, exited(0, 1))
        .container("i");
    assert_eq!((&init["ready"], &init["started"]), (&json!(true), &json!(false)));
}

#[test]
fn addresses() {
    let mut spec = one("Always");
    spec["hostNetwork"] = json!(true);
    let status = Scene::new(spec).status();
    assert_eq!(status.pod_ip.as_deref(), Some("192.168.0.1"));
    assert_eq!(status.pod_ips.expect("addresses").len(), 2);
    let none = Scene::new(one("Always")).without_sandbox().status();
    assert_eq!((none.pod_ip, none.pod_ips), (None, None));
    let kept = Scene::new(one("Never"))
        .without_sandbox()
        .lives(Life::Ended)
        .previous(json!({"podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}]}))
        .status();
    assert_eq!(kept.pod_ip.as_deref(), Some("10.0.0.9"));
}

#[test]
fn what_readers_need_besides() {
    let mut spec = one("Always");
    spec["containers"][0]["volumeMounts"] =
        json!([{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/r", "readOnly": true}]);
    spec["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}});
    let scene = Scene::new(spec).with("c", 0, running());
    let container = scene.container("c");
    assert_eq!(
        container["volumeMounts"],
        json!([{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/r", "readOnly": true, "recursiveReadOnly": "Disabled"}])
    );
    assert_eq!(container["resources"], json!({"requests": {"cpu": "1"}}));
    assert_eq!(scene.json()["qosClass"], "Burstable");
}
