//! How long a decision takes in a large cluster, and how much memory what it needs takes.
//!
//! `cargo run --release -p strongroom-access --example decision_speed`

use std::hint::black_box;
use std::time::Instant;

use serde_json::json;
use strongroom_access::node::NodeGraph;
use strongroom_access::rbac::{Binding, Policy, PolicyRule, Role, RoleRef, Subject};
use strongroom_access::{Attributes, Decision, Identity};
use strongroom_objects::{Object, Value};

const ROLES: usize = 1_000;
const BINDINGS: usize = 10_000;
const NODES: usize = 5_000;
const PODS_PER_NODE: usize = 30;
const DECISIONS: usize = 200_000;

fn main() {
    let before = resident_kibibytes();
    let policy = policy();
    println!(
        "{ROLES} roles, {BINDINGS} bindings: {} MiB",
        (resident_kibibytes() - before) / 1024
    );
    decisions_of_policy(&policy);

    let before = resident_kibibytes();
    let start = Instant::now();
    let graph = graph();
    println!(
        "{NODES} nodes, {} pods: {} MiB, built in {:.1?}",
        graph.pods(),
        (resident_kibibytes() - before) / 1024,
        start.elapsed()
    );
    decisions_of_graph(&graph);
}

fn policy() -> Policy {
    let mut policy = Policy::default();
    for number in 0..ROLES {
        let rules = (0..10).map(|rule| PolicyRule {
            verbs: words(&["get", "list", "watch"]),
            api_groups: words(&["", "apps"]),
            resources: vec![
                "pods".to_owned(),
                "configmaps".to_owned(),
                format!("things{rule}"),
            ],
            ..PolicyRule::default()
        });
        let secrets = PolicyRule {
            verbs: words(&["get"]),
            api_groups: words(&[""]),
            resources: words(&["secrets"]),
            ..PolicyRule::default()
        };
        policy.put_role(Role {
            name: format!("role-{number}"),
            rules: rules.chain([secrets]).collect(),
            ..Role::default()
        });
    }
    for number in 0..BINDINGS {
        let (kind, name) = if number % 2 == 0 {
            ("User", format!("user-{}", number % 2_000))
        } else {
            ("Group", format!("group-{}", number % 200))
        };
        policy.put_binding(Binding {
            namespace: if number % 10 == 0 {
                String::new()
            } else {
                format!("namespace-{}", number % 97)
            },
            name: format!("binding-{number}"),
            role_ref: RoleRef {
                kind: "ClusterRole".to_owned(),
                name: format!("role-{}", number % ROLES),
                ..RoleRef::default()
            },
            subjects: vec![Subject {
                kind: kind.to_owned(),
                name,
                ..Subject::default()
            }],
            ..Binding::default()
        });
    }
    policy
}

fn decisions_of_policy(policy: &Policy) {
    let users: Vec<Identity> = (0..2_000)
        .map(|number| Identity {
            user: format!("user-{number}"),
            groups: vec![
                format!("group-{}", number % 200),
                "developers".to_owned(),
                "system:authenticated".to_owned(),
            ],
            ..Identity::default()
        })
        .collect();
    let namespaces: Vec<String> = (0..97).map(|number| format!("namespace-{number}")).collect();
    for (verb, what) in [
        ("get", "reading secrets"),
        ("delete", "deleting secrets (never allowed)"),
    ] {
        report(&format!("policy, {what}"), |number| {
            let attributes = Attributes {
                is_resource_request: true,
                namespace: &namespaces[number % 97],
                resource: "secrets",
                name: "s",
                ..Attributes::for_path(&users[number % 2_000], verb, "")
            };
            policy.authorize(&attributes)
        });
    }
}

fn graph() -> NodeGraph {
    let mut graph = NodeGraph::default();
    for number in 0..NODES * PODS_PER_NODE {
        graph.put_pod(&pod(number));
    }
    graph
}

fn pod(number: usize) -> Object {
    let Value::Object(pod) = json!({
        "metadata": {"name": format!("deployment-{}-5d4f8c7b9-x{number}", number % 999), "namespace": namespace(number)},
        "spec": {
            "nodeName": format!("node-{}", number % NODES),
            "serviceAccountName": format!("account-{}", number % 7),
            "imagePullSecrets": [{"name": "registry"}],
            "containers": [{"name": "c", "envFrom": [{"secretRef": {"name": format!("environment-{}", number % 50)}}]}],
            "volumes": [
                {"name": "s", "secret": {"secretName": secret(number)}},
                {"name": "c", "configMap": {"name": format!("settings-{}", number % 100)}},
                {"name": "t", "projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}]}},
            ],
        },
    }) else {
        unreachable!("written as an object")
    };
    Object::from_value(pod).expect("a pod")
}

fn namespace(number: usize) -> String {
    format!("namespace-{}", number % 500)
}

fn secret(number: usize) -> String {
    format!("secret-{number}")
}

fn decisions_of_graph(graph: &NodeGraph) {
    let nodes: Vec<Identity> = (0..NODES)
        .map(|number| Identity {
            user: format!("system:node:node-{number}"),
            groups: vec!["system:nodes".to_owned(), "system:authenticated".to_owned()],
            ..Identity::default()
        })
        .collect();
    let names: Vec<(String, String)> = (0..NODES)
        .map(|number| (namespace(number), secret(number)))
        .collect();
    for (shift, what) in [(0, "own secrets"), (1, "secrets of another node")] {
        report(&format!("graph, {what}"), |number| {
            let (namespace, name) = &names[number % NODES];
            let attributes = Attributes {
                is_resource_request: true,
                namespace,
                resource: "secrets",
                name,
                ..Attributes::for_path(&nodes[(number + shift) % NODES], "get", "")
            };
            graph.authorize(&attributes)
        });
    }
}

fn report(what: &str, decide: impl Fn(usize) -> Decision) {
    let mut allowed = 0;
    let mut times: Vec<u128> = (0..DECISIONS)
        .map(|number| {
            let start = Instant::now();
            let decision = black_box(decide(black_box(number)));
            let time = start.elapsed().as_nanos();
            allowed += usize::from(matches!(decision, Decision::Allow { .. }));
            time
        })
        .collect();
    times.sort_unstable();
    println!(
        "  {what}: median {} ns, 99 % {} ns; {} % allowed",
        times[DECISIONS / 2],
        times[DECISIONS * 99 / 100],
        allowed * 100 / DECISIONS
    );
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

fn resident_kibibytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default()
}
