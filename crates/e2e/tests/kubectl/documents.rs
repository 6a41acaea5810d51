//! The reference documents, section by section, as they are typed there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::{Session, with_every_kubectl};

with_every_kubectl!(what_are_secrets, every_manifest, bootstrap_token);

/// "What are Kubernetes Secrets?": create, read, update, delete.
fn what_are_secrets(mut session: Session) {
    session.kubectl.file("dbcreds.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n    name: shhhhhh\ntype: Opaque\ndata:\n    username: cm9vdA==\n    password: cm9vdA==\n");
    session.prints("apply -f dbcreds.yaml", "secret/shhhhhh created");
    session.shows(
        "describe secrets shhhhhh",
        &["password:  4 bytes", "username:  4 bytes"],
    );
    let shown = session.ok("get secret shhhhhh");
    let row: Vec<&str> = shown
        .lines()
        .nth(1)
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    session.check.equal(
        "row",
        row.get(..3).unwrap_or_default(),
        &["shhhhhh", "Opaque", "2"],
    );
    session.prints("get secret shhhhhh -o jsonpath={.data.password}", "cm9vdA==");
    let ran = session.kubectl.run_with(
        &["edit", "secrets", "shhhhhh"],
        "",
        &[("EDITOR", "sed -i s/password:.*/password:\\ cjAwdDEyMwo=/")],
    );
    session.succeeded(ran);
    let value = session.ok("get secret shhhhhh -o jsonpath={.data.password}");
    session.check.equal(
        "the new one",
        STANDARD.decode(value).unwrap_or_default(),
        b"r00t123\n".to_vec(),
    );
    session.shows("delete secret shhhhhh", &["secret \"shhhhhh\" deleted"]);
    session.ok("create namespace mongodb");
    session.kubectl.file("demo-dbcreds.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n    name: demo-dbcreds\ntype: Opaque\nstringData:\n    mongodb-root-password: 'r00t'\n    mongodb-passwords: ''\n");
    session.prints(
        "apply -f demo-dbcreds.yaml --namespace mongodb",
        "secret/demo-dbcreds created",
    );
    session.finish();
}

/// "Kubernetes Secrets": every manifest, its placeholders filled in.
fn every_manifest(mut session: Session) {
    let certificate = "    -----BEGIN CERTIFICATE-----\n    MIIC\n    -----END CERTIFICATE-----\n";
    let indented = STANDARD.encode(certificate);
    let manifests = [
        ("secret-sa-sample", "  annotations:\n    kubernetes.io/service-account.name: \"sa-name\"\ntype: kubernetes.io/service-account-token\ndata:\n  # You can include additional key value pairs as you do with Opaque Secrets\n  extra: YmFyCg==\n".to_owned()),
        ("secret-dockercfg", format!("type: kubernetes.io/dockercfg\ndata:\n  .dockercfg: |\n    {}\n", STANDARD.encode("{\"r\":{\"auth\":\"dTpw\"}}"))),
        ("secret-basic-auth", "type: kubernetes.io/basic-auth\nstringData:\n  username: admin\n  password: t0p-Secret\n".to_owned()),
        ("secret-ssh-auth", format!("type: kubernetes.io/ssh-auth\ndata:\n  # the data is abbreviated in this example\n  ssh-privatekey: |\n     {}\n", STANDARD.encode("MIIEpQIBAAKCAQEAulqb/Y"))),
        ("secret-tls", format!("type: kubernetes.io/tls\ndata:\n  tls.crt: |\n    {indented}\n  tls.key: |\n    {indented}\n")),
        ("mysecret", "type: Opaque\ndata:\n  USER_NAME: YWRtaW4=\n  PASSWORD: MWYyZDFlMmU2N2Rm\n".to_owned()),
        ("dotfile-secret", "data:\n  .secret-file: dmFsdWUtMg0KDQo=\n".to_owned()),
        ("immutable", "data:\n  a: eA==\nimmutable: true\n".to_owned()),
    ];
    session.ok("create serviceaccount sa-name");
    for (name, rest) in manifests {
        session.kubectl.file(
            "m.yaml",
            format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n{rest}"),
        );
        session.prints("apply -f m.yaml", &format!("secret/{name} created"));
        session.shows(&format!("get secret {name} -o yaml"), &[&format!("name: {name}")]);
    }
    session.shows("describe secret dotfile-secret", &[".secret-file:  11 bytes"]);
    let ran = session
        .kubectl
        .run(&["patch", "secret", "immutable", "-p", r#"{"immutable":false}"#]);
    session.check.that(
        ran.code != 0
            && ran
                .stderr
                .contains("immutable: Forbidden: field is immutable when `immutable` is set"),
        || format!("{ran:?}"),
    );
    session.ok("delete secret immutable");
    session.kubectl.file("m.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: bad\ntype: kubernetes.io/dockercfg\nstringData:\n  .dockercfg: \"not json\"\n");
    session.fails("apply -f m.yaml", &["data[.dockercfg]: Invalid value: \"<secret contents redacted>\": invalid character 'o' in literal null (expecting 'u')"]);
    session.ok("get events");
    session.finish();
}

fn bootstrap_token(mut session: Session) {
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata:\n  # Note how the Secret is named\n  name: bootstrap-token-5emitj\n  namespace: kube-system\ntype: bootstrap.kubernetes.io/token\n";
    let strings = "stringData:\n  auth-extra-groups: \"system:bootstrappers:kubeadm:default-node-token\"\n  expiration: \"2099-09-13T04:39:10Z\"\n  token-id: \"5emitj\"\n  token-secret: \"kq4gihvszzgn1p0r\"\n  usage-bootstrap-authentication: \"true\"\n  usage-bootstrap-signing: \"true\"\n";
    let data = "data:\n  auth-extra-groups: c3lzdGVtOmJvb3RzdHJhcHBlcnM6a3ViZWFkbTpkZWZhdWx0LW5vZGUtdG9rZW4=\n  expiration: MjA5OS0wOS0xM1QwNDozOToxMFo=\n  token-id: NWVtaXRq\n  token-secret: a3E0Z2lodnN6emduMXAwcg==\n  usage-bootstrap-authentication: dHJ1ZQ==\n  usage-bootstrap-signing: dHJ1ZQ==\n";
    session
        .kubectl
        .file("strings.yaml", format!("{manifest}{strings}"));
    session.kubectl.file("data.yaml", format!("{manifest}{data}"));
    session.prints("create -f strings.yaml", "secret/bootstrap-token-5emitj created");
    let got = session.json("get secret bootstrap-token-5emitj -n kube-system -o json");
    session.check.has(
        "folded",
        &got,
        json!({"data": {"token-id": "NWVtaXRq", "token-secret": "a3E0Z2lodnN6emduMXAwcg=="}}),
    );
    let version = got["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    session.ok("replace -f data.yaml");
    session.prints(
        "get secret bootstrap-token-5emitj -n kube-system -o jsonpath={.metadata.resourceVersion}",
        &version,
    );
    session.finish();
}
