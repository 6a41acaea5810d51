//! What the default roles let people do with Secrets (§5.4, §15.2), and who can do nothing.

use serde_json::json;
use strongroom_e2e::{Check, Client, Server};

use crate::{RBAC, binding, create, namespace, namespaced};

const PATH: &str = "/api/v1/namespaces/team/secrets";

/// What happened to each verb, as letters: those that were allowed of Get, List, Watch, Create, Update, Patch, Delete,
/// deleteCollection.
async fn allowed(client: &Client) -> String {
    let mut allowed = String::new();
    let object = json!({"metadata": {"name": "mine"}, "stringData": {"a": "b"}});
    for (letter, reply) in [
        ('g', client.get(&format!("{PATH}/s")).await),
        ('l', client.get(PATH).await),
        (
            'w',
            client
                .get(&format!("{PATH}?watch=1&timeoutSeconds=1&resourceVersion=0"))
                .await,
        ),
        ('c', client.post(PATH, &object).await),
        ('u', client.put(&format!("{PATH}/mine"), &object).await),
        (
            'p',
            client
                .patch(
                    "merge",
                    &format!("{PATH}/mine"),
                    &json!({"stringData": {"c": "d"}}),
                )
                .await,
        ),
        ('d', client.delete(&format!("{PATH}/mine")).await),
        (
            'D',
            client
                .delete(&format!("{PATH}?fieldSelector=metadata.name=mine"))
                .await,
        ),
    ] {
        match reply.status {
            200 | 201 => allowed.push(letter),
            403 => {}
            other => allowed.push_str(&format!("({letter} {other})")),
        }
    }
    allowed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn default_roles_and_secrets() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    namespace(&admin, "team").await;
    create(
        &admin,
        PATH,
        &json!({"metadata": {"name": "s"}, "stringData": {"a": "b"}}),
    )
    .await;
    for (role, expected) in [
        ("view", ""),
        ("edit", "glwcupdD"),
        ("admin", "glwcupdD"),
        ("cluster-admin", "glwcupdD"),
        ("system:basic-user", ""),
        ("system:discovery", ""),
        // What nodes may by their own authorizer they may by a binding without a look at pods.
        ("system:node", "glw"),
        ("system:public-info-viewer", ""),
        ("system:monitoring", ""),
        ("system:auth-delegator", ""),
    ] {
        let user = format!("user-of-{}", role.replace(':', "-"));
        create(
            &admin,
            &namespaced("rolebindings", "team"),
            &binding(&user, &format!("ClusterRole/{role}"), &user),
        )
        .await;
        check.equal(role, allowed(&server.user(&user, &[])).await.as_str(), expected);
    }
    for (user, groups) in [
        ("plain", &[][..]),
        ("monitor", &["system:monitoring"]),
        ("bootstrapper", &["system:bootstrappers"]),
        (
            "system:serviceaccount:team:default",
            &["system:serviceaccounts", "system:serviceaccounts:team"],
        ),
        ("system:node:n", &["system:nodes"]),
        ("system:kube-scheduler", &[]),
        ("system:kube-proxy", &[]),
    ] {
        check.equal(user, allowed(&server.user(user, groups)).await.as_str(), "");
    }
    check.equal("anonymous", allowed(&server.anonymous()).await.as_str(), "");
    check.equal(
        "masters",
        allowed(&server.user("m", &["system:masters"])).await.as_str(),
        "glwcupdD",
    );
    // A cluster role bound in a namespace ends at the namespace.
    let bound = server.user("user-of-cluster-admin", &[]);
    for path in [
        "/api/v1/secrets",
        "/api/v1/namespaces/default/secrets",
        "/metrics",
        "/api/v1/namespaces",
    ] {
        check.equal(path, bound.get(path).await.status, 403);
    }
    check.finish();
}

