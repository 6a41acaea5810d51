//! Secrets as files: checklist §2, §3, §4, §8.

use strongroom_e2e::Random;

use crate::world::{Case, World, pod, sleeping};

const DATA: [(&str, &str); 3] = [
    ("data-1", "value-1\n"),
    ("data-2", "value-2\n"),
    ("data-3", "value-3\n"),
];
const AT_V: &str = "volumeMounts: [{name: v, mountPath: /v}]";
const SHOW: &[&str] = &["stat -L -c '%A %u:%g' /v/data-1; cat /v/data-1"];
const SHOW_NEW: &[&str] = &["ls /v; stat -L -c '%A' /v/new-path-data-1; cat /v/new-path-data-1"];

#[test]
fn secret_volumes() {
    let world = World::new("secret-volumes");
    world.secret("test", &DATA);
    let other = World::new("secret-volumes-other");
    other.secret("test", &[("data-1", "of another namespace")]);
    let case = |section, name, spec, command, log| Case {
        section,
        name,
        spec,
        container: AT_V,
        command,
        log,
    };
    world.check(&[
        case(
            "2.1",
            "plain",
            "volumes: [{name: v, secret: {secretName: test}}]",
            SHOW,
            "-rw-r--r-- 0:0\nvalue-1\n",
        ),
        case(
            "2.2",
            "default-mode",
            "volumes: [{name: v, secret: {secretName: test, defaultMode: 0400}}]",
            SHOW,
            "-r-------- 0:0\nvalue-1\n",
        ),
        case(
            "2.2",
            "default-mode-in-decimal",
            "volumes: [{name: v, secret: {secretName: test, defaultMode: 256}}]",
            SHOW,
            "-r-------- 0:0\nvalue-1\n",
        ),
        case(
            "2.3",
            "non-root",
            "securityContext: {runAsUser: 1000, fsGroup: 1001}\n\
             volumes: [{name: v, secret: {secretName: test, defaultMode: 0440}}]",
            &["id -u; id -G; stat -L -c '%A %u:%g' /v/data-1; cat /v/data-1"],
            "1000\n0 1001\n-r--r----- 0:1001\nvalue-1\n",
        ),
        case(
            "2.4",
            "mappings",
            "volumes: [{name: v, secret: {secretName: test, items: [{key: data-1, path: new-path-data-1}]}}]",
            SHOW_NEW,
            "new-path-data-1\n-rw-r--r--\nvalue-1\n",
        ),
        case(
            "2.5",
            "item-mode",
            "volumes: [{name: v, secret: {secretName: test, items: [{key: data-1, path: new-path-data-1, mode: 0400}]}}]",
            SHOW_NEW,
            "new-path-data-1\n-r--------\nvalue-1\n",
        ),
        Case {
            section: "2.7",
            name: "twice",
            spec: "volumes: [{name: a, secret: {secretName: test}}, {name: b, secret: {secretName: test}}]",
            container: "volumeMounts: [{name: a, mountPath: /a, readOnly: true}, {name: b, mountPath: /b, readOnly: true}]",
            command: &["cat /a/data-1 /b/data-1"],
            log: "value-1\nvalue-1\n",
        },
        case(
            "pods 12.1",
            "layout",
            "securityContext: {fsGroup: 1001}\n\
             volumes: [{name: v, secret: {secretName: test, items: [{key: data-1, path: dir/a.txt, mode: 256}]}}]",
            &[
                "cd /v; ls; readlink dir; readlink ..data | sed 's/[0-9]/0/g;s/0*$/N/'; stat -L -c '%a %u:%g' dir/a.txt; \
               stat -L -c '%A' . dir | cut -c5-7; cat dir/a.txt",
            ],
            "dir\n..data/dir\n..0000_00_00_00_00_00.N\n440 0:1001\nrws\nr-s\nvalue-1\n",
        ),
        case(
            "pods 13.1",
            "read-only",
            "volumes: [{name: v, secret: {secretName: test}}]",
            &["touch /v/x 2>&1; rm -f /v/data-1 2>&1; cat /v/data-1"],
            "touch: /v/x: Read-only file system\nrm: can't remove '/v/data-1': Read-only file system\nvalue-1\n",
        ),
        case(
            "pods 3",
            "optional",
            "volumes: [{name: v, secret: {secretName: absent, optional: true}}]",
            &["ls /v | wc -l; mount | grep -c ' /v .*tmpfs'"],
            "0\n1\n",
        ),
        case(
            "pods 13.3",
            "optional-key",
            "volumes: [{name: v, secret: {secretName: test, optional: true, items: [{key: none, path: none}, {key: data-2, path: d}]}}]",
            &["ls /v; cat /v/d"],
            "d\nvalue-2\n",
        ),
        Case {
            section: "pods 3",
            name: "nested",
            spec: "volumes: [{name: v, secret: {secretName: test}}, {name: w, secret: {secretName: test}}]",
            container: "volumeMounts: [{name: v, mountPath: /v}, {name: w, mountPath: /v/inner}]",
            command: &["cat /v/data-1 /v/inner/data-2"],
            log: "value-1\nvalue-2\n",
        },
    ]);
}

