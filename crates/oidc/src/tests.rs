use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::json;
use strongroom_objects::Map;
use strongroom_tokens::TokenError;
use strongroom_tokens::jwt;
use strongroom_tokens::keys::{SigningKey, VerifyingKeys};
use strongroom_tokens::structured::AuthenticationConfiguration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::IssuerKeys;

/// What the issuer answers with: status, discovery document, JWK set.
type Documents = Arc<Mutex<(u16, String, String)>>;

struct Provider {
    url: String,
    authority: String,
    documents: Documents,
    requests: Arc<AtomicUsize>,
}

/// An issuer on a port of its own, with a certificate nobody else trusts.
async fn provider() -> Provider {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}/realm",
        listener.local_addr().unwrap().port()
    );
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string();
    let documents: Documents = Arc::new(Mutex::new((200, discovery, json!({"keys": []}).to_string())));
    let requests = Arc::new(AtomicUsize::new(0));
    let (shared, counter) = (documents.clone(), requests.clone());
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (acceptor, shared, counter) = (acceptor.clone(), shared.clone(), counter.clone());
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    let (status, discovery, keys) = shared.lock().unwrap().clone();
                    let body = match request.uri().path() {
                        "/realm/.well-known/openid-configuration" => discovery,
                        "/realm/keys" => keys,
                        _ => String::new(),
                    };
                    let response = Response::builder()
                        .status(status)
                        .body(Full::new(Bytes::from(body)));
                    async { Ok::<_, Infallible>(response.unwrap()) }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(tls), answer)
                    .await;
            });
        }
    });
    Provider {
        url,
        authority: certified.cert.pem(),
        documents,
        requests,
    }
}

impl Provider {
    fn issuer_keys(&self, authority: &str) -> IssuerKeys {
        let indented = authority.replace('\n', "\n      ");
        let file = format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer:\n    url: {}\n    \
             audiences: [me]\n    certificateAuthority: |\n      {indented}\n  claimMappings:\n    username:\n      \
             claim: sub\n      prefix: \"\"\n",
            self.url
        );
        let mut configuration = AuthenticationConfiguration::parse(&file, &[]).unwrap();
        IssuerKeys::new(configuration.issuers.remove(0)).unwrap()
    }

    fn publish(&self, key: &str) {
        let keys = VerifyingKeys::from_pem([key.as_bytes()]).unwrap().jwks();
        self.documents.lock().unwrap().2 = serde_json::Value::Object(keys).to_string();
    }

    fn token(&self, key: &str) -> String {
        let claims = json!({"iss": self.url, "aud": "me", "sub": "alice", "exp": 1_900_000_000});
        let claims: Map = claims.as_object().unwrap().clone();
        jwt::sign(&SigningKey::from_pem(key.as_bytes()).unwrap(), &claims)
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

#[tokio::test]
async fn keys_are_fetched_rotated_and_kept() {
    let provider = provider().await;
    let [first, second] = [
        SigningKey::generate_ec_p256_pem(),
        SigningKey::generate_ec_p256_pem(),
    ];
    let keys = provider.issuer_keys(&provider.authority);
    assert!(
        keys.readiness()
            .unwrap_err()
            .to_string()
            .contains("have not been fetched yet")
    );
    provider.publish(&first);
    let token = provider.token(&first);
    let caller = keys.authenticate(&token, now()).await.unwrap().unwrap();
    assert_eq!(
        (caller.identity.user.as_str(), caller.expires),
        ("alice", 1_900_000_000)
    );
    assert_eq!(keys.readiness(), Ok(()));
    assert_eq!(provider.requests.load(Ordering::Relaxed), 2);

    // An unknown key makes nobody ask again so soon, however many tokens name it.
    provider.publish(&second);
    let unknown = provider.token(&second);
    for _ in 0..20 {
        let got = keys.authenticate(&unknown, now()).await;
        assert_eq!(got, Err(TokenError::Signature));
    }
    assert_eq!(provider.requests.load(Ordering::Relaxed), 2);
    keys.refresh().await.unwrap();
    assert!(keys.authenticate(&unknown, now()).await.unwrap().is_some());
    assert_eq!(keys.authenticate(&token, now()).await, Err(TokenError::Signature));

    provider.documents.lock().unwrap().0 = 503;
    assert!(
        keys.refresh()
            .await
            .unwrap_err()
            .to_string()
            .ends_with("answered 503")
    );
    assert!(keys.last_problem().is_some() && keys.readiness().is_ok());
    assert!(keys.authenticate(&unknown, now()).await.unwrap().is_some());
    assert_eq!(keys.authenticate("a.b.c", now()).await, Ok(None));
}

#[tokio::test]
async fn what_is_not_the_issuers_is_refused() {
    let provider = provider().await;
    let key = SigningKey::generate_ec_p256_pem();
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()])
        .unwrap()
        .cert
        .pem();
    let keys = provider.issuer_keys(&stranger);
    assert!(
        keys.refresh()
            .await
            .unwrap_err()
            .to_string()
            .contains("cannot be reached")
    );

    let keys = provider.issuer_keys(&provider.authority);
    let discovery = |issuer: &str, jwks: &str| json!({"issuer": issuer, "jwks_uri": jwks}).to_string();
    let good = format!("{}/keys", provider.url);
    let plain = good.replace("https", "http");
    let cases = [
        (
            discovery("https://other.example", &good),
            "it is about another issuer",
        ),
        (
            discovery(&format!("{}/", provider.url), &good),
            "it is about another issuer",
        ),
        (discovery(&provider.url, &plain), "is not an https URL"),
        ("{}".to_owned(), "it is about another issuer"),
        ("<html>".to_owned(), "it is not JSON"),
        (
            json!({"issuer": provider.url}).to_string(),
            "it names no jwks_uri",
        ),
        (" ".repeat(2 << 20), "longer than 1 MiB"),
    ];
    for (document, expected) in cases {
        provider.documents.lock().unwrap().1 = document;
        let error = keys.refresh().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    provider.documents.lock().unwrap().1 = discovery(&provider.url, &good);
    assert!(
        keys.refresh()
            .await
            .unwrap_err()
            .to_string()
            .contains("no key in the JWK set")
    );
    assert!(
        keys.readiness()
            .unwrap_err()
            .problem
            .contains("no key in the JWK set")
    );
    provider.publish(&key);
    keys.refresh().await.unwrap();
}
