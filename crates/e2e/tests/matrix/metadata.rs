//! §5: what may be in metadata, and what becomes of it.

use serde_json::{Value, json};

use crate::{SECRETS, invalid, one, secret, secret_with_metadata, start, text};

const UID: &str = "11111111-2222-4333-8444-555555555555";

#[tokio::test]
async fn names() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let long = "a".repeat(254);
    let refused = [
        ("Upper", text::SUBDOMAIN),
        ("under_score", text::SUBDOMAIN),
        ("-dash", text::SUBDOMAIN),
        ("dash-", text::SUBDOMAIN),
        (".dot", text::SUBDOMAIN),
        ("a..b", text::SUBDOMAIN),
        ("a b", text::SUBDOMAIN),
        ("a/b", text::SUBDOMAIN),
        ("..", text::SUBDOMAIN),
        ("ä", text::SUBDOMAIN),
        (&long, "must be no more than 253 characters"),
    ];
    for (name, why) in refused {
        let reply = client
            .post(SECRETS, &secret_with_metadata(json!({"name": name})))
            .await;
        check.rejects(
            &reply,
            422,
            "Invalid",
            &invalid(name, &format!("metadata.name: Invalid value: {name:?}: {why}")),
        );
    }
    for name in ["a", "0", "a.b-c.9", &long[1..]] {
        let reply = client
            .post(SECRETS, &secret_with_metadata(json!({"name": name})))
            .await;
        check.accepts(&reply, 201, json!({"metadata": {"name": name}}));
    }
    for metadata in [json!({}), json!({"name": "", "generateName": ""})] {
        let reply = client.post(SECRETS, &secret_with_metadata(metadata)).await;
        check.rejects(
            &reply,
            422,
            "Invalid",
            &invalid(
                "",
                "metadata.name: Required value: name or generateName is required",
            ),
        );
    }
    let reply = client.post(SECRETS, &secret("a", json!({}))).await;
    let status = check.rejects(&reply, 409, "AlreadyExists", "secrets \"a\" already exists");
    check.has(
        "details",
        &status,
        json!({"details": {"name": "a", "kind": "secrets"}}),
    );
    check.finish();
}

#[tokio::test]
async fn generated_names() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let generate = |base: &str| secret_with_metadata(json!({"generateName": base}));
    for base in ["web-", "web", "web.-"] {
        let reply = client.post(SECRETS, &generate(base)).await;
        let body = check.accepts(&reply, if base == "web.-" { 422 } else { 201 }, json!({}));
        if reply.status == 201 {
            let name = body["metadata"]["name"].as_str().unwrap_or_default();
            let suffix = name.strip_prefix(base).unwrap_or_default();
            check.that(
                suffix.len() == 5
                    && suffix
                        .chars()
                        .all(|letter| "bcdfghjklmnpqrstvwxz2456789".contains(letter)),
                || name.to_owned(),
            );
            check.has(
                "generateName stays",
                &body,
                json!({"metadata": {"generateName": base}}),
            );
        }
    }
    let reply = client.post(SECRETS, &generate(&"n".repeat(80))).await;
    let body = check.accepts(&reply, 201, json!({}));
    check.equal(
        "58 letters and 5 more",
        body["metadata"]["name"].as_str().map(str::len),
        Some(63),
    );
    let reply = client
        .post(
            SECRETS,
            &secret_with_metadata(json!({"name": "own", "generateName": "ignored-"})),
        )
        .await;
    check.accepts(&reply, 201, json!({"metadata": {"name": "own"}}));
    let reply = client.post(SECRETS, &generate("Bad_")).await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &[
            "metadata.generateName: Invalid value: \"Bad_\": ",
            "metadata.name: Invalid value: \"Bad_",
        ],
    );
    let reply = client.post(SECRETS, &generate("dot.")).await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &["metadata.generateName: Invalid value: \"dot.\": "],
    );
    check.finish();
}

