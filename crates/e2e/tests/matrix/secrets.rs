//! secrets §2–§5, §12 and every row of §14.

use serde_json::{Value, json};

use crate::{SECRETS, base64, invalid, one, secret, start, text, typed_secret};

const DOCKER_CONFIG: &str = "kubernetes.io/dockerconfigjson";

#[tokio::test]
async fn types_are_defaulted_and_their_rules_kept() {
    let (_server, mut check) = start();
    let client = check.client().clone();

    let reply = client.post(SECRETS, &secret("none", json!({}))).await;
    check.accepts(
        &reply,
        201,
        json!({"kind": "Secret", "apiVersion": "v1", "type": "Opaque", "data": null}),
    );
    let reply = client.post(SECRETS, &typed_secret("empty", "", json!({}))).await;
    check.accepts(&reply, 201, json!({"type": "Opaque"}));

    let required = |key: &str| format!("data[{key}]: Required value");
    let docker =
        |key: &str, why: &str| format!("data[{key}]: Invalid value: \"<secret contents redacted>\": {why}");
    let unmarshal =
        |what: &str| format!("json: cannot unmarshal {what} into Go value of type map[string]interface {{}}");
    let accepted = [
        (DOCKER_CONFIG, json!({".dockerconfigjson": "e30="})),
        (DOCKER_CONFIG, json!({".dockerconfigjson": "bnVsbA=="})),
        (
            DOCKER_CONFIG,
            json!({".dockerconfigjson": base64("{\"auths\":{}}"), "more": "eA=="}),
        ),
        ("kubernetes.io/dockercfg", json!({".dockercfg": "e30="})),
        ("kubernetes.io/basic-auth", json!({"password": ""})),
        ("kubernetes.io/basic-auth", json!({"username": "YQ=="})),
        ("kubernetes.io/ssh-auth", json!({"ssh-privatekey": "eA=="})),
        ("kubernetes.io/tls", json!({"tls.crt": "", "tls.key": ""})),
        ("bootstrap.kubernetes.io/token", json!({})),
        ("system.kuma.io/secret", json!({"value": "eA=="})),
        ("any string, even this one", json!({})),
    ];
    for (number, (kind, data)) in accepted.into_iter().enumerate() {
        let reply = client
            .post(SECRETS, &typed_secret(&format!("good-{number}"), kind, data))
            .await;
        check.accepts(&reply, 201, json!({"type": kind}));
    }

    let refused: Vec<(&str, Value, String)> = vec![
        (DOCKER_CONFIG, json!({}), required(".dockerconfigjson")),
        (
            DOCKER_CONFIG,
            json!({".dockerconfigjson": "W10="}),
            docker(".dockerconfigjson", &unmarshal("array")),
        ),
        (
            DOCKER_CONFIG,
            json!({".dockerconfigjson": base64("\"a\"")}),
            docker(".dockerconfigjson", &unmarshal("string")),
        ),
        (
            DOCKER_CONFIG,
            json!({".dockerconfigjson": base64("1")}),
            docker(".dockerconfigjson", &unmarshal("number")),
        ),
        (
            DOCKER_CONFIG,
            json!({".dockerconfigjson": base64("true")}),
            docker(".dockerconfigjson", &unmarshal("bool")),
        ),
        (
            DOCKER_CONFIG,
            json!({".dockerconfigjson": ""}),
            docker(".dockerconfigjson", "unexpected end of JSON input"),
        ),
        (
            DOCKER_CONFIG,
            json!({".dockerconfigjson": base64("{")}),
            docker(".dockerconfigjson", "unexpected end of JSON input"),
        ),
        (
            DOCKER_CONFIG,
            json!({".dockerconfigjson": base64("x")}),
            docker(
                ".dockerconfigjson",
                "invalid character 'x' looking for beginning of value",
            ),
        ),
        (
            "kubernetes.io/dockercfg",
            json!({".dockerconfigjson": "e30="}),
            required(".dockercfg"),
        ),
        (
            "kubernetes.io/dockercfg",
            json!({".dockercfg": "W10="}),
            docker(".dockercfg", &unmarshal("array")),
        ),
        (
            "kubernetes.io/basic-auth",
            json!({}),
            format!("[{}, {}]", required("username"), required("password")),
        ),
        ("kubernetes.io/ssh-auth", json!({}), required("ssh-privatekey")),
        (
            "kubernetes.io/ssh-auth",
            json!({"ssh-privatekey": ""}),
            required("ssh-privatekey"),
        ),
        ("kubernetes.io/tls", json!({"tls.crt": ""}), required("tls.key")),
        ("kubernetes.io/tls", json!({"tls.key": ""}), required("tls.crt")),
        (
            "kubernetes.io/tls",
            json!({}),
            format!("[{}, {}]", required("tls.crt"), required("tls.key")),
        ),
        (
            "kubernetes.io/service-account-token",
            json!({}),
            "metadata.annotations[kubernetes.io/service-account.name]: Required value".to_owned(),
        ),
    ];
    for (kind, data, error) in refused {
        let reply = client.post(SECRETS, &typed_secret("bad", kind, data)).await;
        check.rejects(&reply, 422, "Invalid", &invalid("bad", &error));
    }

    let both = client
        .post(
            SECRETS,
            &typed_secret("s1", "kubernetes.io/basic-auth", json!({})),
        )
        .await;
    check.accepts(
        &both,
        422,
        json!({"details": {"name": "s1", "kind": "Secret", "group": null, "causes": [
            {"reason": "FieldValueRequired", "message": "Required value", "field": "data[username]"},
            {"reason": "FieldValueRequired", "message": "Required value", "field": "data[password]"}]}}),
    );
    check.finish();
}

