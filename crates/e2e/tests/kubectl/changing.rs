//! edit, patch, apply, replace, diff, label, annotate, wait, delete.

use std::time::Duration;

use serde_json::json;

use crate::{Session, with_every_kubectl};

with_every_kubectl!(
    editing,
    patching,
    applying,
    applying_server_side,
    replacing_and_diffing,
    labelling,
    deleting,
    waiting
);

const MANIFEST: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: mysecret\ntype: Opaque\ndata:\n  USER_NAME: YWRtaW4=\n  PASSWORD: MWYyZDFlMmU2N2Rm\n";

fn editing(mut session: Session) {
    session.ok_input("create -f -", MANIFEST);
    let edit = |session: &Session, words: &[&str], script: &str| {
        session
            .kubectl
            .run_with(words, "", &[("EDITOR", script), ("KUBE_EDITOR", script)])
    };
    let ran = edit(
        &session,
        &["edit", "secrets", "mysecret"],
        "sed -i s/MWYyZDFlMmU2N2Rm/cjAwdDEyMwo=/",
    );
    let text = session.succeeded(ran);
    session
        .check
        .equal("edited", text.trim_end(), "secret/mysecret edited");
    session.prints("get secret mysecret -o jsonpath={.data.PASSWORD}", "cjAwdDEyMwo=");
    let ran = edit(&session, &["edit", "secret", "mysecret"], "true");
    session.check.that(
        ran.code == 0 && (ran.stdout + &ran.stderr).contains("Edit cancelled, no changes made."),
        || "no change".to_owned(),
    );
    // An invalid edit is shown again with what is wrong, and given up when nothing changes.
    let ran = edit(
        &session,
        &["edit", "secret", "mysecret"],
        "sed -i s,PASSWORD:,PASS/WORD:,",
    );
    session.check.that(
        ran.code != 0 && (ran.stderr.clone() + &ran.stdout).contains("is invalid"),
        || format!("{ran:?}"),
    );
    session.finish();
}

