//! TokenRequest (§3.3).

use serde_json::json;
use strongroom_e2e::{Check, Options, Server};

use crate::{ACCOUNTS, ISSUER, SECRETS, claims, header, review, token, who};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_requests() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let path = format!("{ACCOUNTS}/robot/token");
    let account = admin
        .post(ACCOUNTS, &json!({"metadata": {"name": "robot"}}))
        .await
        .expect(201);
    let uid = account["metadata"]["uid"].as_str().expect("a uid").to_owned();

    let reply = admin.post(&path, &json!({})).await;
    let got = check.accepts(
        &reply,
        201,
        json!({
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": "robot", "namespace": "default", "uid": uid, "creationTimestamp": "*"},
            "spec": {"audiences": [ISSUER], "expirationSeconds": 3600},
            "status": {"token": "*", "expirationTimestamp": "*"},
        }),
    );
    check.that(reply.text().contains("\"boundObjectRef\":null"), || {
        "boundObjectRef is printed as null".to_owned()
    });
    check.has(
        "managed fields",
        &got["metadata"]["managedFields"],
        json!([{"subresource": "token", "operation": "Update", "fieldsV1": {"f:spec": {}}}]),
    );
    let text = got["status"]["token"].as_str().unwrap_or_default();
    let inside = claims(text);
    check.has("claims", &inside, json!({
        "iss": ISSUER, "sub": "system:serviceaccount:default:robot", "aud": [ISSUER], "jti": "*", "nbf": inside["iat"],
        "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "robot", "uid": uid}, "pod": null, "secret": null, "node": null, "warnafter": null},
    }));
    check.equal(
        "lifetime",
        inside["exp"].as_i64(),
        inside["iat"].as_i64().map(|iat| iat + 3600),
    );
    let expires: jiff::Timestamp = got["status"]["expirationTimestamp"]
        .as_str()
        .unwrap_or_default()
        .parse()
        .expect("a time");
    check.equal("expiry", Some(expires.as_second()), inside["exp"].as_i64());
    check.has(
        "header",
        &header(text),
        json!({"alg": "ES256", "kid": "*", "typ": null, "jku": null}),
    );
    check.accepts(&who(&server.anonymous(), text).await, 201, json!({"status": {"userInfo": {
        "username": "system:serviceaccount:default:robot", "uid": uid,
        "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/credential-id": [format!("JTI={}", inside["jti"].as_str().unwrap_or_default())]},
    }}}));
    let again = token(&admin, "robot", json!({})).await;
    check.that(claims(&again)["jti"] != inside["jti"], || {
        "two tokens with one id".to_owned()
    });
    check.accepts(
        &admin.post(&format!("{path}?dryRun=All"), &json!({})).await,
        201,
        json!({"status": {"token": "*"}}),
    );
    let reply = admin.get(&format!("{ACCOUNTS}/robot")).await.json();
    check.equal(
        "nothing is stored",
        reply["metadata"]["resourceVersion"].clone(),
        account["metadata"]["resourceVersion"].clone(),
    );

    errors(&mut check, &path, &uid).await;
    limits(&mut check, &path).await;
    check.finish();
}

