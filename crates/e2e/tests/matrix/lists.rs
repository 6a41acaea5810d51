//! §10 and §12: lists, pages, resource versions, selectors.

use serde_json::{Value, json};
use strongroom_e2e::Client;

use crate::{SECRETS, one, secret, secret_with_metadata, start};

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned))
        .collect()
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

async fn fill(client: &Client, count: usize) {
    for number in 0..count {
        client
            .post(SECRETS, &secret(&format!("s{number:02}"), json!({})))
            .await
            .expect(201);
    }
}

fn query(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                (byte as char).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[tokio::test]
async fn shape_and_order() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    check.accepts(&client.get(SECRETS).await, 200, json!({"kind": "SecretList", "apiVersion": "v1", "items": [], "metadata": {"resourceVersion": "*", "continue": null}}));
    for name in ["b", "a", "a.b", "a-b", "a0"] {
        client.post(SECRETS, &secret(name, json!({}))).await.expect(201);
    }
    client
        .post("/api/v1/namespaces/kube-public/secrets", &secret("z", json!({})))
        .await
        .expect(201);
    let list = client.get("/api/v1/secrets").await.expect(200);
    check.equal(
        "byte order of namespace and name",
        names(&list),
        ["a", "a-b", "a.b", "a0", "b", "z"].map(str::to_owned).to_vec(),
    );
    for item in list["items"].as_array().into_iter().flatten() {
        check.that(item["kind"].is_null() && item["apiVersion"].is_null(), || {
            format!("an item says its kind: {item}")
        });
    }
    let before = version(&client.get(SECRETS).await.expect(200));
    let created = client
        .post(SECRETS, &secret("later", json!({})))
        .await
        .expect(201);
    let after = version(&client.get(SECRETS).await.expect(200));
    check.that(before < version(&created) && version(&created) <= after, || {
        format!("{before} {} {after}", version(&created))
    });
    check.finish();
}

#[tokio::test]
async fn pages_at_one_revision_under_writes() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    fill(&client, 10).await;
    let first = client.get(&format!("{SECRETS}?limit=3")).await.expect(200);
    check.equal(
        "three",
        names(&first),
        ["s00", "s01", "s02"].map(str::to_owned).to_vec(),
    );
    check.equal(
        "what remains",
        first["metadata"]["remainingItemCount"].as_u64(),
        Some(7),
    );

    client.delete(&one("s04")).await.expect(200);
    client.post(SECRETS, &secret("s03a", json!({}))).await.expect(201);
    client
        .put(&one("s05"), &secret("s05", json!({"new": "eA=="})))
        .await
        .expect(200);

    let mut seen = names(&first);
    let mut page = first.clone();
    let mut remaining = vec![7];
    while let Some(token) = page["metadata"]["continue"].as_str().map(str::to_owned) {
        page = client
            .get(&format!("{SECRETS}?limit=3&continue={token}"))
            .await
            .expect(200);
        check.equal("one revision", version(&page), version(&first));
        seen.extend(names(&page));
        remaining.extend(page["metadata"]["remainingItemCount"].as_u64());
        for item in page["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|item| item["metadata"]["name"] == "s05")
        {
            check.that(item["data"].is_null(), || {
                "a later write shows in an earlier list".to_owned()
            });
        }
    }
    check.equal(
        "as it was",
        seen,
        (0..10).map(|number| format!("s{number:02}")).collect(),
    );
    check.that(remaining.windows(2).all(|pair| pair[1] < pair[0]), || {
        format!("{remaining:?}")
    });

    let selected = client
        .get(&format!("{SECRETS}?limit=3&labelSelector={}", query("!none")))
        .await
        .expect(200);
    check.has(
        "no count with a selector",
        &selected["metadata"],
        json!({"remainingItemCount": null, "continue": "*"}),
    );
    let all = client.get(&format!("{SECRETS}?limit=-1")).await.expect(200);
    check.equal("a negative limit is none", names(&all).len(), 10);
    let exact = client.get(&format!("{SECRETS}?limit=100")).await.expect(200);
    check.has(
        "no token when all fits",
        &exact["metadata"],
        json!({"continue": null, "remainingItemCount": null}),
    );
    check.finish();
}

