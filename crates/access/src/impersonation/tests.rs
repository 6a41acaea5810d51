use super::*;

fn read(headers: &[(&str, &str)]) -> Result<Option<Impersonation>, String> {
    Impersonation::from_headers(headers.iter().copied()).map_err(|error| error.to_string())
}

fn check_identity(headers: &[(&str, &str)], user: &str, groups: &[&str]) {
    let identity = read(headers).unwrap().unwrap().identity();
    assert_eq!(
        (identity.user.as_str(), identity.groups),
        (user, groups.iter().map(|g| (*g).to_owned()).collect())
    );
}

#[test]
fn the_identity_that_results() {
    check_identity(&[("Impersonate-User", "bob")], "bob", &["system:authenticated"]);
    check_identity(
        &[
            ("impersonate-user", "bob"),
            ("IMPERSONATE-GROUP", "a"),
            ("Impersonate-Group", "b"),
        ],
        "bob",
        &["a", "b", "system:authenticated"],
    );
    check_identity(
        &[
            ("Impersonate-User", "bob"),
            ("Impersonate-Group", "system:unauthenticated"),
        ],
        "bob",
        &["system:unauthenticated"],
    );
    check_identity(
        &[("Impersonate-User", "system:anonymous")],
        "system:anonymous",
        &["system:unauthenticated"],
    );
    let account = "system:serviceaccount:ns:default";
    check_identity(
        &[("Impersonate-User", account)],
        account,
        &[
            "system:serviceaccounts",
            "system:serviceaccounts:ns",
            "system:authenticated",
        ],
    );
    check_identity(
        &[("Impersonate-User", account), ("Impersonate-Group", "g")],
        account,
        &["g", "system:authenticated"],
    );
}

#[test]
fn what_the_real_user_must_be_allowed() {
    let wanted = read(&[
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-Acme.com%2FScope", "view"),
        ("Impersonate-Extra-acme.com%2fscope", "dev"),
        ("Impersonate-Group", "g"),
        ("Impersonate-User", "system:serviceaccount:ns:default"),
        ("Accept", "x"),
    ])
    .unwrap()
    .unwrap();
    let checks: Vec<_> = wanted
        .checks()
        .into_iter()
        .map(|check| {
            let parts = [
                check.api_group,
                check.resource,
                &check.subresource,
                &check.namespace,
                &check.name,
            ];
            parts.join("|")
        })
        .collect();
    assert_eq!(
        checks,
        [
            "|serviceaccounts||ns|default",
            "|groups|||g",
            "authentication.k8s.io|userextras|acme.com/scope||view",
            "authentication.k8s.io|userextras|acme.com/scope||dev",
            "authentication.k8s.io|uids|||7",
        ]
    );
    let alice = Identity::default();
    let check = &wanted.checks()[2];
    let attributes = check.attributes(&alice);
    assert_eq!(
        (attributes.verb, attributes.subresource),
        ("impersonate", "acme.com/scope")
    );
    for odd in [
        "system:serviceaccount:ns:a:b",
        "system:serviceaccount::a",
        "system:serviceaccount:N:a",
    ] {
        let wanted = read(&[("Impersonate-User", odd)]).unwrap().unwrap();
        assert_eq!(wanted.checks()[0].resource, "users", "{odd}");
        assert_eq!(wanted.identity().groups, ["system:authenticated"]);
    }
}

#[test]
fn groups_without_a_user_are_refused_and_no_headers_are_nothing() {
    assert_eq!(read(&[("Accept", "x")]), Ok(None));
    assert_eq!(read(&[("Impersonate-User", "")]), Ok(None));
    let error = read(&[("Impersonate-Group", "g"), ("Impersonate-Extra-k", "v")]).unwrap_err();
    assert_eq!(
        error,
        r#"requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"g"}, Extra:map[string][]string{"k":[]string{"v"}}} without impersonating a user name"#
    );
    let error = read(&[("Impersonate-User", ""), ("Impersonate-Uid", "1")]).unwrap_err();
    assert!(error.contains(r#"UID:"1", Groups:[]string(nil), Extra:map[string][]string(nil)}"#));
}

#[test]
fn headers_are_known_whatever_their_case() {
    for name in ["Impersonate-User", "IMPERSONATE-EXTRA-x", "impersonate-uid"] {
        assert!(is_impersonation_header(name));
    }
    assert!(!is_impersonation_header("Impersonate") && !is_impersonation_header("Accept"));
    assert_eq!(percent_decoded("a%2fb%zz"), "a%2fb%zz");
}
