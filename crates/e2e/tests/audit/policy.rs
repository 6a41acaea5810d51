//! What is recorded of which requests (§10.1).

use std::path::PathBuf;

use serde_json::{Value, json};
use strongroom_e2e::{Check, Kubectl, Options, Random, Scanner, Server};

use crate::{SECRETS, files_of, records, with_id};

const TOP: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";

struct PolicyFile {
    directory: tempfile::TempDir,
}

impl PolicyFile {
    fn new(text: &str) -> PolicyFile {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("policy.yaml"), text).expect("a file");
        PolicyFile { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("policy.yaml")
    }

    fn options(&self) -> Options {
        Options::with_arguments(&["--audit-policy-file", &self.path().display().to_string()])
    }
}

const RULES: &str = "omitStages: [RequestReceived]
rules:
- {level: None, users: [strongroom-admin], nonResourceURLs: ['/version*', /healthz]}
- level: None
  verbs: [get]
  resources: [{group: '', resources: [configmaps], resourceNames: [quiet]}]
- {level: Request, namespaces: [loud], resources: [{group: '', resources: [configmaps]}], omitManagedFields: true}
- {level: RequestResponse, resources: [{group: '', resources: [configmaps]}]}
- {level: Metadata, resources: [{group: '', resources: [secrets]}], omitStages: [ResponseStarted]}
- {level: Metadata, userGroups: ['system:unauthenticated']}
- {level: Metadata, resources: [{group: coordination.k8s.io}], omitStages: [ResponseComplete]}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn levels_and_stages() {
    let policy = PolicyFile::new(&format!("{TOP}{RULES}"));
    let server = Server::start_with(policy.options());
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let maps = "/api/v1/namespaces/default/configmaps";
    admin
        .post("/api/v1/namespaces", &json!({"metadata": {"name": "loud"}}))
        .await
        .expect(201);
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}});
    let send = async |id: &str, method: &str, path: &str, body: Option<Value>| {
        let request = admin.request(method, path).header("audit-id", id);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await
    };
    send("none-path", "GET", "/version", None).await;
    send("none-name", "GET", &format!("{maps}/quiet"), None).await;
    send("none-left", "GET", "/apis", None).await;
    send("none-stage", "GET", "/apis/coordination.k8s.io/v1/leases", None).await;
    send("response", "POST", maps, Some(map("c"))).await.expect(201);
    send(
        "request",
        "POST",
        "/api/v1/namespaces/loud/configmaps",
        Some(map("c")),
    )
    .await
    .expect(201);
    send("list", "GET", &format!("{maps}?labelSelector=none"), None).await;
    send(
        "delete",
        "DELETE",
        &format!("{maps}/c"),
        Some(json!({"propagationPolicy": "Background"})),
    )
    .await;
    let patch = admin
        .request("PATCH", "/api/v1/namespaces/loud/configmaps/c")
        .header("content-type", "application/merge-patch+json")
        .header("audit-id", "patch");
    patch.body("{\"data\":{\"c\":\"d\"}}").send().await.expect(200);
    drop(
        admin
            .request("GET", &format!("{SECRETS}?watch=1&timeoutSeconds=1"))
            .header("audit-id", "watch")
            .send()
            .await,
    );
    let after = send("after", "GET", &format!("{maps}/c"), None).await;
    check.equal("deleted", after.status, 404);

    let got = with_id(&server, "response", 1).await;
    check.has("RequestResponse", &json!(got), json!([{"level": "RequestResponse", "stage": "ResponseComplete", "requestObject": {"kind": "ConfigMap", "data": {"a": "b"}}, "responseObject": {"kind": "ConfigMap", "data": {"a": "b"}, "metadata": {"uid": "*", "managedFields": "*"}}}]));
    let got = with_id(&server, "request", 1).await;
    check.has("Request", &json!(got), json!([{"level": "Request", "requestObject": {"kind": "ConfigMap", "data": {"a": "b"}}, "responseObject": null}]));
    let got = with_id(&server, "patch", 1).await;
    check.has("a patch", &json!(got), json!([{"level": "Request", "verb": "patch", "requestObject": {"data": {"c": "d"}}, "responseObject": null}]));
    let got = with_id(&server, "list", 1).await;
    check.has("a list", &json!(got), json!([{"level": "RequestResponse", "requestObject": null, "responseObject": {"kind": "ConfigMapList"}}]));
    let got = with_id(&server, "delete", 1).await;
    check.has(
        "a deletion",
        &json!(got),
        json!([{"requestObject": {"propagationPolicy": "Background"}, "responseObject": {"kind": "Status"}}]),
    );
    let got = with_id(&server, "watch", 1).await;
    check.has(
        "a rule's stages",
        &json!(got),
        json!([{"stage": "ResponseComplete", "verb": "watch"}]),
    );
    let all = records(&files_of(&server));
    for id in ["none-path", "none-name", "none-left", "none-stage"] {
        check.that(!all.iter().any(|record| record["auditID"] == id), || {
            format!("{id} is recorded")
        });
    }
    check.that(
        !all.iter().any(|record| record["stage"] == "RequestReceived"),
        || "an omitted stage is recorded".to_owned(),
    );
    check.finish();
}

