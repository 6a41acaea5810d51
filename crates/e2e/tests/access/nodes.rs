//! What a node may read and write, and how a pod comes to it (`spec/auth.md` §7, `spec/pods-and-kubelet.md` §9, §10).

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_e2e::{Check, Client, Server};

const PODS: &str = "/api/v1/namespaces/default/pods";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const NODES: &str = "/api/v1/nodes";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
const TOKEN: &str = "/api/v1/namespaces/default/serviceaccounts/default/token";
const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

fn node(server: &Server, name: &str) -> Client {
    server.user(&format!("system:node:{name}"), &["system:nodes"])
}

fn node_object(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
}

/// A pod that mounts a Secret.
fn pod(name: &str, secret: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "containers": [{"name": "c", "image": "busybox"}],
            "volumes": [{"name": "v", "secret": {"secretName": secret}}],
        },
    })
}

async fn bind(client: &Client, pod: &str, node: &str) -> strongroom_e2e::Reply {
    let binding = json!({"metadata": {"name": pod}, "target": {"kind": "Node", "name": node}});
    client.post(&format!("{PODS}/{pod}/binding"), &binding).await
}

/// The account `default` comes a moment after its namespace.
async fn with_account(admin: &Client) {
    for _ in 0..100 {
        if admin
            .get("/api/v1/namespaces/default/serviceaccounts/default")
            .await
            .status
            == 200
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no account");
}

fn unrelated(secret: &str, node: &str) -> String {
    format!(
        "secrets \"{secret}\" is forbidden: User \"system:node:{node}\" cannot get resource \"secrets\" in API group \
         \"\" in the namespace \"default\": no relationship found between node '{node}' and this object"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_reads_what_its_pods_use() {
    let server = Server::start();
    let admin = server.client();
    with_account(&admin).await;
    let (mine, other) = (node(&server, "mine"), node(&server, "other"));
    let mut check = Check::new(admin.clone());
    for name in ["used", "unused"] {
        let secret = json!({"metadata": {"name": name}, "stringData": {}});
        check.accepts(
            &admin.post(SECRETS, &secret).await,
            201,
            json!({"kind": "Secret"}),
        );
    }
    for name in ["mine", "other"] {
        check.accepts(
            &node(&server, name).post(NODES, &node_object(name)).await,
            201,
            json!({"kind": "Node"}),
        );
    }
    // Missing or not its business: the answer is the same.
    for name in ["used", "unused", "missing"] {
        let reply = mine.get(&format!("{SECRETS}/{name}")).await;
        check.rejects(&reply, 403, "Forbidden", &unrelated(name, "mine"));
    }
    // As often as may be, the node is there at once.
    for round in 0..20 {
        let name = format!("p{round}");
        check.accepts(
            &admin.post(PODS, &pod(&name, "used")).await,
            201,
            json!({"kind": "Pod"}),
        );
        check.accepts(
            &bind(&admin, &name, "mine").await,
            201,
            json!({"kind": "Status", "status": "Success"}),
        );
        check.accepts(
            &mine.get(&format!("{SECRETS}/used")).await,
            200,
            json!({"metadata": {"name": "used"}}),
        );
        let reply = other.get(&format!("{SECRETS}/used")).await;
        check.rejects(&reply, 403, "Forbidden", &unrelated("used", "other"));
        let watched = mine
            .get(&format!("{SECRETS}?fieldSelector=metadata.name%3Dused"))
            .await;
        check.accepts(&watched, 200, json!({"kind": "SecretList"}));
        check.equal("all Secrets", mine.get(SECRETS).await.status, 403);
        let reply = admin.delete(&format!("{PODS}/{name}?gracePeriodSeconds=0")).await;
        check.accepts(&reply, 200, json!({"kind": "Pod"}));
        let gone = async {
            while mine.get(&format!("{SECRETS}/used")).await.status != 403 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let within_a_second = tokio::time::timeout(Duration::from_secs(1), gone).await;
        check.that(within_a_second.is_ok(), || {
            "a deleted pod still gives rights".to_owned()
        });
    }
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_writes_what_is_its_own() {
    let server = Server::start();
    let admin = server.client();
    with_account(&admin).await;
    let mine = node(&server, "mine");
    let mut check = Check::new(admin.clone());
    let forbidden = |what: &str, text: &str| format!("{what} is forbidden: {text}");
    let not_mine = "node \"mine\" is not allowed to modify node \"foo\"";
    let reply = mine.post(NODES, &node_object("foo")).await;
    check.rejects(&reply, 403, "Forbidden", &forbidden("nodes \"foo\"", not_mine));
    let reply = mine.delete(&format!("{NODES}/foo")).await;
    check.equal("deleting another node", reply.status, 403);
    check.accepts(
        &mine.post(NODES, &node_object("mine")).await,
        201,
        json!({"kind": "Node"}),
    );
    let label = |key: &str| json!({"metadata": {"labels": {key: "x"}}});
    for key in ["node-restriction.kubernetes.io/a", "example.k8s.io/a"] {
        let reply = mine.patch("merge", &format!("{NODES}/mine"), &label(key)).await;
        let text = format!("node \"mine\" is not allowed to modify labels: {key}");
        check.rejects(&reply, 403, "Forbidden", &forbidden("nodes \"mine\"", &text));
    }
    let reply = mine
        .patch(
            "merge",
            &format!("{NODES}/mine"),
            &label("kubernetes.io/hostname"),
        )
        .await;
    check.accepts(
        &reply,
        200,
        json!({"metadata": {"labels": {"kubernetes.io/hostname": "x"}}}),
    );
    let taints = json!({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}});
    let reply = mine.patch("merge", &format!("{NODES}/mine"), &taints).await;
    let text = "node \"mine\" is not allowed to modify taints";
    check.rejects(&reply, 403, "Forbidden", &forbidden("nodes \"mine\"", text));

    let lease = |name: &str| json!({"metadata": {"name": name}, "spec": {"holderIdentity": name}});
    check.accepts(
        &mine.post(LEASES, &lease("mine")).await,
        201,
        json!({"kind": "Lease"}),
    );
    check.equal(
        "another's lease",
        mine.post(LEASES, &lease("foo")).await.status,
        403,
    );

    let reply = mine.post(PODS, &pod("p", "s")).await;
    let text = "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"mine\" can only create mirror pods";
    check.rejects(&reply, 403, "Forbidden", &forbidden("pods \"p\"", text));
    for (name, place) in [("here", "mine"), ("there", "foo")] {
        check.accepts(
            &admin.post(PODS, &pod(name, "s")).await,
            201,
            json!({"kind": "Pod"}),
        );
        check.accepts(
            &bind(&admin, name, place).await,
            201,
            json!({"status": "Success"}),
        );
    }
    let status = json!({"status": {"phase": "Running"}});
    let reply = mine.patch("merge", &format!("{PODS}/here/status"), &status).await;
    check.accepts(&reply, 200, json!({"status": {"phase": "Running"}}));
    let reply = mine
        .patch("merge", &format!("{PODS}/there/status"), &status)
        .await;
    let text = "node \"mine\" can only update pod status for pods with spec.nodeName set to itself";
    check.rejects(&reply, 403, "Forbidden", &forbidden("pods \"there\"", text));
    let labels = json!({"metadata": {"labels": {"a": "b"}}, "status": {"phase": "Running"}});
    let reply = mine.patch("merge", &format!("{PODS}/here/status"), &labels).await;
    let text = "node \"mine\" cannot update labels through pod status";
    check.rejects(&reply, 403, "Forbidden", &forbidden("pods \"here\"", text));
    let reply = mine.delete(&format!("{PODS}/there")).await;
    let text = "node \"mine\" can only delete pods with spec.nodeName set to itself";
    check.rejects(&reply, 403, "Forbidden", &forbidden("pods \"there\"", text));
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_pods() {
    let server = Server::start();
    let admin = server.client();
    with_account(&admin).await;
    let mine = node(&server, "mine");
    let mut check = Check::new(admin.clone());
    let made = check.accepts(
        &mine.post(NODES, &node_object("mine")).await,
        201,
        json!({"kind": "Node"}),
    );
    let node_uid = made["metadata"]["uid"].clone();
    let created = check.accepts(
        &admin.post(PODS, &pod("p", "s")).await,
        201,
        json!({"kind": "Pod"}),
    );
    let uid = created["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    check.that(
        created["spec"]["volumes"][1]["projected"]["sources"][0]["serviceAccountToken"]["path"] == "token",
        || format!("no token is mounted: {}", created["spec"]["volumes"]),
    );
    check.accepts(
        &bind(&admin, "p", "mine").await,
        201,
        json!({"status": "Success"}),
    );
    let again = bind(&admin, "p", "other").await;
    check.rejects(
        &again,
        409,
        "Conflict",
        "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"mine\"",
    );
    let ask =
        |bound: Value, audiences: Value| json!({"spec": {"boundObjectRef": bound, "audiences": audiences}});
    let bound = |uid: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": uid});
    let refusals = [
        (json!({"spec": {}}), "node requested token not bound to a pod".to_owned()),
        (ask(bound(""), json!([])), "node requested token with a pod binding without a uid".to_owned()),
        (
            ask(bound("x"), json!([])),
            "the UID in the bound object reference (x) does not match the UID in record. The object might have been \
             deleted and then recreated"
                .to_owned(),
        ),
        (
            ask(bound(&uid), json!(["a", "b"])),
            "node may only request 0 or 1 audiences".to_owned(),
        ),
        (
            ask(bound(&uid), json!(["vault"])),
            "audience \"vault\" not found in pod spec volume, system:node:mine is not authorized to request tokens \
             for this audience"
                .to_owned(),
        ),
    ];
    for (body, text) in refusals {
        let reply = mine.post(TOKEN, &body).await;
        check.rejects(
            &reply,
            403,
            "Forbidden",
            &format!("serviceaccounts \"default\" is forbidden: {text}"),
        );
    }
    check.equal(
        "a node without the pod",
        node(&server, "other")
            .post(TOKEN, &ask(bound(&uid), json!([])))
            .await
            .status,
        403,
    );
    let reply = mine.post(TOKEN, &ask(bound(&uid), json!([]))).await;
    let token = check.accepts(&reply, 201, json!({"kind": "TokenRequest"}));
    let token = token["status"]["token"].as_str().unwrap_or_default().to_owned();
    let review = json!({"spec": {"token": token}});
    let reviewed = check.accepts(
        &admin.post(TOKEN_REVIEWS, &review).await,
        201,
        json!({"status": {"authenticated": true}}),
    );
    check.has(
        "what the token says",
        &reviewed["status"]["user"]["extra"],
        json!({
            "authentication.kubernetes.io/pod-name": ["p"],
            "authentication.kubernetes.io/pod-uid": [uid],
            "authentication.kubernetes.io/node-name": ["mine"],
            "authentication.kubernetes.io/node-uid": [node_uid],
        }),
    );
    let pods = server.bearer(&token);
    check.equal("a pod's token", pods.get("/apis").await.status, 200);
    // The node takes the pod off: its token ends with it, within a second.
    check.accepts(
        &mine.delete(&format!("{PODS}/p?gracePeriodSeconds=0")).await,
        200,
        json!({"kind": "Pod"}),
    );
    let ends = async {
        while pods.get("/apis").await.status != 401 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(1), ends).await;
    check.that(ended.is_ok(), || {
        "the token of a deleted pod still works".to_owned()
    });
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evictions() {
    let server = Server::start();
    let admin = server.client();
    with_account(&admin).await;
    let mine = node(&server, "mine");
    let mut check = Check::new(admin.clone());
    for (name, place) in [("here", "mine"), ("there", "foo"), ("free", "")] {
        check.accepts(
            &admin.post(PODS, &pod(name, "s")).await,
            201,
            json!({"kind": "Pod"}),
        );
        if !place.is_empty() {
            check.accepts(
                &bind(&admin, name, place).await,
                201,
                json!({"status": "Success"}),
            );
        }
    }
    let evict = |name: &str| json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, "deleteOptions": {"gracePeriodSeconds": 7}});
    let path = |name: &str| format!("{PODS}/{name}/eviction");
    let reply = mine.post(&path("there"), &evict("there")).await;
    let text =
        "pods \"there\" is forbidden: node \"mine\" can only evict pods with spec.nodeName set to itself";
    check.rejects(&reply, 403, "Forbidden", text);
    check.accepts(
        &mine.post(&path("here"), &evict("here")).await,
        201,
        json!({"status": "Success"}),
    );
    let marked = admin.get(&format!("{PODS}/here")).await;
    check.accepts(
        &marked,
        200,
        json!({"metadata": {"deletionGracePeriodSeconds": 7}}),
    );
    check.accepts(
        &admin.post(&path("free"), &evict("free")).await,
        201,
        json!({"status": "Success"}),
    );
    check.equal(
        "what was never scheduled",
        admin.get(&format!("{PODS}/free")).await.status,
        404,
    );
    let reply = admin.post(&path("there"), &evict("other")).await;
    check.rejects(
        &reply,
        400,
        "BadRequest",
        "name in URL does not match name in Eviction object",
    );
    check.equal(
        "no pod",
        admin.post(&path("gone"), &evict("gone")).await.status,
        404,
    );
    check.finish();
}
