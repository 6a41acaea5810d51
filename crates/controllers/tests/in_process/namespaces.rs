//! Namespaces are furnished and emptied.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::world::{ROOT_CA, World, config_map};

#[tokio::test]
async fn every_namespace_is_furnished() {
    let world = World::start().await;
    world.create_namespace("n").await;
    for namespace in ["default", "kube-system", "kube-public", "kube-node-lease", "n"] {
        world
            .until_there(&format!("/api/v1/namespaces/{namespace}/serviceaccounts/default"))
            .await;
        let published = world
            .until_there(&config_map(namespace, "kube-root-ca.crt"))
            .await;
        assert_eq!(published["data"], json!({"ca.crt": ROOT_CA}));
        let description = published["metadata"]["annotations"]["kubernetes.io/description"].as_str();
        assert!(description.is_some_and(|text| text.starts_with("Contains a CA bundle")));
    }
}

#[tokio::test]
async fn what_a_namespace_has_comes_back() {
    let world = World::start().await;
    let account = "/api/v1/namespaces/default/serviceaccounts/default";
    let before = world.until_there(account).await["metadata"]["uid"].clone();
    world.delete(account, "Background").await;
    let another = |found: Option<&Value>| found.is_some_and(|account| account["metadata"]["uid"] != before);
    world.until("another account", account, another).await;

    let published = config_map("default", "kube-root-ca.crt");
    world.until_there(&published).await;
    world
        .must(
            Method::PATCH,
            &published,
            json!({"data": {"ca.crt": "x", "more": "y"}}),
        )
        .await;
    world
        .until("the certificate", &published, |found| {
            found.is_some_and(|map| map["data"] == json!({"ca.crt": ROOT_CA}))
        })
        .await;
    world
        .must(
            Method::PATCH,
            &published,
            json!({"metadata": {"annotations": null, "labels": {"kept": "yes"}}}),
        )
        .await;
    let described =
        |found: Option<&Value>| found.is_some_and(|map| map["metadata"]["annotations"].is_object());
    let (restored, _) = world.until("the annotation", &published, described).await;
    assert_eq!(
        restored.expect("it was found")["metadata"]["labels"]["kept"],
        "yes"
    );
    world.delete(&published, "Background").await;
    world.until_there(&published).await;
}

#[tokio::test]
async fn it_comes_back_well_under_a_second() {
    let world = World::start().await;
    for namespace in ["n", "m"] {
        world.create_namespace(namespace).await;
        for path in [
            format!("/api/v1/namespaces/{namespace}/serviceaccounts/default"),
            config_map(namespace, "kube-root-ca.crt"),
        ] {
            let mut uid = world.until_there(&path).await["metadata"]["uid"].clone();
            // Also when it is deleted again as soon as it is back.
            for _ in 0..5 {
                world.delete(&path, "Background").await;
                let another =
                    |found: Option<&Value>| found.is_some_and(|object| object["metadata"]["uid"] != uid);
                let (found, took) = world.until("another", &path, another).await;
                assert!(took < Duration::from_millis(700), "{path} took {took:?}");
                uid = found.expect("it was found")["metadata"]["uid"].clone();
            }
        }
    }
}

#[tokio::test]
async fn a_deleted_namespace_goes_with_everything_in_it() {
    let world = World::start().await;
    world.create_namespace("empty").await;
    world
        .until_there("/api/v1/namespaces/empty/serviceaccounts/default")
        .await;
    world.until_there(&config_map("empty", "kube-root-ca.crt")).await;
    world.delete("/api/v1/namespaces/empty", "Background").await;
    let took = world.until_gone("/api/v1/namespaces/empty").await;
    println!("an empty namespace went in {took:?}");
    assert!(took < Duration::from_millis(500), "{took:?}");

    world.create_namespace("full").await;
    for number in 0..1200 {
        world.create("full", &format!("m{number}"), json!({})).await;
    }
    world.delete("/api/v1/namespaces/full", "Background").await;
    let took = world.until_gone("/api/v1/namespaces/full").await;
    println!("a namespace with 1,200 objects went in {took:?}");
    let left = world.get("/api/v1/configmaps").await.expect("a list");
    let left = left["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter(|map| map["metadata"]["namespace"] == "full")
        .count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_namespace_says_what_holds_it() {
    let world = World::start().await;
    world.create_namespace("held").await;
    world
        .create("held", "m", json!({"finalizers": ["example.com/hold"]}))
        .await;
    world.delete("/api/v1/namespaces/held", "Background").await;
    let holds = |found: Option<&Value>| {
        let condition = |kind: &str| {
            let conditions = found?["status"]["conditions"].as_array()?;
            conditions
                .iter()
                .find(|condition| condition["type"] == kind && condition["status"] == "True")
                .cloned()
        };
        let remaining = condition("NamespaceContentRemaining");
        let finalizers = condition("NamespaceFinalizersRemaining");
        remaining.is_some_and(|condition| condition["message"] == "Some resources are remaining: configmaps. has 1 resource instances")
            && finalizers.is_some_and(|condition| {
                condition["message"]
                    == "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
            })
    };
    world.until("conditions", "/api/v1/namespaces/held", holds).await;
    let before =
        world.get("/api/v1/namespaces/held").await.expect("it is held")["metadata"]["resourceVersion"]
            .clone();
    world.settle().await;
    let after =
        world.get("/api/v1/namespaces/held").await.expect("it is held")["metadata"]["resourceVersion"]
            .clone();
    assert_eq!(before, after, "what does not change is not written again");
    world
        .must(
            Method::PATCH,
            &config_map("held", "m"),
            json!({"metadata": {"finalizers": null}}),
        )
        .await;
    world.until_gone("/api/v1/namespaces/held").await;
}
