//! The other resources: config maps (secrets §5), namespaces, service accounts, events, leases, services.

use std::time::Duration;

use serde_json::json;
use strongroom_e2e::{Options, Server};

use crate::{CONFIG_MAPS, base64, start, text};

#[tokio::test]
async fn config_maps() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let map = |name: &str, more: serde_json::Value| {
        let mut body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        for (key, value) in more.as_object().expect("an object") {
            body[key] = value.clone();
        }
        body
    };
    let wrong = |name: &str, error: &str| format!("ConfigMap {name:?} is invalid: {error}");
    let reply = client
        .post(
            CONFIG_MAPS,
            &map("c", json!({"data": {"a": "x\nü"}, "binaryData": {"b": "AAE="}})),
        )
        .await;
    check.accepts(
        &reply,
        201,
        json!({"kind": "ConfigMap", "data": {"a": "x\nü"}, "binaryData": {"b": "AAE="}}),
    );
    let reply = client
        .post(CONFIG_MAPS, &map("bad", json!({"data": {"": "x"}})))
        .await;
    check.rejects(
        &reply,
        422,
        "Invalid",
        &wrong(
            "bad",
            &format!("data[]: Invalid value: \"\": {}", text::CONFIG_KEY),
        ),
    );
    let reply = client
        .post(CONFIG_MAPS, &map("bad", json!({"binaryData": {"a b": "eA=="}})))
        .await;
    check.rejects(
        &reply,
        422,
        "Invalid",
        &wrong(
            "bad",
            &format!("binaryData[a b]: Invalid value: \"a b\": {}", text::CONFIG_KEY),
        ),
    );
    let reply = client
        .post(
            CONFIG_MAPS,
            &map("bad", json!({"data": {"k": "x"}, "binaryData": {"k": "eA=="}})),
        )
        .await;
    check.rejects(
        &reply,
        422,
        "Invalid",
        &wrong(
            "bad",
            "data[k]: Invalid value: \"k\": duplicate of key present in binaryData",
        ),
    );
    let reply = client
        .post(
            CONFIG_MAPS,
            &map(
                "bad",
                json!({"data": {"a": "x".repeat(700_000)}, "binaryData": {"b": base64(vec![b'x'; 348_577])}}),
            ),
        )
        .await;
    check.rejects(
        &reply,
        422,
        "Invalid",
        &wrong("bad", "[]: Too long: may not be more than 1048576 bytes"),
    );

    let reply = client
        .put(
            &format!("{CONFIG_MAPS}/c"),
            &map("c", json!({"data": {"a": "x"}, "immutable": true})),
        )
        .await;
    check.accepts(&reply, 200, json!({"immutable": true}));
    let frozen = |field: &str| {
        wrong(
            "c",
            &format!("{field}: Forbidden: field is immutable when `immutable` is set"),
        )
    };
    for (patch, field) in [
        (json!({"data": {"a": "y"}}), "data"),
        (json!({"binaryData": {"b": "eA=="}}), "binaryData"),
        (json!({"immutable": false}), "immutable"),
    ] {
        let reply = client.patch("merge", &format!("{CONFIG_MAPS}/c"), &patch).await;
        check.rejects(&reply, 422, "Invalid", &frozen(field));
    }
    let reply = client
        .patch(
            "merge",
            &format!("{CONFIG_MAPS}/c"),
            &json!({"metadata": {"labels": {"a": "b"}}}),
        )
        .await;
    check.accepts(&reply, 200, json!({}));
    check.finish();
}

