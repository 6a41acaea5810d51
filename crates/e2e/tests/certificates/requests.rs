//! What is refused, who may decide, and every endpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_e2e::{Check, Client, Server};

use crate::{CLIENT, KUBELET_CLIENT, REQUESTS, approve, ask, certificate, decide, eventually, object, path};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let good = object("x", &ask("x", "", &[]), CLIENT, &["client auth"]);
    let cases: &[(&str, Value, &str)] = &[
        (
            "request",
            json!(STANDARD.encode("garbage")),
            "spec.request: Invalid value",
        ),
        (
            "request",
            json!(null),
            "PEM block type must be CERTIFICATE REQUEST",
        ),
        ("usages", json!([]), "spec.usages: Required value"),
        ("usages", json!(["x"]), "spec.usages[0]: Unsupported value: \"x\""),
        (
            "usages",
            json!(["any", "any"]),
            "spec.usages[1]: Duplicate value: \"any\"",
        ),
        ("signerName", json!(""), "spec.signerName: Required value"),
        (
            "signerName",
            json!("x"),
            "must be a fully qualified domain and path of the form",
        ),
        (
            "signerName",
            json!("kubernetes.io/legacy-unknown"),
            "the legacy signerName is not allowed via this API version",
        ),
        (
            "expirationSeconds",
            json!(599),
            "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)",
        ),
    ];
    for (field, value, expect) in cases {
        let mut bad = good.clone();
        bad["spec"][field] = value.clone();
        let reply = admin.post(REQUESTS, &bad).await;
        check.rejects_with(&reply, 422, "Invalid", &[expect]);
    }
    let mut forged = ask("x", "", &[]);
    let middle = forged.request.len() / 2;
    let other = if forged.request[middle..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    forged.request.replace_range(middle..=middle, other);
    let reply = admin
        .post(REQUESTS, &object("x", &forged, CLIENT, &["client auth"]))
        .await;
    check.rejects_with(&reply, 422, "Invalid", &["spec.request"]);

    let masters = ask("x", "system:masters", &[]);
    let reply = admin
        .post(REQUESTS, &object("x", &masters, CLIENT, &["client auth"]))
        .await;
    check.rejects_with(
        &reply,
        403,
        "Forbidden",
        &["certificatesigningrequests.certificates.k8s.io \"x\" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"],
    );
    check.finish();
}

async fn grant(admin: &Client, name: &str, rules: Value) {
    let role = json!({"metadata": {"name": name}, "rules": rules});
    admin
        .post(&format!("{RBAC}/clusterroles"), &role)
        .await
        .expect(201);
    let binding = json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
    });
    admin
        .post(&format!("{RBAC}/clusterrolebindings"), &binding)
        .await
        .expect(201);
}

/// What a request's endpoints take, without any signer.
fn endpoints() -> Value {
    let group = ["certificates.k8s.io"];
    json!([
        {"apiGroups": group, "resources": ["certificatesigningrequests"], "verbs": ["get", "create"]},
        {"apiGroups": group, "resources": ["certificatesigningrequests/approval", "certificatesigningrequests/status"], "verbs": ["update"]},
    ])
}

