//! §7: the patch types.

use serde_json::{Value, json};

use crate::{SECRETS, base64, invalid, one, secret, secret_with_metadata, start, text};

#[tokio::test]
async fn media_types() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    client
        .post(SECRETS, &secret("p", json!({"a": "eA=="})))
        .await
        .expect(201);
    for (name, media) in [
        ("p", "application/json"),
        ("p", "text/plain"),
        ("p", "application/yaml"),
        ("missing", "application/json"),
        ("missing", ""),
    ] {
        let mut request = client.request("PATCH", &one(name)).body("{}");
        if !media.is_empty() {
            request = request.header("content-type", media);
        }
        let reply = request.send().await;
        let status = check.rejects(&reply, 415, "UnsupportedMediaType", "415: Unsupported Media Type");
        check.that(status["details"] == json!({}), || {
            format!("details: {}", status["details"])
        });
    }
    for kind in ["merge", "strategic"] {
        check.rejects(
            &client.patch(kind, &one("missing"), &json!({})).await,
            404,
            "NotFound",
            "secrets \"missing\" not found",
        );
        let before = client.get(&one("p")).await.expect(200);
        let reply = client.patch(kind, &one("p"), &json!({})).await;
        let after = check.accepts(&reply, 200, json!({}));
        check.equal("an empty patch changes nothing", after, before);
        for broken in ["{", "7", "[]", "\"x\""] {
            let media = if kind == "merge" {
                "application/merge-patch+json"
            } else {
                "application/strategic-merge-patch+json"
            };
            let reply = client
                .request("PATCH", &one("p"))
                .header("content-type", media)
                .body(broken)
                .send()
                .await;
            check.that(reply.status == 400 || reply.status == 422, || {
                format!("{kind} {broken}: {} {}", reply.status, reply.text())
            });
        }
    }
    let reply = client.patch("json", &one("missing"), &json!([])).await;
    check.rejects(&reply, 404, "NotFound", "secrets \"missing\" not found");
    let reply = client
        .request("PATCH", &one("p"))
        .header("content-type", "application/json-patch+json")
        .body("{")
        .send()
        .await;
    check.that(reply.status == 400, || format!("malformed: {}", reply.text()));
    check.finish();
}

#[tokio::test]
async fn merge_patches() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    client
        .post(SECRETS, &secret("m", json!({"a": "eA==", "b": "eQ=="})))
        .await
        .expect(201);
    for kind in ["merge", "strategic"] {
        let cases = [
            (
                json!({"data": {"a": null, "c": "eg=="}}),
                json!({"data": {"a": null, "b": "eQ==", "c": "eg=="}}),
            ),
            (
                json!({"stringData": {"b": "v"}}),
                json!({"data": {"b": base64("v")}, "stringData": null}),
            ),
            (
                json!({"stringData": {"b": null}}),
                json!({"data": {"b": base64("v")}}),
            ),
            (
                json!({"metadata": {"labels": {"x": "1", "y": "2"}}}),
                json!({"metadata": {"labels": {"x": "1", "y": "2"}}}),
            ),
            (
                json!({"metadata": {"labels": {"x": null}}}),
                json!({"metadata": {"labels": {"x": null, "y": "2"}}}),
            ),
            (
                json!({"metadata": {"labels": null}}),
                json!({"metadata": {"labels": null}}),
            ),
            (json!({"data": null}), json!({"data": null})),
            (
                json!({"data": {"a": "eA==", "b": "eQ=="}}),
                json!({"data": {"a": "eA=="}}),
            ),
        ];
        for (patch, expected) in cases {
            let reply = client.patch(kind, &one("m"), &patch).await;
            check.accepts(&reply, 200, expected);
        }
        let reply = client.patch(kind, &one("m"), &json!({"type": "new"})).await;
        check.rejects(
            &reply,
            422,
            "Invalid",
            &invalid("m", "type: Invalid value: \"new\": field is immutable"),
        );
        let reply = client
            .patch(kind, &one("m"), &json!({"metadata": {"resourceVersion": "1"}}))
            .await;
        check.rejects(
            &reply,
            409,
            "Conflict",
            &format!(
                "Operation cannot be fulfilled on secrets \"m\": {}",
                text::MODIFIED
            ),
        );
        let reply = client
            .patch(kind, &one("m"), &json!({"data": {"a": "not base64!"}}))
            .await;
        check.that(reply.status == 400 || reply.status == 422, || {
            format!("{}: {}", reply.status, reply.text())
        });
        let reply = client
            .patch(kind, &one("m"), &json!({"data": {"a/b": "eA=="}}))
            .await;
        check.rejects_with(&reply, 422, "Invalid", &["data[a/b]: Invalid value: \"a/b\": "]);
    }
    let current = client.get(&one("m")).await.expect(200);
    let version = current["metadata"]["resourceVersion"].clone();
    let reply = client
        .patch(
            "merge",
            &one("m"),
            &json!({"metadata": {"resourceVersion": version}, "data": {"n": "eA=="}}),
        )
        .await;
    check.accepts(&reply, 200, json!({"data": {"n": "eA=="}}));
    check.finish();
}

