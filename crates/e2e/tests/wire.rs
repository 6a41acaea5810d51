//! §2–§4: discovery, OpenAPI, health, content negotiation, protobuf, TLS, HTTP versions.

use std::process::Command;

use serde_json::{Value, json};
use strongroom_e2e::{Check, Client, Reply, Server, fixture};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

fn start() -> (Server, Check) {
    let server = Server::start();
    let check = Check::new(server.client());
    (server, check)
}

async fn accept(client: &Client, path: &str, media: &str) -> Reply {
    client.request("GET", path).header("accept", media).send().await
}

fn find<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .find(|item| item[key] == name)
        .unwrap_or(&Value::Null)
}

#[tokio::test]
async fn legacy_discovery() {
    let (server, mut check) = start();
    let client = check.client().clone();
    let reply = client.get("/api").await;
    check.accepts(&reply, 200, json!({"kind": "APIVersions", "apiVersion": null, "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": format!("127.0.0.1:{}", server.port())}]}));
    let groups = client.get("/apis").await.expect(200);
    check.has(
        "/apis",
        &groups,
        json!({"kind": "APIGroupList", "apiVersion": "v1"}),
    );
    for group in ["coordination.k8s.io", "events.k8s.io"] {
        let version = json!({"groupVersion": format!("{group}/v1"), "version": "v1"});
        check.has(
            group,
            find(&groups["groups"], "name", group),
            json!({"versions": [version], "preferredVersion": version}),
        );
        let reply = client.get(&format!("/apis/{group}")).await;
        check.accepts(
            &reply,
            200,
            json!({"kind": "APIGroup", "apiVersion": "v1", "name": group}),
        );
        let reply = client.get(&format!("/apis/{group}/v1")).await;
        check.accepts(
            &reply,
            200,
            json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{group}/v1")}),
        );
    }
    check.that(find(&groups["groups"], "name", "").is_null(), || {
        "the core group is not listed".to_owned()
    });
    let core = client.get("/api/v1").await.expect(200);
    check.has(
        "/api/v1",
        &core,
        json!({"kind": "APIResourceList", "apiVersion": null, "groupVersion": "v1"}),
    );
    let full = json!([
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch"
    ]);
    for (plural, singular, kind, hash, short, namespaced) in [
        ("secrets", "secret", "Secret", "S6u1pOWzb84=", json!(null), true),
        (
            "configmaps",
            "configmap",
            "ConfigMap",
            "qFsyl6wFWjQ=",
            json!(["cm"]),
            true,
        ),
        (
            "serviceaccounts",
            "serviceaccount",
            "ServiceAccount",
            "pbx9ZvyFpBE=",
            json!(["sa"]),
            true,
        ),
        ("events", "event", "Event", "r2yiGXH7wu8=", json!(["ev"]), true),
        (
            "services",
            "service",
            "Service",
            "0/CO1lhkEBI=",
            json!(["svc"]),
            true,
        ),
    ] {
        check.has(
            plural,
            find(&core["resources"], "name", plural),
            json!({"singularName": singular, "kind": kind, "namespaced": namespaced,
            "verbs": full, "storageVersionHash": hash, "shortNames": short, "group": null}),
        );
    }
    check.has("namespaces", find(&core["resources"], "name", "namespaces"), json!({"namespaced": false, "shortNames": ["ns"],
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"], "storageVersionHash": "Q3oi5N2YM8M="}));
    check.has(
        "namespaces/status",
        find(&core["resources"], "name", "namespaces/status"),
        json!({"singularName": "", "verbs": ["get", "patch", "update"], "shortNames": null}),
    );
    check.has(
        "namespaces/finalize",
        find(&core["resources"], "name", "namespaces/finalize"),
        json!({"verbs": ["update"]}),
    );
    let leases = client.get("/apis/coordination.k8s.io/v1").await.expect(200);
    check.has(
        "leases",
        find(&leases["resources"], "name", "leases"),
        json!({"kind": "Lease", "verbs": full, "storageVersionHash": "gqkMMb/YqFM="}),
    );
    check.finish();
}

#[tokio::test]
async fn aggregated_discovery() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let client_go = format!(
        "{AGGREGATED},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
    );
    for path in ["/api", "/apis"] {
        let reply = accept(&client, path, &client_go).await;
        check.equal(
            path,
            reply.header("content-type").to_owned(),
            AGGREGATED.to_owned(),
        );
        check.equal(
            path,
            (
                reply.header("vary").contains("Accept"),
                reply.header("cache-control"),
            ),
            (true, "public"),
        );
        let tag = reply.header("etag").to_owned();
        check.that(tag.len() == 130 && tag.starts_with('"'), || format!("ETag {tag}"));
        check.accepts(
            &reply,
            200,
            json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}}),
        );
        let again = client
            .request("GET", path)
            .header("accept", &client_go)
            .header("if-none-match", &tag)
            .send()
            .await;
        check.equal("not modified", (again.status, again.body.len()), (304, 0));
        let reply = accept(
            &client,
            path,
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        )
        .await;
        check.rejects(&reply, 406, "NotAcceptable", "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf");
        let reply = accept(
            &client,
            path,
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
        )
        .await;
        check.equal("legacy", reply.header("content-type"), "application/json");
    }
    let core = accept(&client, "/api", AGGREGATED).await.expect(200);
    check.equal(
        "one unnamed group",
        core["items"][0]["metadata"].clone(),
        json!({}),
    );
    let resources = &core["items"][0]["versions"][0]["resources"];
    check.has(
        "secrets",
        find(resources, "resource", "secrets"),
        json!({"responseKind": {"group": "", "version": "", "kind": "Secret"},
        "scope": "Namespaced", "singularResource": "secret", "subresources": null, "shortNames": null,
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]}),
    );
    check.has(
        "namespaces",
        find(resources, "resource", "namespaces"),
        json!({"scope": "Cluster", "shortNames": ["ns"]}),
    );
    check.has("its subresource", find(&find(resources, "resource", "namespaces")["subresources"], "subresource", "status"),
        json!({"responseKind": {"group": "", "version": "", "kind": "Namespace"}, "verbs": ["get", "patch", "update"]}));
    let groups = accept(&client, "/apis", AGGREGATED).await.expect(200);
    for item in groups["items"].as_array().into_iter().flatten() {
        check.has(
            "a version",
            &item["versions"][0],
            json!({"version": "v1", "freshness": "Current"}),
        );
    }
    check.finish();
}

