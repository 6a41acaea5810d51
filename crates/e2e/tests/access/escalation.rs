//! Nobody gives away what they do not have (§5.3).

use serde_json::{Value, json};
use strongroom_e2e::{Check, Client, Server};

use crate::{RBAC, binding, create, namespace, namespaced, role, secrets};

/// The administrator of the namespace `team`, and of nothing else.
async fn namespace_administrator(server: &Server) -> Client {
    let admin = server.client();
    namespace(&admin, "team").await;
    create(
        &admin,
        &namespaced("rolebindings", "team"),
        &binding("boss", "ClusterRole/admin", "boss"),
    )
    .await;
    server.user("boss", &["bosses"])
}

const WHO: &str = "user \"boss\" (groups=[\"bosses\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles() {
    let server = Server::start();
    let boss = namespace_administrator(&server).await;
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let roles = namespaced("roles", "team");
    check.accepts(
        &boss.post(&roles, &role("mine", secrets(&["get", "list"]))).await,
        201,
        json!({"kind": "Role"}),
    );
    let rule = |group: &str, resource: &str, verbs: &[&str]| json!([{"apiGroups": [group], "resources": [resource], "verbs": verbs}]);
    for (rules, missing) in [
        (
            rule("", "nodes", &["get"]),
            "{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}",
        ),
        (
            rule("", "nodes", &["get", "list"]),
            "{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\" \"list\"]}",
        ),
        (
            rule("", "*", &["get"]),
            "{APIGroups:[\"\"], Resources:[\"*\"], Verbs:[\"get\"]}",
        ),
        (
            rule("", "secrets", &["*"]),
            "{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"*\"]}",
        ),
        (
            rule("*", "secrets", &["get"]),
            "{APIGroups:[\"*\"], Resources:[\"secrets\"], Verbs:[\"get\"]}",
        ),
        (
            json!([{"apiGroups": [""], "resources": ["nodes"], "resourceNames": ["n"], "verbs": ["get"]}]),
            "{APIGroups:[\"\"], Resources:[\"nodes\"], ResourceNames:[\"n\"], Verbs:[\"get\"]}",
        ),
        (
            json!([{"apiGroups": [""], "resources": ["secrets", "nodes"], "verbs": ["get"]}, {"apiGroups": [""], "resources": ["persistentvolumes"], "verbs": ["get"]}]),
            "{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}\n{APIGroups:[\"\"], Resources:[\"persistentvolumes\"], Verbs:[\"get\"]}",
        ),
    ] {
        let reply = boss.post(&roles, &role("more", rules.clone())).await;
        check.rejects(
            &reply,
            403,
            "Forbidden",
            &format!("roles.rbac.authorization.k8s.io \"more\" is forbidden: {WHO}\n{missing}"),
        );
        let reply = boss.put(&format!("{roles}/mine"), &role("mine", rules)).await;
        check.rejects(
            &reply,
            403,
            "Forbidden",
            &format!("roles.rbac.authorization.k8s.io \"mine\" is forbidden: {WHO}\n{missing}"),
        );
    }
    let patch = json!({"rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]});
    for kind in ["merge", "strategic"] {
        let reply = boss.patch(kind, &format!("{roles}/mine"), &patch).await;
        check.rejects_like(
            &reply,
            403,
            "Forbidden",
            "roles.rbac.authorization.k8s.io \"mine\" is forbidden: user \"boss\"",
        );
    }
    let mut applied = role("mine", patch["rules"].clone());
    applied["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
    applied["kind"] = json!("Role");
    let reply = boss
        .patch(
            "apply",
            &format!("{roles}/mine?fieldManager=x&force=true"),
            &applied,
        )
        .await;
    check.rejects_like(
        &reply,
        403,
        "Forbidden",
        "roles.rbac.authorization.k8s.io \"mine\" is forbidden: user \"boss\"",
    );
    applied["metadata"]["name"] = json!("applied");
    let reply = boss
        .patch("apply", &format!("{roles}/applied?fieldManager=x"), &applied)
        .await;
    check.rejects_like(
        &reply,
        403,
        "Forbidden",
        "roles.rbac.authorization.k8s.io \"applied\" is forbidden: user \"boss\"",
    );
    let reply = boss
        .post(
            &format!("{roles}?dryRun=All"),
            &role("dry", patch["rules"].clone()),
        )
        .await;
    check.equal("a rehearsal is refused as well", reply.status, 403);
    check.equal(
        "nothing has changed",
        admin.get(&format!("{roles}/mine")).await.json()["rules"].clone(),
        secrets(&["get", "list"]),
    );
    // A role that is already too strong may be labelled, but not changed in its rules; taking away is a change.
    create(
        &admin,
        &roles,
        &role(
            "strong",
            json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]}]),
        ),
    )
    .await;
    let reply = boss
        .patch(
            "merge",
            &format!("{roles}/strong"),
            &json!({"metadata": {"finalizers": []}}),
        )
        .await;
    check.equal("finalizers alone", reply.status, 200);
    let reply = boss.patch("merge", &format!("{roles}/strong"), &patch).await;
    check.equal("fewer rules, still more than held", reply.status, 403);
    // The verb `escalate` is the way around.
    create(&admin, &roles, &role("escalate", json!([{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["escalate"]}]))).await;
    create(
        &admin,
        &namespaced("rolebindings", "team"),
        &binding("escalate", "Role/escalate", "boss"),
    )
    .await;
    check.accepts(
        &boss.post(&roles, &role("more", patch["rules"].clone())).await,
        201,
        json!({}),
    );
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bindings() {
    let server = Server::start();
    let boss = namespace_administrator(&server).await;
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let bindings = namespaced("rolebindings", "team");
    for held in ["view", "edit", "admin"] {
        let reply = boss
            .post(&bindings, &binding(held, &format!("ClusterRole/{held}"), "carol"))
            .await;
        check.accepts(&reply, 201, json!({"kind": "RoleBinding"}));
    }
    let reply = boss
        .post(&bindings, &binding("all", "ClusterRole/cluster-admin", "boss"))
        .await;
    check.rejects(&reply, 403, "Forbidden", &format!("rolebindings.rbac.authorization.k8s.io \"all\" is forbidden: {WHO}\n{{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}}\n{{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}}"));
    let mut changed = binding("view", "ClusterRole/view", "carol");
    changed["subjects"] = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "dave"}]);
    check.accepts(
        &boss.put(&format!("{bindings}/view"), &changed).await,
        200,
        json!({}),
    );
    let reply = boss.post(&bindings, &binding("lost", "Role/gone", "carol")).await;
    check.rejects_with(&reply, 404, "NotFound", &["\"gone\" not found"]);
    create(
        &admin,
        &bindings,
        &binding("strong", "ClusterRole/system:node", "nobody"),
    )
    .await;
    let reply = boss
        .patch(
            "merge",
            &format!("{bindings}/strong"),
            &json!({"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "boss"}]}),
        )
        .await;
    check.rejects_like(
        &reply,
        403,
        "Forbidden",
        &format!("rolebindings.rbac.authorization.k8s.io \"strong\" is forbidden: {WHO}\n"),
    );
    let reply = boss.delete(&format!("{bindings}/strong")).await;
    check.equal("deleting takes nothing", reply.status, 200);

    // `bind` on one role by name.
    create(&admin, &format!("{RBAC}/clusterroles"), &role("binder", json!([{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["system:node"], "verbs": ["bind"]}]))).await;
    create(
        &admin,
        &bindings,
        &binding("binder", "ClusterRole/binder", "boss"),
    )
    .await;
    let reply = boss
        .post(&bindings, &binding("node", "ClusterRole/system:node", "carol"))
        .await;
    check.accepts(&reply, 201, json!({}));
    let reply = boss
        .post(
            &bindings,
            &binding(
                "controller",
                "ClusterRole/system:kube-controller-manager",
                "carol",
            ),
        )
        .await;
    check.equal("another role", reply.status, 403);
    // Elsewhere the administrator of a namespace is nobody.
    for path in [
        format!("{RBAC}/clusterroles"),
        format!("{RBAC}/clusterrolebindings"),
        namespaced("rolebindings", "default"),
    ] {
        let reply = boss
            .post(&path, &binding("all", "ClusterRole/cluster-admin", "boss"))
            .await;
        check.rejects_with(&reply, 403, "Forbidden", &["cannot create resource"]);
    }
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregating_roles() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let roles = format!("{RBAC}/clusterroles");
    create(&admin, &roles, &role("writer", json!([{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["create", "update", "patch", "get"]}]))).await;
    create(
        &admin,
        &format!("{RBAC}/clusterrolebindings"),
        &binding("writer", "ClusterRole/writer", "alice"),
    )
    .await;
    let alice = server.user("alice", &[]);
    let aggregating = |name: &str, label: &str| json!({"metadata": {"name": name}, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]}});
    let reply = alice.post(&roles, &aggregating("sum", "x")).await;
    check.rejects(&reply, 403, "Forbidden", "clusterroles.rbac.authorization.k8s.io \"sum\" is forbidden: must have cluster-admin privileges to use the aggregationRule");
    // Adding a rule to what an aggregating role gathers needs the rule itself.
    let mut part = role("part", secrets(&["get"]));
    part["metadata"]["labels"] = json!({"rbac.authorization.k8s.io/aggregate-to-view": "true"});
    let reply = alice.post(&roles, &part).await;
    check.rejects_like(
        &reply,
        403,
        "Forbidden",
        "clusterroles.rbac.authorization.k8s.io \"part\" is forbidden: user \"alice\"",
    );
    create(&admin, &roles, &part).await;
    eventually(&mut check, "view gathers what is labelled", async || {
        let got: Value = admin.get(&format!("{roles}/view")).await.json();
        got["rules"]
            .as_array()
            .is_some_and(|rules| rules.contains(&secrets(&["get"])[0]))
    })
    .await;
    // A circle of roles that gather each other comes to rest.
    for (name, from, to) in [("ring-a", "from-b", "from-a"), ("ring-b", "from-a", "from-b")] {
        let mut ring = aggregating(name, from);
        ring["metadata"]["labels"] = json!({to: "true"});
        create(&admin, &roles, &ring).await;
    }
    let mut seed = role("seed", secrets(&["list"]));
    seed["metadata"]["labels"] = json!({"from-a": "true"});
    create(&admin, &roles, &seed).await;
    eventually(&mut check, "the ring has the seed", async || {
        let got = admin.get(&format!("{roles}/ring-a")).await.json();
        got["rules"] == secrets(&["list"])
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let version =
        async || admin.get(&format!("{roles}/ring-a")).await.json()["metadata"]["resourceVersion"].clone();
    let before = version().await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    check.equal("the ring is at rest", version().await, before);
    check.finish();
}

/// Expects something within five seconds.
async fn eventually(check: &mut Check, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = std::time::Instant::now();
    while start.elapsed() < std::time::Duration::from_secs(5) {
        if holds().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    check.that(false, || format!("{what}: not within five seconds"));
}
