//! Client certificates, and what is told to whom without the right credentials (§2, §15.1).

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::json;
use strongroom_e2e::{Check, Client, Credentials, Http, Options, Server};

use crate::{SECRETS, WHO_AM_I, token};

/// A certificate with a subject; `change` makes it special.
fn certificate(
    issuer: &Issuer<'_, KeyPair>,
    name: &str,
    groups: &[&str],
    change: impl Fn(&mut CertificateParams),
) -> (String, String) {
    let mut wanted = CertificateParams::default();
    wanted.distinguished_name = rcgen::DistinguishedName::new();
    if !name.is_empty() {
        wanted.distinguished_name.push(DnType::CommonName, name);
    }
    for group in groups {
        wanted.distinguished_name.push(DnType::OrganizationName, *group);
    }
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    wanted.not_before = rcgen::date_time_ymd(2020, 1, 1);
    wanted.not_after = rcgen::date_time_ymd(2040, 1, 1);
    change(&mut wanted);
    let key = KeyPair::generate().expect("a key");
    let made = wanted.signed_by(&key, issuer).expect("a certificate");
    (made.pem(), key.serialize_pem())
}

/// The authority of a server, as its administrator has it.
fn authority(server: &Server) -> Issuer<'static, KeyPair> {
    let read = |name: &str| std::fs::read_to_string(server.data().join("pki").join(name)).expect(name);
    let key = KeyPair::from_pem(&read("ca.key")).expect("a key");
    Issuer::from_ca_cert_pem(&read("ca.crt"), key).expect("an authority")
}

fn stranger() -> Issuer<'static, KeyPair> {
    let mut wanted = CertificateParams::default();
    wanted.distinguished_name = rcgen::DistinguishedName::new();
    wanted
        .distinguished_name
        .push(DnType::CommonName, "strongroom-ca");
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Issuer::new(wanted, KeyPair::generate().expect("a key"))
}

fn client(server: &Server, pair: (String, String), http: Http) -> Client {
    let mut credentials = Credentials::from_kubeconfig(&server.kubeconfig());
    credentials.certificate = Some(pair);
    Client::new(server.port(), &credentials, http)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let (own, foreign) = (authority(&server), stranger());
    let good = certificate(&own, "alice", &["devs"], |_| {});
    let reply = client(&server, good.clone(), Http::One)
        .post(WHO_AM_I, &json!({}))
        .await;
    let got = check.accepts(
        &reply,
        201,
        json!({"status": {"userInfo": {"username": "alice", "groups": ["devs", "system:authenticated"]}}}),
    );
    let reply = server
        .user("bob", &["devs", "ops"])
        .post(WHO_AM_I, &json!({}))
        .await;
    check.accepts(&reply, 201, json!({"status": {"userInfo": {"username": "bob", "groups": ["devs", "ops", "system:authenticated"]}}}));
    let der = crate::forge::pem(&good.0);
    let hash: String = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    check.has(
        "credential",
        &got["status"]["userInfo"]["extra"],
        json!({"authentication.kubernetes.io/credential-id": [format!("X509SHA256={hash}")]}),
    );
    let reply = client(&server, good.clone(), Http::One).get(SECRETS).await;
    check.equal("known, without rights", reply.status, 403);

    let masters = &["system:masters"][..];
    let bad = [
        (
            "of another authority of the same name",
            certificate(&foreign, "root", masters, |_| {}),
        ),
        (
            "expired",
            certificate(&own, "root", masters, |wanted| {
                wanted.not_after = rcgen::date_time_ymd(2021, 1, 1)
            }),
        ),
        (
            "not yet valid",
            certificate(&own, "root", masters, |wanted| {
                wanted.not_before = rcgen::date_time_ymd(2039, 1, 1)
            }),
        ),
        (
            "for servers",
            certificate(&own, "root", masters, |wanted| {
                wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
            }),
        ),
        ("without a name", certificate(&own, "", masters, |_| {})),
    ];
    let good_token = token(&admin, "default", json!({})).await;
    for (what, pair) in bad {
        for http in [Http::One, Http::Two] {
            let client = client(&server, pair.clone(), http);
            for path in [SECRETS, "/livez", "/.well-known/strongroom/audit-head"] {
                let reply = client.get(path).await;
                check.rejects(&reply, 401, "Unauthorized", "Unauthorized");
                check.equal(&format!("{what} {path}"), reply.status, 401);
            }
            let reply = client
                .request("POST", WHO_AM_I)
                .header("authorization", &format!("Bearer {good_token}"))
                .json(&json!({}))
                .send()
                .await;
            check.accepts(
                &reply,
                201,
                json!({"status": {"userInfo": {"username": "system:serviceaccount:default:default"}}}),
            );
        }
    }
    // A certificate goes before a token.
    let reply = client(&server, good, Http::One)
        .request("POST", WHO_AM_I)
        .header("authorization", "Bearer nonsense")
        .json(&json!({}))
        .send()
        .await;
    check.accepts(
        &reply,
        201,
        json!({"status": {"userInfo": {"username": "alice"}}}),
    );
    check.finish();
}

