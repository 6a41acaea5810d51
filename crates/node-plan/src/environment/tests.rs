use serde_json::{Value, json};

use super::expansion::expand;
use super::*;
use crate::objects::{Kind, LookupError};
use crate::testing::{self, Fake, container, node};
use proptest::prelude::*;

fn services() -> Vec<Arc<Service>> {
    let service = |name: &str, namespace: &str, ip: &str, ports: Value| {
        Arc::new(testing::read(json!({
            "metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": ip, "ports": ports}
        })))
    };
    vec![
        service(
            "kubernetes",
            "default",
            "10.96.0.1",
            json!([{"name": "https", "port": 443, "protocol": "TCP"}]),
        ),
        service(
            "redis-master",
            "ns",
            "10.96.0.9",
            json!([{"port": 6379}, {"name": "dns-udp", "port": 53, "protocol": "UDP"}]),
        ),
        service("headless", "ns", "None", json!([{"port": 1}])),
        service("elsewhere", "other", "10.96.0.8", json!([{"port": 1}])),
    ]
}

fn objects() -> Fake {
    Fake::default()
        .secret(
            "s",
            &[
                ("user", b"admin"),
                ("pass", b"p$(user)w\n"),
                ("1bad", b"x"),
                ("a.b", b"y"),
                ("$x", b"z"),
            ],
        )
        .secret("bytes", &[("raw", &[0xff, 0xfe]), ("nul", &[b'a', 0, b'b'])])
        .secret("other", &[("user", b"root")])
        .config_map(
            "cm",
            json!({"data": {"user": "from-cm", "colour": "red"}, "binaryData": {"b": "AAE="}}),
        )
        .failing("unread", LookupError::NotSynced { kind: Kind::Secret })
        .failing(
            "stray",
            LookupError::NotRegistered {
                namespace: "ns".into(),
                name: "stray".into(),
            },
        )
}

fn made(spec: Value, names: EnvNames) -> Result<Environment, EnvironmentError> {
    let pod = testing::full_pod(
        json!({"labels": {"app": "web"}, "annotations": {"n": "a \"b\""}}),
        json!({"nodeName": "node-1", "serviceAccountName": "sa", "enableServiceLinks": spec["links"],
               "containers": [container(spec.clone()), {"name": "other", "resources": {"requests": {"cpu": "250m"}}}]}),
        json!({}),
    );
    let (objects, services, node) = (objects(), services(), node());
    let sources = Sources {
        objects: &objects,
        services: Some(&services),
        node: &node,
        pod_ips: &["10.0.0.7".to_owned(), "fd00::7".to_owned()],
        names,
    };
    environment(&pod, &pod.spec.as_ref().expect("a spec").containers[0], &sources)
}

/// The variables that are no services', as `NAME=value`.
fn shown(environment: &Environment) -> Vec<String> {
    let own = environment.variables().iter().filter(|variable| {
        !["KUBERNETES_", "REDIS_MASTER_"]
            .iter()
            .any(|prefix| variable.name.starts_with(prefix))
    });
    own.map(|variable| format!("{}={}", variable.name, String::from_utf8_lossy(&variable.value)))
        .collect()
}

fn check(spec: Value, expect: &[&str]) {
    let environment = made(spec.clone(), EnvNames::Relaxed).unwrap_or_else(|error| panic!("{spec}: {error}"));
    assert_eq!(shown(&environment), expect, "{spec}");
}

fn check_error(spec: Value, expect: &str) {
    let error = made(spec.clone(), EnvNames::Relaxed)
        .err()
        .unwrap_or_else(|| panic!("{spec} has an environment"));
    assert_eq!(error.to_string(), expect, "{spec}");
}

fn from_secret(key: &str) -> Value {
    json!({"secretKeyRef": {"name": "s", "key": key}})
}

#[test]
fn values() {
    check(
        json!({"env": [{"name": "A", "value": "1"}, {"name": "E"}]}),
        &["A=1", "E="],
    );
    check(
        json!({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
        &["A=2"],
    );
    check(
        json!({"env": [{"name": "A", "valueFrom": from_secret("user")}]}),
        &["A=admin"],
    );
    // What a source gives is used as it is: neither trimmed nor expanded.
    check(
        json!({"env": [{"name": "user", "value": "u"}, {"name": "P", "valueFrom": from_secret("pass")}]}),
        &["user=u", "P=p$(user)w\n"],
    );
    check(
        json!({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "colour"}}}]}),
        &["A=red"],
    );
}

