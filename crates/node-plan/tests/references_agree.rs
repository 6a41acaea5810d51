//! Two crates say what a pod refers to: the Node authorizer, of any object that is stored, and the node, of a pod it
//! has read. What the node needs and may not read, or may read and never needs, is a fault in one of them.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use strongroom_access::node::{Referenced, references as allowed};
use strongroom_node_plan::references::references as needed;
use strongroom_objects::Object;

/// Every way for a pod to name Secrets and ConfigMaps, each with names of its own.
fn ways() -> Vec<(&'static str, Value)> {
    let container = |at: &str| {
        json!({
            "name": at,
            "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": format!("{at}-key"), "key": "k"}}},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": format!("{at}-key"), "key": "k"}}},
                {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "D", "value": "v"},
            ],
            "envFrom": [
                {"secretRef": {"name": format!("{at}-all"), "optional": true}},
                {"configMapRef": {"name": format!("{at}-all")}},
                {"secretRef": {"name": ""}},
            ],
        })
    };
    let mut sidecar = container("sidecar");
    sidecar["restartPolicy"] = json!("Always");
    vec![
        ("containers", json!([container("c"), container("d")])),
        ("initContainers", json!([container("init"), sidecar])),
        ("imagePullSecrets", json!([{"name": "pull"}, {"name": ""}, {}])),
        (
            "volumes",
            json!([
                {"name": "1", "secret": {"secretName": "volume", "optional": true}},
                {"name": "2", "configMap": {"name": "volume"}},
                {"name": "3", "projected": {"sources": [
                    {"secret": {"name": "source"}}, {"configMap": {"name": "source", "optional": true}},
                    {"serviceAccountToken": {"path": "t"}}, {"downwardAPI": {"items": []}},
                ]}},
                {"name": "4", "emptyDir": {}},
                {"name": "5", "secret": {}},
            ]),
        ),
    ]
}

fn check(spec: &Value, least: usize) {
    let whole = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": spec,
    });
    let pod: Pod = serde_json::from_value(whole.clone()).expect("a pod");
    let Value::Object(whole) = whole else {
        unreachable!()
    };
    let object = Object::from_value(whole).expect("an object");
    let of = |kind: Referenced| -> BTreeSet<String> {
        let found = allowed(&object).into_iter();
        found
            .filter(|(found, _)| *found == kind)
            .map(|(_, name)| name.to_owned())
            .collect()
    };
    let needed = needed(&pod);
    let secrets: BTreeSet<String> = needed.secrets.into_keys().collect();
    let config_maps: BTreeSet<String> = needed.config_maps.into_keys().collect();
    assert_eq!(secrets, of(Referenced::Secret), "{spec}");
    assert_eq!(config_maps, of(Referenced::ConfigMap), "{spec}");
    assert!(secrets.len() >= least, "{spec}");
}

#[test]
fn what_a_node_needs_is_what_it_may_read() {
    let mut all = json!({"containers": []});
    for (field, value) in ways() {
        all[field] = value.clone();
        let mut one = json!({"containers": []});
        one[field] = value;
        check(&one, 1);
    }
    check(&all, 11);
    check(&json!({"containers": []}), 0);
}