#[tokio::test]
async fn namespaces_and_what_each_gets() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        let reply = client.get(&format!("/api/v1/namespaces/{name}")).await;
        check.accepts(&reply, 200, json!({"status": {"phase": "Active"}, "metadata": {"labels": {"kubernetes.io/metadata.name": name}}}));
    }
    client
        .post("/api/v1/namespaces", &json!({"metadata": {"name": "fresh"}}))
        .await
        .expect(201);
    for name in ["default", "kube-system", "fresh"] {
        for path in [
            format!("/api/v1/namespaces/{name}/serviceaccounts/default"),
            format!("/api/v1/namespaces/{name}/configmaps/kube-root-ca.crt"),
        ] {
            let mut reply = client.get(&path).await;
            for _ in 0..100 {
                if reply.status == 200 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                reply = client.get(&path).await;
            }
            let body = check.accepts(&reply, 200, json!({}));
            if path.contains("configmaps") {
                let certificate = body["data"]["ca.crt"].as_str().unwrap_or_default();
                check.that(certificate.contains("BEGIN CERTIFICATE"), || {
                    format!("{path}: {body}")
                });
            } else {
                check.that(body["secrets"].is_null(), || {
                    "a secret was made for a service account".to_owned()
                });
            }
        }
    }
    // What is deleted or spoiled comes back.
    for path in [
        "/api/v1/namespaces/fresh/serviceaccounts/default",
        "/api/v1/namespaces/fresh/configmaps/kube-root-ca.crt",
    ] {
        let before = client.get(path).await.expect(200);
        client.delete(path).await.expect(200);
        let mut back = false;
        for _ in 0..200 {
            let reply = client.get(path).await;
            back = reply.status == 200 && reply.json()["metadata"]["uid"] != before["metadata"]["uid"];
            if back {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        check.that(back, || format!("{path} does not come back"));
    }
    let path = "/api/v1/namespaces/fresh/configmaps/kube-root-ca.crt";
    client
        .put(
            path,
            &json!({"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ""}}),
        )
        .await
        .expect(200);
    let mut repaired = false;
    for _ in 0..200 {
        repaired = client.get(path).await.text().contains("BEGIN CERTIFICATE");
        if repaired {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    check.that(repaired, || "an emptied kube-root-ca.crt stays empty".to_owned());

    let named = |name: &str| json!({"metadata": {"name": name}});
    let wrong = |name: &str, error: &str| {
        format!("Namespace {name:?} is invalid: metadata.name: Invalid value: {name:?}: {error}")
    };
    check.rejects(
        &client.post("/api/v1/namespaces", &named("Upper")).await,
        422,
        "Invalid",
        &wrong("Upper", text::LABEL),
    );
    check.rejects_with(
        &client.post("/api/v1/namespaces", &named("a.b")).await,
        422,
        "Invalid",
        &["must not contain dots"],
    );
    check.rejects_with(
        &client.post("/api/v1/namespaces", &named(&"a".repeat(64))).await,
        422,
        "Invalid",
        &["must be no more than 63"],
    );
    let reply = client
        .patch(
            "merge",
            "/api/v1/namespaces/fresh",
            &json!({"metadata": {"labels": {"kubernetes.io/metadata.name": "lie"}}}),
        )
        .await;
    check.accepts(
        &reply,
        200,
        json!({"metadata": {"labels": {"kubernetes.io/metadata.name": "fresh"}}}),
    );
    let reply = client
        .patch(
            "merge",
            "/api/v1/namespaces/fresh",
            &json!({"metadata": {"labels": null}}),
        )
        .await;
    check.accepts(
        &reply,
        200,
        json!({"metadata": {"labels": {"kubernetes.io/metadata.name": "fresh"}}}),
    );
    let mut body = named("finalized");
    body["spec"] = json!({"finalizers": ["a.b/c"]});
    let reply = client.post("/api/v1/namespaces", &body).await;
    let created = check.accepts(&reply, 201, json!({}));
    let finalizers = created["spec"]["finalizers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    check.that(
        finalizers.contains(&json!("kubernetes")) && finalizers.contains(&json!("a.b/c")),
        || format!("{finalizers:?}"),
    );
    let reply = client.get("/api/v1/namespaces/default/status").await;
    check.accepts(
        &reply,
        200,
        json!({"kind": "Namespace", "metadata": {"name": "default"}}),
    );
    let reply = client.patch("merge", "/api/v1/namespaces/default/status", &json!({"metadata": {"labels": {"not": "here"}}, "status": {"conditions": [
        {"type": "Mine", "status": "True", "lastTransitionTime": "2024-01-02T03:04:05Z", "reason": "R", "message": "m"}]}})).await;
    check.accepts(
        &reply,
        200,
        json!({"status": {"phase": "Active", "conditions": [{"type": "Mine"}]}}),
    );
    check.finish();
}

#[tokio::test]
async fn service_accounts_leases_services() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let body = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}, "automountServiceAccountToken": false, "imagePullSecrets": [{"name": "x"}]});
    check.accepts(
        &client.post(accounts, &body).await,
        201,
        json!({"automountServiceAccountToken": false, "imagePullSecrets": [{"name": "x"}]}),
    );
    let reply = client
        .patch(
            "strategic",
            &format!("{accounts}/a"),
            &json!({"metadata": {"creationTimestamp": null}, "automountServiceAccountToken": true}),
        )
        .await;
    check.accepts(
        &reply,
        200,
        json!({"automountServiceAccountToken": true, "metadata": {"creationTimestamp": "*"}}),
    );
    check.rejects_with(
        &client.post(accounts, &json!({"metadata": {"name": "A"}})).await,
        422,
        "Invalid",
        &["ServiceAccount \"A\" is invalid: metadata.name: Invalid value: \"A\""],
    );

    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let lease = |version: serde_json::Value| {
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "l", "resourceVersion": version}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15,
        "acquireTime": "2024-01-02T03:04:05.123456Z", "renewTime": "2024-01-02T03:04:05.000000Z", "leaseTransitions": 1}})
    };
    let reply = client.put(&format!("{leases}/l"), &lease(json!(null))).await;
    let created = check.accepts(&reply, 201, json!({"spec": {"holderIdentity": "me", "acquireTime": "2024-01-02T03:04:05.123456Z", "renewTime": "2024-01-02T03:04:05.000000Z"}}));
    let reply = client.put(&format!("{leases}/l"), &lease(json!(null))).await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &[
            "leases.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: Invalid value: ",
            "must be specified for an update",
        ],
    );
    let reply = client
        .put(
            &format!("{leases}/l"),
            &lease(created["metadata"]["resourceVersion"].clone()),
        )
        .await;
    check.accepts(&reply, 200, json!({}));
    let reply = client.get(&format!("{leases}/none")).await;
    let status = check.rejects(
        &reply,
        404,
        "NotFound",
        "leases.coordination.k8s.io \"none\" not found",
    );
    check.has(
        "details",
        &status,
        json!({"details": {"name": "none", "group": "coordination.k8s.io", "kind": "leases"}}),
    );

    let reply = client.get("/api/v1/namespaces/default/services/kubernetes").await;
    check.accepts(&reply, 200, json!({"kind": "Service", "spec": {"clusterIP": "*", "ports": [{"name": "https", "port": 443, "protocol": "TCP"}]},
        "metadata": {"labels": {"component": "apiserver", "provider": "kubernetes"}}}));
    check.finish();
}