async fn errors(check: &mut Check, path: &str, uid: &str) {
    let admin = check.client().clone();
    let invalid =
        |name: &str, rest: &str| format!("TokenRequest.authentication.k8s.io \"{name}\" is invalid: {rest}");
    for (seconds, problem) in [
        (10_i64, "may not specify a duration less than 10 minutes"),
        (599, "may not specify a duration less than 10 minutes"),
        (-1, "may not specify a duration less than 10 minutes"),
        (
            4_294_967_297,
            "may not specify a duration larger than 2^32 seconds",
        ),
    ] {
        let reply = admin
            .post(path, &json!({"spec": {"expirationSeconds": seconds}}))
            .await;
        check.rejects(
            &reply,
            422,
            "Invalid",
            &invalid(
                "",
                &format!("spec.expirationSeconds: Invalid value: {seconds}: {problem}"),
            ),
        );
    }
    let reply = admin.post(path, &json!({"metadata": {"name": "other"}})).await;
    check.rejects(
        &reply,
        422,
        "Invalid",
        &invalid(
            "robot",
            "metadata.name: Invalid value: \"other\": must match the service account name if specified",
        ),
    );
    let reply = admin
        .post(path, &json!({"metadata": {"namespace": "other"}}))
        .await;
    check.rejects(
        &reply,
        400,
        "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request",
    );
    let wrong = "00000000-0000-4000-8000-000000000000";
    let reply = admin.post(path, &json!({"metadata": {"uid": wrong}})).await;
    check.rejects(&reply, 409, "Conflict", &format!("Operation cannot be fulfilled on TokenRequest.authentication.k8s.io \"robot\": the UID in the token request ({wrong}) does not match the UID of the service account ({uid})"));
    let reply = admin
        .request("POST", path)
        .header("content-type", "application/json")
        .send()
        .await;
    check.equal(
        "no body at all",
        (reply.status, reply.json()["reason"].clone()),
        (400, json!("BadRequest")),
    );
    let reply = admin.post(&path.replace("robot", "nobody"), &json!({})).await;
    check.rejects(&reply, 404, "NotFound", "serviceaccounts \"nobody\" not found");
    let bound = |kind: &str, name: &str, uid: &str| json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name, "uid": uid}}});
    for (kind, what) in [("Secret", "secrets"), ("Pod", "pods"), ("Node", "nodes")] {
        let reply = admin.post(path, &bound(kind, "gone", "")).await;
        check.rejects(&reply, 404, "NotFound", &format!("{what} \"gone\" not found"));
    }
    let reply = admin.post(path, &bound("ConfigMap", "c", "")).await;
    check.rejects(
        &reply,
        400,
        "BadRequest",
        "cannot bind token to object of type /v1, Kind=ConfigMap",
    );
    admin
        .post(SECRETS, &json!({"metadata": {"name": "s"}}))
        .await
        .expect(201);
    let reply = admin.post(path, &bound("Secret", "s", wrong)).await;
    check.rejects(&reply, 409, "Conflict", &format!("Operation cannot be fulfilled on Secret \"s\": the UID in the bound object reference ({wrong}) does not match the UID in record. The object might have been deleted and then recreated"));
    for (method, status) in [("GET", 405), ("PUT", 405), ("DELETE", 405), ("PATCH", 405)] {
        let reply = admin.request(method, path).json(&json!({})).send().await;
        check.equal(&format!("{method} token"), reply.status, status);
    }
}

async fn limits(check: &mut Check, path: &str) {
    let admin = check.client().clone();
    for seconds in [600_i64, 3607, 4_294_967_296] {
        let reply = admin
            .post(path, &json!({"spec": {"expirationSeconds": seconds}}))
            .await;
        let got = check.accepts(&reply, 201, json!({"spec": {"expirationSeconds": seconds}}));
        let inside = claims(got["status"]["token"].as_str().unwrap_or_default());
        check.equal(
            "lifetime",
            inside["exp"].as_i64(),
            inside["iat"].as_i64().map(|iat| iat + seconds),
        );
    }
}

