//! Who signs: Strongroom's own authority, another, or nobody.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::json;
use strongroom_e2e::{Check, Options, Server};

use crate::{CLIENT, REQUESTS, approve, ask, certificate, client, object, path, who};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_authority_signs_or_nobody() {
    let mut server = Server::start();
    let own = std::fs::read_to_string(server.data().join("pki/ca.crt")).expect("a certificate");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "another");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key");
    let another = params.self_signed(&key).expect("a certificate").pem();
    let scratch = server.scratch();
    let file = |name: &str, content: &str| {
        let path = scratch.join(name);
        std::fs::write(&path, content).expect("a file");
        path.display().to_string()
    };
    let (authority, key) = (
        file("another.crt", &another),
        file("another.key", &key.serialize_pem()),
    );
    let both = file("both.crt", &format!("{own}{another}"));

    server.options().arguments = ["--client-ca-file", &both].map(str::to_owned).to_vec();
    server.restart();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let asked = ask("alice", "", &[]);
    admin
        .post(REQUESTS, &object("alice", &asked, CLIENT, &["client auth"]))
        .await
        .expect(201);
    approve(&admin, "alice").await.expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let live = admin.get(&path("alice")).await.expect(200);
    check.equal("nobody signs", live["status"]["certificate"].is_null(), true);

    let signing = [
        "--cluster-signing-cert-file",
        &authority,
        "--cluster-signing-key-file",
        &key,
    ];
    server.options().arguments.extend(signing.map(str::to_owned));
    server.restart();
    let admin = server.client();
    let pem = certificate(&admin, "alice").await;
    check.has(
        "alice",
        &who(&client(&server, &pem, &asked.key)).await,
        json!({"username": "alice"}),
    );
    check.finish();

    let failure = Server::try_start(Options::with_arguments(&[
        "--cluster-signing-cert-file",
        &authority,
    ]));
    let message = failure
        .err()
        .map(|failure| failure.to_string())
        .unwrap_or_default();
    assert!(message.contains("--cluster-signing-key-file"), "{message}");
}
