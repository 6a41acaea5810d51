mod hostile;
mod planning;

use std::sync::Arc;

use jiff::Timestamp;

use super::legacy::*;
use super::*;
use crate::TokenError;
use crate::testkit::{self, pair};

pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const ISSUER_URL: &str = "https://kubernetes.default.svc.cluster.local";

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(super) fn reference(name: &str) -> Reference {
    Reference {
        name: name.to_owned(),
        uid: format!("{name}-uid"),
    }
}

pub(super) fn claims() -> TokenClaims {
    TokenClaims {
        issuer: ISSUER_URL.to_owned(),
        audiences: vec![ISSUER_URL.to_owned()],
        expires: NOW + 3600,
        issued: Some(NOW),
        not_before: Some(NOW),
        id: "1-2-3".to_owned(),
        namespace: "ns".to_owned(),
        service_account: reference("sa"),
        ..TokenClaims::default()
    }
}

fn live(name: &str) -> Option<LiveObject> {
    Some(LiveObject {
        uid: format!("{name}-uid"),
        deletion: None,
    })
}

fn everything_lives() -> Live {
    Live {
        service_account: live("sa"),
        pod: live("pod"),
        secret: live("secret"),
        node: live("node"),
    }
}

pub(super) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_pods_token_comes_back_as_its_caller() {
    let (key, keys) = pair(testkit::RSA_PKCS8);
    let issued = TokenClaims {
        pod: Some(reference("pod")),
        node: Some(reference("node")),
        warn_after: Some(NOW + 10),
        ..claims()
    };
    let token = issue(&key, &issued);
    let issuers = strings(&[ISSUER_URL, "https://old.example"]);
    let verified = verify(&token, at(NOW), &keys, &issuers, &strings(&[ISSUER_URL]))
        .unwrap()
        .unwrap();
    assert_eq!(verified.claims(), &issued);
    assert_eq!(verified.audiences(), [ISSUER_URL]);
    let without_node = Live {
        node: None,
        ..everything_lives()
    };
    let identity = check_live(&verified, &without_node, at(NOW)).unwrap();
    assert_eq!(identity.user, "system:serviceaccount:ns:sa");
    assert_eq!(identity.uid, "sa-uid");
    assert_eq!(
        identity.groups,
        [
            "system:serviceaccounts",
            "system:serviceaccounts:ns",
            "system:authenticated"
        ]
    );
    let extra: Vec<_> = identity
        .extra
        .iter()
        .map(|(key, value)| (key.as_str(), value[0].as_str()))
        .collect();
    assert_eq!(
        extra,
        [
            ("authentication.kubernetes.io/credential-id", "JTI=1-2-3"),
            ("authentication.kubernetes.io/node-name", "node"),
            ("authentication.kubernetes.io/node-uid", "node-uid"),
            ("authentication.kubernetes.io/pod-name", "pod"),
            ("authentication.kubernetes.io/pod-uid", "pod-uid"),
        ]
    );
    assert_eq!(stale_token_annotation(&issued, at(NOW + 10)), None);
    assert_eq!(
        stale_token_annotation(&issued, at(NOW + 15)).unwrap(),
        "subject: system:serviceaccount:ns:sa, seconds after warning threshold: 5"
    );
}

#[test]
fn times_have_a_minute_of_leeway() {
    let cases = [
        (NOW - 60, Ok(())),
        (NOW - 61, Err(TokenError::NotYetValid)),
        (NOW + 3600 + 60, Ok(())),
        (NOW + 3600 + 61, Err(TokenError::Expired)),
    ];
    for (now, expected) in cases {
        let got = check_claims(Arc::new(claims()), at(now), &strings(&[ISSUER_URL])).map(|_| ());
        assert_eq!(got, expected, "{now}");
    }
    let early = TokenClaims {
        not_before: None,
        ..claims()
    };
    let got = check_claims(Arc::new(early), at(NOW - 61), &strings(&[ISSUER_URL])).map(|_| ());
    assert_eq!(got, Err(TokenError::IssuedInTheFuture));
    let texts = [
        TokenError::Expired,
        TokenError::NotYetValid,
        TokenError::IssuedInTheFuture,
    ]
    .map(|e| e.to_string());
    assert_eq!(texts[0], "service account token has expired");
    assert_eq!(texts[1], "service account token is not valid yet");
    assert_eq!(texts[2], "service account token is issued in the future");
}

