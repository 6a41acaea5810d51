use serde_json::json;

use super::*;

fn pod(spec: Value, status: Value, deleted: bool) -> Object {
    let mut pod = crate::pod::PODS.new_object("p");
    pod.metadata.creation_timestamp = Some("2026-01-02T03:00:00Z".to_owned());
    pod.metadata.deletion_timestamp = deleted.then(|| "2026-01-02T03:04:05Z".to_owned());
    pod.body.insert("spec".to_owned(), spec);
    pod.body.insert("status".to_owned(), status);
    pod
}

/// Ready, status and restarts.
fn shown(pod: &Object) -> String {
    let now = "2026-01-02T03:04:05Z".parse().expect("a timestamp");
    let cells = cells(pod, now);
    assert_eq!(cells.len(), columns().len());
    let text = |index: usize| cells[index].as_str().expect("a text").to_owned();
    format!("{} {} {}", text(1), text(2), text(3))
}

fn check(spec: Value, status: Value, expect: &str) {
    assert_eq!(shown(&pod(spec, status, false)), expect);
}

#[test]
fn words_for_pods() {
    let one = json!({"containers": [{"name": "c"}]});
    check(one.clone(), json!({"phase": "Pending"}), "0/1 Pending 0");
    check(
        one.clone(),
        json!({"phase": "Failed", "reason": "Evicted"}),
        "0/1 Evicted 0",
    );
    let container =
        |state: Value, ready| json!({"name": "c", "state": state, "ready": ready, "restartCount": 0});
    let with =
        |phase: &str, state, ready| json!({"phase": phase, "containerStatuses": [container(state, ready)]});
    check(
        one.clone(),
        with("Running", json!({"running": {}}), true),
        "1/1 Running 0",
    );
    check(
        one.clone(),
        with(
            "Pending",
            json!({"waiting": {"reason": "ContainerCreating"}}),
            false,
        ),
        "0/1 ContainerCreating 0",
    );
    check(
        one.clone(),
        with(
            "Succeeded",
            json!({"terminated": {"reason": "Completed", "exitCode": 0}}),
            false,
        ),
        "0/1 Completed 0",
    );
    check(
        one.clone(),
        with("Failed", json!({"terminated": {"exitCode": 3}}), false),
        "0/1 ExitCode:3 0",
    );
    check(
        one.clone(),
        with(
            "Failed",
            json!({"terminated": {"exitCode": 137, "signal": 9}}),
            false,
        ),
        "0/1 Signal:9 0",
    );
    check(
        one.clone(),
        json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}),
        "0/1 SchedulingGated 0",
    );
    let running = with("Running", json!({"running": {}}), true);
    assert_eq!(shown(&pod(one.clone(), running, true)), "1/1 Terminating 0");
    let ended = with("Succeeded", json!({"terminated": {"reason": "Completed"}}), false);
    assert_eq!(shown(&pod(one, ended, true)), "0/1 Completed 0");
}

#[test]
fn restarts_and_half_finished_pods() {
    let two = json!({"containers": [{"name": "a"}, {"name": "b"}]});
    let done = json!({"name": "a", "ready": false, "restartCount": 0, "state": {"terminated": {"reason": "Completed"}}});
    let running = json!({
        "name": "b", "ready": true, "restartCount": 2, "state": {"running": {}},
        "lastState": {"terminated": {"finishedAt": "2026-01-02T03:04:00Z"}},
    });
    check(
        two.clone(),
        json!({"phase": "Running", "containerStatuses": [done, running]}),
        "1/2 NotReady 2 (5s ago)",
    );
    check(
        two,
        json!({"phase": "Running", "containerStatuses": [done, running], "conditions": [{"type": "Ready", "status": "True"}]}),
        "1/2 Running 2 (5s ago)",
    );
}

#[test]
fn init_containers() {
    let spec = json!({"initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}], "containers": [{"name": "c"}]});
    let with = |statuses: Value| json!({"phase": "Pending", "initContainerStatuses": statuses});
    let init = |state: Value| json!({"name": "i", "restartCount": 1, "state": state});
    check(
        spec.clone(),
        with(json!([init(json!({"running": {}}))])),
        "0/2 Init:0/2 1",
    );
    check(
        spec.clone(),
        with(json!([init(json!({"waiting": {"reason": "PodInitializing"}}))])),
        "0/2 Init:0/2 1",
    );
    check(
        spec.clone(),
        with(json!([init(json!({"waiting": {"reason": "CrashLoopBackOff"}}))])),
        "0/2 Init:CrashLoopBackOff 1",
    );
    check(
        spec.clone(),
        with(json!([init(
            json!({"terminated": {"exitCode": 2, "reason": "Error"}})
        )])),
        "0/2 Init:Error 1",
    );
    check(
        spec.clone(),
        with(json!([init(json!({"terminated": {"exitCode": 2}}))])),
        "0/2 Init:ExitCode:2 1",
    );
    let sidecar =
        json!({"name": "s", "restartCount": 3, "started": true, "ready": true, "state": {"running": {}}});
    let running = json!({
        "phase": "Running",
        "initContainerStatuses": [init(json!({"terminated": {"exitCode": 0}})), sidecar],
        "containerStatuses": [{"name": "c", "ready": true, "restartCount": 0, "state": {"running": {}}}],
    });
    check(spec, running, "2/2 Running 3");
}

#[test]
fn rows_of_finished_pods_say_so() {
    let conditions = |phase: &str| {
        let rows = row_conditions(&pod(json!({}), json!({"phase": phase}), false));
        rows.iter().map(|row| row.reason.clone()).collect::<Vec<_>>()
    };
    assert_eq!(conditions("Succeeded"), ["Succeeded"]);
    assert_eq!(conditions("Failed"), ["Failed"]);
    assert!(conditions("Running").is_empty());
}
