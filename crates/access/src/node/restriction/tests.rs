use serde_json::json;

use super::*;

fn object(value: Value) -> Object {
    let Value::Object(map) = value else {
        unreachable!("written as an object")
    };
    Object::from_value(map).unwrap()
}

/// A write of node `n` as `verb group resource/subresource namespace name`; nothing is allowed.
fn check(write: &str, [object, old, pod]: [Option<Value>; 3], expected: &str) {
    let words: Vec<&str> = write
        .split(' ')
        .map(|word| if word == "-" { "" } else { word })
        .collect();
    let (resource, subresource) = words[2].split_once('/').unwrap_or((words[2], ""));
    let [new, old, pod] = [object, old, pod].map(|value| value.map(self::object));
    let write = NodeWrite {
        verb: words[0],
        api_group: words[1],
        resource,
        subresource,
        namespace: words[3],
        name: words[4],
        object: new.as_ref(),
        old: old.as_ref(),
        pod: pod.as_ref(),
    };
    let got = restrict("n", &write).map_or_else(|error| error.to_string(), |()| String::new());
    assert_eq!(got, expected, "{words:?}");
}

#[test]
fn nodes_change_themselves_within_limits() {
    let node =
        |labels: Value, spec: Value| Some(json!({"metadata": {"name": "n", "labels": labels}, "spec": spec}));
    let plain = || node(json!({}), json!({}));
    check(
        "update - nodes - m",
        [plain(), plain(), None],
        "node \"n\" is not allowed to modify node \"m\"",
    );
    let own =
        json!({"kubernetes.io/os": "linux", "a": "b", "x.node.kubernetes.io/y": "", "example.com/z": ""});
    check("create - nodes - -", [node(own, json!({})), None, None], "");
    let foreign = json!({"node-restriction.kubernetes.io/a": "", "kubernetes.io/role": "", "x.k8s.io/b": ""});
    check(
        "create - nodes - -",
        [node(foreign.clone(), json!({})), None, None],
        "node \"n\" is not allowed to set the following labels: kubernetes.io/role, node-restriction.kubernetes.io/a, \
         x.k8s.io/b",
    );
    check(
        "patch - nodes - n",
        [
            node(foreign.clone(), json!({})),
            node(foreign.clone(), json!({})),
            None,
        ],
        "",
    );
    check(
        "patch - nodes - n",
        [plain(), node(foreign, json!({})), None],
        "node \"n\" is not allowed to modify labels: kubernetes.io/role, node-restriction.kubernetes.io/a, x.k8s.io/b",
    );
    let tainted = node(json!({}), json!({"taints": [{"key": "k"}]}));
    check(
        "update - nodes/status - n",
        [plain(), tainted, None],
        "node \"n\" is not allowed to modify taints",
    );
    let owned = Some(json!({"metadata": {"name": "n", "ownerReferences": [{"name": "o"}]}}));
    check(
        "update - nodes - n",
        [owned, plain(), None],
        "node \"n\" is not allowed to modify ownerReferences",
    );
}

#[test]
fn nodes_make_mirror_pods_only() {
    let mirror = |node: &str, spec: Value| {
        let mut pod =
            json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}, "spec": spec});
        pod["spec"]["nodeName"] = node.into();
        Some(pod)
    };
    check("create - pods ns -", [mirror("n", json!({})), None, None], "");
    check(
        "create - pods ns -",
        [Some(json!({"spec": {"nodeName": "n"}})), None, None],
        "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n\" can only create mirror pods",
    );
    let elsewhere = "node \"n\" can only create pods with spec.nodeName set to itself";
    check(
        "create - pods ns -",
        [mirror("m", json!({})), None, None],
        elsewhere,
    );
    let using = mirror("n", json!({"volumes": [{"secret": {"secretName": "s"}}]}));
    check(
        "create - pods ns -",
        [using, None, None],
        "node \"n\" can not create pods that reference secrets",
    );
    let mut owned = mirror("n", json!({})).unwrap();
    owned["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Node", "name": "m"}]);
    let other_owner = "node \"n\" can only create pods with an owner reference set to itself";
    check("create - pods ns -", [Some(owned), None, None], other_owner);
    let updated = "unexpected operation \"UPDATE\", node \"n\" can only create and delete mirror pods";
    check(
        "update - pods ns p",
        [mirror("n", json!({})), mirror("n", json!({})), None],
        updated,
    );
}

