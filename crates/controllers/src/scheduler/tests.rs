use serde_json::{Value, from_value, json};

use super::*;

fn key(name: &str) -> Key {
    ("ns".to_owned(), name.to_owned())
}

fn node(name: &str, spec: Value) -> core::Node {
    let node = json!({
        "metadata": {"name": name},
        "spec": spec,
        "status": {"allocatable": {"cpu": "1", "pods": "9"}, "conditions": [{"type": "Ready", "status": "True"}]},
    });
    from_value(node).expect("a node")
}

fn pod(name: &str, spec: Value) -> core::Pod {
    let mut whole = json!({
        "schedulerName": NAME,
        "containers": [{"name": "c", "resources": {"requests": {"cpu": "700m"}}}],
    });
    for (field, value) in spec.as_object().expect("an object") {
        whole[field] = value.clone();
    }
    let pod = json!({"metadata": {"namespace": "ns", "name": name, "uid": name}, "spec": whole});
    from_value(pod).expect("a pod")
}

/// A state that has seen one node and these pods.
fn state(pods: Vec<core::Pod>) -> State {
    let mut state = State::default();
    state.node(Change::Listing);
    state.node(Change::Applied(node("a", json!({}))));
    state.node(Change::Listed);
    state.pod(Change::Listing);
    for pod in pods {
        state.pod(Change::Applied(pod));
    }
    assert!(state.decide(&key("1")).is_none(), "not all is known yet");
    state.pod(Change::Listed);
    state
}

fn decision(state: &mut State, name: &str) -> Option<Decision> {
    state.decide(&key(name)).map(|(_, decision)| decision)
}

fn bound() -> Option<Decision> {
    Some(Decision::Bind("a".to_owned()))
}

fn full() -> Option<Decision> {
    Some(Decision::Wait(
        "0/1 nodes are available: 1 Insufficient cpu.".to_owned(),
    ))
}

#[test]
fn a_choice_counts_at_once_and_is_taken_back_when_it_fails() {
    let mut state = state(vec![pod("1", json!({})), pod("2", json!({}))]);
    assert_eq!(decision(&mut state, "1"), bound());
    assert_eq!(decision(&mut state, "1"), None, "it is not decided twice");
    assert_eq!(decision(&mut state, "2"), full());
    // A late word of the pod as it was does not undo the choice.
    state.pod(Change::Applied(pod("1", json!({}))));
    assert_eq!(decision(&mut state, "2"), full());
    state.bound(&key("1"), Bound::Failed);
    assert_eq!(decision(&mut state, "2"), bound());
}

#[test]
fn pods_that_wait_are_looked_at_when_room_may_have_become_free() {
    let mut state = state(vec![pod("1", json!({"nodeName": "a"})), pod("2", json!({}))]);
    assert_eq!(decision(&mut state, "2"), full());
    assert!(
        state.node(Change::Applied(node("a", json!({})))).is_empty(),
        "nothing changed"
    );
    assert_eq!(
        state.node(Change::Applied(node("a", json!({"unschedulable": true})))),
        [key("2")]
    );
    assert_eq!(
        decision(&mut state, "2"),
        Some(Decision::Wait(
            "0/1 nodes are available: 1 node(s) were unschedulable.".to_owned()
        ))
    );
    assert_eq!(state.node(Change::Applied(node("a", json!({})))), [key("2")]);
    assert_eq!(decision(&mut state, "2"), full());
    let mut ended = pod("1", json!({"nodeName": "a"}));
    ended.status = Some(core::PodStatus {
        phase: Some("Succeeded".to_owned()),
        ..core::PodStatus::default()
    });
    assert_eq!(state.pod(Change::Applied(ended)), [key("2")]);
    assert_eq!(decision(&mut state, "2"), bound());
}

#[test]
fn others_pods_are_left_alone() {
    let pods = vec![
        pod("1", json!({"schedulerName": "mine"})),
        pod("2", json!({"schedulingGates": [{"name": "g"}]})),
        pod("3", json!({"nodeName": "b"})),
    ];
    let mut state = state(pods);
    for name in ["1", "2", "3", "4"] {
        assert_eq!(decision(&mut state, name), None, "{name}");
    }
    assert_eq!(
        state.pod(Change::Applied(pod("2", json!({})))),
        [key("2")],
        "its gate is open"
    );
}
