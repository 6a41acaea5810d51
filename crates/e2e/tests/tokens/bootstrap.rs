//! Bootstrap tokens (`spec/secrets.md` §8).

use serde_json::{Value, json};
use strongroom_e2e::{Check, Client, Options, Server};

use crate::{eventually, now, who};

const SYSTEM: &str = "/api/v1/namespaces/kube-system/secrets";
const INFO: &str = "/api/v1/namespaces/kube-public/configmaps/cluster-info";

/// A bootstrap token's Secret with the usual values and some others; `null` takes one away.
fn secret(id: &str, changes: Value) -> Value {
    let mut values = json!({"token-id": id, "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true", "usage-bootstrap-signing": "true"});
    for (key, value) in changes.as_object().into_iter().flatten() {
        values[key] = value.clone();
    }
    if let Some(values) = values.as_object_mut() {
        values.retain(|_, value| !value.is_null());
    }
    json!({"metadata": {"name": format!("bootstrap-token-{id}")}, "type": "bootstrap.kubernetes.io/token", "stringData": values})
}

fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(now() + seconds)
        .expect("a time")
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login() {
    let server = Server::start();
    let (admin, anonymous) = (server.client(), server.anonymous());
    let mut check = Check::new(admin.clone());
    let groups = "system:bootstrappers:b,system:bootstrappers:a,system:bootstrappers:b";
    admin
        .post(
            SYSTEM,
            &secret(
                "abcdef",
                json!({"auth-extra-groups": groups, "expiration": moment(3600)}),
            ),
        )
        .await
        .expect(201);
    check.accepts(&who(&anonymous, "abcdef.0123456789abcdef").await, 201, json!({"status": {"userInfo": {
        "username": "system:bootstrap:abcdef",
        "groups": ["system:bootstrappers", "system:bootstrappers:a", "system:bootstrappers:b", "system:authenticated"],
    }}}));
    for bad in [
        "abcdef.0123456789abcdeg",
        "abcdeg.0123456789abcdef",
        "abcdef.0123456789abcde",
        "abcdef.0123456789abcdef0",
        "ABCDEF.0123456789abcdef",
        "abcdef.",
        "abcdef.0123456789ABCDEF",
    ] {
        check.equal(bad, who(&anonymous, bad).await.status, 401);
    }
    for (id, changes) in [
        ("aaaaa1", json!({"usage-bootstrap-authentication": null})),
        ("aaaaa2", json!({"usage-bootstrap-authentication": "false"})),
        ("aaaaa3", json!({"usage-bootstrap-authentication": "True"})),
        ("aaaaa4", json!({"token-id": "aaaaaa"})),
        ("aaaaa5", json!({"token-id": null})),
        ("aaaaa6", json!({"token-secret": null})),
        ("aaaaa7", json!({"auth-extra-groups": "system:masters"})),
        (
            "aaaaa8",
            json!({"auth-extra-groups": "system:bootstrappers:a,system:bootstrappers:"}),
        ),
        ("aaaaa9", json!({"expiration": moment(-1)})),
        ("aaaab0", json!({"expiration": "tomorrow"})),
    ] {
        admin.post(SYSTEM, &secret(id, changes.clone())).await.expect(201);
        check.equal(
            &format!("{changes}"),
            who(&anonymous, &format!("{id}.0123456789abcdef")).await.status,
            401,
        );
    }
    let mut opaque = secret("aaaab1", json!({}));
    opaque["type"] = json!("Opaque");
    admin.post(SYSTEM, &opaque).await.expect(201);
    check.equal(
        "of another type",
        who(&anonymous, "aaaab1.0123456789abcdef").await.status,
        401,
    );
    admin
        .post("/api/v1/namespaces/default/secrets", &secret("aaaab2", json!({})))
        .await
        .expect(201);
    check.equal(
        "in another namespace",
        who(&anonymous, "aaaab2.0123456789abcdef").await.status,
        401,
    );
    admin
        .delete(&format!("{SYSTEM}/bootstrap-token-abcdef"))
        .await
        .expect(200);
    check.equal(
        "deleted",
        who(&anonymous, "abcdef.0123456789abcdef").await.status,
        401,
    );
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switched_off() {
    let server = Server::start_with(Options::with_arguments(&[
        "--enable-bootstrap-token-auth",
        "false",
    ]));
    server
        .client()
        .post(SYSTEM, &secret("abcdef", json!({})))
        .await
        .expect(201);
    who(&server.anonymous(), "abcdef.0123456789abcdef")
        .await
        .expect(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_ones_are_removed() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let path = |id: &str| format!("{SYSTEM}/bootstrap-token-{id}");
    let soon = moment(3);
    admin
        .post(SYSTEM, &secret("soon00", json!({"expiration": soon})))
        .await
        .expect(201);
    check.equal(
        "before",
        who(&server.anonymous(), "soon00.0123456789abcdef").await.status,
        201,
    );
    for (id, expiration) in [("past00", moment(-5)), ("wrong0", "never".to_owned())] {
        admin
            .post(SYSTEM, &secret(id, json!({"expiration": expiration})))
            .await
            .expect(201);
        let reply = eventually(&admin, &path(id), |reply| reply.status == 404).await;
        check.equal(id, reply.status, 404);
    }
    admin
        .post(SYSTEM, &secret("later0", json!({"expiration": moment(60)})))
        .await
        .expect(201);
    admin.post(SYSTEM, &secret("never0", json!({}))).await.expect(201);
    let mut opaque = secret("opaque", json!({"expiration": moment(-5)}));
    opaque["type"] = json!("Opaque");
    admin.post(SYSTEM, &opaque).await.expect(201);
    let reply = eventually(&admin, &path("soon00"), |reply| reply.status == 404).await;
    check.equal("at its time", reply.status, 404);
    check.that(moment(0) >= soon, || "not before its time".to_owned());
    check.that(moment(0) <= moment(0).max(soon.clone()), String::new);
    check.equal(
        "after",
        who(&server.anonymous(), "soon00.0123456789abcdef").await.status,
        401,
    );
    for id in ["later0", "never0", "opaque"] {
        check.equal(id, admin.get(&path(id)).await.status, 200);
    }
    check.finish();
}

async fn info(admin: &Client, wanted: impl Fn(&Value) -> bool) -> Value {
    let reply = eventually(admin, INFO, |reply| wanted(&reply.json()["data"])).await;
    reply.json()["data"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_info_is_signed() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let config = "apiVersion: v1\nkind: Config\n";
    let signature = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..vH_kT4yiol-nrAWgjfCYqvum5wsKETXe0S7OOp1VgnE";
    admin.post(SYSTEM, &secret("abcdef", json!({}))).await.expect(201);
    admin
        .post(
            "/api/v1/namespaces/kube-public/configmaps",
            &json!({"metadata": {"name": "cluster-info"}, "data": {"kubeconfig": config}}),
        )
        .await
        .expect(201);
    let signed = |data: &Value| data["jws-kubeconfig-abcdef"].is_string();
    check.equal(
        "the vector",
        info(&admin, signed).await,
        json!({"kubeconfig": config, "jws-kubeconfig-abcdef": signature}),
    );

    admin.post(SYSTEM, &secret("second", json!({}))).await.expect(201);
    admin
        .post(
            SYSTEM,
            &secret("unused", json!({"usage-bootstrap-signing": "false"})),
        )
        .await
        .expect(201);
    let got = info(&admin, |data| data["jws-kubeconfig-second"].is_string()).await;
    check.that(got["jws-kubeconfig-unused"].is_null(), || {
        format!("signed with a token that is not for it: {got}")
    });
    check.equal(
        "the first stays",
        got["jws-kubeconfig-abcdef"].as_str(),
        Some(signature),
    );
    admin
        .delete(&format!("{SYSTEM}/bootstrap-token-second"))
        .await
        .expect(200);
    let got = info(&admin, |data| data["jws-kubeconfig-second"].is_null()).await;
    check.that(got["jws-kubeconfig-second"].is_null(), || {
        format!("a signature outlives its token: {got}")
    });
    // Another text, another signature; signatures that nobody made go away.
    admin
        .patch(
            "merge",
            INFO,
            &json!({"data": {"kubeconfig": "x", "jws-kubeconfig-foreign": "a..b"}}),
        )
        .await
        .expect(200);
    let got = info(&admin, |data| {
        data["jws-kubeconfig-abcdef"] != json!(signature) && data["jws-kubeconfig-foreign"].is_null()
    })
    .await;
    check.that(
        got["jws-kubeconfig-abcdef"].is_string()
            && got["jws-kubeconfig-abcdef"] != json!(signature)
            && got["jws-kubeconfig-foreign"].is_null(),
        || format!("{got}"),
    );
    check.finish();
}
