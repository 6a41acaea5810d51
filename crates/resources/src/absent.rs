//! Kinds that clients ask for and that Strongroom does not run: they can be listed and watched, there are none, and
//! none can be made.
//!
//! The verbs say so: creating one is refused with 405, as for every verb that a resource does not have.

use crate::names::NameRule;
use crate::resource::{Resource, StoredAs, Strategy};

const VERBS: &[&str] = &["get", "list", "watch"];

const CORE: (&str, &str) = ("", "v1");
const APPS: (&str, &str) = ("apps", "apps/v1");

pub(crate) static ENDPOINTS: Resource = Resource {
    storage: StoredAs {
        path: "services/endpoints",
        api_version: "v1",
        kind: "Endpoints",
    },
    ..absent(CORE, ["Endpoints", "endpoints", "endpoints"], &["ep"])
};
pub(crate) static LIMIT_RANGES: Resource =
    absent(CORE, ["LimitRange", "limitranges", "limitrange"], &["limits"]);
pub(crate) static PERSISTENT_VOLUME_CLAIMS: Resource = absent(
    CORE,
    [
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        "persistentvolumeclaim",
    ],
    &["pvc"],
);
pub(crate) static PERSISTENT_VOLUMES: Resource = Resource {
    namespaced: false,
    ..absent(
        CORE,
        ["PersistentVolume", "persistentvolumes", "persistentvolume"],
        &["pv"],
    )
};
pub(crate) static POD_TEMPLATES: Resource = absent(CORE, ["PodTemplate", "podtemplates", "podtemplate"], &[]);
pub(crate) static REPLICATION_CONTROLLERS: Resource = Resource {
    categories: &["all"],
    storage: StoredAs {
        path: "controllers",
        api_version: "v1",
        kind: "ReplicationController",
    },
    ..absent(
        CORE,
        [
            "ReplicationController",
            "replicationcontrollers",
            "replicationcontroller",
        ],
        &["rc"],
    )
};
pub(crate) static RESOURCE_QUOTAS: Resource = absent(
    CORE,
    ["ResourceQuota", "resourcequotas", "resourcequota"],
    &["quota"],
);
pub(crate) static CONTROLLER_REVISIONS: Resource = absent(
    APPS,
    ["ControllerRevision", "controllerrevisions", "controllerrevision"],
    &[],
);
pub(crate) static DAEMON_SETS: Resource = workload(["DaemonSet", "daemonsets", "daemonset"], &["ds"]);
pub(crate) static DEPLOYMENTS: Resource = workload(["Deployment", "deployments", "deployment"], &["deploy"]);
pub(crate) static REPLICA_SETS: Resource = workload(["ReplicaSet", "replicasets", "replicaset"], &["rs"]);
pub(crate) static STATEFUL_SETS: Resource =
    workload(["StatefulSet", "statefulsets", "statefulset"], &["sts"]);

const fn workload(names: [&'static str; 3], short_names: &'static [&'static str]) -> Resource {
    Resource {
        categories: &["all"],
        ..absent(APPS, names, short_names)
    }
}

const fn absent(
    (group, api_version): (&'static str, &'static str),
    [kind, plural, singular]: [&'static str; 3],
    short_names: &'static [&'static str],
) -> Resource {
    Resource {
        group,
        version: "v1",
        kind,
        plural,
        singular,
        short_names,
        categories: &[],
        namespaced: true,
        verbs: VERBS,
        subresources: &[],
        storage: StoredAs {
            path: plural,
            api_version,
            kind,
        },
        name_rule: NameRule::Subdomain,
        returns_deleted_object: false,
        create_on_update: false,
        unconditional_update: true,
        selectable_fields: &[],
        strategy: &Absent,
    }
}

struct Absent;

impl Strategy for Absent {}
