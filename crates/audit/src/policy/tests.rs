use super::*;

const SAMPLE: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ["system:kube-proxy"]
  verbs: [watch]
  resources: [{group: "", resources: [endpoints, services]}]
- level: Metadata
  resources: [{group: "", resources: [secrets, configmaps, serviceaccounts/token]}, {group: authentication.k8s.io, resources: [tokenreviews]}]
- level: RequestResponse
  resources: [{group: ""}]
- level: Metadata
"#;

fn policy(rules: &str) -> Policy {
    Policy::parse(&format!(
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n{rules}"
    ))
    .unwrap()
}

/// `user verb group:resource/subresource namespace/name`, or `user verb /path`; `-` is nothing.
fn level(policy: &Policy, request: &str) -> Level {
    decide(policy, request).map_or(Level::None, |decision| decision.level)
}

fn decide(policy: &Policy, request: &str) -> Option<Decision> {
    let mut words = request.split(' ');
    let mut word = || match words.next() {
        None | Some("-") => "",
        Some(word) => word,
    };
    let groups = ["system:authenticated".to_owned()];
    let mut request = Request {
        user: word(),
        verb: word(),
        groups: &groups,
        ..Request::default()
    };
    let object = word();
    if object.starts_with('/') {
        request.path = object;
        return policy.decide(&request);
    }
    request.is_resource = true;
    let (group, resource) = object.split_once(':').unwrap();
    (request.resource, request.subresource) = resource.split_once('/').unwrap_or((resource, ""));
    request.api_group = group;
    let place = word();
    (request.namespace, request.name) = place.split_once('/').unwrap_or((place, ""));
    policy.decide(&request)
}

#[test]
fn the_sample_policy_decides_as_kubernetes_does() {
    let policy = Policy::parse(SAMPLE).unwrap();
    for (request, expected) in [
        ("system:kube-proxy watch :services shop/", Level::None),
        ("system:kube-proxy list :services shop/", Level::RequestResponse),
        ("alice watch :services shop/", Level::RequestResponse),
        ("alice get :secrets shop/db", Level::Metadata),
        ("alice create :configmaps shop/x", Level::Metadata),
        ("alice create :serviceaccounts/token shop/x", Level::Metadata),
        ("alice create :serviceaccounts shop/x", Level::RequestResponse),
        (
            "alice create authentication.k8s.io:tokenreviews -",
            Level::Metadata,
        ),
        (
            "alice create rbac.authorization.k8s.io:roles shop/x",
            Level::Metadata,
        ),
        ("alice get /version", Level::Metadata),
    ] {
        assert_eq!(level(&policy, request), expected, "{request}");
        let decision = decide(&policy, request);
        assert!(decision.is_none_or(|decision| !decision.records(Stage::RequestReceived)));
        assert!(decision.is_none_or(|decision| decision.records(Stage::ResponseComplete)));
    }
}

#[test]
fn the_default_records_everything_once() {
    let policy = Policy::default();
    for request in ["alice get :secrets shop/db", "- get /version"] {
        let decision = decide(&policy, request).unwrap();
        assert_eq!(decision.level, Level::Metadata);
        let recorded = Stage::ALL.map(|stage| decision.records(stage));
        assert_eq!(recorded, [false, true, true, true]);
    }
}