/// What everybody may ask, and who may read what says nothing about anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn default_paths() {
    let server = Server::start();
    let mut check = Check::new(server.client());
    let (anonymous, plain) = (server.anonymous(), server.user("plain", &[]));
    let (monitor, account) = (
        server.user("monitor", &["system:monitoring"]),
        server.user("x", &["system:serviceaccounts"]),
    );
    for (path, for_anonymous, for_plain, for_monitor, for_account) in [
        ("/livez", 200, 200, 200, 200),
        ("/readyz", 200, 200, 200, 200),
        ("/healthz", 200, 200, 200, 200),
        ("/version", 200, 200, 200, 200),
        ("/version/", 200, 200, 200, 200),
        ("/api", 403, 200, 200, 200),
        ("/api/v1", 403, 200, 200, 200),
        ("/apis", 403, 200, 200, 200),
        ("/apis/rbac.authorization.k8s.io/v1", 403, 200, 200, 200),
        ("/openapi/v2", 403, 200, 200, 200),
        ("/openapi/v3", 403, 200, 200, 200),
        ("/metrics", 403, 403, 200, 403),
        ("/livez/ping", 403, 403, 200, 403),
        ("/readyz/ping", 403, 403, 200, 403),
        ("/.well-known/openid-configuration", 403, 403, 403, 200),
        ("/openid/v1/jwks", 403, 403, 403, 200),
        ("/.well-known/strongroom/audit-head", 200, 200, 200, 200),
        ("/", 403, 403, 403, 403),
    ] {
        for (who, client, expected) in [
            ("anonymous", &anonymous, for_anonymous),
            ("plain", &plain, for_plain),
            ("monitor", &monitor, for_monitor),
            ("account", &account, for_account),
        ] {
            check.equal(&format!("{who} {path}"), client.get(path).await.status, expected);
        }
    }
    check.finish();
}