/// `create` on `serviceaccounts/token`, by name if need be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_to_tokens() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    for name in ["robot", "other"] {
        admin
            .post(ACCOUNTS, &json!({"metadata": {"name": name}}))
            .await
            .expect(201);
    }
    let rules = json!([{"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["robot"], "verbs": ["create"]}, {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["*"]}]);
    admin
        .post(
            &format!("{rbac}/roles"),
            &json!({"metadata": {"name": "r"}, "rules": rules}),
        )
        .await
        .expect(201);
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"});
    let alice = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}]);
    admin
        .post(
            &format!("{rbac}/rolebindings"),
            &json!({"metadata": {"name": "r"}, "roleRef": role, "subjects": alice}),
        )
        .await
        .expect(201);
    let alice = server.user("alice", &[]);
    check.accepts(
        &alice.post(&format!("{ACCOUNTS}/robot/token"), &json!({})).await,
        201,
        json!({"status": {"token": "*"}}),
    );
    let reply = alice.post(&format!("{ACCOUNTS}/other/token"), &json!({})).await;
    check.rejects(&reply, 403, "Forbidden", "serviceaccounts \"other\" is forbidden: User \"alice\" cannot create resource \"serviceaccounts/token\" in API group \"\" in the namespace \"default\"");
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_maximum() {
    let server = Server::start_with(Options::with_arguments(&[
        "--service-account-max-token-expiration",
        "2h",
    ]));
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    // The account comes a moment after its namespace.
    token(&admin, "default", json!({})).await;
    let reply = admin
        .post(
            &format!("{ACCOUNTS}/default/token"),
            &json!({"spec": {"expirationSeconds": 86400}}),
        )
        .await;
    let got = check.accepts(&reply, 201, json!({"status": {"token": "*"}}));
    check.equal(
        "a warning",
        reply.warnings(),
        vec!["requested expiration of 86400 seconds shortened to 7200 seconds".to_owned()],
    );
    let inside = claims(got["status"]["token"].as_str().unwrap_or_default());
    check.equal(
        "lifetime",
        inside["exp"].as_i64(),
        inside["iat"].as_i64().map(|iat| iat + 7200),
    );
    check.finish();
}

/// A token ends with what it is bound to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bound_tokens_end() {
    let server = Server::start();
    let (admin, anonymous) = (server.client(), server.anonymous());
    let mut check = Check::new(admin.clone());
    for name in ["robot", "gone", "again"] {
        admin
            .post(ACCOUNTS, &json!({"metadata": {"name": name}}))
            .await
            .expect(201);
    }
    let secret = async || {
        admin
            .post(SECRETS, &json!({"metadata": {"name": "s"}}))
            .await
            .expect(201)
    };
    let first = secret().await;
    let bound = token(
        &admin,
        "robot",
        json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "s"}}),
    )
    .await;
    check.has(
        "bound",
        &claims(&bound)["kubernetes.io"],
        json!({"secret": {"name": "s", "uid": first["metadata"]["uid"]}}),
    );
    check.equal("before", who(&anonymous, &bound).await.status, 201);
    admin.delete(&format!("{SECRETS}/s")).await.expect(200);
    check.equal("the secret is gone", who(&anonymous, &bound).await.status, 401);
    check.has("why", &review(&admin, &bound, &[]).await, json!({"authenticated": null, "error": "[invalid bearer token, service account token has been invalidated]"}));
    let second = secret().await;
    check.equal("another of that name", who(&anonymous, &bound).await.status, 401);
    let (old, new) = (
        first["metadata"]["uid"].as_str().unwrap_or_default(),
        second["metadata"]["uid"].as_str().unwrap_or_default(),
    );
    check.has("why", &review(&admin, &bound, &[]).await, json!({"error": format!("[invalid bearer token, secret UID ({new}) does not match service account secret ref claim ({old})]")}));

    let gone = token(&admin, "gone", json!({})).await;
    check.equal("before", who(&anonymous, &gone).await.status, 201);
    admin.delete(&format!("{ACCOUNTS}/gone")).await.expect(200);
    check.equal("the account is gone", who(&anonymous, &gone).await.status, 401);
    let why = review(&admin, &gone, &[]).await;
    check.that(
        why["error"]
            .as_str()
            .unwrap_or_default()
            .contains("serviceaccounts \"gone\" not found"),
        || format!("{why}"),
    );

    let again = token(&admin, "again", json!({})).await;
    let old = claims(&again)["kubernetes.io"]["serviceaccount"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    admin.delete(&format!("{ACCOUNTS}/again")).await.expect(200);
    let new = admin
        .post(ACCOUNTS, &json!({"metadata": {"name": "again"}}))
        .await
        .expect(201)["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    check.equal("another of that name", who(&anonymous, &again).await.status, 401);
    check.has("why", &review(&admin, &again, &[]).await, json!({"error": format!("[invalid bearer token, service account UID ({new}) does not match claim ({old})]")}));
    check.finish();
}
