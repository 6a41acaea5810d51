use serde_json::{Value, json};
use strongroom_objects::Status;

use super::super::request::*;
use super::{ISSUER_URL, NOW, at, reference, strings};
use crate::service_account::{Lifetime, Reference, lifetime};

fn settings() -> TokenSettings {
    TokenSettings {
        issuer: ISSUER_URL.to_owned(),
        api_audiences: strings(&[ISSUER_URL]),
        max_expiration_seconds: None,
        extend_expiration: true,
    }
}

fn pod() -> BoundObject {
    BoundObject {
        uid: "pod-uid".to_owned(),
        service_account: "sa".to_owned(),
        node: Some(Reference {
            name: "node".to_owned(),
            uid: String::new(),
        }),
    }
}

fn plan(
    body: Value,
    bound: Option<&BoundObject>,
    settings: &TokenSettings,
) -> Result<TokenPlan, Box<Status>> {
    let request = TokenRequest::read(body.as_object().unwrap(), "ns", "sa")?;
    plan_token_request(&request, "ns", &reference("sa"), bound, settings, at(NOW), "id")
}

#[test]
fn defaults_are_the_servers() {
    let plan = plan(json!({}), None, &settings()).unwrap();
    assert_eq!(plan.audiences, [ISSUER_URL]);
    assert_eq!((plan.expiration_seconds, plan.expiration), (3600, at(NOW + 3600)));
    assert_eq!(
        (plan.claims.issued, plan.claims.not_before),
        (Some(NOW), Some(NOW))
    );
    assert_eq!((plan.claims.expires, plan.warning), (NOW + 3600, None));
    assert_eq!(plan.credential_id, "JTI=id");
    assert_eq!(plan.claims.service_account, reference("sa"));
}

#[test]
fn a_pods_old_clients_get_a_year() {
    let body = |seconds: i64, audiences: &[&str]| {
        json!({"spec": {"expirationSeconds": seconds, "audiences": audiences,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p"}}})
    };
    let long = plan(body(3607, &[]), Some(&pod()), &settings()).unwrap();
    assert_eq!(long.claims.expires, NOW + 31_536_000);
    assert_eq!(long.claims.warn_after, Some(NOW + 3607));
    assert_eq!(long.expiration, at(NOW + 3607));
    assert_eq!(
        long.claims.pod,
        Some(Reference {
            name: "p".to_owned(),
            uid: "pod-uid".to_owned()
        })
    );
    assert_eq!(long.claims.node.unwrap().name, "node");
    for body in [
        body(3608, &[]),
        body(3607, &["vault"]),
        body(3607, &[ISSUER_URL, "vault"]),
    ] {
        let short = plan(body, Some(&pod()), &settings()).unwrap();
        assert_eq!(
            (short.claims.warn_after, short.claims.expires < NOW + 4000),
            (None, true)
        );
    }
    let short = |signed| Lifetime {
        signed,
        reported: signed,
        warn_after: None,
    };
    assert_eq!(lifetime(3607, false, true, true), short(3607));
    assert_eq!(lifetime(3607, true, true, false), short(3607));
    assert_eq!(lifetime(700, true, true, true), short(700));
}

#[test]
fn the_servers_maximum_shortens_with_a_warning() {
    let settings = TokenSettings {
        max_expiration_seconds: Some(3600),
        ..settings()
    };
    let plan = plan(json!({"spec": {"expirationSeconds": 7200}}), None, &settings).unwrap();
    assert_eq!(
        plan.warning.unwrap(),
        "requested expiration of 7200 seconds shortened to 3600 seconds"
    );
    assert_eq!((plan.expiration_seconds, plan.claims.expires), (3600, NOW + 3600));
}

#[test]
fn what_is_refused_and_how() {
    let bound = |reference: Value| json!({"spec": {"boundObjectRef": reference}});
    let other_pod = BoundObject {
        service_account: "other".to_owned(),
        ..pod()
    };
    let pod_reference = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"});
    let cases = [
        (
            json!({"spec": {"expirationSeconds": 10}}),
            None,
            422,
            r#"TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes"#,
        ),
        (
            json!({"spec": {"expirationSeconds": 4_294_967_297_i64}}),
            None,
            422,
            r#"TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds"#,
        ),
        (
            json!({"metadata": {"name": "other"}}),
            None,
            422,
            r#"TokenRequest.authentication.k8s.io "sa" is invalid: metadata.name: Invalid value: "other": must match the service account name if specified"#,
        ),
        (
            json!({"metadata": {"namespace": "other"}}),
            None,
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            json!({"metadata": {"uid": "a"}}),
            None,
            409,
            r#"Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "sa": the UID in the token request (a) does not match the UID of the service account (sa-uid)"#,
        ),
        (
            bound(pod_reference.clone()),
            Some(&other_pod),
            400,
            r#"cannot bind token for serviceaccount "sa" to pod running with different serviceaccount name."#,
        ),
        (
            bound(json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "c"})),
            None,
            400,
            "cannot bind token to object of type /v1, Kind=ConfigMap",
        ),
        (
            bound(json!({"apiVersion": "apps/v1", "kind": "Pod", "name": "c"})),
            None,
            400,
            "cannot bind token to object of type apps/v1, Kind=Pod",
        ),
        (
            bound(pod_reference),
            Some(&pod()),
            409,
            r#"Operation cannot be fulfilled on Pod "p": the UID in the bound object reference (u) does not match the UID in record. The object might have been deleted and then recreated"#,
        ),
    ];
    for (body, found, code, message) in cases {
        let status = plan(body, found, &settings()).unwrap_err();
        assert_eq!(
            (status.code(), status.to_value()["message"].as_str().unwrap()),
            (code, message)
        );
    }
}