#[tokio::test]
async fn open_api() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let v2 = accept(&client, "/openapi/v2", "application/json").await;
    let document = check.accepts(&v2, 200, json!({"swagger": "2.0"}));
    check.has(
        "v2",
        &document["definitions"]["io.k8s.api.core.v1.Secret"],
        json!({"x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Secret"}]}),
    );
    let protobuf = accept(
        &client,
        "/openapi/v2",
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    )
    .await;
    check.equal(
        "protobuf",
        protobuf.header("content-type"),
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    );
    check.that(protobuf.status == 200 && protobuf.body.len() > 10_000, || {
        format!("{} bytes", protobuf.body.len())
    });
    check.equal(
        "anything else",
        accept(&client, "/openapi/v2", "text/html").await.status,
        406,
    );
    let tag = v2.header("etag").to_owned();
    let again = client
        .request("GET", "/openapi/v2")
        .header("accept", "application/json")
        .header("if-none-match", &tag)
        .send()
        .await;
    check.equal("304", again.status, 304);
    let zipped = client
        .request("GET", "/openapi/v2")
        .header("accept", "application/json")
        .header("accept-encoding", "gzip")
        .send()
        .await;
    check.equal("gzip", zipped.header("content-encoding"), "gzip");

    let index = client.get("/openapi/v3").await;
    check.equal(
        "index type",
        index.header("content-type"),
        "text/plain; charset=utf-8",
    );
    let paths = index.expect(200)["paths"].clone();
    for name in [
        "api/v1",
        "apis/coordination.k8s.io/v1",
        "apis/events.k8s.io/v1",
        "version",
    ] {
        let url = paths[name]["serverRelativeURL"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let Some((path, hash)) = url.split_once("?hash=") else {
            check.that(false, || format!("{name}: {url}"));
            continue;
        };
        let reply = client.get(&url).await;
        check.equal(&url, reply.status, 200);
        check.equal(
            &url,
            (reply.header("cache-control"), reply.header("content-type")),
            ("public, immutable", "application/json"),
        );
        check.that(reply.header("expires").ends_with("GMT"), || "Expires".to_owned());
        check.equal(
            &url,
            reply.header("etag").trim_matches('"').to_owned(),
            hash.to_owned(),
        );
        let moved = client.get(&format!("{path}?hash=0000")).await;
        check.equal(
            "a wrong hash",
            (moved.status, moved.header("location").to_owned()),
            (301, url.clone()),
        );
        let binary = accept(
            &client,
            path,
            "application/com.github.proto-openapi.spec.v3@v1.0+protobuf",
        )
        .await;
        check.equal(
            "v3 protobuf",
            (binary.status, binary.header("content-type")),
            (200, "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"),
        );
    }
    let document = client.get("/openapi/v3/api/v1").await.expect(200);
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/secrets/{name}"]["patch"];
    check.has("patch", patch, json!({"x-kubernetes-group-version-kind": {"group": "", "version": "v1", "kind": "Secret"},
        "requestBody": {"content": {"application/strategic-merge-patch+json": "*", "application/apply-patch+yaml": "*"}}}));
    let text = patch.to_string() + &document["components"]["parameters"].to_string();
    check.that(
        text.contains("fieldValidation") && text.contains("dryRun"),
        || "no fieldValidation or dryRun".to_owned(),
    );
    let schema = &document["components"]["schemas"]["io.k8s.api.core.v1.Secret"];
    check.has("schema", schema, json!({"description": "*", "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Secret"}],
        "properties": {"data": {"description": "*", "additionalProperties": {"type": "string", "format": "byte"}}}}));
    check.equal(
        "an unknown group",
        client.get("/openapi/v3/apis/none/v1").await.status,
        404,
    );
    check.finish();
}