#[test]
fn values_that_name_variables() {
    check(
        json!({"env": [{"name": "A", "valueFrom": from_secret("user")}, {"name": "B", "value": "<$(A)>"}]}),
        &["A=admin", "B=<admin>"],
    );
    check(
        json!({"env": [{"name": "B", "value": "$(A)"}, {"name": "A", "value": "1"}]}),
        &["B=$(A)", "A=1"],
    );
    check(
        json!({"env": [{"name": "B", "value": "$$(A) $ $$ $(A"}]}),
        &["B=$(A) $ $ $(A"],
    );
    check(
        json!({"env": [{"name": "B", "value": "$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)"}]}),
        &["B=10.96.0.1:443"],
    );
    check(
        json!({"env": [{"name": "KUBERNETES_SERVICE_HOST", "value": "mine"}, {"name": "B", "value": "$(KUBERNETES_SERVICE_HOST)"}]}),
        &["B=mine"],
    );
    check(
        json!({"envFrom": [{"secretRef": {"name": "other"}}], "env": [{"name": "B", "value": "$(user)"}]}),
        &["user=root", "B=root"],
    );
}

#[test]
fn whole_objects() {
    check(
        json!({"envFrom": [{"secretRef": {"name": "s"}}]}),
        &["$x=z", "1bad=x", "a.b=y", "pass=p$(user)w\n", "user=admin"],
    );
    check(
        json!({"envFrom": [{"prefix": "p-", "secretRef": {"name": "other"}}]}),
        &["p-user=root"],
    );
    check(
        json!({"envFrom": [{"prefix": "#@!", "secretRef": {"name": "other"}}]}),
        &["#@!user=root"],
    );
    check(
        json!({"envFrom": [{"configMapRef": {"name": "cm"}}]}),
        &["colour=red", "user=from-cm"],
    );
    // §13.8: the last one wins.
    check(
        json!({"envFrom": [{"configMapRef": {"name": "cm"}}, {"secretRef": {"name": "other"}}]}),
        &["colour=red", "user=root"],
    );
    check(
        json!({"envFrom": [{"secretRef": {"name": "other"}}], "env": [{"name": "user", "value": "x"}]}),
        &["user=x"],
    );
    check(
        json!({"envFrom": [{"secretRef": {"name": "none", "optional": true}}]}),
        &[],
    );
    check(
        json!({"envFrom": [{"configMapRef": {"name": "none", "optional": true}}]}),
        &[],
    );
}

