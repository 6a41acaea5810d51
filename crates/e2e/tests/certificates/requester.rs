//! Who asked is what the server knows, not what the client says.

use serde_json::json;
use strongroom_e2e::{Check, Server};

use crate::{CLIENT, REQUESTS, ask, object, path};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requesters() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let asked = ask("x", "", &[]);
    let mut wanted = object("told", &asked, CLIENT, &["client auth"]);
    wanted["spec"]["username"] = json!("root");
    wanted["spec"]["uid"] = json!("0");
    wanted["spec"]["groups"] = json!(["system:nodes"]);
    wanted["spec"]["extra"] = json!({"a": ["b"]});
    wanted["status"] = json!({"conditions": [{"type": "Approved", "status": "True"}]});
    let reply = admin.post(REQUESTS, &wanted).await;
    let created = check.accepts(
        &reply,
        201,
        json!({
            "spec": {"username": "strongroom-admin", "groups": ["system:masters", "system:authenticated"], "uid": null},
            "status": {"conditions": null},
        }),
    );
    check.equal("extra", created["spec"]["extra"]["a"].is_null(), true);

    let binding = json!({
        "metadata": {"name": "everybody-asks"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:node-bootstrapper"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}],
    });
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    admin.post(bindings, &binding).await.expect(201);
    wanted["metadata"]["name"] = json!("impersonated");
    let reply = admin
        .request("POST", REQUESTS)
        .header("impersonate-user", "user1")
        .header("impersonate-uid", "abc123")
        .another_header("impersonate-group", "group2")
        .another_header("impersonate-group", "group1")
        .another_header("impersonate-group", ",,,chameleon")
        .another_header("impersonate-extra-key", "2")
        .another_header("impersonate-extra-key", "1")
        .another_header("impersonate-extra-other", "x")
        .json(&wanted)
        .send()
        .await;
    let expect = json!({
        "username": "user1", "uid": "abc123",
        "groups": ["group2", "group1", ",,,chameleon", "system:authenticated"],
        "extra": {"key": ["2", "1"], "other": ["x"]},
    });
    check.accepts(&reply, 201, json!({"spec": expect}));

    // Nobody changes it afterwards, by whatever way.
    let mut live = admin.get(&path("impersonated")).await.expect(200);
    live["spec"]["username"] = json!("root");
    live["spec"]["usages"] = json!(["server auth"]);
    live["metadata"]["labels"] = json!({"a": "b"});
    for part in ["", "/approval", "/status"] {
        let mut sent = live.clone();
        sent["metadata"]["resourceVersion"] = json!(null);
        let reply = admin.put(&format!("{}{part}", path("impersonated")), &sent).await;
        check.accepts(
            &reply,
            200,
            json!({"spec": {"username": "user1", "usages": ["client auth"]}}),
        );
    }
    let apply = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": "applied"}, "spec": wanted["spec"],
    });
    let reply = admin
        .patch("apply", &format!("{}?fieldManager=m", path("applied")), &apply)
        .await;
    check.accepts(
        &reply,
        201,
        json!({"spec": {"username": "strongroom-admin", "uid": null}}),
    );
    check.finish();
}
