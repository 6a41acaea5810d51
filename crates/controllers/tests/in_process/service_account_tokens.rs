//! Secrets that hold tokens of service accounts.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use crate::world::{ROOT_CA, World};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
/// "Well under a second", also on a machine that is busy.
const AT_ONCE: Duration = Duration::from_millis(700);

fn path(name: &str) -> String {
    format!("{SECRETS}/{name}")
}

async fn create_account(world: &World, name: &str) -> String {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    let created = world.must(Method::POST, ACCOUNTS, account).await;
    created["metadata"]["uid"].as_str().expect("a uid").to_owned()
}

async fn create_secret(world: &World, name: &str, account: &str, data: Value) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token", "data": data,
        "metadata": {"name": name, "annotations": {"kubernetes.io/service-account.name": account}},
    });
    world.must(Method::POST, SECRETS, secret).await;
}

fn text(secret: &Value, key: &str) -> String {
    let value = secret["data"][key].as_str().unwrap_or_default();
    String::from_utf8(STANDARD.decode(value).expect("base64")).expect("text")
}

fn has_token(found: Option<&Value>) -> bool {
    found.is_some_and(|secret| !text(secret, "token").is_empty())
}

async fn filled(world: &World, name: &str) -> Value {
    let (secret, took) = world.until("a token", &path(name), has_token).await;
    assert!(took < AT_ONCE, "{name} took {took:?}");
    secret.expect("it was found")
}

#[tokio::test]
async fn a_secret_is_filled() {
    let world = World::start().await;
    let uid = create_account(&world, "app").await;
    create_secret(&world, "empty", "app", Value::Null).await;
    let secret = filled(&world, "empty").await;
    assert_eq!(text(&secret, "token"), format!("default/app/{uid}/empty"));
    assert_eq!(text(&secret, "namespace"), "default");
    assert_eq!(text(&secret, "ca.crt"), ROOT_CA);
    let annotations = &secret["metadata"]["annotations"];
    assert_eq!(annotations["kubernetes.io/service-account.name"], "app");
    assert_eq!(annotations["kubernetes.io/service-account.uid"], uid);

    let data = json!({"extra": "eA==", "namespace": "b3RoZXI=", "ca.crt": "b2xk"});
    create_secret(&world, "more", "app", data).await;
    let secret = filled(&world, "more").await;
    assert_eq!(text(&secret, "extra"), "x");
    assert_eq!(text(&secret, "namespace"), "other");
    assert_eq!(text(&secret, "ca.crt"), ROOT_CA);
    let account = world.until_there(&format!("{ACCOUNTS}/app")).await;
    assert!(
        account["secrets"].is_null(),
        "accounts do not list what users made"
    );
}

#[tokio::test]
async fn what_is_deleted_from_it_comes_back_and_nothing_else_is_written() {
    let world = World::start().await;
    create_account(&world, "app").await;
    create_secret(&world, "s", "app", Value::Null).await;
    let before = filled(&world, "s").await;
    for key in ["token", "ca.crt", "namespace"] {
        let patch = json!({"data": {key: null}});
        world.must(Method::PATCH, &path("s"), patch).await;
        let whole = |found: Option<&Value>| found.is_some_and(|secret| secret["data"] == before["data"]);
        let (_, took) = world.until(key, &path("s"), whole).await;
        assert!(took < AT_ONCE, "{key} took {took:?}");
    }
    let patch = json!({"metadata": {"labels": {"l": "v"}}});
    let written = world.must(Method::PATCH, &path("s"), patch).await;
    world.settle().await;
    let after = world.until_there(&path("s")).await;
    assert_eq!(
        after["metadata"]["resourceVersion"],
        written["metadata"]["resourceVersion"]
    );
}

#[tokio::test]
async fn it_goes_with_its_account() {
    let world = World::start().await;
    create_account(&world, "app").await;
    create_account(&world, "other").await;
    create_secret(&world, "s", "app", Value::Null).await;
    create_secret(&world, "kept", "other", Value::Null).await;
    filled(&world, "s").await;
    filled(&world, "kept").await;
    world.delete(&format!("{ACCOUNTS}/app"), "Background").await;
    let took = world.until_gone(&path("s")).await;
    assert!(took < AT_ONCE, "{took:?}");

    create_secret(&world, "early", "missing", Value::Null).await;
    let took = world.until_gone(&path("early")).await;
    assert!(took < AT_ONCE, "{took:?}");
    create_secret(&world, "odd", "../../no?name=x", Value::Null).await;
    world.until_gone(&path("odd")).await;
    assert!(world.get(&path("kept")).await.is_some());
}

#[tokio::test]
async fn an_account_made_again_has_no_tokens_of_the_old_one() {
    let world = World::start().await;
    let old = create_account(&world, "app").await;
    create_secret(&world, "s", "app", Value::Null).await;
    filled(&world, "s").await;
    world.delete(&format!("{ACCOUNTS}/app"), "Background").await;
    let new = create_account(&world, "app").await;
    assert_ne!(old, new);
    world.until_gone(&path("s")).await;
    create_secret(&world, "s", "app", Value::Null).await;
    assert_eq!(
        text(&filled(&world, "s").await, "token"),
        format!("default/app/{new}/s")
    );
}

#[tokio::test]
async fn an_account_does_not_list_what_is_gone() {
    let world = World::start().await;
    create_account(&world, "app").await;
    create_secret(&world, "s", "app", Value::Null).await;
    filled(&world, "s").await;
    let account = format!("{ACCOUNTS}/app");
    let patch = json!({"secrets": [{"name": "another"}, {"name": "s"}]});
    world.must(Method::PATCH, &account, patch).await;
    world.delete(&path("s"), "Background").await;
    let removed = |found: Option<&Value>| {
        found.is_some_and(|account| account["secrets"] == json!([{"name": "another"}]))
    };
    world.until("no reference", &account, removed).await;
}

#[tokio::test]
async fn what_happened_before_the_start_is_made_up_for() {
    let mut world = World::without_controllers().await;
    let uid = create_account(&world, "app").await;
    create_secret(&world, "s", "app", Value::Null).await;
    create_secret(&world, "lost", "gone", Value::Null).await;
    world.start_controllers(Duration::from_secs(3600));
    world.until_gone(&path("lost")).await;
    let (secret, _) = world.until("a token", &path("s"), has_token).await;
    assert_eq!(
        text(&secret.expect("it was found"), "token"),
        format!("default/app/{uid}/s")
    );
}
