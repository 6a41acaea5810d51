//! `kubectl get` in every output, `describe`, `-w`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{Session, with_every_kubectl};

with_every_kubectl!(outputs, selecting, watching, describing);

fn prepare(session: &mut Session) {
    session.ok("create secret generic b --from-literal=user=root --from-literal=z=1");
    session.ok("create secret generic a --type=my/type");
    session.ok("label secret b app=web tier=front");
    session.ok("create namespace other");
    session.ok("create secret generic c -n other");
}

fn outputs(mut session: Session) {
    prepare(&mut session);
    session.prints("get secrets -o name", "secret/a\nsecret/b");
    session.prints("get secrets b a -o name", "secret/b\nsecret/a");
    session.prints("get secret/b -o jsonpath={.data.user}", "cm9vdA==");
    session.prints("get secrets -o jsonpath={.items[*].metadata.name}", "a b");
    session.prints("get secret b -o go-template={{.type}}", "Opaque");
    session.prints("get secret b -o go-template={{.data.user|base64decode}}", "root");
    session.prints("get secret b -o go-template={{.stringData}}", "<no value>");
    let columns = session.ok("get secrets -o custom-columns=N:.metadata.name,T:.type");
    let words: Vec<&str> = columns.split_whitespace().collect();
    session
        .check
        .equal("columns", words, vec!["N", "T", "a", "my/type", "b", "Opaque"]);
    session.prints(
        "get secrets --no-headers -o custom-columns=:.metadata.name",
        "a\nb",
    );
    session
        .kubectl
        .file("template", "{{range .items}}{{.metadata.name}};{{end}}");
    session.prints("get secrets -o go-template-file=template", "a;b;");
    let json = session.json("get secret b -o json");
    session.check.has("json", &json, json!({"apiVersion": "v1", "kind": "Secret", "data": {"user": "cm9vdA=="}, "type": "Opaque", "stringData": null}));
    let list = session.json("get secrets -o json");
    session.check.has(
        "list",
        &list,
        json!({"kind": "List", "apiVersion": "v1", "items": [{"kind": "Secret"}, {"kind": "Secret"}]}),
    );
    let yaml = session.shows(
        "get secret b -o yaml",
        &[
            "apiVersion: v1\n",
            "kind: Secret\n",
            "  user: cm9vdA==\n",
            "type: Opaque\n",
            "  labels:\n    app: web\n",
        ],
    );
    session.check.that(!yaml.contains("stringData"), || yaml.clone());
    session.shows("get secrets -o wide", &["NAME", "TYPE", "DATA", "AGE"]);
    session.shows("get secrets -A", &["NAMESPACE", "default", "other"]);
    session.shows("get secrets --all-namespaces -o wide", &["other"]);
    session.shows("get secrets --show-labels", &["LABELS", "app=web,tier=front"]);
    session.shows("get secrets -L app", &["APP", "web"]);
    session.shows("get secrets --show-kind", &["secret/a"]);
    session.shows(
        "get secret,cm,sa",
        &["secret/a", "configmap/kube-root-ca.crt", "serviceaccount/default"],
    );
    session.shows("get all", &["kubernetes", "ClusterIP"]);
    session.shows(
        "get ns",
        &[
            "default",
            "kube-system",
            "kube-public",
            "kube-node-lease",
            "Active",
        ],
    );
    session.prints("get --raw /livez", "ok");
    session.shows(
        "get --raw /api/v1/namespaces/default/secrets/b",
        &["\"user\":\"cm9vdA==\""],
    );
    session.fails(
        "get nonsense",
        &["the server doesn't have a resource type \"nonsense\""],
    );
    session.fails(
        "get secret x y",
        &["secrets \"x\" not found", "secrets \"y\" not found"],
    );
    session.ok("get secret x --ignore-not-found");
    session.finish();
}