#[tokio::test]
async fn events_of_both_groups() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let events = "/api/v1/namespaces/default/events";
    let event = |name: &str, namespace: &str| {
        json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name},
        "involvedObject": {"kind": "Secret", "apiVersion": "v1", "name": "s", "namespace": namespace},
        "reason": "Tested", "message": "it was", "type": "Normal", "count": 2, "source": {"component": "e2e", "host": "here"},
        "firstTimestamp": "2024-01-02T03:04:05Z", "lastTimestamp": "2024-01-02T03:04:06Z"})
    };
    check.accepts(
        &client.post(events, &event("e", "default")).await,
        201,
        json!({"reason": "Tested", "count": 2, "lastTimestamp": "2024-01-02T03:04:06Z"}),
    );
    let reply = client.post(events, &event("x", "elsewhere")).await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &["involvedObject.namespace: Invalid value: \"elsewhere\": does not match event.namespace"],
    );
    let reply = client
        .get("/apis/events.k8s.io/v1/namespaces/default/events/e")
        .await;
    check.accepts(&reply, 200, json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "regarding": {"kind": "Secret", "name": "s"},
        "note": "it was", "reason": "Tested", "deprecatedCount": 2, "deprecatedSource": {"component": "e2e", "host": "here"},
        "deprecatedFirstTimestamp": "2024-01-02T03:04:05Z"}));
    let modern = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "m"}, "eventTime": "2024-01-02T03:04:05.000001Z",
        "reportingController": "e2e.dev/x", "reportingInstance": "i", "action": "Try", "reason": "Why", "note": "n", "type": "Warning",
        "regarding": {"kind": "Secret", "name": "s", "namespace": "default"}});
    check.accepts(
        &client
            .post("/apis/events.k8s.io/v1/namespaces/default/events", &modern)
            .await,
        201,
        json!({"note": "n", "eventTime": "2024-01-02T03:04:05.000001Z"}),
    );
    check.accepts(
        &client.get(&format!("{events}/m")).await,
        200,
        json!({"apiVersion": "v1", "message": "n", "involvedObject": {"name": "s"},
        "reportingComponent": "e2e.dev/x", "reportingInstance": "i", "action": "Try"}),
    );
    for path in [
        format!("{events}?fieldSelector=source%3De2e.dev/x"),
        "/apis/events.k8s.io/v1/namespaces/default/events?fieldSelector=reportingController%3De2e.dev/x"
            .to_owned(),
    ] {
        let reply = client.get(&path).await;
        check.accepts(&reply, 200, json!({"items": [{"metadata": {"name": "m"}}]}));
    }
    let reply = client
        .put(&format!("{events}/new"), &event("new", "default"))
        .await;
    check.accepts(&reply, 201, json!({}));
    check.finish();
}

