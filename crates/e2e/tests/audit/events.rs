//! One request, one record or two: every field (§10.2).

use serde_json::{Value, json};
use strongroom_e2e::{Check, Client, Request, Server};

use crate::{SECRETS, with_id};

/// Sends with an id, and returns its only record without what differs from run to run.
async fn recorded(server: &Server, check: &mut Check, id: &str, request: Request) -> Value {
    let reply = request.header("audit-id", id).send().await;
    check.equal(
        "the id comes back",
        reply.header("audit-id").to_owned(),
        id.to_owned(),
    );
    let mut found = with_id(server, id, 1).await;
    check.equal(&format!("{id}: records"), found.len(), 1);
    let mut record = found.pop().unwrap_or_default();
    for time in ["requestReceivedTimestamp", "stageTimestamp"] {
        let text = record[time].take();
        let text = text.as_str().unwrap_or_default();
        check.that(
            text.len() == 27 && text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(),
            || format!("{id}: {time}: {text}"),
        );
        if let Some(record) = record.as_object_mut() {
            record.remove(time);
        }
    }
    let annotations = &mut record["annotations"];
    for own in ["strongroom.dev/audit-sequence", "strongroom.dev/audit-previous"] {
        check.that(annotations[own].is_string(), || format!("{id}: no {own}"));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.remove(own);
        }
    }
    record
}

