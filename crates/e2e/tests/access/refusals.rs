//! Every 403 that somebody meets, word for word (§6, §8, §12).

use serde_json::json;
use strongroom_e2e::{Check, Server};

use crate::{Session, binding, create, namespace, namespaced, role, token_of, with_every_kubectl};

with_every_kubectl!(every_refusal);

const ROBOT: &str = "system:serviceaccount:team:robot";

/// Somebody without any right, at every command.
fn every_refusal(mut session: Session) {
    let minor = session.kubectl.minor();
    session.ok("create namespace team");
    session.ok("create serviceaccount robot -n team");
    session.ok("create secret generic s --from-literal=a=b -n team");
    let token = token_of(&mut session, "team", "robot");
    let robot = session.kubectl.with_token("robot", &session.server, &token);
    session.kubectl.file(
        "s.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: team}\nstringData: {a: c}\n",
    );
    session.kubectl.file("role.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: team}\nrules: []\n");
    session.switch(robot);
    let in_team = "in the namespace \"team\"";
    let refused = |what: &str, verb: &str, resource: &str, group: &str, place: &str| {
        format!(
            "{what} is forbidden: User \"{ROBOT}\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {place}\n"
        )
    };
    let cluster = "at the cluster scope";
    let one = |verb: &str| refused("secrets \"s\"", verb, "secrets", "", in_team);
    let any = |verb: &str| refused("secrets", verb, "secrets", "", in_team);
    let rbac = "rbac.authorization.k8s.io";
    let mut cases = vec![
        ("get secret s -n team", one("get")),
        // The refusal is the same for what is not there.
        ("get secret gone -n team", one("get").replace("\"s\"", "\"gone\"")),
        (
            "get secret s -n nowhere",
            one("get").replace("\"team\"", "\"nowhere\"").replace(
                "User \"system:serviceaccount:nowhere",
                "User \"system:serviceaccount:team",
            ),
        ),
        ("get secrets -n team", any("list")),
        (
            "get secrets -A",
            refused("secrets", "list", "secrets", "", cluster),
        ),
        (
            "get secrets -n team --field-selector metadata.name=s",
            one("list"),
        ),
        ("delete secret s -n team", one("delete")),
        ("delete secrets --all -n team", any("list")),
        ("create secret generic t -n team", any("create")),
        ("describe secret s -n team", one("get")),
        ("apply -f s.yaml", one("get")),
        ("replace -f s.yaml", one("update")),
        ("create -f s.yaml", any("create")),
        ("label secret s a=b -n team", one("get")),
        ("patch secret s -n team -p {}", one("get")),
        (
            "get namespaces",
            refused("namespaces", "list", "namespaces", "", cluster),
        ),
        (
            "get namespace team",
            refused("namespaces \"team\"", "get", "namespaces", "", in_team),
        ),
        (
            "delete namespace team",
            refused("namespaces \"team\"", "delete", "namespaces", "", in_team),
        ),
        (
            "create namespace other",
            refused("namespaces", "create", "namespaces", "", cluster),
        ),
        (
            "get leases -n team",
            refused(
                "leases.coordination.k8s.io",
                "list",
                "leases",
                "coordination.k8s.io",
                in_team,
            ),
        ),
        (
            "get roles -n team",
            refused("roles.rbac.authorization.k8s.io", "list", "roles", rbac, in_team),
        ),
        (
            "get role r -n team",
            refused(
                "roles.rbac.authorization.k8s.io \"r\"",
                "get",
                "roles",
                rbac,
                in_team,
            ),
        ),
        (
            "create -f role.yaml",
            refused(
                "roles.rbac.authorization.k8s.io",
                "create",
                "roles",
                rbac,
                in_team,
            ),
        ),
        (
            "get clusterroles",
            refused(
                "clusterroles.rbac.authorization.k8s.io",
                "list",
                "clusterroles",
                rbac,
                cluster,
            ),
        ),
        (
            "get clusterrole view",
            refused(
                "clusterroles.rbac.authorization.k8s.io \"view\"",
                "get",
                "clusterroles",
                rbac,
                cluster,
            ),
        ),
        (
            "get --raw /metrics",
            format!("forbidden: User \"{ROBOT}\" cannot get path \"/metrics\"\n"),
        ),
        (
            "get --raw /debug/anything",
            format!("forbidden: User \"{ROBOT}\" cannot get path \"/debug/anything\"\n"),
        ),
        (
            "get --raw /apis/coordination.k8s.io/v1/namespaces/team/leases/l/status",
            refused(
                "leases.coordination.k8s.io \"l\"",
                "get",
                "leases/status",
                "coordination.k8s.io",
                in_team,
            ),
        ),
        (
            "delete --raw /api/v1/namespaces/team/secrets",
            any("deletecollection"),
        ),
    ];
    if minor >= 24 {
        cases.push((
            "create token robot -n team",
            refused(
                "serviceaccounts \"robot\"",
                "create",
                "serviceaccounts/token",
                "",
                in_team,
            ),
        ));
    }
    for (line, expected) in cases {
        let ran = session.kubectl.run(&line.split(' ').collect::<Vec<_>>());
        session
            .check
            .that(ran.code == 1 && ran.stderr.ends_with(&expected), || {
                format!(
                    "{line}: exit {}\n    expected …{expected}    got {}{}",
                    ran.code, ran.stderr, ran.stdout
                )
            });
    }
    session.fails(
        "get secrets -n team --as=bob",
        &["Error from server (Forbidden): ", "bob"],
    );
    session.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_a_refusal() {
    let server = Server::start();
    let admin = server.client();
    namespace(&admin, "team").await;
    let (alice, anonymous) = (server.user("alice", &["devs"]), server.anonymous());
    let mut check = Check::new(admin.clone());
    let team = "/api/v1/namespaces/team/secrets";

    let reply = anonymous.get("/api/v1/namespaces/default/secrets").await;
    let body = reply.expect(403);
    let expected = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "secrets is forbidden: User \"system:anonymous\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\"",
        "reason": "Forbidden", "details": {"kind": "secrets"}, "code": 403});
    check.equal("§12.1", body, expected);
    check.equal("nosniff", reply.header("x-content-type-options"), "nosniff");

    let reply = alice.get(&format!("{team}/s")).await;
    check.rejects(&reply, 403, "Forbidden", "secrets \"s\" is forbidden: User \"alice\" cannot get resource \"secrets\" in API group \"\" in the namespace \"team\"");
    check.equal(
        "details",
        reply.json()["details"].clone(),
        json!({"name": "s", "kind": "secrets"}),
    );
    let reply = alice
        .get("/apis/rbac.authorization.k8s.io/v1/clusterroles/view")
        .await;
    check.equal(
        "details",
        reply.json()["details"].clone(),
        json!({"name": "view", "group": "rbac.authorization.k8s.io", "kind": "clusterroles"}),
    );
    let reply = alice
        .request("PATCH", &format!("{team}/s"))
        .body("{}")
        .send()
        .await;
    check.rejects(&reply, 403, "Forbidden", "secrets \"s\" is forbidden: User \"alice\" cannot patch resource \"secrets\" in API group \"\" in the namespace \"team\"");
    let reply = alice.get(&format!("{team}?watch=true")).await;
    check.rejects(&reply, 403, "Forbidden", "secrets is forbidden: User \"alice\" cannot watch resource \"secrets\" in API group \"\" in the namespace \"team\"");
    let reply = alice.request("POST", "/metrics").send().await;
    check.rejects(
        &reply,
        403,
        "Forbidden",
        "forbidden: User \"alice\" cannot post path \"/metrics\"",
    );
    // What the caller says of itself is escaped.
    let strange = admin
        .request("GET", team)
        .header("impersonate-user", "a<b>&c")
        .send()
        .await;
    check.rejects(&strange, 403, "Forbidden", "secrets is forbidden: User \"a&lt;b&gt;&amp;c\" cannot list resource \"secrets\" in API group \"\" in the namespace \"team\"");

    // Bindings to nothing are named in the refusal, and do no harm beside one that works.
    create(
        &admin,
        &namespaced("rolebindings", "team"),
        &binding("lost", "Role/gone", "alice"),
    )
    .await;
    let text = "secrets is forbidden: User \"alice\" cannot list resource \"secrets\" in API group \"\" in the namespace \"team\": RBAC: role.rbac.authorization.k8s.io \"gone\" not found";
    check.rejects(&alice.get(team).await, 403, "Forbidden", text);
    create(
        &admin,
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        &binding("lost", "ClusterRole/away", "alice"),
    )
    .await;
    let reply = alice.get(team).await;
    check.rejects_with(
        &reply,
        403,
        "Forbidden",
        &[
            "RBAC: ",
            "clusterrole.rbac.authorization.k8s.io \"away\" not found",
            "role.rbac.authorization.k8s.io \"gone\" not found",
        ],
    );
    create(
        &admin,
        &namespaced("roles", "team"),
        &role("lister", crate::secrets(&["list"])),
    )
    .await;
    create(
        &admin,
        &namespaced("rolebindings", "team"),
        &binding("works", "Role/lister", "alice"),
    )
    .await;
    check.accepts(&alice.get(team).await, 200, json!({"kind": "SecretList"}));
    check.finish();
}

