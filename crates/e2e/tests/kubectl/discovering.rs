//! explain, api-resources, api-versions, cluster-info, version.

use crate::{Session, with_every_kubectl};

with_every_kubectl!(explaining, resources_and_versions);

fn explaining(mut session: Session) {
    session.shows(
        "explain secret",
        &[
            "KIND:",
            "Secret",
            "VERSION:",
            "v1",
            "DESCRIPTION:",
            "stringData",
            "immutable",
            "Standard object's metadata",
        ],
    );
    session.shows("explain secrets.data", &["data", "<map[string]string>", "base64"]);
    session.shows(
        "explain secret.metadata.ownerReferences",
        &["uid", "<string>", "-required-"],
    );
    session.shows(
        "explain secret --recursive",
        &[
            "managedFields",
            "ownerReferences",
            "blockOwnerDeletion",
            "stringData",
        ],
    );
    session.shows("explain cm", &["ConfigMap", "binaryData"]);
    session.shows("explain ns.spec", &["finalizers"]);
    session.shows("explain lease.spec", &["holderIdentity"]);
    session.shows("explain sa", &["ServiceAccount", "imagePullSecrets"]);
    session.shows(
        "explain events --api-version=events.k8s.io/v1",
        &["regarding", "note"],
    );
    session.fails("explain secret.nonsense", &["field \"nonsense\" does not exist"]);
    session.finish();
}

fn resources_and_versions(mut session: Session) {
    let resources = session.shows("api-resources", &["NAME", "SHORTNAMES", "NAMESPACED", "KIND"]);
    for (name, short, namespaced, kind) in [
        ("secrets", "", "true", "Secret"),
        ("configmaps", "cm", "true", "ConfigMap"),
        ("namespaces", "ns", "false", "Namespace"),
        ("serviceaccounts", "sa", "true", "ServiceAccount"),
        ("leases", "", "true", "Lease"),
        ("services", "svc", "true", "Service"),
        ("events", "ev", "true", "Event"),
    ] {
        let row = resources
            .lines()
            .find(|line| line.split_whitespace().next() == Some(name))
            .unwrap_or_default()
            .to_owned();
        let words: Vec<&str> = row.split_whitespace().collect();
        session.check.that(
            words.last() == Some(&kind)
                && words.contains(&namespaced)
                && (short.is_empty() || words.contains(&short)),
            || format!("{name}: {row}"),
        );
    }
    session.shows(
        "api-resources --api-group=coordination.k8s.io -o wide",
        &["leases", "deletecollection"],
    );
    session.shows(
        "api-resources --verbs=list,get --namespaced -o name",
        &["secrets", "leases.coordination.k8s.io"],
    );
    session.shows(
        "api-versions",
        &["coordination.k8s.io/v1\n", "events.k8s.io/v1\n", "v1\n"],
    );
    let url = session.server.url();
    let text = session.shows("cluster-info", &[&url]);
    session
        .check
        .that(text.contains("is running at"), || text.clone());
    let version = session.json("version -o json");
    session.check.has(
        "server",
        &version,
        serde_json::json!({"serverVersion": {"major": "1", "minor": "36", "gitVersion": "*"}}),
    );
    session.shows("config view --minify", &[&url]);
    session.finish();
}
