use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::pod::member;
use crate::testing::{self, at};

fn a_pod() -> Pod {
    testing::full_pod(
        json!({"resourceVersion": "812"}),
        json!({"initContainers": [{"name": "i", "image": "x"}], "containers": [{"name": "c", "image": "x"}]}),
        json!({}),
    )
}

/// §5.2, row for row.
#[test]
fn texts() {
    let pod = a_pod();
    let (c, i) = (member(&pod, "c").expect("c"), member(&pod, "i").expect("i"));
    let check = |event: Event, severity: &str, reason: &str, field_path: Option<&str>, message: &str| {
        assert_eq!(
            (
                event.severity.as_str(),
                event.reason,
                event.field_path.as_deref(),
                event.message.as_str()
            ),
            (severity, reason, field_path, message)
        );
    };
    let of_c = Some("spec.containers{c}");
    check(pulling(&c, "x"), "Normal", "Pulling", of_c, "Pulling image \"x\"");
    check(
        pulling(&i, "x"),
        "Normal",
        "Pulling",
        Some("spec.initContainers{i}"),
        "Pulling image \"x\"",
    );
    check(
        pulled(&c, "x", 1200, 1200, 42),
        "Normal",
        "Pulled",
        of_c,
        "Successfully pulled image \"x\" in 1.2s (1.2s including waiting). Image size: 42 bytes.",
    );
    check(
        pulled(&c, "x", 345, 61_005, 0),
        "Normal",
        "Pulled",
        of_c,
        "Successfully pulled image \"x\" in 345ms (1m1.005s including waiting). Image size: 0 bytes.",
    );
    check(
        already_present(&c, "x"),
        "Normal",
        "Pulled",
        of_c,
        "Container image \"x\" already present on machine and can be accessed by the pod",
    );
    check(created(&c), "Normal", "Created", of_c, "Container created");
    check(started(&c), "Normal", "Started", of_c, "Container started");
    check(
        killing(&c, None),
        "Normal",
        "Killing",
        of_c,
        "Stopping container c",
    );
    let why = "Container c failed liveness probe, will be restarted";
    check(killing(&c, Some(why)), "Normal", "Killing", of_c, why);
    check(
        pull_back_off(&c, "x"),
        "Normal",
        "BackOff",
        of_c,
        "Back-off pulling image \"x\"",
    );
    check(
        pull_failed(&c, "x", &"no"),
        "Warning",
        "Failed",
        of_c,
        "Failed to pull image \"x\": no",
    );
    check(
        failed(&c, &"ErrImagePull"),
        "Warning",
        "Failed",
        of_c,
        "Error: ErrImagePull",
    );
    check(
        failed(&c, &"secret \"n\" not found"),
        "Warning",
        "Failed",
        of_c,
        "Error: secret \"n\" not found",
    );
    check(
        image_never_pull(&c, "x"),
        "Warning",
        "ErrImageNeverPull",
        of_c,
        "Container image \"x\" is not present with pull policy of Never",
    );
    check(
        crash_back_off(&c, &pod),
        "Warning",
        "BackOff",
        of_c,
        "Back-off restarting failed container c in pod p_ns(u1)",
    );
    check(
        mount_failed("v", &"secret \"s\" not found"),
        "Warning",
        "FailedMount",
        None,
        "MountVolume.SetUp failed for volume \"v\" : secret \"s\" not found",
    );
    check(
        volumes_failed(&"x"),
        "Warning",
        "FailedMount",
        None,
        "Unable to attach or mount volumes: x",
    );
    check(
        pull_secrets_missing(&["a".to_owned(), "b".to_owned()]),
        "Warning",
        "FailedToRetrieveImagePullSecret",
        None,
        "Unable to retrieve some image pull secrets (a, b); attempting to pull the image may not succeed.",
    );
    check(
        sandbox_failed(&"x"),
        "Warning",
        "FailedCreatePodSandBox",
        None,
        "Failed to create pod sandbox: x",
    );
    check(
        sandbox_changed(),
        "Normal",
        "SandboxChanged",
        None,
        "Pod sandbox changed, it will be killed and re-created.",
    );
    check(
        invalid_environment_names(vec!["b".into(), "1a".into()], "secret", "ns", "s"),
        "Warning",
        "InvalidEnvironmentVariableNames",
        None,
        "Keys [1a, b] from the EnvFrom secret ns/s were skipped since they are considered invalid environment variable names.",
    );
    check(
        deadline_exceeded(),
        "Normal",
        "DeadlineExceeded",
        None,
        "Pod was active on the node longer than the specified deadline",
    );
    check(
        hook_failed(&c, Hook::PostStart),
        "Warning",
        "FailedPostStartHook",
        of_c,
        "PostStartHook failed",
    );
    check(
        hook_failed(&c, Hook::PreStop),
        "Warning",
        "FailedPreStopHook",
        of_c,
        "PreStopHook failed",
    );
}

