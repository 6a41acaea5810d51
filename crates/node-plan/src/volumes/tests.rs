use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::objects::Kind;
use crate::testing::{self, Fake, container, node};

fn objects() -> Fake {
    let mut fake = Fake::default()
        .secret("s1", &[("a", b"1\n"), ("b", &[0, 255]), (".hidden", b"h")])
        .secret("s2", &[("a", b"other"), ("c", b"3")])
        .secret("empty", &[])
        .config_map(
            "cm",
            json!({"data": {"text": "t", "a": "from-cm"}, "binaryData": {"bin": "AAE="}}),
        )
        .failing("unread", LookupError::NotSynced { kind: Kind::Secret })
        .failing(
            "stray",
            LookupError::NotRegistered {
                namespace: "ns".into(),
                name: "stray".into(),
            },
        );
    fake.tokens
        .insert(("sa".to_owned(), None, 3607), "a.jwt".to_owned());
    fake.tokens.insert(
        ("sa".to_owned(), Some("vault".to_owned()), 600),
        "b.jwt".to_owned(),
    );
    fake
}

fn made_in(spec: Value, volume: Value) -> Result<Payload, VolumeError> {
    let mut whole = json!({"serviceAccountName": "sa", "containers": [container(json!({
        "resources": {"limits": {"cpu": "2"}, "requests": {"memory": "32Mi"}}
    }))]});
    for (key, value) in spec.as_object().expect("an object") {
        whole[key] = value.clone();
    }
    let metadata = json!({"labels": {"b": "2", "a": "1"}, "annotations": {"k": "line\nbreak \"q\" é\u{7f}"}});
    let pod = testing::full_pod(metadata, whole, json!({}));
    let mut named = volume;
    named["name"] = json!("v");
    payload(&pod, &testing::read(named), &objects(), &node())
}

/// Each file as `path mode content`, with `@owner` if it has one.
fn shown(payload: &Payload) -> Vec<String> {
    let show = |(path, file): (&String, &File)| {
        let owner = file.owner.map(|owner| format!("@{owner}")).unwrap_or_default();
        format!(
            "{path} {:04o}{owner} {}",
            file.mode,
            String::from_utf8_lossy(&file.content)
        )
    };
    payload.files.iter().map(show).collect()
}

fn check(volume: Value, expect: &[&str]) {
    let payload = made_in(json!({}), volume.clone()).unwrap_or_else(|error| panic!("{volume}: {error}"));
    assert_eq!(shown(&payload), expect, "{volume}");
}

fn check_error(volume: Value, expect: &str) {
    let error = made_in(json!({}), volume.clone())
        .err()
        .unwrap_or_else(|| panic!("{volume} has a payload"));
    assert_eq!(error.to_string(), expect, "{volume}");
}

fn secret(name: &str, more: Value) -> Value {
    let mut secret = json!({"secretName": name});
    for (key, value) in more.as_object().expect("an object") {
        secret[key] = value.clone();
    }
    json!({"secret": secret})
}

#[test]
fn secrets() {
    check(
        secret("s1", json!({})),
        &[".hidden 0644 h", "a 0644 1\n", "b 0644 \0\u{fffd}"],
    );
    check(
        secret("s1", json!({"defaultMode": 256})),
        &[".hidden 0400 h", "a 0400 1\n", "b 0400 \0\u{fffd}"],
    );
    check(secret("empty", json!({})), &[]);
    // §12.1
    check(
        secret(
            "s1",
            json!({"items": [{"key": "a", "path": "dir/a.txt", "mode": 256}], "defaultMode": 420}),
        ),
        &["dir/a.txt 0400 1\n"],
    );
    check(
        secret(
            "s1",
            json!({"items": [{"key": "a", "path": "x"}, {"key": "a", "path": "y"}], "defaultMode": 288}),
        ),
        &["x 0440 1\n", "y 0440 1\n"],
    );
    check(
        secret("s1", json!({"items": [{"key": "a", "path": "./x//y/"}]})),
        &["x/y 0644 1\n"],
    );
}