#[tokio::test]
async fn version_and_health() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let reply = client.get("/version").await;
    check.accepts(&reply, 200, json!({"major": "1", "minor": "36", "gitVersion": "*", "gitCommit": "*", "gitTreeState": "*", "buildDate": "*",
        "goVersion": "*", "compiler": "*", "platform": "*", "emulationMajor": "*", "emulationMinor": "*", "minCompatibilityMajor": "*", "minCompatibilityMinor": "*"}));
    for name in ["healthz", "livez", "readyz"] {
        let reply = client.get(&format!("/{name}")).await;
        check.equal(name, (reply.status, reply.text()), (200, "ok".to_owned()));
        check.equal(
            name,
            (
                reply.header("content-type"),
                reply.header("x-content-type-options"),
            ),
            ("text/plain; charset=utf-8", "nosniff"),
        );
        let text = client.get(&format!("/{name}?verbose")).await.text();
        check.that(text.contains("[+]ping ok\n"), || text.clone());
        check.that(text.trim_end().ends_with(&format!("{name} check passed")), || {
            text.clone()
        });
        let text = client.get(&format!("/{name}?verbose&exclude=ping")).await.text();
        check.that(text.contains("[+]ping excluded: ok\n"), || text.clone());
        check.equal(
            "one check",
            client.get(&format!("/{name}/ping")).await.text(),
            "ok".to_owned(),
        );
        let unknown = client.get(&format!("/{name}/nonsense")).await;
        check.equal(
            "unknown",
            (
                unknown.status,
                unknown.header("content-type").starts_with("text/plain"),
            ),
            (404, true),
        );
    }
    let metrics = client.get("/metrics").await;
    check.equal("metrics", metrics.status, 200);
    check.that(metrics.header("content-type").starts_with("text/plain"), || {
        metrics.header("content-type").to_owned()
    });
    for name in [
        "apiserver_request_total",
        "apiserver_request_duration_seconds",
        "apiserver_current_inflight_requests",
        "apiserver_longrunning_requests",
        "process_resident_memory_bytes",
    ] {
        check.that(metrics.text().contains(name), || format!("/metrics lacks {name}"));
    }
    check.finish();
}

