//! Events expire.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn events_expire() {
    let mut world = World::without_controllers().await;
    let event = |name: &str, last: Option<jiff::Timestamp>| {
        json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "default"},
            "involvedObject": {"kind": "Secret", "namespace": "default", "name": "s"},
            "lastTimestamp": last.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        })
    };
    let later = jiff::Timestamp::now() + Duration::from_secs(60);
    let events = "/api/v1/namespaces/default/events";
    world.must(Method::POST, events, event("old", None)).await;
    world
        .must(Method::POST, events, event("renewed", Some(later)))
        .await;
    world.start_controllers(Duration::from_secs(2));
    world.until_gone(&format!("{events}/old")).await;
    assert!(world.get(&format!("{events}/renewed")).await.is_some());
}