#[test]
fn what_is_missing() {
    let item = json!([{"key": "none", "path": "x"}, {"key": "a", "path": "y"}]);
    check_error(secret("none", json!({})), "secret \"none\" not found");
    check_error(
        secret("none", json!({"optional": false})),
        "secret \"none\" not found",
    );
    check_error(
        secret("s1", json!({"items": item})),
        "references non-existent secret key: none",
    );
    check_error(
        secret("unread", json!({"optional": true})),
        "failed to sync secret cache: timed out waiting for the condition",
    );
    check_error(
        secret("stray", json!({"optional": true})),
        "object \"ns\"/\"stray\" not registered",
    );
    check_error(
        json!({"configMap": {"name": "none"}}),
        "configmap \"none\" not found",
    );
    check_error(
        json!({"configMap": {"name": "cm", "items": item}}),
        "configmap references non-existent config key: none",
    );
    // §13.3: optional forgives both the object and each key.
    check(secret("none", json!({"optional": true})), &[]);
    check(secret("none", json!({"optional": true, "items": item})), &[]);
    check(
        secret("s1", json!({"optional": true, "items": item})),
        &["y 0644 1\n"],
    );
    check(json!({"configMap": {"name": "none", "optional": true}}), &[]);
    check(
        json!({"configMap": {"name": "cm", "optional": true, "items": item}}),
        &["y 0644 from-cm"],
    );
}

#[test]
fn config_maps() {
    check(
        json!({"configMap": {"name": "cm"}}),
        &["a 0644 from-cm", "bin 0644 \0\u{1}", "text 0644 t"],
    );
    check(
        json!({"configMap": {"name": "cm", "defaultMode": 292, "items": [{"key": "bin", "path": "b", "mode": 448}]}}),
        &["b 0700 \0\u{1}"],
    );
}

#[test]
fn downward() {
    let files = |items: Value| json!({"downwardAPI": {"items": items}});
    let field = |path: &str| files(json!([{"path": "f", "fieldRef": {"fieldPath": path}}]));
    check(field("metadata.name"), &["f 0644 p"]);
    check(field("metadata.namespace"), &["f 0644 ns"]);
    check(field("metadata.uid"), &["f 0644 u1"]);
    check(field("metadata.labels"), &["f 0644 a=\"1\"\nb=\"2\""]);
    check(field("metadata.labels['a']"), &["f 0644 1"]);
    check(
        field("metadata.annotations"),
        &["f 0644 k=\"line\\nbreak \\\"q\\\" é\\x7f\""],
    );
    check(
        field("metadata.annotations['k']"),
        &["f 0644 line\nbreak \"q\" é\u{7f}"],
    );
    let resource = |resource: &str, divisor: &str| {
        let selector = json!({"containerName": "c", "resource": resource, "divisor": divisor});
        files(json!([{"path": "f", "mode": 256, "resourceFieldRef": selector}]))
    };
    check(resource("limits.cpu", "1m"), &["f 0400 2000"]);
    check(resource("requests.memory", "1Mi"), &["f 0400 32"]);
    check(resource("limits.memory", "1Gi"), &["f 0400 8"]);
    check_error(field("spec.nodeName"), "unsupported fieldPath: spec.nodeName");
    check_error(
        files(json!([
            {"path": "a", "fieldRef": {"fieldPath": "spec.x"}}, {"path": "b", "fieldRef": {"fieldPath": "metadata.name"}},
            {"path": "c", "fieldRef": {"fieldPath": "spec.y"}}, {"path": "d", "fieldRef": {"fieldPath": "spec.x"}},
        ])),
        "[unsupported fieldPath: spec.x, unsupported fieldPath: spec.y]",
    );
}