fn signers(verb: &str, name: &str) -> Value {
    json!({"apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "resourceNames": [name], "verbs": [verb]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let with = |signers: &[Value]| {
        let mut rules = endpoints();
        rules.as_array_mut().expect("a list").extend_from_slice(signers);
        rules
    };
    grant(&admin, "nobody", with(&[])).await;
    grant(&admin, "approver", with(&[signers("approve", "example.com/*")])).await;
    grant(&admin, "signer", with(&[signers("sign", "example.com/x")])).await;
    let [nobody, approver, signer] = ["nobody", "approver", "signer"].map(|name| server.user(name, &[]));
    let asked = ask("a", "", &[]);
    for (name, whose) in [("mine", "example.com/x"), ("other", "example.org/x")] {
        nobody
            .post(REQUESTS, &object(name, &asked, whose, &["any"]))
            .await
            .expect(201);
    }
    let refusal = |name: &str, verb: &str, whose: &str| {
        format!(
            "certificatesigningrequests.certificates.k8s.io \"{name}\" is forbidden: user not permitted to {verb} \
             requests with signerName \"{whose}\""
        )
    };
    for (client, name, whose) in [
        (&nobody, "mine", "example.com/x"),
        (&signer, "mine", "example.com/x"),
        (&approver, "other", "example.org/x"),
    ] {
        let reply = approve(client, name).await;
        check.rejects(&reply, 403, "Forbidden", &refusal(name, "approve", whose));
    }
    let reply = approve(&approver, "mine").await;
    let approved = check.accepts(
        &reply,
        200,
        json!({"status": {"conditions": [{"type": "Approved", "reason": "Test"}]}}),
    );
    let times = ["lastUpdateTime", "lastTransitionTime"];
    let condition = &approved["status"]["conditions"][0];
    check.that(times.iter().all(|time| condition[time].is_string()), || {
        condition.to_string()
    });

    let own = rcgen::KeyPair::generate().expect("a key");
    let pem = rcgen::CertificateParams::default()
        .self_signed(&own)
        .expect("a certificate")
        .pem();
    let mut live = approved.clone();
    live["status"]["certificate"] = json!(STANDARD.encode(pem));
    let status = format!("{}/status", path("mine"));
    let reply = approver.put(&status, &live).await;
    check.rejects(
        &reply,
        403,
        "Forbidden",
        &refusal("mine", "sign", "example.com/x"),
    );
    let mut denied = approved.clone();
    denied["status"]["conditions"] = json!([{"type": "Denied", "status": "True"}]);
    let reply = signer.put(&status, &denied).await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &[
            "updates may not add a condition of type \"Denied\"",
            "updates may not remove a condition of type \"Approved\"",
        ],
    );
    // Neither its owner's endpoint nor the approver's takes a certificate.
    for part in ["", "/approval"] {
        let reply = admin.put(&format!("{}{part}", path("mine")), &live).await;
        let written = reply.expect(200);
        check.equal(part, written["status"]["certificate"].is_null(), true);
        live["metadata"]["resourceVersion"] = written["metadata"]["resourceVersion"].clone();
    }
    let reply = signer.put(&status, &live).await;
    let issued = check.accepts(
        &reply,
        200,
        json!({"status": {"certificate": live["status"]["certificate"]}}),
    );
    let mut again = issued.clone();
    again["status"]["certificate"] = json!(STANDARD.encode("other"));
    let reply = signer.put(&status, &again).await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &["updates may not modify existing certificate content"],
    );
    let reply = decide(&approver, "mine", "Denied").await;
    check.rejects_with(
        &reply,
        422,
        "Invalid",
        &["updates may not remove a condition of type \"Approved\""],
    );
    check.finish();
}

