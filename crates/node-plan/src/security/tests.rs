use serde_json::{Value, json};

use super::*;
use crate::testing::{self, container, node};

fn resolved(of_pod: Value, own: Value) -> Security {
    let pod = testing::pod(
        json!({"securityContext": of_pod, "containers": [container(json!({"securityContext": own}))]}),
    );
    security(&pod, &pod.spec.as_ref().expect("a spec").containers[0])
}

#[test]
fn the_container_s_own_word_wins() {
    let bare = resolved(Value::Null, Value::Null);
    assert_eq!(
        (bare.run_as_user, bare.run_as_group, bare.run_as_non_root),
        (None, None, false)
    );
    assert!(bare.allow_privilege_escalation && !bare.privileged && !bare.read_only_root_filesystem);
    assert_eq!(
        (bare.masked_paths, bare.readonly_paths),
        (MASKED_PATHS, READONLY_PATHS)
    );

    let of_pod = json!({"runAsUser": 1, "runAsGroup": 2, "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    let inherited = resolved(of_pod.clone(), json!({}));
    assert_eq!(
        (
            inherited.run_as_user,
            inherited.run_as_group,
            inherited.run_as_non_root
        ),
        (Some(1), Some(2), true)
    );
    assert_eq!(inherited.seccomp.expect("a profile").type_, "RuntimeDefault");

    let own = resolved(
        of_pod,
        json!({
            "runAsUser": 3, "runAsGroup": 4, "runAsNonRoot": false, "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true, "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
            "seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"},
        }),
    );
    assert_eq!(
        (own.run_as_user, own.run_as_group, own.run_as_non_root),
        (Some(3), Some(4), false)
    );
    assert!(!own.allow_privilege_escalation && own.read_only_root_filesystem);
    assert_eq!(
        (own.add_capabilities, own.drop_capabilities),
        (vec!["NET_ADMIN".to_owned()], vec!["ALL".to_owned()])
    );
    assert_eq!(
        own.seccomp.expect("a profile").localhost_profile.as_deref(),
        Some("a.json")
    );

    let privileged = resolved(Value::Null, json!({"privileged": true}));
    assert!(
        privileged.privileged && privileged.masked_paths.is_empty() && privileged.readonly_paths.is_empty()
    );
}

#[test]
fn groups() {
    let check =
        |of_pod: Value, expect: &[i64]| assert_eq!(resolved(of_pod, json!({})).supplemental_groups, expect);
    check(Value::Null, &[]);
    check(json!({"fsGroup": 1001}), &[1001]);
    check(json!({"fsGroup": 7, "supplementalGroups": [5, 7, 5]}), &[5, 7]);
}

#[test]
fn non_root() {
    let check = |own: Value, image: ImageUser, expect: Result<(), &str>| {
        let pod = testing::pod(
            json!({"securityContext": {"runAsNonRoot": true}, "containers": [container(json!({"securityContext": own}))]}),
        );
        let found = verify_non_root(&pod, &pod.spec.as_ref().expect("a spec").containers[0], &image);
        assert_eq!(
            found.map_err(|error| error.to_string()),
            expect.map_err(str::to_owned),
            "{own}"
        );
    };
    check(json!({}), ImageUser::Id(1000), Ok(()));
    check(json!({"runAsUser": 1}), ImageUser::Id(0), Ok(()));
    check(json!({"runAsNonRoot": false}), ImageUser::Id(0), Ok(()));
    check(
        json!({}),
        ImageUser::Id(0),
        Err("container has runAsNonRoot and image will run as root (pod: \"p_ns(u1)\", container: c)"),
    );
    check(
        json!({"runAsUser": 0}),
        ImageUser::Id(1000),
        Err("container's runAsUser breaks non-root policy (pod: \"p_ns(u1)\", container: c)"),
    );
    check(
        json!({}),
        ImageUser::Name("web".to_owned()),
        Err(
            "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root \
             (pod: \"p_ns(u1)\", container: c)",
        ),
    );
}

#[test]
fn shares() {
    let share_of = |resources: Value| {
        let pod = testing::pod(json!({"containers": [container(json!({"resources": resources}))]}));
        let member = pod::regular_members(&pod).next().expect("a container");
        let share = share(&pod, &member, &node()).expect("quantities");
        let of_machine = (
            share.cpu_shares,
            share.cpu_quota,
            share.memory_limit_bytes,
            share.oom_score_adj,
        );
        assert_eq!(share.cpu_period, 100_000);
        (qos_class(&pod), of_machine)
    };
    assert_eq!(share_of(Value::Null), ("BestEffort", (2, 0, 0, 1000)));
    assert_eq!(
        share_of(json!({"requests": {"cpu": "500m"}})),
        ("Burstable", (512, 0, 0, 999))
    );
    assert_eq!(
        share_of(json!({"limits": {"cpu": "100m"}})),
        ("Burstable", (102, 10_000, 0, 999))
    );
    assert_eq!(
        share_of(json!({"limits": {"cpu": "1m"}})),
        ("Burstable", (2, 1000, 0, 999))
    );
    assert_eq!(
        share_of(json!({"requests": {"memory": "4Gi"}})),
        ("Burstable", (2, 0, 0, 750))
    );
    assert_eq!(
        share_of(json!({"requests": {"memory": "1Ti"}})),
        ("Burstable", (2, 0, 0, 3))
    );
    assert_eq!(
        share_of(json!({"limits": {"cpu": "2", "memory": "64Mi"}})),
        ("Guaranteed", (2048, 200_000, 64 << 20, -997))
    );
    assert_eq!(
        share_of(
            json!({"limits": {"cpu": "2", "memory": "64Mi"}, "requests": {"cpu": "1", "memory": "64Mi"}})
        ),
        ("Burstable", (1024, 200_000, 64 << 20, 997))
    );
    assert_eq!(
        share_of(json!({"limits": {"cpu": "2", "memory": "64Mi"}, "requests": {"cpu": "2000m", "memory": "65536Ki"}})).0,
        "Guaranteed"
    );
}

#[test]
fn a_sidecar_outlives_the_containers_it_serves() {
    let pod = testing::pod(json!({
        "initContainers": [{"name": "side", "restartPolicy": "Always"}],
        "containers": [container(json!({"resources": {"requests": {"memory": "4Gi"}}}))],
    }));
    let scores: Vec<i64> = pod::members(&pod)
        .map(|member| share(&pod, &member, &node()).expect("quantities").oom_score_adj)
        .collect();
    assert_eq!(scores, [750, 750]);
}