#[test]
fn projected() {
    let sources = |sources: Value| json!({"projected": {"defaultMode": 288, "sources": sources}});
    // e2e §4: everything in one volume.
    check(
        sources(json!([
            {"downwardAPI": {"items": [{"path": "podname", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            {"secret": {"name": "s1", "items": [{"key": "a", "path": "secret-data"}]}},
            {"configMap": {"name": "cm", "items": [{"key": "text", "path": "configmap-data", "mode": 511}]}},
        ])),
        &["configmap-data 0777 t", "podname 0440 p", "secret-data 0440 1\n"],
    );
    // The later source wins.
    check(
        sources(json!([{"secret": {"name": "s1"}}, {"secret": {"name": "s2"}}])),
        &[".hidden 0440 h", "a 0440 other", "b 0440 \0\u{fffd}", "c 0440 3"],
    );
    check(
        sources(
            json!([{"secret": {"name": "s2", "items": [{"key": "a", "path": "x"}]}},
                       {"configMap": {"name": "cm", "items": [{"key": "a", "path": "./x"}]}}]),
        ),
        &["x 0440 from-cm"],
    );
    check(
        sources(json!([{"secret": {"name": "none", "optional": true}}, {"secret": {"name": "s2"}}])),
        &["a 0440 other", "c 0440 3"],
    );
    check(sources(json!([])), &[]);
    check_error(
        sources(json!([{"secret": {"name": "none"}}])),
        "secret \"none\" not found",
    );
    check_error(
        sources(json!([
            {"secret": {"name": "n1"}}, {"secret": {"name": "s1", "items": [{"key": "k", "path": "k"}]}},
            {"configMap": {"name": "n2"}}, {"secret": {"name": "n1"}},
        ])),
        "[secret \"n1\" not found, references non-existent secret key: k, configmap \"n2\" not found]",
    );
    check_error(
        sources(json!([{"clusterTrustBundle": {"path": "x"}}])),
        "projected source clusterTrustBundle is not supported by this node",
    );
}

/// §3.2 and e2e §7.1.5. fsGroup's own bits (0640) are the atomic writer's part.
#[test]
fn tokens() {
    let volume = |mode: Value| {
        json!({"projected": {"defaultMode": mode, "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
            {"serviceAccountToken": {"path": "vault", "audience": "vault", "expirationSeconds": 600}},
        ]}})
    };
    let same = json!([{"name": "c"}, {"name": "d", "securityContext": {"runAsUser": 1000}}]);
    let mixed = json!([{"name": "c"}, {"name": "d", "securityContext": {"runAsUser": 7}}]);
    for (spec, expect) in [
        (json!({}), ["token 0644 a.jwt", "vault 0644 b.jwt"]),
        (
            json!({"securityContext": {"runAsUser": 1000}}),
            ["token 0600@1000 a.jwt", "vault 0600@1000 b.jwt"],
        ),
        (
            json!({"securityContext": {"fsGroup": 10000}}),
            ["token 0600 a.jwt", "vault 0600 b.jwt"],
        ),
        (
            json!({"securityContext": {"runAsUser": 1000, "fsGroup": 10000}}),
            ["token 0600@1000 a.jwt", "vault 0600@1000 b.jwt"],
        ),
        (
            json!({"securityContext": {"runAsUser": 1000}, "containers": same}),
            ["token 0600@1000 a.jwt", "vault 0600@1000 b.jwt"],
        ),
        (
            json!({"securityContext": {"runAsUser": 1000}, "containers": mixed}),
            ["token 0644 a.jwt", "vault 0644 b.jwt"],
        ),
        (
            json!({"containers": same}),
            ["token 0644 a.jwt", "vault 0644 b.jwt"],
        ),
        (
            json!({"securityContext": {"runAsUser": 1000}, "initContainers": mixed, "containers": same}),
            ["token 0644 a.jwt", "vault 0644 b.jwt"],
        ),
    ] {
        let payload = made_in(spec.clone(), volume(Value::Null)).expect("a payload");
        assert_eq!(shown(&payload), expect, "{spec}");
    }
    let payload = made_in(json!({}), volume(json!(256))).expect("a payload");
    assert_eq!(shown(&payload), ["token 0400 a.jwt", "vault 0400 b.jwt"]);
    check_error(
        json!({"projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "x"}}]}}),
        "failed to fetch token: serviceaccounts \"x\" is forbidden",
    );
}

#[test]
fn paths() {
    let at = |path: &str| secret("s1", json!({"items": [{"key": "a", "path": path}]}));
    check_error(at(""), "invalid path: must not be empty: \"\"");
    check_error(
        at("/etc/passwd"),
        "invalid path: must be relative path: /etc/passwd",
    );
    check_error(at("a/../b"), "invalid path: must not contain '..': a/../b");
    check_error(at(".."), "invalid path: must not contain '..': ..");
    check_error(at("..."), "invalid path: must not start with '..': ...");
    check_error(at("..data"), "invalid path: must not start with '..': ..data");
    check_error(at("./..data"), "invalid path: must not start with '..': ./..data");
    check_error(at("."), "invalid path: must name a file: .");
    check_error(at("a\0b"), "invalid path: must name a file: a\\0b");
    check_error(
        at(&"x".repeat(256)),
        "invalid path: filenames must be less than or equal to 255 characters",
    );
    check_error(
        at(&"x/".repeat(2049)),
        "invalid path: must be less than or equal to 4096 characters",
    );
    check(at("a/..b"), &["a/..b 0644 1\n"]);
    let both = secret(
        "s1",
        json!({"items": [{"key": "a", "path": "x"}, {"key": "b", "path": "x/y/z"}]}),
    );
    check_error(both, "invalid path: is both a file and a directory: x");
}

#[test]
fn kinds() {
    let check = |mut volume: Value, expect: VolumeKind<'_>, plugin: Option<&str>, memory: bool| {
        volume["name"] = json!("v");
        let volume: Volume = testing::read(volume);
        let kind = kind(&volume);
        assert_eq!(
            (&kind, kind.plugin(), kind.in_memory()),
            (&expect, plugin, memory)
        );
    };
    check(
        json!({"secret": {}}),
        VolumeKind::Secret,
        Some("kubernetes.io~secret"),
        true,
    );
    check(
        json!({"projected": {}}),
        VolumeKind::Projected,
        Some("kubernetes.io~projected"),
        true,
    );
    check(
        json!({"configMap": {}}),
        VolumeKind::ConfigMap,
        Some("kubernetes.io~configmap"),
        false,
    );
    check(
        json!({"downwardAPI": {}}),
        VolumeKind::DownwardApi,
        Some("kubernetes.io~downward-api"),
        true,
    );
    let empty = |memory, size_limit| VolumeKind::EmptyDir { memory, size_limit };
    check(
        json!({}),
        empty(false, None),
        Some("kubernetes.io~empty-dir"),
        false,
    );
    check(
        json!({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
        empty(true, Some("1Mi")),
        Some("kubernetes.io~empty-dir"),
        true,
    );
    check(
        json!({"hostPath": {"path": "/x"}}),
        VolumeKind::HostPath {
            path: "/x",
            type_: "",
        },
        None,
        false,
    );
    check(
        json!({"nfs": {"path": "/", "server": "s"}}),
        VolumeKind::Unsupported("nfs"),
        None,
        false,
    );
    assert_eq!(
        made_in(json!({}), json!({"emptyDir": {}})),
        Err(VolumeError::Unsupported("a volume of this kind"))
    );
}

proptest! {
    /// Whatever paths a pod writes, what comes out stays inside the volume and away from the writer's own links.
    #[test]
    fn files_stay_inside(paths in proptest::collection::vec("(\\.|\\.\\.|/|a|b|\\.\\.data|\\x00| ){0,6}", 1..5)) {
        let items: Vec<Value> = paths.iter().map(|path| json!({"key": "a", "path": path})).collect();
        if let Ok(payload) = made_in(json!({}), secret("s1", json!({"items": items}))) {
            for path in payload.files.keys() {
                prop_assert!(!path.starts_with('/') && !path.starts_with("..") && !path.contains('\0'));
                prop_assert!(path.split('/').all(|element| !matches!(element, "" | "." | "..")));
                let below = format!("{path}/");
                prop_assert!(!payload.files.keys().any(|other| other.starts_with(&below)));
            }
        }
    }
}
