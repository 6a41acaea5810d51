//! Containers: names, images, ports, mounts, and which fields which kind of container may have.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_objects::FieldError;

use super::{Volumes, environment, handlers, paths, resources, security, syntax};
use crate::names::label_name;
use crate::place::{Errors, Place};

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

pub(super) fn containers(spec: &Place<'_>, volumes: &Volumes<'_>, errors: &mut Errors) {
    let mut names = BTreeSet::new();
    regular(spec, volumes, &mut names, errors);
    initial(spec, volumes, &mut names, errors);
    if let Some(ephemeral) = spec.find("ephemeralContainers") {
        ephemeral.forbidden("Strongroom's nodes do not run ephemeral containers", errors);
    }
    for list in ["containers", "initContainers"] {
        for container in spec.each(list) {
            check_image_spaces(&container, errors);
        }
    }
    host_network(spec, errors);
}

fn regular<'a>(spec: &Place<'a>, volumes: &Volumes<'_>, names: &mut BTreeSet<&'a str>, errors: &mut Errors) {
    if spec.each("containers").next().is_none() {
        spec.at("containers").required("", errors);
        return;
    }
    let mut host_ports = BTreeSet::new();
    for container in spec.each("containers") {
        common(spec, &container, volumes, errors);
        if !names.insert(container.text("name")) {
            container.at("name").duplicate(errors);
        }
        handlers::of_container(spec, &container, errors);
        if let Some(policy) = container.find("restartPolicy") {
            policy.forbidden("may not be set for non-init containers", errors);
        }
        unique_host_ports(&container, &mut host_ports, errors);
    }
}

fn initial<'a>(spec: &Place<'a>, volumes: &Volumes<'_>, names: &mut BTreeSet<&'a str>, errors: &mut Errors) {
    for container in spec.each("initContainers") {
        common(spec, &container, volumes, errors);
        let policy = container.at("restartPolicy");
        policy.none_or_one_of(&["Always"], errors);
        if !container.text("name").is_empty() && !names.insert(container.text("name")) {
            container.at("name").duplicate(errors);
        }
        unique_host_ports(&container, &mut BTreeSet::new(), errors);
        if policy.str() == "Always" {
            handlers::of_container(spec, &container, errors);
            continue;
        }
        for name in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if let Some(field) = container.find(name) {
                let detail = "may not be set for init containers without restartPolicy=Always";
                field.forbidden(detail, errors);
            }
        }
    }
}

/// What all containers have in common.
fn common(spec: &Place<'_>, container: &Place<'_>, volumes: &Volumes<'_>, errors: &mut Errors) {
    let name = container.at("name");
    if name.str().is_empty() {
        name.required("", errors);
    } else {
        name.problems(label_name(name.str()), errors);
    }
    container.at("image").required_text(errors);
    container
        .at("terminationMessagePolicy")
        .required_one_of(&["File", "FallbackToLogsOnError"], errors);
    ports(container, errors);
    environment::variables(container, errors);
    environment::variable_sources(container, errors);
    mounts(container, volumes, errors);
    devices(container, volumes, errors);
    container
        .at("imagePullPolicy")
        .required_one_of(&["Always", "IfNotPresent", "Never"], errors);
    resources::requirements(&container.at("resources"), errors);
    resources::resize_policies(spec, container, errors);
    security::container(spec, &container.at("securityContext"), errors);
    if let Some(rules) = container.find("restartPolicyRules") {
        rules.forbidden(
            "Strongroom restarts containers by the pod's restartPolicy only",
            errors,
        );
    }
}

fn ports(container: &Place<'_>, errors: &mut Errors) {
    let mut names = BTreeSet::new();
    for port in container.each("ports") {
        let name = port.at("name");
        if !name.str().is_empty() {
            let problems = syntax::port_name(name.str());
            if problems.is_empty() && !names.insert(name.str()) {
                name.duplicate(errors);
            }
            name.problems(problems, errors);
        }
        let number = port.at("containerPort");
        if number.value.as_i64().unwrap_or(0) == 0 {
            number.required("", errors);
        } else {
            syntax::port(&number, errors);
        }
        let on_host = port.at("hostPort");
        if on_host.value.as_i64().unwrap_or(0) != 0 {
            syntax::port(&on_host, errors);
        }
        port.at("protocol").required_one_of(&PROTOCOLS, errors);
    }
}

fn unique_host_ports(container: &Place<'_>, seen: &mut BTreeSet<String>, errors: &mut Errors) {
    for port in container.each("ports") {
        let number = port.integer("hostPort").unwrap_or(0);
        if number == 0 {
            continue;
        }
        let text = format!("{}/{}/{number}", port.text("protocol"), port.text("hostIP"));
        if !seen.insert(text.clone()) {
            errors.push(FieldError::duplicate(&port.at("hostPort").path, text));
        }
    }
}