fn ask(client: &Client, method: &str, path: &str) -> Request {
    client.request(method, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field() {
    let server = Server::start();
    let (admin, anonymous) = (server.client(), server.anonymous());
    let mut check = Check::new(admin.clone());
    let alice = server.user("alice", &["devs"]);
    let whoami = alice
        .post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &json!({}))
        .await
        .expect(201);
    let of_alice = json!({"username": "alice", "groups": ["devs", "system:authenticated"], "extra": whoami["status"]["userInfo"]["extra"]});
    let own = admin
        .post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &json!({}))
        .await
        .expect(201);
    let of_admin = json!({"username": "strongroom-admin", "groups": ["system:masters", "system:authenticated"], "extra": own["status"]["userInfo"]["extra"]});
    let event = |id: &str,
                 uri: &str,
                 verb: &str,
                 user: &Value,
                 object: Value,
                 status: Value,
                 annotations: Value| {
        let mut event = json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": id, "stage": "ResponseComplete",
            "requestURI": uri, "verb": verb, "user": user, "sourceIPs": ["127.0.0.1"], "userAgent": "strongroom-e2e/1.0",
            "objectRef": object, "responseStatus": status, "annotations": annotations,
        });
        if event["objectRef"].is_null()
            && let Some(event) = event.as_object_mut()
        {
            event.remove("objectRef");
        }
        event
    };
    let allowed = json!({"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""});
    let code = |code: u16| json!({"metadata": {}, "code": code});
    let failed = |code: u16, reason: &str, message: &str| json!({"metadata": {}, "status": "Failure", "code": code, "reason": reason, "message": message});

    let body = json!({"metadata": {"name": "s"}, "stringData": {"a": "b"}});
    let got = recorded(
        &server,
        &mut check,
        "create",
        ask(&admin, "POST", SECRETS).json(&body),
    )
    .await;
    check.has(
        "create",
        &got,
        event(
            "create",
            SECRETS,
            "create",
            &of_admin,
            json!({"resource": "secrets", "namespace": "default", "name": "s", "apiVersion": "v1"}),
            code(201),
            allowed.clone(),
        ),
    );
    let one = format!("{SECRETS}/s");
    let object = json!({"resource": "secrets", "namespace": "default", "name": "s", "apiVersion": "v1"});
    let got = recorded(&server, &mut check, "get", ask(&admin, "GET", &one)).await;
    check.equal(
        "get",
        got,
        event(
            "get",
            &one,
            "get",
            &of_admin,
            object.clone(),
            code(200),
            allowed.clone(),
        ),
    );
    let uri = format!("{SECRETS}?limit=5&labelSelector=a%3Db");
    let got = recorded(&server, &mut check, "list", ask(&admin, "GET", &uri)).await;
    check.equal(
        "list",
        got,
        event(
            "list",
            &uri,
            "list",
            &of_admin,
            json!({"resource": "secrets", "namespace": "default", "apiVersion": "v1"}),
            code(200),
            allowed.clone(),
        ),
    );
    let got = recorded(
        &server,
        &mut check,
        "missing",
        ask(&admin, "GET", &format!("{SECRETS}/gone")),
    )
    .await;
    check.equal(
        "404",
        got["responseStatus"].clone(),
        failed(404, "NotFound", "secrets \"gone\" not found"),
    );
    let got = recorded(
        &server,
        &mut check,
        "patch",
        ask(&admin, "PATCH", &one)
            .header("content-type", "application/merge-patch+json")
            .body("{}"),
    )
    .await;
    check.has(
        "patch",
        &got,
        json!({"verb": "patch", "objectRef": object, "responseStatus": code(200), "requestObject": null}),
    );
    let got = recorded(&server, &mut check, "delete", ask(&admin, "DELETE", &one)).await;
    check.has(
        "delete",
        &got,
        json!({"verb": "delete", "objectRef": object, "responseStatus": code(200)}),
    );
    let got = recorded(&server, &mut check, "collection", ask(&admin, "DELETE", SECRETS)).await;
    check.has(
        "deletecollection",
        &got,
        json!({"verb": "deletecollection", "responseStatus": code(200)}),
    );
    let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
    let got = recorded(&server, &mut check, "group", ask(&admin, "GET", lease)).await;
    check.equal("a group", got["objectRef"].clone(), json!({"resource": "leases", "namespace": "default", "name": "l", "apiGroup": "coordination.k8s.io", "apiVersion": "v1"}));
    let got = recorded(&server, &mut check, "path", ask(&admin, "GET", "/version")).await;
    check.equal(
        "a path",
        got,
        event(
            "path",
            "/version",
            "get",
            &of_admin,
            Value::Null,
            code(200),
            allowed.clone(),
        ),
    );

    let got = recorded(&server, &mut check, "forbidden", ask(&alice, "GET", &one)).await;
    let message = "secrets \"s\" is forbidden: User \"alice\" cannot get resource \"secrets\" in API group \"\" in the namespace \"default\"";
    let forbid = json!({"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": ""});
    check.equal(
        "403",
        got,
        event(
            "forbidden",
            &one,
            "get",
            &of_alice,
            object.clone(),
            failed(403, "Forbidden", message),
            forbid,
        ),
    );
    let got = recorded(&server, &mut check, "anonymous", ask(&anonymous, "GET", &one)).await;
    check.has("anonymous", &got, json!({"user": {"username": "system:anonymous", "groups": ["system:unauthenticated"]}, "responseStatus": {"code": 403}}));
    let got = recorded(
        &server,
        &mut check,
        "unauthorized",
        ask(&anonymous, "GET", &one).header("authorization", "Bearer nonsense-nonsense"),
    )
    .await;
    check.equal(
        "401",
        got,
        event(
            "unauthorized",
            &one,
            "get",
            &json!({}),
            object.clone(),
            failed(401, "Unauthorized", "Unauthorized"),
            json!({}),
        ),
    );
    let got = recorded(
        &server,
        &mut check,
        "impersonated",
        ask(&admin, "GET", &one)
            .header("impersonate-user", "bob")
            .header("impersonate-group", "ops"),
    )
    .await;
    check.has("impersonation", &got, json!({"user": of_admin, "impersonatedUser": {"username": "bob", "groups": ["ops", "system:authenticated"]}, "responseStatus": {"code": 403}}));
    let got = recorded(
        &server,
        &mut check,
        "not-impersonated",
        ask(&alice, "GET", &one).header("impersonate-user", "bob"),
    )
    .await;
    check.has("a refused impersonation", &got, json!({"user": of_alice, "impersonatedUser": null, "responseStatus": {"code": 403, "reason": "Forbidden"}}));
    // What allowed it is in the record.
    let binding = json!({"metadata": {"name": "rb"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}, "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}]});
    admin
        .post(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
            &binding,
        )
        .await
        .expect(201);
    let got = recorded(&server, &mut check, "bound", ask(&alice, "GET", SECRETS)).await;
    check.equal("why", got["annotations"].clone(), json!({"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "RBAC: allowed by RoleBinding \"rb/default\" of ClusterRole \"edit\" to User \"alice\""}));
    // A token is known by its id.
    let path = "/api/v1/namespaces/default/serviceaccounts/robot/token";
    admin
        .post(
            "/api/v1/namespaces/default/serviceaccounts",
            &json!({"metadata": {"name": "robot"}}),
        )
        .await
        .expect(201);
    let got = recorded(
        &server,
        &mut check,
        "token",
        ask(&admin, "POST", path).json(&json!({})),
    )
    .await;
    check.equal("a token request", got["objectRef"].clone(), json!({"resource": "serviceaccounts", "namespace": "default", "name": "robot", "apiVersion": "v1", "subresource": "token"}));
    check.that(
        got["annotations"]["authentication.kubernetes.io/issued-credential-id"]
            .as_str()
            .is_some_and(|id| id.starts_with("JTI=")),
        || got.to_string(),
    );
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_have_two_records() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let uri = format!("{SECRETS}?watch=true");
    for (id, client) in [
        ("watch-one", server.client()),
        ("watch-two", server.client_http2()),
    ] {
        let mut watch = client.request("GET", &uri).header("audit-id", id).watch().await;
        check.equal(
            "the id comes back",
            watch
                .headers
                .get("audit-id")
                .and_then(|id| id.to_str().ok())
                .map(str::to_owned),
            Some(id.to_owned()),
        );
        admin
            .post(SECRETS, &json!({"metadata": {"name": id}}))
            .await
            .expect(201);
        watch.expect("ADDED", "watch-one").await;
        let found = with_id(&server, id, 1).await;
        check.equal("while it is open", found.len(), 1);
        check.has("its beginning", found.first().unwrap_or(&Value::Null), json!({"stage": "ResponseStarted", "verb": "watch", "level": "Metadata", "responseStatus": {"metadata": {}, "code": 200}, "requestURI": uri, "objectRef": {"resource": "secrets", "namespace": "default", "apiVersion": "v1"}, "annotations": {"authorization.k8s.io/decision": "allow"}}));
        drop(watch);
        drop(client);
        let found = with_id(&server, id, 2).await;
        check.equal("after its end", found.len(), 2);
        check.has("its end", found.last().unwrap_or(&Value::Null), json!({"stage": "ResponseComplete", "verb": "watch", "responseStatus": {"code": 200}, "requestReceivedTimestamp": found[0]["requestReceivedTimestamp"]}));
    }
    // One that is refused has begun nothing.
    server
        .user("alice", &[])
        .request("GET", &uri)
        .header("audit-id", "refused")
        .send()
        .await;
    let found = with_id(&server, "refused", 1).await;
    check.equal("refused", found.len(), 1);
    check.has(
        "refused",
        found.first().unwrap_or(&Value::Null),
        json!({"stage": "ResponseComplete", "responseStatus": {"code": 403}}),
    );
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_and_agents() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let first = admin.get("/version").await.header("audit-id").to_owned();
    let second = admin.get("/version").await.header("audit-id").to_owned();
    check.that(first.len() == 36 && first != second, || {
        format!("{first} {second}")
    });
    check.equal("its record", with_id(&server, &first, 1).await.len(), 1);
    let longest = "x".repeat(64);
    let reply = admin
        .request("GET", "/version")
        .header("audit-id", &longest)
        .send()
        .await;
    check.equal("64 characters", reply.header("audit-id").to_owned(), longest);
    let reply = admin
        .request("GET", "/version")
        .header("audit-id", &"x".repeat(65))
        .send()
        .await;
    check.that(reply.header("audit-id").len() <= 64, || {
        "an id of any length".to_owned()
    });
    // Nobody writes into the log but through a field.
    for odd in ["\"},{\"x\":\"", "a\\", "a\\\"b"] {
        let reply = admin
            .request("GET", "/version")
            .header("audit-id", odd)
            .header("user-agent", "a\"b\\c\tx")
            .send()
            .await;
        let id = reply.header("audit-id").to_owned();
        let found = with_id(&server, &id, 1).await;
        check.equal(odd, found.len(), 1);
        check.has(
            odd,
            found.first().unwrap_or(&Value::Null),
            json!({"userAgent": "a\"b\\c\tx"}),
        );
    }
    let agent = "a".repeat(2000);
    let id = admin
        .request("GET", "/version")
        .header("user-agent", &agent)
        .send()
        .await
        .header("audit-id")
        .to_owned();
    let found = with_id(&server, &id, 1).await;
    let recorded = found[0]["userAgent"].as_str().unwrap_or_default();
    check.that(
        recorded.len() <= 1024 + 15 && recorded.ends_with("...TRUNCATED"),
        || format!("{} {recorded}", recorded.len()),
    );
    check.finish();
}
