//! TokenReview (§3.4).

use serde_json::json;
use strongroom_e2e::{Check, Options, Server};

use crate::{ISSUER, claims, review, token};

const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_reviews() {
    let server = Server::start();
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let good = token(&admin, "default", json!({})).await;
    let reply = admin.post(REVIEWS, &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": good}})).await;
    let inside = claims(&good);
    let user = json!({
        "username": "system:serviceaccount:default:default", "uid": inside["kubernetes.io"]["serviceaccount"]["uid"],
        "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/credential-id": [format!("JTI={}", inside["jti"].as_str().unwrap_or_default())]},
    });
    check.accepts(
        &reply,
        201,
        json!({
            "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": good},
            "status": {"authenticated": true, "user": user, "audiences": [ISSUER], "error": null},
        }),
    );
    // Audiences: what is asked for and what the token is for.
    check.has(
        "asked",
        &review(&admin, &good, &["x", ISSUER]).await,
        json!({"authenticated": true, "audiences": [ISSUER]}),
    );
    let other = review(&admin, &good, &["x"]).await;
    check.has("another", &other, json!({"authenticated": null, "user": {}, "error": format!("[invalid bearer token, token audiences [\"{ISSUER}\"] is invalid for the target audiences [\"x\"]]")}));
    let vault = token(&admin, "default", json!({"audiences": ["vault", "door"]})).await;
    check.has("not for us", &review(&admin, &vault, &[]).await, json!({"authenticated": null, "error": format!("[invalid bearer token, token audiences [\"vault\" \"door\"] is invalid for the target audiences [\"{ISSUER}\"]]")}));
    check.has("for it", &review(&admin, &vault, &["door"]).await, json!({"authenticated": true, "audiences": ["door"], "user": {"username": "system:serviceaccount:default:default"}}));
    check.equal(
        "not for us",
        crate::who(&server.anonymous(), &vault).await.status,
        401,
    );

    check.rejects(
        &admin.post(REVIEWS, &json!({"spec": {"token": ""}})).await,
        400,
        "BadRequest",
        "token is required for TokenReview in authentication",
    );
    check.rejects(
        &admin.post(REVIEWS, &json!({})).await,
        400,
        "BadRequest",
        "token is required for TokenReview in authentication",
    );
    for bad in [
        "nonsense",
        "a.b.c",
        "abcdef.0123456789abcdef",
        &format!("{good}x"),
        &good[..good.len() - 10],
    ] {
        let reply = admin.post(REVIEWS, &json!({"spec": {"token": bad}})).await;
        let got = check.accepts(
            &reply,
            201,
            json!({"status": {"authenticated": null, "user": {}, "audiences": null, "error": "*"}}),
        );
        let error = got["status"]["error"].as_str().unwrap_or_default();
        check.that(
            error.contains("invalid bearer token") && !error.contains(bad),
            || format!("{bad}: {error}"),
        );
    }
    // Only who may ask gets an answer.
    for (who, client) in [
        ("anonymous", server.anonymous()),
        ("itself", server.bearer(&good)),
        ("plain", server.user("plain", &[])),
    ] {
        let reply = client.post(REVIEWS, &json!({"spec": {"token": good}})).await;
        check.equal(who, reply.status, 403);
    }
    check.equal("GET", admin.get(REVIEWS).await.status, 405);
    check.finish();
}

/// Tokens for another audience, and the audiences of the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audiences_of_the_server() {
    let server = Server::start_with(Options::with_arguments(&[
        "--service-account-issuer",
        "https://issuer.example",
        "--api-audiences",
        "one,two",
    ]));
    let admin = server.client();
    let mut check = Check::new(admin.clone());
    let good = token(&admin, "default", json!({})).await;
    check.has(
        "claims",
        &claims(&good),
        json!({"iss": "https://issuer.example", "aud": ["one", "two"]}),
    );
    check.has(
        "audiences",
        &review(&admin, &good, &[]).await,
        json!({"audiences": ["one", "two"]}),
    );
    let two = token(&admin, "default", json!({"audiences": ["two", "three"]})).await;
    check.has(
        "the intersection",
        &review(&admin, &two, &[]).await,
        json!({"authenticated": true, "audiences": ["two"]}),
    );
    check.equal("used", crate::who(&server.anonymous(), &two).await.status, 201);
    let three = token(&admin, "default", json!({"audiences": ["three"]})).await;
    check.equal(
        "not for the server",
        crate::who(&server.anonymous(), &three).await.status,
        401,
    );
    check.finish();
}