#[tokio::test]
async fn continue_tokens() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    fill(&client, 3).await;
    let page = client.get(&format!("{SECRETS}?limit=1")).await.expect(200);
    let token = page["metadata"]["continue"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let at = |more: &str| format!("{SECRETS}?limit=1&continue={token}{more}");
    check.rejects(
        &client.get(&at("&resourceVersion=5")).await,
        400,
        "BadRequest",
        "specifying resource version is not allowed when using continue",
    );
    check.accepts(&client.get(&at("&resourceVersion=0")).await, 200, json!({}));
    check.rejects_with(&client.get(&at("&resourceVersionMatch=Exact")).await, 422, "Invalid", &[
        "ListOptions.meta.k8s.io \"\" is invalid: ",
        "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided",
    ]);
    let encode = |value: Value| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
    };
    let bad = "invalid continue token: continue key is not valid: ";
    for (token, cause) in [
        (
            encode(json!({"v": "v9", "rv": 1, "start": "a\u{0}"})),
            "server does not recognize this encoded version v9",
        ),
        (
            encode(json!({"v": "meta.k8s.io/v1", "rv": 0, "start": "a\u{0}"})),
            "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
        ),
        ("!".to_owned(), ""),
        ("e30x".to_owned(), ""),
    ] {
        let reply = client.get(&format!("{SECRETS}?continue={}", query(&token))).await;
        check.rejects_like(&reply, 400, "BadRequest", &format!("{bad}{cause}"));
    }
    check.finish();
}

