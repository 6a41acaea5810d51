//! Pods are given nodes, and leave nodes that are lost.

use http::Method;
use serde_json::{Value, json};

use crate::world::World;

const PODS: &str = "/api/v1/namespaces/default/pods";
const NODES: &str = "/api/v1/nodes";

async fn create_node(world: &World, name: &str, spec: Value) {
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec,
        "status": {
            "capacity": {"cpu": "1", "memory": "1Gi", "pods": "10"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    });
    world.must(Method::POST, NODES, node).await;
}

async fn create_pod(world: &World, name: &str, cpu: &str) {
    world
        .until_there("/api/v1/namespaces/default/serviceaccounts/default")
        .await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}]},
    });
    world.must(Method::POST, PODS, pod).await;
}

fn scheduled(pod: &Value) -> Option<&Value> {
    let conditions = pod["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == "PodScheduled")
}

async fn until_told(world: &World, name: &str, message: &str) {
    let told = |pod: Option<&Value>| {
        let condition = pod.and_then(scheduled);
        condition.is_some_and(|condition| {
            condition["status"] == "False"
                && condition["reason"] == "Unschedulable"
                && condition["message"] == message
        })
    };
    world.until(message, &format!("{PODS}/{name}"), told).await;
    world
        .until("an event", "/api/v1/namespaces/default/events", |events| {
            let events = events.and_then(|events| events["items"].as_array());
            events.into_iter().flatten().any(|event| {
                event["reason"] == "FailedScheduling"
                    && event["message"] == message
                    && event["type"] == "Warning"
                    && event["involvedObject"]["name"] == name
                    && event["source"]["component"] == "default-scheduler"
            })
        })
        .await;
}

async fn until_on(world: &World, name: &str, node: &str) {
    let is_on = |pod: Option<&Value>| {
        pod.is_some_and(|pod| {
            pod["spec"]["nodeName"] == node
                && scheduled(pod).is_some_and(|condition| condition["status"] == "True")
        })
    };
    world.until(node, &format!("{PODS}/{name}"), is_on).await;
}

#[tokio::test]
async fn pods_are_given_nodes_with_room() {
    let world = World::start().await;
    create_pod(&world, "first", "700m").await;
    until_told(&world, "first", "no nodes available to schedule pods").await;
    create_node(&world, "a", json!({})).await;
    until_on(&world, "first", "a").await;
    create_pod(&world, "second", "700m").await;
    until_told(&world, "second", "0/1 nodes are available: 1 Insufficient cpu.").await;
    create_node(&world, "b", json!({"unschedulable": true})).await;
    let both = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.";
    until_told(&world, "second", both).await;
    let path = format!("{PODS}/first?gracePeriodSeconds=0");
    world.must(Method::DELETE, &path, Value::Null).await;
    until_on(&world, "second", "a").await;
    create_pod(&world, "third", "700m").await;
    until_told(&world, "third", both).await;
    let uncordon = json!({"spec": {"unschedulable": null}});
    world.must(Method::PATCH, "/api/v1/nodes/b", uncordon).await;
    until_on(&world, "third", "b").await;
    let events = world
        .get("/api/v1/namespaces/default/events")
        .await
        .expect("events");
    let told = events["items"].as_array().expect("a list").iter().any(|event| {
        event["reason"] == "Scheduled" && event["message"] == "Successfully assigned default/third to b"
    });
    assert!(told, "{events}");
}

#[tokio::test]
async fn taints_follow_the_node_and_drive_pods_away() {
    let world = World::start().await;
    create_node(&world, "a", json!({})).await;
    create_node(&world, "b", json!({"unschedulable": true})).await;
    create_pod(&world, "p", "100m").await;
    until_on(&world, "p", "a").await;
    let tainted = |wanted: &'static [&'static str]| {
        move |node: Option<&Value>| {
            let taints = node
                .map(|node| node["spec"]["taints"].clone())
                .unwrap_or_default();
            let taints: Vec<String> = taints
                .as_array()
                .into_iter()
                .flatten()
                .map(|taint| {
                    format!(
                        "{}:{}",
                        taint["key"].as_str().unwrap_or_default(),
                        taint["effect"].as_str().unwrap_or_default()
                    )
                })
                .collect();
            taints == wanted
        }
    };
    world
        .until(
            "a cordon",
            "/api/v1/nodes/b",
            tainted(&["node.kubernetes.io/unschedulable:NoSchedule"]),
        )
        .await;
    let ready = |status: &str| json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
    world
        .must(Method::PATCH, "/api/v1/nodes/a/status", ready("False"))
        .await;
    let not_ready = &[
        "node.kubernetes.io/not-ready:NoSchedule",
        "node.kubernetes.io/not-ready:NoExecute",
    ];
    world.until("taints", "/api/v1/nodes/a", tainted(not_ready)).await;
    world
        .must(Method::PATCH, "/api/v1/nodes/a/status", ready("True"))
        .await;
    world.until("no taints", "/api/v1/nodes/a", tainted(&[])).await;
    let taint = json!({"spec": {"taints": [{"key": "mine", "effect": "NoExecute"}]}});
    world.must(Method::PATCH, "/api/v1/nodes/a", taint).await;
    let is_leaving =
        |pod: Option<&Value>| pod.is_some_and(|pod| pod["metadata"]["deletionTimestamp"].is_string());
    let (pod, _) = world
        .until("the pod to leave", &format!("{PODS}/p"), is_leaving)
        .await;
    let pod = pod.expect("it was found");
    let told = pod["status"]["conditions"]
        .as_array()
        .expect("conditions")
        .iter()
        .any(|condition| {
            condition["type"] == "DisruptionTarget" && condition["reason"] == "DeletionByTaintManager"
        });
    assert!(told, "{pod}");
}
