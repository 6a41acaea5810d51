//! Tokens in pods and what a node may read: checklist §7.1 and §7.2.

use std::process::Command;

use serde_json::{Value, json};

use strongroom_e2e::containers;

use crate::world::{Case, World, sleeping};

const PLACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Checklist §7.1.2.
#[test]
fn an_api_token_is_mounted() {
    let world = World::new("api-token");
    world.kubectl(&["create", "serviceaccount", "mount-test"]);
    world.apply(&sleeping("p", "serviceAccountName: mount-test", ""));
    let pod = world.ready("p");
    let file = |name: &str| world.sh("p", &format!("cat {PLACE}/{name}"));
    assert_eq!(file("namespace"), "api-token");
    let root = world.get("configmaps", "kube-root-ca.crt").expect("it is there");
    assert_eq!(Value::from(file("ca.crt")), root["data"]["ca.crt"]);
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": file("token")}});
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let status = world
        .call(async |client| client.post(path, &review).await)
        .expect(201)["status"]
        .take();
    assert_eq!(status["authenticated"], true, "{status}");
    assert_eq!(status["error"], Value::Null);
    let user = &status["user"];
    assert_eq!(user["username"], "system:serviceaccount:api-token:mount-test");
    for group in [
        "system:authenticated",
        "system:serviceaccounts",
        "system:serviceaccounts:api-token",
    ] {
        assert!(
            user["groups"]
                .as_array()
                .is_some_and(|groups| groups.contains(&json!(group))),
            "{user}"
        );
    }
    let path = format!("/api/v1/nodes/{}", world.pods.node);
    let node = world.call(async |client| client.get(&path).await).expect(200);
    let extra = |key: &str| user["extra"][format!("authentication.kubernetes.io/{key}")].clone();
    assert_eq!(extra("pod-name"), json!(["p"]));
    assert_eq!(extra("pod-uid"), json!([pod["metadata"]["uid"]]));
    assert_eq!(extra("node-name"), json!([world.pods.node]));
    assert_eq!(extra("node-uid"), json!([node["metadata"]["uid"]]));
    let id = extra("credential-id");
    assert!(
        id[0].as_str().is_some_and(|id| id.starts_with("JTI=")) && id[1] == Value::Null,
        "{id}"
    );
    // The token ends with its pod.
    world.kubectl(&["delete", "pod", "p"]);
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    world.until("the token is refused", || {
        let status = world
            .call(async |client| client.post(path, &review).await)
            .expect(201)["status"]
            .take();
        (status["authenticated"] != true).then_some(())
    });
}

