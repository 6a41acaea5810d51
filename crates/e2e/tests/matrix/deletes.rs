//! §9: deletion, preconditions, policies, collections, garbage, namespaces.

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_e2e::{Client, Reply};

use crate::{CONFIG_MAPS, SECRETS, one, secret, secret_with_metadata, start};

/// Polls until it is gone.
async fn vanishes(client: &Client, path: &str) -> bool {
    for _ in 0..200 {
        if client.get(path).await.status == 404 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

fn options(members: Value) -> Value {
    let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
    for (key, value) in members.as_object().expect("an object") {
        options[key] = value.clone();
    }
    options
}

#[tokio::test]
async fn replies_and_preconditions() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let created = client.post(SECRETS, &secret("d", json!({}))).await.expect(201);
    let (uid, version) = (
        created["metadata"]["uid"].clone(),
        created["metadata"]["resourceVersion"].clone(),
    );
    let shown = |value: &Value| value.as_str().unwrap_or_default().to_owned();

    let reply = client
        .delete_with(&one("d"), &options(json!({"preconditions": {"uid": "a"}})))
        .await;
    let status = check.rejects(&reply, 409, "Conflict", &format!(
        "Operation cannot be fulfilled on Secret \"d\": the UID in the precondition (a) does not match the UID in record ({}). The object might have been deleted and then recreated", shown(&uid)));
    check.has(
        "details",
        &status,
        json!({"details": {"name": "d", "kind": "Secret"}}),
    );
    let reply = client
        .delete_with(&one("d"), &options(json!({"preconditions": {"uid": ""}})))
        .await;
    check.that(reply.status == 409, || {
        format!("an empty uid is compared: {}", reply.text())
    });
    let reply = client
        .delete_with(
            &one("d"),
            &options(json!({"preconditions": {"resourceVersion": "1"}})),
        )
        .await;
    check.rejects(&reply, 409, "Conflict", &format!(
        "Operation cannot be fulfilled on Secret \"d\": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({}). The object might have been modified", shown(&version)));
    let reply = client
        .delete_with(
            &one("d"),
            &options(json!({"preconditions": {"uid": uid, "resourceVersion": version}})),
        )
        .await;
    check.accepts(
        &reply,
        200,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {"name": "d", "kind": "secrets", "uid": uid}}),
    );
    check.rejects(
        &client.delete(&one("d")).await,
        404,
        "NotFound",
        "secrets \"d\" not found",
    );

    for (number, body) in [
        json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}),
        json!({"kind": "DeleteOptions", "apiVersion": "v9"}),
        json!({}),
        json!({"unknown": 1}),
        json!({"gracePeriodSeconds": 0, "propagationPolicy": "Background"}),
        json!({"gracePeriodSeconds": -1}),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("body-{number}");
        client.post(SECRETS, &secret(&name, json!({}))).await.expect(201);
        check.accepts(
            &client.delete_with(&one(&name), &body).await,
            200,
            json!({"kind": "Status"}),
        );
    }
    client
        .post(SECRETS, &secret("stays", json!({})))
        .await
        .expect(201);
    let reply = client
        .delete_with(&one("stays"), &json!({"kind": "Secret", "apiVersion": "v1"}))
        .await;
    check.that(reply.status == 400, || {
        format!("another kind: {} {}", reply.status, reply.text())
    });
    let message = |error: &str| format!("DeleteOptions.meta.k8s.io \"\" is invalid: {error}");
    let unsupported = |got: &str| {
        message(&format!(
            "propagationPolicy: Unsupported value: \"{got}\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
        ))
    };
    for policy in ["Sometimes", ""] {
        let reply = client
            .delete_with(&one("stays"), &options(json!({"propagationPolicy": policy})))
            .await;
        check.rejects(&reply, 422, "Invalid", &unsupported(policy));
    }
    let reply = client
        .delete(&format!("{}?propagationPolicy=Sometimes", one("stays")))
        .await;
    check.rejects(&reply, 422, "Invalid", &unsupported("Sometimes"));
    let reply = client
        .delete_with(
            &one("stays"),
            &options(json!({"propagationPolicy": "Orphan", "orphanDependents": true})),
        )
        .await;
    check.rejects(&reply, 422, "Invalid", &message("propagationPolicy: Invalid value: \"Orphan\": orphanDependents and deletionPropagation cannot be both set"));
    let reply = client
        .delete(&format!(
            "{}?propagationPolicy=Background&gracePeriodSeconds=0",
            one("stays")
        ))
        .await;
    check.accepts(&reply, 200, json!({"kind": "Status"}));

    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    client
        .post(accounts, &json!({"metadata": {"name": "a"}}))
        .await
        .expect(201);
    check.accepts(
        &client.delete(&format!("{accounts}/a")).await,
        200,
        json!({"kind": "ServiceAccount", "metadata": {"name": "a"}}),
    );
    client
        .post(CONFIG_MAPS, &json!({"metadata": {"name": "c"}}))
        .await
        .expect(201);
    check.accepts(
        &client.delete(&format!("{CONFIG_MAPS}/c")).await,
        200,
        json!({"kind": "Status", "details": {"kind": "configmaps"}}),
    );
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    client
        .post(leases, &json!({"metadata": {"name": "l"}}))
        .await
        .expect(201);
    check.accepts(
        &client.delete(&format!("{leases}/l")).await,
        200,
        json!({"kind": "Status", "details": {"kind": "leases", "group": "coordination.k8s.io"}}),
    );
    check.finish();
}

