//! §1, §13, §14, §18: the URL space, who is let in, headers, HEAD, query corner cases.

use serde_json::json;

use crate::{SECRETS, one, secret, start};

#[tokio::test]
async fn unknown_places() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    client.post(SECRETS, &secret("s", json!({}))).await.expect(201);
    let not_found = "the server could not find the requested resource";
    for path in [
        "/api/v1/nonsense",
        "/api/v1/namespaces/default/nonsense",
        "/api/v1/namespaces/default/nonsense/x",
        "/api/v2/secrets",
        "/apis/coordination.k8s.io/v9/leases",
        "/apis/coordination.k8s.io/v1/nonsense",
        "/api/v1/secrets/s",
        "/api/v1/namespaces/default/secrets/s/status",
        "/api/v1/namespaces/default/secrets/s/nonsense",
    ] {
        let reply = client.get(path).await;
        let status = check.rejects(&reply, 404, "NotFound", not_found);
        check.that(status["details"] == json!({}), || {
            format!("{path}: details {}", status["details"])
        });
    }
    for path in [
        "/foo",
        "/API/v1",
        "//api/v1/secrets",
        "/apis/nosuch.example.com",
        "/apis/nosuch.example.com/v1/things",
    ] {
        let reply = client.get(path).await;
        check.equal(
            path,
            (reply.status, reply.text()),
            (404, "404 page not found\n".to_owned()),
        );
        check.equal(path, reply.header("content-type"), "text/plain; charset=utf-8");
    }
    let not_allowed = "the server does not allow this method on the requested resource";
    for (method, path) in [
        ("POST", "/api/v1/secrets"),
        ("PUT", "/api/v1/secrets"),
        ("PATCH", "/api/v1/secrets"),
        ("DELETE", "/api/v1/secrets"),
        ("PUT", SECRETS),
        ("PATCH", SECRETS),
        ("POST", &one("s")),
        ("DELETE", "/api/v1/namespaces"),
        ("HEAD", &one("s")),
    ] {
        let reply = client.request(method, path).json(&json!({})).send().await;
        if method == "HEAD" {
            check.equal("HEAD", reply.status, 405);
            continue;
        }
        let status = check.rejects(&reply, 405, "MethodNotAllowed", not_allowed);
        check.that(status["details"] == json!({}), || {
            format!("{method} {path}: details {}", status["details"])
        });
    }
    check.accepts(
        &client.get(&format!("{}/", one("s"))).await,
        200,
        json!({"kind": "Secret"}),
    );
    check.accepts(
        &client.get(&format!("{SECRETS}/")).await,
        200,
        json!({"kind": "SecretList"}),
    );
    let reply = client.get(&format!("{}?export=true", one("s"))).await;
    check.rejects(
        &reply,
        400,
        "BadRequest",
        "the export parameter, deprecated since v1.14, is no longer supported",
    );
    check.accepts(
        &client
            .get(&format!("{}?export=false&nonsense=1&timeout=32s", one("s")))
            .await,
        200,
        json!({"kind": "Secret"}),
    );
    check.accepts(&client.get("/").await, 200, json!({"paths": "*"}));
    check.finish();
}

#[tokio::test]
async fn query_corner_cases() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    client.post(SECRETS, &secret("a", json!({}))).await.expect(201);
    client.post(SECRETS, &secret("b", json!({}))).await.expect(201);
    for query in ["watch=0", "watch=false", "watch=False", "watch=FALSE"] {
        check.accepts(
            &client.get(&format!("{SECRETS}?{query}")).await,
            200,
            json!({"kind": "SecretList"}),
        );
    }
    for query in ["watch", "watch=", "watch=1", "watch=yes"] {
        let mut watch = client.watch(&format!("{SECRETS}?{query}&timeoutSeconds=5")).await;
        check.equal(query, watch.event().await.0, "ADDED".to_owned());
    }
    check.accepts(
        &client.get(&format!("{SECRETS}?limit=1&limit=2")).await,
        200,
        json!({"items": [{}]}),
    );
    check.accepts(
        &client.get(&format!("{}?watch=1", one("a"))).await,
        200,
        json!({"kind": "Secret"}),
    );
    check.accepts(
        &client
            .get(&format!("{SECRETS}?labelSelector=&fieldSelector="))
            .await,
        200,
        json!({"items": [{}, {}]}),
    );
    check.finish();
}