/// §12.3: a name in a role, and how it is met.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resource_names() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let path = "/api/v1/namespaces/default/secrets";
    for name in ["s", "t"] {
        create(
            &admin,
            path,
            &json!({"metadata": {"name": name}, "stringData": {"a": "b"}}),
        )
        .await;
    }
    let all = [
        "get",
        "list",
        "watch",
        "create",
        "update",
        "patch",
        "delete",
        "deletecollection",
    ];
    let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["s"], "verbs": all}]);
    create(&admin, &namespaced("roles", "default"), &role("one", rules)).await;
    create(
        &admin,
        &namespaced("rolebindings", "default"),
        &binding("one", "Role/one", "alice"),
    )
    .await;
    let alice = server.user("alice", &[]);
    for (query, allowed) in [
        ("/s", true),
        ("/t", false),
        ("?fieldSelector=metadata.name=s", true),
        ("?fieldSelector=metadata.name%3Ds", true),
        ("?fieldSelector=metadata.name==s", true),
        ("?fieldSelector=metadata.name=s,type=Opaque", true),
        ("?fieldSelector=metadata.name=s&watch=1&timeoutSeconds=1", true),
        ("/s?watch=1&timeoutSeconds=1", true),
        ("", false),
        ("?watch=1", false),
        ("?fieldSelector=metadata.name=t", false),
        ("?fieldSelector=metadata.name!=s", false),
        ("?fieldSelector=metadata.name=s,metadata.name=t", false),
        ("?fieldSelector=metadata.name=t,metadata.name=s", false),
        ("?fieldSelector=type=Opaque", false),
        ("?fieldSelector=metadata.name=", false),
        (
            "?fieldSelector=metadata.name=s&fieldSelector=metadata.name=t",
            true,
        ),
        (
            "?fieldSelector=metadata.name=t&fieldSelector=metadata.name=s",
            false,
        ),
        ("?labelSelector=metadata.name=s", false),
    ] {
        let reply = alice.get(&format!("{path}{query}")).await;
        check.equal(query, reply.status, if allowed { 200 } else { 403 });
        check.that(
            reply.status != 200 || !reply.text().contains("\"name\":\"t\""),
            || format!("{query}: shows t"),
        );
    }
    // A list with a name is in the refusal by that name.
    let reply = alice.get(&format!("{path}?fieldSelector=metadata.name=t")).await;
    check.rejects(&reply, 403, "Forbidden", "secrets \"t\" is forbidden: User \"alice\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\"");
    // Changes by name, but nothing that has none.
    check.accepts(
        &alice
            .patch("merge", &format!("{path}/s"), &json!({"stringData": {"b": "c"}}))
            .await,
        200,
        json!({}),
    );
    let reply = alice.post(path, &json!({"metadata": {"name": "s"}})).await;
    check.equal("create has no name", reply.status, 403);
    for query in ["", "?fieldSelector=metadata.name=s"] {
        let reply = alice.delete(&format!("{path}{query}")).await;
        check.equal(&format!("deletecollection{query} has no name"), reply.status, 403);
    }
    check.accepts(
        &alice.delete(&format!("{path}/s")).await,
        200,
        json!({"status": "Success"}),
    );
    check.finish();
}

