use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use k8s_openapi::ByteString;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn secret(type_: &str, key: &str, configuration: &[u8]) -> Secret {
    Secret {
        type_: Some(type_.to_owned()),
        data: Some([(key.to_owned(), ByteString(configuration.to_vec()))].into()),
        ..Secret::default()
    }
}

fn json_secret(configuration: Value) -> Secret {
    secret(
        "kubernetes.io/dockerconfigjson",
        ".dockerconfigjson",
        configuration.to_string().as_bytes(),
    )
}

/// A configuration with one user for each key, named like it.
fn auths(keys: &[&str]) -> Value {
    let entries = keys
        .iter()
        .map(|key| ((*key).to_owned(), json!({"username": key, "password": "x"})));
    json!({"auths": entries.collect::<serde_json::Map<_, _>>()})
}

fn users(secrets: &[Secret], image: &str) -> Vec<String> {
    let keyring = Keyring::of_secrets(secrets).expect("a keyring");
    keyring
        .credentials(image)
        .iter()
        .map(|credential| credential.username.clone())
        .collect()
}

/// §12.4, and the rules of §8.
#[test]
fn matching() {
    let check = |key: &str, image: &str, expect: bool| {
        assert_eq!(
            users(&[json_secret(auths(&[key]))], image).len(),
            usize::from(expect),
            "{key} for {image}"
        );
    };
    check("registry.example.com", "registry.example.com/a/b:1", true);
    check("https://registry.example.com/v1/", "registry.example.com/a", true);
    check("http://registry.example.com/v2/", "registry.example.com/a", true);
    check(
        "https://registry.example.com/v1/team",
        "registry.example.com/team/x",
        true,
    );
    check(
        "https://registry.example.com/v1/team",
        "registry.example.com/other/x",
        false,
    );
    check("registry.example.com/", "registry.example.com/a", true);
    check("registry.example.com/v1", "registry.example.com/a", false);
    check(
        "registry.example.com/team",
        "registry.example.com/teamwork/x",
        true,
    );
    check("registry.example.com/team", "registry.example.com/x/team", false);
    check("registry.example.com:5000", "registry.example.com/x", false);
    check("registry.example.com", "registry.example.com:5000/x", false);
    check(
        "registry.example.com:5000",
        "registry.example.com:5000/x@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        true,
    );
    check("*.example.com", "eu.example.com/x", true);
    check("*.example.com", "a.eu.example.com/x", false);
    check("*.example.com", "example.com/x", false);
    check("*.kubernetes.io", "kubernetes.io/x", false);
    check("*.*.example.com", "a.eu.example.com/x", true);
    check("*.example.com:5000", "eu.example.com:5000/x", true);
    check("r?.example.com", "r1.example.com/x", true);
    check("r?.example.com", "r12.example.com/x", false);
    check("r[0-9].example.com", "r7.example.com/x", true);
    check("r[^0-9].example.com", "r7.example.com/x", false);
    check("r[0-9.example.com", "r7.example.com/x", false);
    check("*a*b*.example.com", "xxaxxbxx.example.com/x", true);
    check("*a*b*.example.com", "xxbxxaxx.example.com/x", false);
    check("*", "localhost/x", true);
    check("127.0.0.1:5000", "127.0.0.1:5000/app:1", true);
    check("localhost:5000", "localhost:5000/app", true);
    check("https://index.docker.io/v1/", "busybox", true);
    check("https://index.docker.io/v1/", "library/busybox:1", true);
    check("https://index.docker.io/v1/", "docker.io/me/app", true);
    check("https://index.docker.io/v1/", "index.docker.io/me/app", true);
    check(
        "https://index.docker.io/v1/",
        "registry.example.com/me/app",
        false,
    );
    check("index.docker.io", "busybox", true);
    check("docker.io", "busybox", true);
    check("docker.io/library", "busybox", true);
    check("docker.io/library", "me/app", false);
    check("", "busybox", false);
    check("https://", "busybox", false);
    check("bad host", "busybox", false);
    check("docker.io", "Not An Image", false);
}

#[test]
fn order() {
    let config = auths(&[
        "r.io",
        "r.io/team",
        "r.io/team/app",
        "*.io",
        "index.docker.io",
        "q.io",
    ]);
    assert_eq!(
        users(&[json_secret(config)], "r.io/team/app"),
        ["r.io/team/app", "r.io/team", "r.io", "*.io"]
    );
    // All Secrets make one keyring; for one key their order counts.
    let first = json_secret(json!({"auths": {"r.io": {"username": "first", "password": "1"}}}));
    let second = json_secret(json!({"auths": {
        "https://r.io/v2/": {"username": "second", "password": "2"},
        "r.io/team": {"username": "longer", "password": "3"},
    }}));
    assert_eq!(
        users(&[first.clone(), second.clone()], "r.io/team/app"),
        ["longer", "first", "second"]
    );
    assert_eq!(
        users(&[second, first.clone()], "r.io/team/app"),
        ["longer", "second", "first"]
    );
    assert_eq!(users(&[first.clone(), first], "r.io/x"), ["first"]);
    // Docker Hub's own key is a last resort.
    let hub = json_secret(auths(&["docker.io", "index.docker.io"]));
    assert_eq!(users(&[hub], "busybox"), ["docker.io"]);
}

