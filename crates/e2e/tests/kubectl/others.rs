//! Namespaces, config maps, service accounts, events, leases, raw requests.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{Session, with_every_kubectl};

with_every_kubectl!(
    namespaces,
    config_maps_and_accounts,
    events_and_leases,
    raw_requests
);

fn namespaces(mut session: Session) {
    session.prints("create namespace team", "namespace/team created");
    session.ok("create secret generic s -n team --from-literal=a=b");
    session.ok("create configmap c -n team --from-literal=a=b");
    session.ok("config set-context --current --namespace=team");
    session.prints("get secrets -o name", "secret/s");
    session.shows("delete namespace team", &["namespace \"team\" deleted"]);
    session.fails("get namespace team", &["namespaces \"team\" not found"]);
    session.ok("config set-context --current --namespace=default");
    session.ok("create namespace team");
    session.prints(
        "get secrets,cm -n team -o name --field-selector metadata.name!=kube-root-ca.crt",
        "",
    );
    session.fails("delete namespace default", &["Error from server (Forbidden): namespaces \"default\" is forbidden: this namespace may not be deleted"]);
    session.fails("create namespace Bad", &["The Namespace \"Bad\" is invalid: metadata.name: Invalid value: \"Bad\": a lowercase RFC 1123 label must consist of"]);
    session.finish();
}

fn config_maps_and_accounts(mut session: Session) {
    session.kubectl.file("binary", [0, 1, 2, 255]);
    session.kubectl.file("text", "plain\n");
    session.prints(
        "create configmap c --from-literal=a=b --from-file=binary --from-file=text",
        "configmap/c created",
    );
    let got = session.json("get cm c -o json");
    session.check.has(
        "config map",
        &got,
        json!({"data": {"a": "b", "text": "plain\n"}, "binaryData": {"binary": "AAEC/w=="}}),
    );
    session.shows("describe cm c", &["Name:         c", "a:\n----\nb"]);
    if session.kubectl.minor() >= 23 {
        session.shows("describe cm c", &["BinaryData\n====\nbinary: 4 bytes"]);
    }
    session.shows("get cm c", &["DATA", "3"]);
    session.prints("create serviceaccount robot", "serviceaccount/robot created");
    session.ok_words(&[
        "patch",
        "serviceaccount",
        "default",
        "-p",
        r#"{"imagePullSecrets": [{"name": "my-image-pull-secret"}]}"#,
    ]);
    session.prints(
        "get sa default -o jsonpath={.imagePullSecrets[0].name}",
        "my-image-pull-secret",
    );
    session.shows("describe sa default", &["my-image-pull-secret"]);
    session.shows("delete sa robot", &["serviceaccount \"robot\" deleted"]);
    session.shows("delete cm c", &["configmap \"c\" deleted"]);
    session.finish();
}

fn events_and_leases(mut session: Session) {
    session.ok("create secret generic s");
    let uid = session.ok("get secret s -o jsonpath={.metadata.uid}");
    session.kubectl.file("event.yaml", format!("apiVersion: v1\nkind: Event\nmetadata:\n  name: e\ninvolvedObject:\n  kind: Secret\n  apiVersion: v1\n  name: s\n  namespace: default\n  uid: {uid}\nreason: Noticed\nmessage: it was seen\ntype: Normal\nsource:\n  component: e2e\nfirstTimestamp: \"2024-01-02T03:04:05Z\"\nlastTimestamp: \"2024-01-02T03:04:05Z\"\ncount: 3\n"));
    session.ok("create -f event.yaml");
    session.shows(
        "get events",
        &[
            "LAST SEEN",
            "TYPE",
            "REASON",
            "OBJECT",
            "MESSAGE",
            "Noticed",
            "secret/s",
            "it was seen",
        ],
    );
    session.shows("get events -o wide", &["SOURCE", "e2e"]);
    session.shows("get events --field-selector involvedObject.name=s", &["Noticed"]);
    if session.kubectl.minor() >= 26 {
        session.shows("events", &["Noticed"]);
        session.shows("events --for secret/s", &["Noticed"]);
    }
    session.kubectl.file("lease.yaml", "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata:\n  name: l\nspec:\n  holderIdentity: me\n  leaseDurationSeconds: 15\n");
    session.prints("apply -f lease.yaml", "lease.coordination.k8s.io/l created");
    session.shows("get leases", &["HOLDER", "me"]);
    session.shows("get svc", &["kubernetes", "ClusterIP", "443/TCP"]);
    session.finish();
}

fn raw_requests(mut session: Session) {
    let created = session.ok_input(
        "create --raw /api/v1/namespaces/default/configmaps -f -",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"raw"},"data":{"a":"b"}}"#,
    );
    session
        .check
        .that(created.contains("\"uid\":"), || created.clone());
    let replaced = session.ok_input(
        "replace --raw /api/v1/namespaces/default/configmaps/raw -f -",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"raw"},"data":{"a":"c"}}"#,
    );
    session
        .check
        .that(replaced.contains("\"uid\":"), || replaced.clone());
    session.shows(
        "get --raw /api/v1/namespaces/default/configmaps/raw",
        &["\"a\":\"c\""],
    );
    session.shows(
        "delete --raw /api/v1/namespaces/default/configmaps/raw",
        &["Success"],
    );
    session.fails(
        "get --raw /api/v1/namespaces/default/configmaps/raw",
        &["not found"],
    );
    let mut proxy = session.kubectl.spawn(&["proxy", "--port=0"], "proxy");
    let start = Instant::now();
    let mut address = None;
    while address.is_none() && start.elapsed() < Duration::from_secs(10) {
        let text = std::fs::read_to_string(session.kubectl.home().join("proxy")).unwrap_or_default();
        address = text
            .trim()
            .strip_prefix("Starting to serve on ")
            .map(str::to_owned);
        std::thread::sleep(Duration::from_millis(50));
    }
    let url = format!(
        "http://{}/api/v1/namespaces/default/secrets",
        address.unwrap_or_default()
    );
    let output = std::process::Command::new("curl")
        .args(["-sS", "--max-time", "10", &url])
        .output()
        .expect("curl");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    session.check.that(text.contains("\"kind\": \"SecretList\""), || {
        format!("through kubectl proxy: {text}")
    });
    let _ = proxy.kill();
    let _ = proxy.wait();
    session.finish();
}