fn after(seconds: i64) -> Timestamp {
    at(0) + SignedDuration::from_secs(seconds)
}

/// §12.3
#[test]
fn objects_are_created_then_counted() {
    let pod = a_pod();
    let c = member(&pod, "c").expect("c");
    let event = failed(&c, &"secret \"s1\" not found");
    let mut recorder = Recorder::default();
    let first = recorder
        .record(&pod, &event, "node-1", after(0))
        .expect("a record");
    assert_eq!(first.patch, None);
    let written = serde_json::to_value(&first.event).expect("JSON");
    assert_eq!(
        written,
        json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": format!("p.{:x}", after(0).as_nanosecond()), "namespace": "ns"},
            "involvedObject": {"kind": "Pod", "namespace": "ns", "name": "p", "uid": "u1", "apiVersion": "v1",
                               "resourceVersion": "812", "fieldPath": "spec.containers{c}"},
            "reason": "Failed", "message": "Error: secret \"s1\" not found", "type": "Warning",
            "source": {"component": "kubelet", "host": "node-1"},
            "firstTimestamp": "2026-01-02T03:04:05Z", "lastTimestamp": "2026-01-02T03:04:05Z", "count": 1,
            "reportingComponent": "kubelet", "reportingInstance": "node-1",
        })
    );
    assert_eq!(
        recorder.record(&pod, &event, "node-1", after(3)),
        None,
        "too soon to be worth a write"
    );
    let again = recorder
        .record(&pod, &event, "node-1", after(10))
        .expect("a record");
    assert_eq!(again.event.metadata.name, first.event.metadata.name);
    assert_eq!(
        again.patch,
        Some(
            json!({"count": 2, "lastTimestamp": "2026-01-02T03:04:15Z", "message": "Error: secret \"s1\" not found"})
        )
    );
    recorder.forget("u1");
    let anew = recorder
        .record(&pod, &event, "node-1", after(11))
        .expect("a record");
    assert_eq!((anew.patch, anew.event.count), (None, Some(1)));
}

#[test]
fn two_events_at_once_have_two_names() {
    let pod = a_pod();
    let mut recorder = Recorder::default();
    let names: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|error| {
            recorder
                .record(&pod, &sandbox_failed(error), "n", after(0))
                .expect("a record")
                .event
                .metadata
                .name
        })
        .collect();
    assert!(names[0] != names[1] && names[1] != names[2]);
}

#[test]
fn floods_are_combined_and_then_held_back() {
    let pod = a_pod();
    let mut recorder = Recorder::default();
    let mut record = |index: i64| {
        recorder.record(
            &pod,
            &sandbox_failed(&format!("error {index}")),
            "n",
            after(index * 10),
        )
    };
    for index in 0..10 {
        let event = record(index).expect("a record").event;
        assert_eq!(
            event.message,
            Some(format!("Failed to create pod sandbox: error {index}"))
        );
    }
    let combined = record(10).expect("a record");
    assert_eq!(
        combined.event.message.as_deref(),
        Some("(combined from similar events): Failed to create pod sandbox: error 10")
    );
    let next = record(11).expect("a record");
    assert_eq!(
        (next.event.metadata.name, next.event.count),
        (combined.event.metadata.name, Some(2))
    );
    let sent = (12..40).filter(|index| record(*index).is_some()).count();
    assert_eq!(sent, 14, "25 at once, and one more in the 400 s");
    // After ten quiet minutes they are told apart again.
    let late = record(200).expect("a record");
    assert_eq!(
        late.event.message.as_deref(),
        Some("Failed to create pod sandbox: error 200")
    );
}

#[test]
fn memory_is_bounded() {
    let mut recorder = Recorder::default();
    for index in 0..10_000 {
        let mut pod = a_pod();
        pod.metadata.uid = Some(format!("u{index}"));
        assert!(
            recorder
                .record(&pod, &sandbox_changed(), "n", after(index))
                .is_some()
        );
    }
    assert!(format!("{recorder:?}").len() < 4096 * 1000);
    let long = sandbox_failed(&"é".repeat(1000));
    let message = recorder
        .record(&a_pod(), &long, "n", after(20_000))
        .expect("a record")
        .event
        .message
        .expect("a message");
    assert!(message.len() <= 1024);
}