#[test]
fn entries() {
    let check = |entry: Value, expect: Result<(&str, &str), &str>| {
        let keyring = Keyring::of_secrets(&[json_secret(json!({"auths": {"r.io": entry}}))]);
        let found = keyring.map(|keyring| {
            let found = keyring.credentials("r.io/x");
            (found[0].username.clone(), found[0].password.to_string())
        });
        let expect = expect.map(|(user, password)| (user.to_owned(), password.to_owned()));
        assert_eq!(
            found.map_err(|error| error.to_string()),
            expect.map_err(str::to_owned),
            "{entry}"
        );
    };
    check(json!({"username": "u", "password": "p"}), Ok(("u", "p")));
    check(
        json!({"username": "u", "password": "p", "email": "e", "more": 1}),
        Ok(("u", "p")),
    );
    check(json!({"auth": STANDARD.encode("u:p")}), Ok(("u", "p")));
    check(json!({"auth": STANDARD_NO_PAD.encode("u:p1")}), Ok(("u", "p1")));
    check(
        json!({"auth": STANDARD.encode("u:p:with:colons")}),
        Ok(("u", "p:with:colons")),
    );
    check(json!({"auth": STANDARD.encode(":")}), Ok(("", "")));
    check(
        json!({"auth": format!("{}\n", STANDARD.encode("u:p"))}),
        Ok(("u", "p")),
    );
    check(
        json!({"username": "no", "password": "no", "auth": STANDARD.encode("u:p")}),
        Ok(("u", "p")),
    );
    check(
        json!({"username": "u", "password": "p", "auth": ""}),
        Ok(("u", "p")),
    );
    check(json!({}), Ok(("", "")));
    check(Value::Null, Ok(("", "")));
    let no_colon = "unable to parse auth field, must be formatted as base64(username:password)";
    check(json!({"auth": STANDARD.encode("nocolon")}), Err(no_colon));
    check(
        json!({"auth": "!!!"}),
        Err("docker configuration is not valid: auth is not base64 of text"),
    );
    check(
        json!({"auth": STANDARD.encode([0xff, b':', 0xfe])}),
        Err("docker configuration is not valid: auth is not base64 of text"),
    );
    check(
        json!({"username": 7}),
        Err("docker configuration is not valid: line 1 column 30"),
    );
}

#[test]
fn forms_and_types() {
    let cfg = br#"{"r.io": {"username": "old", "password": "x"}}"#;
    let user = |secret: Secret| users(&[secret], "r.io/x");
    assert_eq!(
        user(secret("kubernetes.io/dockercfg", ".dockercfg", cfg)),
        ["old"]
    );
    // Counted only with the key of its type.
    let none: [String; 0] = [];
    assert_eq!(
        user(secret("kubernetes.io/dockercfg", ".dockerconfigjson", cfg)),
        none
    );
    assert_eq!(
        user(secret("kubernetes.io/dockerconfigjson", ".dockercfg", cfg)),
        none
    );
    assert_eq!(user(secret("Opaque", ".dockerconfigjson", b"{")), none);
    assert_eq!(
        user(secret("kubernetes.io/dockerconfigjson", ".dockerconfigjson", b"")),
        none
    );
    assert_eq!(
        user(secret(
            "kubernetes.io/dockerconfigjson",
            ".dockerconfigjson",
            b"{}"
        )),
        none
    );
    assert_eq!(user(json_secret(json!({"auths": null}))), none);
    assert_eq!(users(&[], "r.io/x"), none);
}

#[test]
fn a_broken_secret_breaks_the_keyring_and_shows_nothing() {
    let good = json_secret(auths(&["r.io"]));
    let broken = [
        &br#"{"auths": {"r.io": {"password": "hunter2"#[..],
        br#"{"auths": {"r.io": "hunter2"}}"#,
        b"hunter2",
        b"[]",
    ];
    for configuration in broken {
        let bad = secret(
            "kubernetes.io/dockerconfigjson",
            ".dockerconfigjson",
            configuration,
        );
        let error = Keyring::of_secrets(&[good.clone(), bad]).expect_err("a broken Secret");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn credentials_are_not_printed() {
    let mut keyring = Keyring::default();
    keyring
        .add(
            br#"{"r.io": {"username": "u", "password": "hunter2"}}"#,
            Format::DockerCfg,
        )
        .expect("a keyring");
    assert!(!format!("{keyring:?} {:?}", keyring.credentials("r.io/x")).contains("hunter2"));
}

proptest! {
    #[test]
    fn any_key_is_read_or_passed_over(key in ".{0,60}", image in "[a-z.:/0-9]{0,40}") {
        let configuration = auths(&[&key]);
        let keyring = Keyring::of_secrets(&[json_secret(configuration)]).expect("keys are never an error");
        prop_assert!(keyring.credentials(&image).len() <= 1);
    }

    #[test]
    fn any_configuration_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Keyring::default().add(&bytes, Format::DockerConfigJson);
        let _ = Keyring::default().add(&bytes, Format::DockerCfg);
    }
}