#[test]
fn projected_secrets() {
    let world = World::new("projected-secrets");
    world.secret("test", &DATA);
    world.secret("later", &[("data-1", "of the later source\n")]);
    world.config_map("map", &[("configmap-data", "configmap-value-1")]);
    world.secret("combined", &[("secret-data", "secret-value-1")]);
    let other = World::new("projected-secrets-other");
    other.secret("test", &[("data-1", "of another namespace")]);
    let case = |section, name, spec, command, log| Case {
        section,
        name,
        spec,
        container: AT_V,
        command,
        log,
    };
    world.check(&[
        case(
            "3.1",
            "plain",
            "volumes: [{name: v, projected: {sources: [{secret: {name: test}}]}}]",
            SHOW,
            "-rw-r--r-- 0:0\nvalue-1\n",
        ),
        case(
            "3.2",
            "default-mode",
            "volumes: [{name: v, projected: {defaultMode: 0400, sources: [{secret: {name: test}}]}}]",
            SHOW,
            "-r-------- 0:0\nvalue-1\n",
        ),
        case(
            "3.3",
            "non-root",
            "securityContext: {runAsUser: 1000, fsGroup: 1001}\n\
             volumes: [{name: v, projected: {defaultMode: 0440, sources: [{secret: {name: test}}]}}]",
            SHOW,
            "-r--r----- 0:1001\nvalue-1\n",
        ),
        case(
            "3.4",
            "mappings",
            "volumes: [{name: v, projected: {sources: [{secret: {name: test, items: [{key: data-1, path: new-path-data-1}]}}]}}]",
            SHOW_NEW,
            "new-path-data-1\n-rw-r--r--\nvalue-1\n",
        ),
        case(
            "3.5",
            "item-mode",
            "volumes: [{name: v, projected: {sources: [{secret: {name: test, items: [{key: data-1, path: new-path-data-1, mode: 0400}]}}]}}]",
            SHOW_NEW,
            "new-path-data-1\n-r--------\nvalue-1\n",
        ),
        Case {
            section: "3.7",
            name: "twice",
            spec: "volumes: [{name: a, projected: {sources: [{secret: {name: test}}]}}, {name: b, projected: {sources: [{secret: {name: test}}]}}]",
            container: "volumeMounts: [{name: a, mountPath: /a}, {name: b, mountPath: /b}]",
            command: &["cat /a/data-1 /b/data-1"],
            log: "value-1\nvalue-1\n",
        },
        case(
            "3, end",
            "the-later-wins",
            "volumes: [{name: v, projected: {sources: [{secret: {name: test}}, {secret: {name: later}}, {secret: {name: absent, optional: true}}]}}]",
            &["ls /v; cat /v/data-1 /v/data-2"],
            "data-1\ndata-2\ndata-3\nof the later source\nvalue-2\n",
        ),
        Case {
            section: "4",
            name: "combined",
            spec: "volumes:\n- name: v\n  projected:\n    sources:\n    - downwardAPI: {items: [{path: podname, fieldRef: {fieldPath: metadata.name}}]}\n    - secret: {name: combined, items: [{key: secret-data, path: secret-data}]}\n    - configMap: {name: map, items: [{key: configmap-data, path: configmap-data}]}",
            container: "volumeMounts: [{name: v, mountPath: /all, readOnly: false}]",
            command: &["for f in podname secret-data configmap-data; do cat /all/$f; echo; done"],
            log: "combined\nsecret-value-1\nconfigmap-value-1\n",
        },
        Case {
            section: "pods 3.5",
            name: "downward",
            spec: "volumes:\n- name: v\n  downwardAPI:\n    items:\n    - {path: labels, fieldRef: {fieldPath: metadata.labels}}\n    - {path: namespace, fieldRef: {fieldPath: metadata.namespace}}\n    - {path: one, fieldRef: {fieldPath: \"metadata.annotations['note']\"}}\n    - {path: limit, resourceFieldRef: {containerName: c, resource: limits.memory}}",
            container: "resources: {limits: {memory: 64Mi}}\nvolumeMounts: [{name: v, mountPath: /v}]",
            command: &["for f in labels namespace one limit; do cat /v/$f; echo; done"],
            log: "app=\"downward\"\nprojected-secrets\nblue\n67108864\n",
        },
    ]);
}