#[test]
fn what_is_missing() {
    let secret = |name: &str, key: &str, optional: Option<bool>| json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": name, "key": key, "optional": optional}}}]});
    let config_map = |name: &str, key: &str| json!({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": name, "key": key}}}]});
    check_error(secret("none", "k", None), "secret \"none\" not found");
    check_error(secret("s", "k", None), "couldn't find key k in Secret ns/s");
    check_error(
        secret("s", "k", Some(false)),
        "couldn't find key k in Secret ns/s",
    );
    check_error(config_map("none", "k"), "configmap \"none\" not found");
    check_error(config_map("cm", "k"), "couldn't find key k in ConfigMap ns/cm");
    // Binary data of a ConfigMap is no variable.
    check_error(config_map("cm", "b"), "couldn't find key b in ConfigMap ns/cm");
    check_error(
        json!({"envFrom": [{"secretRef": {"name": "none"}}]}),
        "secret \"none\" not found",
    );
    check_error(
        secret("unread", "k", Some(true)),
        "failed to sync secret cache: timed out waiting for the condition",
    );
    check_error(
        secret("stray", "k", Some(true)),
        "object \"ns\"/\"stray\" not registered",
    );
    check(secret("none", "k", Some(true)), &[]);
    check(secret("s", "k", Some(true)), &[]);
    // An optional key that is missing leaves what was set before.
    check(
        json!({"envFrom": [{"secretRef": {"name": "other"}}],
               "env": [{"name": "user", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}}]}),
        &["user=root"],
    );
    check_error(
        json!({"env": [{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"}}}]}),
        "environment variable \"A\": fileKeyRef is not supported by this node",
    );
}

#[test]
fn bytes_that_no_environment_can_carry() {
    let environment = made(
        json!({"envFrom": [{"prefix": "x", "secretRef": {"name": "other"}}],
        "env": [{"name": "R", "valueFrom": {"secretKeyRef": {"name": "bytes", "key": "raw"}}}]}),
        EnvNames::Relaxed,
    );
    assert_eq!(
        environment.expect("an environment").get("R"),
        Some(&[0xff, 0xfe][..])
    );
    check_error(
        json!({"envFrom": [{"secretRef": {"name": "bytes"}}]}),
        "value of environment variable \"nul\" contains a NUL byte: invalid argument",
    );
    check_error(
        json!({"env": [{"name": "a=b", "value": "x"}]}),
        "\"a=b\" cannot be the name of an environment variable: invalid argument",
    );
}

#[test]
fn the_pod_itself() {
    let field = |path: &str| json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}}]});
    for (path, expect) in [
        ("metadata.name", "A=p"),
        ("metadata.namespace", "A=ns"),
        ("metadata.uid", "A=u1"),
        ("metadata.labels['app']", "A=web"),
        ("metadata.labels['none']", "A="),
        ("metadata.annotations['n']", "A=a \"b\""),
        ("spec.nodeName", "A=node-1"),
        ("spec.serviceAccountName", "A=sa"),
        ("status.podIP", "A=10.0.0.7"),
        ("status.podIPs", "A=10.0.0.7,fd00::7"),
        ("status.hostIP", "A=192.168.0.1"),
        ("status.hostIPs", "A=192.168.0.1,fd00::1"),
    ] {
        check(field(path), &[expect]);
    }
    check_error(field("status.phase"), "unsupported fieldPath: status.phase");
    check_error(
        field("spec['x']"),
        "fieldPath \"spec['x']\" does not support subscript",
    );
}

