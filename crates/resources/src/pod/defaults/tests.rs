use serde_json::json;

use crate::pod::fixture::{create, with_container, with_spec};

#[test]
fn a_pod_is_completed() {
    let pod = create(with_spec(&json!({}))).expect("a legal pod");
    assert_eq!(pod.metadata.generation, 1);
    assert_eq!(
        serde_json::Value::Object(pod.body),
        json!({
            "spec": {
                "containers": [{
                    "name": "c",
                    "image": "busybox:1",
                    "imagePullPolicy": "IfNotPresent",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                }],
                "dnsPolicy": "ClusterFirst",
                "enableServiceLinks": true,
                "preemptionPolicy": "PreemptLowerPriority",
                "priority": 0,
                "restartPolicy": "Always",
                "schedulerName": "default-scheduler",
                "securityContext": {},
                "terminationGracePeriodSeconds": 30,
                "tolerations": [
                    {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                    {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                ],
            },
            "status": {"phase": "Pending", "qosClass": "BestEffort"},
        })
    );
}

#[test]
fn containers_are_completed() {
    let check = |container, pointer: &str, expect| {
        let pod = create(with_container(&container)).expect("a legal pod");
        let container = pod.body["spec"]["containers"][0].clone();
        assert_eq!(
            container.pointer(pointer),
            Some(&expect),
            "{pointer} of {container}"
        );
    };
    check(json!({"image": "busybox"}), "/imagePullPolicy", json!("Always"));
    check(
        json!({"ports": [{"containerPort": 80}]}),
        "/ports/0/protocol",
        json!("TCP"),
    );
    check(
        json!({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}}),
        "/resources/requests",
        json!({"cpu": "500m", "memory": "1Gi"}),
    );
    check(
        json!({"livenessProbe": {"httpGet": {"port": 80}}}),
        "/livenessProbe",
        json!({
            "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
            "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
        }),
    );
    check(
        json!({"startupProbe": {"grpc": {"port": 80}}}),
        "/startupProbe/grpc",
        json!({"port": 80, "service": ""}),
    );
    check(
        json!({"lifecycle": {"preStop": {"httpGet": {"port": "web", "path": "/x"}}}}),
        "/lifecycle/preStop/httpGet",
        json!({"path": "/x", "port": "web", "scheme": "HTTP"}),
    );
    check(
        json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
        "/env/0/valueFrom/fieldRef/apiVersion",
        json!("v1"),
    );
}

#[test]
fn volumes_are_completed() {
    let check = |volume: serde_json::Value, expect: serde_json::Value| {
        let mut named = volume;
        named["name"] = "v".into();
        let spec = json!({"serviceAccountName": "a", "volumes": [named]});
        let pod = create(with_spec(&spec)).expect("a legal pod");
        let mut completed = pod.body["spec"]["volumes"][0].clone();
        completed.as_object_mut().expect("an object").remove("name");
        assert_eq!(completed, expect);
        assert_eq!(pod.body["spec"]["serviceAccount"], "a");
    };
    check(json!({}), json!({"emptyDir": {}}));
    check(
        json!({"secret": {"secretName": "s"}}),
        json!({"secret": {"secretName": "s", "defaultMode": 420}}),
    );
    check(
        json!({"configMap": {"name": "s", "defaultMode": 256}}),
        json!({"configMap": {"name": "s", "defaultMode": 256}}),
    );
    check(
        json!({"hostPath": {"path": "/x"}}),
        json!({"hostPath": {"path": "/x", "type": ""}}),
    );
    check(
        json!({"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.uid"}}]}}),
        json!({"downwardAPI": {"defaultMode": 420, "items": [
            {"path": "p", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.uid"}},
        ]}}),
    );
    check(
        json!({"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}),
        json!({"projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        ]}}),
    );
}

#[test]
fn the_host_network_and_the_authors_tolerations_count() {
    let pod = create(with_spec(&json!({
        "hostNetwork": true,
        "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}],
        "tolerations": [{"operator": "Exists"}],
    })))
    .expect("a legal pod");
    let spec = &pod.body["spec"];
    assert_eq!(spec["containers"][0]["ports"][0]["hostPort"], 80);
    assert_eq!(spec["tolerations"], json!([{"operator": "Exists"}]));
}

#[test]
fn qualities_of_service() {
    let check = |resources, expect: &str| {
        let pod = create(with_container(&json!({"resources": resources}))).expect("a legal pod");
        assert_eq!(pod.body["status"]["qosClass"], expect);
    };
    check(json!({}), "BestEffort");
    check(json!({"requests": {"ephemeral-storage": "1"}}), "BestEffort");
    check(json!({"requests": {"cpu": "1"}}), "Burstable");
    check(json!({"limits": {"cpu": "1"}}), "Burstable");
    check(json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed");
    check(
        json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}),
        "Guaranteed",
    );
    check(
        json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}),
        "Burstable",
    );
}