#[tokio::test]
async fn collections() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    client
        .post("/api/v1/namespaces", &json!({"metadata": {"name": "other"}}))
        .await
        .expect(201);
    for (namespace, name, color) in [
        ("default", "a", "red"),
        ("default", "b", "red"),
        ("default", "c", "blue"),
        ("other", "d", "red"),
    ] {
        let body = secret_with_metadata(json!({"name": name, "labels": {"color": color}}));
        client
            .post(&format!("/api/v1/namespaces/{namespace}/secrets"), &body)
            .await
            .expect(201);
    }
    let reply = client
        .delete(&format!("{SECRETS}?labelSelector=color%3Dred"))
        .await;
    check.accepts(&reply, 200, json!({"kind": "SecretList", "apiVersion": "v1", "items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]}));
    let left = client.get("/api/v1/secrets").await.expect(200);
    let names: Vec<&str> = left["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item["metadata"]["name"].as_str())
        .collect();
    check.equal("only the selected, only there", names, vec!["c", "d"]);
    for name in ["e", "f", "g"] {
        client.post(SECRETS, &secret(name, json!({}))).await.expect(201);
    }
    let reply = client.delete(&format!("{SECRETS}?limit=2")).await;
    check.accepts(
        &reply,
        200,
        json!({"items": [{"metadata": {"name": "c"}}, {"metadata": {"name": "e"}}]}),
    );
    let reply = client
        .delete(&format!("{SECRETS}?fieldSelector=metadata.name%3Df"))
        .await;
    check.accepts(&reply, 200, json!({"items": [{"metadata": {"name": "f"}}]}));
    check.accepts(
        &client.delete(SECRETS).await,
        200,
        json!({"items": [{"metadata": {"name": "g"}}]}),
    );
    check.accepts(&client.get(SECRETS).await, 200, json!({"items": []}));
    check.that(client.delete("/api/v1/secrets").await.status == 405, || {
        "no collection over all namespaces".to_owned()
    });
    check.that(client.delete("/api/v1/namespaces").await.status == 405, || {
        "namespaces have no deletecollection".to_owned()
    });
    check.finish();
}

async fn owned_by(client: &Client, name: &str, owner: &Value, block: bool) -> Reply {
    let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": block});
    client
        .post(
            SECRETS,
            &secret_with_metadata(json!({"name": name, "ownerReferences": [reference]})),
        )
        .await
}

#[tokio::test]
async fn garbage() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let owner = async |name: &str| {
        client
            .post(CONFIG_MAPS, &json!({"metadata": {"name": name}}))
            .await
            .expect(201)
    };

    let background = owner("background").await;
    owned_by(&client, "of-background", &background, false)
        .await
        .expect(201);
    check.accepts(
        &client.delete(&format!("{CONFIG_MAPS}/background")).await,
        200,
        json!({"kind": "Status"}),
    );
    check.that(vanishes(&client, &one("of-background")).await, || {
        "a dependent of a deleted owner stays".to_owned()
    });

    let foreground = owner("foreground").await;
    owned_by(&client, "of-foreground", &foreground, true)
        .await
        .expect(201);
    let body = options(json!({"propagationPolicy": "Foreground"}));
    let reply = client
        .delete_with(&format!("{CONFIG_MAPS}/foreground"), &body)
        .await;
    check.accepts(&reply, 200, json!({"kind": "ConfigMap", "metadata": {"finalizers": ["foregroundDeletion"], "deletionTimestamp": "*"}}));
    check.that(vanishes(&client, &one("of-foreground")).await, || {
        "a dependent stays (foreground)".to_owned()
    });
    check.that(
        vanishes(&client, &format!("{CONFIG_MAPS}/foreground")).await,
        || "the owner stays (foreground)".to_owned(),
    );

    let orphan = owner("orphan").await;
    owned_by(&client, "of-orphan", &orphan, false).await.expect(201);
    let body = options(json!({"propagationPolicy": "Orphan"}));
    let reply = client.delete_with(&format!("{CONFIG_MAPS}/orphan"), &body).await;
    check.accepts(
        &reply,
        200,
        json!({"kind": "ConfigMap", "metadata": {"finalizers": ["orphan"]}}),
    );
    check.that(vanishes(&client, &format!("{CONFIG_MAPS}/orphan")).await, || {
        "the owner stays (orphan)".to_owned()
    });
    let reply = client.get(&one("of-orphan")).await;
    check.accepts(&reply, 200, json!({"metadata": {"ownerReferences": null}}));

    let never = json!({"metadata": {"name": "never", "uid": "11111111-2222-4333-8444-555555555555"}});
    owned_by(&client, "of-never", &never, false).await.expect(201);
    check.that(vanishes(&client, &one("of-never")).await, || {
        "a dependent of nobody stays".to_owned()
    });

    let one_owner = owner("kept").await;
    let references: Vec<Value> = [&one_owner, &never]
        .iter()
        .map(|owner| {
            json!({"apiVersion": "v1", "kind": "ConfigMap",
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]})
        })
        .collect();
    client
        .post(
            SECRETS,
            &secret_with_metadata(json!({"name": "of-two", "ownerReferences": references})),
        )
        .await
        .expect(201);
    tokio::time::sleep(Duration::from_secs(2)).await;
    check.accepts(&client.get(&one("of-two")).await, 200, json!({}));
    check.finish();
}

#[tokio::test]
async fn namespaces() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let reply = client
        .post(
            "/api/v1/namespaces",
            &json!({"metadata": {"name": "n", "labels": {"a": "b"}}}),
        )
        .await;
    let created = check.accepts(
        &reply,
        201,
        json!({"kind": "Namespace", "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
        "metadata": {"labels": {"a": "b", "kubernetes.io/metadata.name": "n"}}}),
    );
    let inside = "/api/v1/namespaces/n/secrets";
    client.post(inside, &secret("plain", json!({}))).await.expect(201);
    client
        .post(
            inside,
            &secret_with_metadata(json!({"name": "held", "finalizers": ["a.b/c"]})),
        )
        .await
        .expect(201);
    client
        .post(
            "/api/v1/namespaces/n/configmaps",
            &json!({"metadata": {"name": "c"}}),
        )
        .await
        .expect(201);
    client
        .post(
            "/apis/coordination.k8s.io/v1/namespaces/n/leases",
            &json!({"metadata": {"name": "l"}}),
        )
        .await
        .expect(201);

    let reply = client
        .delete_with(
            "/api/v1/namespaces/n",
            &options(json!({"preconditions": {"uid": "a"}})),
        )
        .await;
    check.rejects(&reply, 409, "Conflict", &format!("Operation cannot be fulfilled on namespaces \"n\": Precondition failed: UID in precondition: a, UID in object meta: {}",
        created["metadata"]["uid"].as_str().unwrap_or_default()));
    let reply = client.delete("/api/v1/namespaces/n").await;
    check.accepts(&reply, 200, json!({"kind": "Namespace", "status": {"phase": "Terminating"}, "metadata": {"deletionTimestamp": "*"}}));
    let reply = client.post(inside, &secret("late", json!({}))).await;
    let status = check.rejects(&reply, 403, "Forbidden", "secrets \"late\" is forbidden: unable to create new content in namespace n because it is being terminated");
    check.has("cause", &status, json!({"details": {"name": "late", "kind": "secrets", "causes": [
        {"reason": "NamespaceTerminating", "message": "namespace n is being terminated", "field": "metadata.namespace"}]}}));
    check.that(vanishes(&client, &format!("{inside}/plain")).await, || {
        "content stays".to_owned()
    });
    check.that(
        vanishes(&client, "/api/v1/namespaces/n/configmaps/c").await,
        || "content stays".to_owned(),
    );
    check.that(
        vanishes(&client, "/apis/coordination.k8s.io/v1/namespaces/n/leases/l").await,
        || "content stays".to_owned(),
    );
    let reply = client.get("/api/v1/namespaces/n").await;
    check.accepts(&reply, 200, json!({"status": {"phase": "Terminating"}}));
    check.accepts(
        &client.delete("/api/v1/namespaces/n").await,
        200,
        json!({"kind": "Namespace"}),
    );
    check.accepts(
        &client.get(&format!("{inside}/held")).await,
        200,
        json!({"metadata": {"deletionTimestamp": "*"}}),
    );
    client
        .patch(
            "merge",
            &format!("{inside}/held"),
            &json!({"metadata": {"finalizers": null}}),
        )
        .await
        .expect(200);
    check.that(vanishes(&client, "/api/v1/namespaces/n").await, || {
        "an emptied namespace stays".to_owned()
    });
    client
        .post("/api/v1/namespaces", &json!({"metadata": {"name": "n"}}))
        .await
        .expect(201);
    check.accepts(&client.get(inside).await, 200, json!({"items": []}));

    for name in ["default", "kube-system", "kube-public"] {
        let reply = client.delete(&format!("/api/v1/namespaces/{name}")).await;
        let status = check.rejects(
            &reply,
            403,
            "Forbidden",
            &format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted"),
        );
        check.has(
            "details",
            &status,
            json!({"details": {"name": name, "kind": "namespaces"}}),
        );
    }
    check.finish();
}

#[tokio::test]
async fn pending_deletions() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    for name in ["p", "q"] {
        client
            .post(
                SECRETS,
                &secret_with_metadata(json!({"name": name, "finalizers": ["a.b/c"]})),
            )
            .await
            .expect(201);
    }
    let reply = client
        .delete_with(&one("p"), &options(json!({"orphanDependents": false})))
        .await;
    check.accepts(
        &reply,
        202,
        json!({"kind": "Secret", "metadata": {"deletionTimestamp": "*"}}),
    );
    let reply = client.delete(&one("q")).await;
    check.accepts(
        &reply,
        200,
        json!({"kind": "Secret", "metadata": {"deletionTimestamp": "*", "finalizers": ["a.b/c"]}}),
    );
    let reply = client.put(&one("q"), &secret("q", json!({}))).await;
    check.accepts(&reply, 200, json!({}));
    check.accepts(&client.get(&one("q")).await, 404, json!({}));
    check.finish();
}
