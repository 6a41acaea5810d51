use super::super::Role;
use super::*;

/// `alice` may get and list the Secret `db` in `shop`, and everything about pods there; everybody may list
/// namespaces; one binding leads nowhere.
fn policy() -> Policy {
    let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let rule = |verbs: &str, resources: &str, names: &[&str]| PolicyRule {
        verbs: list(verbs),
        api_groups: vec![String::new()],
        resources: list(resources),
        resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..PolicyRule::default()
    };
    let mut policy = Policy::default();
    policy.put_role(Role {
        namespace: "shop".to_owned(),
        name: "reader".to_owned(),
        rules: vec![rule("get list", "secrets", &["db"]), rule("*", "pods", &[])],
        ..Role::default()
    });
    policy.put_role(Role {
        name: "everybody".to_owned(),
        rules: vec![rule("list", "namespaces", &[])],
        ..Role::default()
    });
    for (namespace, name, kind, role, subject) in [
        ("shop", "readers", "Role", "reader", ("User", "alice")),
        (
            "",
            "everybody",
            "ClusterRole",
            "everybody",
            ("Group", "system:authenticated"),
        ),
        ("shop", "old", "Role", "gone", ("User", "alice")),
    ] {
        policy.put_binding(Binding {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            role_ref: RoleRef {
                kind: kind.to_owned(),
                name: role.to_owned(),
                ..RoleRef::default()
            },
            subjects: vec![Subject {
                kind: subject.0.to_owned(),
                name: subject.1.to_owned(),
                ..Subject::default()
            }],
            ..Binding::default()
        });
    }
    policy
}

/// A request as `verb resource/subresource namespace name`, each possibly `-`.
fn explain(request: &str) -> Explanation {
    let alice = Identity {
        user: "alice".to_owned(),
        groups: vec!["system:authenticated".to_owned()],
        ..Identity::default()
    };
    let words: Vec<&str> = request.split(' ').map(|word| word.trim_matches('-')).collect();
    let (resource, subresource) = words[1].split_once('/').unwrap_or((words[1], ""));
    policy().explain(&Attributes {
        is_resource_request: true,
        resource,
        subresource,
        namespace: words[2],
        name: words[3],
        ..Attributes::for_path(&alice, words[0], "")
    })
}

#[test]
fn near_misses_say_what_is_different() {
    let cases: &[(&str, bool, &[Mismatch])] = &[
        ("get secrets shop db", true, &[]),
        ("list namespaces - -", true, &[]),
        ("delete secrets shop db", false, &[Mismatch::Verb]),
        ("get secrets shop other", false, &[Mismatch::ResourceName]),
        ("list secrets shop -", false, &[Mismatch::ResourceName]),
        ("get secrets elsewhere db", false, &[Mismatch::Namespace]),
        ("get pods/log shop p", false, &[Mismatch::Subresource]),
        ("get nodes shop n", false, &[]),
        ("delete secrets elsewhere db", false, &[]),
    ];
    for (request, allowed, expected) in cases {
        let explanation = explain(request);
        let got: Vec<Mismatch> = explanation.near_misses.iter().map(|miss| miss.mismatch).collect();
        assert_eq!(
            (explanation.is_allowed(), got.as_slice()),
            (*allowed, *expected),
            "{request}"
        );
    }
}

#[test]
fn explanations_read_well() {
    assert_eq!(
        explain("get secrets shop db").to_string(),
        r#"yes: get secrets/db in namespace shop as "alice"
  allowed as User "alice" by RoleBinding "readers" in namespace shop, which gives Role "reader": {APIGroups:[""], Resources:["secrets"], ResourceNames:["db"], Verbs:["get" "list"]}
  a binding of this user leads nowhere: role.rbac.authorization.k8s.io "gone" not found
"#
    );
    assert_eq!(
        explain("get secrets elsewhere db").to_string(),
        r#"no: get secrets/db in namespace elsewhere as "alice"
  close: User "alice" by RoleBinding "readers" in namespace shop, which gives Role "reader": {APIGroups:[""], Resources:["secrets"], ResourceNames:["db"], Verbs:["get" "list"]}; but only there
"#
    );
    let nothing = explain("get nodes - n").to_string();
    assert!(nothing.contains("nothing that comes near"), "{nothing}");
}

#[test]
fn who_can_names_everybody() {
    let who = |verb, resource, namespace, name| {
        let grants = policy().who_can(verb, "", resource, "", namespace, name);
        grants
            .into_iter()
            .map(|grant| grant.subject.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(who("get", "secrets", "shop", "db"), ["alice"]);
    assert!(who("get", "secrets", "shop", "").is_empty());
    assert!(who("get", "secrets", "", "db").is_empty());
    assert_eq!(who("list", "namespaces", "shop", ""), ["system:authenticated"]);
}
