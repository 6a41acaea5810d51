use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::TokenError;
use crate::jwt;
use crate::testkit::{self, pair};

const NOW: i64 = 1_800_000_000;
const HEAD: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n";
const PLAIN: &str = "
jwt:
- issuer:
    url: https://login.example
    audiences: [me]
  claimMappings:
    username: {claim: sub, prefix: \"x:\"}
    groups: {claim: groups, prefix: \"\"}
";
const EXPRESSIONS: &str = r#"
jwt:
- issuer:
    url: https://login.example
    discoveryURL: https://inside.example/discovery
    audiences: [me, you]
    audienceMatchPolicy: MatchAny
  claimValidationRules:
  - claim: hd
    requiredValue: example.com
  - expression: 'claims.exp - claims.iat <= 86400'
    message: total lifetime must be at most a day
  claimMappings:
    username:
      expression: 'claims.sub.lowerAscii() + ":ext"'
    groups:
      expression: 'has(claims.roles) ? claims.roles.split(",") : []'
    uid:
      claim: oid
    extra:
    - key: example.com/tenant
      valueExpression: 'claims.tenant'
  userValidationRules:
  - expression: "!user.username.startsWith('system:')"
    message: username cannot use reserved system prefix
  - expression: "user.groups.all(group, !group.startsWith('system:'))"
    message: groups cannot use reserved system prefix
"#;

fn parse(body: &str) -> Result<AuthenticationConfiguration, String> {
    let own = ["https://own.example".to_owned()];
    AuthenticationConfiguration::parse(&format!("{HEAD}{}", body.trim_start()), &own)
        .map_err(|error| error.to_string())
}

fn issuer(body: &str) -> Issuer {
    parse(body).unwrap().issuers.remove(0)
}

fn claims(change: &Value) -> Value {
    let mut claims = json!({"iss": "https://login.example", "aud": "me", "sub": "Alice", "exp": NOW + 600, "iat": NOW,
        "hd": "example.com", "oid": "o-1", "tenant": "t", "roles": "dev,ops", "groups": ["a", "b"]});
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn judge(issuer: &Issuer, change: Value) -> Result<Option<VerifiedIssuer>, String> {
    let (key, keys) = pair(testkit::RSA_PKCS8);
    let token = jwt::sign(&key, claims(&change).as_object().unwrap());
    let now = Timestamp::from_second(NOW).unwrap();
    issuer
        .authenticate(&token, now, &keys)
        .map_err(|error| error.to_string())
}

#[test]
fn claims_become_a_caller() {
    let caller = judge(&issuer(PLAIN), json!({"jti": "j", "groups": "one"}))
        .unwrap()
        .unwrap();
    assert_eq!(
        (caller.identity.user.as_str(), caller.expires),
        ("x:Alice", NOW + 600)
    );
    assert_eq!(caller.identity.groups, ["one", "system:authenticated"]);
    assert_eq!(
        caller.identity.extra["authentication.kubernetes.io/credential-id"],
        ["JTI=j"]
    );
    let caller = judge(&issuer(PLAIN), json!({"groups": null})).unwrap().unwrap();
    assert_eq!(caller.identity.groups, ["system:authenticated"]);
}

#[test]
fn expressions_become_a_caller() {
    let issuer = issuer(EXPRESSIONS);
    assert_eq!(issuer.discovery_url(), "https://inside.example/discovery");
    let caller = judge(&issuer, json!({"aud": ["you"]})).unwrap().unwrap().identity;
    assert_eq!((caller.user.as_str(), caller.uid.as_str()), ("alice:ext", "o-1"));
    assert_eq!(caller.groups, ["dev", "ops", "system:authenticated"]);
    assert_eq!(caller.extra["example.com/tenant"], ["t"]);
    assert_eq!(
        judge(&issuer, json!({"roles": null}))
            .unwrap()
            .unwrap()
            .identity
            .groups
            .len(),
        1
    );
}

#[test]
fn rules_refuse() {
    let issuer = issuer(EXPRESSIONS);
    let cases = [
        (
            json!({"hd": null}),
            "oidc: required claim hd not present in ID token",
        ),
        (
            json!({"hd": "evil"}),
            "oidc: required claim hd value does not match",
        ),
        (
            json!({"iat": NOW - 90_000}),
            "total lifetime must be at most a day",
        ),
        (json!({"iat": null}), "could not be evaluated"),
        (
            json!({"sub": "system:admin"}),
            "username cannot use reserved system prefix",
        ),
        (
            json!({"roles": "system:masters"}),
            "groups cannot use reserved system prefix",
        ),
        (json!({"roles": 7}), "could not be evaluated"),
        (json!({"oid": 7}), "claim oid for uid is missing or no text"),
        (
            json!({"tenant": {"a": 1}}),
            "extra example.com/tenant must be a text or a list of texts",
        ),
        (json!({"aud": "other"}), "oidc: the token is for another audience"),
        (json!({"aud": []}), "oidc: the token is for another audience"),
        (json!({"exp": NOW}), "oidc: the token is expired"),
        (json!({"exp": null}), "oidc: the token has no expiry"),
        (json!({"nbf": NOW + 301}), "oidc: the token is not valid yet"),
    ];
    for (change, expected) in cases {
        let error = judge(&issuer, change.clone()).unwrap_err();
        assert!(error.contains(expected), "{change}: {error}");
    }
    assert!(
        judge(&issuer, json!({"iss": "https://login.example/"}))
            .unwrap()
            .is_none()
    );
    assert!(judge(&issuer, json!({"nbf": NOW + 299})).unwrap().is_some());
    let by_email = PLAIN.replace("claim: sub", "claim: email");
    let email = |verified: Value| {
        judge(
            &self::issuer(&by_email),
            json!({"email": "a@b", "email_verified": verified}),
        )
    };
    assert!(email(json!(true)).is_ok() && email(json!(null)).is_ok());
    assert_eq!(email(json!(false)).unwrap_err(), "oidc: email not verified");
    assert!(email(json!("true")).is_err());
    assert!(judge(&self::issuer(PLAIN), json!({"sub": ""})).is_err());
    assert!(judge(&self::issuer(PLAIN), json!({"groups": [1]})).is_err());
}

#[test]
fn a_mistake_is_named_with_its_line() {
    let with = |from: &str, to: &str| PLAIN.replace(from, to);
    let expression = |from: &str, to: &str| EXPRESSIONS.replace(from, to);
    let cases = [
        (
            with("https://login.example", "http://login.example"),
            "line 5: jwt[0].issuer.url: must be a URL that starts with https://",
        ),
        (
            with("https://login.example", "https://a:b@login.example"),
            "line 5: jwt[0].issuer.url: must not contain a username or password",
        ),
        (
            with("https://login.example", "https://login.example/?x"),
            "line 5: jwt[0].issuer.url: must not contain a query",
        ),
        (
            with("https://login.example", "https://own.example"),
            "issuer.url: must differ from other issuers'",
        ),
        (
            with("[me]", "[]"),
            "jwt[0].issuer.audiences: at least one is required",
        ),
        (
            with("[me]", "[me, me]"),
            "line 6: jwt[0].issuer.audiences[1]: is given twice",
        ),
        (
            with("[me]", "[me, you]"),
            "audienceMatchPolicy: must be MatchAny when there are several audiences",
        ),
        (with("prefix: \"x:\"", "prefex: \"x:\""), "prefex"),
        (
            with(", prefix: \"x:\"", ""),
            "line 8: jwt[0].claimMappings.username: prefix is required when claim is set",
        ),
        (with("claim: sub, ", ""), "claim or expression is required"),
        (with("url:", "curl:"), "curl"),
        (
            format!("{PLAIN}{}", PLAIN.trim_start().strip_prefix("jwt:\n").unwrap()),
            "must differ from other issuers'",
        ),
        (
            expression("claims.tenant", "claims.tenant +"),
            "jwt[0].claimMappings.extra[0].valueExpression",
        ),
        (
            expression("user.username", "claims.username"),
            "the expression may refer to user, not to claims",
        ),
        (
            expression("example.com/tenant", "k8s.io/tenant"),
            "reserved for Kubernetes use",
        ),
        (
            expression("example.com/tenant", "Example.com/tenant"),
            "must be lower case",
        ),
        (
            expression("claims.sub.lowerAscii()", "claims.email"),
            "claims.email_verified must be used",
        ),
        (
            expression("MatchAny", "MatchAll"),
            "audienceMatchPolicy: must be MatchAny",
        ),
        (
            "anonymous: {enabled: false, conditions: [{path: /livez}]}".to_owned(),
            "line 3: anonymous: enabled should",
        ),
        ("anonymous: {enabled: maybe}".to_owned(), "line 3"),
        ("jwt: 7".to_owned(), "line 3"),
        ("jwt: [".to_owned(), "line"),
    ];
    for (body, expected) in cases {
        let error = parse(&body).map(|_| "accepted").unwrap_err();
        assert!(
            error.contains(expected) && error.starts_with("line ") && !error.contains('\n'),
            "{expected}: {error}"
        );
    }
    let wrong = HEAD.replace("/v1", "/v2");
    assert!(AuthenticationConfiguration::parse(&wrong, &[]).is_err());
    let beta = format!("{}{PLAIN}", HEAD.replace("/v1", "/v1beta1").trim_end());
    assert_eq!(
        AuthenticationConfiguration::parse(&beta, &[])
            .unwrap()
            .issuers
            .len(),
        1
    );
}

#[test]
fn anonymous_may_be_limited_to_paths() {
    let limited = parse("anonymous: {enabled: true, conditions: [{path: /livez}]}")
        .unwrap()
        .anonymous
        .unwrap();
    assert!(limited.allows("/livez") && !limited.allows("/livez/x") && !limited.allows("/api"));
    let all = parse("anonymous: {enabled: true}").unwrap().anonymous.unwrap();
    assert!(all.allows("/api"));
    assert!(parse("").unwrap().anonymous.is_none());
    assert!(!Anonymous::default().allows("/livez"));
}

#[test]
fn flags_make_one_issuer() {
    let flags = OidcFlags {
        issuer_url: "https://login.example".to_owned(),
        client_id: "me".to_owned(),
        groups_claim: "groups".to_owned(),
        groups_prefix: "g:".to_owned(),
        required_claims: BTreeMap::from([("hd".to_owned(), "example.com".to_owned())]),
        ..OidcFlags::default()
    };
    let issuer = Issuer::from_flags(flags.clone()).unwrap();
    assert_eq!(
        issuer.discovery_url(),
        "https://login.example/.well-known/openid-configuration"
    );
    let caller = judge(&issuer, json!({})).unwrap().unwrap().identity;
    assert_eq!(caller.user, "https://login.example#Alice");
    assert_eq!(caller.groups, ["g:a", "g:b", "system:authenticated"]);
    let es256 = OidcFlags {
        signing_algorithms: vec!["ES256".to_owned()],
        ..flags.clone()
    };
    assert!(judge(&Issuer::from_flags(es256).unwrap(), json!({})).is_err());
    for (bad, flag) in [
        (
            OidcFlags {
                client_id: String::new(),
                ..flags.clone()
            },
            "--oidc-client-id",
        ),
        (
            OidcFlags {
                issuer_url: "login".to_owned(),
                ..flags.clone()
            },
            "--oidc-issuer-url",
        ),
        (
            OidcFlags {
                signing_algorithms: vec!["HS256".to_owned()],
                ..flags.clone()
            },
            "--oidc-signing-algs",
        ),
    ] {
        assert!(Issuer::from_flags(bad).unwrap_err().to_string().starts_with(flag));
    }
}

#[test]
fn an_unknown_key_is_noticed() {
    let issuer = issuer(PLAIN);
    let (key, keys) = pair(testkit::RSA_PKCS8);
    let (_, others) = pair(testkit::EC_SEC1);
    let token = jwt::sign(&key, claims(&json!({})).as_object().unwrap());
    assert!(issuer.wants_other_keys(&token, &others) && !issuer.wants_other_keys(&token, &keys));
    let now = Timestamp::from_second(NOW).unwrap();
    assert_eq!(
        issuer.authenticate(&token, now, &others),
        Err(TokenError::Signature)
    );
    assert!(!issuer.wants_other_keys("a.b.c", &keys));
}
