use serde_json::{Value, json};

use crate::pod::fixture::{create, sent, with_container, with_spec};

/// What is wrong with the pod, without the brackets of several complaints.
fn refused(pod: strongroom_objects::Object) -> String {
    let message = create(pod).err().unwrap_or_default();
    message.trim_matches(['[', ']']).to_owned()
}

fn check_spec(spec: &Value, expect: &str) {
    assert_eq!(refused(with_spec(spec)), expect, "{spec}");
}

fn check_container(container: &Value, expect: &str) {
    let expect = expect.replace("@", "spec.containers[0]");
    assert_eq!(refused(with_container(container)), expect, "{container}");
}

fn check_volume(volume: &Value, expect: &str) {
    let expect = expect.replace("@", "spec.volumes[0]");
    let spec = json!({"serviceAccountName": "a", "volumes": [volume]});
    assert_eq!(refused(with_spec(&spec)), expect, "{volume}");
}

#[test]
fn names_and_policies() {
    assert_eq!(
        refused(sent(&json!({"spec": {"containers": []}}))),
        "spec.containers: Required value"
    );
    check_spec(
        &json!({"containers": [{"name": "", "image": ""}]}),
        "spec.containers[0].name: Required value, spec.containers[0].image: Required value",
    );
    check_spec(
        &json!({"containers": [{"name": "a", "image": "i"}, {"name": "a", "image": " i"}]}),
        "spec.containers[1].name: Duplicate value: \"a\", spec.containers[1].image: Invalid value: \" i\": must not have leading or trailing whitespace",
    );
    check_spec(
        &json!({"initContainers": [{"name": "c", "image": "i", "restartPolicy": "Never"}]}),
        "spec.initContainers[0].restartPolicy: Unsupported value: \"Never\": supported values: \"Always\", spec.initContainers[0].name: Duplicate value: \"c\"",
    );
    check_spec(
        &json!({"restartPolicy": "Sometimes"}),
        "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
    );
    check_spec(
        &json!({"activeDeadlineSeconds": 0}),
        "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
    );
    check_spec(
        &json!({"hostname": "a.b"}),
        "spec.hostname: Invalid value: \"a.b\": must not contain dots",
    );
    check_spec(
        &json!({"ephemeralContainers": [{"name": "e", "image": "i"}]}),
        "spec.ephemeralContainers: Forbidden: Strongroom's nodes do not run ephemeral containers",
    );
    check_spec(
        &json!({"priorityClassName": "gold"}),
        "spec.priorityClassName: Invalid value: \"gold\": no PriorityClass with name gold was found",
    );
    check_spec(&json!({"priorityClassName": "system-node-critical"}), "");
    check_spec(
        &json!({"dnsPolicy": "None"}),
        "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
    );
    check_spec(
        &json!({"dnsConfig": {"nameservers": ["x"], "searches": ["a_b.c", "."]}}),
        "spec.dnsConfig.nameservers[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
    );
    check_spec(&json!({"imagePullSecrets": [{"name": ""}]}), "");
}

#[test]
fn mirrors_name_their_node() {
    let annotated = |spec: Value| {
        let mut pod = with_spec(&spec);
        let annotation = ("kubernetes.io/config.mirror".to_owned(), "x".to_owned());
        pod.metadata.annotations.extend([annotation]);
        refused(pod)
    };
    assert_eq!(annotated(json!({"nodeName": "a"})), "");
    assert_eq!(
        annotated(json!({})),
        "metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"x\": must set spec.nodeName if mirror pod annotation is set"
    );
}

