//! `kubectl create secret` in all forms.

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::{Session, with_every_kubectl};

with_every_kubectl!(generic, docker_registry, tls, dry_runs, kustomize, appended_hash);

fn generic(mut session: Session) {
    session.prints(
        "create secret generic empty-secret",
        "secret/empty-secret created",
    );
    let shown = session.shows("get secret empty-secret", &["NAME", "TYPE", "DATA", "AGE"]);
    let row: Vec<&str> = shown
        .lines()
        .nth(1)
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    session.check.equal(
        "row",
        row.get(..3).unwrap_or_default(),
        &["empty-secret", "Opaque", "0"],
    );

    session.prints(
        "create secret generic literals --from-literal=username=produser --from-literal=password=Y4nys7f11",
        "secret/literals created",
    );
    session.ok_words(&[
        "create",
        "secret",
        "generic",
        "special",
        "--from-literal=username=devuser",
        r"--from-literal=password=S!B\*d$zDsb=",
    ]);
    session.kubectl.file("kuard.crt", "a certificate\n");
    session.kubectl.file("kuard.key", [0, 159, 146, 150, 255]);
    session.ok("create secret generic kuard-tls --from-file=kuard.crt --from-file=kuard.key");
    session.ok("create secret generic renamed --from-file=ssh-privatekey=kuard.key --from-file=ssh-publickey=kuard.crt --type=kubernetes.io/ssh-auth");
    session.kubectl.file("folder/one", "1");
    session.kubectl.file("folder/.two", "2");
    session.ok("create secret generic directory --from-file=folder");
    session
        .kubectl
        .file("variables.env", "# a comment\nA=one\nB=two words\n\nC=\n");
    session.ok("create secret generic environment --from-env-file=variables.env");
    session.ok("create secret generic typed --type=test-type --from-literal=key1=value1");

    let encode = |text: &[u8]| STANDARD.encode(text);
    for (name, expected) in [
        (
            "literals",
            json!({"type": "Opaque", "data": {"username": encode(b"produser"), "password": encode(b"Y4nys7f11")}}),
        ),
        ("special", json!({"data": {"password": encode(br"S!B\*d$zDsb=")}})),
        (
            "kuard-tls",
            json!({"data": {"kuard.crt": encode(b"a certificate\n"), "kuard.key": encode(&[0, 159, 146, 150, 255])}}),
        ),
        (
            "renamed",
            json!({"type": "kubernetes.io/ssh-auth", "data": {"ssh-publickey": encode(b"a certificate\n")}}),
        ),
        (
            "directory",
            json!({"data": {"one": encode(b"1"), ".two": encode(b"2")}}),
        ),
        (
            "environment",
            json!({"data": {"A": encode(b"one"), "B": encode(b"two words"), "C": ""}}),
        ),
        (
            "typed",
            json!({"type": "test-type", "data": {"key1": "dmFsdWUx"}}),
        ),
    ] {
        let got = session.json(&format!("get secret {name} -o json"));
        session.check.has(name, &got, expected);
    }
    session.shows(
        "describe secrets kuard-tls",
        &[
            "Name:",
            "kuard-tls",
            "Namespace:    default",
            "Type:  Opaque",
            "kuard.crt:  14 bytes",
            "kuard.key:  5 bytes",
        ],
    );
    session.fails(
        "create secret generic literals",
        &["secrets \"literals\" already exists"],
    );
    session.fails(
        "create secret generic Bad_Name",
        &[
            "Secret \"Bad_Name\" is invalid: metadata.name: Invalid value",
            "a lowercase RFC 1123 subdomain must consist of",
        ],
    );
    session.fails(
        "create secret generic lost -n nowhere",
        &["namespaces \"nowhere\" not found"],
    );
    session.fails(
        "get secret nothing",
        &["Error from server (NotFound): secrets \"nothing\" not found"],
    );
    session.finish();
}

