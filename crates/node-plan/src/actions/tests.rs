use serde_json::{Value, json};

use super::*;
use crate::observed::Sandbox;
use crate::probes::Verdicts;
use crate::testing::{self, at, exited, record, running, sandbox};

mod simulation;

/// A situation put together step by step.
struct Scene {
    pod: Pod,
    observed: Observed,
    probes: ProbeResults,
    backoffs: Backoffs,
    end: Option<End>,
    now: Timestamp,
}

impl Scene {
    /// A pod with these containers (name to further fields) in a ready sandbox.
    fn new(spec: Value) -> Scene {
        Scene {
            pod: testing::pod(spec),
            observed: Observed {
                sandboxes: vec![sandbox(0)],
                containers: Vec::new(),
            },
            probes: ProbeResults::default(),
            backoffs: Backoffs::default(),
            end: None,
            now: at(100),
        }
    }

    fn without_sandbox(mut self) -> Scene {
        self.observed.sandboxes.clear();
        self
    }

    fn dead_sandbox(mut self) -> Scene {
        self.observed.sandboxes[0].ready = false;
        self
    }

    fn with(mut self, name: &str, attempt: u32, state: State) -> Scene {
        self.observed.containers.push(record(name, attempt, state));
        self
    }

    fn verdicts(mut self, id: &str, verdicts: Verdicts) -> Scene {
        self.probes.by_id.insert(id.to_owned(), verdicts);
        self
    }

    fn status(mut self, status: Value) -> Scene {
        self.pod.status = Some(testing::read(status));
        self
    }

    fn deleted(mut self, grace: i64) -> Scene {
        self.pod.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(100)));
        self.pod.metadata.deletion_grace_period_seconds = Some(grace);
        self
    }

    fn decide(&self) -> Decision {
        decide(&Situation {
            pod: &self.pod,
            observed: &self.observed,
            probes: &self.probes,
            backoffs: &self.backoffs,
            end: self.end.as_ref(),
            now: self.now,
        })
    }

    /// The decision in short words: its steps, `wait <container>` for each held back, `wake <seconds>`, then the
    /// pod's life unless it is wanted.
    fn words(&self) -> Vec<String> {
        let decision = self.decide();
        let mut words: Vec<String> = decision.steps.iter().map(word).collect();
        words.extend(decision.waiting.keys().map(|name| format!("wait {name}")));
        words.extend(
            decision
                .wake_at
                .map(|time| format!("wake {}", time.duration_since(at(0)).as_secs())),
        );
        match decision.life {
            Life::Wanted => {}
            Life::Ending => words.push("ending".to_owned()),
            Life::Ended => words.push("ended".to_owned()),
        }
        words
    }

    #[track_caller]
    fn check(self, expect: &[&str]) -> Scene {
        assert_eq!(self.words(), expect);
        self
    }
}

fn word(step: &Step) -> String {
    match step {
        Step::CreateSandbox { attempt } => format!("sandbox {attempt}"),
        Step::StartContainer(start) => format!("start {} {}", start.name, start.attempt),
        Step::StopContainer(stop) => {
            format!(
                "stop {} {}s: {}",
                stop.id,
                stop.grace_seconds,
                stop.message.as_deref().unwrap_or("-")
            )
        }
        Step::StopPod(stop) => {
            let stage = |stage: &Vec<StopContainer>| {
                stage
                    .iter()
                    .map(|stop| stop.id.as_str())
                    .collect::<Vec<_>>()
                    .join("+")
            };
            let stages: Vec<String> = stop.stages.iter().map(stage).collect();
            format!(
                "stop pod [{}] {} {}s",
                stages.join(", "),
                stop.sandbox_ids.join("+"),
                stop.grace_seconds
            )
        }
    }
}