#[test]
fn audiences_must_meet() {
    let got = check_claims(Arc::new(claims()), at(NOW), &strings(&["b", "c\"d"]));
    assert_eq!(
        got.unwrap_err().to_string(),
        r#"token audiences ["https://kubernetes.default.svc.cluster.local"] is invalid for the target audiences ["b" "c\"d"]"#
    );
    let none = TokenClaims {
        audiences: Vec::new(),
        ..claims()
    };
    assert!(check_claims(Arc::new(none), at(NOW), &strings(&["b"])).is_err());
    let got = check_claims(Arc::new(claims()), at(NOW), &strings(&["b", ISSUER_URL])).unwrap();
    assert_eq!(got.audiences(), [ISSUER_URL]);
}

#[test]
fn other_tokens_are_for_others() {
    let (key, keys) = pair(testkit::EC_SEC1);
    let audiences = strings(&[ISSUER_URL]);
    let foreign = issue(
        &key,
        &TokenClaims {
            issuer: "https://other.example".to_owned(),
            ..claims()
        },
    );
    let legacy = issue_legacy(&key, &legacy_claims());
    for token in [
        foreign.as_str(),
        legacy.as_str(),
        "abcdef.0123456789abcdef",
        "",
        "opaque",
    ] {
        let got = verify(token, at(NOW), &keys, &audiences, &audiences);
        assert!(matches!(got, Ok(None)), "{token}");
    }
    for token in [foreign.as_str(), "abcdef.0123456789abcdef", "", "opaque"] {
        assert_eq!(verify_legacy(token, &keys), Ok(None));
    }
}

#[test]
fn what_a_token_is_bound_to_must_live() {
    let gone = |name: &str, since: i64| {
        Some(LiveObject {
            uid: format!("{name}-uid"),
            deletion: Some(at(since)),
        })
    };
    let recreated = || {
        Some(LiveObject {
            uid: "new".to_owned(),
            deletion: None,
        })
    };
    let invalidated = Err("service account token has been invalidated".to_owned());
    let base = everything_lives;
    let cases: Vec<(&str, Live, Result<(), String>)> = vec![
        ("secret", base(), Ok(())),
        (
            "secret",
            Live {
                secret: None,
                ..base()
            },
            invalidated.clone(),
        ),
        (
            "secret",
            Live {
                secret: gone("secret", NOW - 60),
                ..base()
            },
            Ok(()),
        ),
        (
            "secret",
            Live {
                secret: gone("secret", NOW - 61),
                ..base()
            },
            invalidated.clone(),
        ),
        (
            "secret",
            Live {
                secret: recreated(),
                ..base()
            },
            Err("secret UID (new) does not match service account secret ref claim (secret-uid)".to_owned()),
        ),
        ("pod", Live { pod: None, ..base() }, invalidated.clone()),
        (
            "pod",
            Live {
                pod: recreated(),
                ..base()
            },
            Err("pod UID (new) does not match service account pod ref claim (pod-uid)".to_owned()),
        ),
        ("node", Live { node: None, ..base() }, invalidated.clone()),
        (
            "node",
            Live {
                node: recreated(),
                ..base()
            },
            Err("node UID (new) does not match service account node ref claim (node-uid)".to_owned()),
        ),
        (
            "",
            Live {
                pod: None,
                secret: None,
                node: None,
                ..base()
            },
            Ok(()),
        ),
        (
            "",
            Live {
                service_account: None,
                ..base()
            },
            Err("serviceaccounts \"sa\" not found".to_owned()),
        ),
        (
            "",
            Live {
                service_account: recreated(),
                ..base()
            },
            Err("service account UID (new) does not match claim (sa-uid)".to_owned()),
        ),
        (
            "",
            Live {
                service_account: gone("sa", NOW - 60),
                ..base()
            },
            Ok(()),
        ),
        (
            "",
            Live {
                service_account: gone("sa", NOW - 61),
                ..base()
            },
            Err("service account ns/sa has been deleted".to_owned()),
        ),
    ];
    for (bound, live, expected) in cases {
        let target = |kind: &str| (kind == bound).then(|| reference(kind));
        let claims = TokenClaims {
            pod: target("pod"),
            secret: target("secret"),
            node: target("node"),
            ..claims()
        };
        let verified = check_claims(Arc::new(claims), at(NOW), &strings(&[ISSUER_URL])).unwrap();
        let got = check_live(&verified, &live, at(NOW))
            .map(|_| ())
            .map_err(|error| error.to_string());
        assert_eq!(got, expected, "{bound} {live:?}");
    }
}

