//! Tokens that stand in Secrets (`spec/secrets.md` §7).

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_e2e::{Check, Client, Reply, Server};

use crate::{ACCOUNTS, SECRETS, claims, data, eventually, header, review, who};

fn filled(reply: &Reply) -> bool {
    ["token", "ca.crt", "namespace"]
        .iter()
        .all(|key| reply.json()["data"][*key].is_string())
}

fn of_account(name: &str, account: &str) -> Value {
    json!({"metadata": {"name": name, "annotations": {"kubernetes.io/service-account.name": account}}, "type": "kubernetes.io/service-account-token"})
}

/// A token Secret of `robot`, filled in.
async fn token_secret(admin: &Client, name: &str) -> Value {
    admin.post(SECRETS, &of_account(name, "robot")).await.expect(201);
    eventually(admin, &format!("{SECRETS}/{name}"), filled)
        .await
        .expect(200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filled_and_kept_right() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let account = admin
        .post(ACCOUNTS, &json!({"metadata": {"name": "robot"}}))
        .await
        .expect(201);
    let uid = account["metadata"]["uid"].clone();
    let got = token_secret(&admin, "t").await;
    check.has("the secret", &got, json!({
        "type": "kubernetes.io/service-account-token",
        "metadata": {"annotations": {"kubernetes.io/service-account.name": "robot", "kubernetes.io/service-account.uid": uid}},
    }));
    check.equal("namespace", data(&got, "namespace").as_str(), "default");
    let authority = std::fs::read_to_string(server.data().join("pki/ca.crt")).expect("the authority");
    check.equal(
        "ca.crt",
        data(&got, "ca.crt").trim().to_owned(),
        authority.trim().to_owned(),
    );
    let token = data(&got, "token");
    check.has(
        "claims",
        &claims(&token),
        json!({
            "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:default:robot",
            "kubernetes.io/serviceaccount/namespace": "default",
            "kubernetes.io/serviceaccount/secret.name": "t",
            "kubernetes.io/serviceaccount/service-account.name": "robot",
            "kubernetes.io/serviceaccount/service-account.uid": uid,
            "exp": null, "aud": null,
        }),
    );
    check.has("header", &header(&token), json!({"alg": "ES256", "kid": "*"}));
    check.accepts(
        &who(&server.anonymous(), &token).await,
        201,
        json!({"status": {"userInfo": {
            "username": "system:serviceaccount:default:robot", "uid": uid,
            "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
        }}}),
    );
    check.has(
        "reviewed",
        &review(&admin, &token, &[]).await,
        json!({"authenticated": true}),
    );
    let noted = eventually(&admin, &format!("{SECRETS}/t"), |reply| {
        reply.text().contains("legacy-token-last-used")
    })
    .await;
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    check.has(
        "the day of its use",
        &noted.json(),
        json!({"metadata": {"labels": {"kubernetes.io/legacy-token-last-used": today}}}),
    );

    // What is taken away comes back; what somebody else put there stays.
    let path = format!("{SECRETS}/t");
    admin
        .patch(
            "merge",
            &path,
            &json!({"data": {"token": null, "ca.crt": null, "more": "YQ=="}}),
        )
        .await
        .expect(200);
    let again = eventually(&admin, &path, filled).await.expect(200);
    check.equal("another key", data(&again, "more").as_str(), "a");
    check.equal("ca.crt again", data(&again, "ca.crt"), data(&got, "ca.crt"));
    check.equal(
        "a new token works",
        who(&server.anonymous(), &data(&again, "token")).await.status,
        201,
    );
    admin
        .patch("merge", &path, &json!({"data": {"ca.crt": "d3Jvbmc="}}))
        .await
        .expect(200);
    let right = eventually(&admin, &path, |reply| data(&reply.json(), "ca.crt") != "wrong").await;
    check.equal(
        "a wrong ca.crt is put right",
        data(&right.json(), "ca.crt"),
        data(&got, "ca.crt"),
    );
    // A namespace that was set is left alone.
    let mut odd = of_account("odd", "robot");
    odd["data"] = json!({"namespace": "ZWxzZXdoZXJl"});
    admin.post(SECRETS, &odd).await.expect(201);
    let odd = eventually(&admin, &format!("{SECRETS}/odd"), filled).await.json();
    check.equal("a set namespace", data(&odd, "namespace").as_str(), "elsewhere");
    // Nothing is made without being asked for.
    let of_account = admin.get(&format!("{ACCOUNTS}/robot")).await.json();
    check.equal("sa.secrets", of_account["secrets"].clone(), Value::Null);
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removed_with_the_account() {
    let server = Server::start();
    let (admin, anonymous) = (server.client(), server.anonymous());
    let mut check = Check::new(admin.clone());
    admin
        .post(ACCOUNTS, &json!({"metadata": {"name": "robot"}}))
        .await
        .expect(201);
    let token = data(&token_secret(&admin, "t").await, "token");
    check.equal("before", who(&anonymous, &token).await.status, 201);
    // One for nobody, and one for another robot, do not stay.
    admin
        .post(SECRETS, &of_account("nobodys", "nobody"))
        .await
        .expect(201);
    let mut other = of_account("others", "robot");
    other["metadata"]["annotations"]["kubernetes.io/service-account.uid"] =
        json!("00000000-0000-4000-8000-000000000000");
    admin.post(SECRETS, &other).await.expect(201);
    for name in ["nobodys", "others"] {
        let reply = eventually(&admin, &format!("{SECRETS}/{name}"), |reply| reply.status == 404).await;
        check.equal(name, reply.status, 404);
    }
    admin.post(SECRETS, &json!({"metadata": {"name": "plain", "annotations": {"kubernetes.io/service-account.name": "robot"}}})).await.expect(201);
    admin.delete(&format!("{ACCOUNTS}/robot")).await.expect(200);
    check.equal("at once", who(&anonymous, &token).await.status, 401);
    let reply = eventually(&admin, &format!("{SECRETS}/t"), |reply| reply.status == 404).await;
    check.equal("the secret goes with the account", reply.status, 404);
    check.equal(
        "a secret of another type stays",
        admin.get(&format!("{SECRETS}/plain")).await.status,
        200,
    );
    // A deleted token Secret is no longer listed by its account.
    admin
        .post(ACCOUNTS, &json!({"metadata": {"name": "robot"}}))
        .await
        .expect(201);
    token_secret(&admin, "listed").await;
    admin
        .patch(
            "merge",
            &format!("{ACCOUNTS}/robot"),
            &json!({"secrets": [{"name": "listed"}, {"name": "mine"}]}),
        )
        .await
        .expect(200);
    admin.delete(&format!("{SECRETS}/listed")).await.expect(200);
    let reply = eventually(&admin, &format!("{ACCOUNTS}/robot"), |reply| {
        !reply.text().contains("listed")
    })
    .await;
    check.equal(
        "sa.secrets",
        reply.json()["secrets"].clone(),
        json!([{"name": "mine"}]),
    );
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_token_no_longer_counts() {
    let server = Server::start();
    let (admin, anonymous) = (server.client(), server.anonymous());
    let mut check = Check::new(admin.clone());
    let path = format!("{SECRETS}/t");
    let account = admin
        .post(ACCOUNTS, &json!({"metadata": {"name": "robot"}}))
        .await
        .expect(201);
    let token = data(&token_secret(&admin, "t").await, "token");
    check.equal("before", who(&anonymous, &token).await.status, 201);
    let why =
        |reason: &str| json!({"authenticated": null, "error": format!("[invalid bearer token, {reason}]")});

    let label =
        |value: Value| json!({"metadata": {"labels": {"kubernetes.io/legacy-token-invalid-since": value}}});
    admin
        .patch("merge", &path, &label(json!("2026-01-01")))
        .await
        .expect(200);
    check.equal("marked invalid", who(&anonymous, &token).await.status, 401);
    check.has("why", &review(&admin, &token, &[]).await, why("the token in secret default/t for service account default/robot has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the 'kubernetes.io/legacy-token-invalid-since' label from the secret to temporarily allow use of this token"));
    admin.patch("merge", &path, &label(Value::Null)).await.expect(200);
    check.equal("and again valid", who(&anonymous, &token).await.status, 201);

    admin
        .patch(
            "merge",
            &format!("{ACCOUNTS}/robot"),
            &json!({"secrets": [{"name": "t"}]}),
        )
        .await
        .expect(200);
    let warned = who(&anonymous, &token).await;
    check.equal("listed by its account", warned.warnings(), vec!["Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens.".to_owned()]);

    // Another token in its place; the old one stands nowhere any more.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let text = "bm90aGluZw==";
    admin
        .patch("merge", &path, &json!({"data": {"token": text}}))
        .await
        .expect(200);
    check.equal("another in its place", who(&anonymous, &token).await.status, 401);
    check.has(
        "why",
        &review(&admin, &token, &[]).await,
        why("Token does not match server's copy"),
    );
    check.equal(
        "nor is what stands there one",
        who(&anonymous, "nothing").await.status,
        401,
    );
    admin.delete(&path).await.expect(200);
    check.equal("the secret is gone", who(&anonymous, &token).await.status, 401);
    check.has(
        "why",
        &review(&admin, &token, &[]).await,
        why("Token has been invalidated"),
    );
    drop(account);
    check.finish();
}
