use jiff::Timestamp;
use serde_json::{Value, json};
use strongroom_objects::Object;

use super::{Binding, assign};

fn object(value: Value) -> Object {
    let Value::Object(map) = value else {
        panic!("an object")
    };
    Object::from_value(map).expect("an object")
}

fn binding(metadata: Value, target: Value) -> Object {
    object(json!({"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}))
}

#[test]
fn what_a_binding_must_say() {
    let check = |metadata: Value, target: Value, expect: &str| {
        let object = binding(metadata, target.clone());
        let found =
            Binding::read(&object, "p").map_or_else(|status| status.message, |read| read.node.to_owned());
        assert_eq!(found, expect, "{target}");
    };
    let named = || json!({"name": "p"});
    check(named(), json!({"kind": "Node", "name": "n"}), "n");
    check(named(), json!({"name": "n"}), "n");
    check(named(), json!({"kind": "Node"}), "target.name: Required value");
    check(
        named(),
        json!({"kind": "Pod", "name": "n"}),
        "target.kind: Unsupported value: \"Pod\": supported values: \"Node\", \"<empty>\"",
    );
    check(
        json!({"name": "q"}),
        json!({"name": "n"}),
        "name in URL does not match name in Binding object",
    );
}

#[test]
fn a_pod_is_given_away_once() {
    let now: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a time");
    let check = |pod: Value, metadata: Value, expect: &str| {
        let binding = binding(metadata, json!({"name": "n"}));
        let binding = Binding::read(&binding, "p").expect("a binding");
        let found = match assign(object(pod), &binding, now) {
            Ok(pod) => json!([pod.body, pod.metadata.annotations]).to_string(),
            Err(problem) => problem.0,
        };
        assert_eq!(found, expect);
    };
    let pod = |metadata: Value, spec: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
    let free = || json!({"name": "p", "uid": "u", "resourceVersion": "7"});
    check(
        pod(free(), json!({})),
        json!({"name": "p", "uid": "u", "annotations": {"a": "b"}}),
        r#"[{"spec":{"nodeName":"n"},"status":{"conditions":[{"lastProbeTime":null,"lastTransitionTime":"2026-01-02T03:04:05Z","status":"True","type":"PodScheduled"}]}},{"a":"b"}]"#,
    );
    check(
        pod(free(), json!({"nodeName": "m"})),
        json!({"name": "p"}),
        "pod p is already assigned to node \"m\"",
    );
    check(
        pod(
            json!({"name": "p", "deletionTimestamp": "2026-01-02T03:04:05Z"}),
            json!({}),
        ),
        json!({"name": "p"}),
        "pod p is being deleted, cannot be assigned to a host",
    );
    check(
        pod(free(), json!({})),
        json!({"name": "p", "uid": "other"}),
        "Precondition failed: UID in precondition: other, UID in object meta: u",
    );
    check(
        pod(free(), json!({"schedulingGates": [{"name": "g"}]})),
        json!({"name": "p"}),
        "pod p has non-empty .spec.schedulingGates",
    );
}