#[test]
fn rules_match_as_kubernetes_matches_them() {
    for (rule, matching, others) in [
        ("users: [bob]", &["bob get /x"][..], &["alice get /x"][..]),
        ("userGroups: ['system:authenticated']", &["a get /x"], &[]),
        ("userGroups: ['system:masters']", &[], &["a get /x"]),
        ("verbs: [get, list]", &["a list :pods x/"], &["a watch :pods x/"]),
        (
            "namespaces: [shop]",
            &["a get :pods shop/x"],
            &["a get :pods bar/x", "a get /shop"],
        ),
        (
            "namespaces: ['']",
            &["a get :nodes /x"],
            &["a get :pods shop/x", "a get /version"],
        ),
        (
            "resources: [{group: '', resources: [pods]}]",
            &["a get :pods s/x"],
            &[
                "a get :pods/log s/x",
                "a get apps:pods s/x",
                "a get :secrets s/x",
                "a get /pods",
            ],
        ),
        (
            "resources: [{group: '', resources: [pods/log]}]",
            &["a get :pods/log s/x"],
            &["a get :pods s/x"],
        ),
        (
            "resources: [{resources: ['*']}]",
            &["a get :pods/log s/x", "a get :pods s/x"],
            &["a get apps:x s/x"],
        ),
        (
            "resources: [{resources: ['*/status']}]",
            &["a get :pods/status s/x"],
            &["a get :pods s/x", "a get :pods/log s/x"],
        ),
        (
            "resources: [{resources: ['pods/*']}]",
            &["a get :pods/log s/x", "a get :pods s/x"],
            &["a get :nodes/log s/x"],
        ),
        (
            "resources: [{resources: [pods], resourceNames: [x, z]}]",
            &["a get :pods s/x"],
            &["a get :pods s/y", "a list :pods s/"],
        ),
        (
            "resources: [{group: apps}]",
            &["a get apps:anything s/x"],
            &["a get :pods s/x"],
        ),
        (
            "nonResourceURLs: [/healthz]",
            &["a get /healthz"],
            &["a get /healthz/x", "a get :pods s/x"],
        ),
        (
            "nonResourceURLs: ['/healthz*']",
            &["a get /healthz", "a get /healthz/x"],
            &["a get /livez"],
        ),
        ("nonResourceURLs: ['*']", &["a get /x"], &["a get :pods s/x"]),
        ("omitManagedFields: false", &["a get /x", "a get :pods s/x"], &[]),
    ] {
        let policy = policy(&format!("- level: Request\n  {rule}\n"));
        for request in matching {
            assert_eq!(level(&policy, request), Level::Request, "{rule}: {request}");
        }
        for request in others {
            assert_eq!(level(&policy, request), Level::None, "{rule}: {request}");
        }
    }
}

#[test]
fn credentials_are_recorded_only_where_they_are_named() {
    let guarded = [
        ("", "secrets", "a get :secrets s/x"),
        ("", "secrets", "a list :secrets s/"),
        ("", "serviceaccounts/token", "a create :serviceaccounts/token s/x"),
        (
            "authentication.k8s.io",
            "tokenreviews",
            "a create authentication.k8s.io:tokenreviews -",
        ),
    ];
    for (group, resource, request) in guarded {
        for unnamed in [
            String::new(),
            "namespaces: [s, '']".to_owned(),
            format!("resources: [{{group: '{group}'}}]"),
            format!("resources: [{{group: '{group}', resources: ['*']}}]"),
            format!(
                "resources: [{{group: '{group}', resources: ['*', 'secrets/*', 'serviceaccounts/*', '*/token', pods]}}]"
            ),
            format!(
                "resources: [{{group: '{group}', resources: ['*']}}, {{group: other, resources: ['{resource}']}}]"
            ),
            format!(
                "resources: [{{group: '{group}', resources: ['*']}}, {{group: '{group}', resources: ['{resource}'], \
                 resourceNames: [other]}}]"
            ),
        ] {
            let policy = policy(&format!("- level: RequestResponse\n  {unnamed}\n"));
            let Some(decision) = decide(&policy, request) else {
                assert!(
                    unnamed.starts_with("namespaces") || unnamed.contains("'*'"),
                    "{unnamed}"
                );
                continue;
            };
            assert!(!decision.bodies, "{unnamed}: {request}");
            assert!(decision.request_body(&Value::Null).is_none());
            assert!(decision.response_body(&Value::Null).is_none());
        }
        let named = format!(
            "- level: RequestResponse\n  resources: [{{group: '{group}', resources: ['{resource}']}}]\n"
        );
        let decision = decide(&policy(&named), request).unwrap();
        assert!(
            decision.wants_request_body() && decision.wants_response_body(),
            "{request}"
        );
    }
    let everything = policy("- level: RequestResponse\n");
    assert!(
        decide(&everything, "a get :pods s/x")
            .unwrap()
            .wants_response_body()
    );
    assert!(
        decide(&everything, "a get :serviceaccounts s/x")
            .unwrap()
            .wants_response_body()
    );
    assert!(!decide(&everything, "a get /version").unwrap().bodies);
    let request = decide(&policy("- level: Request\n"), "a get :pods s/x").unwrap();
    assert!(request.wants_request_body() && !request.wants_response_body());
}