#[test]
fn resources() {
    let limits = json!({"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"memory": "1000k"}});
    let ask = |resource: &str, divisor: &str, name: Option<&str>| {
        let selector = json!({"resource": resource, "divisor": divisor, "containerName": name});
        json!({"resources": limits, "env": [{"name": "A", "valueFrom": {"resourceFieldRef": selector}}]})
    };
    for (resource, divisor, name, expect) in [
        ("limits.cpu", "0", None, "A=2"),
        ("limits.cpu", "1m", None, "A=1500"),
        ("limits.memory", "1Mi", None, "A=64"),
        ("limits.memory", "1", None, "A=67108864"),
        ("requests.memory", "1Ki", None, "A=977"),
        ("requests.cpu", "0", None, "A=0"),
        // Not set: what the node has.
        ("limits.ephemeral-storage", "1Gi", None, "A=100"),
        ("limits.cpu", "1", Some("other"), "A=4"),
        ("requests.cpu", "1m", Some("other"), "A=250"),
        ("limits.hugepages-2Mi", "0", None, "A=0"),
    ] {
        check(ask(resource, divisor, name), &[expect]);
    }
    check_error(
        ask("limits.gpu", "0", None),
        "unsupported container resource : limits.gpu",
    );
    check_error(ask("limits.cpu", "0", Some("none")), "container none not found");
}

#[test]
fn services_by_name() {
    let names = |links: Value| {
        let environment = made(json!({"links": links}), EnvNames::Relaxed).expect("an environment");
        let shown = |variable: &Variable| {
            format!(
                "{}={}",
                variable.name,
                std::str::from_utf8(&variable.value).expect("text")
            )
        };
        environment.variables().iter().map(shown).collect::<Vec<_>>()
    };
    let kubernetes = [
        "KUBERNETES_PORT=tcp://10.96.0.1:443",
        "KUBERNETES_PORT_443_TCP=tcp://10.96.0.1:443",
        "KUBERNETES_PORT_443_TCP_ADDR=10.96.0.1",
        "KUBERNETES_PORT_443_TCP_PORT=443",
        "KUBERNETES_PORT_443_TCP_PROTO=tcp",
        "KUBERNETES_SERVICE_HOST=10.96.0.1",
        "KUBERNETES_SERVICE_PORT=443",
        "KUBERNETES_SERVICE_PORT_HTTPS=443",
    ];
    assert_eq!(names(json!(false)), kubernetes);
    let redis = [
        "REDIS_MASTER_PORT=tcp://10.96.0.9:6379",
        "REDIS_MASTER_PORT_53_UDP=udp://10.96.0.9:53",
        "REDIS_MASTER_PORT_53_UDP_ADDR=10.96.0.9",
        "REDIS_MASTER_PORT_53_UDP_PORT=53",
        "REDIS_MASTER_PORT_53_UDP_PROTO=udp",
        "REDIS_MASTER_PORT_6379_TCP=tcp://10.96.0.9:6379",
        "REDIS_MASTER_PORT_6379_TCP_ADDR=10.96.0.9",
        "REDIS_MASTER_PORT_6379_TCP_PORT=6379",
        "REDIS_MASTER_PORT_6379_TCP_PROTO=tcp",
        "REDIS_MASTER_SERVICE_HOST=10.96.0.9",
        "REDIS_MASTER_SERVICE_PORT=6379",
        "REDIS_MASTER_SERVICE_PORT_DNS_UDP=53",
    ];
    assert_eq!(names(json!(true)), [&kubernetes[..], &redis[..]].concat());
    assert_eq!(names(Value::Null).len(), 20, "service links are on by default");
}

#[test]
fn services_that_were_never_read() {
    let pod = testing::pod(json!({"containers": [container(json!({}))]}));
    let (objects, node) = (objects(), node());
    let sources = Sources {
        objects: &objects,
        services: None,
        node: &node,
        pod_ips: &[],
        names: EnvNames::Relaxed,
    };
    let error = environment(&pod, &pod.spec.as_ref().expect("a spec").containers[0], &sources)
        .expect_err("no services");
    assert_eq!(
        error.to_string(),
        "services have not yet been read at least once, cannot construct envvars"
    );
}

#[test]
fn strict_names_are_skipped_with_one_event_for_each_source() {
    let environment = made(
        json!({"envFrom": [{"secretRef": {"name": "s"}}, {"prefix": "1", "configMapRef": {"name": "cm"}}]}),
        EnvNames::Strict,
    )
    .expect("an environment");
    assert_eq!(shown(&environment), ["a.b=y", "pass=p$(user)w\n", "user=admin"]);
    let messages: Vec<&str> = environment
        .events
        .iter()
        .map(|event| event.message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "Keys [$x, 1bad] from the EnvFrom secret ns/s were skipped since they are considered invalid environment \
             variable names.",
            "Keys [1colour, 1user] from the EnvFrom configMap ns/cm were skipped since they are considered invalid \
             environment variable names.",
        ]
    );
    assert!(
        environment
            .events
            .iter()
            .all(|event| event.reason == "InvalidEnvironmentVariableNames")
    );
}

#[test]
fn commands() {
    let run = |fields: Value| {
        let environment = made(
            json!({"envFrom": [{"secretRef": {"name": "other"}}],
                   "env": [{"name": "R", "valueFrom": {"secretKeyRef": {"name": "bytes", "key": "raw"}}}]}),
            EnvNames::Relaxed,
        )
        .expect("an environment");
        command_line(&testing::read(container(fields)), &environment)
    };
    let line = run(json!({"command": ["sh", "-c", "echo $(user) $(none) $$(user)"], "args": ["$(user)"]}));
    let line = line.expect("a command line");
    assert_eq!(line.command[2].as_str(), "echo root $(none) $(user)");
    assert_eq!(line.args[0].as_str(), "root");
    assert!(!format!("{line:?}").contains("root"), "values are not printed");
    let error = run(json!({"args": ["$(R)"]})).expect_err("bytes are no text");
    assert_eq!(
        error.to_string(),
        "command or argument is not valid UTF-8 once $(R) is expanded"
    );
}

#[test]
fn sub_paths() {
    let environment = made(
        json!({"env": [{"name": "A", "value": "dir"}, {"name": "E"}, {"name": "UP", "value": "../x"}, {"name": "ABS", "value": "/x"}]}),
        EnvNames::Relaxed,
    )
    .expect("an environment");
    let path = |mut mount: Value| {
        mount["name"] = json!("v");
        mount["mountPath"] = json!("/m");
        sub_path(&testing::read(mount), &environment).map_err(|error| error.to_string())
    };
    assert_eq!(path(json!({})), Ok(None));
    assert_eq!(path(json!({"subPath": "a/b"})), Ok(Some("a/b".to_owned())));
    assert_eq!(path(json!({"subPath": "$(A)"})), Ok(Some("$(A)".to_owned())));
    assert_eq!(
        path(json!({"subPathExpr": "x/$(A)"})),
        Ok(Some("x/dir".to_owned()))
    );
    assert_eq!(
        path(json!({"subPathExpr": "$(Z)$(E)$(B)$(A)"})),
        Err("missing value for B, E, Z".to_owned())
    );
    assert_eq!(
        path(json!({"subPath": "/x"})),
        Err("error SubPath `/x` must not be an absolute path".to_owned())
    );
    assert_eq!(
        path(json!({"subPathExpr": "$(ABS)"})),
        Err("error SubPath `/x` must not be an absolute path".to_owned())
    );
    assert_eq!(
        path(json!({"subPathExpr": "a/$(UP)"})),
        Err("unable to provision SubPath `a/../x`: must not contain '..'".to_owned())
    );
}

#[test]
fn values_are_not_printed() {
    let environment = made(
        json!({"env": [{"name": "A", "value": "hunter2"}]}),
        EnvNames::Relaxed,
    );
    assert!(!format!("{environment:?}").contains("hunter2"));
}

#[test]
fn variables_that_double_each_other_have_a_limit() {
    let mut env = vec![json!({"name": "A0", "value": "x".repeat(1000)})];
    for index in 0..40 {
        env.push(json!({"name": format!("A{}", index + 1), "value": format!("$(A{index})$(A{index})")}));
    }
    check_error(
        json!({"env": env}),
        "environment or command line is larger than 6291456 bytes: argument list too long",
    );
}

#[test]
fn expansion() {
    fn check(input: &str, expect: &str) {
        let lookup = |name: &str| match name {
            "A" => Some(&b"1"[..]),
            "EMPTY" => Some(&b""[..]),
            "LOOP" => Some(&b"$(LOOP)"[..]),
            "a b" => Some(&b"space"[..]),
            "" => Some(&b"nameless"[..]),
            _ => None,
        };
        let expanded = expand(input.as_bytes(), lookup).expect("not too large");
        assert_eq!(String::from_utf8_lossy(&expanded), expect, "{input}");
    }
    check("", "");
    check("plain", "plain");
    check("$(A)", "1");
    check("$(A)$(A)", "11");
    check("a$(A)b", "a1b");
    check("$(EMPTY)", "");
    check("$(LOOP)", "$(LOOP)");
    check("$(a b)", "space");
    check("$()", "nameless");
    check("$(B)", "$(B)");
    check("$$", "$");
    check("$$$$", "$$");
    check("$$(A)", "$(A)");
    check("$$$(A)", "$1");
    check("$$$$(A)", "$$(A)");
    check("$", "$");
    check("a$", "a$");
    check("$A", "$A");
    check("$é", "$é");
    check("$(A", "$(A");
    check("$($(A)", "$($(A)");
    check("$(A$(A)", "$(A$(A)");
    check("(A)", "(A)");
    check("$(A))", "1)");
    check("$ (A)", "$ (A)");
}

proptest! {
    #[test]
    fn expansion_without_references_changes_nothing(text in "[^$]{0,200}") {
        prop_assert_eq!(expand(text.as_bytes(), |_| Some(&b"x"[..])), Ok(text.into_bytes()));
    }

    #[test]
    fn expansion_takes_any_bytes(bytes in proptest::collection::vec(prop_oneof![Just(b'$'), Just(b'('), Just(b')'), any::<u8>()], 0..400)) {
        let expanded = expand(&bytes, |_| None).expect("not too large");
        // Only `$$` becomes shorter when nothing is known.
        prop_assert!(expanded.len() <= bytes.len());
        prop_assert!(expanded.len() * 2 >= bytes.len());
    }

    #[test]
    fn escaped_text_comes_out_as_it_was(text in ".{0,200}") {
        let escaped = text.replace('$', "$$");
        prop_assert_eq!(expand(escaped.as_bytes(), |_| Some(&b"x"[..])), Ok(text.into_bytes()));
    }
}

#[test]
fn many_openings_take_no_time() {
    let openings = "$(".repeat(500_000);
    let before = std::time::Instant::now();
    assert_eq!(
        expand(openings.as_bytes(), |_| None),
        Ok(openings.clone().into_bytes())
    );
    assert!(before.elapsed().as_secs() < 2);
}
