//! The commands of kubectl that make, show and ask about permissions.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::{Session, token_of, with_every_kubectl};

with_every_kubectl!(creating, a_service_account_at_work, can_i, reconciling);

fn creating(mut session: Session) {
    session.ok("create namespace team");
    session.prints(
        "create role reader --verb=get,list,watch --resource=secrets,leases.coordination.k8s.io -n team",
        "role.rbac.authorization.k8s.io/reader created",
    );
    let got = session.json("get role reader -n team -o json");
    session.check.has(
        "a role",
        &got,
        json!({"rules": [
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "list", "watch"]},
        ]}),
    );
    session.prints(
        "create role one --verb=get --resource=secrets --resource-name=a --resource-name=b -n team",
        "role.rbac.authorization.k8s.io/one created",
    );
    let got = session.json("get role one -n team -o json");
    session.check.has(
        "names",
        &got,
        json!({"rules": [{"resourceNames": ["a", "b"], "verbs": ["get"]}]}),
    );
    session.prints(
        "create clusterrole figures --verb=get --non-resource-url=/metrics --non-resource-url=/livez/*",
        "clusterrole.rbac.authorization.k8s.io/figures created",
    );
    let got = session.json("get clusterrole figures -o json");
    session.check.has(
        "paths",
        &got,
        json!({"rules": [{"nonResourceURLs": ["/metrics", "/livez/*"], "verbs": ["get"], "resources": null}]}),
    );
    aggregation(&mut session);
    session.prints(
        "create rolebinding read --role=reader --user=alice --group=devs --serviceaccount=team:robot -n team",
        "rolebinding.rbac.authorization.k8s.io/read created",
    );
    let got = session.json("get rolebinding read -n team -o json");
    session.check.has(
        "a binding",
        &got,
        json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"},
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "devs"},
                {"kind": "ServiceAccount", "name": "robot", "namespace": "team", "apiGroup": null},
            ],
        }),
    );
    session.prints(
        "create clusterrolebinding figures --clusterrole=figures --user=alice",
        "clusterrolebinding.rbac.authorization.k8s.io/figures created",
    );
    session.shows(
        "describe role reader -n team",
        &["PolicyRule:", "secrets", "[get list watch]"],
    );
    session.shows(
        "describe rolebinding read -n team",
        &["Kind:  Role", "alice", "robot", "devs"],
    );
    session.shows("get rolebindings -n team", &["NAME", "ROLE", "Role/reader"]);
    session.shows(
        "get rolebindings -n team -o wide",
        &["alice", "devs", "team/robot"],
    );
    session.shows(
        "get clusterrolebindings figures -o wide",
        &["ClusterRole/figures", "alice"],
    );
    session.shows("get roles -n team", &["NAME", "CREATED AT", "reader"]);
    session.fails(
        "create role reader --verb=get --resource=secrets -n team",
        &["already exists"],
    );
    session.kubectl.file("empty.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: empty\n  namespace: team\nrules:\n- apiGroups: [\"\"]\n  resources: [secrets]\n  verbs: []\n");
    session.fails(
        "create -f empty.yaml",
        &["rules[0].verbs: Required value: verbs must contain at least one value"],
    );
    session.kubectl.file("moved.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: read\n  namespace: team\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: other\nsubjects: []\n");
    session.fails(
        "replace -f moved.yaml",
        &["roleRef: Invalid value:", "cannot change roleRef"],
    );
    session.finish();
}

/// Rules of labelled roles are gathered, and follow changes.
fn aggregation(session: &mut Session) {
    session.prints(
        "create clusterrole sum --aggregation-rule=part=yes",
        "clusterrole.rbac.authorization.k8s.io/sum created",
    );
    let rules = |session: &mut Session, wanted: &str| {
        let start = Instant::now();
        let mut got = String::new();
        while start.elapsed() < Duration::from_secs(5) {
            got = session.ok("get clusterrole sum -o jsonpath={.rules}");
            if got == wanted {
                return;
            }
        }
        session.check.equal("the gathered rules", got.as_str(), wanted);
    };
    session.ok("create clusterrole part-one --verb=get --resource=secrets");
    session.ok("label clusterrole part-one part=yes");
    let one = r#"{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}"#;
    rules(session, &format!("[{one}]"));
    session.ok("create clusterrole part-two --verb=list --resource=configmaps");
    session.ok("label clusterrole part-two part=yes");
    let two = r#"{"apiGroups":[""],"resources":["configmaps"],"verbs":["list"]}"#;
    rules(session, &format!("[{one},{two}]"));
    session.ok("delete clusterrole part-one");
    rules(session, &format!("[{two}]"));
}

