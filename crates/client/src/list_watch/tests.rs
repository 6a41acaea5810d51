//! The stream against a server that answers from a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;

use super::*;

/// What the scripted server expects to be asked (the end of the path and query) and answers.
type Exchange = (&'static str, u16, &'static str);

/// Plays `script`, and returns what the stream told until the script was used up.
async fn play(script: &[Exchange]) -> Vec<String> {
    let script: Arc<Mutex<VecDeque<Exchange>>> = Arc::new(Mutex::new(script.iter().copied().collect()));
    let left = script.clone();
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let next = script.lock().expect("no panic holds the script").pop_front();
        async move {
            let Some((expect, code, body)) = next else {
                return std::future::pending().await;
            };
            let asked = request.uri().to_string();
            assert!(asked.ends_with(expect), "asked {asked}, expected …{expect}");
            let body = Full::new(Bytes::from_static(body.as_bytes()));
            Ok::<_, std::convert::Infallible>(
                Response::builder().status(code).body(body).expect("a response"),
            )
        }
    });
    let collection = Collection {
        path: "/api/v1/secrets".to_owned(),
        field_selector: None,
        form: Form::Metadata,
        rest_factor: 0,
    };
    let mut changes = list_watch::<Object>(ApiClient::new(kube::Client::new(service, "default")), collection);
    let mut told = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let used_up = left.lock().expect("no panic holds the script").is_empty();
        match tokio::time::timeout(Duration::from_millis(20), changes.next()).await {
            Ok(Some(change)) => told.push(match change {
                Change::Listing => "listing".to_owned(),
                Change::Listed => "listed".to_owned(),
                Change::Applied(object) => format!("+{}", object.metadata.name),
                Change::Deleted(object) => format!("-{}", object.metadata.name),
            }),
            _ if used_up || Instant::now() > deadline => return told,
            _ => {}
        }
    }
}

async fn check(name: &str, script: &[Exchange], expect: &[&str]) {
    assert_eq!(play(script).await, expect, "{name}");
}

const EMPTY_AT_5: &str = r#"{"metadata":{"resourceVersion":"5"},"items":[]}"#;
const GONE: &str =
    r#"{"kind":"Status","status":"Failure","reason":"Expired","code":410,"message":"too old"}"#;

#[tokio::test]
async fn pages_then_events() {
    check(
        "two pages at one revision, then a watch from it",
        &[
            ("secrets?limit=500", 200, r#"{"metadata":{"resourceVersion":"5","continue":"a+b="},"items":[{"metadata":{"name":"a"}}]}"#),
            ("&continue=a%2Bb%3D", 200, r#"{"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"b"}}]}"#),
            ("&resourceVersion=5", 200, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"c\",\"resourceVersion\":\"6\"}}}\n{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}}}\n"),
        ],
        &["listing", "+a", "+b", "listed", "+c", "-a"],
    )
    .await;
}

#[tokio::test]
async fn a_watch_that_ends_is_resumed() {
    check(
        "from the last event",
        &[
            ("limit=500", 200, EMPTY_AT_5),
            ("&resourceVersion=5", 200, "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"8\"}}}\n"),
            ("&resourceVersion=8", 200, ""),
        ],
        &["listing", "listed", "+a"],
    )
    .await;
    check(
        "from the last bookmark",
        &[
            ("limit=500", 200, EMPTY_AT_5),
            (
                "&resourceVersion=5",
                200,
                "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\n",
            ),
            ("&resourceVersion=9", 200, ""),
        ],
        &["listing", "listed"],
    )
    .await;
    check(
        "after an error, from where it was",
        &[
            ("limit=500", 200, EMPTY_AT_5),
            ("&resourceVersion=5", 500, "{}"),
            ("&resourceVersion=5", 200, ""),
        ],
        &["listing", "listed"],
    )
    .await;
}

#[tokio::test]
async fn what_cannot_be_resumed_is_listed_again() {
    check(
        "410 instead of a watch",
        &[
            ("limit=500", 200, EMPTY_AT_5),
            ("&resourceVersion=5", 410, GONE),
            ("limit=500", 200, EMPTY_AT_5),
        ],
        &["listing", "listed", "listing", "listed"],
    )
    .await;
    check(
        "410 inside a watch",
        &[
            ("limit=500", 200, EMPTY_AT_5),
            ("&resourceVersion=5", 200, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"metadata\":{},\"status\":\"Failure\",\"code\":410}}\n"),
            ("limit=500", 200, EMPTY_AT_5),
        ],
        &["listing", "listed", "listing", "listed"],
    )
    .await;
    check(
        "410 between pages",
        &[
            (
                "limit=500",
                200,
                r#"{"metadata":{"resourceVersion":"5","continue":"x"},"items":[{"metadata":{"name":"a"}}]}"#,
            ),
            ("&continue=x", 410, GONE),
            ("limit=500", 200, EMPTY_AT_5),
        ],
        &["listing", "+a", "listing", "listed"],
    )
    .await;
    check(
        "nonsense inside a watch",
        &[
            ("limit=500", 200, EMPTY_AT_5),
            ("&resourceVersion=5", 200, "nonsense\n"),
            ("limit=500", 200, EMPTY_AT_5),
        ],
        &["listing", "listed", "listing", "listed"],
    )
    .await;
}

#[tokio::test]
async fn a_list_that_fails_is_asked_again() {
    check(
        "the same page",
        &[
            ("limit=500", 503, "not json"),
            (
                "limit=500",
                200,
                r#"{"metadata":{"resourceVersion":"5","continue":"x"},"items":[{"metadata":{"name":"a"}}]}"#,
            ),
            ("&continue=x", 500, "{}"),
            ("&continue=x", 200, EMPTY_AT_5),
        ],
        &["listing", "+a", "listed"],
    )
    .await;
    check(
        "until the resource is served",
        &[
            ("limit=500", 404, "404 page not found"),
            ("limit=500", 404, "{}"),
            ("limit=500", 200, EMPTY_AT_5),
        ],
        &["listing", "listed"],
    )
    .await;
}
