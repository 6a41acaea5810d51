//! Tokens of every kind: made, shown, refused (`spec/auth.md` §2, §3, §15.1; `spec/secrets.md` §7, §8).

mod bootstrap;
mod certificates;
mod discovery;
mod forge;
mod hostile;
mod legacy;
mod requests;
mod reviews;
mod shown;

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use strongroom_e2e::{Client, Reply};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const WHO_AM_I: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// A new token of an account in `default`; the account of that name comes a moment after its namespace.
async fn token(admin: &Client, account: &str, spec: Value) -> String {
    eventually(admin, &format!("{ACCOUNTS}/{account}"), |reply| {
        reply.status == 200
    })
    .await;
    let path = format!("{ACCOUNTS}/{account}/token");
    let reply = admin.post(&path, &json!({"spec": spec})).await.expect(201);
    reply["status"]["token"].as_str().expect("a token").to_owned()
}

/// The claims of a token, unverified.
fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The header of a token.
fn header(token: &str) -> Value {
    part(token, 0)
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

/// The answer to "who am I?" with a token.
async fn who(anonymous: &Client, token: &str) -> Reply {
    let request = anonymous
        .request("POST", WHO_AM_I)
        .header("authorization", &format!("Bearer {token}"));
    request.json(&json!({})).send().await
}

/// What a TokenReview says.
async fn review(client: &Client, token: &str, audiences: &[&str]) -> Value {
    let body = json!({"spec": {"token": token, "audiences": audiences}});
    let reply = client
        .post("/apis/authentication.k8s.io/v1/tokenreviews", &body)
        .await;
    reply.expect(201)["status"].clone()
}

/// Asks again until the answer is as wanted; the last answer.
async fn eventually(client: &Client, path: &str, wanted: impl Fn(&Reply) -> bool) -> Reply {
    let start = Instant::now();
    loop {
        let reply = client.get(path).await;
        if wanted(&reply) || start.elapsed() > Duration::from_secs(5) {
            return reply;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A value of a Secret, as text.
fn data(secret: &Value, key: &str) -> String {
    let encoded = secret["data"][key].as_str().unwrap_or_default();
    String::from_utf8(STANDARD.decode(encoded).expect("base64")).expect("text")
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