#[tokio::test]
async fn what_the_server_sets() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let sent = json!({"name": "s", "uid": UID, "creationTimestamp": "2001-02-03T04:05:06Z", "selfLink": "/x", "generation": 7,
        "deletionTimestamp": "2001-02-03T04:05:06Z", "deletionGracePeriodSeconds": 5});
    let reply = client.post(SECRETS, &secret_with_metadata(sent)).await;
    let body = check.accepts(
        &reply,
        201,
        json!({"metadata": {"selfLink": null, "deletionTimestamp": null,
        "deletionGracePeriodSeconds": null, "generation": 7, "namespace": "default"}}),
    );
    let metadata = &body["metadata"];
    check.that(metadata["uid"] != UID, || {
        "a uid sent on create is replaced".to_owned()
    });
    let uid = metadata["uid"].as_str().unwrap_or_default();
    check.that(
        uid.len() == 36 && uid.as_bytes()[14] == b'4' && b"89ab".contains(&uid.as_bytes()[19]),
        || format!("not a v4 UUID: {uid}"),
    );
    let created = metadata["creationTimestamp"].as_str().unwrap_or_default();
    check.that(
        created.len() == 20 && created.ends_with('Z') && created > "2024",
        || format!("not a time of now: {created}"),
    );
    let version = metadata["resourceVersion"].as_str().unwrap_or_default();
    check.that(
        version.parse::<u64>().is_ok_and(|number| number > 0) && !version.starts_with('0'),
        || format!("version {version}"),
    );

    let reply = client
        .put(
            &one("s"),
            &secret_with_metadata(json!({"name": "s", "generation": 9})),
        )
        .await;
    check.accepts(&reply, 200, json!({"metadata": {"generation": 7}}));
    let reply = client
        .patch(
            "merge",
            &one("s"),
            &json!({"metadata": {"creationTimestamp": null, "labels": {"a": "b"}}}),
        )
        .await;
    check.accepts(
        &reply,
        200,
        json!({"metadata": {"creationTimestamp": created, "labels": {"a": "b"}}}),
    );
    let reply = client
        .patch("merge", &one("s"), &json!({"metadata": {"uid": UID}}))
        .await;
    check.rejects(
        &reply,
        422,
        "Invalid",
        &invalid(
            "s",
            &format!("metadata.uid: Invalid value: \"{UID}\": field is immutable"),
        ),
    );

    let reply = client
        .post(
            SECRETS,
            &secret_with_metadata(json!({"name": "v", "resourceVersion": "5"})),
        )
        .await;
    check.rejects(
        &reply,
        500,
        "",
        "resourceVersion should not be set on objects to be created",
    );
    let reply = client
        .post(
            SECRETS,
            &secret_with_metadata(json!({"name": "v", "resourceVersion": "0"})),
        )
        .await;
    check.accepts(&reply, 201, json!({}));
    let reply = client
        .post(
            SECRETS,
            &secret_with_metadata(json!({"name": "n", "namespace": "other"})),
        )
        .await;
    let differs = "the namespace of the provided object does not match the namespace sent on the request";
    check.rejects(&reply, 400, "BadRequest", differs);
    let reply = client
        .put(
            &one("s"),
            &secret_with_metadata(json!({"name": "s", "namespace": "other"})),
        )
        .await;
    check.rejects(&reply, 400, "BadRequest", differs);
    let reply = client
        .patch("merge", &one("s"), &json!({"metadata": {"namespace": "other"}}))
        .await;
    check.rejects(&reply, 400, "BadRequest", differs);
    let reply = client
        .patch("merge", &one("s"), &json!({"metadata": {"name": "other"}}))
        .await;
    check.rejects(
        &reply,
        400,
        "BadRequest",
        "the name of the object (other) does not match the name on the URL (s)",
    );
    let reply = client
        .put(&one("s"), &secret_with_metadata(json!({"name": "other"})))
        .await;
    check.rejects(
        &reply,
        400,
        "BadRequest",
        "the name of the object (other) does not match the name on the URL (s)",
    );
    let reply = client.put(&one("s"), &secret_with_metadata(json!({}))).await;
    check.rejects(
        &reply,
        400,
        "BadRequest",
        "the name of the object (s based on URL) was undeterminable: name must be provided",
    );
    check.finish();
}