#[tokio::test]
async fn tls_pairs_that_do_not_load_are_warned_about() {
    let (server, mut check) = start();
    let client = check.client().clone();
    let tls = |name: &str, certificate: &str, key: &str| {
        typed_secret(
            name,
            "kubernetes.io/tls",
            json!({"tls.crt": base64(certificate), "tls.key": base64(key)}),
        )
    };
    let pair = |name: &str| {
        let (certificate, key) = (
            server.scratch().join(format!("{name}.crt")),
            server.scratch().join(format!("{name}.key")),
        );
        let made = std::process::Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ])
            .args(["-subj", "/CN=pair", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .expect("openssl");
        assert!(made.status.success(), "{made:?}");
        (
            std::fs::read_to_string(certificate).expect("made"),
            std::fs::read_to_string(key).expect("made"),
        )
    };
    let (certificate, key) = pair("one");
    let (_, other_key) = pair("two");

    let cases = [
        (
            "garbage",
            tls("garbage", "x", "y"),
            vec!["tls: failed to find any PEM data in certificate input"],
        ),
        (
            "no-key",
            tls("no-key", &certificate, "y"),
            vec!["tls: failed to find any PEM data in key input"],
        ),
        (
            "mismatch",
            tls("mismatch", &certificate, &other_key),
            vec!["tls: private key does not match public key"],
        ),
        ("fits", tls("fits", &certificate, &key), vec![]),
    ];
    for (name, body, warnings) in cases {
        let reply = client.post(SECRETS, &body).await;
        check.accepts(&reply, 201, json!({"type": "kubernetes.io/tls"}));
        check.equal(
            name,
            reply.warnings(),
            warnings.iter().map(|text| (*text).to_owned()).collect(),
        );
        let reply = client.put(&one(name), &body).await;
        check.accepts(&reply, 200, json!({}));
        check.equal(
            &format!("{name} on update"),
            reply.warnings(),
            warnings.iter().map(|text| (*text).to_owned()).collect(),
        );
    }
    check.finish();
}

