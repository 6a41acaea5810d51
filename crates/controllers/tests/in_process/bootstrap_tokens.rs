//! Bootstrap tokens sign `cluster-info` and expire.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::world::World;

const SECRETS: &str = "/api/v1/namespaces/kube-system/secrets";
const CONFIG_MAPS: &str = "/api/v1/namespaces/kube-public/configmaps";
/// The specification's vector (secrets.md §8).
const SIGNATURE: &str =
    "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..vH_kT4yiol-nrAWgjfCYqvum5wsKETXe0S7OOp1VgnE";

async fn create_token(world: &World, id: &str, expiration: Option<&str>) {
    let mut data = json!({
        "token-id": id,
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-signing": "true",
    });
    if let Some(expiration) = expiration {
        data["expiration"] = json!(expiration);
    }
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": format!("bootstrap-token-{id}")}, "stringData": data,
    });
    world.must(Method::POST, SECRETS, secret).await;
}

fn token(id: &str) -> String {
    format!("{SECRETS}/bootstrap-token-{id}")
}

fn in_seconds(seconds: i64) -> String {
    let time = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[tokio::test]
async fn cluster_info_is_signed() {
    let world = World::start().await;
    let path = format!("{CONFIG_MAPS}/cluster-info");
    let data = |found: Option<&Value>| found.map(|map| map["data"].clone()).unwrap_or_default();
    create_token(&world, "abcdef", None).await;
    let kubeconfig = "apiVersion: v1\nkind: Config\n";
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cluster-info"},
        "data": {"kubeconfig": kubeconfig, "jws-kubeconfig-gone00": "stale"},
    });
    world.must(Method::POST, CONFIG_MAPS, object).await;
    let signed = json!({"kubeconfig": kubeconfig, "jws-kubeconfig-abcdef": SIGNATURE});
    world
        .until("a signature", &path, |found| data(found) == signed)
        .await;

    create_token(&world, "zzzzzz", None).await;
    let both = |found: Option<&Value>| data(found)["jws-kubeconfig-zzzzzz"].is_string();
    world.until("two signatures", &path, both).await;
    world.delete(&token("zzzzzz"), "Background").await;
    world
        .until("one signature", &path, |found| data(found) == signed)
        .await;

    let patch = json!({"data": {"kubeconfig": "apiVersion: v1\n"}});
    world.must(Method::PATCH, &path, patch).await;
    let another = |found: Option<&Value>| {
        let signature = data(found)["jws-kubeconfig-abcdef"].clone();
        signature.is_string() && signature != SIGNATURE
    };
    world.until("a new signature", &path, another).await;
    let before = world.until_there(&path).await;
    world.settle().await;
    assert_eq!(world.until_there(&path).await, before, "it is written once");
}

#[tokio::test]
async fn expired_tokens_go() {
    let world = World::start().await;
    create_token(&world, "forevr", None).await;
    create_token(&world, "future", Some(&in_seconds(3600))).await;
    create_token(&world, "passed", Some(&in_seconds(-1))).await;
    create_token(&world, "broken", Some("next week")).await;
    let soon = in_seconds(2);
    create_token(&world, "soon00", Some(&soon)).await;
    world.until_gone(&token("passed")).await;
    world.until_gone(&token("broken")).await;
    assert!(world.get(&token("soon00")).await.is_some());
    world.until_gone(&token("soon00")).await;
    let late = jiff::Timestamp::now().duration_since(soon.parse().expect("a time"));
    assert!(
        late >= jiff::SignedDuration::ZERO && late < jiff::SignedDuration::from_millis(700),
        "{late:?} late"
    );
    assert!(world.get(&token("forevr")).await.is_some());
    assert!(world.get(&token("future")).await.is_some());

    let patch = json!({"stringData": {"expiration": in_seconds(-1)}});
    world.must(Method::PATCH, &token("future"), patch).await;
    let took = world.until_gone(&token("future")).await;
    assert!(took < Duration::from_millis(700), "{took:?}");
}
