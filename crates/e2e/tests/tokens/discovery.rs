//! What others need to believe this server's tokens (§3.5).

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use strongroom_e2e::{Check, Options, Server};

use crate::forge::{pem, verifies};
use crate::{ISSUER, header, token};

const CONFIGURATION: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/openid/v1/jwks";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_and_signatures() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let good = token(&admin, "default", json!({})).await;
    // A service account may read them.
    let account = server.bearer(&good);
    let reply = account.get(CONFIGURATION).await;
    let document = check.accepts(
        &reply,
        200,
        json!({
            "issuer": ISSUER, "jwks_uri": format!("{}/openid/v1/jwks", server.url()),
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }),
    );
    check.equal("type", reply.header("content-type"), "application/json");
    check.equal("caching", reply.header("cache-control"), "public, max-age=3600");
    check.equal("members", document.as_object().map(serde_json::Map::len), Some(5));
    let reply = account.get(KEYS).await;
    check.equal("type", reply.header("content-type"), "application/jwk-set+json");
    check.equal("caching", reply.header("cache-control"), "public, max-age=3600");
    let keys = reply.expect(200);
    check.has("a key", &keys, json!({"keys": [{"use": "sig", "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": header(&good)["kid"], "x": "*", "y": "*", "d": null}]}));
    check.that(verifies(&keys, &good), || {
        "the key set does not verify the token".to_owned()
    });
    let mut changed = good.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    check.that(!verifies(&keys, &String::from_utf8_lossy(&changed)), || {
        "the check checks nothing".to_owned()
    });
    // The key's id is the hash of the key.
    let public = pem(&std::fs::read_to_string(server.data().join("pki/sa.pub")).expect("the public key"));
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &public);
    check.equal(
        "kid",
        header(&good)["kid"].as_str().map(str::to_owned),
        Some(URL_SAFE_NO_PAD.encode(hash)),
    );
    check.finish();
}

/// RSA and other curves; earlier keys stay believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_ones_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name).display().to_string();
    let openssl = |words: &[&str]| {
        let made = Command::new("openssl").args(words).output().expect("openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let (rsa, ec, public) = (file("rsa.key"), file("ec.key"), file("ec.pub"));
    openssl(&[
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-out",
        &rsa,
    ]);
    openssl(&[
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-out",
        &ec,
    ]);
    openssl(&["pkey", "-in", &ec, "-pubout", "-out", &public]);

    let mut server = Server::start_with(Options::with_arguments(&[
        "--service-account-signing-key-file",
        &ec,
        "--service-account-issuer",
        "https://one.example",
    ]));
    let old = token(&server.client(), "default", json!({})).await;
    assert!(server.interrupt().success());
    server.options().arguments = [
        "--service-account-signing-key-file",
        &rsa,
        "--service-account-key-file",
        &rsa,
        "--service-account-key-file",
        &public,
        "--service-account-issuer",
        "https://two.example",
        "--service-account-issuer",
        "https://one.example",
    ]
    .map(str::to_owned)
    .to_vec();
    server.restart();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let new = token(&admin, "default", json!({})).await;
    let keys: Value = admin.get(KEYS).await.json();
    check.has("header", &header(&new), json!({"alg": "RS256"}));
    check.equal("keys", keys["keys"].as_array().map(Vec::len), Some(2));
    check.that(
        keys["keys"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|key| key["kty"] == "RSA" && key["e"] == "AQAB"),
        || format!("{keys}"),
    );
    check.that(verifies(&keys, &new) && verifies(&keys, &old), || {
        "the key set does not verify both".to_owned()
    });
    for (what, token) in [("new", &new), ("old", &old)] {
        check.equal(what, crate::who(&server.anonymous(), token).await.status, 201);
    }
    let document = admin.get(CONFIGURATION).await.json();
    check.has("issuer", &document, json!({"issuer": "https://two.example"}));
    // Without the old key and issuer the old token is nothing.
    assert!(server.interrupt().success());
    server.options().arguments.truncate(2);
    server.restart();
    check.equal(
        "forgotten",
        crate::who(&server.anonymous(), &old).await.status,
        401,
    );
    check.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_without_a_url() {
    let server = Server::start_with(Options::with_arguments(&[
        "--service-account-issuer",
        "kubernetes",
    ]));
    for path in [CONFIGURATION, KEYS] {
        assert_eq!(server.client().get(path).await.status, 404, "{path}");
    }
    let token = token(&server.client(), "default", json!({})).await;
    crate::who(&server.anonymous(), &token).await.expect(201);
}

/// A configuration by which the server at `url` is believed for the audience `other`.
fn configuration(url: &str, authority: &str) -> String {
    let authority: String = authority.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        r#"apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: {url}
    audiences: [other]
    certificateAuthority: |
{authority}  claimMappings:
    username: {{claim: sub, prefix: "outside:"}}
    groups: {{expression: '["guests"]'}}
"#
    )
}

/// A second server that believes the first one's tokens: the one real issuer that is always at hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relying_party() {
    let mut issuer = Server::start();
    let url = issuer.url();
    let port = issuer.port();
    let options = issuer.options();
    options.port = port;
    options.arguments = vec!["--service-account-issuer".to_owned(), url.clone()];
    issuer.restart();
    let admin = issuer.client();
    let mut check = Check::new(admin.clone());
    admin
        .post(
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            &json!({
                "metadata": {"name": "discovery"},
                "roleRef": {"kind": "ClusterRole", "name": "system:service-account-issuer-discovery"},
                "subjects": [{"kind": "Group", "name": "system:unauthenticated"}],
            }),
        )
        .await
        .expect(201);
    let for_others = token(&admin, "default", json!({"audiences": ["other"]})).await;
    let for_itself = token(&admin, "default", json!({})).await;

    let authority = std::fs::read_to_string(issuer.data().join("pki/ca.crt")).expect("the CA");
    let file = issuer.scratch().join("authentication.yaml");
    std::fs::write(&file, configuration(&url, &authority)).expect("a file");
    let arguments = ["--authentication-config", &file.display().to_string()];
    let relying = Server::start_with(Options::with_arguments(&arguments));
    let whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let reply = relying.bearer(&for_others).post(whoami, &json!({})).await;
    let user = &reply.expect(201)["status"]["userInfo"];
    check.equal(
        "user",
        user["username"].clone(),
        json!("outside:system:serviceaccount:default:default"),
    );
    check.equal(
        "groups",
        user["groups"].clone(),
        json!(["guests", "system:authenticated"]),
    );
    let reply = relying.bearer(&for_itself).post(whoami, &json!({})).await;
    check.equal("a token for somebody else", reply.status, 401);
    let reply = relying
        .bearer(&format!("{for_others}x"))
        .post(whoami, &json!({}))
        .await;
    check.equal("a damaged token", reply.status, 401);

    let broken = issuer.scratch().join("broken.yaml");
    std::fs::write(&broken, "this: is not one\n").expect("a file");
    let arguments = ["--authentication-config", &broken.display().to_string()];
    match Server::try_start(Options::with_arguments(&arguments)) {
        Ok(_) => panic!("a server started with a broken file"),
        Err(failure) => {
            check.that(failure.output.contains("line 1"), || failure.to_string());
        }
    }
    check.finish();
}