#[tokio::test]
async fn media_types_of_replies() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    client
        .post(
            SECRETS,
            &json!({"metadata": {"name": "m"}, "data": {"a": "eA=="}}),
        )
        .await
        .expect(201);
    let path = format!("{SECRETS}/m");
    for (media, expected) in [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/yaml", "application/yaml"),
        (PROTOBUF, PROTOBUF),
        ("application/vnd.kubernetes.protobuf,application/json", PROTOBUF),
        (
            "text/html, application/yaml;q=0.5, application/json;q=0.9",
            "application/json",
        ),
        ("text/html,*/*;q=0.1", "application/json"),
    ] {
        let reply = accept(&client, &path, media).await;
        check.equal(
            media,
            (reply.status, reply.header("content-type").to_owned()),
            (200, expected.to_owned()),
        );
    }
    let yaml = accept(&client, &path, "application/yaml").await.text();
    check.that(
        yaml.contains("kind: Secret\n") && yaml.contains("  a: eA==\n"),
        || yaml.clone(),
    );
    let available = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf";
    for media in ["text/html", "application/*", "application/cbor"] {
        for path in [path.clone(), format!("{SECRETS}/missing"), "/api/v1".to_owned()] {
            let status = check.rejects(
                &accept(&client, &path, media).await,
                406,
                "NotAcceptable",
                available,
            );
            check.that(status["details"] == json!({}), || {
                format!("{media}: {}", status["details"])
            });
        }
        let message = format!(
            "{available}, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
        );
        check.rejects(
            &accept(&client, SECRETS, media).await,
            406,
            "NotAcceptable",
            &message,
        );
    }
    let reply = accept(&client, &format!("{SECRETS}?watch=true"), "application/yaml").await;
    check.that(
        reply.status == 406
            && reply
                .text()
                .contains("application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"),
        || format!("{} {}", reply.status, reply.text()),
    );
    let made = client
        .request("POST", SECRETS)
        .header("content-type", "application/yaml")
        .header("accept", "application/yaml")
        .body("metadata: {name: yaml}")
        .send()
        .await;
    check.that(made.status == 201 && made.text().contains("name: yaml"), || {
        made.text()
    });
    let missing = accept(&client, &format!("{SECRETS}/missing"), PROTOBUF).await;
    check.that(
        missing.status == 404 && missing.body.starts_with(b"k8s\0"),
        || "a Status is sent as what was asked for".to_owned(),
    );

    let big = "x".repeat(200_000);
    client
        .post(
            SECRETS,
            &json!({"metadata": {"name": "big"}, "stringData": {"a": big}}),
        )
        .await
        .expect(201);
    let zipped = client
        .request("GET", &format!("{SECRETS}/big"))
        .header("accept-encoding", "gzip")
        .send()
        .await;
    check.equal(
        "gzip",
        (
            zipped.header("content-encoding"),
            zipped.header("vary").contains("Accept-Encoding"),
            zipped.body.len() < 50_000,
        ),
        ("gzip", true, true),
    );
    let small = client
        .request("GET", &path)
        .header("accept-encoding", "gzip")
        .send()
        .await;
    check.equal("small ones are not", small.header("content-encoding"), "");
    let zipped_request = client
        .request("POST", SECRETS)
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(vec![0x1f, 0x8b, 8, 0])
        .send()
        .await;
    check.that(matches!(zipped_request.status, 400 | 415), || {
        format!("a compressed request: {}", zipped_request.status)
    });
    check.finish();
}