#[tokio::test]
async fn keys_and_sizes() {
    let (_server, mut check) = start();
    let client = check.client().clone();

    for (number, key) in [
        ".x",
        "-",
        "_",
        "A.b-c_d",
        "...".trim_start_matches(".."),
        ".secret-file",
    ]
    .iter()
    .enumerate()
    {
        if *key == "." {
            continue;
        }
        let reply = client
            .post(SECRETS, &secret(&format!("key-{number}"), json!({*key: "eA=="})))
            .await;
        check.accepts(&reply, 201, json!({"data": {*key: "eA=="}}));
    }
    let long = "k".repeat(254);
    let reply = client
        .post(SECRETS, &secret("key-253", json!({&long[..253]: "eA=="})))
        .await;
    check.accepts(&reply, 201, json!({}));
    let refused = [
        ("a/b", text::CONFIG_KEY),
        ("", text::CONFIG_KEY),
        ("ключ", text::CONFIG_KEY),
        ("a b", text::CONFIG_KEY),
        ("..x", "must not start with '..'"),
        ("..", "must not be '..'"),
        (".", "must not be '.'"),
        (&long, "must be no more than 253 characters"),
    ];
    for (key, why) in refused {
        let message = invalid("bad", &format!("data[{key}]: Invalid value: {key:?}: {why}"));
        let reply = client.post(SECRETS, &secret("bad", json!({key: "eA=="}))).await;
        let status = check.rejects(&reply, 422, "Invalid", &message);
        check.has("cause", &status, json!({"details": {"causes": [
            {"reason": "FieldValueInvalid", "field": format!("data[{key}]"), "message": format!("Invalid value: {key:?}: {why}")}]}}));
        let mut body = secret("bad", json!({}));
        body["stringData"] = json!({key: "x"});
        let reply = client.post(SECRETS, &body).await;
        check.rejects(&reply, 422, "Invalid", &message);
    }

    let value = vec![b'x'; 1_048_577];
    let reply = client
        .post(SECRETS, &secret("exact", json!({"a": base64(&value[1..])})))
        .await;
    check.accepts(&reply, 201, json!({}));
    let read = client.get(&one("exact")).await;
    check.accepts(&read, 200, json!({"data": {"a": base64(&value[1..])}}));
    let too_long = invalid("over", "data: Too long: may not be more than 1048576 bytes");
    let reply = client
        .post(SECRETS, &secret("over", json!({"a": base64(&value)})))
        .await;
    check.rejects(&reply, 422, "Invalid", &too_long);
    let reply = client
        .post(
            SECRETS,
            &secret(
                "over",
                json!({"a": base64(&value[..600_000]), "b": base64(&value[..448_577])}),
            ),
        )
        .await;
    check.rejects(&reply, 422, "Invalid", &too_long);
    let reply = client
        .post(
            SECRETS,
            &secret(
                "split",
                json!({"a": base64(&value[..600_000]), "b": base64(&value[..448_576])}),
            ),
        )
        .await;
    check.accepts(&reply, 201, json!({}));
    let body = secret("body", json!({"a": "A".repeat(3_250_000)}));
    let reply = client.request("POST", SECRETS).json(&body).try_send().await;
    check.rejects_large(reply);
    check.finish();
}