#[tokio::test]
async fn events_expire() {
    let server = Server::start_with(Options::with_arguments(&["--event-ttl", "2s"]));
    let client = server.client();
    let events = "/api/v1/namespaces/default/events";
    let event = json!({"metadata": {"name": "short"}, "involvedObject": {"kind": "Secret", "name": "s", "namespace": "default"},
        "reason": "Passing", "message": "soon gone", "type": "Normal"});
    client.post(events, &event).await.expect(201);
    client.get(&format!("{events}/short")).await.expect(200);
    for _ in 0..300 {
        if client.get(&format!("{events}/short")).await.status == 404 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("an event of 2 s is still there after 30 s");
}

#[tokio::test]
async fn finalizing_a_namespace() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let body = json!({"metadata": {"name": "held"}, "spec": {"finalizers": ["example.com/hold"]}});
    client.post("/api/v1/namespaces", &body).await.expect(201);
    client.delete("/api/v1/namespaces/held").await.expect(200);
    let mut namespace = json!({});
    for _ in 0..200 {
        namespace = client.get("/api/v1/namespaces/held").await.expect(200);
        if namespace["spec"]["finalizers"] == json!(["example.com/hold"]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    check.has(
        "only the other's finalizer is left",
        &namespace,
        json!({"spec": {"finalizers": ["example.com/hold"]}, "status": {"phase": "Terminating"}}),
    );
    let reply = client.get("/api/v1/namespaces/held/finalize").await;
    check.equal("finalize is only for PUT", reply.status, 405);
    namespace["spec"] = json!({});
    let reply = client.put("/api/v1/namespaces/held/finalize", &namespace).await;
    check.accepts(&reply, 200, json!({"kind": "Namespace"}));
    let mut gone = false;
    for _ in 0..200 {
        gone = client.get("/api/v1/namespaces/held").await.status == 404;
        if gone {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    check.that(gone, || "a finalized namespace stays".to_owned());
    check.finish();
}