#[tokio::test]
async fn resource_versions() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    fill(&client, 3).await;
    let old = version(&client.get(SECRETS).await.expect(200));
    client.delete(&one("s01")).await.expect(200);
    let at = |parameters: String| format!("{SECRETS}?{parameters}");

    let exact = client
        .get(&at(format!("resourceVersion={old}&resourceVersionMatch=Exact")))
        .await
        .expect(200);
    check.equal(
        "exactly then",
        names(&exact),
        ["s00", "s01", "s02"].map(str::to_owned).to_vec(),
    );
    check.equal("exactly then", version(&exact), old);
    for parameters in [
        format!("resourceVersion={old}"),
        format!("resourceVersion={old}&resourceVersionMatch=NotOlderThan"),
        "resourceVersion=0".to_owned(),
    ] {
        let list = client.get(&at(parameters.clone())).await.expect(200);
        check.that(version(&list) >= old, || format!("{parameters} is older"));
    }
    let legacy = client
        .get(&at(format!("limit=2&resourceVersion={old}")))
        .await
        .expect(200);
    check.equal("limit with a version is exact", version(&legacy), old);

    let reply = client.get(&at("resourceVersion=99999999".to_owned())).await;
    let status = check.rejects_like(
        &reply,
        504,
        "Timeout",
        "Timeout: Too large resource version: 99999999, current: ",
    );
    check.has("details", &status, json!({"details": {"retryAfterSeconds": 1, "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}}));
    check.equal("Retry-After", reply.header("retry-after"), "1");
    let reply = client.get(&at("resourceVersion=abc".to_owned())).await;
    check.rejects_like(
        &reply,
        400,
        "BadRequest",
        "invalid resource version: resourceVersion: Invalid value: \"abc\": strconv.ParseUint: ",
    );

    let forbidden = |error: &str| {
        format!("ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: {error}")
    };
    check.rejects(
        &client.get(&at("resourceVersionMatch=Exact".to_owned())).await,
        422,
        "Invalid",
        &forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"),
    );
    check.rejects(
        &client
            .get(&at("resourceVersion=0&resourceVersionMatch=Exact".to_owned()))
            .await,
        422,
        "Invalid",
        &forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""),
    );
    check.rejects_with(
        &client
            .get(&at("resourceVersion=1&resourceVersionMatch=Nearly".to_owned()))
            .await,
        422,
        "Invalid",
        &[
            "resourceVersionMatch: Unsupported value: \"Nearly\": supported values: ",
            "\"Exact\"",
            "\"NotOlderThan\"",
        ],
    );
    check.rejects(&client.get(&at("sendInitialEvents=true".to_owned())).await, 422, "Invalid", "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list");
    for parameters in ["limit=x", "timeoutSeconds=x"] {
        let reply = client.get(&at(parameters.to_owned())).await;
        check.that(
            reply.status == 400 && reply.json()["reason"] == "BadRequest",
            || format!("{parameters}: {} {}", reply.status, reply.text()),
        );
    }
    check.finish();
}

#[tokio::test]
async fn label_selectors() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    for (name, labels) in [
        ("a", json!({"app": "web", "n": "5"})),
        ("b", json!({"app": "db", "n": "10"})),
        ("c", json!({"tier": ""})),
        ("d", json!({})),
    ] {
        client
            .post(
                SECRETS,
                &secret_with_metadata(json!({"name": name, "labels": labels})),
            )
            .await
            .expect(201);
    }
    for (selector, expected) in [
        ("", "a b c d"),
        ("app", "a b"),
        ("!app", "c d"),
        ("app=web", "a"),
        ("app==web", "a"),
        ("app!=web", "b c d"),
        ("app in (web,db)", "a b"),
        ("app in (web), n", "a"),
        ("app notin (web)", "b c d"),
        ("app notin (web,db)", "c d"),
        ("tier in ()", "c"),
        ("tier=", "c"),
        ("n>5", "b"),
        ("n<10", "a"),
        ("app,n=10", "b"),
        (" app = web ", "a"),
        ("app=web,app=db", ""),
    ] {
        let list = client
            .get(&format!("{SECRETS}?labelSelector={}", query(selector)))
            .await
            .expect(200);
        check.equal(selector, names(&list).join(" "), expected.to_owned());
    }
    for (selector, message) in [
        (
            "-a",
            "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of",
        ),
        (
            "app=$$",
            "unable to parse requirement: values[0][app]: Invalid value: \"$$\": a valid label must be",
        ),
        (
            "n>abc",
            "unable to parse requirement: values[0]: Invalid value: \"abc\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        ("a=x b", "found 'b', expected: ',' or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
    ] {
        let reply = client
            .get(&format!("{SECRETS}?labelSelector={}", query(selector)))
            .await;
        check.rejects_with(&reply, 400, "BadRequest", &[message]);
    }
    check.finish();
}

#[tokio::test]
async fn field_selectors() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    fill(&client, 2).await;
    let reply = async |path: &str, selector: &str| {
        client
            .get(&format!("{path}?fieldSelector={}", query(selector)))
            .await
    };
    check.rejects(
        &reply(SECRETS, "metadata.name").await,
        400,
        "BadRequest",
        "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
    );
    check.rejects(
        &reply(SECRETS, "a=b,c").await,
        400,
        "BadRequest",
        "invalid selector: 'a=b,c'; can't understand 'c'",
    );
    check.rejects_with(
        &reply(SECRETS, "type=a\\x").await,
        400,
        "BadRequest",
        &["invalid field selector: invalid escape sequence: \\x"],
    );
    check.rejects(
        &reply(SECRETS, "spec.x=1").await,
        400,
        "BadRequest",
        "field label not supported: spec.x",
    );
    check.accepts(&reply(SECRETS, "").await, 200, json!({"items": [{}, {}]}));
    check.accepts(
        &reply(SECRETS, "metadata.name=s00,type=Opaque").await,
        200,
        json!({"items": [{"metadata": {"name": "s00"}}]}),
    );
    check.accepts(&reply(SECRETS, "type=Opa\\,que").await, 200, json!({"items": []}));
    check.accepts(
        &reply("/api/v1/namespaces", "status.phase=Active,metadata.name=default").await,
        200,
        json!({"items": [{"metadata": {"name": "default"}}]}),
    );
    let refused = reply("/api/v1/namespaces/default/configmaps", "type=x").await;
    check.that(refused.status == 400, || {
        format!("config maps have no type: {}", refused.text())
    });
    let leases = reply(
        "/apis/coordination.k8s.io/v1/namespaces/default/leases",
        "spec.x=1",
    )
    .await;
    check.that(leases.status == 400, || format!("leases: {}", leases.text()));
    check.accepts(
        &reply("/api/v1/namespaces/default/services", "spec.type=ClusterIP").await,
        200,
        json!({"items": [{"metadata": {"name": "kubernetes"}}]}),
    );
    let event = json!({"metadata": {"name": "e1", "namespace": "default"}, "involvedObject": {"kind": "Secret", "name": "s00", "namespace": "default", "uid": "u"},
        "reason": "Because", "type": "Normal", "source": {"component": "me"}});
    client
        .post("/api/v1/namespaces/default/events", &event)
        .await
        .expect(201);
    let events = "/api/v1/namespaces/default/events";
    check.accepts(&reply(events, "involvedObject.name=s00,involvedObject.uid=u,reason=Because,type=Normal,source=me,involvedObject.kind=Secret").await, 200, json!({"items": [{"metadata": {"name": "e1"}}]}));
    check.accepts(
        &reply(events, "involvedObject.name=other").await,
        200,
        json!({"items": []}),
    );
    check.accepts(
        &reply(
            "/apis/events.k8s.io/v1/namespaces/default/events",
            "regarding.name=s00",
        )
        .await,
        200,
        json!({"items": [{"regarding": {"name": "s00"}}]}),
    );
    check.finish();
}
