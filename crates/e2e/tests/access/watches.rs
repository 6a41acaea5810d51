//! A change of permissions is felt at once, by requests and by watches that are open.

use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_e2e::{Check, Client, Server, Watch};

use crate::{RBAC, binding, create, namespaced, role, secrets};

const PATH: &str = "/api/v1/namespaces/default/secrets";
const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";

/// How long after `change` the watch ended, and the last thing it said.
async fn end_of(mut watch: Watch, patience: Duration) -> (Option<Duration>, serde_json::Value) {
    let start = Instant::now();
    let mut last = serde_json::Value::Null;
    while let Some(rest) = patience.checked_sub(start.elapsed()) {
        match watch.next_within(rest).await {
            Some(event) => last = event,
            None if start.elapsed() < patience => return (Some(start.elapsed()), last),
            None => return (None, last),
        }
    }
    (None, last)
}

/// The stream ends because of what was just done, which is promised within a second; with a word of why, if any. A busy
/// machine gets a little longer: by itself the watch would go on for minutes.
async fn ends(check: &mut Check, what: &str, watch: Watch) {
    let (ended, last) = end_of(watch, Duration::from_secs(4)).await;
    println!("{what}: ended after {ended:?}, {last}");
    check.that(ended.is_some(), || {
        format!("{what}: the watch did not end; the last event was {last}")
    });
}

async fn open(client: &Client, query: &str) -> Watch {
    let watch = client.watch(&format!("{PATH}?watch=true{query}")).await;
    assert_eq!(watch.status, 200);
    watch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_feel_a_change_at_once() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let (roles, bindings) = (
        namespaced("roles", "default"),
        namespaced("rolebindings", "default"),
    );
    create(&admin, &roles, &role("r", secrets(&["list"]))).await;
    let alice = server.user("alice", &[]);
    for round in 0..25 {
        let what = |what: &str| format!("round {round}: {what}");
        create(&admin, &bindings, &binding("b", "Role/r", "alice")).await;
        check.equal(&what("bound"), alice.get(PATH).await.status, 200);
        admin
            .patch(
                "merge",
                &format!("{roles}/r"),
                &json!({"rules": secrets(&["get"])}),
            )
            .await
            .expect(200);
        check.equal(&what("the role says less"), alice.get(PATH).await.status, 403);
        admin
            .patch(
                "merge",
                &format!("{roles}/r"),
                &json!({"rules": secrets(&["list"])}),
            )
            .await
            .expect(200);
        check.equal(&what("and more again"), alice.get(PATH).await.status, 200);
        admin.delete(&format!("{bindings}/b")).await.expect(200);
        check.equal(&what("unbound"), alice.get(PATH).await.status, 403);
    }
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_with_its_right() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let (roles, bindings) = (
        namespaced("roles", "default"),
        namespaced("rolebindings", "default"),
    );
    let alice = server.user("alice", &["devs"]);
    let bound = async || {
        admin.delete(&format!("{bindings}/b")).await;
        admin.delete(&format!("{roles}/r")).await;
        create(&admin, &roles, &role("r", secrets(&["get", "list", "watch"]))).await;
        create(&admin, &bindings, &binding("b", "Role/r", "alice")).await;
    };
    bound().await;
    let watch = open(&alice, "").await;
    admin.delete(&format!("{bindings}/b")).await.expect(200);
    ends(&mut check, "the binding is deleted", watch).await;
    check.equal(
        "and does not begin again",
        alice
            .get(&format!("{PATH}?watch=1&timeoutSeconds=1"))
            .await
            .status,
        403,
    );

    bound().await;
    let watch = open(&alice, "").await;
    admin.delete(&format!("{roles}/r")).await.expect(200);
    ends(&mut check, "the role is deleted", watch).await;

    bound().await;
    let watch = open(&alice, "").await;
    admin
        .patch(
            "merge",
            &format!("{roles}/r"),
            &json!({"rules": secrets(&["get", "list"])}),
        )
        .await
        .expect(200);
    ends(&mut check, "the role has lost a verb", watch).await;

    bound().await;
    let watch = open(&alice, "&fieldSelector=metadata.name=s").await;
    let named =
        json!([{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["t"], "verbs": ["watch"]}]);
    admin
        .patch("merge", &format!("{roles}/r"), &json!({"rules": named}))
        .await
        .expect(200);
    ends(&mut check, "the role is for another name", watch).await;

    bound().await;
    let watch = open(&alice, "").await;
    let others = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "bob"}]);
    admin
        .patch("merge", &format!("{bindings}/b"), &json!({"subjects": others}))
        .await
        .expect(200);
    ends(&mut check, "the subject is gone", watch).await;

    // Over HTTP/2, among others on the same connection.
    bound().await;
    let everywhere = format!("{RBAC}/clusterrolebindings");
    create(
        &admin,
        &everywhere,
        &binding("actor", "ClusterRole/cluster-admin", "actor"),
    )
    .await;
    let actor = server.client_http2().with_header("impersonate-user", "alice");
    let watch = open(&actor, "").await;
    let mut of_admin = server.client_http2().watch(&format!("{PATH}?watch=true")).await;
    admin.delete(&format!("{bindings}/b")).await.expect(200);
    ends(&mut check, "the one acted as has lost it", watch).await;
    create(&admin, PATH, &json!({"metadata": {"name": "still"}})).await;
    of_admin.expect("ADDED", "still").await;
    check.finish();
}