#[test]
fn nodes_touch_their_own_pods_only() {
    let pod = |node: &str, label: &str| {
        Some(json!({"metadata": {"labels": {"a": label}}, "spec": {"nodeName": node}}))
    };
    check("delete - pods ns p", [None, pod("n", ""), None], "");
    check(
        "delete - pods ns p",
        [None, pod("m", ""), None],
        "node \"n\" can only delete pods with spec.nodeName set to itself",
    );
    check("patch - pods/status ns p", [pod("n", ""), pod("n", ""), None], "");
    check(
        "patch - pods/status ns p",
        [pod("m", ""), pod("m", ""), None],
        "node \"n\" can only update pod status for pods with spec.nodeName set to itself",
    );
    check(
        "patch - pods/status ns p",
        [pod("n", "1"), pod("n", "2"), None],
        "node \"n\" cannot update labels through pod status",
    );
    check(
        "create - pods/eviction ns p",
        [None, None, pod("m", "")],
        "node \"n\" can only evict pods with spec.nodeName set to itself",
    );
}

#[test]
fn tokens_are_for_pods_that_want_them() {
    let request = |reference: Value, audiences: Value| {
        Some(json!({"spec": {"boundObjectRef": reference, "audiences": audiences}}))
    };
    let reference = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"});
    let pod = |node: &str| {
        let sources = json!([{"serviceAccountToken": {"audience": "vault"}}, {"serviceAccountToken": {}}]);
        let volumes = json!([{"projected": {"sources": sources}}]);
        Some(json!({"metadata": {"uid": "u"}, "spec": {"nodeName": node, "volumes": volumes}}))
    };
    let write = "create - serviceaccounts/token ns sa";
    let cases = [
        (reference.clone(), json!(["vault"]), pod("n"), ""),
        (reference.clone(), json!([]), pod("n"), ""),
        (
            json!(null),
            json!([]),
            pod("n"),
            "node requested token not bound to a pod",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "name": "p"}),
            json!([]),
            pod("n"),
            "node requested token with a pod binding without a uid",
        ),
        (
            reference.clone(),
            json!([]),
            pod("m"),
            "node requested token bound to a pod scheduled on a different node",
        ),
        (
            reference.clone(),
            json!(["a", "b"]),
            pod("n"),
            "node may only request 0 or 1 audiences",
        ),
        (
            reference.clone(),
            json!(["a"]),
            pod("n"),
            "audience \"a\" not found in pod spec volume, system:node:n is not authorized to request tokens for this \
             audience",
        ),
        (reference, json!([]), None, "pod \"p\" not found"),
    ];
    for (reference, audiences, pod, expected) in cases {
        check(write, [request(reference, audiences), None, pod], expected);
    }
}

#[test]
fn leases_and_the_rest() {
    let lease = || Some(json!({"metadata": {"name": "n"}}));
    check(
        "create coordination.k8s.io leases kube-node-lease -",
        [lease(), None, None],
        "",
    );
    check(
        "update coordination.k8s.io leases kube-node-lease m",
        [lease(), None, None],
        "can only access node lease with the same name as the requesting node",
    );
    check("create - events ns -", [lease(), None, None], "");
    let write = NodeWrite {
        verb: "create",
        api_group: "",
        resource: "events",
        subresource: "",
        namespace: "",
        name: "",
        object: None,
        old: None,
        pod: None,
    };
    let error = restrict("", &write).unwrap_err().to_string();
    assert_eq!(error, "could not determine node from user \"system:node:\"");
}

#[test]
fn certificates_are_for_the_node_itself() {
    let request = |name: &str| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().unwrap();
        STANDARD.encode(params.serialize_request(&key).unwrap().pem().unwrap())
    };
    let cases = [
        ("kubelet-serving", request("system:node:n"), ""),
        ("kube-apiserver-client-kubelet", request("system:node:n"), ""),
        ("kube-apiserver-client", request("alice"), ""),
        (
            "kubelet-serving",
            request("system:node:m"),
            "can only create a node CSR with CN=system:node:n",
        ),
        (
            "kube-apiserver-client-kubelet",
            request("n"),
            "can only create a node CSR with CN=system:node:n",
        ),
        (
            "kube-apiserver-client-kubelet",
            String::new(),
            "unable to parse csr: PEM block type must be CERTIFICATE REQUEST",
        ),
    ];
    for (signer, request, expected) in cases {
        let object = json!({"spec": {"signerName": format!("kubernetes.io/{signer}"), "request": request}});
        let write = "create certificates.k8s.io certificatesigningrequests - -";
        check(write, [Some(object), None, None], expected);
    }
}
