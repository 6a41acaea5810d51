//! Who may do what by default, as a committed table. After a wanted change of the default roles run with
//! `STRONGROOM_WRITE_TABLES=1` and review the difference.

use std::fmt::Write as _;
use std::path::Path;

use strongroom_access::node::NodeGraph;
use strongroom_access::rbac::{Binding, Policy, Role, RoleRef, Subject};
use strongroom_access::{Attributes, Decision, Identity, decide, defaults};

const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

/// Group and resource with its subresource.
const RESOURCES: &[(&str, &str)] = &[
    ("", "secrets"),
    ("", "configmaps"),
    ("", "serviceaccounts"),
    ("", "serviceaccounts/token"),
    ("", "events"),
    ("", "namespaces"),
    ("", "nodes"),
    ("", "pods"),
    ("", "pods/exec"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
];

const PATHS: &[&str] = &[
    "/",
    "/api",
    "/apis/apps/v1",
    "/openapi/v3",
    "/version",
    "/healthz",
    "/livez/ping",
    "/metrics",
    "/debug/pprof",
    "/.well-known/openid-configuration",
    "/openid/v1/jwks",
];

/// The defaults and nothing else.
fn policy() -> Policy {
    let mut policy = Policy::default();
    for object in defaults::objects() {
        if object.kind.ends_with("Binding") {
            policy.put_binding(Binding::from_object(&object).unwrap());
        } else {
            policy.put_role(Role::from_object(&object).unwrap());
        }
    }
    policy
}

fn may(policy: &Policy, attributes: &Attributes<'_>) -> bool {
    matches!(
        decide(policy, &NodeGraph::default(), attributes),
        Decision::Allow { .. }
    )
}

/// What one user may do in one place, a line for each resource with any verb.
fn rights(policy: &Policy, user: &Identity, namespace: &str) -> String {
    let mut out = String::new();
    for (group, resource) in RESOURCES {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let verbs: Vec<&str> = VERBS
            .iter()
            .copied()
            .filter(|verb| {
                let attributes = Attributes {
                    is_resource_request: true,
                    namespace,
                    api_group: group,
                    resource,
                    subresource,
                    ..Attributes::for_path(user, verb, "")
                };
                may(policy, &attributes)
            })
            .collect();
        if !verbs.is_empty() {
            let slash = if subresource.is_empty() { "" } else { "/" };
            let _ = writeln!(
                out,
                "  {:<28} {}",
                format!("{resource}{slash}{subresource}"),
                in_words(&verbs)
            );
        }
    }
    for path in PATHS {
        if may(policy, &Attributes::for_path(user, "get", path)) {
            let _ = writeln!(out, "  {path:<28} get");
        }
    }
    if out.is_empty() {
        out.push_str("  nothing\n");
    }
    out
}

fn in_words(verbs: &[&str]) -> String {
    if verbs == VERBS {
        return "everything".to_owned();
    }
    verbs.join(" ")
}

/// The rights of one user in several places; places with the same rights stand together.
fn by_place(out: &mut String, name: &str, places: &[(&str, String)]) {
    let mut seen: Vec<&str> = Vec::new();
    for (_, rights) in places {
        if seen.contains(&rights.as_str()) {
            continue;
        }
        seen.push(rights);
        let same = places
            .iter()
            .filter(|(_, other)| other == rights)
            .map(|(place, _)| *place);
        let _ = write!(
            out,
            "\n{name} in {}\n{rights}",
            same.collect::<Vec<_>>().join(", ")
        );
    }
}

fn user(name: &str, groups: &[&str]) -> Identity {
    Identity {
        user: name.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..Identity::default()
    }
}

fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/who_may")
        .join(name);
    if std::env::var_os("STRONGROOM_WRITE_TABLES").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{} is not what the default roles say; STRONGROOM_WRITE_TABLES=1 rewrites it. It should be:\n{actual}",
        path.display()
    );
}

/// What each ClusterRole gives when it is bound in a namespace, and when it is bound cluster-wide.
#[test]
fn by_role() {
    let mut out = String::from(
        "# What each default ClusterRole allows to whom it is bound, on what matters for Secrets.\n",
    );
    let roles: Vec<Role> = policy()
        .roles()
        .filter(|role| role.namespace.is_empty())
        .cloned()
        .collect();
    let someone = user("someone", &[]);
    for role in &roles {
        let places = [("a namespace", "ns"), ("the cluster", "")].map(|(place, namespace)| {
            let mut policy = Policy::default();
            policy.put_role(role.clone());
            policy.put_binding(Binding {
                namespace: namespace.to_owned(),
                name: "b".to_owned(),
                role_ref: RoleRef {
                    kind: "ClusterRole".to_owned(),
                    name: role.name.clone(),
                    ..RoleRef::default()
                },
                subjects: vec![Subject {
                    kind: "User".to_owned(),
                    name: someone.user.clone(),
                    ..Subject::default()
                }],
                ..Binding::default()
            });
            (place, rights(&policy, &someone, namespace))
        });
        by_place(&mut out, &role.name, &places);
    }
    check("roles.txt", &out);
}

/// What well-known callers may do in a new cluster.
#[test]
fn by_caller() {
    const AUTHENTICATED: &str = "system:authenticated";
    let account = |namespace: &str, name: &str| {
        let groups = [
            "system:serviceaccounts",
            &format!("system:serviceaccounts:{namespace}"),
            AUTHENTICATED,
        ];
        user(&format!("system:serviceaccount:{namespace}:{name}"), &groups)
    };
    let callers = [
        Identity::anonymous(),
        user("alice", &[AUTHENTICATED]),
        user("root", &["system:masters", AUTHENTICATED]),
        user("prometheus", &["system:monitoring", AUTHENTICATED]),
        user("system:node:n1", &["system:nodes", AUTHENTICATED]),
        user("system:node:impostor", &[AUTHENTICATED]),
        user("system:kube-controller-manager", &[AUTHENTICATED]),
        user("system:kube-scheduler", &[AUTHENTICATED]),
        user("system:kube-proxy", &[AUTHENTICATED]),
        account("shop", "default"),
        account("kube-system", "token-cleaner"),
        account("kube-system", "bootstrap-signer"),
        account("kube-system", "legacy-service-account-token-cleaner"),
        account("kube-system", "service-account-controller"),
        account("kube-system", "root-ca-cert-publisher"),
        account("kube-system", "generic-garbage-collector"),
        account("kube-system", "namespace-controller"),
    ];
    let policy = policy();
    let mut out = String::from("# What well-known callers may do in a new cluster.\n");
    for caller in &callers {
        let places =
            ["shop", "kube-system", "kube-public"].map(|place| (place, rights(&policy, caller, place)));
        by_place(&mut out, &caller.user, &places);
    }
    check("callers.txt", &out);
}
