use serde_json::Value;

use super::*;

fn cluster() -> Cluster {
    let list: Value = serde_saphyr::from_str(include_str!("fixtures/cluster.yaml")).unwrap();
    let mut cluster = Cluster {
        knows_pods: true,
        ..Cluster::default()
    };
    for item in list["items"].as_array().unwrap() {
        match item["kind"].as_str().unwrap() {
            "Role" | "ClusterRole" => cluster.put_role(item.clone()),
            "RoleBinding" | "ClusterRoleBinding" => cluster.put_binding(item.clone()),
            "Pod" => cluster.put_pod(item.clone()),
            other => panic!("{other}"),
        }
    }
    cluster
}

fn served() -> Vec<resource::Served> {
    let document = serde_json::json!({"items": [
        {"metadata": {}, "versions": [{"version": "v1", "resources": [
            {"resource": "secrets", "singularResource": "secret", "scope": "Namespaced"},
            {"resource": "serviceaccounts", "scope": "Namespaced", "shortNames": ["sa"],
             "subresources": [{"subresource": "token"}]},
            {"resource": "namespaces", "scope": "Cluster", "shortNames": ["ns"]},
            {"resource": "nodes", "scope": "Cluster"},
            {"resource": "pods", "scope": "Namespaced"},
        ]}]},
        {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [
            {"resource": "deployments", "scope": "Namespaced"},
        ]}]},
    ]});
    resource::served(&document)
}

/// `arguments` as behind `strongroom access explain`.
fn explained(arguments: &str) -> (bool, String) {
    let words = ["strongroom", "access", "explain"]
        .into_iter()
        .chain(arguments.split(' '));
    let parsed = crate::command_line::parse(words.map(Into::into)).unwrap().command;
    let crate::command_line::Subcommands::Access(Access {
        command: AccessCommand::Explain(asked),
    }) = parsed
    else {
        panic!("{arguments}");
    };
    let namespace = asked.place.namespace.unwrap_or_default();
    let name = asked.name.as_deref();
    let question = question::to_explain(&asked.verb, &asked.resource, name, &namespace, &served()).unwrap();
    let user = user::identity(&asked.user, &asked.group);
    let answer = explain::explain(&cluster(), &user, &question);
    serde_json::to_value(&answer).unwrap();
    (answer.allowed, answer.to_string())
}

fn check(arguments: &str, allowed: bool, expected: &[&str]) {
    let (got, text) = explained(arguments);
    assert_eq!(got, allowed, "{arguments}\n{text}");
    for part in expected {
        assert!(text.contains(part), "{arguments}: {part:?} is not in\n{text}");
    }
}

#[test]
fn what_is_allowed_is_traced_to_its_binding() {
    let by_readers = "RoleBinding shop/readers gives Role readers to User alice.\n    It allows get and list on secrets \
                      named db.";
    check(
        "alice get secret db -n shop",
        true,
        &["Yes, alice may get secrets \"db\" in namespace shop.", by_readers],
    );
    check(
        "alice get secrets/db -n shop",
        true,
        &[by_readers, "is taken for a name"],
    );
    check("alice list secrets db -n shop", true, &[by_readers]);
    check(
        "sa:shop/web get secret db -n shop",
        true,
        &["to ServiceAccount shop/web"],
    );
    check(
        "system:serviceaccount:shop:web get secret db -n shop",
        true,
        &["to ServiceAccount shop/web"],
    );
    check(
        "dave delete deployments.apps x -n shop --group developers",
        true,
        &["to Group developers"],
    );
    check(
        "dave create sa/token x -n shop --group developers",
        true,
        &["serviceaccounts/token \"x\""],
    );
    check(
        "root delete ns shop --group system:masters",
        true,
        &["no role can take that away", "cluster-admin"],
    );
    check(
        "root post /x --group system:masters",
        true,
        &["every verb on every path"],
    );
    check(
        "root * * -A --group system:masters",
        true,
        &["may * every resource in all namespaces"],
    );
    check(
        "system:node:n1 get secret db -n shop",
        true,
        &["pods on node n1 use it: shop/web-1"],
    );
    check(
        "system:node:n1 get nodes n1",
        true,
        &["The Node authorizer allows it to node n1 itself."],
    );
}

