//! Secrets and ConfigMaps as variables: checklist §5 and §6.

use serde_json::json;

use crate::world::{Case, World};

#[test]
fn variables() {
    let world = World::new("variables");
    world.secret(
        "s",
        &[
            ("data-1", "value-1"),
            ("data-2", "value-2"),
            ("data-3", "value-3"),
        ],
    );
    world.config_map("m", &[("data-1", "value-1"), ("data-2", "value-2")]);
    world.secret("a", &[("K", "of a"), ("ONLY_A", "x")]);
    world.secret("b", &[("K", "of b")]);
    world.secret("odd", &[("trailing", "line\n"), ("dollar", "$(NOT) $$")]);
    let case = |section, name, container, command, log| Case {
        section,
        name,
        spec: "enableServiceLinks: false",
        container,
        command,
        log,
    };
    world.check(&[
        case(
            "5.1",
            "secret-key",
            "env: [{name: SECRET_DATA, valueFrom: {secretKeyRef: {name: s, key: data-1}}}]",
            &["env | grep ^SECRET_DATA="],
            "SECRET_DATA=value-1\n",
        ),
        case(
            "5.2",
            "whole-secrets",
            "envFrom: [{secretRef: {name: s}}, {prefix: p-, secretRef: {name: s}}]",
            &["/bin/busybox", "awk", "BEGIN { for (n in ENVIRON) if (n ~ /data/) print n \"=\" ENVIRON[n] | \"/bin/busybox sort\" }"],
            "data-1=value-1\ndata-2=value-2\ndata-3=value-3\np-data-1=value-1\np-data-2=value-2\np-data-3=value-3\n",
        ),
        case(
            "5.5",
            "odd-prefixes",
            "envFrom:\n- {secretRef: {name: a}}\n- {prefix: 1-, secretRef: {name: a}}\n- {prefix: $_-, secretRef: {name: a}}\n\
             - {prefix: ABC_, secretRef: {name: a}}\n- {prefix: \"#@!\", secretRef: {name: a}}",
            &["/bin/busybox", "awk", "BEGIN { for (n in ENVIRON) if (n ~ /ONLY/) print n \"=\" ENVIRON[n] | \"/bin/busybox sort\" }"],
            "#@!ONLY_A=x\n$_-ONLY_A=x\n1-ONLY_A=x\nABC_ONLY_A=x\nONLY_A=x\n",
        ),
        case(
            "6.1",
            "config-map-key",
            "env: [{name: CONFIG_DATA_1, valueFrom: {configMapKeyRef: {name: m, key: data-1}}}]",
            &["env | grep ^CONFIG_DATA"],
            "CONFIG_DATA_1=value-1\n",
        ),
        case(
            "6.2",
            "whole-config-maps",
            "envFrom: [{configMapRef: {name: m}}, {prefix: p-, configMapRef: {name: m}}]",
            &["/bin/busybox", "awk", "BEGIN { for (n in ENVIRON) if (n ~ /data/) print n \"=\" ENVIRON[n] | \"/bin/busybox sort\" }"],
            "data-1=value-1\ndata-2=value-2\np-data-1=value-1\np-data-2=value-2\n",
        ),
        case(
            "pods 4.3",
            "the-later-source-wins",
            "envFrom: [{secretRef: {name: a}}, {secretRef: {name: b}}]\nenv: [{name: ONLY_A, value: over $(K)}]",
            &["echo $K, $ONLY_A"],
            "of b, over of b\n",
        ),
        case(
            "pods 4.4",
            "expansion",
            "env:\n- {name: A, valueFrom: {secretKeyRef: {name: odd, key: dollar}}}\n- {name: B, value: \"$(A)|$$(A)|$(UNKNOWN)\"}",
            &["sh", "-c", "echo \"$A\"; echo \"$B\"; echo '$(A)'"],
            "$(NOT) $$\n$(NOT) $$|$(A)|$(UNKNOWN)\n$(NOT) $$\n",
        ),
        case(
            "pods 4.4",
            "not-trimmed",
            "env: [{name: A, valueFrom: {secretKeyRef: {name: odd, key: trailing}}}]",
            &["printf '[%s]' \"$A\""],
            "[line\n]",
        ),
        case(
            "pods 4",
            "optional",
            "env:\n- {name: A, valueFrom: {secretKeyRef: {name: absent, key: k, optional: true}}}\n\
             - {name: B, valueFrom: {secretKeyRef: {name: s, key: absent, optional: true}}}\n\
             envFrom: [{secretRef: {name: absent, optional: true}}]",
            &["env | grep -c '^[AB]='; true"],
            "0\n",
        ),
        case(
            "pods 4",
            "downward",
            "env:\n- {name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}\n\
             - {name: B, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}\n\
             - {name: C, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}\n\
             - {name: D, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}",
            &["echo $A $B $C $D"],
            "downward variables default downward\n",
        ),
    ]);
    world.check(&[Case {
        section: "5",
        name: "no-name-twice",
        spec: "",
        container: "envFrom: [{secretRef: {name: a}}, {secretRef: {name: a}}]",
        command: &["env | cut -d= -f1 | sort | uniq -d"],
        log: "",
    }]);
}

/// Checklist §5.3, §5.4, §6.3–6.5: these need no pod.
#[test]
fn empty_keys_and_patches() {
    let world = World::new("empty-keys");
    for resource in ["secrets", "configmaps"] {
        let body = json!({"metadata": {"name": "e"}, "data": {"": "dmFsdWU="}});
        world.post(resource, &body).expect(422);
        let body =
            json!({"metadata": {"name": "l", "labels": {"lifecycle": resource}}, "data": {"k": "dmFsdWU="}});
        let made = world.post(resource, &body).expect(201);
        let number = |object: &serde_json::Value| -> u64 {
            object["metadata"]["resourceVersion"]
                .as_str()
                .unwrap_or_default()
                .parse()
                .expect("a decimal")
        };
        let everywhere = format!("/api/v1/{resource}?labelSelector=lifecycle%3D{resource}");
        let found = |count: usize| {
            let list = world
                .call(async |client| client.get(&everywhere).await)
                .expect(200);
            assert_eq!(list["items"].as_array().map(Vec::len), Some(count), "{resource}");
        };
        found(1);
        let change = json!({"metadata": {"labels": {"more": "true"}}, "data": {"k": "bmV3"}});
        let path = world.path(&format!("{resource}/l"));
        world
            .call(async |client| client.patch("strategic", &path, &change).await)
            .expect(200);
        let now = world.get(resource, "l").expect("it is there");
        assert!(number(&now) > number(&made));
        assert_eq!(now["data"]["k"], "bmV3");
        let path = world.path(&format!("{resource}?labelSelector=lifecycle%3D{resource}"));
        world.call(async |client| client.delete(&path).await).expect(200);
        found(0);
    }
}
