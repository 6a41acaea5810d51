//! ClusterRoles that aggregate others.

use http::Method;
use serde_json::{Value, json};

use crate::world::World;

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";

async fn create(world: &World, name: &str, more: Value) {
    let mut role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {"part-of": label(name)}},
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        role[field] = value.clone();
    }
    world.must(Method::POST, ROLES, role).await;
}

fn label(name: &str) -> String {
    name.replace(':', "-")
}

fn rule(resource: &str) -> Value {
    json!({"verbs": ["get"], "apiGroups": [""], "resources": [resource]})
}

fn aggregation(of: &[&str]) -> Value {
    let selector = |name: &&str| json!({"matchLabels": {"part-of": label(name)}});
    json!({"clusterRoleSelectors": of.iter().map(selector).collect::<Vec<_>>()})
}

#[tokio::test]
async fn rules_are_gathered() {
    let world = World::start().await;
    let has = |rules: Value| {
        move |found: Option<&Value>| {
            found.is_some_and(|role| role["rules"] == rules || rules == json!([]) && role["rules"].is_null())
        }
    };
    create(&world, "part-a", json!({"rules": [rule("pods")]})).await;
    let stale = json!({"rules": [rule("stale")], "aggregationRule": aggregation(&["part-a", "test:b"])});
    create(&world, "whole", stale).await;
    create(
        &world,
        "of:whole",
        json!({"aggregationRule": aggregation(&["whole", "of:whole"])}),
    )
    .await;
    for name in ["whole", "of:whole"] {
        let path = format!("{ROLES}/{name}");
        world.until("a rule", &path, has(json!([rule("pods")]))).await;
    }
    create(&world, "test:b", json!({"rules": [rule("nodes"), rule("pods")]})).await;
    for name in ["whole", "of:whole"] {
        let path = format!("{ROLES}/{name}");
        let wanted = has(json!([rule("pods"), rule("nodes")]));
        world.until("both rules", &path, wanted).await;
    }
    world.delete(&format!("{ROLES}/part-a"), "Background").await;
    world.delete(&format!("{ROLES}/test:b"), "Background").await;
    for name in ["whole", "of:whole"] {
        let path = format!("{ROLES}/{name}");
        world.until("no rules", &path, has(json!([]))).await;
    }
    let role = world.until_there(&format!("{ROLES}/whole")).await;
    let managers = role["metadata"]["managedFields"].as_array().expect("managers");
    assert!(managers.iter().any(|entry| {
        entry["manager"] == "clusterrole-aggregation-controller" && entry["operation"] == "Apply"
    }));
    world.settle().await;
    assert_eq!(
        world.until_there(&format!("{ROLES}/whole")).await,
        role,
        "what does not change is not written again"
    );
}