/// Checklist §7.1.3.
#[test]
fn a_token_may_be_declined() {
    let world = World::new("opt-out");
    for (account, automount) in [
        ("mount", json!(true)),
        ("nomount", json!(false)),
        ("unset", json!(null)),
    ] {
        let body = json!({"metadata": {"name": account}, "automountServiceAccountToken": automount});
        world.post("serviceaccounts", &body).expect(201);
        for (of_pod, expect) in [
            (json!(null), account != "nomount"),
            (json!(true), true),
            (json!(false), false),
        ] {
            let body = json!({"metadata": {"generateName": "p-"}, "spec": {"serviceAccountName": account, "automountServiceAccountToken": of_pod, "containers": [{"name": "c", "image": "busybox"}]}});
            let path = world.path("pods?dryRun=All");
            let made = world
                .call(async |client| client.post(&path, &body).await)
                .expect(201);
            let mounts = made["spec"]["containers"][0]["volumeMounts"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let mounted = mounts.iter().any(|mount| mount["mountPath"] == PLACE);
            assert_eq!(mounted, expect, "{account} {of_pod}: {mounts:?}");
        }
    }
}

/// Checklist §7.1.4 and §7.1.5.
#[test]
fn projected_tokens_and_their_owners() {
    let world = World::new("token-files");
    world.secret("s", &[("k", "v")]);
    let volume = "volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 7200, audience: vault}}]}}]";
    let case = |name, spec: String, log| Case {
        section: "7.1.5",
        name,
        spec: Box::leak(format!("{spec}{volume}").into_boxed_str()),
        container: "volumeMounts: [{name: v, mountPath: /v}]",
        command: &[
            "stat -L -c '%A %u %g' /v/token; cat /v/token | grep -cE '^([-_A-Za-z0-9]+[.]){2}[-_A-Za-z0-9]+$'; tail -c 1 /v/token | grep -c .",
        ],
        log,
    };
    world.check(&[
        case("neither", String::new(), "-rw-r--r-- 0 0\n1\n1\n"),
        case(
            "user",
            "securityContext: {runAsUser: 1000}\n".to_owned(),
            "-rw------- 1000 0\n1\n1\n",
        ),
        case(
            "group",
            "securityContext: {fsGroup: 10000}\n".to_owned(),
            "-rw-r----- 0 10000\n1\n1\n",
        ),
        case(
            "both",
            "securityContext: {runAsUser: 1000, fsGroup: 10000}\n".to_owned(),
            "-rw-r----- 1000 10000\n1\n1\n",
        ),
    ]);
}

/// Checklist §7.1.8, §7.1.9 in short: what must be there comes back.
#[test]
fn what_every_namespace_has_comes_back() {
    let world = World::new("comes-back");
    world.delete("configmaps/kube-root-ca.crt").expect(200);
    world.until("the ConfigMap", || world.get("configmaps", "kube-root-ca.crt"));
    let body = json!({"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ""}});
    world.put("configmaps/kube-root-ca.crt", &body).expect(200);
    world.until("the certificate", || {
        let map = world.get("configmaps", "kube-root-ca.crt")?;
        (map["data"]["ca.crt"] != "").then_some(())
    });
    world.delete("serviceaccounts").expect(200);
    world.until("the account", || world.get("serviceaccounts", "default"));
}

/// Checklist §7.2.
#[test]
fn a_node_reads_what_its_pods_need() {
    let world = World::new("node-authz");
    world.secret("mine", &[("k", "v")]);
    world.secret("unrelated", &[]);
    world.config_map("unrelated", &[]);
    let node = world.pods.node.clone();
    let client = world.call(async |client| {
        client
            .with_header("impersonate-user", &format!("system:node:{node}"))
            .with_header("impersonate-group", "system:nodes")
    });
    let status = |method: &str, path: &str, body: Value| {
        world.call(async |_| client.request(method, path).json(&body).send().await.status)
    };
    let get = |path: &str| status("GET", &world.path(path), Value::Null);
    assert_eq!(get("secrets/absent"), 403);
    assert_eq!(get("secrets/unrelated"), 403);
    assert_eq!(get("configmaps/absent"), 403);
    assert_eq!(get("configmaps/unrelated"), 403);
    assert_eq!(get("secrets"), 403);
    assert_eq!(get("secrets/mine"), 403);
    let spec = format!("nodeName: {node}\nvolumes: [{{name: v, secret: {{secretName: mine}}}}]");
    world.apply(&sleeping("p", &spec, "volumeMounts: [{name: v, mountPath: /v}]"));
    world.until("the node may", || (get("secrets/mine") == 200).then_some(()));
    assert_eq!(get("secrets/unrelated"), 403);
    world.ready("p");
    world.kubectl(&["delete", "pod", "p"]);
    world.until("the node may no longer", || {
        (get("secrets/mine") == 403).then_some(())
    });
    let body = json!({"metadata": {"name": "foo"}});
    assert_eq!(status("POST", "/api/v1/nodes", body), 403);
    assert_eq!(status("DELETE", "/api/v1/nodes/foo", Value::Null), 403);
}

/// Pods §4.2, checklist §7.1.6 in short: what a client in a pod finds leads it to the server, which it may trust.
#[test]
fn an_in_cluster_client_reaches_the_server() {
    let world = World::new("in-cluster");
    world.apply(&sleeping("p", "enableServiceLinks: false", ""));
    let pod = world.ready("p");
    let variable = |name: &str| world.sh("p", &format!("printf %s ${name}"));
    let (host, port) = (
        variable("KUBERNETES_SERVICE_HOST"),
        variable("KUBERNETES_SERVICE_PORT"),
    );
    assert_eq!(variable("KUBERNETES_SERVICE_PORT_HTTPS"), port);
    assert_eq!(variable("KUBERNETES_PORT"), format!("tcp://{host}:{port}"));
    assert_eq!(variable(&format!("KUBERNETES_PORT_{port}_TCP_PROTO")), "tcp");
    let reached = world.sh("p", &format!("nc -w 5 {host} {port} < /dev/null && echo reached"));
    assert_eq!(reached, "reached\n", "{host}:{port} from the pod's network");
    // busybox has no TLS: the host's curl takes the pod's own files, in the pod's network.
    let scratch = world.pods.server.scratch();
    let file = |name: &str| {
        let path = scratch.join(format!("in-cluster-{name}"));
        std::fs::write(&path, world.sh("p", &format!("cat {PLACE}/{name}"))).expect("a file");
        path
    };
    let token = std::fs::read_to_string(file("token")).expect("text");
    let authority = file("ca.crt");
    let ask = |mut command: Command| {
        command
            .args(["curl", "-sS", "--max-time", "20", "--cacert"])
            .arg(&authority)
            .args(["-H", &format!("Authorization: Bearer {token}")])
            .arg(format!(
                "https://{host}:{port}/api/v1/namespaces/in-cluster/secrets"
            ));
        command.output().expect("curl runs")
    };
    let mut in_pod = Command::new("nsenter");
    in_pod.args(["-n", "-t", &process_of(&pod), "--"]);
    let output = ask(in_pod);
    let reply: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(
        reply["message"],
        "secrets is forbidden: User \"system:serviceaccount:in-cluster:default\" cannot list resource \"secrets\" in API group \"\" in the namespace \"in-cluster\""
    );
    // The way is for pods; a server on the loopback address is not opened to the network by it.
    assert!(!ask(Command::new("env")).status.success());
}

/// The process of the first container of a pod.
fn process_of(pod: &Value) -> String {
    let id = pod["status"]["containerStatuses"][0]["containerID"]
        .as_str()
        .expect("an id");
    let id = id.trim_start_matches("containerd://");
    let output = containers()
        .containerd
        .ctr(&["tasks", "list"])
        .output()
        .expect("ctr runs");
    let list = String::from_utf8_lossy(&output.stdout);
    let line = list.lines().find(|line| line.starts_with(id)).expect("a task");
    line.split_whitespace().nth(1).expect("a process").to_owned()
}