/// RequestReceived, where the policy has it: before the answer, and also for what is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_stage() {
    let policy = PolicyFile::new(&format!("{TOP}rules:\n- level: Metadata\n"));
    let server = Server::start_with(policy.options());
    let mut check = Check::new(server.client());
    let alice = server.user("alice", &[]);
    for (id, client, code) in [("admin", server.client(), 200), ("alice", alice, 403)] {
        client.request("GET", SECRETS).header("audit-id", id).send().await;
        let got = with_id(&server, id, 2).await;
        check.has(id, &json!(got), json!([{"stage": "RequestReceived", "verb": "list", "responseStatus": null, "user": {"username": "*"}}, {"stage": "ResponseComplete", "responseStatus": {"code": code}}]));
    }
    check.finish();
}

/// A rule for everything says nothing about the bodies of Secrets and tokens; one that names them does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_secrets() {
    for named in [false, true] {
        let mut text = format!("{TOP}rules:\n");
        if named {
            text.push_str("- {level: RequestResponse, resources: [{group: '', resources: [secrets]}]}\n");
        }
        text.push_str("- level: RequestResponse\n  resources: [{group: ''}, {group: '', resources: ['*', 'secrets/*', '*/token']}, {group: authentication.k8s.io}]\n- level: RequestResponse\n");
        let policy = PolicyFile::new(&text);
        let server = Server::start_with(policy.options());
        let admin = server.client();
        let (mut random, seed) = Random::fresh();
        println!("seed {seed}");
        let mut values: Vec<String> = (0..4).map(|_| random.word(32)).collect();
        let kubectl = Kubectl::new("1.36", &server);
        kubectl.ok(&[
            "create",
            "secret",
            "generic",
            "s",
            &format!("--from-literal=a={}", values[0]),
        ]);
        kubectl.ok(&["get", "secret", "s", "-o", "yaml"]);
        kubectl.ok(&["get", "secrets", "-o", "json"]);
        kubectl.ok(&[
            "patch",
            "secret",
            "s",
            "-p",
            &format!("{{\"stringData\":{{\"b\":\"{}\"}}}}", values[1]),
        ]);
        let one = format!("{SECRETS}/s");
        admin.patch("json", &one, &json!([{"op": "add", "path": "/data/c", "value": "YQ=="}, {"op": "test", "path": "/data/a", "value": values[2]}])).await;
        admin
            .request("PATCH", &format!("{one}?fieldManager=m"))
            .header("content-type", "application/apply-patch+yaml")
            .body(format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{d: {}}}\n",
                values[3]
            ))
            .send()
            .await
            .expect(200);
        admin
            .request("GET", &one)
            .header("accept", "application/vnd.kubernetes.protobuf")
            .send()
            .await;
        admin
            .request("GET", SECRETS)
            .header("accept", "application/json;as=Table;g=meta.k8s.io;v=v1")
            .send()
            .await;
        admin.get(&format!("{SECRETS}?watch=1&timeoutSeconds=1")).await;
        admin
            .post(
                "/api/v1/namespaces/default/serviceaccounts",
                &json!({"metadata": {"name": "robot"}}),
            )
            .await
            .expect(201);
        let token = kubectl.ok(&["create", "token", "robot"]).trim().to_owned();
        admin
            .post(
                "/apis/authentication.k8s.io/v1/tokenreviews",
                &json!({"spec": {"token": token}}),
            )
            .await
            .expect(201);
        kubectl.ok(&["delete", "secret", "s"]);
        values.push(token);
        let scanner = Scanner::new(&values);
        let mut seen = Vec::new();
        for file in files_of(&server) {
            let bytes = std::fs::read(&file).expect("readable");
            seen.extend(scanner.scan("the audit log", &bytes));
        }
        if named {
            assert!(
                seen.iter().any(|seen| seen.canary == 0),
                "the policy asks for it by name"
            );
            assert!(
                seen.iter().all(|seen| seen.canary != 4),
                "nobody asked for tokens: {seen:?}"
            );
        } else {
            assert!(seen.is_empty(), "bodies are in the audit log: {seen:?}");
        }
        let all = records(&files_of(&server));
        let bodies = all.iter().filter(|record| {
            record["objectRef"]["resource"] == "serviceaccounts"
                && record["objectRef"]["subresource"].is_null()
                && record["responseObject"].is_object()
        });
        assert!(bodies.count() > 0, "other bodies are recorded");
    }
}

