use serde_json::json;

use super::*;
use crate::rbac::PolicyRule;

fn object(value: Value) -> Object {
    let Value::Object(map) = value else {
        unreachable!("written as an object")
    };
    Object::from_value(map).unwrap()
}

fn problems<T>(result: Result<T, ReviewError>) -> Vec<String> {
    match result {
        Ok(_) => Vec::new(),
        Err(ReviewError::Invalid(errors)) => errors.iter().map(ToString::to_string).collect(),
        Err(ReviewError::BadRequest(text)) => vec![text],
    }
}

#[test]
fn what_is_wrong_with_a_review() {
    let cases = [
        (
            json!({"spec": {}}),
            "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes \
             must be specified",
        ),
        (
            json!({"spec": {"resourceAttributes": {}, "nonResourceAttributes": {"path": "/x", "verb": "get"}}}),
            "spec.nonResourceAttributes: Invalid value: {\"Path\":\"/x\",\"Verb\":\"get\"}: cannot be specified in \
             combination with resourceAttributes",
        ),
        (
            json!({"metadata": {"name": "x"}, "spec": {"resourceAttributes": {}}}),
            "metadata: Invalid value: {\"name\":\"x\"}: must be empty",
        ),
    ];
    for (review, expected) in cases {
        assert_eq!(problems(self_subject_access_review(&object(review))), [expected]);
    }
    let anonymous = object(json!({"spec": {"resourceAttributes": {}}}));
    assert_eq!(
        problems(subject_access_review(&anonymous)),
        ["spec.user: Invalid value: \"\": at least one of user or group must be specified"]
    );
}

#[test]
fn local_reviews_stay_in_their_namespace() {
    let review = |metadata: Value, namespace: &str| {
        object(
            json!({"metadata": metadata, "spec": {"user": "u", "resourceAttributes": {"namespace": namespace}}}),
        )
    };
    let inside = json!({"namespace": "ns"});
    assert!(local_subject_access_review(&review(inside.clone(), "ns"), "ns").is_ok());
    assert_eq!(
        problems(local_subject_access_review(
            &review(inside.clone(), "other"),
            "ns"
        )),
        ["spec.resourceAttributes.namespace: Invalid value: \"other\": must match metadata.namespace"]
    );
    let named = json!({"namespace": "ns", "name": "x"});
    let errors = problems(local_subject_access_review(&review(named, "ns"), "ns"));
    assert!(errors[0].ends_with("must be empty except for namespace"));
    let errors = problems(local_subject_access_review(&review(inside, "ns"), "elsewhere"));
    assert_eq!(
        errors,
        ["spec.resourceAttributes.namespace must match namespace: elsewhere"]
    );
}

#[test]
fn a_review_is_a_question_about_somebody() {
    let review = object(json!({"spec": {
        "user": "u", "uid": "7", "groups": ["g"], "extra": {"K": ["v"]},
        "resourceAttributes": {
            "namespace": "ns", "verb": "list", "resource": "pods", "subresource": "log", "name": "p", "group": "x",
            "fieldSelector": {"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n,1"]}]},
            "labelSelector": {"requirements": [{"key": "a", "operator": "NotIn", "values": ["b", "c"]}]},
        },
    }}));
    let (subject, question) = subject_access_review(&review).unwrap();
    assert_eq!(
        (
            subject.uid.as_str(),
            subject.groups[0].as_str(),
            subject.extra["k"][0].as_str()
        ),
        ("7", "g", "v")
    );
    let attributes = question.attributes(&subject);
    assert!(attributes.is_resource_request && attributes.user.user == "u" && attributes.verb == "list");
    assert_eq!(attributes.field_selector, Some("spec.nodeName=n\\,1"));
    assert_eq!(attributes.label_selector, Some("a notin (b,c)"));
    let path = object(json!({"spec": {"nonResourceAttributes": {"path": "/x", "verb": "get"}}}));
    let question = self_subject_access_review(&path).unwrap();
    assert_eq!(
        (question.is_resource_request, question.path.as_str()),
        (false, "/x")
    );
}

#[test]
fn selectors_are_checked() {
    let check = |selector: Value, expected: &str| {
        let review = object(json!({"spec": {"resourceAttributes": {"fieldSelector": selector}}}));
        let errors = problems(self_subject_access_review(&review));
        assert!(errors.join("\n").contains(expected), "{errors:?}");
    };
    check(
        json!({}),
        "fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified",
    );
    let both = json!({"rawSelector": "a=b", "requirements": [{"key": "a", "operator": "Exists"}]});
    check(both, "may not specified at the same time as requirements");
    check(
        json!({"requirements": [{"key": "a", "operator": "In"}]}),
        "requirements[0].values: Required value",
    );
    check(
        json!({"requirements": [{"key": "a", "operator": "Gt"}]}),
        "not a valid selector operator",
    );
}

#[test]
fn answers() {
    let reason = "why".to_owned();
    let status = |decision| Value::Object(access_status(&decision));
    assert_eq!(
        status(Decision::Allow {
            reason: reason.clone()
        }),
        json!({"allowed": true, "reason": "why"})
    );
    assert_eq!(
        status(Decision::NoOpinion {
            reason: String::new()
        }),
        json!({"allowed": false})
    );
    assert_eq!(
        status(Decision::Deny { reason }),
        json!({"allowed": false, "denied": true, "reason": "why"})
    );

    assert_eq!(
        problems(self_subject_rules_review(&object(json!({"spec": {}})))),
        ["no namespace on request"]
    );
    let rule = PolicyRule {
        verbs: vec!["get".to_owned()],
        api_groups: vec![String::new()],
        resources: vec!["pods".to_owned()],
        ..PolicyRule::default()
    };
    let found = Found {
        rules: vec![rule],
        errors: vec!["e".to_owned()],
    };
    let mut user = Identity::default();
    let rules = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
    assert_eq!(
        Value::Object(rules_status(&user, &found)),
        json!({"resourceRules": rules, "nonResourceRules": [], "incomplete": false, "evaluationError": "e"})
    );
    user.user = "system:node:n".to_owned();
    user.groups.push("system:nodes".to_owned());
    let status = rules_status(&user, &Found::default());
    assert_eq!(status["incomplete"], true);
    assert_eq!(
        status["evaluationError"],
        "node authorizer does not support user rule resolution"
    );
    let info = json!({"userInfo": {"username": "system:node:n", "groups": ["system:nodes"]}});
    assert_eq!(Value::Object(self_subject_status(&user)), info);
}