#[tokio::test]
async fn strategic_merge_patches() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let uid = |n: u32| format!("{n}1111111-2222-4333-8444-555555555555");
    let owner =
        |n: u32| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": format!("o{n}"), "uid": uid(n)});
    // A live owner would be needed to keep these from the garbage collector; the finalizer keeps the object.
    let body = secret_with_metadata(json!({"name": "s", "finalizers": ["a.a/a", "b.b/b"]}));
    client.post(SECRETS, &body).await.expect(201);
    let patch = async |body: Value| client.patch("strategic", &one("s"), &body).await;

    let reply = patch(json!({"metadata": {"finalizers": ["c.c/c"]}})).await;
    check.accepts(
        &reply,
        200,
        json!({"metadata": {"finalizers": ["c.c/c", "a.a/a", "b.b/b"]}}),
    );
    let reply = patch(json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.a/a"]}})).await;
    check.accepts(
        &reply,
        200,
        json!({"metadata": {"finalizers": ["c.c/c", "b.b/b"]}}),
    );
    let reply = patch(json!({"metadata": {"$setElementOrder/finalizers": ["b.b/b", "c.c/c"]}})).await;
    check.accepts(
        &reply,
        200,
        json!({"metadata": {"finalizers": ["b.b/b", "c.c/c"]}}),
    );
    let dry = format!("{}?dryRun=All", one("s"));
    let reply = client
        .patch(
            "strategic",
            &dry,
            &json!({"metadata": {"ownerReferences": [owner(1), owner(2)]}}),
        )
        .await;
    check.accepts(
        &reply,
        200,
        json!({"metadata": {"ownerReferences": [{"name": "o1"}, {"name": "o2"}]}}),
    );
    let reply = patch(json!({"data": {"k": "eA==", "l": "eQ=="}})).await;
    check.accepts(&reply, 200, json!({"data": {"k": "eA=="}}));
    let reply = patch(json!({"data": {"$patch": "replace", "only": "eg=="}})).await;
    check.accepts(
        &reply,
        200,
        json!({"data": {"k": null, "l": null, "only": "eg=="}}),
    );
    let reply = patch(json!({"data": {"$patch": "delete"}})).await;
    check.accepts(&reply, 200, json!({"data": null}));
    let reply = patch(json!({"data": {"$patch": "sideways", "k": "eA=="}})).await;
    check.that(reply.status == 500 && reply.json()["reason"].is_null(), || {
        format!("unknown directive: {} {}", reply.status, reply.text())
    });

    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let account = json!({"metadata": {"name": "p"}, "secrets": [{"name": "a"}, {"name": "b"}], "imagePullSecrets": [{"name": "x"}]});
    client.post(accounts, &account).await.expect(201);
    let at = format!("{accounts}/p");
    let reply = client
        .patch(
            "strategic",
            &at,
            &json!({"secrets": [{"name": "c"}], "imagePullSecrets": [{"name": "y"}]}),
        )
        .await;
    check.accepts(&reply, 200, json!({"secrets": [{"name": "c"}, {"name": "a"}, {"name": "b"}], "imagePullSecrets": [{"name": "y"}]}));
    let reply = client
        .patch(
            "strategic",
            &at,
            &json!({"secrets": [{"$patch": "delete", "name": "a"}]}),
        )
        .await;
    check.accepts(&reply, 200, json!({"secrets": [{"name": "c"}, {"name": "b"}]}));
    let reply = client
        .patch("merge", &at, &json!({"secrets": [{"name": "only"}]}))
        .await;
    check.accepts(&reply, 200, json!({"secrets": [{"name": "only"}]}));
    client
        .patch("merge", &one("s"), &json!({"metadata": {"finalizers": null}}))
        .await
        .expect(200);
    check.finish();
}