/// Defaults that were spoiled are whole again after the next start, unless somebody said to leave them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defaults_are_reconciled() {
    let mut server = Server::start();
    let admin = server.client();
    let roles = format!("{RBAC}/clusterroles");
    let before = admin.get(&format!("{roles}/system:discovery")).await.expect(200);
    for name in ["system:discovery", "system:basic-user"] {
        admin
            .patch("merge", &format!("{roles}/{name}"), &json!({"rules": []}))
            .await
            .expect(200);
    }
    let keep = json!({"metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}});
    admin
        .patch("merge", &format!("{roles}/system:basic-user"), &keep)
        .await
        .expect(200);
    admin
        .delete(&format!("{RBAC}/clusterrolebindings/system:discovery"))
        .await
        .expect(200);
    assert_eq!(server.user("plain", &[]).get("/api").await.status, 403);
    assert!(server.interrupt().success());
    server.restart();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    check.equal(
        "rules",
        admin.get(&format!("{roles}/system:discovery")).await.json()["rules"].clone(),
        before["rules"].clone(),
    );
    check.equal(
        "kept",
        admin.get(&format!("{roles}/system:basic-user")).await.json()["rules"].clone(),
        json!(null),
    );
    check.equal(
        "bound again",
        server.user("plain", &[]).get("/api").await.status,
        200,
    );
    check.finish();
}

/// All four reviews, their answers and errors (§4).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviews() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let reviews = "/apis/authorization.k8s.io/v1";
    create(
        &admin,
        &namespaced("rolebindings", "default"),
        &binding("rb", "ClusterRole/edit", "alice"),
    )
    .await;
    let get = json!({"namespace": "default", "verb": "get", "resource": "secrets"});
    let ask = async |kind: &str, spec: serde_json::Value| {
        admin
            .post(&format!("{reviews}/{kind}"), &json!({"spec": spec}))
            .await
    };
    let (subject, own) = ("subjectaccessreviews", "selfsubjectaccessreviews");
    check.accepts(&ask(subject, json!({"user": "alice", "resourceAttributes": get})).await, 201, json!({"kind": "SubjectAccessReview", "status": {"allowed": true, "reason": "RBAC: allowed by RoleBinding \"rb/default\" of ClusterRole \"edit\" to User \"alice\""}}));
    check.accepts(
        &ask(subject, json!({"user": "bob", "resourceAttributes": get})).await,
        201,
        json!({"status": {"allowed": false}}),
    );
    check.accepts(
        &ask(
            subject,
            json!({"groups": ["system:masters"], "resourceAttributes": get}),
        )
        .await,
        201,
        json!({"status": {"allowed": true}}),
    );
    check.accepts(
        &ask(own, json!({"resourceAttributes": get})).await,
        201,
        json!({"status": {"allowed": true}}),
    );
    let path = json!({"path": "/x", "verb": "get"});
    let invalid = |message: &str| format!(".authorization.k8s.io \"\" is invalid: {message}");
    check.rejects(
        &ask(subject, json!({"resourceAttributes": get})).await,
        422,
        "Invalid",
        &invalid("spec.user: Invalid value: \"\": at least one of user or group must be specified"),
    );
    check.rejects(&ask(own, json!({})).await, 422, "Invalid", &invalid("spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"));
    check.rejects(&ask(own, json!({"resourceAttributes": get, "nonResourceAttributes": path})).await, 422, "Invalid", &invalid("spec.nonResourceAttributes: Invalid value: {\"Path\":\"/x\",\"Verb\":\"get\"}: cannot be specified in combination with resourceAttributes"));
    let local = admin
        .post(
            &format!("{reviews}/namespaces/team/localsubjectaccessreviews"),
            &json!({"metadata": {"namespace": "team"}, "spec": {"user": "alice", "resourceAttributes": get}}),
        )
        .await;
    check.rejects_with(&local, 422, "Invalid", &["must match metadata.namespace"]);
    let local = admin.post(&format!("{reviews}/namespaces/default/localsubjectaccessreviews"), &json!({"metadata": {"namespace": "default"}, "spec": {"user": "alice", "resourceAttributes": get}})).await;
    check.accepts(&local, 201, json!({"status": {"allowed": true}}));
    check.rejects_with(
        &ask("selfsubjectrulesreviews", json!({})).await,
        400,
        "BadRequest",
        &["no namespace on request"],
    );
    let rules = server
        .user("alice", &[])
        .post(
            &format!("{reviews}/selfsubjectrulesreviews"),
            &json!({"spec": {"namespace": "default"}}),
        )
        .await;
    check.accepts(
        &rules,
        201,
        json!({"status": {"incomplete": false, "resourceRules": "*", "nonResourceRules": "*"}}),
    );
    check.that(rules.text().contains("secrets"), || {
        format!("edit has secrets: {}", rules.text())
    });
    // What a SubjectAccessReview says is what happens to the user.
    for path in [subject, own, "selfsubjectrulesreviews"] {
        let reply = server
            .anonymous()
            .post(
                &format!("{reviews}/{path}"),
                &json!({"spec": {"user": "a", "namespace": "default", "resourceAttributes": get}}),
            )
            .await;
        check.equal(&format!("anonymous {path}"), reply.status, 403);
        check.equal(
            &format!("GET {path}"),
            admin.get(&format!("{reviews}/{path}")).await.status,
            405,
        );
        check.equal(
            &format!("GET {path} without a right"),
            server
                .user("bob", &[])
                .get(&format!("{reviews}/{path}"))
                .await
                .status,
            403,
        );
    }
    let reply = server
        .user("bob", &[])
        .post(
            &format!("{reviews}/{subject}"),
            &json!({"spec": {"user": "alice", "resourceAttributes": get}}),
        )
        .await;
    check.rejects(&reply, 403, "Forbidden", "subjectaccessreviews.authorization.k8s.io is forbidden: User \"bob\" cannot create resource \"subjectaccessreviews\" in API group \"authorization.k8s.io\" at the cluster scope");
    check.finish();
}