/// As Kubernetes' conformance test goes through the API.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_endpoint() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let group = admin.get("/apis/certificates.k8s.io").await.expect(200);
    check.has(
        "group",
        &group,
        json!({"preferredVersion": {"groupVersion": "certificates.k8s.io/v1"}}),
    );
    let listed = admin.get("/apis/certificates.k8s.io/v1").await.expect(200);
    let names: Vec<&str> = listed["resources"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|resource| resource["name"].as_str())
        .collect();
    let base = "certificatesigningrequests";
    check.equal(
        "resources",
        names,
        vec![
            base,
            "certificatesigningrequests/approval",
            "certificatesigningrequests/status",
        ],
    );
    let mut watch = admin.watch(&format!("{REQUESTS}?watch=true")).await;
    let asked = ask("e2e", "", &[]);
    for name in ["a", "b", "c"] {
        let mut wanted = object(
            name,
            &asked,
            "e2e.example.com/csr",
            &["digital signature", "key encipherment", "server auth"],
        );
        wanted["metadata"]["labels"] = json!({"test": "x"});
        admin.post(REQUESTS, &wanted).await.expect(201);
    }
    let first = watch.next().await;
    check.has(
        "first",
        &first,
        json!({"type": "ADDED", "object": {"metadata": {"name": "a"}}}),
    );
    let listed = admin
        .get(&format!("{REQUESTS}?labelSelector=test%3Dx"))
        .await
        .expect(200);
    check.equal("listed", listed["items"].as_array().map(Vec::len), Some(3));
    let merge = "merge";
    let reply = admin
        .patch(
            merge,
            &path("a"),
            &json!({"metadata": {"annotations": {"patched": "true"}}}),
        )
        .await;
    check.accepts(
        &reply,
        200,
        json!({"metadata": {"annotations": {"patched": "true"}}}),
    );
    let conditions = json!({"metadata": {"annotations": {"patchedapproval": "true"}}, "status": {"conditions": [
        {"type": "ApprovalPatch", "status": "True", "reason": "e2e"},
    ]}});
    let reply = admin
        .patch(merge, &format!("{}/approval", path("a")), &conditions)
        .await;
    check.accepts(
        &reply,
        200,
        json!({"metadata": {"annotations": {"patchedapproval": "true"}}, "status": {"conditions": [{"type": "ApprovalPatch"}]}}),
    );
    let status =
        json!({"status": {"conditions": [{"type": "StatusPatch", "status": "True", "reason": "e2e"}]}});
    let reply = admin
        .patch(merge, &format!("{}/status", path("a")), &status)
        .await;
    check.accepts(
        &reply,
        200,
        json!({"status": {"conditions": [{"type": "StatusPatch"}]}}),
    );
    for (part, kind, owned) in [
        ("approval", "Approved", "StatusPatch"),
        ("status", "StatusApplied", "Approved"),
    ] {
        let applied = json!({
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "a"},
            "spec": {"signerName": "other.example.com/csr"},
            "status": {"conditions": [{"type": kind, "status": "True", "reason": "e2e"}]},
        });
        let reply = admin
            .patch(
                "apply",
                &format!("{}/{part}?fieldManager={part}", path("a")),
                &applied,
            )
            .await;
        let got = check.accepts(
            &reply,
            200,
            json!({"spec": {"signerName": "e2e.example.com/csr"}}),
        );
        let conditions = got["status"]["conditions"].to_string();
        check.that(conditions.contains(kind) && conditions.contains(owned), || {
            conditions
        });
        let manager = got["metadata"]["managedFields"].to_string();
        let entry = format!("\"subresource\":\"{part}\"");
        check.that(manager.contains(&entry), || manager);
    }
    for part in ["", "/approval", "/status"] {
        let reply = admin.get(&format!("{}{part}", path("a"))).await;
        check.accepts(
            &reply,
            200,
            json!({"kind": "CertificateSigningRequest", "metadata": {"name": "a"}}),
        );
    }
    let reply = admin.delete(&path("a")).await;
    check.accepts(&reply, 200, json!({"kind": "Status", "status": "Success"}));
    admin
        .delete(&format!("{REQUESTS}?labelSelector=test%3Dx"))
        .await
        .expect(200);
    let listed = admin.get(REQUESTS).await.expect(200);
    check.equal("empty", listed["items"].as_array().map(Vec::len), Some(0));
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_signer_does_not_give_fails() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let cases = [
        (
            "client",
            CLIENT,
            &["server auth"][..],
            "invalid usage for client certificate: server auth",
        ),
        (
            "node",
            KUBELET_CLIENT,
            &["client auth"][..],
            "subject organization is not system:nodes",
        ),
    ];
    for (name, signer, usages, expect) in cases {
        admin
            .post(REQUESTS, &object(name, &ask("x", "", &[]), signer, usages))
            .await
            .expect(201);
        check.equal(name, approve(&admin, name).await.status, 200);
        let live = eventually(&admin, name, |live| live["status"]["conditions"][1].is_object()).await;
        check.has(
            name,
            &live["status"],
            json!({"conditions": [
                {"type": "Approved", "reason": "Test"},
                {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": expect},
            ]}),
        );
        check.equal(name, live["status"]["certificate"].is_null(), true);
    }
    // Other signers sign for themselves.
    admin
        .post(
            REQUESTS,
            &object("own", &ask("x", "", &[]), "example.com/x", &["any"]),
        )
        .await
        .expect(201);
    admin
        .post(
            REQUESTS,
            &object("good", &ask("x", "", &[]), CLIENT, &["client auth"]),
        )
        .await
        .expect(201);
    for name in ["own", "good"] {
        approve(&admin, name).await.expect(200);
    }
    certificate(&admin, "good").await;
    let own = admin.get(&path("own")).await.expect(200);
    check.equal("own", own["status"]["certificate"].is_null(), true);
    check.finish();
}