fn mounts(container: &Place<'_>, volumes: &Volumes<'_>, errors: &mut Errors) {
    let devices = by_name(container, "volumeDevices", "devicePath");
    let mut seen = BTreeSet::new();
    for mount in container.each("volumeMounts") {
        let (name, path) = (mount.at("name"), mount.at("mountPath"));
        name.required_text(errors);
        if !volumes.contains_key(name.str()) {
            name.not_found(errors);
        }
        path.required_text(errors);
        if !seen.insert(path.str()) {
            path.invalid("must be unique", errors);
        }
        if devices.contains_key(name.str()) {
            name.invalid("must not already exist in volumeDevices", errors);
        }
        if devices.values().any(|device| *device == path.str()) {
            path.invalid("must not already exist as a path in volumeDevices", errors);
        }
        sub_paths(container, &mount, errors);
        propagation(container, &mount, errors);
    }
}

/// Kubernetes complains about the list, without the mount's index.
fn sub_paths(container: &Place<'_>, mount: &Place<'_>, errors: &mut Errors) {
    let list = container.at("volumeMounts");
    let (plain, expression) = (mount.text("subPath"), mount.at("subPathExpr"));
    if !plain.is_empty() {
        paths::descending(plain, &list.at("subPath"), errors);
    }
    if !expression.str().is_empty() {
        if !plain.is_empty() {
            expression.invalid("subPathExpr and subPath are mutually exclusive", errors);
        }
        paths::descending(expression.str(), &list.at("subPathExpr"), errors);
    }
}

fn propagation(container: &Place<'_>, mount: &Place<'_>, errors: &mut Errors) {
    let list = container.at("volumeMounts");
    let moved = |name: &str| Place {
        value: mount.at(name).value,
        path: format!("{}.{name}", list.path),
    };
    let propagation = moved("mountPropagation");
    propagation.none_or_one_of(&["Bidirectional", "HostToContainer", "None"], errors);
    if propagation.str() == "Bidirectional" && !container.at("securityContext").flag("privileged") {
        let detail = "Bidirectional mount propagation is available only to privileged containers";
        propagation.forbidden(detail, errors);
    }
    let read_only = moved("recursiveReadOnly");
    read_only.none_or_one_of(&["Disabled", "Enabled", "IfPossible"], errors);
    if matches!(read_only.str(), "Enabled" | "IfPossible") {
        if !mount.flag("readOnly") {
            read_only.forbidden("may only be specified when readOnly is true", errors);
        }
        if !matches!(propagation.str(), "" | "None") {
            let detail = "may only be specified when mountPropagation is None or not specified";
            read_only.forbidden(detail, errors);
        }
    }
}

fn devices(container: &Place<'_>, volumes: &Volumes<'_>, errors: &mut Errors) {
    let mounts = by_name(container, "volumeMounts", "mountPath");
    let (mut names, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for device in container.each("volumeDevices") {
        let (name, path) = (device.at("name"), device.at("devicePath"));
        name.required_text(errors);
        if !name.str().is_empty() && !names.insert(name.str()) {
            name.invalid("must be unique", errors);
        }
        match volumes.get(name.str()) {
            None => name.not_found(errors),
            Some(volume)
                if volume.find("persistentVolumeClaim").is_none() && volume.find("ephemeral").is_none() =>
            {
                let detail =
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                name.invalid(detail, errors);
            }
            Some(_) => {}
        }
        path.required_text(errors);
        if !seen.insert(path.str()) {
            path.invalid("must be unique", errors);
        }
        if path.str().split('/').any(|element| element == "..") {
            path.invalid("can not contain backsteps ('..')", errors);
        }
        if mounts.contains_key(name.str()) {
            name.invalid("must not already exist in volumeMounts", errors);
        }
        if mounts.values().any(|mount| *mount == path.str()) {
            path.invalid("must not already exist as a path in volumeMounts", errors);
        }
    }
}

fn by_name<'a>(container: &Place<'a>, list: &str, path: &str) -> BTreeMap<&'a str, &'a str> {
    let entry = |element: Place<'a>| (element.text("name"), element.text(path));
    container.each(list).map(entry).collect()
}

fn check_image_spaces(container: &Place<'_>, errors: &mut Errors) {
    let image = container.at("image");
    if image.str().trim() != image.str() {
        image.invalid("must not have leading or trailing whitespace", errors);
    }
}

/// Kubernetes complains once more about the images of a pod that is updated.
pub(in crate::pod) fn check_updated_images(spec: &Place<'_>, list: &str, errors: &mut Errors) {
    for container in spec.each(list) {
        container.at("image").required_text(errors);
        check_image_spaces(&container, errors);
    }
}

fn host_network(spec: &Place<'_>, errors: &mut Errors) {
    if !spec.flag("hostNetwork") {
        return;
    }
    for container in spec.each("containers") {
        for port in container.each("ports") {
            let on_host = port.at("hostPort");
            if on_host.value != port.at("containerPort").value {
                let number = on_host.value.as_i64().unwrap_or(0);
                let detail = "must match `containerPort` when `hostNetwork` is true";
                on_host.invalid_as(number, detail, errors);
            }
        }
    }
}
