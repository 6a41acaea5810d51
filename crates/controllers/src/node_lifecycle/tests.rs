use serde_json::{Value, from_value, json};

use super::state::{NodePlan, PodPlan};
use super::*;
use crate::list_watch::Change;

const TIME: &str = "2026-01-02T03:04:05Z";

fn time() -> Timestamp {
    TIME.parse().expect("a time")
}

fn node(name: &str, ready: Option<&str>, taints: Value, heartbeat: &str) -> core::Node {
    let mut conditions = vec![json!({"type": "MemoryPressure", "status": "False"})];
    if let Some(status) = ready {
        conditions.push(json!({"type": "Ready", "status": status, "lastHeartbeatTime": heartbeat}));
    }
    let node = json!({
        "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": "7"},
        "spec": {"taints": taints},
        "status": {"conditions": conditions},
    });
    from_value(node).expect("a node")
}

fn pod(name: &str, node: &str, tolerations: Value, ready: &str) -> core::Pod {
    let pod = json!({
        "metadata": {"namespace": "ns", "name": name, "uid": name},
        "spec": {"nodeName": node, "containers": [], "tolerations": tolerations},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    });
    from_value(pod).expect("a pod")
}

/// A world that began at `start` with these nodes.
struct World {
    state: State,
    start: Instant,
}