#[tokio::test]
async fn labels_and_annotations() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let long = "a".repeat(64);
    let prefix = format!(
        "{}.{}.{}.{}/k",
        "p".repeat(63),
        "p".repeat(63),
        "p".repeat(63),
        "p".repeat(63)
    );
    let label = |key: &str, value: &str| secret_with_metadata(json!({"name": "l", "labels": {key: value}}));
    let field = "metadata.labels: Invalid value: ";

    let refused = [
        ("-a", "x", format!("{field}\"-a\": {}", text::NAME_PART)),
        ("a b", "x", format!("{field}\"a b\": {}", text::NAME_PART)),
        (
            "",
            "x",
            format!(
                "[{field}\"\": name part must be non-empty, {field}\"\": {}]",
                text::NAME_PART
            ),
        ),
        (
            &long,
            "x",
            format!("{field}\"{long}\": name part must be no more than 63 bytes"),
        ),
        ("/a", "x", format!("{field}\"/a\": prefix part must be non-empty")),
        (
            "A_b/c",
            "x",
            format!("{field}\"A_b/c\": prefix part {}", text::SUBDOMAIN),
        ),
        (
            &prefix,
            "x",
            format!("{field}\"{prefix}\": prefix part must be no more than 253 bytes"),
        ),
        ("a", "-x", format!("{field}\"-x\": {}", text::LABEL_VALUE)),
        ("a", "x y", format!("{field}\"x y\": {}", text::LABEL_VALUE)),
        (
            "a",
            &long,
            format!("{field}\"{long}\": must be no more than 63 bytes"),
        ),
    ];
    for (key, value, error) in refused {
        let reply = client.post(SECRETS, &label(key, value)).await;
        check.rejects(&reply, 422, "Invalid", &invalid("l", &error));
    }
    let reply = client.post(SECRETS, &label("a/b/c", "x")).await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &[
            "metadata.labels: Invalid value: \"a/b/c\": a valid label key must consist of",
            "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        ],
    );
    for (number, (key, value)) in [
        ("a", ""),
        ("a.b/C_d", "V.w-x_9"),
        ("A", "1"),
        (&long[1..], &long[1..]),
    ]
    .into_iter()
    .enumerate()
    {
        let body = secret_with_metadata(json!({"name": format!("good-{number}"), "labels": {key: value}}));
        check.accepts(
            &client.post(SECRETS, &body).await,
            201,
            json!({"metadata": {"labels": {key: value}}}),
        );
    }
    let reply = client
        .post(SECRETS, &json!({"metadata": {"name": "l", "labels": {"a": 1}}}))
        .await;
    check.rejects_with(
        &reply,
        400,
        "BadRequest",
        &[
            "json: cannot unmarshal number into Go struct field",
            "labels of type string",
        ],
    );

    let annotation =
        |key: &str, value: String| secret_with_metadata(json!({"name": "n", "annotations": {key: value}}));
    let reply = client.post(SECRETS, &annotation("-a", "x".to_owned())).await;
    check.rejects(
        &reply,
        422,
        "Invalid",
        &invalid(
            "n",
            &format!("metadata.annotations: Invalid value: \"-a\": {}", text::NAME_PART),
        ),
    );
    let reply = client.post(SECRETS, &annotation("k", "x".repeat(262_144))).await;
    check.rejects(
        &reply,
        422,
        "Invalid",
        &invalid(
            "n",
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
    );
    let reply = client.post(SECRETS, &annotation("k", "x".repeat(262_143))).await;
    check.accepts(&reply, 201, json!({}));
    let reply = client
        .post(
            SECRETS,
            &secret_with_metadata(json!({"name": "upper", "annotations": {"EXAMPLE.com/K": "any\nthing ü"}})),
        )
        .await;
    check.accepts(
        &reply,
        201,
        json!({"metadata": {"annotations": {"EXAMPLE.com/K": "any\nthing ü"}}}),
    );
    check.finish();
}