#[test]
fn what_is_omitted_adds_up() {
    let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nomitManagedFields: true\n\
                rules:\n- level: Metadata\n  users: [a]\n  omitStages: [Panic]\n- level: Metadata\n  \
                omitManagedFields: false\n";
    let policy = Policy::parse(text).unwrap();
    let first = decide(&policy, "a get /x").unwrap();
    assert_eq!(
        first.omit_stages,
        Stages::NONE.with(Stage::Panic).with(Stage::RequestReceived)
    );
    assert!(first.omit_managed_fields);
    let second = decide(&policy, "b get /x").unwrap();
    assert_eq!(second.omit_stages, Stages::NONE.with(Stage::RequestReceived));
    assert!(!second.omit_managed_fields);
}

#[test]
fn json_is_read_too() {
    let text = "{\n\t\"apiVersion\": \"audit.k8s.io/v1\",\n\t\"kind\": \"Policy\",\n\t\"metadata\": {\"name\": \"x\"},\n\t\
                \"rules\": [{\"level\": \"Metadata\", \"users\": null}]\n}\n";
    let policy = Policy::parse(text).unwrap();
    assert_eq!(level(&policy, "a get /x"), Level::Metadata);
}

#[test]
fn errors_name_line_rule_and_field() {
    let top = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";
    for (text, expected) in [
        (
            "rules:\n- level: Metadata\n- level: Meta\n",
            "line 5, column 10: rules[1].level is `Meta`; it must be None",
        ),
        (
            "rules:\n- level: Metadata\n  user: [x]\n",
            "line 5, column 3: rules[0].user is no field of a rule",
        ),
        ("rules:\n- users: [x]\n", "rules[0] has no level"),
        (
            "rules: []\n",
            "line 3, column 8: a policy needs at least one rule",
        ),
        ("", "a policy needs at least one rule"),
        ("rules:\n", "a policy needs at least one rule"),
        (
            "omitStages: [Received]\nrules: [{level: None}]\n",
            "line 3, column 14: omitStages[0] is `Received`",
        ),
        (
            "rules:\n- level: None\n  omitStages: Panic\n",
            "line 5, column 15: rules[0].omitStages must be a list, not a text",
        ),
        (
            "rules:\n- level: None\n  users: [1]\n",
            "line 5, column 11: rules[0].users[0] must be a text, not a number",
        ),
        (
            "rules:\n- level: None\n  resources: [{group: '', resource: [x]}]\n",
            "line 5, column 27: rules[0].resources[0].resource is no",
        ),
        (
            "rules:\n- level: None\n  resources: [{group: apps/v1}]\n",
            "rules[0].resources[0].group is an API group without",
        ),
        (
            "rules:\n- level: None\n  resources: [{resourceNames: [x]}]\n",
            "rules[0].resources[0] has resourceNames, which",
        ),
        (
            "rules:\n- level: None\n  nonResourceURLs: [x]\n",
            "line 5, column 21: rules[0].nonResourceURLs[0] must begin",
        ),
        (
            "rules:\n- level: None\n  nonResourceURLs: ['/a*b']\n",
            "rules[0].nonResourceURLs[0] must begin",
        ),
        (
            "rules:\n- level: None\n  nonResourceURLs: [/a]\n  namespaces: [x]\n",
            "rules[0] names both",
        ),
        (
            "rules:\n- level: None\n  omitManagedFields: maybe\n",
            "rules[0].omitManagedFields must be true or false",
        ),
        ("rule: []\n", "line 3, column 1: `rule` is no field of a Policy"),
        (
            "rules: [x]\n",
            "line 3, column 9: rules[0] must be a mapping, not a text",
        ),
        ("rules:\n- level: None\n level: x\n", "line 5"),
        ("rules:\n- level: None\n  level: Metadata\n", "line 5"),
        ("rules: [\n", "line "),
    ] {
        let error = Policy::parse(&format!("{top}{text}")).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(
            error.starts_with("audit policy: ") && !error.contains('\n'),
            "{error}"
        );
    }
    for (text, expected) in [
        ("", "audit policy: "),
        ("[]", "the policy must be a mapping"),
        (
            "kind: Policy\nrules: [{level: None}]\n",
            "`apiVersion: audit.k8s.io/v1` is missing",
        ),
        (
            "apiVersion: audit.k8s.io/v1\nrules: [{level: None}]\n",
            "`kind: Policy` is missing",
        ),
        (
            "apiVersion: audit.k8s.io/v1beta1\nkind: Policy\n",
            "line 1, column 13: apiVersion must be audit.k8s.io/v1",
        ),
        (
            "apiVersion: audit.k8s.io/v1\nkind: Role\n",
            "line 2, column 7: kind must be Policy",
        ),
    ] {
        let error = Policy::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
