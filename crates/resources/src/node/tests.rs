use serde_json::json;
use strongroom_objects::FieldError;

use super::*;

fn node(spec: Value, status: Value) -> Object {
    let mut node = NODES.new_object("a");
    node.body.insert("spec".to_owned(), spec);
    node.body.insert("status".to_owned(), status);
    Nodes.default_fields(&mut node);
    node
}

#[test]
fn rows() {
    let mut shown = node(
        json!({"unschedulable": true}),
        json!({
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1.36.2", "osImage": "Debian", "containerRuntimeVersion": "containerd://2.1"},
        }),
    );
    shown.metadata.labels.extend(
        [
            ("node-role.kubernetes.io/worker", ""),
            ("kubernetes.io/role", "control"),
        ]
        .map(|(label, value)| (label.to_owned(), value.to_owned())),
    );
    let now = "2026-01-02T03:04:05Z".parse().expect("a timestamp");
    let expect = json!([
        "a",
        "Ready,SchedulingDisabled",
        "control,worker",
        "<unknown>",
        "v1.36.2",
        "10.0.0.1",
        "<none>",
        "Debian",
        "<unknown>",
        "containerd://2.1",
    ]);
    assert_eq!(Value::Array(Nodes.cells(&shown, now)), expect);
    assert_eq!(Nodes.columns().len(), expect.as_array().expect("a list").len());
    let state = |conditions| state(&node(json!({}), json!({"conditions": conditions})));
    assert_eq!(state(json!([])), "Unknown");
    assert_eq!(state(json!([{"type": "Ready", "status": "Unknown"}])), "NotReady");
    assert_eq!(
        Nodes.selectable_field(&shown, "spec.unschedulable").as_deref(),
        Some("true")
    );
}

#[test]
fn defaults() {
    let defaulted = node(
        json!({"podCIDR": "10.0.0.0/24"}),
        json!({"capacity": {"cpu": "2"}}),
    );
    assert_eq!(defaulted.body["spec"]["podCIDRs"], json!(["10.0.0.0/24"]));
    assert_eq!(defaulted.body["status"]["allocatable"], json!({"cpu": "2"}));
}

#[test]
fn faults() {
    let check = |spec, status, expect: &[&str]| {
        let mut errors = Vec::new();
        Nodes.validate(&node(spec, status), &mut errors);
        let found: Vec<String> = errors.iter().map(FieldError::to_string).collect();
        assert_eq!(found, expect);
    };
    check(
        json!({"taints": [{"key": "a", "effect": "NoExecute"}]}),
        json!({}),
        &[],
    );
    check(
        json!({"taints": [{"key": "a", "effect": "Never"}]}),
        json!({}),
        &[
            "metadata.taints[0].effect: Unsupported value: \"Never\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"",
        ],
    );
    check(
        json!({"taints": [{"key": "a", "effect": "NoExecute"}, {"key": "a", "effect": "NoExecute"}]}),
        json!({}),
        &[
            "metadata.taints[1]: Duplicate value: {\"effect\":\"NoExecute\",\"key\":\"a\"}: taints must be unique by key and effect pair",
        ],
    );
    check(
        json!({"podCIDRs": ["10.0.0.0/33"]}),
        json!({"capacity": {"pods": "0.5"}}),
        &[
            "status.capacity.pods: Invalid value: \"0.5\": must be an integer",
            "status.allocatable.pods: Invalid value: \"0.5\": must be an integer",
            "spec.podCIDRs[0]: Invalid value: \"10.0.0.0/33\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
        ],
    );
    let mut errors = Vec::new();
    let (old, new) = (
        node(json!({"podCIDR": "10.0.0.0/24"}), json!({})),
        node(json!({}), json!({})),
    );
    Nodes.validate_update(&new, &old, "", &mut errors);
    assert_eq!(
        errors[0].to_string(),
        "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid"
    );
}