#[tokio::test]
async fn headers() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let reply = client.post(SECRETS, &secret("h", json!({}))).await;
    check.equal("content type", reply.header("content-type"), "application/json");
    check.equal("cache", reply.header("cache-control"), "no-cache, private");
    check.equal("audit id", reply.header("audit-id").len(), 36);
    check.that(!reply.header("date").is_empty(), || "no Date".to_owned());
    let second = client.get(&one("h")).await;
    check.that(second.header("audit-id") != reply.header("audit-id"), || {
        "audit ids repeat".to_owned()
    });
    let reply = client.get(&one("missing")).await;
    check.equal(
        "an error's cache",
        reply.header("cache-control"),
        "no-cache, private",
    );
    check.finish();
}

#[tokio::test]
async fn pretty_printing() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    client
        .post(SECRETS, &secret("p", json!({"a": "eA=="})))
        .await
        .expect(201);
    let path = one("p");
    for (query, agent, pretty) in [
        ("", "e2e", false),
        ("?pretty=true", "e2e", true),
        ("?pretty=1", "e2e", true),
        ("?pretty=false", "curl/8", false),
        ("?pretty=", "curl/8", false),
        ("?pretty", "curl/8", false),
        ("", "curl/7.88", true),
        ("", "Wget/1.21", true),
        ("", "Mozilla/5.0 (X11)", true),
    ] {
        let reply = client
            .request("GET", &format!("{path}{query}"))
            .header("user-agent", agent)
            .send()
            .await;
        let text = reply.text();
        let what = format!("{query} {agent}");
        check.equal(
            &what,
            text.contains("\n  \"kind\": \"Secret\"") || text.contains("{\n  \""),
            pretty,
        );
        check.equal(&what, text.ends_with('\n'), !pretty);
    }
    check.finish();
}

#[tokio::test]
async fn who_is_let_in() {
    let (server, mut check) = start();
    let anonymous = server.anonymous();
    for path in [
        "/api",
        "/apis",
        "/api/v1",
        SECRETS,
        "/openapi/v2",
        "/openapi/v3",
        "/metrics",
        "/api/v1/nonsense",
    ] {
        let reply = anonymous.get(path).await;
        check.that(matches!(reply.status, 401 | 403), || {
            format!("{path}: {} {}", reply.status, reply.text())
        });
        let body = reply.json();
        check.has(path, &body, json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": reply.status}));
        if reply.status == 401 {
            check.has(
                path,
                &body,
                json!({"message": "Unauthorized", "reason": "Unauthorized"}),
            );
        } else {
            check.has(path, &body, json!({"reason": "Forbidden"}));
        }
    }
    for path in ["/healthz", "/livez", "/readyz", "/version"] {
        check.equal(path, anonymous.get(path).await.status, 200);
    }
    let reply = anonymous
        .request("GET", SECRETS)
        .header("authorization", "Bearer nonsense-token")
        .send()
        .await;
    check.rejects(&reply, 401, "Unauthorized", "Unauthorized");
    // Known, but not allowed.
    let alice = server.user("alice", &["developers"]);
    let user = "User \"alice\" cannot";
    for (method, path, message) in [
        (
            "GET",
            one("s"),
            format!(
                "secrets \"s\" is forbidden: {user} get resource \"secrets\" in API group \"\" in the namespace \"default\""
            ),
        ),
        (
            "GET",
            SECRETS.to_owned(),
            format!(
                "secrets is forbidden: {user} list resource \"secrets\" in API group \"\" in the namespace \"default\""
            ),
        ),
        (
            "GET",
            "/api/v1/secrets".to_owned(),
            format!(
                "secrets is forbidden: {user} list resource \"secrets\" in API group \"\" at the cluster scope"
            ),
        ),
        (
            "POST",
            SECRETS.to_owned(),
            format!(
                "secrets is forbidden: {user} create resource \"secrets\" in API group \"\" in the namespace \"default\""
            ),
        ),
        (
            "DELETE",
            one("s"),
            format!(
                "secrets \"s\" is forbidden: {user} delete resource \"secrets\" in API group \"\" in the namespace \"default\""
            ),
        ),
    ] {
        let reply = alice
            .request(method, &path)
            .json(&json!({"metadata": {"name": "s"}}))
            .send()
            .await;
        check.rejects(&reply, 403, "Forbidden", &message);
    }
    let reply = alice.get("/metrics").await;
    check.rejects(
        &reply,
        403,
        "Forbidden",
        "forbidden: User \"alice\" cannot get path \"/metrics\"",
    );
    let master = server.user("bob", &["system:masters"]);
    check.equal("system:masters", master.get(SECRETS).await.status, 200);
    let reply = anonymous
        .request("GET", SECRETS)
        .header("authorization", "Basic YTpi")
        .send()
        .await;
    check.that(matches!(reply.status, 401 | 403), || {
        format!("basic: {}", reply.status)
    });
    check.finish();
}
