//! The table of everything that is served: one row for each resource.

use crate::resource::Resource;
use crate::{
    absent, certificate_signing_request, config_map, event, lease, namespace, node, pod, rbac, reviews,
    secret, service, service_account,
};

/// Every served resource, core first, in the order discovery lists them.
pub static RESOURCES: [&Resource; 34] = [
    &pod::BINDINGS,
    &config_map::CONFIG_MAPS,
    &absent::ENDPOINTS,
    &event::EVENTS,
    &absent::LIMIT_RANGES,
    &namespace::NAMESPACES,
    &node::NODES,
    &absent::PERSISTENT_VOLUME_CLAIMS,
    &absent::PERSISTENT_VOLUMES,
    &pod::PODS,
    &absent::POD_TEMPLATES,
    &absent::REPLICATION_CONTROLLERS,
    &absent::RESOURCE_QUOTAS,
    &secret::SECRETS,
    &service_account::SERVICE_ACCOUNTS,
    &service::SERVICES,
    &absent::CONTROLLER_REVISIONS,
    &absent::DAEMON_SETS,
    &absent::DEPLOYMENTS,
    &absent::REPLICA_SETS,
    &absent::STATEFUL_SETS,
    &reviews::SELF_SUBJECT_REVIEWS,
    &reviews::TOKEN_REVIEWS,
    &reviews::LOCAL_SUBJECT_ACCESS_REVIEWS,
    &reviews::SELF_SUBJECT_ACCESS_REVIEWS,
    &reviews::SELF_SUBJECT_RULES_REVIEWS,
    &reviews::SUBJECT_ACCESS_REVIEWS,
    &certificate_signing_request::CERTIFICATE_SIGNING_REQUESTS,
    &lease::LEASES,
    &event::EVENTS_K8S_IO,
    &rbac::CLUSTER_ROLE_BINDINGS,
    &rbac::CLUSTER_ROLES,
    &rbac::ROLE_BINDINGS,
    &rbac::ROLES,
];

/// The row that serves `plural` in `group` and `version`.
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES
        .iter()
        .copied()
        // The plural first: it differs in most rows, and each request looks here.
        .find(|row| row.plural == plural && row.group == group && row.version == version)
}

/// Whether anything is served in `group` (and in `version` of it, if given).
pub fn serves(group: &str, version: Option<&str>) -> bool {
    RESOURCES
        .iter()
        .any(|row| row.group == group && version.is_none_or(|version| row.version == version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_names_kinds_of_the_schema_and_a_place_of_its_own() {
        let mut names = std::collections::BTreeSet::new();
        for row in RESOURCES {
            row.served_type();
            row.stored_type();
            assert!(
                names.insert((row.group, row.version, row.plural)),
                "{row:?} is listed twice"
            );
            for subresource in row.subresources {
                assert!(
                    !subresource.verbs.is_empty(),
                    "{row:?}/{} answers nothing",
                    subresource.name
                );
            }
        }
    }

    #[test]
    fn keys_are_those_of_kube_apiserver() {
        let check = |group, plural, namespace, name, expect: &str| {
            assert_eq!(
                find(group, "v1", plural).expect("served").key(namespace, name),
                expect
            );
        };
        check("", "secrets", "a", "b", "/registry/secrets/a/b");
        check("", "namespaces", "", "a", "/registry/namespaces/a");
        check("", "services", "a", "b", "/registry/services/specs/a/b");
        check("", "pods", "a", "b", "/registry/pods/a/b");
        check("", "nodes", "", "a", "/registry/minions/a");
        check("", "endpoints", "a", "b", "/registry/services/endpoints/a/b");
        check("coordination.k8s.io", "leases", "a", "b", "/registry/leases/a/b");
        check("events.k8s.io", "events", "a", "b", "/registry/events/a/b");
    }
}
