//! §6 and §19: bodies that are not what they should be, options of a write, and which error wins.

use serde_json::{Value, json};
use strongroom_e2e::{Client, Reply};

use crate::{SECRETS, one, secret, start};

async fn raw(client: &Client, method: &str, path: &str, content_type: &str, body: &str) -> Reply {
    let request = client.request(method, path).body(body.to_owned());
    if content_type.is_empty() {
        request.send().await
    } else {
        request.header("content-type", content_type).send().await
    }
}

#[tokio::test]
async fn bodies_of_the_wrong_kind() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let no_kind = |kind: &str, version: &str, group_version: &str| {
        format!(
            "{kind} in version \"{version}\" cannot be handled as a Secret: no kind \"{kind}\" is registered for version \"{group_version}\" in scheme"
        )
    };
    let starts: Vec<(Value, String)> = vec![
        (json!({"apiVersion": "v2", "kind": "Secret"}), no_kind("Secret", "v2", "v2")),
        (json!({"apiVersion": "apps/v1", "kind": "Secret"}), no_kind("Secret", "v1", "apps/v1")),
        (json!({"apiVersion": "v1", "kind": "Nonsense"}), no_kind("Nonsense", "v1", "v1")),
        (json!({"apiVersion": "v1", "kind": "secret"}), no_kind("secret", "v1", "v1")),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}),
            "Pod in version \"v1\" cannot be handled as a Secret: converting (v1.Pod) to (core.Secret): unknown conversion".to_owned(),
        ),
        (
            json!({"apiVersion": "v1", "kind": "SecretList", "items": []}),
            "SecretList in version \"v1\" cannot be handled as a Secret: converting (v1.SecretList) to (core.Secret): unknown conversion".to_owned(),
        ),
        (
            json!({"apiVersion": "a/b/c", "kind": "Secret"}),
            "the object provided is unrecognized (must be of type Secret): unexpected GroupVersion string: a/b/c".to_owned(),
        ),
    ];
    for (body, message) in starts {
        let reply = client.post(SECRETS, &body).await;
        check.rejects_like(&reply, 400, "BadRequest", &message);
    }
    let reply = raw(&client, "POST", SECRETS, "application/json", "").await;
    check.rejects(&reply, 400, "BadRequest",
        "the object provided is unrecognized (must be of type Secret): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)");
    for body in ["null", "{}"] {
        let reply = raw(&client, "POST", SECRETS, "application/json", body).await;
        check.rejects(
            &reply,
            422,
            "Invalid",
            "Secret \"\" is invalid: metadata.name: Required value: name or generateName is required",
        );
    }
    for body in [
        "{",
        "[]",
        "7",
        "\"x\"",
        "{\"metadata\": 1}",
        "{\"metadata\":{\"name\":1}}",
        "{} trailing",
    ] {
        let reply = raw(&client, "POST", SECRETS, "application/json", body).await;
        check.that(
            reply.status == 400 && reply.json()["reason"] == "BadRequest",
            || format!("{body}: {} {}", reply.status, reply.text()),
        );
    }
    let reply = raw(
        &client,
        "POST",
        SECRETS,
        "application/json",
        "{\"metadata\":{\"name\":1}}",
    )
    .await;
    check.rejects_with(&reply, 400, "BadRequest", &["Secret in version \"v1\" cannot be handled as a Secret: json: cannot unmarshal number into Go struct field", "name of type string"]);
    let reply = raw(
        &client,
        "POST",
        SECRETS,
        "",
        "{\"metadata\":{\"name\":\"no-content-type\"}}",
    )
    .await;
    check.accepts(&reply, 201, json!({"kind": "Secret", "apiVersion": "v1"}));
    for media in [
        "text/plain",
        "application/xml",
        "application/cbor",
        "application/x-www-form-urlencoded",
    ] {
        let reply = raw(&client, "POST", SECRETS, media, "{}").await;
        check.rejects(&reply, 415, "UnsupportedMediaType", "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf");
    }
    check.finish();
}

#[tokio::test]
async fn yaml_bodies() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let body = "# a comment\napiVersion: v1\nkind: Secret\nmetadata:\n  name: yaml\nstringData:\n  a: \"yes\"\n  b: |\n    two\n    lines\ntype: Opaque\n---\nkind: Ignored\n";
    let reply = raw(&client, "POST", SECRETS, "application/yaml", body).await;
    check.accepts(
        &reply,
        201,
        json!({"data": {"a": "eWVz", "b": "dHdvCmxpbmVzCg=="}}),
    );
    for value in ["yes", "on", "0777", "1", "1.5", "true", "[a]"] {
        let body = format!("metadata:\n  name: z\nstringData:\n  a: {value}\n");
        let reply = raw(&client, "POST", SECRETS, "application/yaml", &body).await;
        check.rejects_with(&reply, 400, "BadRequest", &["cannot unmarshal"]);
    }
    let body = "metadata:\n  name: keys\nstringData:\n  n: a\n  on: b\n";
    let reply = raw(&client, "POST", SECRETS, "application/yaml", body).await;
    check.accepts(&reply, 201, json!({"data": {"false": "YQ==", "true": "Yg=="}}));
    let reply = raw(&client, "POST", SECRETS, "application/yaml", "a: [1, 2\nb: }").await;
    check.that(reply.status == 400, || format!("broken YAML: {}", reply.text()));
    check.finish();
}