/// A proxy in front says whom it has authenticated, and is believed by its certificate alone (§2.1).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn front_proxies() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut wanted = CertificateParams::default();
    wanted
        .distinguished_name
        .push(DnType::CommonName, "front-proxy-ca");
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let ca = directory.path().join("front-proxy-ca.crt");
    std::fs::write(&ca, wanted.self_signed(&key).expect("a certificate").pem()).expect("written");
    let proxies = Issuer::new(wanted, key);
    let server = Server::start_with(Options::with_arguments(&[
        "--requestheader-client-ca-file",
        ca.to_str().expect("a path"),
        "--requestheader-allowed-names=front-proxy-client",
    ]));
    let mut check = Check::new(server.client());
    let proxy = certificate(&proxies, "front-proxy-client", &[], |_| {});
    let other = certificate(&proxies, "somebody", &[], |_| {});
    let own = certificate(&authority(&server), "front-proxy-client", &[], |_| {});
    let named = |pair: &(String, String)| {
        client(&server, pair.clone(), Http::One)
            .with_header("X-Remote-User", "ann")
            .with_header("X-Remote-Group", "devs")
            .with_header("X-Remote-Extra-Team", "blue")
    };
    let reply = named(&proxy).post(WHO_AM_I, &json!({})).await;
    check.accepts(
        &reply,
        201,
        json!({"status": {"userInfo": {"username": "ann", "groups": ["devs", "system:authenticated"], "extra": {"team": ["blue"]}}}}),
    );
    let reply = named(&proxy).get(SECRETS).await;
    check.rejects(
        &reply,
        403,
        "Forbidden",
        "secrets is forbidden: User \"ann\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\"",
    );
    // Its certificate is for naming others: by itself it is nobody.
    let reply = client(&server, proxy, Http::One).get(SECRETS).await;
    check.rejects(&reply, 401, "Unauthorized", "Unauthorized");
    let reply = named(&other).get(SECRETS).await;
    check.rejects(&reply, 401, "Unauthorized", "Unauthorized");
    let reply = named(&own).post(WHO_AM_I, &json!({})).await;
    check.accepts(
        &reply,
        201,
        json!({"status": {"userInfo": {"username": "front-proxy-client"}}}),
    );
    let reply = server
        .anonymous()
        .with_header("X-Remote-User", "ann")
        .get(SECRETS)
        .await;
    check.equal("headers without a certificate", reply.status, 403);
    check.finish();
}

/// The table of §15.1, for a request on a Secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let good = token(&admin, "default", json!({})).await;
    let (known, plain) = (server.bearer(&good), server.user("plain", &[]));
    for (what, client, status) in [
        ("no credentials", server.anonymous(), 403),
        ("a bad token", server.bearer("bad"), 401),
        ("a token without rights", known, 403),
        ("a certificate without rights", plain, 403),
        ("allowed", admin.clone(), 404),
    ] {
        for path in [
            format!("{SECRETS}/gone"),
            "/api/v1/namespaces/nowhere/secrets/gone".to_owned(),
        ] {
            check.equal(&format!("{what}: {path}"), client.get(&path).await.status, status);
        }
    }
    let reply = server.bearer("bad").get(SECRETS).await;
    check.equal("the body of 401", reply.json(), json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401}));
    check.equal("no challenge", reply.header("www-authenticate"), "");
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_anonymous() {
    let server = Server::start_with(Options::with_arguments(&["--anonymous-auth", "false"]));
    let mut check = Check::new(server.client());
    for path in [
        SECRETS,
        "/livez",
        "/version",
        "/api",
        "/metrics",
        "/.well-known/strongroom/audit-head",
    ] {
        check.rejects(
            &server.anonymous().get(path).await,
            401,
            "Unauthorized",
            "Unauthorized",
        );
    }
    for header in ["Basic YTpi", "Bearer", "Bearer ", "", "Bearer  x"] {
        let reply = server
            .anonymous()
            .request("GET", SECRETS)
            .header("authorization", header)
            .send()
            .await;
        check.equal(header, reply.status, 401);
    }
    check.equal(
        "the administrator",
        server.client().get(SECRETS).await.status,
        200,
    );
    check.finish();
}
