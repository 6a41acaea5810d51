//! Dependents follow their owners.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::world::{World, config_map};

fn owned_by(owners: &[(&str, &str)]) -> Value {
    let owner = |(name, uid): &(&str, &str)| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, "blockOwnerDeletion": true});
    json!({"ownerReferences": owners.iter().map(owner).collect::<Vec<_>>()})
}

#[tokio::test]
async fn dependents_go_when_all_owners_are_gone() {
    let world = World::start().await;
    let a = world.create("default", "a", json!({})).await;
    let b = world.create("default", "b", json!({})).await;
    world.create("default", "of-a", owned_by(&[("a", &a)])).await;
    world
        .create("default", "of-both", owned_by(&[("a", &a), ("b", &b)]))
        .await;
    world.settle().await;
    world.delete(&config_map("default", "a"), "Background").await;
    world.until_gone(&config_map("default", "of-a")).await;
    let one_left = |found: Option<&Value>| {
        found.is_some_and(|map| {
            map["metadata"]["ownerReferences"]
                .as_array()
                .is_some_and(|owners| owners.len() == 1)
        })
    };
    world
        .until(
            "one owner to be left",
            &config_map("default", "of-both"),
            one_left,
        )
        .await;
    world.delete(&config_map("default", "b"), "Background").await;
    world.until_gone(&config_map("default", "of-both")).await;
    world.create("default", "late", owned_by(&[("a", &a)])).await;
    world.until_gone(&config_map("default", "late")).await;
}

#[tokio::test]
async fn what_was_left_behind_is_collected_at_the_start() {
    let mut world = World::without_controllers().await;
    let a = world.create("default", "a", json!({})).await;
    let b = world.create("default", "b", json!({})).await;
    world.create("default", "of-a", owned_by(&[("a", &a)])).await;
    world.create("default", "of-b", owned_by(&[("b", &b)])).await;
    world.delete(&config_map("default", "a"), "Background").await;
    world.start_controllers(Duration::from_secs(3600));
    world.until_gone(&config_map("default", "of-a")).await;
    world.settle().await;
    assert!(world.get(&config_map("default", "of-b")).await.is_some());
}

#[tokio::test]
async fn foreground_deletion_takes_the_dependents_first() {
    let world = World::start().await;
    let a = world.create("default", "a", json!({})).await;
    let b = world.create("default", "b", owned_by(&[("a", &a)])).await;
    world.create("default", "c", owned_by(&[("b", &b)])).await;
    world
        .create("default", "held", {
            let mut metadata = owned_by(&[("b", &b)]);
            metadata["finalizers"] = json!(["example.com/hold"]);
            metadata
        })
        .await;
    world.settle().await;
    world.delete(&config_map("default", "a"), "Foreground").await;
    world.until_gone(&config_map("default", "c")).await;
    world.settle().await;
    for waiting in ["a", "b", "held"] {
        assert!(
            world.get(&config_map("default", waiting)).await.is_some(),
            "{waiting} waits"
        );
    }
    world
        .must(
            Method::PATCH,
            &config_map("default", "held"),
            json!({"metadata": {"finalizers": null}}),
        )
        .await;
    world.until_gone(&config_map("default", "a")).await;
    assert!(world.get(&config_map("default", "b")).await.is_none());
}

#[tokio::test]
async fn a_circle_can_be_deleted_in_foreground() {
    let world = World::start().await;
    let a = world.create("default", "a", json!({})).await;
    let b = world.create("default", "b", owned_by(&[("a", &a)])).await;
    world
        .must(
            Method::PATCH,
            &config_map("default", "a"),
            json!({"metadata": owned_by(&[("b", &b)])}),
        )
        .await;
    world.settle().await;
    world.delete(&config_map("default", "a"), "Foreground").await;
    world.until_gone(&config_map("default", "a")).await;
    world.until_gone(&config_map("default", "b")).await;
}

#[tokio::test]
async fn orphans_stay() {
    let world = World::start().await;
    let a = world.create("default", "a", json!({})).await;
    world.create("default", "of-a", owned_by(&[("a", &a)])).await;
    world.delete(&config_map("default", "a"), "Orphan").await;
    world.until_gone(&config_map("default", "a")).await;
    let free = |found: Option<&Value>| found.is_some_and(|map| map["metadata"]["ownerReferences"].is_null());
    world
        .until("no owner", &config_map("default", "of-a"), free)
        .await;
    world.settle().await;
    assert!(world.get(&config_map("default", "of-a")).await.is_some());
}

#[tokio::test]
async fn an_owner_in_another_namespace_is_none() {
    let world = World::start().await;
    let a = world.create("kube-public", "a", json!({})).await;
    world.create("default", "of-a", owned_by(&[("a", &a)])).await;
    world.until_gone(&config_map("default", "of-a")).await;
    let warned = |found: Option<&Value>| {
        let events = found.and_then(|list| list["items"].as_array());
        events.is_some_and(|events| {
            events.iter().any(|event| {
                event["reason"] == "OwnerRefInvalidNamespace"
                    && event["involvedObject"]["name"] == "of-a"
                    && event["message"]
                        .as_str()
                        .is_some_and(|text| text.ends_with(r#"does not exist in namespace "default""#))
            })
        })
    };
    world
        .until("an event", "/api/v1/namespaces/default/events", warned)
        .await;
}