#[test]
fn what_is_not_allowed_is_told_with_what_comes_near() {
    let check = |arguments, expected: &[&str]| check(arguments, false, expected);
    check(
        "alice delete secret db -n shop",
        &[
            "No, alice may not delete secrets \"db\" in namespace shop.",
            "but only for get and list",
            "kubectl create role delete-secrets-db -n shop --verb=delete --resource=secrets --resource-name=db\n",
            "kubectl create rolebinding alice-delete-secrets-db -n shop --role=delete-secrets-db --user=alice\n",
        ],
    );
    check("alice get secret other -n shop", &["but only for the names db"]);
    check(
        "alice list secrets -n shop",
        &["and this request carries no name"],
    );
    check("alice get secret db -n other", &["but only in namespace shop"]);
    check(
        "alice get secret db -A",
        &[
            "in all namespaces",
            "kubectl create clusterrole get-secrets-db --verb=get",
        ],
    );
    check("dave create sa -n shop --group developers", &["apart"]);
    check(
        "dave create secrets db -n shop",
        &["A create carries no name, so db does not count."],
    );
    check("bob get secret db -n shop", &["leads nowhere", "\"gone\""]);
    check(
        "eve get secret db -n shop",
        &["Nothing that comes near is bound to eve or to the groups system:auth"],
    );
    check(
        "sa:shop/api get secret db -n shop",
        &["system:serviceaccounts:shop", "--serviceaccount=shop:api"],
    );
    check(
        "system:anonymous get /metrics",
        &["system:unauthenticated", "--non-resource-url=/metrics"],
    );
    check(
        "it's get ns shop",
        &[
            "'--user=it'\\''s'",
            "--verb=get --resource=namespaces --resource-name=shop",
        ],
    );
    check(
        "system:node:n2 get secret db -n shop",
        &[
            "no relationship found between node 'n2'",
            "no role is needed for that",
        ],
    );
    let (_, text) = explained("alice get secret db -n shop");
    assert!(text.contains("The role \"strange\" is malformed"), "{text}");
}

fn everyone(verb: &str, resource: &str, subresource: Option<&str>) -> String {
    let question = question::about_everyone(verb, resource, subresource, "shop", &served()).unwrap();
    let everyone = who_can::who_can(&cluster(), &question);
    serde_json::to_value(&everyone).unwrap();
    everyone.to_string()
}

#[test]
fn everyone_is_listed_with_every_way() {
    let mut cluster = cluster();
    cluster.notes.clear();
    let question = question::about_everyone("get", "secret/db", None, "shop", &served()).unwrap();
    let expected = "\
Who can get secrets \"db\" in namespace shop:

WHO                      WAY     THROUGH                           GIVES
Group system:masters     always  membership                        everything, whatever roles say
Group system:masters     RBAC    ClusterRoleBinding cluster-admin  ClusterRole cluster-admin
Node n1                  node    Node authorizer                   what its pods use: shop/web-1
Pod shop/web-1           pod     its specification                 what it uses, on node n1
Pod shop/web-2           pod     its specification                 what it uses, once it runs
ServiceAccount shop/web  RBAC    RoleBinding shop/readers          Role shop/readers
User alice               RBAC    RoleBinding shop/readers          Role shop/readers

Note: Whoever may create pods in namespace shop can mount it too; see `strongroom access who-can create pods -n shop`.
";
    assert_eq!(who_can::who_can(&cluster, &question).to_string(), expected);
}

#[test]
fn everyone_is_asked_about_in_every_form() {
    let cases = [
        (
            "get",
            "secret/other",
            None,
            &["system:masters"][..],
            &["alice", "Node", "Pod"][..],
        ),
        ("list", "secret/db", None, &["alice", "Node n1"], &["Pod"]),
        (
            "create",
            "sa/web",
            Some("token"),
            &["Group developers", "Node n1"],
            &["alice"],
        ),
        (
            "create",
            "sa/token",
            None,
            &["--subresource token"],
            &["developers"],
        ),
        (
            "get",
            "/metrics",
            None,
            &["User eve?[2J", "system:masters"],
            &["alice"],
        ),
        ("get", "nodes/n7", None, &["Node n7"], &["Node n1"]),
        ("create", "pods", None, &["Group system:nodes"], &["Node n1"]),
    ];
    for (verb, resource, subresource, present, absent) in cases {
        let text = everyone(verb, resource, subresource);
        for part in present {
            assert!(text.contains(part), "{verb} {resource}: {part} is not in\n{text}");
        }
        for part in absent {
            assert!(!text.contains(part), "{verb} {resource}: {part} is in\n{text}");
        }
    }
    let refused = question::about_everyone("get", "/metrics", Some("x"), "", &served());
    assert!(refused.is_err());
}

#[test]
fn the_verb_of_who_can_may_be_left_out() {
    for (arguments, verb, resource) in [
        (&["get", "secret/db"][..], Some("get"), "secret/db"),
        (&["secret/db"], None, "secret/db"),
        (&["secret/db", "-n", "shop"], None, "secret/db"),
    ] {
        let words = ["strongroom", "access", "who-can"].iter().chain(arguments);
        let parsed = crate::command_line::parse(words.map(Into::into)).unwrap().command;
        let crate::command_line::Subcommands::Access(Access {
            command: AccessCommand::WhoCan(asked),
        }) = parsed
        else {
            panic!("{arguments:?}");
        };
        assert_eq!((asked.verb.as_deref(), asked.resource.as_str()), (verb, resource));
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for arguments in [
        "explain alice get",
        "explain sa:shop get secrets",
        "explain sa:/x get secrets",
        "explain alice get secrets -n a -A",
        "who-can",
        "who-can get secrets x",
        "",
    ] {
        let words = ["strongroom", "access"]
            .into_iter()
            .chain(arguments.split_whitespace());
        assert!(
            crate::command_line::parse(words.map(Into::into)).is_err(),
            "{arguments}"
        );
    }
}