/// §8: acting as somebody else needs the right to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn impersonation() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    namespace(&admin, "team").await;
    let rules = json!([
        {"apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["devs"], "verbs": ["impersonate"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["userextras/scopes"], "resourceNames": ["view"], "verbs": ["impersonate"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["uids"], "resourceNames": ["7"], "verbs": ["impersonate"]},
    ]);
    create(
        &admin,
        &format!("{}/clusterroles", crate::RBAC),
        &role("actor", rules),
    )
    .await;
    create(
        &admin,
        &format!("{}/clusterrolebindings", crate::RBAC),
        &binding("actor", "ClusterRole/actor", "alice"),
    )
    .await;
    create(
        &admin,
        &namespaced("roles", "team"),
        &role(
            "actor",
            json!([{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]}]),
        ),
    )
    .await;
    create(
        &admin,
        &namespaced("rolebindings", "team"),
        &binding("actor", "Role/actor", "alice"),
    )
    .await;
    let alice = server.user("alice", &[]);
    let review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let act = async |client: &strongroom_e2e::Client, headers: &[(&str, &str)]| {
        let mut request = client
            .request("POST", review)
            .json(&json!({"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}));
        for (name, value) in headers {
            request = request.another_header(name, value);
        }
        request.send().await
    };
    let info = |user: serde_json::Value| json!({"status": {"userInfo": user}});
    for (headers, user) in [
        (
            &[("impersonate-user", "bob")][..],
            json!({"username": "bob", "groups": ["system:authenticated"], "uid": null}),
        ),
        (
            &[("impersonate-user", "bob"), ("impersonate-group", "devs")],
            json!({"username": "bob", "groups": ["devs", "system:authenticated"]}),
        ),
        (
            &[
                ("impersonate-user", "bob"),
                ("impersonate-extra-Scopes", "view"),
                ("impersonate-uid", "7"),
            ],
            json!({"username": "bob", "uid": "7", "extra": {"scopes": ["view"]}}),
        ),
        (
            &[("impersonate-user", "system:serviceaccount:team:x")],
            json!({"username": "system:serviceaccount:team:x", "groups": ["system:serviceaccounts", "system:serviceaccounts:team", "system:authenticated"]}),
        ),
        (&[("impersonate-user", "")], json!({"username": "alice"})),
    ] {
        check.accepts(&act(&alice, headers).await, 201, info(user));
    }
    for (headers, what) in [
        (&[("impersonate-user", "carol")][..], "users"),
        (
            &[
                ("impersonate-user", "bob"),
                ("impersonate-group", "system:masters"),
            ],
            "groups",
        ),
        (&[("impersonate-user", "bob"), ("impersonate-uid", "8")], "uids"),
        (
            &[("impersonate-user", "bob"), ("impersonate-extra-scopes", "edit")],
            "userextras",
        ),
        (
            &[("impersonate-user", "bob"), ("impersonate-extra-other", "view")],
            "userextras",
        ),
        (
            &[("impersonate-user", "system:serviceaccount:default:x")],
            "serviceaccounts",
        ),
        (
            &[
                ("impersonate-user", "bob"),
                ("impersonate-group", "devs"),
                ("impersonate-group", "ops"),
            ],
            "groups",
        ),
    ] {
        check.rejects_with(
            &act(&alice, headers).await,
            403,
            "Forbidden",
            &[what, "User \"alice\" cannot impersonate"],
        );
    }
    for headers in [
        &[("impersonate-group", "devs")][..],
        &[("impersonate-uid", "7")],
        &[("impersonate-extra-scopes", "view")],
        &[("impersonate-user", ""), ("impersonate-group", "devs")],
    ] {
        check.rejects_with(
            &act(&admin, headers).await,
            400,
            "BadRequest",
            &["without impersonating a user"],
        );
    }
    // The anonymous user is not authenticated, whoever plays it.
    check.rejects(&act(&admin, &[("impersonate-user", "system:anonymous")]).await, 403, "Forbidden", "selfsubjectreviews.authentication.k8s.io is forbidden: User \"system:anonymous\" cannot create resource \"selfsubjectreviews\" in API group \"authentication.k8s.io\" at the cluster scope");
    // Whoever acts as another has no more than the other.
    let reply = admin
        .request("GET", "/api/v1/secrets")
        .header("impersonate-user", "bob")
        .send()
        .await;
    check.rejects(&reply, 403, "Forbidden", "secrets is forbidden: User \"bob\" cannot list resource \"secrets\" in API group \"\" at the cluster scope");
    // Nobody becomes anybody without credentials.
    let reply = server
        .anonymous()
        .request("GET", "/api/v1/secrets")
        .header("impersonate-user", "strongroom-admin")
        .header("impersonate-group", "system:masters")
        .send()
        .await;
    check.equal("anonymous acting as the administrator", reply.status, 403);
    // The front proxy's headers mean nothing without its certificate.
    let reply = alice
        .request("POST", review)
        .header("x-remote-user", "root")
        .header("x-remote-group", "system:masters")
        .json(&json!({}))
        .send()
        .await;
    check.accepts(
        &reply,
        201,
        info(json!({"username": "alice", "groups": ["system:authenticated"]})),
    );
    check.finish();
}