#[tokio::test]
async fn json_patches() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    client
        .post(SECRETS, &secret("j", json!({"a": "eA==", "b": "eQ=="})))
        .await
        .expect(201);
    let cases = [
        (
            json!([{"op": "add", "path": "/data/c", "value": "eg=="}]),
            json!({"data": {"a": "eA==", "c": "eg=="}}),
        ),
        (
            json!([{"op": "replace", "path": "/data/a", "value": "eQ=="}]),
            json!({"data": {"a": "eQ=="}}),
        ),
        (
            json!([{"op": "replace", "path": "/data/new", "value": "eQ=="}]),
            json!({"data": {"new": "eQ=="}}),
        ),
        (
            json!([{"op": "remove", "path": "/data/new"}]),
            json!({"data": {"new": null}}),
        ),
        (
            json!([{"op": "copy", "from": "/data/a", "path": "/data/d"}]),
            json!({"data": {"d": "eQ=="}}),
        ),
        (
            json!([{"op": "move", "from": "/data/d", "path": "/data/e"}]),
            json!({"data": {"d": null, "e": "eQ=="}}),
        ),
        (
            json!([{"op": "test", "path": "/data/e", "value": "eQ=="}, {"op": "remove", "path": "/data/e"}]),
            json!({"data": {"e": null}}),
        ),
        (
            json!([{"op": "test", "path": "/data/none", "value": null}]),
            json!({}),
        ),
        (
            json!([{"op": "add", "path": "/stringData", "value": {"s": "v"}}]),
            json!({"data": {"s": "dg=="}, "stringData": null}),
        ),
        (
            json!([{"op": "add", "path": "/metadata/labels", "value": {}}, {"op": "add", "path": "/metadata/labels/a~1b", "value": "x"}]),
            json!({"metadata": {"labels": {"a/b": "x"}}}),
        ),
        (
            json!([{"op": "add", "path": "/metadata/labels/c~0d", "value": "x"}, {"op": "remove", "path": "/metadata/labels/c~0d"}]),
            json!({}),
        ),
        (json!([]), json!({})),
    ];
    for (patch, expected) in cases {
        let reply = client.patch("json", &one("j"), &patch).await;
        check.accepts(&reply, 200, expected);
    }
    let refused = [
        json!([{"op": "test", "path": "/data/a", "value": "eg=="}]),
        json!([{"op": "remove", "path": "/data/none"}]),
        json!([{"op": "add", "path": "/nowhere/at/all", "value": 1}]),
        json!([{"op": "conjure", "path": "/data/a"}]),
        json!([{"op": "move", "from": "/data/none", "path": "/data/x"}]),
    ];
    for patch in refused {
        let reply = client.patch("json", &one("j"), &patch).await;
        let status = check.rejects(
            &reply,
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        );
        check.that(status["details"] == json!({}), || {
            format!("details of {patch}: {}", status["details"])
        });
    }
    let before = client.get(&one("j")).await.expect(200);
    let reply = client.patch("json", &one("j"), &json!([{"op": "add", "path": "/data/x", "value": "eA=="}, {"op": "remove", "path": "/data/none"}])).await;
    check.that(reply.status == 422, || "all or nothing".to_owned());
    check.equal("all or nothing", client.get(&one("j")).await.expect(200), before);
    let many: Vec<Value> = (0..10_001)
        .map(|_| json!({"op": "test", "path": "/kind", "value": "Secret"}))
        .collect();
    let reply = client.patch("json", &one("j"), &json!(many)).await;
    check.rejects(
        &reply,
        413,
        "RequestEntityTooLarge",
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001",
    );
    let reply = client.patch("json", &one("j"), &json!(many[1..])).await;
    check.accepts(&reply, 200, json!({}));
    check.finish();
}