#[tokio::test]
async fn data_and_string_data() {
    let (_server, mut check) = start();
    let client = check.client().clone();

    let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s1"},
        "data": {"a": "djE="}, "stringData": {"a": "v2", "b": "x"}});
    let path = format!("{SECRETS}?fieldManager=kubectl-create&fieldValidation=Strict");
    let reply = client.post(&path, &body).await;
    let created = check.accepts(
        &reply,
        201,
        json!({"kind": "Secret", "apiVersion": "v1", "type": "Opaque", "stringData": null, "data": {"a": "djI=", "b": "eA=="},
            "metadata": {"name": "s1", "namespace": "default", "uid": "*", "resourceVersion": "*", "creationTimestamp": "*",
                "selfLink": null, "generation": null,
                "managedFields": [{"manager": "kubectl-create", "operation": "Update", "apiVersion": "v1", "time": "*",
                    "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {".": {}, "f:a": {}, "f:b": {}}, "f:type": {}}}]}}),
    );
    check.equal(
        "exactly these owned fields",
        created["metadata"]["managedFields"][0]["fieldsV1"].clone(),
        json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}, "f:type": {}}),
    );

    let mut body = secret(
        "odd",
        json!({"null": null, "bytes": [104, 105], "empty": "", "lines": "aG\r\nk="}),
    );
    body["stringData"] = json!({"nil": null, "none": ""});
    let reply = client.post(SECRETS, &body).await;
    check.accepts(
        &reply,
        201,
        json!({"data": {"null": "", "bytes": "aGk=", "empty": "", "lines": "aGk=", "nil": "", "none": ""}}),
    );
    let explicit =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mutable"}, "immutable": false});
    let reply = client.post(SECRETS, &explicit).await;
    check.accepts(&reply, 201, json!({"immutable": false}));

    let cannot = "Secret in version \"v1\" cannot be handled as a Secret: ";
    for (value, byte) in [("a", 0), ("aGk", 0), ("a-_=", 1), ("aGk=aGk=", 4), ("!!!!", 0)] {
        let reply = client.post(SECRETS, &secret("bad", json!({"a": value}))).await;
        let _ = byte;
        check.rejects_like(
            &reply,
            400,
            "BadRequest",
            &format!("{cannot}illegal base64 data at input byte "),
        );
    }
    let reply = client.post(SECRETS, &secret("bad", json!({"a": "a-_="}))).await;
    check.rejects(
        &reply,
        400,
        "BadRequest",
        &format!("{cannot}illegal base64 data at input byte 1"),
    );
    for value in [json!(1), json!(true), json!({"x": "y"})] {
        let reply = client.post(SECRETS, &secret("bad", json!({"a": value}))).await;
        check.rejects_like(
            &reply,
            400,
            "BadRequest",
            &format!("{cannot}json: cannot unmarshal "),
        );
    }
    let mut body = secret("bad", json!({}));
    body["stringData"] = json!({"a": 1});
    let reply = client.post(SECRETS, &body).await;
    check.rejects_like(
        &reply,
        400,
        "BadRequest",
        &format!(
            "{cannot}json: cannot unmarshal number into Go struct field Secret.stringData of type string"
        ),
    );

    let invalid_utf8 = [
        &b"{\"metadata\":{\"name\":\"utf8\"},\"stringData\":{\"a\":\""[..],
        b"\xff",
        b"\"}}",
    ]
    .concat();
    let reply = client
        .request("POST", SECRETS)
        .header("content-type", "application/json")
        .body(invalid_utf8)
        .send()
        .await;
    check.accepts(&reply, 201, json!({"data": {"a": base64("\u{FFFD}")}}));
    check.finish();
}

#[tokio::test]
async fn put_replaces() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let created = client
        .post(SECRETS, &secret("a", json!({"x": "eA==", "y": "eQ=="})))
        .await
        .expect(201);
    let version = |object: &Value| {
        object["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };

    let same = client.put(&one("a"), &created).await;
    let body = check.accepts(&same, 200, json!({}));
    check.equal(
        "identical content keeps its version",
        version(&body),
        version(&created),
    );

    let reply = client.put(&one("a"), &secret("a", json!({"z": "eg=="}))).await;
    let changed = check.accepts(
        &reply,
        200,
        json!({"data": {"x": null, "y": null, "z": "eg=="}, "metadata": {"uid": created["metadata"]["uid"]}}),
    );
    check.that(
        version(&changed).parse::<u64>().ok() > version(&created).parse::<u64>().ok(),
        || "the version grows".to_owned(),
    );
    check.equal(
        "creation time stays",
        &changed["metadata"]["creationTimestamp"],
        &created["metadata"]["creationTimestamp"],
    );

    let mut stale = secret("a", json!({"q": "cQ=="}));
    stale["metadata"]["resourceVersion"] = created["metadata"]["resourceVersion"].clone();
    let conflict = format!(
        "Operation cannot be fulfilled on secrets \"a\": {}",
        text::MODIFIED
    );
    let reply = client.put(&one("a"), &stale).await;
    let status = check.rejects(&reply, 409, "Conflict", &conflict);
    check.has(
        "details",
        &status,
        json!({"details": {"name": "a", "kind": "secrets"}}),
    );

    let mut other = secret("a", json!({}));
    other["metadata"]["uid"] = json!("11111111-2222-4333-8444-555555555555");
    let reply = client.put(&one("a"), &other).await;
    let uid = created["metadata"]["uid"].as_str().unwrap_or_default();
    check.rejects(
        &reply,
        409,
        "Conflict",
        &format!(
            "Operation cannot be fulfilled on secrets \"a\": StorageError: invalid object, Code: 4, Key: /registry/secrets/default/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: 11111111-2222-4333-8444-555555555555, UID in object meta: {uid}"
        ),
    );

    let mut zero = secret("a", json!({"q": "cQ=="}));
    zero["metadata"]["resourceVersion"] = json!("0");
    let reply = client.put(&one("a"), &zero).await;
    check.accepts(&reply, 200, json!({"data": {"q": "cQ=="}}));
    zero["metadata"]["resourceVersion"] = json!("abc");
    let reply = client.put(&one("a"), &zero).await;
    check.rejects_with(
        &reply,
        500,
        "",
        &["strconv.ParseUint: parsing \"abc\": invalid syntax"],
    );

    let mut only_strings =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"k": "v"}});
    let reply = client.put(&one("a"), &only_strings).await;
    check.accepts(
        &reply,
        200,
        json!({"data": {"q": null, "k": base64("v")}, "stringData": null}),
    );
    only_strings["type"] = json!("kubernetes.io/tls");
    let reply = client.put(&one("a"), &only_strings).await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &["type: Invalid value: \"kubernetes.io/tls\": field is immutable"],
    );

    client
        .post(SECRETS, &typed_secret("typed", "my/type", json!({})))
        .await
        .expect(201);
    let reply = client.put(&one("typed"), &secret("typed", json!({}))).await;
    let status = check.rejects(
        &reply,
        422,
        "Invalid",
        &invalid("typed", "type: Invalid value: \"Opaque\": field is immutable"),
    );
    check.has(
        "cause",
        &status,
        json!({"details": {"causes": [{"reason": "FieldValueInvalid",
        "message": "Invalid value: \"Opaque\": field is immutable", "field": "type"}]}}),
    );
    let reply = client.put(&one("missing"), &secret("missing", json!({}))).await;
    check.rejects(&reply, 404, "NotFound", "secrets \"missing\" not found");
    check.finish();
}

