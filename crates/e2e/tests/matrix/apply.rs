//! §8: server-side apply and managed fields.

use serde_json::{Value, json};
use strongroom_e2e::{Client, Reply};

use crate::{SECRETS, base64, one, secret, start};

async fn apply(client: &Client, name: &str, manager: &str, body: &Value) -> Reply {
    client
        .patch("apply", &format!("{}?fieldManager={manager}", one(name)), body)
        .await
}

async fn force(client: &Client, name: &str, manager: &str, body: &Value) -> Reply {
    client
        .patch(
            "apply",
            &format!("{}?fieldManager={manager}&force=true", one(name)),
            body,
        )
        .await
}

fn entry<'a>(object: &'a Value, manager: &str) -> &'a Value {
    let entries = object["metadata"]["managedFields"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    entries
        .iter()
        .find(|entry| entry["manager"] == manager)
        .unwrap_or(&Value::Null)
}

#[tokio::test]
async fn ownership() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let reply = apply(&client, "s", "one", &secret("s", json!({"a": "eA=="}))).await;
    let body = check.accepts(&reply, 201, json!({"type": "Opaque", "data": {"a": "eA=="}}));
    check.equal(
        "an apply entry",
        entry(&body, "one")["fieldsV1"].clone(),
        json!({"f:data": {"f:a": {}}}),
    );
    check.has(
        "its form",
        entry(&body, "one"),
        json!({"operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "time": "*"}),
    );

    let reply = apply(&client, "s", "two", &secret("s", json!({"b": "eQ=="}))).await;
    let body = check.accepts(&reply, 200, json!({"data": {"a": "eA==", "b": "eQ=="}}));
    check.equal(
        "each owns its key",
        entry(&body, "two")["fieldsV1"].clone(),
        json!({"f:data": {"f:b": {}}}),
    );
    check.equal(
        "each owns its key",
        entry(&body, "one")["fieldsV1"].clone(),
        json!({"f:data": {"f:a": {}}}),
    );

    let again = apply(&client, "s", "two", &secret("s", json!({"b": "eQ=="}))).await;
    let unchanged = check.accepts(&again, 200, json!({}));
    check.equal(
        "a repeated apply",
        &unchanged["metadata"]["resourceVersion"],
        &body["metadata"]["resourceVersion"],
    );

    let reply = apply(
        &client,
        "s",
        "two",
        &secret("s", json!({"a": "eg==", "b": "eQ=="})),
    )
    .await;
    let status = check.rejects(
        &reply,
        409,
        "Conflict",
        "Apply failed with 1 conflict: conflict with \"one\": .data.a",
    );
    check.has(
        "causes",
        &status,
        json!({"details": {"name": null, "kind": null, "causes": [
        {"reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".data.a"}]}}),
    );
    let reply = apply(
        &client,
        "s",
        "two",
        &secret("s", json!({"a": "eA==", "b": "eQ=="})),
    )
    .await;
    check.accepts(&reply, 200, json!({}));
    let reply = apply(&client, "s", "two", &secret("s", json!({"b": "eQ=="}))).await;
    check.accepts(&reply, 200, json!({"data": {"a": "eA=="}}));

    let reply = force(
        &client,
        "s",
        "two",
        &secret("s", json!({"a": "eg==", "b": "eQ=="})),
    )
    .await;
    let body = check.accepts(&reply, 200, json!({"data": {"a": "eg=="}}));
    check.that(entry(&body, "one").is_null(), || {
        format!("an empty entry stays: {}", entry(&body, "one"))
    });
    let reply = apply(&client, "s", "two", &secret("s", json!({"b": "eQ=="}))).await;
    check.accepts(&reply, 200, json!({"data": {"a": null, "b": "eQ=="}}));

    let reply = client
        .patch(
            "merge",
            &format!("{}?fieldManager=hand", one("s")),
            &json!({"data": {"b": "eA==", "c": "eA=="}}),
        )
        .await;
    let body = check.accepts(&reply, 200, json!({}));
    check.has(
        "an update takes what it changes",
        entry(&body, "hand"),
        json!({"operation": "Update", "fieldsV1": {"f:data": {"f:b": {}, "f:c": {}}}}),
    );
    let reply = apply(
        &client,
        "s",
        "two",
        &secret("s", json!({"b": "eQ==", "c": "eQ=="})),
    )
    .await;
    check.rejects(
        &reply,
        409,
        "Conflict",
        "Apply failed with 2 conflicts: conflicts with \"hand\" using v1:\n- .data.b\n- .data.c",
    );
    client
        .patch(
            "merge",
            &format!("{}?fieldManager=other", one("s")),
            &json!({"data": {"c": "enp6"}}),
        )
        .await
        .expect(200);
    let reply = apply(
        &client,
        "s",
        "two",
        &secret("s", json!({"b": "eQ==", "c": "eQ=="})),
    )
    .await;
    check.rejects(&reply, 409, "Conflict",
        "Apply failed with 2 conflicts: conflicts with \"hand\" using v1:\n- .data.b\nconflicts with \"other\" using v1:\n- .data.c");
    let reply = client.get(&one("s")).await;
    let body = check.accepts(&reply, 200, json!({}));
    let order: Vec<&str> = body["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["operation"].as_str())
        .collect();
    check.that(order.windows(2).all(|pair| pair[0] <= pair[1]), || {
        format!("Apply before Update: {order:?}")
    });
    check.finish();
}

#[tokio::test]
async fn string_data() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let strings = |data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "t"}, "stringData": data});
    let reply = apply(&client, "t", "one", &strings(json!({"a": "x"}))).await;
    let body = check.accepts(
        &reply,
        201,
        json!({"data": {"a": base64("x")}, "stringData": null}),
    );
    check.equal(
        "stringData is owned as sent",
        entry(&body, "one")["fieldsV1"].clone(),
        json!({"f:stringData": {"f:a": {}}}),
    );
    let reply = apply(&client, "t", "two", &strings(json!({"a": "x"}))).await;
    check.rejects(
        &reply,
        409,
        "Conflict",
        "Apply failed with 1 conflict: conflict with \"one\": .stringData.a",
    );
    let reply = force(&client, "t", "two", &strings(json!({"a": "y"}))).await;
    check.accepts(&reply, 200, json!({"data": {"a": base64("y")}}));
    let reply = apply(&client, "t", "three", &secret("t", json!({"a": base64("z")}))).await;
    check.accepts(&reply, 200, json!({"data": {"a": base64("z")}}));
    let reply = apply(&client, "t", "two", &strings(json!({}))).await;
    check.accepts(&reply, 200, json!({"data": {"a": base64("z")}}));
    check.finish();
}

#[tokio::test]
async fn refusals() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let raw = |path: String, body: &str| {
        client
            .request("PATCH", &path)
            .header("content-type", "application/apply-patch+yaml")
            .body(body.to_owned())
    };
    let at = |query: &str| format!("{}?{query}", one("r"));
    let reply = client.patch("apply", &one("r"), &secret("r", json!({}))).await;
    check.rejects(
        &reply,
        422,
        "Invalid",
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
    );
    let reply = raw(at("fieldManager=m"), "a: [").send().await;
    check.rejects_with(&reply, 400, "BadRequest", &["error decoding YAML: "]);
    for managed in [json!([]), json!([{}])] {
        let mut body = secret("r", json!({}));
        body["metadata"]["managedFields"] = managed;
        let reply = client.patch("apply", &at("fieldManager=m"), &body).await;
        check.rejects(&reply, 400, "BadRequest", "metadata.managedFields must be nil");
    }
    let reply = client
        .patch(
            "apply",
            &at("fieldManager=m"),
            &json!({"apiVersion": "v2", "kind": "Secret", "metadata": {"name": "r"}}),
        )
        .await;
    check.rejects(&reply, 400, "BadRequest", "invalid object type: /v2, Kind=Secret");
    let reply = client
        .patch(
            "apply",
            &at("fieldManager=m"),
            &json!({"metadata": {"name": "r"}}),
        )
        .await;
    check.rejects_like(&reply, 400, "BadRequest", "invalid object type: ");
    for validation in ["", "&fieldValidation=Ignore", "&fieldValidation=Strict"] {
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "r", "namespace": "default"}, "foo": 1});
        let reply = client
            .patch("apply", &at(&format!("fieldManager=m{validation}")), &body)
            .await;
        check.rejects(&reply, 500, "", "failed to create typed patch object (default/r; /v1, Kind=Secret): .foo: field not declared in schema");
    }
    let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "r", "finalizers": ["a.b/c", "a.b/c"]}});
    let reply = client.patch("apply", &at("fieldManager=m"), &body).await;
    check.rejects_with(
        &reply,
        500,
        "",
        &[
            "failed to create typed patch object (/r; /v1, Kind=Secret): ",
            ".metadata.finalizers: duplicate entries for key [=\"a.b/c\"]",
        ],
    );
    let reply = client
        .patch(
            "apply",
            &at("fieldManager=m"),
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "r"}, "type": 7}),
        )
        .await;
    check.rejects_with(
        &reply,
        500,
        "",
        &[
            "failed to create typed patch object (/r; /v1, Kind=Secret): ",
            ".type: ",
        ],
    );
    let reply = client
        .patch("apply", &at("fieldManager=m"), &secret("r", json!({"a": "!"})))
        .await;
    check.rejects_with(&reply, 500, "", &["failed to convert new object ("]);
    let reply = raw(
        at("fieldManager=m&fieldValidation=Strict"),
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: r\ntype: a\ntype: b\n",
    )
    .send()
    .await;
    check.rejects_like(&reply, 400, "BadRequest", "error strict decoding YAML: ");
    let mut body = secret("r", json!({}));
    body["metadata"]["uid"] = json!("11111111-2222-4333-8444-555555555555");
    let reply = client.patch("apply", &at("fieldManager=m"), &body).await;
    check.rejects_with(&reply, 409, "Conflict", &["uid mismatch: the provided object specified uid 11111111-2222-4333-8444-555555555555, and no existing object was found"]);
    let mut body = secret("r", json!({}));
    body["metadata"]["resourceVersion"] = json!("12");
    let reply = client.patch("apply", &at("fieldManager=m"), &body).await;
    check.accepts(&reply, 201, json!({}));
    body["metadata"]["resourceVersion"] = json!("1");
    let reply = client.patch("apply", &at("fieldManager=m"), &body).await;
    check.that(reply.status == 409, || {
        format!("the version is a precondition: {}", reply.text())
    });
    let reply = client
        .patch(
            "apply",
            "/api/v1/namespaces/nowhere/secrets/r?fieldManager=m",
            &secret("r", json!({})),
        )
        .await;
    check.rejects(&reply, 404, "NotFound", "namespaces \"nowhere\" not found");
    check.finish();
}

