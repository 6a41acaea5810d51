//! How a node comes into the cluster with a bootstrap token, and keeps its certificates.

use serde_json::{Value, json};
use strongroom_e2e::{Check, Client, Server};

use crate::{
    KUBELET_CLIENT, KUBELET_SERVING, REQUESTS, approve, ask, certificate, client, eventually, object, path,
    who,
};

const USAGES: &[&str] = &["digital signature", "client auth"];
const TOKEN: &str = "abcdef.0123456789abcdef";

/// Gives a group one of the default ClusterRoles, as kubeadm does.
async fn bind(admin: &Client, role: &str, group: &str) {
    let binding = json!({
        "metadata": {"generateName": "bootstrap-"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
    });
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    admin.post(path, &binding).await.expect(201);
}

fn message(request: &Value) -> &str {
    request["status"]["conditions"][0]["message"]
        .as_str()
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bootstrap() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let secret = json!({
        "metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
            "auth-extra-groups": "system:bootstrappers:nodes",
        },
    });
    admin
        .post("/api/v1/namespaces/kube-system/secrets", &secret)
        .await
        .expect(201);
    let newcomer = server.bearer(TOKEN);
    let node = "system:node:n1";
    let asked = ask(node, "system:nodes", &[]);
    let wanted = object("n1", &asked, KUBELET_CLIENT, USAGES);

    check.equal(
        "without any right",
        newcomer.post(REQUESTS, &wanted).await.status,
        403,
    );
    bind(&admin, "system:node-bootstrapper", "system:bootstrappers:nodes").await;
    let reply = newcomer.post(REQUESTS, &wanted).await;
    check.accepts(
        &reply,
        201,
        json!({"spec": {"username": "system:bootstrap:abcdef"}}),
    );
    // Nobody has said that such requests are to be approved. When somebody does, it is.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let pending = admin.get(&path("n1")).await.expect(200);
    check.equal("pending", pending["status"].clone(), json!({}));
    let group = "system:certificates.k8s.io:certificatesigningrequests";
    bind(
        &admin,
        &format!("{group}:nodeclient"),
        "system:bootstrappers:nodes",
    )
    .await;
    let pem = certificate(&newcomer, "n1").await;
    let live = admin.get(&path("n1")).await.expect(200);
    check.has(
        "approved",
        &live["status"],
        json!({"conditions": [{
            "type": "Approved", "status": "True", "reason": "AutoApproved",
            "message": "Auto approving kubelet client certificate after SubjectAccessReview.",
        }]}),
    );
    let kubelet = client(&server, &pem, &asked.key);
    check.has(
        "the node",
        &who(&kubelet).await,
        json!({"username": node, "groups": ["system:nodes", "system:authenticated"]}),
    );
    kubelet
        .post("/api/v1/nodes", &json!({"metadata": {"name": "n1"}}))
        .await
        .expect(201);

    // The node renews its certificate by itself, and asks for nobody else's.
    bind(&admin, &format!("{group}:selfnodeclient"), "system:nodes").await;
    let again = ask(node, "system:nodes", &[]);
    kubelet
        .post(REQUESTS, &object("again", &again, KUBELET_CLIENT, USAGES))
        .await
        .expect(201);
    let pem = certificate(&kubelet, "again").await;
    check.equal(
        "renewed",
        who(&client(&server, &pem, &again.key)).await["username"].clone(),
        json!(node),
    );
    let live = admin.get(&path("again")).await.expect(200);
    check.equal(
        "by itself",
        message(&live),
        "Auto approving self kubelet client certificate after SubjectAccessReview.",
    );
    let other = ask("system:node:n2", "system:nodes", &["n2"]);
    for signer in [KUBELET_CLIENT, KUBELET_SERVING] {
        let reply = kubelet
            .post(REQUESTS, &object("other", &other, signer, USAGES))
            .await;
        check.rejects(
            &reply,
            403,
            "Forbidden",
            "certificatesigningrequests.certificates.k8s.io \"other\" is forbidden: can only create a node CSR with \
             CN=system:node:n1",
        );
    }

    // What it serves with is for a human being to approve.
    let serving = ask(node, "system:nodes", &["n1.example"]);
    let usages = &["digital signature", "server auth"];
    kubelet
        .post(REQUESTS, &object("serving", &serving, KUBELET_SERVING, usages))
        .await
        .expect(201);
    let live = eventually(&admin, "serving", |_| true).await;
    check.equal("not approved", live["status"].clone(), json!({}));
    approve(&admin, "serving").await.expect(200);
    let pem = certificate(&kubelet, "serving").await;
    // A certificate for servers logs nobody in.
    let reply = client(&server, &pem, &serving.key).get("/api/v1/nodes/n1").await;
    check.equal("as a client", reply.status, 401);
    check.finish();
}