/// Who keeps the right keeps the watch, whatever else changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_on_with_its_right() {
    let server = Server::start();
    let admin = server.client();
    let (roles, bindings) = (
        namespaced("roles", "default"),
        namespaced("rolebindings", "default"),
    );
    create(&admin, &roles, &role("r", secrets(&["watch", "list"]))).await;
    create(&admin, &bindings, &binding("b", "Role/r", "alice")).await;
    create(&admin, &bindings, &binding("c", "Role/r", "alice")).await;
    create(&admin, ACCOUNTS, &json!({"metadata": {"name": "robot"}})).await;
    let subject = json!({"kind": "ServiceAccount", "name": "robot"});
    let mut to_robot = binding("d", "Role/r", "x");
    to_robot["subjects"] = json!([subject]);
    create(&admin, &bindings, &to_robot).await;
    let token = admin
        .post(&format!("{ACCOUNTS}/robot/token"), &json!({}))
        .await
        .expect(201)["status"]["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let mut watches = [
        open(&server.user("alice", &[]), "").await,
        open(&server.bearer(&token), "").await,
    ];
    for number in 0..10 {
        create(
            &admin,
            &roles,
            &role(&format!("other{number}"), secrets(&["get"])),
        )
        .await;
        create(
            &admin,
            &bindings,
            &binding(&format!("other{number}"), "Role/r", "bob"),
        )
        .await;
    }
    admin.delete(&format!("{bindings}/b")).await.expect(200);
    admin
        .patch(
            "merge",
            &format!("{ACCOUNTS}/robot"),
            &json!({"metadata": {"labels": {"a": "b"}}}),
        )
        .await
        .expect(200);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    create(&admin, PATH, &json!({"metadata": {"name": "new"}})).await;
    for watch in &mut watches {
        watch.expect("ADDED", "new").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_with_its_token() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let mut everyone = binding("sa", "ClusterRole/edit", "x");
    everyone["subjects"] =
        json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts"}]);
    create(&admin, &namespaced("rolebindings", "default"), &everyone).await;
    let account = async || create(&admin, ACCOUNTS, &json!({"metadata": {"name": "robot"}})).await;
    let token = async |spec: serde_json::Value| {
        let reply = admin
            .post(&format!("{ACCOUNTS}/robot/token"), &json!({"spec": spec}))
            .await
            .expect(201);
        reply["status"]["token"].as_str().expect("a token").to_owned()
    };
    account().await;
    let robot = server.bearer(&token(json!({})).await);
    let watch = open(&robot, "").await;
    admin.delete(&format!("{ACCOUNTS}/robot")).await.expect(200);
    ends(&mut check, "the account is deleted", watch).await;
    check.equal("nor does the token", robot.get(PATH).await.status, 401);

    // One of the same name is not the same.
    account().await;
    let robot = server.bearer(&token(json!({})).await);
    let watch = open(&robot, "").await;
    admin.delete(&format!("{ACCOUNTS}/robot")).await.expect(200);
    account().await;
    ends(&mut check, "the account is another", watch).await;
    check.equal("nor does the token", robot.get(PATH).await.status, 401);

    create(&admin, PATH, &json!({"metadata": {"name": "bound"}})).await;
    let robot = server.bearer(
        &token(json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "bound"}})).await,
    );
    let watch = open(&robot, "&fieldSelector=metadata.name=none").await;
    admin.delete(&format!("{PATH}/bound")).await.expect(200);
    ends(&mut check, "the bound secret is deleted", watch).await;
    check.equal("nor does the token", robot.get(PATH).await.status, 401);

    // A token of a Secret ends with the Secret, and with the label that ends it.
    let legacy = async || {
        create(&admin, PATH, &json!({"metadata": {"name": "legacy", "annotations": {"kubernetes.io/service-account.name": "robot"}}, "type": "kubernetes.io/service-account-token"})).await;
        let start = Instant::now();
        loop {
            let got = admin.get(&format!("{PATH}/legacy")).await.expect(200);
            if let Some(token) = got["data"]["token"].as_str() {
                let token = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, token)
                    .expect("base64");
                break server.bearer(&String::from_utf8(token).expect("text"));
            }
            assert!(start.elapsed() < Duration::from_secs(5), "no token is filled in");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let robot = legacy().await;
    robot.get(PATH).await.expect(200);
    // The first use of a day is noted on the Secret.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let watch = open(&robot, "&fieldSelector=metadata.name=none").await;
    admin.delete(&format!("{PATH}/legacy")).await.expect(200);
    ends(&mut check, "the token's secret is deleted", watch).await;
    let robot = legacy().await;
    robot.get(PATH).await.expect(200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let watch = open(&robot, "&fieldSelector=metadata.name=none").await;
    let invalid = json!({"metadata": {"labels": {"kubernetes.io/legacy-token-invalid-since": "2026-01-01"}}});
    admin
        .patch("merge", &format!("{PATH}/legacy"), &invalid)
        .await
        .expect(200);
    ends(&mut check, "the token is marked invalid", watch).await;
    check.equal("nor does the token", robot.get(PATH).await.status, 401);
    check.finish();
}

/// That a legacy token's use is noted on its Secret is no reason to end the watch that used it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_watch_of_a_day() {
    let server = Server::start();
    let admin = server.client();
    create(&admin, ACCOUNTS, &json!({"metadata": {"name": "robot"}})).await;
    let mut bound = binding("sa", "ClusterRole/edit", "x");
    bound["subjects"] = json!([{"kind": "ServiceAccount", "name": "robot"}]);
    create(&admin, &namespaced("rolebindings", "default"), &bound).await;
    let secret = json!({"metadata": {"name": "legacy", "annotations": {"kubernetes.io/service-account.name": "robot"}}, "type": "kubernetes.io/service-account-token"});
    create(&admin, PATH, &secret).await;
    let start = Instant::now();
    let token = loop {
        let got = admin.get(&format!("{PATH}/legacy")).await.expect(200);
        if let Some(token) = got["data"]["token"].as_str() {
            break base64::Engine::decode(&base64::engine::general_purpose::STANDARD, token).expect("base64");
        }
        assert!(start.elapsed() < Duration::from_secs(5), "no token is filled in");
    };
    let robot = server.bearer(&String::from_utf8(token).expect("text"));
    let watch = open(&robot, "&fieldSelector=metadata.name=none").await;
    let (ended, last) = end_of(watch, Duration::from_millis(2500)).await;
    assert_eq!(ended, None, "the watch ended with {last}");
}