#[tokio::test]
async fn immutable_secrets() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let frozen = |field: &str| format!("{field}: Forbidden: field is immutable when `immutable` is set");

    client
        .post(SECRETS, &secret("s", json!({"a": "eA=="})))
        .await
        .expect(201);
    let mut body = secret("s", json!({"a": base64("x"), "b": "Yg=="}));
    body["immutable"] = json!(true);
    let reply = client.put(&one("s"), &body).await;
    check.accepts(&reply, 200, json!({"immutable": true, "data": {"b": "Yg=="}}));

    let mut unset = body.clone();
    unset.as_object_mut().expect("an object").remove("immutable");
    let reply = client.put(&one("s"), &unset).await;
    let status = check.rejects(&reply, 422, "Invalid", &invalid("s", &frozen("immutable")));
    check.has(
        "cause",
        &status,
        json!({"details": {"causes": [{"reason": "FieldValueForbidden", "field": "immutable"}]}}),
    );
    unset["immutable"] = json!(false);
    let reply = client.put(&one("s"), &unset).await;
    check.rejects(&reply, 422, "Invalid", &invalid("s", &frozen("immutable")));
    unset["data"] = json!({"a": "eQ=="});
    unset["type"] = json!("other");
    let reply = client.put(&one("s"), &unset).await;
    check.rejects(
        &reply,
        422,
        "Invalid",
        &invalid(
            "s",
            &format!(
                "[type: Invalid value: \"other\": field is immutable, {}, {}]",
                frozen("immutable"),
                frozen("data")
            ),
        ),
    );

    let reply = client
        .patch("merge", &one("s"), &json!({"data": {"a": "eQ=="}}))
        .await;
    check.rejects(&reply, 422, "Invalid", &invalid("s", &frozen("data")));
    let before = client.get(&one("s")).await.expect(200);
    let reply = client
        .patch("merge", &one("s"), &json!({"stringData": {"a": "x"}}))
        .await;
    let after = check.accepts(&reply, 200, json!({}));
    check.equal(
        "a no-op",
        &after["metadata"]["resourceVersion"],
        &before["metadata"]["resourceVersion"],
    );
    let reply = client
        .patch("merge", &one("s"), &json!({"stringData": {"a": "y"}}))
        .await;
    check.rejects(&reply, 422, "Invalid", &invalid("s", &frozen("data")));
    let reply = client
        .patch(
            "merge",
            &one("s"),
            &json!({"metadata": {"labels": {"l": "1"}, "annotations": {"n": "2"}}}),
        )
        .await;
    check.accepts(&reply, 200, json!({"metadata": {"labels": {"l": "1"}}}));
    let reply = client.delete(&one("s")).await;
    check.accepts(&reply, 200, json!({"kind": "Status", "status": "Success"}));
    check.finish();
}

