use serde_json::json;
use strongroom_objects::{Object, Value};

use super::*;
use crate::Identity;

fn graph() -> NodeGraph {
    let Value::Object(pod) = json!({
        "metadata": {"name": "p", "namespace": "ns"},
        "spec": {"nodeName": "n", "serviceAccountName": "sa", "volumes": [
            {"secret": {"secretName": "s"}}, {"persistentVolumeClaim": {"claimName": "pvc"}}, {"configMap": {"name": "c"}},
        ]},
    }) else {
        unreachable!("written as an object")
    };
    let mut graph = NodeGraph::default();
    graph.put_pod(&Object::from_value(pod).unwrap());
    graph
}

fn node(name: &str) -> Identity {
    Identity {
        user: format!("system:node:{name}"),
        groups: vec!["system:nodes".to_owned()],
        ..Identity::default()
    }
}

/// A request as `verb group resource/subresource namespace name`, each possibly `-`; `+` allows.
fn check(request: &str, expected: &str) {
    check_selecting(request, None, expected);
}

fn check_selecting(request: &str, field_selector: Option<&str>, expected: &str) {
    let words: Vec<&str> = request
        .split(' ')
        .map(|word| if word == "-" { "" } else { word })
        .collect();
    let (resource, subresource) = words[2].split_once('/').unwrap_or((words[2], ""));
    let user = node("n");
    let attributes = Attributes {
        is_resource_request: true,
        api_group: words[1],
        resource,
        subresource,
        namespace: words[3],
        name: words[4],
        field_selector,
        ..Attributes::for_path(&user, words[0], "")
    };
    let got = match graph().authorize(&attributes) {
        Decision::Allow { reason } => format!("+{reason}"),
        Decision::NoOpinion { reason } | Decision::Deny { reason } => reason,
    };
    assert_eq!(got, expected, "{request}");
}

const UNRELATED: &str = "no relationship found between node 'n' and this object";

#[test]
fn objects_of_pods() {
    check("get - secrets ns s", "+");
    check("list - secrets ns s", "+");
    check("watch - secrets ns s", "+");
    check("get - secrets ns other", UNRELATED);
    check("get - secrets other s", UNRELATED);
    check("get - secrets ns c", UNRELATED);
    check("list - secrets ns -", "No Object name found");
    check(
        "list - secrets - -",
        "can only read namespaced object of this type",
    );
    check("update - secrets ns s", "can only read resources of this type");
    check("get - secrets/status ns s", "cannot read subresource");
    check("get - configmaps ns c", "+");
    check("get - persistentvolumeclaims ns pvc", "+");
    check(
        "list - persistentvolumeclaims ns pvc",
        "can only get individual resources of this type",
    );
    check("patch - persistentvolumeclaims/status ns pvc", "+");
    check(
        "delete - persistentvolumeclaims/status ns pvc",
        "can only get/update/patch this type",
    );
    check("get - persistentvolumes - pv", UNRELATED);
    check("get resource.k8s.io resourceclaims ns r", UNRELATED);
}

#[test]
fn service_accounts_and_tokens() {
    check("get - serviceaccounts ns sa", "+");
    check("get - serviceaccounts ns other", UNRELATED);
    check("create - serviceaccounts/token ns sa", "+");
    check("create - serviceaccounts/token ns other", UNRELATED);
    check(
        "create - serviceaccounts/token ns -",
        "can only create tokens for individual service accounts",
    );
    check(
        "create - serviceaccounts/x ns sa",
        "can only create token subresource of serviceaccount",
    );
    check(
        "list - serviceaccounts ns sa",
        "can only create tokens for individual service accounts",
    );
}

#[test]
fn pods_nodes_and_leases() {
    check("get - pods ns p", "+");
    check("get - pods ns other", UNRELATED);
    check(
        "list - pods - -",
        "can only list/watch pods with spec.nodeName field selector",
    );
    check_selecting("list - pods - -", Some("spec.nodeName=n"), "+");
    let refused = "can only list/watch pods with spec.nodeName field selector";
    check_selecting("watch - pods - -", Some("spec.nodeName=m"), refused);
    check_selecting("watch - pods - -", Some("spec.nodeName!=n"), refused);
    check("create - pods ns -", "+");
    check("patch - pods/status ns p", "+");
    check("update - pods ns p", "");
    check("create - pods/exec ns p", "");
    check("get - nodes - n", "+");
    check("list - nodes - n", "+");
    check(
        "get - nodes - m",
        "node 'n' cannot read 'm', only its own Node object",
    );
    check(
        "list - nodes - -",
        "node 'n' cannot read all nodes, only its own Node object",
    );
    check("create - nodes - -", "+");
    check("patch - nodes/status - n", "+");
    check("delete - nodes - n", "");
    check("update coordination.k8s.io leases kube-node-lease n", "+");
    check("create coordination.k8s.io leases kube-node-lease -", "+");
    check(
        "get coordination.k8s.io leases kube-node-lease m",
        "can only access node lease with the same name as the requesting node",
    );
    check(
        "get coordination.k8s.io leases ns n",
        "can only access leases in the \"kube-node-lease\" system namespace",
    );
}

#[test]
fn everything_else_by_static_rules() {
    check("list - services - -", "+");
    check("create - events ns -", "+");
    check("create authentication.k8s.io tokenreviews - -", "+");
    check("list node.k8s.io runtimeclasses - -", "+");
    check("get - endpoints ns e", "+");
    check("delete - events ns e", "");
    check("get rbac.authorization.k8s.io roles ns r", "");
}

#[test]
fn only_nodes_get_an_opinion() {
    let nameless = node("");
    let mut impostor = node("n");
    impostor.groups.clear();
    let expected = [
        (&nameless, "unknown node for user \"system:node:\""),
        (&impostor, ""),
    ];
    for (user, expected) in expected {
        let attributes = Attributes {
            is_resource_request: true,
            resource: "secrets",
            namespace: "ns",
            name: "s",
            ..Attributes::for_path(user, "get", "")
        };
        let reason = expected.to_owned();
        assert_eq!(graph().authorize(&attributes), Decision::NoOpinion { reason });
    }
}
