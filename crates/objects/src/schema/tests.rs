use super::*;

#[test]
fn kinds_are_found() {
    let cases = [
        ("", "v1", "Secret", "io.k8s.api.core.v1.Secret"),
        ("", "v1", "SecretList", "io.k8s.api.core.v1.SecretList"),
        ("", "v1", "List", "io.k8s.api.core.v1.List"),
        ("", "v1", "Status", "io.k8s.apimachinery.pkg.apis.meta.v1.Status"),
        (
            "",
            "v1",
            "DeleteOptions",
            "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
        ),
        (
            "meta.k8s.io",
            "v1",
            "DeleteOptions",
            "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
        ),
        (
            "meta.k8s.io",
            "v1",
            "Table",
            "io.k8s.apimachinery.pkg.apis.meta.v1.Table",
        ),
        (
            "rbac.authorization.k8s.io",
            "v1",
            "Role",
            "io.k8s.api.rbac.v1.Role",
        ),
        (
            "coordination.k8s.io",
            "v1",
            "Lease",
            "io.k8s.api.coordination.v1.Lease",
        ),
        ("policy", "v1", "Eviction", "io.k8s.api.policy.v1.Eviction"),
        ("autoscaling", "v1", "Scale", "io.k8s.api.autoscaling.v1.Scale"),
    ];
    for (group, version, kind, model) in cases {
        let ty = schema()
            .kind(group, version, kind)
            .unwrap_or_else(|| panic!("{group}/{version} {kind}"));
        assert_eq!(ty.model_name, model);
        assert_eq!(schema().type_named(model).unwrap().model_name, model);
    }
    assert!(schema().kind("", "v1", "secret").is_none());
    assert!(schema().kind("", "v2", "Secret").is_none());
}

#[test]
fn fields_carry_their_markers() {
    let pod_spec = schema().type_named("io.k8s.api.core.v1.PodSpec").unwrap();
    let containers = pod_spec.field("containers").unwrap();
    assert_eq!(containers.patch_merge_key, Some("name"));
    assert!(containers.patch_strategy.merge && !containers.patch_strategy.retain_keys);
    assert_eq!(containers.list_type, Some(ListType::Map));
    assert_eq!(containers.map_keys, ["name"]);
    assert!(pod_spec.field("volumes").unwrap().patch_strategy.retain_keys);
    assert!(pod_spec.field("nodeSelector").unwrap().atomic);
    assert_eq!(
        pod_spec.field("restartPolicy").unwrap().enum_values,
        ["Always", "Never", "OnFailure"]
    );

    let ports = schema()
        .type_named("io.k8s.api.core.v1.Container")
        .unwrap()
        .field("ports")
        .unwrap();
    assert_eq!(ports.map_keys, ["containerPort", "protocol"]);
    let selector = schema()
        .type_named("io.k8s.api.core.v1.SecretKeySelector")
        .unwrap();
    assert!(selector.map_atomic);

    let extra = schema()
        .type_named("io.k8s.api.authentication.v1.UserInfo")
        .unwrap()
        .field("extra")
        .unwrap();
    assert_eq!(
        extra.kind,
        Kind::Map(Box::new(Kind::List(Box::new(Kind::String))))
    );
    let verbs = schema()
        .type_named("io.k8s.apimachinery.pkg.apis.meta.v1.APIResource")
        .unwrap();
    assert!(verbs.field("verbs").unwrap().wrapped);
}

#[test]
fn embedded_structs_are_flat_in_json() {
    let volume = schema().type_named("io.k8s.api.core.v1.Volume").unwrap();
    assert_eq!(volume.field("secret").unwrap().number, 6);
    let names: Vec<_> = volume
        .json_fields()
        .map(|field| field.json_name)
        .take(3)
        .collect();
    assert_eq!(names, ["name", "hostPath", "emptyDir"]);
    let secret = schema().kind("", "v1", "Secret").unwrap();
    let names: Vec<_> = secret.json_fields().map(|field| field.json_name).collect();
    assert_eq!(
        names,
        [
            "kind",
            "apiVersion",
            "metadata",
            "immutable",
            "data",
            "stringData",
            "type"
        ]
    );
}

#[test]
fn names_within_a_type_are_unique() {
    for ty in schema().types() {
        let mut names: Vec<_> = ty.json_fields().map(|field| field.json_name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{}", ty.model_name);
    }
}

#[test]
fn descriptions_are_found() {
    let data = description("io.k8s.api.core.v1.Secret", Some("data")).unwrap();
    assert!(data.starts_with("Data contains the secret data."), "{data}");
    assert!(!data.contains("+optional"));
    assert!(
        description("io.k8s.api.core.v1.Secret", None)
            .unwrap()
            .starts_with("Secret holds secret data")
    );
    assert!(description("io.k8s.api.core.v1.Secret", Some("nonsense")).is_none());
}