#[tokio::test]
async fn duplicate_and_unknown_fields() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let strict = |name: &str| format!("{SECRETS}?fieldValidation=Strict&dryRun={name}");
    let raw = |path: String, body: &str| {
        client
            .request("POST", &path)
            .header("content-type", "application/json")
            .body(body.to_owned())
    };
    let prefix = "Secret in version \"v1\" cannot be handled as a Secret: strict decoding error: ";

    let cases = [
        (
            r#"{"metadata":{"name":"a"},"data":{"k":"","k":"eA=="}}"#,
            r#"duplicate field "data.k""#,
        ),
        (
            r#"{"metadata":{"name":"a"},"data":{},"data":{}}"#,
            r#"duplicate field "data""#,
        ),
        (
            r#"{"metadata":{"name":"a"},"dtaa":{}}"#,
            r#"unknown field "dtaa""#,
        ),
        (
            r#"{"metadata":{"name":"a"},"Data":{}}"#,
            r#"unknown field "Data""#,
        ),
        (
            r#"{"metadata":{"name":"a","lables":{}}}"#,
            r#"unknown field "metadata.lables""#,
        ),
        (
            r#"{"metadata":{"name":"a"},"x":1,"y":2}"#,
            r#"unknown field "x", unknown field "y""#,
        ),
    ];
    for (body, error) in cases {
        let reply = raw(strict("All"), body).send().await;
        check.rejects(&reply, 400, "BadRequest", &format!("{prefix}{error}"));
        for mode in ["", "&fieldValidation=Warn"] {
            let reply = raw(format!("{SECRETS}?dryRun=All{mode}"), body).send().await;
            check.accepts(&reply, 201, json!({"metadata": {"name": "a"}}));
            let warnings: Vec<String> = error.split(", ").map(str::to_owned).collect();
            check.equal(body, reply.warnings(), warnings);
        }
        let reply = raw(format!("{SECRETS}?dryRun=All&fieldValidation=Ignore"), body)
            .send()
            .await;
        check.accepts(&reply, 201, json!({}));
        check.equal(body, reply.warnings(), Vec::new());
    }
    let reply = raw(
        SECRETS.to_owned(),
        r#"{"metadata":{"name":"last"},"data":{"k":"","k":"eA=="}}"#,
    )
    .send()
    .await;
    check.accepts(&reply, 201, json!({"data": {"k": "eA=="}}));

    client
        .post(
            SECRETS,
            &secret("p", json!({"hidden": base64("stored-value-that-stays-hidden")})),
        )
        .await
        .expect(201);
    let path = format!("{}?fieldValidation=Strict", one("p"));
    for kind in ["merge", "strategic"] {
        let reply = client.patch(kind, &path, &json!({"dtaa": 1})).await;
        check.rejects_with(
            &reply,
            422,
            "Invalid",
            &["strict decoding error: unknown field \"dtaa\""],
        );
        check.that(
            !reply.text().contains(&base64("stored-value-that-stays-hidden")),
            || "the refusal shows stored data".to_owned(),
        );
    }
    let reply = client.patch("merge", &one("p"), &json!({"dtaa": 1})).await;
    check.equal(
        "patch warns",
        reply.warnings(),
        vec!["unknown field \"dtaa\"".to_owned()],
    );
    check.finish();
}

