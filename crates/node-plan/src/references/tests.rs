use serde_json::json;

use super::*;
use crate::testing::{self, container};

#[test]
fn every_way_is_seen() {
    let env = |secret: &str, config_map: &str| {
        json!({"env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": config_map, "key": "k", "optional": true}}},
        ], "envFrom": [
            {"secretRef": {"name": format!("{secret}-all"), "optional": true}}, {"configMapRef": {"name": format!("{config_map}-all")}},
        ]})
    };
    let named = |name: &str, fields: serde_json::Value| {
        let mut container = container(fields);
        container["name"] = json!(name);
        container
    };
    let mut sidecar = named("side", env("side-s", "side-c"));
    sidecar["restartPolicy"] = json!("Always");
    let pod = testing::pod(json!({
        "serviceAccountName": "sa",
        "imagePullSecrets": [{"name": "pull"}, {"name": ""}, {}, {"name": "pull"}, {"name": "vol-s"}],
        "volumes": [
            {"name": "1", "secret": {"secretName": "vol-s", "optional": true}},
            {"name": "2", "configMap": {"name": "vol-c"}},
            {"name": "3", "projected": {"sources": [
                {"secret": {"name": "proj-s"}}, {"configMap": {"name": "proj-c", "optional": true}},
                {"serviceAccountToken": {"path": "t"}},
                {"serviceAccountToken": {"path": "v", "audience": "vault", "expirationSeconds": 600}},
                {"serviceAccountToken": {"path": "w", "audience": "", "expirationSeconds": 3600}},
                {"downwardAPI": {"items": []}},
            ]}},
            {"name": "4", "emptyDir": {}},
        ],
        "initContainers": [named("init", env("init-s", "init-c")), sidecar],
        "containers": [named("c", env("vol-s", "c"))],
    }));
    let references = references(&pod);
    let shown = |needs: &BTreeMap<String, Need>| {
        let show = |(name, need): (&String, &Need)| format!("{name} {:?} {}", need.uses, need.optional);
        needs.iter().map(show).collect::<Vec<_>>()
    };
    assert_eq!(
        shown(&references.secrets),
        [
            "init-s {Environment} false",
            "init-s-all {Environment} true",
            "proj-s {Volume} false",
            "pull {ImagePull} true",
            "side-s {Environment} false",
            "side-s-all {Environment} true",
            "vol-s {Volume, Environment, ImagePull} false",
            "vol-s-all {Environment} true",
        ]
    );
    assert_eq!(
        shown(&references.config_maps),
        [
            "c {Environment} true",
            "c-all {Environment} false",
            "init-c {Environment} true",
            "init-c-all {Environment} false",
            "proj-c {Volume} true",
            "side-c {Environment} true",
            "side-c-all {Environment} false",
            "vol-c {Volume} false",
        ]
    );
    assert_eq!(references.pull_secrets, ["pull", "vol-s"]);
    let token = |audience: Option<&str>, expiration_seconds| TokenReference {
        service_account: "sa".to_owned(),
        audience: audience.map(str::to_owned),
        expiration_seconds,
    };
    assert_eq!(
        references.tokens,
        [token(None, 3600), token(Some("vault"), 600)].into()
    );
    assert!(references.in_volume(Kind::Secret, "proj-s") && references.in_volume(Kind::ConfigMap, "vol-c"));
    assert!(!references.in_volume(Kind::Secret, "pull") && !references.in_volume(Kind::ConfigMap, "proj-s"));
}

#[test]
fn a_pod_that_needs_nothing() {
    assert_eq!(
        references(&testing::pod(json!({"containers": [container(json!({}))]}))),
        References::default()
    );
    assert_eq!(references(&Pod::default()), References::default());
}