fn patching(mut session: Session) {
    session.ok_input("create -f -", MANIFEST);
    for (kind, patch, key, expected) in [
        ("strategic", r#"{"data":{"A":"eA=="}}"#, "A", "eA=="),
        ("merge", r#"{"stringData":{"B":"x"}}"#, "B", "eA=="),
        (
            "json",
            r#"[{"op":"replace","path":"/data/A","value":"eQ=="}]"#,
            "A",
            "eQ==",
        ),
    ] {
        let text = session.ok_words(&["patch", "secret", "mysecret", "--type", kind, "-p", patch]);
        session
            .check
            .equal(kind, text.trim_end(), "secret/mysecret patched");
        session.prints(
            &format!("get secret mysecret -o jsonpath={{.data.{key}}}"),
            expected,
        );
    }
    session.ok_words(&["patch", "secret", "mysecret", "-p", r#"{"data":{"A":null}}"#]);
    session.prints("get secret mysecret -o jsonpath={.data.A}", "");
    let text = session.ok_words(&["patch", "secret", "mysecret", "-p", r#"{"data":{"B":"eA=="}}"#]);
    session.check.equal(
        "nothing to do",
        text.trim_end(),
        "secret/mysecret patched (no change)",
    );
    session.ok_words(&[
        "patch",
        "secret",
        "mysecret",
        "-p",
        "metadata:\n  labels:\n    yaml: yes-too\n",
    ]);
    session.ok_words(&["patch", "secret", "mysecret", "-p", r#"{"immutable":true}"#]);
    let ran = session
        .kubectl
        .run(&["patch", "secret", "mysecret", "-p", r#"{"data":{"B":"eQ=="}}"#]);
    session.check.that(
        ran.code != 0
            && ran
                .stderr
                .contains("data: Forbidden: field is immutable when `immutable` is set"),
        || format!("{ran:?}"),
    );
    let ran = session.kubectl.run(&[
        "patch",
        "secret",
        "mysecret",
        "--type=json",
        "-p",
        r#"[{"op":"test","path":"/type","value":"x"}]"#,
    ]);
    session.check.that(
        ran.code != 0 && ran.stderr.contains("The request is invalid"),
        || format!("{ran:?}"),
    );
    session.fails("patch secret none -p {}", &["secrets \"none\" not found"]);
    session.finish();
}

fn applying(mut session: Session) {
    session.kubectl.file("s.yaml", MANIFEST);
    session.prints("apply -f s.yaml", "secret/mysecret created");
    session.prints("apply -f s.yaml", "secret/mysecret unchanged");
    session.kubectl.file(
        "s.yaml",
        MANIFEST.replace("  PASSWORD: MWYyZDFlMmU2N2Rm\n", "  MORE: eA==\n"),
    );
    session.prints(
        "apply -f s.yaml --dry-run=client",
        "secret/mysecret configured (dry run)",
    );
    session.prints(
        "apply -f s.yaml --dry-run=server",
        "secret/mysecret configured (server dry run)",
    );
    session.prints("apply -f s.yaml", "secret/mysecret configured");
    let got = session.json("get secret mysecret -o json");
    session.check.has(
        "removed and added",
        &got,
        json!({"data": {"PASSWORD": null, "MORE": "eA==", "USER_NAME": "YWRtaW4="},
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "*"}}}),
    );
    session.shows("apply view-last-applied -f s.yaml", &["MORE: eA=="]);
    session.kubectl.file("strings.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: demo-dbcreds\ntype: Opaque\nstringData:\n  mongodb-root-password: 'r00t'\n  mongodb-passwords: ''\n");
    session.prints("apply -f strings.yaml", "secret/demo-dbcreds created");
    session.prints(
        "get secret demo-dbcreds -o jsonpath={.data}",
        r#"{"mongodb-passwords":"","mongodb-root-password":"cjAwdA=="}"#,
    );
    session.kubectl.file("two.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: one\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: two\ndata:\n  a: b\n");
    session.prints("apply -f two.yaml", "secret/one created\nconfigmap/two created");
    session.kubectl.file("list.yaml", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata:\n    name: three\n- apiVersion: v1\n  kind: Secret\n  metadata:\n    name: four\n");
    session.prints("apply -f list.yaml", "secret/three created\nsecret/four created");
    session.kubectl.file(
        "unknown.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: unknown\ndtaa: {}\n",
    );
    let word = if session.kubectl.minor() >= 25 {
        "unknown field \"dtaa\""
    } else {
        "dtaa"
    };
    session.fails("apply -f unknown.yaml", &[word]);
    session.shows(
        "apply -f unknown.yaml --validate=false",
        &["secret/unknown created"],
    );
    session.kubectl.file(
        "bad.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: bad\ndata:\n  a: not-base64!\n",
    );
    session.fails(
        "apply -f bad.yaml --validate=false",
        &["illegal base64 data at input byte"],
    );
    let prune = if session.kubectl.minor() >= 26 {
        "--prune-allowlist=core/v1/Secret"
    } else {
        "--prune-whitelist=core/v1/Secret"
    };
    session.kubectl.file("pruned.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: p1\n  labels: {set: x}\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: p2\n  labels: {set: x}\n");
    session.ok("apply -f pruned.yaml");
    session.kubectl.file(
        "pruned.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: p1\n  labels: {set: x}\n",
    );
    session.shows(
        &format!("apply -f pruned.yaml --prune -l set=x {prune}"),
        &["secret/p2 pruned"],
    );
    session.finish();
}

fn applying_server_side(mut session: Session) {
    session.kubectl.file("s.yaml", MANIFEST);
    session.prints(
        "apply --server-side -f s.yaml",
        "secret/mysecret serverside-applied",
    );
    session.prints(
        "apply --server-side -f s.yaml",
        "secret/mysecret serverside-applied",
    );
    session
        .kubectl
        .file("mine.yaml", MANIFEST.replace("YWRtaW4=", "bWluZQ=="));
    session.fails(
        "apply --server-side --field-manager=mine -f mine.yaml",
        &[
            "Apply failed with 1 conflict: conflict with \"kubectl\"",
            ".data.USER_NAME",
        ],
    );
    session.prints(
        "apply --server-side --field-manager=mine --force-conflicts -f mine.yaml",
        "secret/mysecret serverside-applied",
    );
    session.prints("get secret mysecret -o jsonpath={.data.USER_NAME}", "bWluZQ==");
    session.shows(
        "apply --server-side --field-manager=mine -f mine.yaml --dry-run=server",
        &["serverside-applied (server dry run)"],
    );
    session.ok("create secret generic mixed --from-literal=k=v");
    session.kubectl.file(
        "mixed.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: mixed\ndata:\n  k: eA==\n",
    );
    session.fails(
        "apply --server-side -f mixed.yaml",
        &["conflict with \"kubectl-create\" using v1: .data.k"],
    );
    // From client-side to server-side and on.
    session
        .kubectl
        .file("moved.yaml", MANIFEST.replace("mysecret", "moved"));
    session.ok("apply -f moved.yaml");
    session.prints(
        "apply --server-side -f moved.yaml",
        "secret/moved serverside-applied",
    );
    if session.kubectl.minor() >= 26 {
        session.kubectl.file(
            "moved.yaml",
            MANIFEST.replace("mysecret", "moved").replace("YWRtaW4=", "bmV3"),
        );
        session.prints(
            "apply --server-side -f moved.yaml",
            "secret/moved serverside-applied",
        );
        session.prints("get secret moved -o jsonpath={.data.USER_NAME}", "bmV3");
    }
    session.kubectl.file(
        "unknown.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: unknown\ndtaa: {}\n",
    );
    session.fails(
        "apply --server-side --validate=false -f unknown.yaml",
        &[".dtaa: field not declared in schema"],
    );
    session.finish();
}

fn replacing_and_diffing(mut session: Session) {
    session.kubectl.file("s.yaml", MANIFEST);
    let ran = session.kubectl.run(&["diff", "-f", "s.yaml"]);
    session
        .check
        .that(ran.code == 1 && ran.stdout.contains("+kind: Secret"), || {
            format!("diff of a new one: {ran:?}")
        });
    session.ok("apply -f s.yaml");
    let ran = session.kubectl.run(&["diff", "-f", "s.yaml"]);
    session.check.that(ran.code == 0 && ran.stdout.is_empty(), || {
        format!("no difference: {ran:?}")
    });
    session.kubectl.file(
        "s.yaml",
        MANIFEST.replace("USER_NAME: YWRtaW4=", "USER_NAME: eA=="),
    );
    let ran = session.kubectl.run(&["diff", "-f", "s.yaml"]);
    session
        .check
        .that(ran.code == 1 && ran.stdout.contains("USER_NAME"), || {
            format!("a difference: {ran:?}")
        });
    session.check.that(
        !ran.stdout.contains("YWRtaW4=") || session.kubectl.minor() < 30,
        || "diff masks values".to_owned(),
    );
    let ran = session
        .kubectl
        .run(&["diff", "--server-side", "--force-conflicts", "-f", "s.yaml"]);
    session
        .check
        .that(ran.code == 1, || format!("a difference, server-side: {ran:?}"));
    session.prints("get secret mysecret -o jsonpath={.data.USER_NAME}", "YWRtaW4=");

    session.prints("replace -f s.yaml", "secret/mysecret replaced");
    session.prints("get secret mysecret -o jsonpath={.data.USER_NAME}", "eA==");
    session.shows(
        "replace --force -f s.yaml",
        &["deleted", "secret/mysecret replaced"],
    );
    session
        .kubectl
        .file("none.yaml", MANIFEST.replace("mysecret", "none"));
    session.fails("replace -f none.yaml", &["secrets \"none\" not found"]);
    let old = session.ok("get secret mysecret -o yaml");
    session.ok("label secret mysecret moved=on");
    session.kubectl.file("old.yaml", old.replace("eA==", "eQ=="));
    session.fails(
        "replace -f old.yaml",
        &[
            "Error from server (Conflict)",
            "the object has been modified; please apply your changes to the latest version and try again",
        ],
    );
    session
        .kubectl
        .file("typed.yaml", MANIFEST.replace("Opaque", "other"));
    session.fails(
        "replace -f typed.yaml",
        &["The Secret \"mysecret\" is invalid: type: Invalid value: \"other\": field is immutable"],
    );
    session.finish();
}

fn labelling(mut session: Session) {
    session.ok("create secret generic s");
    session.prints("label secret s app=web", "secret/s labeled");
    session.fails(
        "label secret s app=db",
        &["'app' already has a value (web), and --overwrite is false"],
    );
    session.prints("label --overwrite secret s app=db", "secret/s labeled");
    session.shows("label secret s --list", &["app=db"]);
    let text = session.ok("label secret s app-");
    session.check.that(
        text.contains("secret/s unlabeled") || text.contains("secret/s labeled"),
        || text.clone(),
    );
    session.prints("get secret s -o jsonpath={.metadata.labels}", "");
    session.prints("annotate secret s a.b/c=d", "secret/s annotated");
    session.prints("annotate secret s a.b/c=e --overwrite", "secret/s annotated");
    session.prints(
        "get secret s -o jsonpath={.metadata.annotations}",
        r#"{"a.b/c":"e"}"#,
    );
    session.prints("annotate secret s a.b/c-", "secret/s annotated");
    session.prints("label secrets --all every=one", "secret/s labeled");
    session.fails("label secret s bad=-x-", &["a valid label must be"]);
    session.finish();
}

fn deleting(mut session: Session) {
    let deleted = |name: &str| format!("secret \"{name}\" deleted");
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        session.ok(&format!("create secret generic {name}"));
    }
    session.shows("delete secret a", &[&deleted("a")]);
    session.ok("create secret generic a");
    session.shows("delete secret/a secret/b", &[&deleted("a"), &deleted("b")]);
    session.ok("label secret c gone=yes");
    session.shows("delete secrets -l gone=yes", &[&deleted("c")]);
    for (cascade, name) in [("orphan", "d"), ("foreground", "e"), ("background", "f")] {
        session.shows(
            &format!("delete secret {name} --cascade={cascade}"),
            &[&deleted(name)],
        );
    }
    session.shows("delete secret g --wait=false", &[&deleted("g")]);
    session.shows("delete secret h --dry-run=server", &[&deleted("h")]);
    session.ok("get secret h");
    session.shows("delete secret h --grace-period=0 --force", &["\"h\" "]);
    session.ok("create secret generic i");
    session.ok("create secret generic j");
    session.shows("delete secrets --all", &[&deleted("i"), &deleted("j")]);
    session.prints("get secrets -o name", "");
    session.fails(
        "delete secret a",
        &["Error from server (NotFound): secrets \"a\" not found"],
    );
    session.ok("delete secret a --ignore-not-found");
    session.kubectl.file("s.yaml", MANIFEST);
    session.ok("create -f s.yaml");
    session.shows("delete -f s.yaml", &[&deleted("mysecret")]);
    session.finish();
}

fn waiting(mut session: Session) {
    session.ok("create secret generic w");
    let mut wait = session
        .kubectl
        .spawn(&["wait", "--for=delete", "secret/w", "--timeout=30s"], "wait");
    std::thread::sleep(Duration::from_millis(800));
    let running = wait.try_wait().expect("ours").is_none();
    session.check.that(running, || "wait ends too soon".to_owned());
    session.ok("delete secret w");
    let status = wait.wait().expect("it ends");
    let text = std::fs::read_to_string(session.kubectl.home().join("wait")).unwrap_or_default();
    session
        .check
        .that(status.success(), || format!("wait --for=delete: {text}"));
    session.ok("create secret generic x");
    session.fails(
        "wait --for=delete secret/x --timeout=1s",
        &["timed out waiting for the condition"],
    );
    if session.kubectl.minor() >= 23 {
        let mut wait = session.kubectl.spawn(
            &[
                "wait",
                "--for=jsonpath={.data.ready}=eWVz",
                "secret/x",
                "--timeout=30s",
            ],
            "json",
        );
        std::thread::sleep(Duration::from_millis(500));
        session.ok_words(&["patch", "secret", "x", "-p", r#"{"stringData":{"ready":"yes"}}"#]);
        let status = wait.wait().expect("it ends");
        let text = std::fs::read_to_string(session.kubectl.home().join("json")).unwrap_or_default();
        session.check.that(
            status.success() && text.contains("secret/x condition met"),
            || text.clone(),
        );
    }
    session.finish();
}