/// What the manuals do: an account, a role, a binding, a token, a kubeconfig.
fn a_service_account_at_work(mut session: Session) {
    session.ok("create namespace team");
    session.prints(
        "create serviceaccount robot -n team",
        "serviceaccount/robot created",
    );
    session.ok("create secret generic s --from-literal=a=b -n team");
    session.ok("create role reader --verb=get,list,watch --resource=secrets -n team");
    session.ok("create rolebinding robot --role=reader --serviceaccount=team:robot -n team");
    let minor = session.kubectl.minor();
    let token = if minor >= 24 {
        tokens(&mut session);
        session
            .ok("create token robot -n team --duration=20m")
            .trim()
            .to_owned()
    } else {
        token_of(&mut session, "team", "robot")
    };
    let robot = session.kubectl.with_token("robot", &session.server, &token);
    let admin = session.switch(robot);
    session.prints("get secrets -n team -o name", "secret/s");
    session.prints("get secret s -n team -o jsonpath={.data.a}", "Yg==");
    session.fails("delete secret s -n team", &["Error from server (Forbidden): secrets \"s\" is forbidden: User \"system:serviceaccount:team:robot\" cannot delete resource \"secrets\" in API group \"\" in the namespace \"team\""]);
    session.answers("auth can-i get secrets -n team", 0, "yes");
    session.answers("auth can-i delete secrets -n team", 1, "no");
    if minor >= 28 {
        session.shows(
            "auth whoami",
            &[
                "system:serviceaccount:team:robot",
                "[system:serviceaccounts system:serviceaccounts:team system:authenticated]",
                "authentication.kubernetes.io/credential-id",
                "[JTI=",
            ],
        );
        let got = session.json("auth whoami -o json");
        session.check.has("whoami", &got, json!({"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "status": {"userInfo": {"username": "system:serviceaccount:team:robot", "uid": "*"}}}));
    }
    session.switch(admin);
    if minor >= 28 {
        session.shows(
            "auth whoami",
            &["strongroom-admin", "[system:masters system:authenticated]"],
        );
        session.shows(
            "auth whoami --as=bob --as-group=devs",
            &["bob", "[devs system:authenticated]"],
        );
    }
    session.ok("delete serviceaccount robot -n team");
    let robot = session.kubectl.with_token("robot", &session.server, &token);
    session.switch(robot);
    session.fails("get secrets -n team", &["Unauthorized"]);
    session.finish();
}

/// `kubectl create token` and its flags.
fn tokens(session: &mut Session) {
    let claims = |token: &str| -> Value {
        let body = token.trim().split('.').nth(1).unwrap_or_default();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap_or_default()).unwrap_or_default()
    };
    let lifetime = |claims: &Value| {
        claims["exp"].as_i64().unwrap_or_default() - claims["iat"].as_i64().unwrap_or_default()
    };
    let got = claims(&session.ok("create token robot -n team"));
    session.check.equal("the default lifetime", lifetime(&got), 3600);
    session.check.has(
        "claims",
        &got,
        json!({
            "iss": "https://kubernetes.default.svc.cluster.local",
            "aud": ["https://kubernetes.default.svc.cluster.local"],
            "sub": "system:serviceaccount:team:robot",
            "jti": "*", "nbf": got["iat"],
            "kubernetes.io": {"namespace": "team", "serviceaccount": {"name": "robot", "uid": "*"}, "secret": null},
        }),
    );
    let got =
        claims(&session.ok("create token robot -n team --duration=30m --audience=vault --audience=other"));
    session.check.equal("the lifetime", lifetime(&got), 1800);
    session
        .check
        .has("audiences", &got, json!({"aud": ["vault", "other"]}));
    let uid = session.ok("get secret s -n team -o jsonpath={.metadata.uid}");
    let line = "create token robot -n team --bound-object-kind=Secret --bound-object-name=s";
    let got = claims(&session.ok(line));
    session.check.has(
        "bound",
        &got,
        json!({"kubernetes.io": {"secret": {"name": "s", "uid": uid}}}),
    );
    let got = claims(&session.ok(&format!("{line} --bound-object-uid={uid}")));
    session.check.has(
        "bound",
        &got,
        json!({"kubernetes.io": {"secret": {"name": "s", "uid": uid}}}),
    );
    session.fails(
        &format!("{line} --bound-object-uid=00000000-0000-4000-8000-000000000000"),
        &["the UID in the bound object reference (00000000-0000-4000-8000-000000000000) does not match the UID in record. The object might have been deleted and then recreated"],
    );
    session.fails(
        "create token robot -n team --bound-object-kind=Secret --bound-object-name=gone",
        &["error: failed to create token: secrets \"gone\" not found"],
    );
    session.fails(
        "create token nobody -n team",
        &["serviceaccounts \"nobody\" not found"],
    );
    session.fails(
        "create token robot -n team --duration=1m",
        &["may not specify a duration less than 10 minutes"],
    );
}

fn can_i(mut session: Session) {
    let minor = session.kubectl.minor();
    session.ok("create namespace team");
    session.ok("create role reader --verb=get,list --resource=secrets -n team");
    session.ok("create role one --verb=get --resource=secrets --resource-name=only -n default");
    session.ok("create role logs --verb=get --resource=serviceaccounts/token -n team");
    session.ok("create rolebinding reader --role=reader --user=alice -n team");
    session.ok("create rolebinding one --role=one --user=alice -n default");
    session.ok("create rolebinding logs --role=logs --group=devs -n team");
    session.ok("create clusterrole figures --verb=get --non-resource-url=/metrics");
    session.ok("create clusterrolebinding figures --clusterrole=figures --group=devs");
    for (line, allowed) in [
        ("get secrets", true),
        ("* *", true),
        ("get secrets -n team --as=alice", true),
        ("get secrets --namespace team --as=alice", true),
        ("watch secrets -n team --as=alice", false),
        ("get secrets --as=alice", false),
        ("get secrets/only --as=alice", true),
        ("get secrets/other --as=alice", false),
        ("list secrets -n team --as=alice", true),
        ("list secrets --all-namespaces --as=alice", false),
        ("get serviceaccounts/token -n team --as=bob", false),
        (
            "get serviceaccounts --subresource=token -n team --as=bob --as-group=devs",
            true,
        ),
        ("get serviceaccounts -n team --as=bob --as-group=devs", false),
        ("get /metrics --as=bob", false),
        ("get /metrics --as=bob --as-group=devs", true),
        ("post /metrics --as=bob --as-group=devs", false),
        ("get /version --as=bob", true),
        (
            "create selfsubjectaccessreviews.authorization.k8s.io --as=bob",
            true,
        ),
        ("get leases.coordination.k8s.io -n team --as=alice", false),
        (
            "get secrets -n team --as=system:serviceaccount:team:default",
            false,
        ),
    ] {
        let (code, word) = if allowed { (0, "yes") } else { (1, "no") };
        session.answers(&format!("auth can-i {line}"), code, word);
        session.answers(&format!("auth can-i {line} --quiet"), code, "");
    }
    let list = session.ok("auth can-i --list -n team --as=alice");
    let has = |words: &[&str]| {
        list.lines()
            .any(|line| line.split_whitespace().eq(words.iter().copied()))
    };
    let secrets = ["secrets", "[]", "[]", "[get", "list]"];
    session
        .check
        .that(has(&secrets), || format!("no {secrets:?} in\n{list}"));
    session.check.that(!list.contains("[only]"), || {
        format!("of another namespace\n{list}")
    });
    let version = ["[/version]", "[]", "[get]"];
    session
        .check
        .that(has(&version), || format!("no {version:?} in\n{list}"));
    let list = session.ok("auth can-i --list --as=alice");
    session
        .check
        .that(list.contains("[only]"), || format!("no [only] in\n{list}"));
    session.shows("auth can-i --list", &["*.*", "[*]"]);
    if minor >= 26 {
        session.shows("auth can-i --list --no-headers -n team --as=alice", &["secrets"]);
    }
    session.fails(
        "auth can-i get secrets --as-group=devs",
        &["without impersonating a user"],
    );
    session.finish();
}

const RECONCILED: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r, namespace: default}
rules:
- {apiGroups: [''], resources: [secrets], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: cr}
rules:
- {apiGroups: [''], resources: [configmaps], verbs: [get]}
";

fn reconciling(mut session: Session) {
    session.kubectl.file("policy.yaml", RECONCILED);
    let all = [
        "role.rbac.authorization.k8s.io/r reconciled",
        "rolebinding.rbac.authorization.k8s.io/b reconciled",
        "clusterrole.rbac.authorization.k8s.io/cr reconciled",
    ];
    session.shows("auth reconcile -f policy.yaml", &all);
    session.answers("auth can-i get secrets --as=alice", 0, "yes");
    session.ok("auth reconcile -f policy.yaml");
    // What is missing is added, what is there beyond the file stays unless asked otherwise.
    session.kubectl.file(
        "policy.yaml",
        RECONCILED
            .replace("[secrets], verbs: [get]", "[secrets], verbs: [list]")
            .replace("alice", "bob"),
    );
    session.ok("auth reconcile -f policy.yaml");
    for (line, allowed) in [("get secrets --as=alice", true), ("list secrets --as=bob", true)] {
        session.answers(&format!("auth can-i {line}"), i32::from(!allowed), "yes");
    }
    session.ok("auth reconcile -f policy.yaml --remove-extra-subjects --remove-extra-permissions");
    session.answers("auth can-i list secrets --as=bob", 0, "yes");
    session.answers("auth can-i get secrets --as=bob", 1, "no");
    session.answers("auth can-i list secrets --as=alice", 1, "no");
    // Another role means another binding.
    session.kubectl.file(
        "policy.yaml",
        RECONCILED.replace("kind: Role, name: r", "kind: ClusterRole, name: cr"),
    );
    session.ok("auth reconcile -f policy.yaml");
    session.prints("get rolebinding b -o jsonpath={.roleRef.name}", "cr");
    session.finish();
}