#[tokio::test]
async fn owner_references() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let owner = |changes: Value| {
        let mut owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": UID});
        for (key, value) in changes.as_object().expect("an object") {
            owner[key] = value.clone();
        }
        owner
    };
    let owned = |owners: Value| secret_with_metadata(json!({"name": "o", "ownerReferences": owners}));
    let dry = format!("{SECRETS}?dryRun=All");
    for (change, part) in [
        (json!({"apiVersion": ""}), "version must not be empty"),
        (json!({"kind": ""}), "must not be empty"),
        (json!({"name": ""}), "must not be empty"),
        (json!({"uid": ""}), "must not be empty"),
        (
            json!({"kind": "Event"}),
            "/v1, Kind=Event is disallowed from being an owner",
        ),
    ] {
        let reply = client.post(&dry, &owned(json!([owner(change)]))).await;
        check.rejects_with(&reply, 422, "Invalid", &["metadata.ownerReferences", part]);
    }
    let two = json!([
        owner(json!({"controller": true, "name": "a"})),
        owner(json!({"controller": true, "name": "b", "uid": "21111111-2222-4333-8444-555555555555"}))
    ]);
    let reply = client.post(&dry, &owned(two)).await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &["Only one reference can have Controller set to true. Found \"true\" in references for a and b"],
    );
    let reply = client
        .post(&dry, &owned(json!([owner(json!({})), owner(json!({}))])))
        .await;
    check.accepts(
        &reply,
        201,
        json!({"metadata": {"ownerReferences": [{"uid": UID}]}}),
    );
    check.equal("warned", reply.warnings(), vec![format!(
        ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {UID}"
    )]);
    check.finish();
}

#[tokio::test]
async fn finalizers() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let with = |finalizers: Value| secret_with_metadata(json!({"name": "f", "finalizers": finalizers}));
    let dry = format!("{SECRETS}?dryRun=All");
    let reply = client.post(&dry, &with(json!(["a.b/c", "x"]))).await;
    check.rejects_with(&reply, 422, "Invalid", &[
        "metadata.finalizers[1]: Invalid value: \"x\": name is neither a standard finalizer name nor is it fully qualified",
    ]);
    let reply = client
        .post(&dry, &with(json!(["orphan", "foregroundDeletion"])))
        .await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &[
            "metadata.finalizers",
            "finalizer orphan and foregroundDeletion cannot be both set",
        ],
    );
    let reply = client
        .post(&dry, &with(json!(["a.b/c", "a.b/c", "kubernetes", "orphan"])))
        .await;
    check.accepts(
        &reply,
        201,
        json!({"metadata": {"finalizers": ["a.b/c", "a.b/c", "kubernetes", "orphan"]}}),
    );

    client.post(SECRETS, &with(json!(["a.b/c"]))).await.expect(201);
    let reply = client.delete(&one("f")).await;
    let body = check.accepts(
        &reply,
        200,
        json!({"kind": "Secret", "metadata": {"deletionTimestamp": "*", "deletionGracePeriodSeconds": 0}}),
    );
    let reply = client.post(SECRETS, &with(json!([]))).await;
    check.rejects(
        &reply,
        409,
        "AlreadyExists",
        "object is being deleted: secrets \"f\" already exists",
    );
    let reply = client
        .patch(
            "merge",
            &one("f"),
            &json!({"metadata": {"finalizers": ["a.b/c", "d.e/f"]}}),
        )
        .await;
    check.rejects(&reply, 422, "Invalid", &invalid("f",
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"d.e/f\"}"));
    let reply = client
        .patch("merge", &one("f"), &json!({"data": {"still": "eA=="}}))
        .await;
    let changed = check.accepts(&reply, 200, json!({"data": {"still": "eA=="}, "metadata": {"deletionTimestamp": body["metadata"]["deletionTimestamp"]}}));
    let reply = client.delete(&one("f")).await;
    check.accepts(&reply, 200, json!({"kind": "Secret"}));
    let reply = client
        .patch("merge", &one("f"), &json!({"metadata": {"finalizers": null}}))
        .await;
    check.accepts(
        &reply,
        200,
        json!({"metadata": {"finalizers": null, "resourceVersion": changed["metadata"]["resourceVersion"]}}),
    );
    check.accepts(&client.get(&one("f")).await, 404, json!({}));
    check.finish();
}