/// The message inside an envelope, which must say it is a `kind`.
fn open(envelope: &[u8], kind: &str) -> Vec<u8> {
    let rest = envelope.strip_prefix(b"k8s\0").expect("the magic");
    let header = [
        b"\x0a".as_slice(),
        &[(4 + 2 + kind.len()) as u8],
        b"\x0a\x02v1\x12",
        &[kind.len() as u8],
        kind.as_bytes(),
        b"\x12",
    ]
    .concat();
    let rest = rest
        .strip_prefix(header.as_slice())
        .unwrap_or_else(|| panic!("not a v1 {kind}: {rest:?}"));
    let (length, read) = varint(rest);
    assert_eq!(
        &rest[read + length..],
        b"\x1a\x00\x22\x00",
        "contentEncoding and contentType"
    );
    rest[read..read + length].to_vec()
}

fn varint(bytes: &[u8]) -> (usize, usize) {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return (value, index + 1);
        }
    }
    panic!("an endless number");
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 127 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(content);
    out
}

fn envelope(kind: &str, message: &[u8]) -> Vec<u8> {
    let meta = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &meta), field(2, message)].concat()
}

#[tokio::test]
async fn protobuf() {
    let (server, mut check) = start();
    let client = check.client().clone();
    let send = |method: &str, path: &str, body: Vec<u8>| {
        client
            .request(method, path)
            .header("content-type", PROTOBUF)
            .header("accept", "application/vnd.kubernetes.protobuf,application/json")
            .body(body)
    };
    // metadata{name}, data{a: x}, type, and stringData{b: y}.
    let message = [
        field(1, &field(1, b"proto")),
        field(2, &[field(1, b"a"), field(2, b"x")].concat()),
        field(3, b"Opaque"),
        field(4, &[field(1, b"b"), field(2, b"y")].concat()),
    ]
    .concat();
    let reply = send("POST", SECRETS, envelope("Secret", &message)).send().await;
    check.equal(
        "created",
        (reply.status, reply.header("content-type")),
        (201, PROTOBUF),
    );
    let created = open(&reply.body, "Secret");
    let stored = field(2, &[field(1, b"a"), field(2, b"x")].concat());
    check.that(
        created.windows(stored.len()).any(|window| window == stored),
        || "raw bytes in data".to_owned(),
    );
    check.accepts(
        &client.get(&format!("{SECRETS}/proto")).await,
        200,
        json!({"data": {"a": "eA==", "b": "eQ=="}, "type": "Opaque"}),
    );
    let read = accept(&client, &format!("{SECRETS}/proto"), PROTOBUF).await;
    check.that(open(&read.body, "Secret") == created, || {
        "what was created is what is read".to_owned()
    });

    let list = accept(&client, SECRETS, PROTOBUF).await;
    let items = open(&list.body, "SecretList");
    check.that(
        items.windows(created.len()).any(|window| window == created),
        || "the list holds the object".to_owned(),
    );
    let status = accept(&client, &format!("{SECRETS}/none"), PROTOBUF).await;
    let message = open(&status.body, "Status");
    check.that(
        String::from_utf8_lossy(&message).contains("secrets \"none\" not found"),
        || "a Status".to_owned(),
    );

    let mut watch = server
        .client()
        .request("GET", &format!("{SECRETS}?watch=true"))
        .header("accept", PROTOBUF)
        .watch()
        .await;
    check.equal(
        "stream",
        watch.headers["content-type"]
            .to_str()
            .unwrap_or_default()
            .replace("; ", ";"),
        format!("{PROTOBUF};stream=watch"),
    );
    let frame = watch.frame().await.expect("a frame");
    let expected = [field(1, b"ADDED"), field(2, &field(1, &read.body))].concat();
    check.that(frame == expected, || {
        format!("a watch frame is type and envelope\n    expected {expected:?}\n    got      {frame:?}")
    });

    let delete_options = envelope("DeleteOptions", &field(2, &field(1, b"wrong-uid")));
    let reply = send("DELETE", &format!("{SECRETS}/proto"), delete_options)
        .send()
        .await;
    check.equal("a precondition in protobuf", reply.status, 409);
    let reply = send(
        "DELETE",
        &format!("{SECRETS}/proto"),
        envelope("DeleteOptions", &[]),
    )
    .send()
    .await;
    check.equal("deleted", reply.status, 200);
    open(&reply.body, "Status");
    for broken in [
        vec![],
        b"k8s".to_vec(),
        b"k8s\0".to_vec(),
        b"k8s\0\xff\xff\xff".to_vec(),
        envelope("Secret", b"\x0a\xff"),
        envelope("Pod", b""),
    ] {
        let reply = send("POST", SECRETS, broken.clone()).send().await;
        check.that(matches!(reply.status, 400 | 422), || {
            format!("{broken:?}: {}", reply.status)
        });
    }
    check.finish();
}