#[tokio::test]
async fn reading() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    client
        .post(SECRETS, &secret("a", json!({"x": "eA=="})))
        .await
        .expect(201);
    client
        .post(SECRETS, &typed_secret("b", "my/type", json!({})))
        .await
        .expect(201);
    client.post(SECRETS, &secret("c", json!({}))).await.expect(201);

    let names = |body: &Value| -> Vec<String> {
        body["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned))
            .collect()
    };
    for (selector, expected) in [
        ("type=Opaque,metadata.name!=c", vec!["a"]),
        ("type!=Opaque", vec!["b"]),
        ("type==my/type", vec!["b"]),
        ("metadata.name=c", vec!["c"]),
        ("metadata.namespace=default", vec!["a", "b", "c"]),
        ("metadata.namespace!=default", vec![]),
    ] {
        let reply = client
            .get(&format!(
                "{SECRETS}?fieldSelector={}",
                selector.replace('=', "%3D").replace('!', "%21")
            ))
            .await;
        let body = check.accepts(&reply, 200, json!({"kind": "SecretList", "apiVersion": "v1"}));
        check.equal(
            selector,
            names(&body),
            expected.iter().map(|name| (*name).to_owned()).collect(),
        );
    }
    let reply = client.get(&format!("{SECRETS}?fieldSelector=data.x%3D1")).await;
    check.rejects(&reply, 400, "BadRequest", "field label not supported: data.x");

    let partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let reply = client
        .request("GET", &one("a"))
        .header("accept", partial)
        .send()
        .await;
    check.accepts(
        &reply,
        200,
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "data": null, "type": null,
        "metadata": {"name": "a", "uid": "*"}}),
    );
    check.equal(
        "its content type",
        reply.header("content-type").starts_with("application/json"),
        true,
    );

    let reply = client.get(&format!("{}?resourceVersion=0", one("a"))).await;
    check.accepts(&reply, 200, json!({"data": {"x": "eA=="}}));
    let reply = client
        .get(&format!("{}?resourceVersion=99999999", one("a")))
        .await;
    let status = check.rejects_like(
        &reply,
        504,
        "Timeout",
        "Timeout: Too large resource version: 99999999, current: ",
    );
    check.has(
        "details",
        &status,
        json!({"details": {"retryAfterSeconds": 1,
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}}),
    );
    let reply = client.get(&format!("{}?resourceVersion=abc", one("a"))).await;
    check.rejects_with(
        &reply,
        500,
        "",
        &["resourceVersion: Invalid value: \"abc\": strconv"],
    );
    let reply = client.get(&one("nothing")).await;
    let status = check.rejects(&reply, 404, "NotFound", "secrets \"nothing\" not found");
    check.has(
        "details",
        &status,
        json!({"details": {"name": "nothing", "kind": "secrets"}}),
    );
    check.finish();
}

#[tokio::test]
async fn dry_runs_change_nothing() {
    let (_server, mut check) = start();
    let client = check.client().clone();
    let mut body = secret("dry", json!({"a": "eA=="}));
    body["stringData"] = json!({"a": "z"});
    let reply = client.post(&format!("{SECRETS}?dryRun=All"), &body).await;
    check.accepts(
        &reply,
        201,
        json!({"data": {"a": base64("z")}, "stringData": null,
        "metadata": {"uid": "*", "creationTimestamp": "*", "resourceVersion": null}}),
    );
    check.accepts(&client.get(&one("dry")).await, 404, json!({}));
    client
        .post(SECRETS, &secret("real", json!({"a": "eA=="})))
        .await
        .expect(201);
    let reply = client
        .post(&format!("{SECRETS}?dryRun=All"), &secret("real", json!({})))
        .await;
    check.rejects(&reply, 409, "AlreadyExists", "secrets \"real\" already exists");
    let before = client.get(&one("real")).await.expect(200);
    let reply = client
        .put(
            &format!("{}?dryRun=All", one("real")),
            &secret("real", json!({"b": "Yg=="})),
        )
        .await;
    check.accepts(&reply, 200, json!({"data": {"b": "Yg=="}, "metadata": {"resourceVersion": before["metadata"]["resourceVersion"]}}));
    let reply = client
        .patch(
            "merge",
            &format!("{}?dryRun=All", one("real")),
            &json!({"data": {"a": null}}),
        )
        .await;
    check.accepts(&reply, 200, json!({"data": null}));
    let reply = client.delete(&format!("{}?dryRun=All", one("real"))).await;
    check.accepts(
        &reply,
        200,
        json!({"kind": "Status", "status": "Success", "details": {"name": "real", "kind": "secrets"}}),
    );
    let reply = client
        .delete_with(
            &one("real"),
            &json!({"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]}),
        )
        .await;
    check.accepts(&reply, 200, json!({"kind": "Status", "status": "Success"}));
    let reply = client.delete(&format!("{SECRETS}?dryRun=All")).await;
    check.accepts(&reply, 200, json!({"kind": "SecretList"}));
    let after = client.get(&one("real")).await.expect(200);
    check.equal("nothing has changed", after, before);
    check.finish();
}
