use serde_json::{Value, json};

use super::CHANGEABLE;
use crate::pod::fixture::{create, update, with_container, with_spec};
use crate::update::Outcome;

/// Changes one value of a stored pod.
fn change(before: &Value, pointer: &str, after: Value) -> Result<Outcome, String> {
    let old = create(with_spec(before)).expect("the old pod is legal");
    let mut new = old.clone();
    let mut tree = Value::Object(new.body);
    let (parent, name) = pointer.rsplit_once('/').expect("a path");
    match tree.pointer_mut(parent).expect("a parent") {
        Value::Array(list) => list[name.parse::<usize>().expect("an index")] = after,
        parent => parent[name] = after,
    }
    let Value::Object(body) = tree else {
        panic!("an object")
    };
    new.body = body;
    update(&old, new, "").map(|change| {
        let grown = i64::from(change.outcome == Outcome::Write);
        assert_eq!(change.object.metadata.generation, 1 + grown, "{pointer}");
        change.outcome
    })
}

#[test]
fn a_few_fields_may_change() {
    let plain = json!({});
    let deadline = json!({"activeDeadlineSeconds": 10});
    let fine = [
        (&plain, "/spec/containers/0/image", json!("other")),
        (&plain, "/spec/activeDeadlineSeconds", json!(5)),
        (&deadline, "/spec/activeDeadlineSeconds", json!(5)),
        (&plain, "/spec/tolerations/0/tolerationSeconds", json!(5)),
    ];
    for (before, pointer, after) in fine {
        assert_eq!(change(before, pointer, after), Ok(Outcome::Write), "{pointer}");
    }
    assert_eq!(
        change(&plain, "/spec/restartPolicy", json!("Always")),
        Ok(Outcome::Unchanged)
    );
    assert_eq!(
        change(&plain, "/status/phase", json!("Running")),
        Ok(Outcome::Unchanged)
    );
}

#[test]
fn everything_else_is_refused() {
    let plain = json!({});
    let check = |before: &Value, pointer: &str, after: Value, expect: &str| {
        assert_eq!(
            change(before, pointer, after),
            Err(expect.to_owned()),
            "{pointer}"
        );
    };
    let frozen = |difference: &str| format!("spec: Forbidden: {CHANGEABLE}\n{difference}");
    check(
        &plain,
        "/spec/restartPolicy",
        json!("Never"),
        &frozen("- spec.restartPolicy: \"Always\"\n+ spec.restartPolicy: \"Never\"\n"),
    );
    check(
        &plain,
        "/spec/nodeName",
        json!("a"),
        &frozen("+ spec.nodeName: \"a\"\n"),
    );
    check(
        &plain,
        "/spec/containers/0/command",
        json!(["x"]),
        &frozen("+ spec.containers[0].command: [\"x\"]\n"),
    );
    check(
        &plain,
        "/spec/containers/0/env",
        json!([{"name": "A", "value": "s3cret"}]),
        &frozen("+ spec.containers[0].env: [{\"name\":\"A\",\"value\":\"<redacted>\"}]\n"),
    );
    check(
        &json!({"containers": [{"name": "c", "image": "i", "env": [{"name": "A", "value": "s3cret"}]}]}),
        "/spec/containers/0/env/0/value",
        json!("other"),
        &frozen(
            "- spec.containers[0].env[0].value: \"<redacted>\"\n+ spec.containers[0].env[0].value: \"<redacted>\"\n",
        ),
    );
    check(
        &plain,
        "/spec/containers",
        json!([{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]),
        "spec.containers: Forbidden: pod updates may not add or remove containers",
    );
    check(
        &json!({"activeDeadlineSeconds": 10}),
        "/spec/activeDeadlineSeconds",
        json!(11),
        "spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value",
    );
    check(
        &plain,
        "/spec/tolerations",
        json!([{"operator": "Exists"}]),
        "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
    );
    check(
        &json!({"schedulingGates": [{"name": "a"}]}),
        "/spec/schedulingGates/0/name",
        json!("b"),
        "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'b'",
    );
}

#[test]
fn mirrors_stay_mirrors() {
    let old = create(with_spec(&json!({"nodeName": "n"}))).expect("a legal pod");
    let mut mirror = old.clone();
    let annotation = ("kubernetes.io/config.mirror".to_owned(), "x".to_owned());
    mirror.metadata.annotations.extend([annotation]);
    let path = "metadata.annotations[kubernetes.io/config.mirror]: Forbidden:";
    assert_eq!(
        update(&old, mirror.clone(), "").map(|_| ()),
        Err(format!("{path} may not add mirror pod annotation"))
    );
    assert_eq!(
        update(&mirror, old, "").map(|_| ()),
        Err(format!("{path} may not remove or update mirror pod annotation"))
    );
}

#[test]
fn a_status_is_written_by_itself() {
    let old = create(with_container(&json!({}))).expect("a legal pod");
    let mut new = old.clone();
    new.body["spec"]["nodeName"] = "elsewhere".into();
    new.body.insert(
        "status".to_owned(),
        json!({"phase": "Running", "podIP": "10.0.0.1", "qosClass": "Guaranteed"}),
    );
    let change = update(&old, new, "status").expect("legal");
    assert_eq!(change.object.body["spec"], old.body["spec"]);
    assert_eq!(change.object.metadata.generation, 1);
    assert_eq!(
        change.object.body["status"],
        json!({"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}], "qosClass": "BestEffort"})
    );
}

#[test]
fn an_ended_container_does_not_run_again() {
    let mut old = create(with_spec(&json!({"restartPolicy": "Never"}))).expect("a legal pod");
    let status = |state: Value| {
        json!({"phase": "Running", "qosClass": "BestEffort", "containerStatuses": [
            {"name": "c", "state": state, "ready": false, "restartCount": 0, "image": "i", "imageID": "", "lastState": {}}
        ]})
    };
    old.body.insert(
        "status".to_owned(),
        status(json!({"terminated": {"exitCode": 0}})),
    );
    let mut new = old.clone();
    new.body
        .insert("status".to_owned(), status(json!({"running": {}})));
    assert_eq!(
        update(&old, new, "status").map(|_| ()),
        Err(
            "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
                .to_owned()
        )
    );
}

#[test]
fn ephemeral_containers_are_refused() {
    let old = create(with_spec(&json!({}))).expect("a legal pod");
    let mut new = old.clone();
    new.body["spec"]["ephemeralContainers"] =
        json!([{"name": "e", "image": "i", "resources": {}, "terminationMessagePolicy": "File"}]);
    let refusal = "spec.ephemeralContainers: Forbidden: Strongroom's nodes do not run ephemeral containers";
    assert_eq!(
        update(&old, new, "ephemeralcontainers").map(|_| ()),
        Err(refusal.to_owned())
    );
}

#[test]
fn binding_sets_the_node() {
    let old = create(with_spec(&json!({}))).expect("a legal pod");
    let mut new = old.clone();
    new.body["spec"]["nodeName"] = "a".into();
    let change = update(&old, new, "binding").expect("legal");
    assert_eq!(change.object.body["spec"]["nodeName"], "a");
    assert_eq!(change.object.metadata.generation, 1);
}