fn selecting(mut session: Session) {
    prepare(&mut session);
    session.prints("get secrets -l app=web -o name", "secret/b");
    session.prints("get secrets -l app!=web -o name", "secret/a");
    session.prints("get secrets -l !app -o name", "secret/a");
    session.ok_words(&["get", "secrets", "-l", "app in (web,db)", "-o", "name"]);
    session.prints("get secrets --field-selector type=my/type -o name", "secret/a");
    session.prints("get secrets --field-selector type!=my/type -o name", "secret/b");
    session.prints(
        "get secrets -A --field-selector metadata.name=c -o name",
        "secret/c",
    );
    session.shows(
        "get secrets --sort-by=.metadata.creationTimestamp -o name",
        &["secret/a", "secret/b"],
    );
    session.prints("get secrets --sort-by=.type -o name", "secret/b\nsecret/a");
    session.prints(
        "get secrets --sort-by={.metadata.name} -o name",
        "secret/a\nsecret/b",
    );
    for size in [0, 1, 2, 500] {
        session.prints(
            &format!("get secrets --chunk-size={size} -o name"),
            "secret/a\nsecret/b",
        );
    }
    let ran = session.kubectl.run(&["get", "secrets", "--chunk-size=1", "-v=6"]);
    session.check.that(
        ran.stderr.contains("limit=1") && ran.stderr.contains("continue="),
        || ran.stderr.clone(),
    );
    session.fails("get secrets -l -bad-=x", &["unable to parse requirement"]);
    session.fails(
        "get secrets --field-selector nonsense=x",
        &["field label not supported: nonsense"],
    );
    session.finish();
}

fn wait_for(session: &Session, file: &str, part: &str) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if std::fs::read_to_string(session.kubectl.home().join(file))
            .unwrap_or_default()
            .contains(part)
        {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

fn watching(mut session: Session) {
    prepare(&mut session);
    let mut all = session
        .kubectl
        .spawn(&["get", "secrets", "-w", "-o", "name"], "all");
    let mut only = session
        .kubectl
        .spawn(&["get", "secrets", "--watch-only", "-o", "json"], "only");
    let mut table = session
        .kubectl
        .spawn(&["get", "secrets", "-w", "--output-watch-events"], "table");
    let mut single = session.kubectl.spawn(&["get", "secret", "b", "-w"], "single");
    let listed = wait_for(&session, "all", "secret/b")
        && wait_for(&session, "table", "ADDED")
        && wait_for(&session, "single", "Opaque");
    session.check.that(listed, || "the list comes first".to_owned());
    std::thread::sleep(Duration::from_millis(700));
    session.ok("create secret generic fresh");
    session.ok("annotate secret b note=changed");
    session.ok("delete secret fresh");
    for (file, part) in [
        ("all", "secret/fresh"),
        ("only", "\"name\": \"fresh\""),
        ("only", "changed"),
        ("table", "MODIFIED"),
        ("table", "DELETED"),
    ] {
        let seen = wait_for(&session, file, part);
        let text = std::fs::read_to_string(session.kubectl.home().join(file)).unwrap_or_default();
        session
            .check
            .that(seen, || format!("{file} lacks {part}:\n{text}"));
    }
    for child in [&mut all, &mut only, &mut table, &mut single] {
        let running = child.try_wait().expect("ours").is_none();
        session
            .check
            .that(running, || "a watch ended by itself".to_owned());
        let _ = child.kill();
        let _ = child.wait();
    }
    let single = std::fs::read_to_string(session.kubectl.home().join("single")).unwrap_or_default();
    session.check.that(!single.contains("fresh"), || single.clone());
    session.finish();
}

fn describing(mut session: Session) {
    prepare(&mut session);
    session.shows(
        "describe secret b",
        &[
            "Name:         b",
            "Namespace:    default",
            "Labels:       app=web",
            "tier=front",
            "Annotations:  <none>",
            "Type:  Opaque",
            "Data\n====",
            "user:  4 bytes",
            "z:     1 bytes",
        ],
    );
    session.shows(
        "describe secrets",
        &["Name:         a", "Name:         b", "my/type"],
    );
    session.shows("describe secret -l app=web", &["Name:         b"]);
    session.shows(
        "describe namespace default",
        &["Name:         default", "Status:       Active"],
    );
    session.shows(
        "describe configmap kube-root-ca.crt",
        &["ca.crt:", "BEGIN CERTIFICATE"],
    );
    session.shows(
        "describe serviceaccount default",
        &["Name:                default"],
    );
    let ran = session.kubectl.run(&["describe", "secrets", "-v=6"]);
    session.check.that(
        ran.stderr.contains("limit=500") || session.kubectl.minor() < 21,
        || ran.stderr.clone(),
    );
    session.fails("describe secret nothing", &["secrets \"nothing\" not found"]);
    session.finish();
}