#[test]
fn user_names_are_split_as_they_are_made() {
    assert_eq!(split_username(&username("ns", "sa.x")), Some(("ns", "sa.x")));
    for user in [
        "system:serviceaccount:ns",
        "system:serviceaccount::a",
        "system:serviceaccount:a:",
        "bob",
        "system:serviceaccount:a:b:c",
        "",
    ] {
        assert_eq!(split_username(user), None, "{user}");
    }
}

fn legacy_claims() -> LegacyClaims {
    LegacyClaims {
        namespace: "ns".to_owned(),
        secret: "s".to_owned(),
        service_account: "sa".to_owned(),
        service_account_uid: "sa-uid".to_owned(),
    }
}

#[test]
fn a_legacy_token_is_what_its_secret_holds() {
    let (key, keys) = pair(testkit::RSA_PKCS8);
    let token = issue_legacy(&key, &legacy_claims());
    let found = verify_legacy(&token, &keys).unwrap().unwrap();
    assert_eq!(found, legacy_claims());
    let secret = LiveSecret {
        token: token.as_bytes(),
        ..LiveSecret::default()
    };
    let account = LiveServiceAccount {
        uid: "sa-uid",
        ..LiveServiceAccount::default()
    };
    let check = |secret: Option<LiveSecret<'_>>, service_account: Option<LiveServiceAccount<'_>>| {
        let live = LegacyLive {
            secret,
            service_account,
        };
        check_legacy_live(&token, &found, &live, at(NOW)).map_err(|error| error.to_string())
    };
    let accepted = check(Some(secret), Some(account)).unwrap();
    assert_eq!(accepted.identity.user, "system:serviceaccount:ns:sa");
    assert!(accepted.identity.extra.is_empty() && !accepted.auto_generated);
    assert_eq!(accepted.mark_last_used.as_deref(), Some("2027-01-15"));
    let marked = LiveSecret {
        last_used: "2027-01-15",
        ..secret
    };
    let listed = LiveServiceAccount {
        lists_secret: true,
        ..account
    };
    let accepted = check(Some(marked), Some(listed)).unwrap();
    assert!(accepted.mark_last_used.is_none() && accepted.auto_generated);
    let refusals = [
        (check(None, Some(account)), "Token has been invalidated"),
        (
            check(
                Some(LiveSecret {
                    deleting: true,
                    ..secret
                }),
                Some(account),
            ),
            "Token has been invalidated",
        ),
        (
            check(Some(LiveSecret { token: b"", ..secret }), Some(account)),
            "Token does not match server's copy",
        ),
        (check(Some(secret), None), "serviceaccounts \"sa\" not found"),
        (
            check(
                Some(secret),
                Some(LiveServiceAccount {
                    deleting: true,
                    ..account
                }),
            ),
            "ServiceAccount ns/sa has been deleted",
        ),
        (
            check(
                Some(secret),
                Some(LiveServiceAccount {
                    uid: "new",
                    ..account
                }),
            ),
            "ServiceAccount UID (new) does not match claim (sa-uid)",
        ),
        (
            check(
                Some(LiveSecret {
                    invalid_since: "2026-01-01",
                    ..secret
                }),
                Some(account),
            ),
            "the token in secret ns/s for service account ns/sa has been marked invalid. Use tokens from the \
             TokenRequest API or manually created secret-based tokens, or remove the \
             'kubernetes.io/legacy-token-invalid-since' label from the secret to temporarily allow use of this token",
        ),
    ];
    for (got, expected) in refusals {
        assert_eq!(got.unwrap_err(), expected);
    }
}