fn two() -> Value {
    json!({"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]})
}

fn with_policy(policy: &str) -> Value {
    let mut spec = two();
    spec["restartPolicy"] = json!(policy);
    spec
}

/// `i1`, sidecar `s`, `i2`, then `a`.
fn staged(policy: &str) -> Value {
    json!({
        "restartPolicy": policy,
        "initContainers": [
            {"name": "i1", "image": "x"},
            {"name": "s", "image": "x", "restartPolicy": "Always"},
            {"name": "i2", "image": "x"},
        ],
        "containers": [{"name": "a", "image": "x"}],
    })
}

#[test]
fn a_new_pod() {
    Scene::new(two())
        .without_sandbox()
        .check(&["sandbox 0", "start a 0", "start b 0"]);
    Scene::new(two()).check(&["start a 0", "start b 0"]);
    Scene::new(two()).with("a", 0, running()).check(&["start b 0"]);
    Scene::new(two())
        .with("a", 0, running())
        .with("b", 0, running())
        .check(&[]);
    Scene::new(staged("Always"))
        .without_sandbox()
        .check(&["sandbox 0", "start i1 0"]);
}

#[test]
fn init_containers_in_order() {
    let at_s = || Scene::new(staged("Always")).with("i1", 0, exited(0, 2));
    Scene::new(staged("Always")).check(&["start i1 0"]);
    Scene::new(staged("Always")).with("i1", 0, running()).check(&[]);
    Scene::new(staged("Always"))
        .with("i1", 0, State::Created)
        .check(&["start i1 1"]);
    at_s().check(&["start s 0"]);
    at_s().with("s", 0, running()).check(&["start i2 0"]);
    at_s().with("s", 0, running()).with("i2", 0, running()).check(&[]);
    at_s().with("s", 0, exited(1, 3)).check(&["start s 1"]);
    at_s()
        .with("s", 0, exited(0, 3))
        .with("i2", 0, running())
        .check(&["start s 1"]);
    at_s()
        .with("s", 0, running())
        .with("i2", 0, exited(0, 4))
        .check(&["start a 0"]);
    at_s()
        .with("s", 0, running())
        .with("i2", 0, exited(0, 4))
        .with("a", 0, running())
        .check(&[]);
    // The runtime has forgotten the init containers; the pod is past them.
    Scene::new(staged("Always"))
        .with("s", 0, running())
        .with("a", 0, running())
        .check(&[]);
    Scene::new(staged("Always"))
        .with("a", 0, running())
        .check(&["start s 0"]);
    Scene::new(staged("Always"))
        .with("s", 0, exited(137, 9))
        .with("a", 0, exited(1, 9))
        .check(&["start s 1", "start a 1"]);
}

#[test]
fn sidecars_hold_back_the_others_until_they_have_started() {
    let mut spec = staged("Always");
    spec["initContainers"][1]["startupProbe"] = json!({"exec": {"command": ["x"]}});
    let scene = || {
        Scene::new(spec.clone())
            .with("i1", 0, exited(0, 2))
            .with("s", 0, running())
    };
    let startup = |verdict| Verdicts {
        startup: Some(verdict),
        ..Verdicts::default()
    };
    scene().check(&[]);
    scene()
        .verdicts("s-0", startup(Verdict::Success))
        .check(&["start i2 0"]);
    scene()
        .verdicts("s-0", startup(Verdict::Failure))
        .check(&["stop s-0 30s: Init container s failed startup probe", "start s 1"]);
    let hook = Verdicts {
        post_start_running: true,
        ..startup(Verdict::Success)
    };
    scene().verdicts("s-0", hook).check(&[]);
}

#[test]
fn init_containers_that_fail() {
    let failed = |policy| Scene::new(staged(policy)).with("i1", 0, exited(1, 2));
    failed("Always").check(&["start i1 1"]);
    failed("OnFailure").check(&["start i1 1"]);
    failed("Never").check(&["stop pod [] s0 30s", "ending"]);
    failed("Never").dead_sandbox().check(&["ended"]);
    Scene::new(staged("Never"))
        .with("i1", 0, exited(0, 2))
        .with("s", 0, running())
        .with("i2", 0, exited(3, 2))
        .check(&["stop pod [s-0] s0 30s", "ending"]);
}

#[test]
fn restart_policies() {
    let ended = |policy, code| {
        Scene::new(with_policy(policy))
            .with("a", 0, exited(code, 99))
            .with("b", 0, running())
    };
    ended("Always", 0).check(&["start a 1"]);
    ended("Always", 1).check(&["start a 1"]);
    ended("OnFailure", 0).check(&[]);
    ended("OnFailure", 1).check(&["start a 1"]);
    ended("Never", 0).check(&[]);
    ended("Never", 1).check(&[]);
    let both = |policy, a, b| {
        Scene::new(with_policy(policy))
            .with("a", 0, exited(a, 99))
            .with("b", 0, exited(b, 99))
    };
    both("Never", 0, 1).check(&["stop pod [] s0 30s", "ending"]);
    both("OnFailure", 0, 0).check(&["stop pod [] s0 30s", "ending"]);
    both("OnFailure", 0, 1).check(&["start b 1"]);
    both("Always", 0, 0).check(&["start a 1", "start b 1"]);
    both("Never", 0, 1).dead_sandbox().check(&["ended"]);
    // The pod's work is done: the sidecar goes too.
    Scene::new(staged("Never"))
        .with("s", 0, running())
        .with("a", 0, exited(0, 9))
        .check(&["stop pod [s-0] s0 30s", "ending"]);
}

#[test]
fn a_container_s_own_restart_rules() {
    let scene = |own: Value, code| {
        let mut spec = with_policy("Never");
        for (key, value) in own.as_object().expect("an object") {
            spec["containers"][0][key] = value.clone();
        }
        Scene::new(spec)
            .with("a", 0, exited(code, 99))
            .with("b", 0, running())
    };
    let rule = |operator: &str| {
        json!({"restartPolicy": "Never", "restartPolicyRules": [
            {"action": "Restart", "exitCodes": {"operator": operator, "values": [42, 43]}}]})
    };
    scene(json!({"restartPolicy": "Always"}), 0).check(&["start a 1"]);
    scene(json!({"restartPolicy": "OnFailure"}), 0).check(&[]);
    scene(rule("In"), 42).check(&["start a 1"]);
    scene(rule("In"), 1).check(&[]);
    scene(rule("NotIn"), 1).check(&["start a 1"]);
    scene(rule("NotIn"), 43).check(&[]);
}

#[test]
fn crashes_are_held_back() {
    let mut scene = Scene::new(with_policy("Always"))
        .with("b", 0, running())
        .with("a", 0, exited(1, 99));
    let Some(Step::StartContainer(start)) = scene.decide().steps.first().cloned() else {
        panic!("a start")
    };
    scene.backoffs.next(&start.backoff_key, at(100));
    scene.observed.containers.push(record("a", 1, exited(1, 105)));
    scene.now = at(106);
    let mut scene = scene.check(&["wait a", "wake 115"]);
    let decision = scene.decide();
    assert_eq!(
        decision.waiting["a"],
        Waiting::new(
            "CrashLoopBackOff",
            "back-off 10s restarting failed container=a pod=p_ns(u1)"
        )
    );
    assert_eq!(
        decision.events[0].message,
        "Back-off restarting failed container a in pod p_ns(u1)"
    );
    scene.now = at(115);
    scene = scene.check(&["start a 2"]);
    scene.backoffs.next(&start.backoff_key, at(115));
    scene.observed.containers.push(record("a", 2, exited(1, 116)));
    scene.now = at(117);
    scene = scene.check(&["wait a", "wake 136"]);
    assert!(
        scene.decide().waiting["a"]
            .message
            .as_ref()
            .expect("a message")
            .starts_with("back-off 20s ")
    );
    // Another image is another container.
    let spec = scene.pod.spec.as_mut().expect("a spec");
    spec.containers[0].image = Some("y".to_owned());
    scene.check(&["start a 3"]);
}

#[test]
fn probes_that_failed() {
    let scene = |policy: &str, verdicts: Verdicts| {
        let mut spec = with_policy(policy);
        spec["containers"][0]["livenessProbe"] = json!({"exec": {}, "terminationGracePeriodSeconds": 5});
        spec["containers"][0]["startupProbe"] = json!({"exec": {}});
        Scene::new(spec)
            .with("a", 0, running())
            .with("b", 0, running())
            .verdicts("a-0", verdicts)
    };
    let live = Verdicts {
        liveness: Some(Verdict::Failure),
        ..Verdicts::default()
    };
    let startup = Verdicts {
        startup: Some(Verdict::Failure),
        ..Verdicts::default()
    };
    scene("Always", live).check(&[
        "stop a-0 5s: Container a failed liveness probe, will be restarted",
        "start a 1",
    ]);
    scene("OnFailure", live).check(&[
        "stop a-0 5s: Container a failed liveness probe, will be restarted",
        "start a 1",
    ]);
    scene("Never", live).check(&["stop a-0 5s: Container a failed liveness probe"]);
    scene("Always", startup).check(&[
        "stop a-0 30s: Container a failed startup probe, will be restarted",
        "start a 1",
    ]);
    let unready = Verdicts {
        readiness: Some(Verdict::Failure),
        ..Verdicts::default()
    };
    scene("Always", unready).check(&[]);
}

#[test]
fn definitions_that_changed() {
    let mut scene = Scene::new(with_policy("Never"))
        .with("a", 0, running())
        .with("b", 0, running());
    let containers = &scene.pod.spec.as_ref().expect("a spec").containers;
    let (a, b) = (spec_hash(&containers[0]), spec_hash(&containers[1]));
    assert!(a != b && a.len() == 8);
    scene.observed.containers[0].spec_hash = Some(a);
    scene.observed.containers[1].spec_hash = Some(b);
    scene = scene.check(&[]);
    let spec = scene.pod.spec.as_mut().expect("a spec");
    spec.containers[0].image = Some("y".to_owned());
    spec.containers[1].env = Some(vec![]);
    scene.check(&[
        "stop a-0 30s: Container a definition changed, will be restarted",
        "start a 1",
    ]);
}

#[test]
fn containers_the_runtime_is_unsure_of() {
    let text = "stop a-0 30s: Container is in \"unknown\" state, try killing it before restart";
    Scene::new(two())
        .with("a", 0, State::Unknown)
        .with("b", 0, running())
        .check(&[text, "start a 1"]);
}

#[test]
fn sandboxes_that_are_no_good() {
    let scene = || {
        Scene::new(two())
            .with("a", 0, running())
            .with("b", 0, exited(0, 9))
    };
    scene()
        .dead_sandbox()
        .check(&["stop pod [a-0]  30s", "sandbox 1", "start a 1", "start b 1"]);
    let change = |change: fn(&mut Sandbox)| {
        let mut scene = scene();
        change(&mut scene.observed.sandboxes[0]);
        scene.check(&["stop pod [a-0] s0 30s", "sandbox 1", "start a 1", "start b 1"]);
    };
    change(|sandbox| sandbox.ips.clear());
    change(|sandbox| sandbox.host_network = true);
    let mut two_ready = scene();
    two_ready.observed.sandboxes.push(sandbox(1));
    let two_ready = two_ready.check(&["stop pod [a-0] s0+s1 30s", "sandbox 2", "start a 1", "start b 1"]);
    assert_eq!(two_ready.decide().events, [events::sandbox_changed()]);
    let mut host = Scene::new(json!({"hostNetwork": true, "containers": [{"name": "a", "image": "x"}]}));
    host.observed.sandboxes[0].ips.clear();
    host.observed.sandboxes[0].host_network = true;
    host.check(&["start a 0"]);
    // An old one that is dead beside a good one does no harm.
    let mut replaced = Scene::new(two()).dead_sandbox();
    replaced.observed.sandboxes.push(sandbox(1));
    replaced.check(&["start a 0", "start b 0"]);
}

#[test]
fn sandboxes_that_never_work_are_not_replaced_without_end() {
    let scene = |attempt: u32, now| {
        let mut scene = Scene::new(two());
        scene.observed.sandboxes = vec![sandbox(attempt)];
        scene.observed.sandboxes[0].ips.clear();
        scene.observed.sandboxes[0].created_at = at(100);
        scene.now = at(now);
        scene
    };
    let replaced = |attempt: u32| {
        [
            format!("stop pod [] s{attempt} 30s"),
            format!("sandbox {}", attempt + 1),
            "start a 0".into(),
            "start b 0".into(),
        ]
    };
    for (attempt, delay) in [(0, 0), (1, 10), (2, 20), (3, 40), (9, 300)] {
        if delay > 0 {
            let words = scene(attempt, 100 + delay - 1).words();
            assert_eq!(words, [format!("wake {}", 100 + delay)], "{attempt}");
        }
        assert_eq!(
            scene(attempt, 100 + delay).words(),
            replaced(attempt),
            "{attempt}"
        );
    }
    // A pod that shall end does not wait.
    scene(3, 101).deleted(30).check(&["stop pod [] s3 30s", "ending"]);
}

#[test]
fn a_new_sandbox_begins_with_the_init_containers() {
    let mut scene = Scene::new(staged("Always"))
        .with("i1", 0, exited(0, 1))
        .with("s", 0, exited(137, 9))
        .with("i2", 0, exited(0, 2))
        .with("a", 0, exited(137, 9))
        .dead_sandbox()
        .check(&["sandbox 1", "start i1 1"]);
    scene.observed.sandboxes.push(sandbox(1));
    scene = scene.check(&["start i1 1"]);
    let in_new = |name: &str, attempt, state| ContainerRecord {
        sandbox_id: "s1".into(),
        ..record(name, attempt, state)
    };
    scene.observed.containers.push(in_new("i1", 1, exited(0, 20)));
    scene = scene.check(&["start s 1"]);
    scene.observed.containers.push(in_new("s", 1, running()));
    scene.observed.containers.push(in_new("i2", 1, exited(0, 21)));
    scene.check(&["start a 1"]);
}

#[test]
fn sandboxes_of_pods_that_do_not_restart() {
    Scene::new(with_policy("Never"))
        .with("a", 0, running())
        .dead_sandbox()
        .check(&["stop pod [a-0]  30s", "ending"]);
    Scene::new(with_policy("Never"))
        .with("a", 0, exited(137, 9))
        .dead_sandbox()
        .check(&["ended"]);
    // Nothing ever ran in it.
    Scene::new(with_policy("Never"))
        .dead_sandbox()
        .check(&["sandbox 1", "start a 0", "start b 0"]);
    Scene::new(with_policy("OnFailure"))
        .with("a", 0, exited(0, 9))
        .with("b", 0, exited(137, 9))
        .dead_sandbox()
        .check(&["sandbox 1", "start b 1"]);
    Scene::new(with_policy("OnFailure"))
        .with("a", 0, exited(0, 9))
        .with("b", 0, exited(0, 9))
        .dead_sandbox()
        .check(&["ended"]);
}

#[test]
fn pods_that_the_runtime_has_forgotten() {
    let status = |state: Value| {
        let of = |name: &str| {
            json!({"name": name, "image": "x", "imageID": "", "ready": false, "restartCount": 3,
                                     "containerID": "containerd://1", "state": state})
        };
        json!({"phase": "Running", "containerStatuses": [of("a"), of("b")]})
    };
    let was_running = status(json!({"running": {}}));
    let had_ended = status(json!({"terminated": {"exitCode": 0}}));
    let scene = |policy, status: &Value| {
        Scene::new(with_policy(policy))
            .without_sandbox()
            .status(status.clone())
    };
    scene("Always", &was_running).check(&["sandbox 0", "start a 4", "start b 4"]);
    scene("OnFailure", &was_running).check(&["sandbox 0", "start a 4", "start b 4"]);
    scene("OnFailure", &had_ended).check(&["ended"]);
    // What ran once and must not run again does not.
    scene("Never", &was_running).check(&["ended"]);
    scene("Never", &had_ended).check(&["ended"]);
}

#[test]
fn deletion() {
    let running_pod = || {
        let mut spec = staged("Always");
        spec["initContainers"]
            .as_array_mut()
            .expect("a list")
            .push(json!({"name": "s2", "image": "x", "restartPolicy": "Always"}));
        Scene::new(spec)
            .with("s", 0, running())
            .with("s2", 0, running())
            .with("a", 0, running())
    };
    running_pod()
        .deleted(7)
        .check(&["stop pod [a-0, s2-0, s-0] s0 7s", "ending"]);
    running_pod()
        .deleted(0)
        .check(&["stop pod [a-0, s2-0, s-0] s0 0s", "ending"]);
    Scene::new(two()).without_sandbox().deleted(30).check(&["ended"]);
    Scene::new(two())
        .with("a", 0, exited(0, 1))
        .dead_sandbox()
        .deleted(30)
        .check(&["ended"]);
    Scene::new(two())
        .with("a", 0, exited(0, 1))
        .deleted(30)
        .check(&["stop pod [] s0 30s", "ending"]);
    // A container of an older definition goes too.
    Scene::new(two())
        .with("gone", 0, running())
        .deleted(3)
        .check(&["stop pod [gone-0] s0 3s", "ending"]);
    let stop = stop_pod(&running_pod().pod, &running_pod().observed, Some(1));
    assert_eq!((stop.grace_seconds, stop.stages[0][0].grace_seconds), (1, 1));
}

#[test]
fn grace_that_is_written() {
    let mut spec = two();
    spec["terminationGracePeriodSeconds"] = json!(4);
    let mut scene = Scene::new(spec).with("a", 0, running());
    scene.end = Some(End {
        reason: "Evicted".to_owned(),
        message: "disk".to_owned(),
    });
    let scene = scene.check(&["stop pod [a-0] s0 4s", "ending"]);
    assert_eq!(scene.decide().end, scene.end);
}

#[test]
fn final_phases_are_final() {
    for phase in ["Succeeded", "Failed"] {
        let status = json!({"phase": phase});
        Scene::new(two())
            .status(status.clone())
            .without_sandbox()
            .check(&["ended"]);
        Scene::new(two())
            .status(status)
            .with("a", 0, running())
            .check(&["stop pod [a-0] s0 30s", "ending"]);
    }
}

#[test]
fn deadlines() {
    let scene = |now| {
        let mut spec = two();
        spec["activeDeadlineSeconds"] = json!(50);
        let mut scene = Scene::new(spec)
            .status(json!({"phase": "Running", "startTime": "2026-01-02T03:04:05Z"}))
            .with("a", 0, running())
            .with("b", 0, running());
        scene.now = at(now);
        scene
    };
    scene(49).check(&["wake 50"]);
    let scene = scene(50).check(&["stop pod [a-0+b-0] s0 30s", "ending"]);
    let decision = scene.decide();
    let message = "Pod was active on the node longer than the specified deadline";
    assert_eq!(
        decision.end,
        Some(End {
            reason: "DeadlineExceeded".to_owned(),
            message: message.to_owned()
        })
    );
    assert_eq!(decision.events, [events::deadline_exceeded()]);
    let mut scene = scene;
    scene.end = decision.end;
    assert_eq!(scene.decide().events, [], "told once");
}

#[test]
fn what_need_not_be_kept() {
    let scene = Scene::new(two())
        .with("a", 3, running())
        .with("a", 2, exited(1, 9))
        .with("a", 1, exited(1, 8))
        .with("a", 0, exited(1, 7))
        .with("b", 2, running())
        .with("b", 1, exited(0, 9))
        .with("b", 0, running());
    assert_eq!(superfluous(&scene.observed), ["a-1", "a-0"]);
}