#[test]
fn volumes() {
    check_volume(
        &json!({"name": "v", "secret": {}}),
        "@.secret.secretName: Required value",
    );
    check_volume(&json!({"name": "v", "secret": {"secretName": "unknown"}}), "");
    check_volume(
        &json!({"name": "v", "secret": {"secretName": "s", "defaultMode": 1000}}),
        "@.secret.defaultMode: Invalid value: 1000: must be a number between 0 and 0777 (octal), both inclusive",
    );
    check_volume(
        &json!({"name": "v", "secret": {"secretName": "s", "items": [{"key": "", "path": "", "mode": -1}]}}),
        "@.secret.items[0].key: Required value, @.secret.items[0].path: Required value, @.secret.items[0].mode: Invalid value: -1: must be a number between 0 and 0777 (octal), both inclusive",
    );
    let path =
        |path: &str| json!({"name": "v", "configMap": {"name": "s", "items": [{"key": "k", "path": path}]}});
    check_volume(&path("a/b"), "");
    check_volume(
        &path("/a"),
        "@.configMap.items[0].path: Invalid value: \"/a\": must be a relative path",
    );
    check_volume(
        &path("a/../b"),
        "@.configMap.items[0].path: Invalid value: \"a/../b\": must not contain '..'",
    );
    check_volume(
        &path("..a"),
        "@.configMap.items[0].path: Invalid value: \"..a\": must not start with '..'",
    );
    check_volume(
        &json!({"name": "V", "emptyDir": {}}),
        "@.name: Invalid value: \"V\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    );
    check_volume(
        &json!({"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}),
        "@.secret: Forbidden: may not specify more than 1 volume type",
    );
    check_volume(
        &json!({"name": "v", "hostPath": {"path": "/a", "type": "Door"}}),
        "@.hostPath.type: Unsupported value: \"Door\": supported values: \"\", \"BlockDevice\", \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", \"FileOrCreate\", \"Socket\"",
    );
    check_volume(
        &json!({"name": "v", "nfs": {"server": "s"}}),
        "@.nfs.path: Required value",
    );
    check_spec(
        &json!({"volumes": [{"name": "a"}, {"name": "a"}]}),
        "spec.volumes[1].name: Duplicate value: \"a\"",
    );
}

#[test]
fn projected_volumes() {
    let check = |sources: Value, expect: &str| {
        check_volume(&json!({"name": "v", "projected": {"sources": sources}}), expect)
    };
    check(
        json!([{"secret": {"name": ""}}]),
        "@.projected.sources[0].secret.name: Required value",
    );
    check(
        json!([{"secret": {"name": "a"}, "configMap": {"name": "b"}}]),
        "@.projected.sources[0]: Forbidden: may not specify more than 1 volume type per source",
    );
    let item = json!([{"key": "k", "path": "p"}]);
    check(
        json!([{"secret": {"name": "a", "items": item}}, {"configMap": {"name": "b", "items": item}}]),
        "@.projected: Invalid value: \"b\": conflicting duplicate paths",
    );
    check(
        json!([{"serviceAccountToken": {"path": "", "expirationSeconds": 599}}]),
        "@.projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes, @.projected.path: Required value",
    );
    check(
        json!([{"serviceAccountToken": {"path": "t", "expirationSeconds": (1_u64 << 32) + 1}}]),
        "@.projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds",
    );
    check(
        json!([{"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "status.podIP"}}]}}]),
        "@.projected.sources[0].downwardAPI.fieldRef.fieldPath: Unsupported value: \"status.podIP\": supported values: \"metadata.annotations\", \"metadata.labels\", \"metadata.name\", \"metadata.namespace\", \"metadata.uid\"",
    );
    check_spec(
        &json!({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}),
        "spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set",
    );
}

#[test]
fn environments() {
    let check = |variable: Value, expect: &str| check_container(&json!({"env": [variable]}), expect);
    for fine in ["A", "a.b-c", "1", "#@!", "p q"] {
        check(json!({"name": fine}), "");
    }
    let text =
        "a valid environment variable name must consist only of printable ASCII characters other than '='";
    check(
        json!({"name": "a=b"}),
        &format!("@.env[0].name: Invalid value: \"a=b\": {text}"),
    );
    check(json!({"name": ""}), "@.env[0].name: Required value");
    check(
        json!({"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        "@.env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty",
    );
    check(
        json!({"name": "A", "valueFrom": {}}),
        "@.env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
    );
    check(
        json!({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}, "secretKeyRef": {"name": "s", "key": "k"}}}),
        "@.env[0].valueFrom: Invalid value: \"\": may not have more than one field specified at a time",
    );
    check(
        json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": ""}}}),
        "@.env[0].valueFrom.secretKeyRef.key: Required value",
    );
    check(
        json!({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}}),
        "",
    );
    check(
        json!({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}),
        "@.env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.x\": error converting fieldPath: field label not supported: spec.x",
    );
    check(
        json!({"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}}}),
        "@.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: \"limits.cpu\": only divisor's values 1m and 1 are supported with the cpu resource",
    );
    check_container(
        &json!({"envFrom": [{"prefix": "#@!", "secretRef": {"name": "s"}}]}),
        "",
    );
    check_container(
        &json!({"envFrom": [{}]}),
        "@.envFrom: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`",
    );
    check_container(
        &json!({"envFrom": [{"secretRef": {"name": ""}}]}),
        "@.envFrom[0].secretRef.name: Required value",
    );
}

#[test]
fn mounts() {
    let check = |mounts: Value, expect: &str| check_container(&json!({"volumeMounts": mounts}), expect);
    check(
        json!([{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b", "subPath": "x"}]),
        "",
    );
    check(
        json!([{"name": "x", "mountPath": "/a"}]),
        "@.volumeMounts[0].name: Not found: \"x\"",
    );
    check(
        json!([{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/a"}]),
        "@.volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique",
    );
    check(
        json!([{"name": "v", "mountPath": "/a", "subPath": "/x"}]),
        "@.volumeMounts.subPath: Invalid value: \"/x\": must be a relative path",
    );
    check(
        json!([{"name": "v", "mountPath": "/a", "subPath": "x", "subPathExpr": "y"}]),
        "@.volumeMounts[0].subPathExpr: Invalid value: \"y\": subPathExpr and subPath are mutually exclusive",
    );
    check(
        json!([{"name": "v", "mountPath": "/a", "mountPropagation": "Bidirectional"}]),
        "@.volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers",
    );
}

#[test]
fn ports_probes_and_hooks() {
    check_container(
        &json!({"ports": [{"containerPort": 0}]}),
        "@.ports[0].containerPort: Required value",
    );
    check_container(
        &json!({"ports": [{"containerPort": 70000, "name": "--"}]}),
        "@.ports[0].name: Invalid value: \"--\": must contain at least one letter (a-z), @.ports[0].name: Invalid value: \"--\": must not contain consecutive hyphens, @.ports[0].name: Invalid value: \"--\": must not begin or end with a hyphen, @.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
    );
    check_container(
        &json!({"ports": [{"containerPort": 1, "hostPort": 80}, {"containerPort": 2, "hostPort": 80}]}),
        "@.ports[1].hostPort: Duplicate value: \"TCP//80\"",
    );
    check_container(
        &json!({"livenessProbe": {}}),
        "@.livenessProbe: Required value: must specify a handler type",
    );
    check_container(
        &json!({"livenessProbe": {"exec": {"command": ["a"]}, "successThreshold": 2}}),
        "@.livenessProbe.successThreshold: Invalid value: 2: must be 1",
    );
    check_container(
        &json!({"readinessProbe": {"exec": {}}}),
        "@.readinessProbe.exec.command: Required value",
    );
    check_container(
        &json!({"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}}),
        "@.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)",
    );
    check_spec(
        &json!({"initContainers": [{"name": "i", "image": "i", "lifecycle": {}}]}),
        "spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always",
    );
}

#[test]
fn amounts() {
    let check = |resources: Value, expect: &str| check_container(&json!({"resources": resources}), expect);
    check(
        json!({"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
        "@.resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
    );
    check(
        json!({"limits": {"cpu": "-1"}}),
        "@.resources.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0, @.resources.requests[cpu]: Invalid value: \"-1\": must be greater than or equal to 0",
    );
    check(
        json!({"requests": {"a.b/gpu": "1"}}),
        "@.resources.limits: Required value: Limit must be set for non overcommitable resources",
    );
    check(
        json!({"requests": {"gold": "1"}}),
        "@.resources.requests[gold]: Invalid value: \"gold\": must be a standard resource type or fully qualified, @.resources.requests[gold]: Invalid value: \"gold\": must be a standard resource for containers",
    );
}

#[test]
fn security_contexts() {
    check_container(
        &json!({"securityContext": {"allowPrivilegeEscalation": false, "privileged": true}}),
        "@.securityContext: Invalid value: {\"allowPrivilegeEscalation\":false,\"privileged\":true}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
    );
    check_container(
        &json!({"securityContext": {"runAsUser": -1}}),
        "@.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
    );
    check_container(
        &json!({"securityContext": {"seccompProfile": {"type": "Localhost"}}}),
        "@.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
    );
    check_spec(
        &json!({"securityContext": {"fsGroup": 1000, "supplementalGroups": [-5]}}),
        "spec.securityContext.supplementalGroups[0]: Invalid value: -5: must be between 0 and 2147483647, inclusive",
    );
    check_spec(
        &json!({"hostNetwork": true, "securityContext": {"sysctls": [{"name": "net.ipv4.x", "value": "1"}]}}),
        "spec.securityContext.sysctls[0].name: Invalid value: \"net.ipv4.x\": may not be specified when 'hostNetwork' is true",
    );
}

#[test]
fn scheduling() {
    check_spec(
        &json!({"tolerations": [{"operator": "Equal", "value": "x"}]}),
        "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
    );
    check_spec(
        &json!({"tolerations": [{"key": "a", "operator": "Exists", "value": "x", "tolerationSeconds": 1}]}),
        "spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set, spec.tolerations[0].operator: Invalid value: \"x\": value must be empty when `operator` is 'Exists'",
    );
    check_spec(
        &json!({"nodeSelector": {"a": "-"}}),
        "spec.nodeSelector: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    );
    let required = |terms: Value| json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}});
    let path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    check_spec(
        &required(json!([])),
        &format!("{path}: Required value: must have at least one node selector term"),
    );
    check_spec(
        &required(json!([{"matchExpressions": [{"key": "a", "operator": "In"}]}])),
        &format!(
            "{path}[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
        ),
    );
    check_spec(
        &json!({"schedulingGates": [{"name": "a"}], "nodeName": "n"}),
        "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
    );
}
