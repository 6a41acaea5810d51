use std::collections::BTreeMap;

use super::*;

const TOKEN: &str = "abcdef.0123456789abcdef";

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn good() -> BTreeMap<String, String> {
    let entries = [
        ("token-id", "abcdef"),
        ("token-secret", "0123456789abcdef"),
        ("usage-bootstrap-authentication", "true"),
        ("usage-bootstrap-signing", "true"),
    ];
    entries
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn with_secret<T>(data: &BTreeMap<String, String>, use_it: impl FnOnce(&TokenSecret<'_>) -> T) -> T {
    use_it(&TokenSecret {
        name: "bootstrap-token-abcdef",
        secret_type: SECRET_TYPE,
        deleting: false,
        data: &|key| data.get(key).map(|value| value.clone().into_bytes()),
    })
}

fn authenticate(data: &BTreeMap<String, String>) -> Result<Identity, Refusal> {
    let token = BootstrapToken::parse(TOKEN).unwrap();
    with_secret(data, |secret| token.authenticate(Some(secret), now()))
}

#[test]
fn only_id_and_secret_are_a_bootstrap_token() {
    assert_eq!(
        BootstrapToken::parse(TOKEN).unwrap().secret_name(),
        "bootstrap-token-abcdef"
    );
    for token in [
        "",
        ".",
        "abcdef.",
        "abcdef.0123456789abcdeF",
        "abcdefg.0123456789abcdef",
        "abcdef.0123456789abcde",
        "abcdef.0123456789abcdef ",
        "abcdef.0123456789abcdef\n",
        "abcde\u{e9}.0123456789abcdef",
        "abcdef.0123456789abcde.",
    ] {
        assert!(BootstrapToken::parse(token).is_none(), "{token}");
    }
    assert!(!format!("{:?}", BootstrapToken::parse(TOKEN)).contains("0123"));
}

#[test]
fn a_good_secret_confirms_its_token() {
    let mut data = good();
    data.insert(
        "auth-extra-groups".into(),
        "system:bootstrappers:z,system:bootstrappers:a:b,system:bootstrappers:z".into(),
    );
    data.insert("expiration".into(), "2026-06-01T02:00:01+02:00".into());
    let identity = authenticate(&data).unwrap();
    assert_eq!(identity.user, "system:bootstrap:abcdef");
    assert_eq!(
        identity.groups,
        [
            "system:bootstrappers",
            "system:bootstrappers:a:b",
            "system:bootstrappers:z",
            "system:authenticated"
        ]
    );
}

#[test]
fn everything_else_is_refused() {
    let cases = [
        ("token-secret", "0123456789abcdeg", Refusal::Mismatch),
        ("token-secret", "", Refusal::Mismatch),
        ("token-id", "abcdeg", Refusal::Mismatch),
        ("expiration", "2026-06-01T00:00:00Z", Refusal::Expired),
        ("expiration", "tomorrow", Refusal::Expired),
        ("usage-bootstrap-authentication", "True", Refusal::Usage),
        ("usage-bootstrap-authentication", "", Refusal::Usage),
        ("auth-extra-groups", "system:masters", Refusal::ExtraGroups),
        ("auth-extra-groups", "system:bootstrappers:", Refusal::ExtraGroups),
        (
            "auth-extra-groups",
            "system:bootstrappers:a-",
            Refusal::ExtraGroups,
        ),
        (
            "auth-extra-groups",
            "system:bootstrappers:a,",
            Refusal::ExtraGroups,
        ),
        (
            "auth-extra-groups",
            "system:bootstrappers:A",
            Refusal::ExtraGroups,
        ),
    ];
    for (key, value, expected) in cases {
        let mut data = good();
        data.insert(key.to_owned(), value.to_owned());
        assert_eq!(authenticate(&data), Err(expected), "{key} {value}");
    }
    let token = BootstrapToken::parse(TOKEN).unwrap();
    assert_eq!(token.authenticate(None, now()), Err(Refusal::NotThere));
    let data = good();
    with_secret(&data, |secret| {
        let deleting = TokenSecret {
            deleting: true,
            ..*secret
        };
        let opaque = TokenSecret {
            secret_type: "Opaque",
            ..*secret
        };
        let misnamed = TokenSecret {
            name: "bootstrap-token-zzzzzz",
            ..*secret
        };
        assert_eq!(token.authenticate(Some(&deleting), now()), Err(Refusal::NotThere));
        assert_eq!(token.authenticate(Some(&opaque), now()), Err(Refusal::NotThere));
        assert_eq!(token.authenticate(Some(&misnamed), now()), Err(Refusal::Mismatch));
    });
}

#[test]
fn kubeconfigs_are_signed_as_in_the_spec() {
    let signature = sign_kubeconfig("abcdef", "0123456789abcdef", "apiVersion: v1\nkind: Config\n");
    assert_eq!(
        signature,
        "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..vH_kT4yiol-nrAWgjfCYqvum5wsKETXe0S7OOp1VgnE"
    );
    let mut data = good();
    let signer = with_secret(&data, |secret| secret.signs(now())).unwrap();
    assert_eq!(
        (signer.0.as_str(), signer.1.as_str()),
        ("abcdef", "0123456789abcdef")
    );
    for (key, value) in [
        ("usage-bootstrap-signing", "yes"),
        ("expiration", "2020-01-01T00:00:00Z"),
        ("token-id", "x"),
    ] {
        let before = data.insert(key.to_owned(), value.to_owned());
        assert!(
            with_secret(&data, |secret| secret.signs(now())).is_none(),
            "{key}"
        );
        match before {
            Some(before) => data.insert(key.to_owned(), before),
            None => data.remove(key),
        };
    }
}
