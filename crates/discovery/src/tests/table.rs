//! A table like the one the server has.

use crate::{ServedResource, ServedSubresource};

const ALL: &str = "create delete deletecollection get list patch update watch";

pub(super) fn served() -> Vec<ServedResource> {
    vec![
        resource("", "Secret", "secrets", ALL),
        ServedResource {
            short_names: words("cm"),
            ..resource("", "ConfigMap", "configmaps", ALL)
        },
        ServedResource {
            short_names: words("ns"),
            namespaced: false,
            subresources: vec![
                subresource("status", "", "Namespace", "get patch update"),
                subresource("finalize", "", "Namespace", "update"),
            ],
            ..resource(
                "",
                "Namespace",
                "namespaces",
                "create delete get list patch update watch",
            )
        },
        ServedResource {
            short_names: words("sa"),
            subresources: vec![subresource(
                "token",
                "authentication.k8s.io",
                "TokenRequest",
                "create",
            )],
            ..resource("", "ServiceAccount", "serviceaccounts", ALL)
        },
        ServedResource {
            short_names: words("ev"),
            ..resource("", "Event", "events", ALL)
        },
        ServedResource {
            short_names: words("svc"),
            categories: words("all"),
            subresources: vec![subresource("status", "", "Service", "get patch update")],
            ..resource("", "Service", "services", ALL)
        },
        ServedResource {
            short_names: words("po"),
            categories: words("all"),
            subresources: vec![
                subresource("status", "", "Pod", "get patch update"),
                subresource("log", "", "Pod", "get"),
                subresource("exec", "", "PodExecOptions", "create get"),
                subresource("binding", "", "Binding", "create"),
                subresource("eviction", "policy", "Eviction", "create"),
            ],
            ..resource("", "Pod", "pods", ALL)
        },
        ServedResource {
            short_names: words("no"),
            namespaced: false,
            subresources: vec![subresource("status", "", "Node", "get patch update")],
            ..resource("", "Node", "nodes", ALL)
        },
        review("authentication.k8s.io", "TokenReview", "tokenreviews"),
        review(
            "authorization.k8s.io",
            "SelfSubjectAccessReview",
            "selfsubjectaccessreviews",
        ),
        resource("coordination.k8s.io", "Lease", "leases", ALL),
        ServedResource {
            short_names: words("ev"),
            ..resource("events.k8s.io", "Event", "events", ALL)
        },
        resource("rbac.authorization.k8s.io", "Role", "roles", ALL),
        resource("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", ALL),
        ServedResource {
            namespaced: false,
            ..resource("strongroom.dev", "Unheard", "unheards", "get list patch")
        },
    ]
}

fn resource(group: &str, kind: &str, plural: &str, verbs: &str) -> ServedResource {
    let storage_group = if kind == "Event" { "" } else { group };
    ServedResource {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        list_kind: format!("{kind}List"),
        plural: plural.into(),
        singular: kind.to_lowercase(),
        namespaced: true,
        verbs: words(verbs),
        storage_version_kind: (storage_group.into(), "v1".into(), kind.into()),
        ..ServedResource::default()
    }
}

fn review(group: &str, kind: &str, plural: &str) -> ServedResource {
    ServedResource {
        list_kind: String::new(),
        namespaced: false,
        storage_version_kind: Default::default(),
        ..resource(group, kind, plural, "create")
    }
}

fn subresource(name: &str, group: &str, kind: &str, verbs: &str) -> ServedSubresource {
    ServedSubresource {
        name: name.into(),
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        verbs: words(verbs),
    }
}

fn words(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}