#[tokio::test]
async fn upstream_fixtures_go_in_and_come_out() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    for (name, path, kind) in [
        ("core.v1.Secret", SECRETS, "Secret"),
        (
            "core.v1.ConfigMap",
            "/api/v1/namespaces/default/configmaps",
            "ConfigMap",
        ),
        (
            "core.v1.ServiceAccount",
            "/api/v1/namespaces/default/serviceaccounts",
            "ServiceAccount",
        ),
    ] {
        // The fixture's names are not valid ones; what matters is that it decodes: a 400 is a failure of the codec.
        for (media, suffix) in [
            (PROTOBUF, "pb"),
            ("application/json", "json"),
            ("application/yaml", "yaml"),
        ] {
            let reply = client
                .request("POST", &format!("{path}?dryRun=All&fieldValidation=Strict"))
                .header("content-type", media)
                .body(fixture(&format!("{name}.{suffix}")))
                .send()
                .await;
            let namespace =
                "the namespace of the provided object does not match the namespace sent on the request";
            check.that(
                reply.status == 422 || reply.status == 500 || reply.text().contains(namespace),
                || format!("{kind} {suffix}: {} {}", reply.status, reply.text()),
            );
        }
        let mut object: Value = serde_json::from_slice(&fixture(&format!("{name}.json"))).expect("JSON");
        object["metadata"] = json!({"name": "fixture"});
        let reply = client.post(path, &object).await;
        let created = check.accepts(&reply, 201, json!({"kind": kind}));
        for (key, value) in object
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| !["metadata", "stringData"].contains(&key.as_str()))
        {
            if key != "data" {
                check.equal(&format!("{kind} {key}"), &created[key], value);
            }
        }
    }
    check.finish();
}

