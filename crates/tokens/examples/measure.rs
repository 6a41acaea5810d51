//! What verifying a token costs: `cargo run --release -p strongroom-tokens --example measure`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use strongroom_tokens::cache::TokenCache;
use strongroom_tokens::keys::{SigningKey, VerifyingKeys};
use strongroom_tokens::service_account::{
    Live, LiveObject, Reference, TokenClaims, check_claims, check_live, issue, prove,
};

fn main() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let own = vec!["https://kubernetes.default.svc.cluster.local".to_owned()];
    let reference = |name: &str| Reference {
        name: name.to_owned(),
        uid: "4f1c1c1e-6a52-4d3f-9a55-0d3f5a1b2c3d".to_owned(),
    };
    let claims = TokenClaims {
        issuer: own[0].clone(),
        audiences: own.clone(),
        expires: now.as_second() + 3600,
        issued: Some(now.as_second()),
        not_before: Some(now.as_second()),
        id: "0b1de8a0-1d51-4d0e-8d7c-6d1a7a0e1f00".to_owned(),
        namespace: "default".to_owned(),
        service_account: reference("default"),
        pod: Some(reference("pod")),
        node: Some(reference("node")),
        ..TokenClaims::default()
    };
    let there = Some(LiveObject {
        uid: reference("").uid,
        deletion: None,
    });
    let live = Live {
        service_account: there.clone(),
        pod: there,
        ..Live::default()
    };
    for (name, pem) in [
        ("RS256", include_str!("../testdata/rsa-pkcs8.pem")),
        ("ES256", include_str!("../testdata/ec-p256-sec1.pem")),
    ] {
        let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
        let keys = VerifyingKeys::from_pem([pem.as_bytes()]).unwrap();
        let token = issue(&key, &claims);
        let cache = TokenCache::new(&[7; 32], 10_000, SignedDuration::from_hours(1));
        cache.insert(
            &token,
            Arc::new(prove(&token, &keys, &own).unwrap().unwrap()),
            now,
        );
        measure(&format!("{name} issue"), 500, || {
            drop(black_box(issue(&key, &claims)))
        });
        measure(&format!("{name} verify"), 5_000, || {
            drop(black_box(prove(&token, &keys, &own)))
        });
        measure(&format!("{name} remembered"), 200_000, || {
            drop(black_box(cache.get(&token, now)))
        });
        measure(
            &format!("{name} remembered, claims and live check"),
            200_000,
            || {
                let verified = check_claims(cache.get(&token, now).unwrap(), now, &own).unwrap();
                drop(black_box(check_live(&verified, &live, now)));
            },
        );
    }
}

/// The best of five runs, which other processes disturbed least.
fn measure(name: &str, times: u32, what: impl Fn()) {
    let run = || {
        let start = Instant::now();
        (0..times).for_each(|_| what());
        start.elapsed() / times
    };
    let best = (0..5).map(|_| run()).min().unwrap_or_default();
    println!("{name}: {best:?}");
}
