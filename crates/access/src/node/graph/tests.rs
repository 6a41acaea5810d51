use serde_json::json;
use strongroom_objects::Value;

use super::*;

fn pod(name: &str, node: &str, spec: Value) -> Object {
    let Value::Object(mut pod) = json!({"metadata": {"name": name, "namespace": "ns"}}) else {
        unreachable!("written as an object")
    };
    pod.insert("spec".to_owned(), spec);
    pod["spec"]["nodeName"] = node.into();
    Object::from_value(pod).unwrap()
}

fn secret(name: &str) -> Value {
    json!({"volumes": [{"secret": {"secretName": name}}]})
}

fn reaches(graph: &NodeGraph, node: &str, name: &str) -> bool {
    graph.reaches(node, Referenced::Secret, "ns", name)
}

#[test]
fn every_way_to_use_an_object_is_seen() {
    let spec = json!({
        "serviceAccountName": "sa",
        "imagePullSecrets": [{"name": "pull"}, null, {}],
        "containers": [{
            "env": [{"valueFrom": {"secretKeyRef": {"name": "env"}}}, {"valueFrom": {"configMapKeyRef": {"name": "env"}}}],
            "envFrom": [{"secretRef": {"name": "from"}}, {"configMapRef": {"name": "from"}}],
        }],
        "initContainers": [{"envFrom": [{"secretRef": {"name": "init"}}]}],
        "ephemeralContainers": [{"envFrom": [{"secretRef": {"name": "ephemeral"}}]}],
        "volumes": [
            {"secret": {"secretName": "volume"}},
            {"csi": {"nodePublishSecretRef": {"name": "csi"}}},
            {"azureFile": {"secretName": "azure"}},
            {"configMap": {"name": "volume"}},
            {"persistentVolumeClaim": {"claimName": "claim"}},
            {"projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "projected"}}]}},
        ],
        "resourceClaims": [{"resourceClaimName": "device"}],
    });
    let pod = pod("p", "n", spec);
    let found: Vec<String> = references(&pod)
        .iter()
        .map(|(kind, name)| format!("{kind:?} {name}"))
        .collect();
    assert_eq!(
        found.join(", "),
        "Secret azure, Secret csi, Secret env, Secret ephemeral, Secret from, Secret init, Secret projected, Secret \
         pull, Secret volume, ConfigMap env, ConfigMap from, ConfigMap projected, ConfigMap volume, ServiceAccount sa, \
         PersistentVolumeClaim claim, ResourceClaim device"
    );
}

/// Which nodes hear of a change.
#[test]
fn only_what_changes_is_news() {
    let mut graph = NodeGraph::default();
    let mut check = |pod: &Object, expect: &[&str]| {
        let affected = graph.put_pod(pod);
        let affected: Vec<&str> = affected.iter().map(|node| &**node).collect();
        assert_eq!(affected, expect);
    };
    check(&pod("a", "", secret("s")), &[]);
    check(&pod("a", "n", secret("s")), &["n"]);
    let mut running = pod("a", "n", secret("s"));
    running
        .body
        .insert("status".to_owned(), json!({"phase": "Running"}));
    check(&running, &[]);
    check(&pod("a", "n", secret("t")), &["n", "n"]);
    check(&pod("a", "m", secret("t")), &["n", "m"]);
    assert_eq!(graph.remove_pod("ns", "a").as_deref(), Some("m"));
    assert_eq!(graph.remove_pod("ns", "a"), None);
}

#[test]
fn paths_come_and_go_with_pods() {
    let mut graph = NodeGraph::default();
    graph.put_pod(&pod("a", "n", secret("s")));
    graph.put_pod(&pod("b", "n", secret("s")));
    graph.put_pod(&pod("c", "m", secret("t")));
    assert!(reaches(&graph, "n", "s") && reaches(&graph, "m", "t"));
    assert!(!reaches(&graph, "m", "s") && !reaches(&graph, "x", "s"));
    graph.remove_pod("ns", "a");
    assert!(reaches(&graph, "n", "s"), "the other pod still uses it");
    graph.put_pod(&pod("b", "n", secret("u")));
    assert!(!reaches(&graph, "n", "s") && reaches(&graph, "n", "u"));
    let reach = graph.who_can(Referenced::Secret, "ns", "u");
    assert_eq!(
        reach,
        [Reach {
            node: "n".to_owned(),
            pod: "b".to_owned()
        }]
    );
    assert_eq!(reach[0].to_string(), "node n by its pod b");
    for name in ["a", "b", "c", "never"] {
        graph.remove_pod("ns", name);
    }
    assert!(graph.namespaces.is_empty() && graph.nodes.ids.is_empty());
}

#[test]
fn a_number_used_again_does_not_carry_over_paths() {
    let mut graph = NodeGraph::default();
    graph.put_pod(&pod("a", "old", secret("s")));
    graph.remove_pod("ns", "a");
    graph.put_pod(&pod("b", "new", secret("t")));
    assert!(!reaches(&graph, "new", "s") && !reaches(&graph, "old", "s") && !reaches(&graph, "old", "t"));
    assert!(graph.runs("new", "ns", "b") && !graph.runs("old", "ns", "b"));
}

#[test]
fn mirror_pods_and_pods_without_a_node_prove_nothing() {
    let mut graph = NodeGraph::default();
    graph.put_pod(&pod("waiting", "", secret("s")));
    let mut mirror = pod("mirror", "n", secret("s"));
    let annotation = "kubernetes.io/config.mirror".to_owned();
    mirror.metadata.annotations.insert(annotation, "x".to_owned());
    graph.put_pod(&mirror);
    assert!(!reaches(&graph, "n", "s") && graph.runs("n", "ns", "mirror"));
    assert_eq!(graph.pods(), 1);
    let mut odd = Object::default();
    odd.body.insert(
        "spec".to_owned(),
        json!({"nodeName": "n", "volumes": "x", "containers": [1, {"env": {}}]}),
    );
    graph.put_pod(&odd);
    assert_eq!(graph.pods(), 2);
}