impl World {
    fn new(nodes: Vec<core::Node>) -> Self {
        let (mut state, start) = (State::default(), Instant::now());
        state.node(Change::Listing, start);
        for node in nodes {
            state.node(Change::Applied(node), start);
        }
        state.node(Change::Listed, start);
        Self { state, start }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn tell(&mut self, seconds: u64, node: core::Node) -> Vec<Work> {
        self.state.node(Change::Applied(node), self.at(seconds))
    }

    fn renew(&mut self, seconds: u64, name: &str, renewed: &str) {
        let lease = json!({"metadata": {"name": name}, "spec": {"renewTime": renewed}});
        let lease = from_value(lease).expect("a lease");
        self.state.lease(Change::Applied(lease), self.at(seconds));
    }

    /// `rest`, seconds until the next look, the conditions' reason, or the taints.
    fn node(&mut self, seconds: u64, name: &str) -> String {
        let now = self.at(seconds);
        match self.state.assess_node(name, now, time()) {
            Finding::Rest => "rest".to_owned(),
            Finding::Later(at) => format!("later {}", (at - self.start).as_secs()),
            Finding::Act(NodePlan::Silent { uid, conditions }) => {
                assert_eq!(uid, format!("uid-{name}"));
                let text =
                    |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
                let conditions = conditions.as_array().expect("a list").iter();
                conditions
                    .map(|condition| format!("{} {}", text(condition, "type"), text(condition, "reason")))
                    .collect::<Vec<_>>()
                    .join(", ")
            }
            Finding::Act(NodePlan::Taint {
                resource_version,
                taints,
            }) => {
                assert_eq!(resource_version, "7");
                let text = |taint: &core::Taint| {
                    format!(
                        "{}:{}",
                        taint.key.trim_start_matches("node.kubernetes.io/"),
                        taint.effect
                    )
                };
                format!(
                    "taints [{}]",
                    taints.iter().map(text).collect::<Vec<_>>().join(", ")
                )
            }
        }
    }

    fn pod(&self, name: &str, now: &str) -> String {
        let key = ("ns".to_owned(), name.to_owned());
        match self
            .state
            .assess_pod(&key, self.start, now.parse().expect("a time"))
        {
            Finding::Rest => "rest".to_owned(),
            Finding::Later(at) => format!("later {}", (at - self.start).as_secs()),
            Finding::Act(PodPlan::Evict { .. }) => "evict".to_owned(),
            Finding::Act(PodPlan::MarkNotReady { .. }) => "mark".to_owned(),
        }
    }
}

fn taint(key: &str, effect: &str) -> Value {
    json!({"key": format!("node.kubernetes.io/{key}"), "effect": effect, "timeAdded": TIME})
}

#[test]
fn a_silent_node_is_marked_after_forty_seconds() {
    let mut world = World::new(vec![node("a", Some("True"), json!([]), TIME)]);
    assert_eq!(world.node(0, "a"), "later 40");
    assert_eq!(world.node(39, "a"), "later 40");
    let silence = "Ready NodeStatusUnknown, MemoryPressure NodeStatusUnknown, DiskPressure NodeStatusNeverUpdated, PIDPressure NodeStatusNeverUpdated";
    assert_eq!(world.node(40, "a"), silence);
    world.renew(40, "a", "2026-01-02T03:04:06.000000Z");
    assert_eq!(world.node(41, "a"), "later 80");
    // The same renewal told again is no sign of life.
    world.renew(60, "a", "2026-01-02T03:04:06.000000Z");
    assert_eq!(world.node(80, "a"), silence);
    world.tell(80, node("a", Some("True"), json!([]), "2026-01-02T03:05:00Z"));
    assert_eq!(world.node(81, "a"), "later 120");
    // Our own words about it are none either.
    world.tell(100, node("a", Some("Unknown"), json!([]), "2026-01-02T03:05:00Z"));
    assert_eq!(world.node(120, "a"), "taints [unreachable:NoSchedule]");
}

#[test]
fn a_node_that_never_spoke_is_given_a_minute() {
    let mut world = World::new(vec![node("a", None, json!([]), TIME)]);
    assert_eq!(world.node(0, "a"), "later 60");
    assert!(
        world
            .node(60, "a")
            .starts_with("Ready NodeStatusNeverUpdated, MemoryPressure NodeStatusUnknown")
    );
}

#[test]
fn taints_follow_readiness() {
    let other = node("other", Some("True"), json!([]), TIME);
    let check = |ready: &str, taints: Value, expect: &str| {
        let mut world = World::new(vec![node("a", Some(ready), taints, TIME), other.clone()]);
        assert_eq!(world.node(0, "a"), expect);
    };
    check("True", json!([]), "later 40");
    check(
        "False",
        json!([]),
        "taints [not-ready:NoSchedule, not-ready:NoExecute]",
    );
    check(
        "Unknown",
        json!([]),
        "taints [unreachable:NoSchedule, unreachable:NoExecute]",
    );
    let mine = json!({"key": "mine", "effect": "NoExecute"});
    check(
        "Unknown",
        json!([
            mine,
            taint("not-ready", "NoSchedule"),
            taint("not-ready", "NoExecute")
        ]),
        "taints [mine:NoExecute, unreachable:NoSchedule, unreachable:NoExecute]",
    );
    check(
        "True",
        json!([taint("unreachable", "NoExecute"), mine]),
        "taints [mine:NoExecute]",
    );
    check("True", json!([mine]), "later 40");
    let both = json!([
        taint("unreachable", "NoExecute"),
        taint("unreachable", "NoSchedule")
    ]);
    check("Unknown", both, "later 40");
}

#[test]
fn cordons_and_pressures_are_taints_too() {
    let mut node = node("a", Some("True"), json!([]), TIME);
    node.spec.as_mut().expect("a spec").unschedulable = Some(true);
    let status = node.status.as_mut().expect("a status");
    status.conditions.as_mut().expect("conditions")[0].status = "True".to_owned();
    assert_eq!(
        World::new(vec![node]).node(0, "a"),
        "taints [memory-pressure:NoSchedule, unschedulable:NoSchedule]"
    );
}

#[test]
fn while_no_node_is_ready_nobody_is_driven_away() {
    let mut world = World::new(vec![
        node("a", Some("Unknown"), json!([]), TIME),
        node("b", Some("True"), json!([]), TIME),
    ]);
    assert_eq!(
        world.node(0, "a"),
        "taints [unreachable:NoSchedule, unreachable:NoExecute]"
    );
    let work = world.tell(1, node("b", Some("False"), json!([]), TIME));
    assert!(work.contains(&Work::Node("a".to_owned())), "{work:?}");
    assert_eq!(world.node(1, "a"), "taints [unreachable:NoSchedule]");
}

#[test]
fn pods_stay_as_long_as_they_tolerate() {
    let taints = json!([
        taint("unreachable", "NoExecute"),
        taint("unreachable", "NoSchedule")
    ]);
    let mut world = World::new(vec![node("a", Some("Unknown"), taints, TIME)]);
    let mut put = |name: &str, tolerations: Value| {
        let work = world
            .state
            .pod(Change::Applied(pod(name, "a", tolerations, "False")));
        assert_eq!(work, Some(Work::Pod(("ns".to_owned(), name.to_owned()))));
    };
    let toleration = |seconds: Value| json!({"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds});
    put("none", json!([]));
    put("some", json!([toleration(json!(300))]));
    put("both", json!([toleration(json!(300)), toleration(json!(60))]));
    put("ever", json!([toleration(Value::Null)]));
    put("never", json!([toleration(json!(-1))]));
    assert_eq!(world.pod("none", TIME), "evict");
    assert_eq!(world.pod("some", TIME), "later 300");
    assert_eq!(world.pod("some", "2026-01-02T03:09:05Z"), "evict");
    assert_eq!(world.pod("both", TIME), "later 60");
    assert_eq!(world.pod("ever", "2027-01-02T03:09:05Z"), "rest");
    assert_eq!(world.pod("never", TIME), "evict");
}

#[test]
fn pods_of_a_lost_node_are_not_ready() {
    let mut world = World::new(vec![node("a", Some("True"), json!([]), TIME)]);
    world.state.pod(Change::Applied(pod("p", "a", json!([]), "True")));
    assert_eq!(world.pod("p", TIME), "rest");
    let work = world.tell(50, node("a", Some("Unknown"), json!([]), TIME));
    assert!(
        work.contains(&Work::Pod(("ns".to_owned(), "p".to_owned()))),
        "{work:?}"
    );
    assert_eq!(world.pod("p", TIME), "mark");
    world
        .state
        .pod(Change::Applied(pod("p", "a", json!([]), "False")));
    assert_eq!(world.pod("p", TIME), "rest");
}
