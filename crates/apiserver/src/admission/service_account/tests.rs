use serde_json::{Value, json};
use strongroom_objects::Object;

use super::{check_mirror, decide};

fn object(value: Value) -> Object {
    let Value::Object(map) = value else {
        panic!("an object")
    };
    Object::from_value(map).expect("an object")
}

fn pod(spec: Value) -> Object {
    object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}))
}

fn account(rest: Value) -> Object {
    let mut account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "sa"}});
    for (key, value) in rest.as_object().expect("an object") {
        account[key] = value.clone();
    }
    object(account)
}

/// What becomes of a pod, as far as `look` sees it; the refusal where there is one.
fn check(spec: Value, of: Value, look: &str, expect: Value) {
    let shown = format!("{spec} under {of}");
    let found = match decide(pod(spec), &account(of), "abcde") {
        Ok(pod) => Value::Object(pod.body)
            .pointer(&format!("/spec{look}"))
            .cloned()
            .unwrap_or_default(),
        Err(refused) => json!(refused.0),
    };
    assert_eq!(found, expect, "{look} of {shown}");
}

const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[test]
fn the_token_is_mounted_where_it_is_wanted() {
    let mount = json!([{"name": "kube-api-access-abcde", "readOnly": true, "mountPath": PATH}]);
    let one = || json!({"containers": [{"name": "c"}]});
    check(one(), json!({}), "/containers/0/volumeMounts", mount.clone());
    check(
        one(),
        json!({}),
        "/volumes/0/name",
        json!("kube-api-access-abcde"),
    );
    check(
        one(),
        json!({}),
        "/volumes/0/projected/sources/0/serviceAccountToken/expirationSeconds",
        json!(3607),
    );
    check(one(), json!({}), "/serviceAccountName", json!("sa"));
    check(one(), json!({}), "/serviceAccount", json!("sa"));
    check(
        one(),
        json!({"automountServiceAccountToken": false}),
        "/volumes",
        Value::Null,
    );
    let insists = json!({"automountServiceAccountToken": true, "containers": [{"name": "c"}]});
    check(
        insists,
        json!({"automountServiceAccountToken": false}),
        "/containers/0/volumeMounts",
        mount.clone(),
    );
    let refuses = json!({"automountServiceAccountToken": false, "containers": [{"name": "c"}]});
    check(refuses, json!({}), "/containers/0/volumeMounts", Value::Null);
    let own = json!([{"name": "mine", "mountPath": PATH}]);
    let has_own = || json!({"containers": [{"name": "c", "volumeMounts": own}]});
    check(has_own(), json!({}), "/containers/0/volumeMounts", own.clone());
    check(has_own(), json!({}), "/volumes", Value::Null);
    let init = json!({"initContainers": [{"name": "i"}], "containers": [{"name": "c", "volumeMounts": own}]});
    check(init, json!({}), "/initContainers/0/volumeMounts", mount);
    let has_volume = json!({"volumes": [{"name": "kube-api-access-zz"}], "containers": [{"name": "c"}]});
    check(
        has_volume.clone(),
        json!({}),
        "/containers/0/volumeMounts/0/name",
        json!("kube-api-access-zz"),
    );
    check(has_volume, json!({}), "/volumes/1", Value::Null);
}

#[test]
fn pull_secrets_come_from_the_account_unless_the_pod_names_some() {
    let of = || json!({"imagePullSecrets": [{"name": "a"}]});
    check(json!({}), of(), "/imagePullSecrets", json!([{"name": "a"}]));
    check(
        json!({"imagePullSecrets": [{"name": "b"}]}),
        of(),
        "/imagePullSecrets",
        json!([{"name": "b"}]),
    );
}

#[test]
fn an_account_may_name_the_secrets_of_its_pods() {
    let of = || {
        json!({
            "metadata": {"name": "sa", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
            "secrets": [{"name": "good"}],
            "imagePullSecrets": [{"name": "pull"}],
        })
    };
    let refuse = |spec: Value, expect: &str| check(spec, of(), "/none", json!(expect));
    let allow = |spec: Value| check(spec, of(), "/none", Value::Null);
    let volume = |name: &str| json!({"volumes": [{"name": "v", "secret": {"secretName": name}}]});
    allow(volume("good"));
    refuse(
        volume("s"),
        "volume with secret.secretName=\"s\" is not allowed because service account sa does not reference that secret",
    );
    let env = |field: &str, name: &str| json!({field: [{"name": "c", "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": name}}}]}]});
    allow(env("containers", "good"));
    refuse(
        env("containers", "s"),
        "container c with envVar E referencing secret.secretName=\"s\" is not allowed because service account sa does not reference that secret",
    );
    refuse(
        env("initContainers", "s"),
        "init container c with envVar E referencing secret.secretName=\"s\" is not allowed because service account sa does not reference that secret",
    );
    refuse(
        json!({"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "s"}}]}]}),
        "container c with envFrom referencing secret.secretName=\"s\" is not allowed because service account sa does not reference that secret",
    );
    refuse(
        json!({"imagePullSecrets": [{"name": "s"}]}),
        "imagePullSecrets[0].name=\"s\" is not allowed because service account sa does not reference that imagePullSecret",
    );
}

#[test]
fn mirror_pods_use_nothing() {
    let check = |spec: Value, expect: Result<(), &str>| {
        let mut pod = pod(spec.clone());
        pod.metadata
            .annotations
            .insert("kubernetes.io/config.mirror".to_owned(), "x".to_owned());
        assert_eq!(check_mirror(&pod), expect, "{spec}");
    };
    check(json!({}), Ok(()));
    check(
        json!({"serviceAccountName": "a"}),
        Err("a mirror pod may not reference service accounts"),
    );
    check(
        json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}),
        Err("a mirror pod may not reference secrets"),
    );
    check(
        json!({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}),
        Err("a mirror pod may not use ServiceAccountToken volume projections"),
    );
}