#[tokio::test]
async fn options_of_writes() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    client.post(SECRETS, &secret("o", json!({}))).await.expect(201);
    let options = |kind: &str, error: &str| format!("{kind}.meta.k8s.io \"\" is invalid: {error}");
    let unsupported_dry_run =
        |got: &str| format!("dryRun: Unsupported value: [{got}]: supported values: \"All\"");

    for (query, error) in [
        ("dryRun=x", unsupported_dry_run("\"x\"")),
        ("fieldValidation=x", "fieldValidation: Unsupported value: \"x\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"".to_owned()),
    ] {
        let reply = client.post(&format!("{SECRETS}?{query}"), &secret("p", json!({}))).await;
        let status = check.rejects(&reply, 422, "Invalid", &options("CreateOptions", &error));
        check.has("details", &status, json!({"details": {"group": "meta.k8s.io", "kind": "CreateOptions", "name": null}}));
        let reply = client.put(&format!("{}?{query}", one("o")), &secret("o", json!({}))).await;
        check.rejects(&reply, 422, "Invalid", &options("UpdateOptions", &error));
        let reply = client.patch("merge", &format!("{}?{query}", one("o")), &json!({})).await;
        check.rejects(&reply, 422, "Invalid", &options("PatchOptions", &error));
    }
    let reply = client
        .post(&format!("{SECRETS}?dryRun="), &secret("p", json!({})))
        .await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &["CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value"],
    );
    let reply = client.delete(&format!("{}?dryRun=x", one("o"))).await;
    check.rejects(
        &reply,
        422,
        "Invalid",
        &options("DeleteOptions", &unsupported_dry_run("\"x\"")),
    );
    let reply = client
        .post(
            &format!("{SECRETS}?dryRun=All&dryRun=All"),
            &secret("p", json!({})),
        )
        .await;
    check.accepts(&reply, 201, json!({}));

    let long = "m".repeat(129);
    let reply = client
        .post(&format!("{SECRETS}?fieldManager={long}"), &secret("p", json!({})))
        .await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &[
            "CreateOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long",
            "128",
        ],
    );
    let reply = client
        .post(&format!("{SECRETS}?fieldManager=a%07b"), &secret("p", json!({})))
        .await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &["fieldManager: Invalid value", "invalid character"],
    );
    let reply = client
        .patch("merge", &format!("{}?force=true", one("o")), &json!({}))
        .await;
    check.rejects(
        &reply,
        422,
        "Invalid",
        &options(
            "PatchOptions",
            "force: Forbidden: may not be specified for non-apply patch",
        ),
    );

    let manager = |body: &Value| {
        body["metadata"]["managedFields"][0]["manager"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let reply = client
        .request("POST", SECRETS)
        .json(&secret("agent", json!({})))
        .header("user-agent", "my-tool/1.2 (linux)")
        .send()
        .await;
    let body = check.accepts(&reply, 201, json!({}));
    check.equal(
        "the user agent names the manager",
        manager(&body),
        "my-tool".to_owned(),
    );
    check.finish();
}

#[tokio::test]
async fn which_error_wins() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    client
        .post(SECRETS, &secret("w", json!({"a": "eA=="})))
        .await
        .expect(201);
    let lost = "/api/v1/namespaces/nowhere/secrets";
    let missing = "namespaces \"nowhere\" not found";

    // Options before the body, the body before the namespace, the namespace before validation.
    let reply = raw(
        &client,
        "POST",
        &format!("{SECRETS}?dryRun=x"),
        "application/json",
        "{",
    )
    .await;
    check.rejects_with(&reply, 422, "Invalid", &["dryRun: Unsupported value"]);
    let reply = raw(&client, "POST", lost, "application/json", "{").await;
    check.that(reply.status == 400, || {
        format!("decoding comes before the namespace: {}", reply.text())
    });
    let reply = client.post(lost, &secret("Bad Name", json!({}))).await;
    let status = check.rejects(&reply, 404, "NotFound", missing);
    check.has(
        "details",
        &status,
        json!({"details": {"name": "nowhere", "kind": "namespaces"}}),
    );
    check.rejects(
        &client.get(&format!("{lost}/x")).await,
        404,
        "NotFound",
        "secrets \"x\" not found",
    );
    check.rejects(
        &client.delete(&format!("{lost}/x")).await,
        404,
        "NotFound",
        "secrets \"x\" not found",
    );
    check.rejects(
        &client.put(&format!("{lost}/x"), &secret("x", json!({}))).await,
        404,
        "NotFound",
        "secrets \"x\" not found",
    );
    check.accepts(&client.get(lost).await, 200, json!({"items": []}));

    // On update: absence, the uid, the version, then validation.
    let mut bad = secret("w", json!({"not/a/key": "eA=="}));
    bad["metadata"]["resourceVersion"] = json!("1");
    let reply = client.put(&one("w"), &bad).await;
    check.that(reply.status == 409, || {
        format!("the version wins over validation: {}", reply.text())
    });
    bad["metadata"]["uid"] = json!("no");
    let reply = client.put(&one("w"), &bad).await;
    check.rejects_with(
        &reply,
        409,
        "Conflict",
        &["Precondition failed: UID in precondition: no"],
    );
    bad["metadata"]["name"] = json!("gone");
    let reply = client.put(&one("gone"), &bad).await;
    check.rejects(&reply, 404, "NotFound", "secrets \"gone\" not found");
    let reply = client
        .post(SECRETS, &secret("w", json!({"not/a/key": "eA=="})))
        .await;
    check.that(reply.status == 422, || {
        format!("validation wins over existence: {}", reply.text())
    });
    let mut several = secret("Bad", json!({}));
    several["type"] = json!("kubernetes.io/tls");
    let reply = client.post(SECRETS, &several).await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &[
            "[metadata.name: Invalid value",
            "data[tls.crt]: Required value",
            "data[tls.key]: Required value]",
        ],
    );
    check.finish();
}