#[tokio::test]
async fn managed_fields_of_other_writes() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let by = |path: &str, manager: &str| format!("{path}?fieldManager={manager}");
    client
        .post(&by(SECRETS, "creator"), &secret("u", json!({"a": "eA=="})))
        .await
        .expect(201);

    // Clearing tracking: later ordinary writes do not restart it, an apply does.
    let reply = client
        .patch("merge", &one("u"), &json!({"metadata": {"managedFields": null}}))
        .await;
    let body = check.accepts(&reply, 200, json!({}));
    check.that(!entry(&body, "creator").is_null(), || {
        "null changes nothing".to_owned()
    });
    let reply = client
        .patch("merge", &one("u"), &json!({"metadata": {"managedFields": [{}]}}))
        .await;
    check.accepts(&reply, 200, json!({"metadata": {"managedFields": null}}));
    let reply = client
        .patch("merge", &by(&one("u"), "later"), &json!({"data": {"b": "eA=="}}))
        .await;
    check.accepts(&reply, 200, json!({"metadata": {"managedFields": null}}));
    let reply = apply(&client, "u", "applier", &secret("u", json!({"c": "eA=="}))).await;
    let body = check.accepts(
        &reply,
        200,
        json!({"data": {"a": "eA==", "b": "eA==", "c": "eA=="}}),
    );
    check.has(
        "what was there",
        entry(&body, "before-first-apply"),
        json!({"operation": "Update", "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}}}),
    );

    // More than ten updaters are merged.
    client
        .post(&by(SECRETS, "m0"), &secret("many", json!({})))
        .await
        .expect(201);
    for number in 1..=12 {
        let patch = json!({"metadata": {"labels": {format!("l{number}"): "x"}}});
        client
            .patch("merge", &by(&one("many"), &format!("m{number}")), &patch)
            .await
            .expect(200);
    }
    let body = client.get(&one("many")).await.expect(200);
    check.that(!entry(&body, "ancient-changes").is_null(), || {
        format!("{}", body["metadata"]["managedFields"])
    });
    let count = body["metadata"]["managedFields"].as_array().map(Vec::len);
    check.that(count.is_some_and(|count| count <= 11), || {
        format!("{count:?} entries")
    });

    // Invalid managedFields from an ordinary write are ignored.
    let reply = client
        .patch(
            "merge",
            &one("many"),
            &json!({"metadata": {"managedFields": [{"manager": "x", "operation": "Nonsense"}]}}),
        )
        .await;
    let after = check.accepts(&reply, 200, json!({}));
    check.that(!entry(&after, "ancient-changes").is_null(), || {
        "the previous entries stay".to_owned()
    });

    // A label of two managers.
    let labelled = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "l", "labels": {"a/b": value}}});
    apply(&client, "l", "one", &labelled("x")).await.expect(201);
    let reply = apply(&client, "l", "two", &labelled("y")).await;
    check.rejects(
        &reply,
        409,
        "Conflict",
        "Apply failed with 1 conflict: conflict with \"one\": .metadata.labels.a/b",
    );
    check.finish();
}
