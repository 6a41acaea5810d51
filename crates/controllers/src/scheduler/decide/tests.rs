use serde_json::{Value, from_value, json};

use super::*;

fn key(name: &str) -> Key {
    ("ns".to_owned(), name.to_owned())
}

fn read_pod(name: &str, labels: Value, spec: Value) -> Pod {
    let mut whole = json!({
        "schedulerName": "default-scheduler",
        "containers": [],
    });
    for (field, value) in spec.as_object().expect("an object") {
        whole[field] = value.clone();
    }
    let pod =
        json!({"metadata": {"namespace": "ns", "name": name, "uid": name, "labels": labels}, "spec": whole});
    let (_, pod) = Pod::read(from_value(pod).expect("a pod"));
    pod.expect("it has not ended")
}

fn container(requests: Value) -> Value {
    json!({"containers": [{"name": "c", "resources": {"requests": requests}}]})
}

/// Nodes as `(name, labels, spec)`, each with two cores, 4 Gi and room for two pods.
fn cluster(nodes: &[(&str, Value, Value)]) -> Cluster {
    let mut cluster = Cluster::default();
    for (name, labels, spec) in nodes {
        let node = json!({
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
            "status": {
                "allocatable": {"cpu": "2", "memory": "4Gi", "pods": "2"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        });
        let node: k8s_openapi::api::core::v1::Node = from_value(node).expect("a node");
        cluster.nodes.insert((*name).to_owned(), node.into());
    }
    cluster
}

fn check(cluster: &Cluster, spec: Value, expect: &str) {
    let pod = read_pod("new", json!({"app": "new"}), spec);
    let found = match decide(&key("new"), &pod, cluster) {
        Decision::Bind(node) => format!("on {node}"),
        Decision::Wait(message) => message,
    };
    assert_eq!(found, expect);
}

#[test]
fn no_nodes() {
    check(
        &Cluster::default(),
        json!({}),
        "no nodes available to schedule pods",
    );
}

#[test]
fn nodes_that_refuse() {
    let one = |spec| cluster(&[("a", json!({"zone": "z"}), spec)]);
    let free = one(json!({}));
    check(&free, json!({}), "on a");
    let cordoned = one(json!({"unschedulable": true}));
    check(
        &cordoned,
        json!({}),
        "0/1 nodes are available: 1 node(s) were unschedulable.",
    );
    check(
        &cordoned,
        json!({"tolerations": [{"operator": "Exists"}]}),
        "on a",
    );
    for effect in ["NoSchedule", "NoExecute"] {
        let tainted = one(json!({"taints": [{"key": "k", "effect": effect}]}));
        check(
            &tainted,
            json!({}),
            "0/1 nodes are available: 1 node(s) had untolerated taint(s).",
        );
        check(
            &tainted,
            json!({"tolerations": [{"key": "k", "operator": "Exists"}]}),
            "on a",
        );
    }
    let preferred = one(json!({"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}));
    check(&preferred, json!({}), "on a");
    check(&free, json!({"nodeSelector": {"zone": "z"}}), "on a");
    let selector = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
    check(&free, json!({"nodeSelector": {"zone": "y"}}), selector);
    let affinity = |operator: &str| {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": operator, "values": ["z"]}]}],
        }}}})
    };
    check(&free, affinity("In"), "on a");
    check(&free, affinity("NotIn"), selector);
}

#[test]
fn a_node_that_is_not_ready_is_tainted() {
    let mut cluster = Cluster::default();
    let node = json!({"metadata": {"name": "a"}, "status": {"allocatable": {"pods": "2"}}});
    let node: k8s_openapi::api::core::v1::Node = from_value(node).expect("a node");
    cluster.nodes.insert("a".to_owned(), node.into());
    check(
        &cluster,
        json!({}),
        "0/1 nodes are available: 1 node(s) had untolerated taint(s).",
    );
}

#[test]
fn room() {
    let mut cluster = cluster(&[("a", json!({}), json!({})), ("b", json!({}), json!({}))]);
    let mut put = |name: &str, node: &str, mut spec: Value| {
        spec["nodeName"] = node.into();
        cluster.put(key(name), read_pod(name, json!({}), spec));
    };
    put("1", "a", container(json!({"cpu": "1500m", "memory": "1Gi"})));
    let full = container(json!({"cpu": "2", "memory": "3.5Gi"}));
    put("2", "b", full.clone());
    check(
        &cluster,
        container(json!({"cpu": "1", "memory": "3072Mi"})),
        "0/2 nodes are available: 1 Insufficient memory, 2 Insufficient cpu.",
    );
    check(
        &cluster,
        container(json!({"cpu": "500m", "memory": "3Gi"})),
        "on a",
    );
    check(
        &cluster,
        container(json!({"x.y/gpu": "1"})),
        "0/2 nodes are available: 2 Insufficient x.y/gpu.",
    );
    check(&cluster, json!({}), "on a");
    cluster.put(key("3"), read_pod("3", json!({}), json!({"nodeName": "a"})));
    check(&cluster, json!({}), "on b");
    cluster.put(key("4"), read_pod("4", json!({}), json!({"nodeName": "b"})));
    check(&cluster, json!({}), "0/2 nodes are available: 2 Too many pods.");
    cluster.remove(&key("2"));
    check(&cluster, json!({}), "on b");
    assert!(
        cluster
            .usage("b")
            .is_some_and(|usage| usage.amounts.values().all(|left| !left.is_positive()))
    );
}

