//! What a person does with kubectl.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_e2e::Session;

use crate::{Asked, CLIENT, ask};

mod with_1_20 {
    #[test]
    fn approved_and_denied() {
        super::approved_and_denied(crate::kubectl::Session::start("1.20"));
    }
}
mod with_1_32 {
    #[test]
    fn approved_and_denied() {
        super::approved_and_denied(crate::kubectl::Session::start("1.32"));
    }
}
mod with_1_36 {
    #[test]
    fn approved_and_denied() {
        super::approved_and_denied(crate::kubectl::Session::start("1.36"));
    }
}

/// As Kubernetes' documentation has it.
fn manifest(name: &str, asked: &Asked) -> String {
    let request = STANDARD.encode(&asked.request);
    format!(
        "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata:\n  name: {name}\nspec:\n  \
         request: {request}\n  signerName: {CLIENT}\n  expirationSeconds: 86400\n  usages:\n  - client auth\n"
    )
}

fn approved_and_denied(mut session: Session) {
    let alice = ask("alice", "devs", &[]);
    let created = session.ok_input("create -f -", &manifest("alice", &alice));
    session.check.equal(
        "created",
        created.trim_end(),
        "certificatesigningrequest.certificates.k8s.io/alice created",
    );
    let header = [
        "NAME",
        "AGE",
        "SIGNERNAME",
        "REQUESTOR",
        "REQUESTEDDURATION",
        "CONDITION",
    ];
    session.shows("get csr", &header);
    session.shows(
        "get csr alice",
        &["alice", CLIENT, "strongroom-admin", "24h", "Pending"],
    );
    session.shows(
        "describe csr alice",
        &[
            "Requesting User:",
            "strongroom-admin",
            CLIENT,
            "Pending",
            "Common Name:",
            "alice",
            "devs",
        ],
    );
    session.prints(
        "certificate approve alice",
        "certificatesigningrequest.certificates.k8s.io/alice approved",
    );
    let certificate = issued(&mut session, "alice");
    session.shows("get csr alice", &["Approved,Issued"]);
    session.shows("describe csr alice", &["Approved,Issued"]);
    let reason = "get csr alice -o jsonpath={.status.conditions[0].reason}";
    session.prints(reason, "KubectlApprove");
    session.fails("certificate deny alice --force", &["already Approved"]);

    // The certificate logs in, and only that.
    let kubectl = session
        .kubectl
        .with_certificate("alice", &session.server, &certificate, &alice.key);
    let admin = session.switch(kubectl);
    session.fails(
        "get configmaps",
        &["User \"alice\" cannot list resource \"configmaps\""],
    );
    let alice_kubectl = session.switch(admin);
    session.ok("create clusterrolebinding alice --clusterrole=view --group=devs");
    let admin = session.switch(alice_kubectl);
    session.ok("get configmaps");
    if session.kubectl.minor() > 30 {
        session.shows("auth whoami", &["alice", "devs", "system:authenticated"]);
    }
    session.switch(admin);

    session.ok_input("create -f -", &manifest("bob", &ask("bob", "", &[])));
    session.prints(
        "certificate deny bob",
        "certificatesigningrequest.certificates.k8s.io/bob denied",
    );
    session.shows("get csr bob", &["Denied"]);
    session.prints("get csr bob -o jsonpath={.status.certificate}", "");
    session.shows(
        "get csr --field-selector=spec.signerName=kubernetes.io/kube-apiserver-client",
        &["alice", "bob"],
    );
    session.prints(
        "get csr --field-selector=spec.signerName=example.com/x -o name",
        "",
    );
    session.ok("label csr alice a=b");
    session.ok("delete csr alice bob");
    session.prints("get csr -o name", "");
    let bad = manifest("carol", &ask("carol", "", &[])).replace("86400", "60");
    let ran = session.kubectl.run_with(&["create", "-f", "-"], &bad, &[]);
    session.check.that(
        ran.stderr
            .contains("may not specify a duration less than 600 seconds"),
        || ran.stderr,
    );
    session.finish();
}

fn issued(session: &mut Session, name: &str) -> String {
    let start = Instant::now();
    loop {
        let line = format!("get csr {name} -o jsonpath={{.status.certificate}}");
        let encoded = session.ok(&line);
        if !encoded.is_empty() || start.elapsed() > Duration::from_secs(10) {
            let certificate = STANDARD.decode(encoded.trim_end()).expect("base64");
            return String::from_utf8(certificate).expect("PEM");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The checks of Kubernetes' own command-line tests (`test/cmd/authorization.sh`, `certificate.sh`).
#[test]
fn commands_of_kubernetes() {
    for version in ["1.20", "1.32", "1.36"] {
        let mut session = Session::start(version);
        session.ok(
            "create clusterrolebinding x --clusterrole=system:node-bootstrapper --group=system:authenticated",
        );
        let manifest = manifest("foo", &ask("kube-admin", "", &[]));
        let mut check = |line: &str, template: &str, expect: &str| {
            session.ok_input(line, &manifest);
            session.prints(&format!("get csr foo -o go-template={template}"), expect);
            session.ok("delete csr foo");
        };
        check("create -f - --as=user1", "{{.spec.username}}", "user1");
        check(
            "create -f - --as=user1",
            "{{range.spec.groups}}{{.}}{{end}}",
            "system:authenticated",
        );
        check(
            "create -f - --as=user1 --as-group=group2 --as-group=group1 --as-group=,,,chameleon",
            "{{range.spec.groups}}{{.}}_{{end}}",
            "group2_group1_,,,chameleon_system:authenticated_",
        );
        if session.kubectl.minor() > 30 {
            let mut check = |line: &str, template: &str, expect: &str| {
                session.ok_input(line, &manifest);
                session.prints(&format!("get csr foo -o go-template={template}"), expect);
                session.ok("delete csr foo");
            };
            check(
                "create -f - --as=user1 --as-uid=abc123",
                "{{.spec.uid}}",
                "abc123",
            );
        }
        session.ok_input("create -f -", &manifest);
        let state = "get csr/foo -o go-template={{range.status.conditions}}{{.type}}{{end}}";
        session.prints(state, "");
        session.ok_input("certificate approve -f -", &manifest);
        session.prints(state, "Approved");
        session.ok_input("delete -f -", &manifest);
        session.ok_input("create -f -", &manifest);
        session.ok_input("certificate deny -f -", &manifest);
        session.prints(state, "Denied");
        session.finish();
    }
}
