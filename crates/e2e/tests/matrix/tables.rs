//! §4.2 and §15: tables, and metadata alone.

use serde_json::{Value, json};
use strongroom_e2e::{Client, Reply};

use crate::{SECRETS, one, secret, start};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const KUBECTL: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

async fn accept(client: &Client, path: &str, media: &str) -> Reply {
    client.request("GET", path).header("accept", media).send().await
}

fn columns(table: &Value) -> Vec<String> {
    let columns = table["columnDefinitions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    columns
        .iter()
        .map(|column| {
            format!(
                "{}{}",
                column["name"].as_str().unwrap_or_default(),
                if column["priority"] == 0 { "" } else { "*" }
            )
        })
        .collect()
}

#[tokio::test]
async fn tables_of_secrets() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    client
        .post(SECRETS, &secret("t", json!({"a": "eA==", "b": "eQ=="})))
        .await
        .expect(201);
    client.post(SECRETS, &secret("u", json!({}))).await.expect(201);
    let reply = accept(&client, SECRETS, KUBECTL).await;
    let table = check.accepts(&reply, 200, json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "*"},
        "columnDefinitions": [{"name": "Name", "type": "string", "format": "name", "description": "*", "priority": 0}, {"name": "Type", "type": "string"},
            {"name": "Data", "type": "string"}, {"name": "Age", "type": "string"}],
        "rows": [{"object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "t", "namespace": "default", "uid": "*"}}}, {}]}));
    let cells = &table["rows"][0]["cells"];
    check.equal(
        "cells",
        (cells[0].clone(), cells[1].clone(), cells[2].clone()),
        (json!("t"), json!("Opaque"), json!(2)),
    );
    check.that(cells[3].as_str().is_some_and(|age| age.ends_with('s')), || {
        format!("age {}", cells[3])
    });
    check.that(!reply.text().contains("eA=="), || {
        "a table shows values".to_owned()
    });

    for (include, object) in [
        ("Metadata", json!("PartialObjectMetadata")),
        ("Object", json!("Secret")),
        ("None", Value::Null),
    ] {
        let table = accept(&client, &format!("{SECRETS}?includeObject={include}"), TABLE)
            .await
            .expect(200);
        check.equal(include, table["rows"][0]["object"]["kind"].clone(), object);
    }
    let reply = accept(&client, &format!("{SECRETS}?includeObject=x"), TABLE).await;
    check.rejects(&reply, 400, "BadRequest", "Unable to convert to Table as requested: includeObject: Invalid value: \"x\": must be 'Metadata', 'Object', 'None', or empty");
    let single = accept(&client, &one("t"), TABLE).await.expect(200);
    check.equal("one row", single["rows"].as_array().map(Vec::len), Some(1));
    let page = accept(&client, &format!("{SECRETS}?limit=1"), TABLE)
        .await
        .expect(200);
    check.has(
        "a page",
        &page["metadata"],
        json!({"continue": "*", "remainingItemCount": 1, "resourceVersion": "*"}),
    );
    let reply = client
        .request("POST", SECRETS)
        .json(&secret("made", json!({})))
        .header("accept", TABLE)
        .send()
        .await;
    check.accepts(&reply, 201, json!({"kind": "Table", "rows": [{}]}));
    let reply = accept(&client, &one("none"), TABLE).await;
    check.rejects(&reply, 404, "NotFound", "secrets \"none\" not found");
    let reply = accept(&client, SECRETS, "application/yaml;as=Table;v=v1;g=meta.k8s.io").await;
    check.that(
        reply.status == 200 && reply.text().contains("kind: Table"),
        || format!("YAML table: {}", reply.text()),
    );
    check.finish();
}

#[tokio::test]
async fn columns_of_every_resource() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let leases = "/apis/coordination.k8s.io/v1/leases";
    for (path, expected) in [
        ("/api/v1/secrets", "Name Type Data Age"),
        ("/api/v1/configmaps", "Name Data Age"),
        ("/api/v1/serviceaccounts", "Name Age"),
        ("/api/v1/namespaces", "Name Status Age"),
        (
            "/api/v1/events",
            "Last Seen Type Reason Object Subobject* Source* Message First Seen* Count* Name*",
        ),
        (leases, "Name Holder Age"),
    ] {
        let table = accept(&client, path, KUBECTL).await.expect(200);
        if path.contains("serviceaccounts") && columns(&table).len() == 3 {
            check.equal(path, columns(&table).join(" "), "Name Secrets Age".to_owned());
            continue;
        }
        check.equal(path, columns(&table).join(" "), expected.to_owned());
    }
    let table = accept(&client, "/api/v1/namespaces/default", KUBECTL)
        .await
        .expect(200);
    check.equal("phase", table["rows"][0]["cells"][1].clone(), json!("Active"));
    check.finish();
}

#[tokio::test]
async fn metadata_alone() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    client
        .post(SECRETS, &secret("t", json!({"a": "eA=="})))
        .await
        .expect(201);
    let single = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let list = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let reply = accept(&client, &one("t"), single).await;
    check.accepts(&reply, 200, json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "data": null, "type": null, "metadata": {"name": "t"}}));
    let reply = accept(&client, SECRETS, list).await;
    check.accepts(&reply, 200, json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "*"},
        "items": [{"metadata": {"name": "t"}, "data": null, "type": null}]}));
    let reply = accept(&client, &one("t"), &format!("{list},application/json")).await;
    check.rejects(
        &reply,
        406,
        "NotAcceptable",
        "you requested PartialObjectMetadataList, but the requested object is not a list (*core.Secret)",
    );
    let reply = accept(&client, SECRETS, &format!("{single},application/json")).await;
    check.that(reply.status == 406, || format!("{}", reply.status));
    let only = "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf";
    for media in [
        "application/json;as=Table;v=v9;g=meta.k8s.io",
        "application/json;as=Chair;v=v1;g=meta.k8s.io",
        "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io",
    ] {
        check.rejects(&accept(&client, SECRETS, media).await, 406, "NotAcceptable", only);
        let reply = accept(&client, SECRETS, &format!("{media},application/json")).await;
        check.accepts(&reply, 200, json!({"kind": "SecretList"}));
    }
    let beta = accept(
        &client,
        SECRETS,
        "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
    )
    .await;
    check.that(matches!(beta.status, 200 | 406), || {
        format!("v1beta1: {}", beta.text())
    });
    check.finish();
}
