//! What is mounted inside volumes that nobody can write to, so that the directories for it must be there before.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use strongroom_node_plan::pod::members;

/// The paths, relative to the volume, on which containers mount other volumes: `secrets/tls` when a container mounts
/// the volume at `/etc/app` and another one at `/etc/app/secrets/tls`.
pub(crate) fn inside(pod: &Pod, volume: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for member in members(pod) {
        let mounts = member.container.volume_mounts.as_deref().unwrap_or_default();
        let whole = |mount: &&k8s_openapi::api::core::v1::VolumeMount| {
            mount.name == volume
                && mount.sub_path.as_deref().unwrap_or_default().is_empty()
                && mount.sub_path_expr.as_deref().unwrap_or_default().is_empty()
        };
        for outer in mounts.iter().filter(whole) {
            let prefix = format!("{}/", outer.mount_path.trim_end_matches('/'));
            for inner in mounts {
                let Some(rest) = inner.mount_path.strip_prefix(&prefix) else {
                    continue;
                };
                let rest = rest.trim_matches('/');
                if !rest.is_empty() {
                    found.insert(rest.to_owned());
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_lies_below() {
        let pod: Pod = serde_json::from_value(json!({
            "spec": { "containers": [{ "name": "c", "volumeMounts": [
                { "name": "a", "mountPath": "/etc/app" },
                { "name": "b", "mountPath": "/etc/app/secrets/tls/" },
                { "name": "c", "mountPath": "/etc/apple" },
                { "name": "d", "mountPath": "/etc/app/x", "subPath": "y" },
            ]}]},
        }))
        .unwrap();
        let expect: BTreeSet<String> = ["secrets/tls", "x"].map(str::to_owned).into();
        assert_eq!(inside(&pod, "a"), expect);
        assert!(inside(&pod, "b").is_empty());
        assert!(inside(&pod, "d").is_empty());
    }
}