fn docker_registry(mut session: Session) {
    session.prints(
        "create secret docker-registry secret-tiger-docker --docker-username=tiger --docker-password=pass113 --docker-email=tiger@acme.com",
        "secret/secret-tiger-docker created",
    );
    let got = session.json("get secret secret-tiger-docker -o json");
    session
        .check
        .equal("type", &got["type"], &json!("kubernetes.io/dockerconfigjson"));
    let config = STANDARD
        .decode(got["data"][".dockerconfigjson"].as_str().unwrap_or_default())
        .unwrap_or_default();
    session.check.equal("the file", String::from_utf8_lossy(&config).into_owned(),
        r#"{"auths":{"https://index.docker.io/v1/":{"username":"tiger","password":"pass113","email":"tiger@acme.com","auth":"dGlnZXI6cGFzczExMw=="}}}"#.to_owned());
    session.ok("create secret docker-registry elsewhere --docker-server=registry.example.com:5000 --docker-username=u --docker-password=p");
    let file = "{\n    \"auths\": {\"r\": {\"auth\": \"dTpw\"}}\n}\n";
    session.kubectl.file("config.json", file);
    session.ok("create secret docker-registry from-file --from-file=.dockerconfigjson=config.json");
    let got = session.json("get secret from-file -o json");
    session.check.equal(
        "stored as it is",
        &got["data"][".dockerconfigjson"],
        &json!(STANDARD.encode(file)),
    );
    session.finish();
}

fn tls(mut session: Session) {
    let home = session.kubectl.home().to_owned();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=kuard.example.com",
            "-keyout",
            "tls.key",
            "-out",
            "tls.crt",
        ])
        .current_dir(&home)
        .output()
        .expect("openssl");
    assert!(made.status.success());
    session.prints(
        "create secret tls my-tls-secret --cert=tls.crt --key=tls.key",
        "secret/my-tls-secret created",
    );
    let got = session.json("get secret my-tls-secret -o json");
    let certificate = std::fs::read(home.join("tls.crt")).expect("made");
    session.check.has("pair", &got, json!({"type": "kubernetes.io/tls", "data": {"tls.crt": STANDARD.encode(certificate), "tls.key": "*"}}));
    session.kubectl.file("broken.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: broken\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: x\n  tls.key: z\n");
    let ran = session.kubectl.run(&["create", "-f", "broken.yaml"]);
    session.check.that(
        ran.code == 0
            && ran
                .stderr
                .contains("Warning: tls: failed to find any PEM data in certificate input"),
        || format!("{ran:?}"),
    );
    session.kubectl.file("half.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: half\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: x\n");
    session.fails(
        "create -f half.yaml",
        &["The Secret \"half\" is invalid: data[tls.key]: Required value"],
    );
    session.kubectl.file(
        "neither.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: neither\ntype: kubernetes.io/basic-auth\n",
    );
    session.fails(
        "create -f neither.yaml",
        &[
            "The Secret \"neither\" is invalid: ",
            "* data[username]: Required value",
            "* data[password]: Required value",
        ],
    );
    session.finish();
}

fn dry_runs(mut session: Session) {
    let yaml = session.shows(
        "create secret generic test --from-literal=key1=value1 --dry-run=client -o yaml",
        &["kind: Secret", "apiVersion: v1", "key1: dmFsdWUx"],
    );
    session.fails("get secret test", &["not found"]);
    session.shows(
        "create secret generic test --from-literal=key1=value1 --dry-run=server -o yaml",
        &["key1: dmFsdWUx", "uid: ", "type: Opaque"],
    );
    session.fails("get secret test", &["not found"]);
    session.prints(
        "create secret generic test --dry-run=server",
        "secret/test created (server dry run)",
    );
    let created = session.ok_input("create -f -", &yaml);
    session
        .check
        .equal("piped", created.trim_end(), "secret/test created");

    // The way the reference updates a secret from files.
    session.kubectl.file("kuard.crt", "one");
    session.kubectl.file("kuard.key", "two");
    session.ok("create secret generic kuard-tls --from-file=kuard.crt --from-file=kuard.key");
    session.kubectl.file("kuard.key", "three");
    let yaml = session
        .ok("create secret generic kuard-tls --from-file=kuard.crt --from-file=kuard.key --dry-run -o yaml");
    let replaced = session.ok_input("replace -f -", &yaml);
    session
        .check
        .equal("replaced", replaced.trim_end(), "secret/kuard-tls replaced");
    session.prints(
        "get secret kuard-tls -o jsonpath={.data.kuard\\.key}",
        &STANDARD.encode("three"),
    );
    session.finish();
}

fn kustomize(mut session: Session) {
    session.kubectl.file("id_rsa", "private");
    session.kubectl.file(
        "kustomization.yaml",
        "secretGenerator:\n- name: prod-db-secret\n  literals:\n  - username=produser\n  - password=Y4nys7f11\n- name: ssh-key-secret\n  files:\n  - ssh-privatekey=id_rsa\n",
    );
    let first = session.shows(
        "apply -k .",
        &["secret/prod-db-secret-", "secret/ssh-key-secret-", "created"],
    );
    session.shows("apply -k .", &["unchanged"]);
    let name = first
        .split_whitespace()
        .find_map(|word| word.strip_prefix("secret/prod-db-secret-"))
        .unwrap_or_default()
        .to_owned();
    session.check.equal("a hash of ten", name.len(), 10);
    session.prints(
        &format!("get secret prod-db-secret-{name} -o jsonpath={{.data.username}}"),
        "cHJvZHVzZXI=",
    );
    session.shows("get -k .", &["prod-db-secret-"]);
    session.shows("delete -k .", &["deleted"]);
    session.finish();
}

fn appended_hash(mut session: Session) {
    session.shows(
        "create secret generic hashed --from-literal=a=b --append-hash",
        &["secret/hashed-", " created"],
    );
    let names = session.ok("get secrets -o name");
    let hash = names
        .trim_end()
        .strip_prefix("secret/hashed-")
        .unwrap_or_default()
        .to_owned();
    session.check.that(
        hash.len() == 10 && hash.chars().all(|letter| "2456789bcdfghkmt".contains(letter)),
        || names.clone(),
    );
    session.finish();
}