/// A policy that cannot be understood stops the start, and says where it is wrong.
#[test]
fn broken_policies() {
    let rules = |text: &str| format!("{TOP}rules:\n{text}");
    let cases = [
        (String::new(), ""),
        (format!("{TOP}rules: []\n"), "line 3"),
        (TOP.to_owned(), ""),
        (rules("- {level: Metadata}\n- {level: Sometimes}\n"), "line 5"),
        (rules("- {}\n"), "line 4"),
        (rules("- level: Metadata\n  verb: [get]\n"), "line 5"),
        (rules("- level: Metadata\n  verbs: get\n"), "line 5"),
        (rules("- level: Metadata\n  omitStages: [Never]\n"), "line 5"),
        (
            rules("- level: Metadata\n  resources: [{group: '', resourceNames: [a]}]\n"),
            "line 5",
        ),
        (
            rules("- level: Metadata\n  nonResourceURLs: ['/a*b']\n"),
            "line 5",
        ),
        (
            rules("- level: Metadata\n  nonResourceURLs: [/a]\n  namespaces: [b]\n"),
            "line 4",
        ),
        (rules("- level: [Metadata\n"), "line"),
        (rules("- level: Metadata\n\t- x\n"), "line"),
        (
            "apiVersion: audit.k8s.io/v2\nkind: Policy\nrules:\n- level: None\n".to_owned(),
            "line 1",
        ),
        (
            "apiVersion: audit.k8s.io/v1\nkind: Politics\nrules:\n- level: None\n".to_owned(),
            "line 2",
        ),
        (format!("{TOP}rule:\n- level: None\n"), "line 3"),
        (
            rules("- level: Metadata\n- level: Metadata\n  level: None\n"),
            "line 6",
        ),
    ];
    let mut failures = Vec::new();
    for (text, place) in &cases {
        let policy = PolicyFile::new(text);
        match Server::try_start(policy.options()) {
            Ok(_) => failures.push(format!("started with {text:?}")),
            Err(failure) => {
                let output = failure.output.trim();
                let said =
                    output.contains(place) && output.contains("policy.yaml") && !output.contains("panicked");
                // One sentence: one line that says it.
                let sentences = output.lines().filter(|line| !line.trim().is_empty()).count();
                if !said || sentences != 1 || failure.status.is_none_or(|status| status.success()) {
                    failures.push(format!(
                        "{text:?}: expected {place:?} in one sentence, got {:?} {output:?}",
                        failure.status
                    ));
                }
            }
        }
    }
    let missing = Server::try_start(Options::with_arguments(&[
        "--audit-policy-file",
        "/nowhere/policy.yaml",
    ]));
    if !missing.is_err_and(|failure| failure.output.contains("/nowhere/policy.yaml")) {
        failures.push("a missing file is not named".to_owned());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