#[test]
fn init_containers_count_one_by_one() {
    let spec = json!({
        "containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}],
        "initContainers": [
            {"name": "i", "resources": {"requests": {"cpu": "1500m"}}},
            {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "600m"}}},
            {"name": "j", "resources": {"requests": {"cpu": "700m"}}},
        ],
        "overhead": {"cpu": "100m"},
    });
    let requests = read_pod("p", json!({}), spec).requests;
    // The sidecar runs beside the container: 1 + 0.6; before that 1.5, and 0.6 + 0.7. Then 0.1 for the pod.
    assert_eq!(requests["cpu"].thousandths(), 1700);
}

#[test]
fn host_ports() {
    let mut cluster = cluster(&[("a", json!({}), json!({}))]);
    let port =
        |port: Value, node: &str| json!({"nodeName": node, "containers": [{"name": "c", "ports": [port]}]});
    let taken = port(
        json!({"containerPort": 1, "hostPort": 80, "hostIP": "10.0.0.1"}),
        "a",
    );
    cluster.put(key("1"), read_pod("1", json!({}), taken));
    let refusal = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
    check(
        &cluster,
        port(json!({"containerPort": 1, "hostPort": 80}), ""),
        refusal,
    );
    check(
        &cluster,
        port(
            json!({"containerPort": 1, "hostPort": 80, "hostIP": "10.0.0.2"}),
            "",
        ),
        "on a",
    );
    check(
        &cluster,
        port(json!({"containerPort": 1, "hostPort": 80, "protocol": "UDP"}), ""),
        "on a",
    );
}

#[test]
fn neighbours() {
    let mut cluster = cluster(&[
        ("a", json!({"zone": "x"}), json!({})),
        ("b", json!({"zone": "y"}), json!({})),
    ]);
    let term = |app: &str| json!([{"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": app}}}]);
    let rule = |kind: &str, app: &str| json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": term(app)}}});
    check(
        &cluster,
        rule("podAffinity", "db"),
        "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.",
    );
    check(&cluster, rule("podAffinity", "new"), "on a");
    cluster.put(
        key("db"),
        read_pod("db", json!({"app": "db"}), json!({"nodeName": "b"})),
    );
    check(&cluster, rule("podAffinity", "db"), "on b");
    check(&cluster, rule("podAntiAffinity", "db"), "on a");
    let mut guard = rule("podAntiAffinity", "new");
    guard["nodeName"] = "a".into();
    cluster.put(key("guard"), read_pod("guard", json!({}), guard));
    check(
        &cluster,
        rule("podAntiAffinity", "db"),
        "0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules, 1 node(s) didn't satisfy existing pods anti-affinity rules.",
    );
}

#[test]
fn spread() {
    let zone = |zone: &str| json!({"zone": zone});
    let mut cluster = cluster(&[
        ("a", zone("x"), json!({})),
        ("b", zone("y"), json!({})),
        ("c", json!({}), json!({})),
    ]);
    let rule = |min_domains: Value| {
        json!({"topologySpreadConstraints": [{
            "topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "minDomains": min_domains,
            "labelSelector": {"matchLabels": {"app": "new"}},
        }]})
    };
    check(&cluster, rule(Value::Null), "on a");
    cluster.put(
        key("1"),
        read_pod("1", json!({"app": "new"}), json!({"nodeName": "a"})),
    );
    check(&cluster, rule(Value::Null), "on b");
    cluster.nodes.get_mut("b").expect("a node").unschedulable = true;
    check(
        &cluster,
        rule(Value::Null),
        "0/3 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) didn't match pod topology spread constraints (missing required label), 1 node(s) were unschedulable.",
    );
    cluster.put(
        key("2"),
        read_pod("2", json!({"app": "new"}), json!({"nodeName": "b"})),
    );
    check(&cluster, rule(Value::Null), "on a");
    cluster.nodes.get_mut("b").expect("a node").unschedulable = false;
    check(
        &cluster,
        rule(json!(3)),
        "0/3 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label), 2 node(s) didn't match pod topology spread constraints.",
    );
}