#[tokio::test]
async fn http_versions_and_connections() {
    let (server, mut check) = start();
    let two = server.client_http2();
    check.accepts(
        &two.post(SECRETS, &json!({"metadata": {"name": "two"}})).await,
        201,
        json!({"kind": "Secret"}),
    );
    let replies = futures::future::join_all((0..100).map(|_| {
        let two = two.clone();
        async move { two.get(&format!("{SECRETS}/two")).await.status }
    }))
    .await;
    check.that(replies.iter().all(|status| *status == 200), || {
        format!("{replies:?}")
    });
    let curl = |arguments: &[&str]| {
        let authority = server.scratch().join("ca.crt");
        let credentials = strongroom_e2e::Credentials::from_kubeconfig(&server.kubeconfig());
        std::fs::write(&authority, &credentials.authority).expect("written");
        let (certificate, key) = credentials.certificate.expect("the administrator has one");
        std::fs::write(server.scratch().join("c.crt"), certificate).expect("written");
        std::fs::write(server.scratch().join("c.key"), key).expect("written");
        let output = Command::new("curl")
            .args(["-sS", "--max-time", "20", "--cacert"])
            .arg(&authority)
            .arg("--cert")
            .arg(server.scratch().join("c.crt"))
            .arg("--key")
            .arg(server.scratch().join("c.key"))
            .args(arguments)
            .output()
            .expect("curl");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let url = format!("{}{SECRETS}/two", server.url());
    for version in ["--http1.1", "--http2"] {
        let (code, text) = curl(&[version, &url]);
        check.that(code == Some(0) && text.contains("\"kind\": \"Secret\""), || {
            format!("{version}: {text}")
        });
    }
    let body = server.scratch().join("body.json");
    std::fs::write(
        &body,
        json!({"metadata": {"name": "expected"}, "stringData": {"a": "x".repeat(100_000)}}).to_string(),
    )
    .expect("written");
    let data = format!("@{}", body.display());
    let collection = format!("{}{SECRETS}", server.url());
    let (code, text) = curl(&[
        "--http1.1",
        "-H",
        "Expect: 100-continue",
        "-H",
        "Content-Type: application/json",
        "--data-binary",
        &data,
        &collection,
    ]);
    check.that(code == Some(0) && text.contains("\"name\": \"expected\""), || {
        format!("100-continue: {text}")
    });
    let (code, text) = curl(&[
        "--http1.1",
        "-H",
        "Transfer-Encoding: chunked",
        "-H",
        "Content-Type: application/json",
        "-X",
        "PUT",
        "--data-binary",
        &data,
        &format!("{collection}/expected"),
    ]);
    check.that(code == Some(0) && text.contains("\"name\": \"expected\""), || {
        format!("chunked: {text}")
    });
    let (code, text) = curl(&[
        "-H",
        "Content-Type:",
        "-X",
        "POST",
        "-d",
        "{\"metadata\":{\"name\":\"untyped\"}}",
        &collection,
    ]);
    check.that(code == Some(0) && text.contains("\"name\": \"untyped\""), || {
        format!("no content type: {text}")
    });
    check.finish();
}

#[tokio::test]
async fn tls_versions() {
    let (server, mut check) = start();
    let handshake = |arguments: &[&str]| {
        let output = Command::new("timeout")
            .args([
                "10",
                "openssl",
                "s_client",
                "-connect",
                &format!("127.0.0.1:{}", server.port()),
            ])
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .output()
            .expect("openssl");
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (
            text.contains("Cipher is (NONE)") || text.contains("no peer certificate available"),
            text,
        )
    };
    for (what, arguments, refused) in [
        ("TLS 1.0", vec!["-tls1", "-cipher", "ALL:@SECLEVEL=0"], true),
        ("TLS 1.1", vec!["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], true),
        (
            "TLS 1.2 with CBC",
            vec![
                "-tls1_2",
                "-cipher",
                "ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384",
            ],
            true,
        ),
        (
            "TLS 1.2 with RSA key exchange",
            vec!["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
            true,
        ),
        ("TLS 1.2 AEAD", vec!["-tls1_2"], false),
        ("TLS 1.3", vec!["-tls1_3"], false),
    ] {
        let (got, text) = handshake(&arguments);
        check.that(got == refused, || format!("{what}: refused is {got}\n{text}"));
    }
    let (_, text) = handshake(&["-tls1_3", "-servername", "localhost"]);
    check.that(text.contains("TLSv1.3"), || text.clone());
    let plain = std::process::Command::new("curl")
        .args([
            "-sS",
            "--max-time",
            "5",
            &format!("http://127.0.0.1:{}/livez", server.port()),
        ])
        .output()
        .expect("curl");
    let shown = String::from_utf8_lossy(&plain.stdout).into_owned();
    check.that(!plain.status.success() || shown.contains("HTTPS"), || {
        format!("plain HTTP is answered: {shown}")
    });
    check.finish();
}