#[test]
fn sub_paths() {
    let world = World::new("sub-paths");
    world.secret("s", &[("secret-key", "secret-value")]);
    world.config_map("m", &[("configmap-key", "configmap-value")]);
    world.check(&[
        Case {
            section: "8",
            name: "of-a-secret",
            spec: "securityContext: {seLinuxOptions: {level: \"s0:c0,c1\"}}\n\
                   volumes: [{name: v, secret: {secretName: s}}]",
            container: "volumeMounts: [{name: v, mountPath: /test-volume, subPath: secret-key}]",
            command: &["cat /test-volume; echo x 2>/dev/null > /test-volume || echo; mount | grep -c 'on /test-volume .*ro,'"],
            log: "secret-value\n1\n",
        },
        Case {
            section: "8",
            name: "of-a-config-map",
            spec: "volumes: [{name: v, configMap: {name: m}}]",
            container: "volumeMounts: [{name: v, mountPath: /test-volume, subPath: configmap-key}]",
            command: &["cat /test-volume"],
            log: "configmap-value",
        },
        Case {
            section: "8",
            name: "over-a-file",
            spec: "volumes: [{name: v, configMap: {name: m}}]",
            container: "volumeMounts: [{name: v, mountPath: /etc/resolv.conf, subPath: configmap-key}]",
            command: &["cat /etc/resolv.conf"],
            log: "configmap-value",
        },
        Case {
            section: "8",
            name: "of-the-downward-api",
            spec: "volumes: [{name: v, downwardAPI: {items: [{path: downward/podname, fieldRef: {fieldPath: metadata.name}}]}}]",
            container: "volumeMounts: [{name: v, mountPath: /test-volume, subPath: downward/podname}]",
            command: &["cat /test-volume"],
            log: "of-the-downward-api",
        },
        Case {
            section: "8",
            name: "of-a-projection",
            spec: "volumes: [{name: v, projected: {sources: [{configMap: {name: m, items: [{key: configmap-key, path: projected/it}]}}]}}]",
            container: "volumeMounts: [{name: v, mountPath: /test-volume, subPath: projected/it}]",
            command: &["cat /test-volume"],
            log: "configmap-value",
        },
        Case {
            section: "pods 3.4",
            name: "by-expression",
            spec: "volumes: [{name: v, secret: {secretName: s}}]",
            container: "env: [{name: KEY, value: secret-key}]\nvolumeMounts: [{name: v, mountPath: /test-volume, subPathExpr: $(KEY)}]",
            command: &["cat /test-volume"],
            log: "secret-value",
        },
        Case {
            section: "pods 3.4",
            name: "of-nothing",
            spec: "volumes: [{name: v, secret: {secretName: s}}]",
            container: "volumeMounts: [{name: v, mountPath: /test-volume, subPath: wrong}]",
            command: &["test -d /test-volume && ls -A /test-volume | wc -l"],
            log: "0\n",
        },
    ]);
}

/// A restarted container looks its subPath up again; a running one keeps what it had.
#[test]
fn a_sub_path_is_as_old_as_its_container() {
    let world = World::new("sub-path-age");
    world.secret("s", &[("k", "one")]);
    world.apply(&pod(
        "p",
        "restartPolicy: Always\nvolumes: [{name: v, secret: {secretName: s}}]",
        "command: [sh, -c, \"trap 'exit 0' TERM; until test -e /tmp/end; do sleep 1; done\"]\n\
         volumeMounts: [{name: v, mountPath: /one, subPath: k}, {name: v, mountPath: /all}]",
    ));
    world.ready("p");
    world
        .merge("secrets/s", &serde_json::json!({"stringData": {"k": "two"}}))
        .expect(200);
    world.until("the update", || {
        (world.sh("p", "cat /all/k") == "two").then_some(())
    });
    assert_eq!(world.sh("p", "cat /one"), "one");
    world.sh("p", "touch /tmp/end");
    world.until("a restart", || {
        let pod = world.get("pods", "p")?;
        let status = &pod["status"]["containerStatuses"][0];
        (status["restartCount"] == 1 && status["ready"] == true).then_some(())
    });
    assert_eq!(world.sh("p", "cat /one"), "two");
}

/// Every byte of a value arrives, in a binary Secret of the greatest size, too.
#[test]
fn bytes_arrive_as_they_are() {
    use base64::Engine as _;
    let world = World::new("bytes");
    let (mut random, seed) = Random::fresh();
    println!("seed {seed}");
    let all: Vec<u8> = (0..=255).collect();
    let large = random.bytes(900 * 1024);
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let body = serde_json::json!({"metadata": {"name": "s"}, "data": {"all": encode(&all), "large": encode(&large), "none": ""}});
    world.post("secrets", &body).expect(201);
    world.apply(&sleeping(
        "p",
        "volumes: [{name: v, secret: {secretName: s}}]",
        "volumeMounts: [{name: v, mountPath: /v}]",
    ));
    let pod = world.ready("p");
    let volume = world.pods.volume(&pod, "kubernetes.io~secret", "v");
    for (name, expect) in [("all", &all), ("large", &large), ("none", &Vec::new())] {
        assert!(std::fs::read(volume.join(name)).expect(name) == *expect, "{name}");
    }
    assert_eq!(
        world.sh("p", "stat -L -c %s /v/all /v/large /v/none"),
        "256\n921600\n0\n"
    );
}
