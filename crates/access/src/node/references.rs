//! What a pod uses (auth.md §7.2).

use std::collections::BTreeSet;

use strongroom_objects::{Map, Object, Value};

/// The kinds of objects that a node may read because a pod on it uses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Referenced {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
    /// The pod's ServiceAccount.
    ServiceAccount,
    /// A PersistentVolumeClaim.
    PersistentVolumeClaim,
    /// A ResourceClaim.
    ResourceClaim,
}

/// Storage plugins that name a Secret: the volume's member, and the path to the name in it.
const VOLUME_SECRETS: &[(&str, &[&str])] = &[
    ("secret", &["secretName"]),
    ("azureFile", &["secretName"]),
    ("cephfs", &["secretRef", "name"]),
    ("cinder", &["secretRef", "name"]),
    ("csi", &["nodePublishSecretRef", "name"]),
    ("flexVolume", &["secretRef", "name"]),
    ("iscsi", &["secretRef", "name"]),
    ("rbd", &["secretRef", "name"]),
    ("scaleIO", &["secretRef", "name"]),
    ("storageos", &["secretRef", "name"]),
];

/// Marks a pod that a kubelet made up from a file, which proves nothing about what it uses.
pub(super) const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// Everything in the pod's namespace that its kubelet must read. Whatever does not have the shape of a pod is not
/// seen.
pub fn references(pod: &Object) -> BTreeSet<(Referenced, &str)> {
    let mut found = BTreeSet::new();
    let Some(Value::Object(spec)) = pod.body.get("spec") else {
        return found;
    };
    if pod.metadata.annotations.contains_key(MIRROR_ANNOTATION) {
        return found;
    }
    add(
        &mut found,
        Referenced::ServiceAccount,
        text(spec, &["serviceAccountName"]),
    );
    for secret in objects(spec, "imagePullSecrets") {
        add(&mut found, Referenced::Secret, text(secret, &["name"]));
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in objects(spec, list) {
            of_container(&mut found, container);
        }
    }
    for volume in objects(spec, "volumes") {
        of_volume(&mut found, volume);
    }
    for claim in objects(spec, "resourceClaims") {
        add(
            &mut found,
            Referenced::ResourceClaim,
            text(claim, &["resourceClaimName"]),
        );
    }
    found
}

type Found<'a> = BTreeSet<(Referenced, &'a str)>;

fn of_container<'a>(found: &mut Found<'a>, container: &'a Map) {
    for variable in objects(container, "env") {
        let from = |kind| text(variable, &["valueFrom", kind, "name"]);
        add(found, Referenced::Secret, from("secretKeyRef"));
        add(found, Referenced::ConfigMap, from("configMapKeyRef"));
    }
    for source in objects(container, "envFrom") {
        add(found, Referenced::Secret, text(source, &["secretRef", "name"]));
        add(
            found,
            Referenced::ConfigMap,
            text(source, &["configMapRef", "name"]),
        );
    }
}

fn of_volume<'a>(found: &mut Found<'a>, volume: &'a Map) {
    for (plugin, path) in VOLUME_SECRETS {
        let name = volume.get(*plugin).and_then(Value::as_object);
        add(
            found,
            Referenced::Secret,
            name.and_then(|plugin| text(plugin, path)),
        );
    }
    add(found, Referenced::ConfigMap, text(volume, &["configMap", "name"]));
    let claim = text(volume, &["persistentVolumeClaim", "claimName"]);
    add(found, Referenced::PersistentVolumeClaim, claim);
    let Some(Value::Object(projected)) = volume.get("projected") else {
        return;
    };
    for source in objects(projected, "sources") {
        add(found, Referenced::Secret, text(source, &["secret", "name"]));
        add(found, Referenced::ConfigMap, text(source, &["configMap", "name"]));
    }
}

fn add<'a>(found: &mut Found<'a>, kind: Referenced, name: Option<&'a str>) {
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        found.insert((kind, name));
    }
}

/// The members of a list that are objects.
pub(super) fn objects<'a>(map: &'a Map, name: &str) -> impl Iterator<Item = &'a Map> + use<'a> {
    let list = map.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_object)
}

/// The string at the end of a path of objects.
pub(super) fn text<'a>(map: &'a Map, path: &[&str]) -> Option<&'a str> {
    let (last, parents) = path.split_last()?;
    let mut map = map;
    for parent in parents {
        map = map.get(*parent)?.as_object()?;
    }
    map.get(*last)?.as_str()
}
