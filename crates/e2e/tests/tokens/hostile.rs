//! Tokens that somebody made up (S10): 401, no crash, no word of why but to who may review tokens.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use strongroom_e2e::{Check, Random, Server};

use crate::forge::{Forger, unsigned};
use crate::{ACCOUNTS, ISSUER, SECRETS, claims, header, now, review, token, who};

/// The claims of a good token with some others; `null` takes one away.
fn with(claims: &Value, changes: Value) -> Value {
    let mut changed = claims.clone();
    for (name, value) in changes.as_object().into_iter().flatten() {
        changed[name] = value.clone();
    }
    if let Some(changed) = changed.as_object_mut() {
        changed.retain(|_, value| !value.is_null());
    }
    changed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_up_tokens() {
    let mut server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    for name in ["robot", "other"] {
        admin
            .post(ACCOUNTS, &json!({"metadata": {"name": name}}))
            .await
            .expect(201);
    }
    let good = token(&admin, "robot", json!({})).await;
    let (head, body) = (header(&good), claims(&good));
    let (forger, stranger) = (Forger::of(&server), Forger::stranger());
    let signature = good.rsplit('.').next().unwrap_or_default().to_owned();
    let anonymous = server.anonymous();
    // The forger's hand is good: with the server's own key anything true passes.
    check.equal(
        "with the real key",
        who(&anonymous, &forger.sign(&head, &body)).await.status,
        201,
    );
    check.equal(
        "30 s after its end",
        who(
            &anonymous,
            &forger.sign(&head, &with(&body, json!({"exp": now() - 30}))),
        )
        .await
        .status,
        201,
    );
    check.equal(
        "30 s before its beginning",
        who(
            &anonymous,
            &forger.sign(&head, &with(&body, json!({"nbf": now() + 30}))),
        )
        .await
        .status,
        201,
    );

    let mut bad: Vec<(String, String)> = Vec::new();
    let mut add = |what: &str, token: String| bad.push((what.to_owned(), token));
    add("a stranger's key", stranger.sign(&head, &body));
    let header_with = |changes: Value| with(&head, changes);
    for alg in [
        "none", "None", "NONE", "nOnE", "", "HS256", "RS256", "PS256", "ES384", "EdDSA", "es256",
    ] {
        let text = header_with(json!({"alg": alg})).to_string();
        let first = unsigned(&text, &body.to_string());
        add(&format!("alg {alg:?}, no signature"), format!("{first}."));
        add(&format!("alg {alg:?}, two parts"), first.clone());
        add(
            &format!("alg {alg:?}, the old signature"),
            format!("{first}.{signature}"),
        );
        add(
            &format!("alg {alg:?}, signed"),
            forger.sign_text(&text, &body.to_string()),
        );
    }
    // The public key as a shared secret, in every form it is known in.
    let pem = std::fs::read(server.data().join("pki/sa.pub")).expect("the public key");
    let der = crate::forge::pem(&String::from_utf8_lossy(&pem));
    let keys = admin.get("/openid/v1/jwks").await;
    let trimmed = String::from_utf8_lossy(&pem).trim().as_bytes().to_vec();
    for secret in [
        pem.clone(),
        trimmed,
        der.clone(),
        der[der.len() - 65..].to_vec(),
        keys.body.to_vec(),
        Vec::new(),
    ] {
        let text = header_with(json!({"alg": "HS256"})).to_string();
        let first = unsigned(&text, &body.to_string());
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), first.as_bytes());
        add(
            "key confusion",
            format!("{first}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref())),
        );
    }
    // A key that comes along.
    let own = json!({"kty": "oct", "k": "AAAA"});
    add("jwk", stranger.sign(&header_with(json!({"jwk": own})), &body));
    add(
        "jku",
        stranger.sign(
            &header_with(json!({"jku": format!("{}/openid/v1/jwks", server.url())})),
            &body,
        ),
    );
    add(
        "x5u",
        stranger.sign(
            &header_with(json!({"x5u": "https://127.0.0.1:1/", "kid": null})),
            &body,
        ),
    );
    for kid in ["../../../../dev/null", "' OR 1=1 --", "\u{0}", "", "/work/secret"] {
        add("kid", stranger.sign(&header_with(json!({"kid": kid})), &body));
    }
    add(
        "an unknown critical header",
        forger.sign(&header_with(json!({"crit": ["x"], "x": 1})), &body),
    );
    // Signed well, but not true.
    for (what, changes) in [
        ("expired", json!({"exp": now() - 90})),
        ("no end", json!({"exp": null})),
        ("an end that is text", json!({"exp": "9999999999"})),
        ("an end beyond numbers", json!({"exp": 1e300})),
        ("not yet valid", json!({"nbf": now() + 90})),
        ("issued in the future", json!({"iat": now() + 90, "nbf": null})),
        ("another issuer", json!({"iss": "https://elsewhere.example"})),
        ("no issuer", json!({"iss": null})),
        ("a legacy issuer", json!({"iss": "kubernetes/serviceaccount"})),
        ("another audience", json!({"aud": ["https://elsewhere.example"]})),
        ("no audience", json!({"aud": null})),
        ("an empty audience", json!({"aud": []})),
        (
            "another subject",
            json!({"sub": "system:serviceaccount:default:other"}),
        ),
        (
            "a great subject",
            json!({"sub": "system:serviceaccount:kube-system:default"}),
        ),
        ("no account", json!({"kubernetes.io": null})),
        (
            "another account's name",
            json!({"kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "other", "uid": body["kubernetes.io"]["serviceaccount"]["uid"]}}, "sub": "system:serviceaccount:default:other"}),
        ),
        (
            "no uid",
            json!({"kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "robot"}}}),
        ),
        (
            "a name with a slash",
            json!({"kubernetes.io": {"namespace": "default/x", "serviceaccount": {"name": "../robot", "uid": "1"}}}),
        ),
    ] {
        add(what, forger.sign(&head, &with(&body, changes)));
    }
    // Broken.
    for text in ["[]", "null", "\"x\"", "{", "{}", "", "\u{0}"] {
        add("claims", forger.sign_text(&head.to_string(), text));
        add("header", forger.sign_text(text, &body.to_string()));
    }
    add(
        "claims of depth 100,000",
        forger.sign_text(&head.to_string(), &"[".repeat(100_000)),
    );
    let twice = body
        .to_string()
        .replacen('{', "{\"sub\":\"system:serviceaccount:default:other\",", 1);
    add(
        "a claim twice, unsigned",
        format!("{}.{signature}", unsigned(&head.to_string(), &twice)),
    );
    for length in (1..good.len()).step_by(7) {
        add(&format!("cut at {length}"), good[..length].to_owned());
    }
    for (what, text) in [
        ("a dot more", format!("{good}.")),
        ("a dot before", format!(".{good}")),
        ("five parts", format!("{good}.a.b")),
        ("padding", format!("{good}=")),
        ("padding", format!("{good}==")),
        ("only dots", "..".to_owned()),
        ("a dot", ".".to_owned()),
        ("the standard alphabet", swap_alphabet(&good)),
    ] {
        add(what, text);
    }
    let raw = URL_SAFE_NO_PAD.decode(&signature).expect("base64url");
    let part = good
        .rsplit_once('.')
        .map(|(part, _)| part.to_owned())
        .unwrap_or_default();
    for (what, bytes) in [
        ("zeros", vec![0; 64]),
        ("ones", vec![255; 64]),
        ("longer", [raw.as_slice(), &[0]].concat()),
        ("shorter", raw[1..].to_vec()),
        ("empty", Vec::new()),
        ("halves swapped", [&raw[32..], &raw[..32]].concat()),
    ] {
        add(
            &format!("a signature of {what}"),
            format!("{part}.{}", URL_SAFE_NO_PAD.encode(bytes)),
        );
    }
    let (mut random, seed) = Random::fresh();
    println!("seed {seed}");
    for _ in 0..200 {
        let mut bytes = good.clone().into_bytes();
        let at = random.below(bytes.len() as u64 - 1) as usize;
        let new =
            b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."[random.below(65) as usize];
        // The last character of a part has bits that mean nothing; those must be zero.
        if bytes[at] != new {
            bytes[at] = new;
            add(
                &format!("another letter at {at}"),
                String::from_utf8(bytes).expect("text"),
            );
        }
    }
    println!("{} made up tokens", bad.len());
    for (what, text) in &bad {
        if text.bytes().any(|byte| byte < b' ') || text.is_empty() {
            continue;
        }
        match anonymous
            .request("POST", crate::WHO_AM_I)
            .header("authorization", &format!("Bearer {text}"))
            .json(&json!({}))
            .try_send()
            .await
        {
            Ok(reply) => {
                let large = text.len() > 64 * 1024;
                check.that(reply.status == 401 || (large && reply.status == 431), || {
                    format!(
                        "{what}: {} {}\n    {}",
                        reply.status,
                        reply.text(),
                        &text[..text.len().min(300)]
                    )
                });
            }
            Err(error) => {
                check.that(text.len() > 64 * 1024, || format!("{what}: no answer: {error}"));
            }
        }
        let said = review(&admin, text, &[]).await;
        check.that(
            said["authenticated"].is_null()
                && said["error"].as_str().is_some_and(|error| {
                    error.contains("invalid bearer token")
                        && !(text.len() > 8 && error.contains(text.as_str()))
                }),
            || format!("{what}: reviewed: {said}"),
        );
    }
    check.equal(
        "the good one still works",
        who(&anonymous, &good).await.status,
        201,
    );
    server.assert_healthy();
    check.finish();
}

fn swap_alphabet(token: &str) -> String {
    let parts: Vec<String> = token
        .split('.')
        .map(|part| STANDARD.encode(URL_SAFE_NO_PAD.decode(part).expect("base64url")))
        .collect();
    parts.join(".")
}

/// What a TokenReview says of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_words_of_a_review() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let good = token(&admin, "default", json!({})).await;
    let (head, body) = (header(&good), claims(&good));
    let forger = Forger::of(&server);
    for (changes, expected) in [
        (
            json!({"exp": now() - 90}),
            "service account token has expired".to_owned(),
        ),
        (
            json!({"nbf": now() + 90}),
            "service account token is not valid yet".to_owned(),
        ),
        (
            json!({"iat": now() + 90, "nbf": null}),
            "service account token is issued in the future".to_owned(),
        ),
        (
            json!({"aud": ["a"]}),
            format!("token audiences [\"a\"] is invalid for the target audiences [\"{ISSUER}\"]"),
        ),
    ] {
        let said = review(&admin, &forger.sign(&head, &with(&body, changes.clone())), &[]).await;
        check.equal(
            &changes.to_string(),
            said["error"].as_str().unwrap_or_default().to_owned(),
            format!("[invalid bearer token, {expected}]"),
        );
    }
    let said = review(&admin, &Forger::stranger().sign(&head, &body), &[]).await;
    check.that(
        said["error"]
            .as_str()
            .unwrap_or_default()
            .contains("invalid signature"),
        || format!("a stranger's: {said}"),
    );
    let unknown = with(&head, json!({"kid": "unknown"}));
    let said = review(&admin, &Forger::stranger().sign(&unknown, &body), &[]).await;
    check.that(
        said["error"]
            .as_str()
            .unwrap_or_default()
            .contains("invalid signature"),
        || format!("an unknown key: {said}"),
    );
    let said = review(&admin, "nonsense", &[]).await;
    check.equal(
        "nobody knows it",
        said,
        json!({"user": {}, "error": "invalid bearer token"}),
    );
    check.finish();
}

/// A header of any size: refused, and nobody else notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_tokens() {
    let mut server = Server::start();
    let mut check = Check::new(server.client());
    for size in [10_000, 100_000, 900_000, 2_000_000] {
        let client = server.anonymous();
        for text in [
            "a".repeat(size),
            format!(
                "{}.{}.{}",
                "a".repeat(size / 3),
                "b".repeat(size / 3),
                "c".repeat(size / 3)
            ),
            ".".repeat(size),
        ] {
            let sent = client
                .request("GET", SECRETS)
                .header("authorization", &format!("Bearer {text}"))
                .try_send()
                .await;
            if let Ok(reply) = sent {
                check.that(matches!(reply.status, 401 | 431), || {
                    format!("{size}: {} {}", reply.status, reply.text())
                });
                check.that(!reply.text().contains(&text[..64]), || {
                    "the token comes back".to_owned()
                });
            } else {
                check.that(size > 64 * 1024, || format!("{size}: no answer"));
            }
        }
        check.equal("others", server.client().get(SECRETS).await.status, 200);
    }
    server.assert_healthy();
    check.finish();
}
