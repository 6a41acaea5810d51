//! Security contexts: users, groups, profiles, kernel parameters.

use std::collections::BTreeSet;

use super::paths;
use super::syntax::identifier;
use crate::place::{Errors, Place};

const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
const MAX_PROFILE: usize = 4095;

/// Kernel parameters that belong to a namespace: a prefix, and what shares the namespace with the host.
const KERNEL_NAMESPACES: [(&str, &str); 4] = [
    ("net.", "hostNetwork"),
    ("fs.mqueue.", "hostIPC"),
    ("kernel.shm", "hostIPC"),
    ("kernel.msg", "hostIPC"),
];

pub(super) fn pod(spec: &Place<'_>, errors: &mut Errors) {
    let context = spec.at("securityContext");
    for name in ["fsGroup", "runAsUser", "runAsGroup"] {
        identifier(&context.at(name), errors);
    }
    for group in context.each("supplementalGroups") {
        identifier(&group, errors);
    }
    if spec.flag("shareProcessNamespace") && spec.flag("hostPID") {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        context
            .at("shareProcessNamespace")
            .invalid_as(true, detail, errors);
    }
    kernel_parameters(spec, &context, errors);
    context
        .at("fsGroupChangePolicy")
        .none_or_one_of(&["Always", "OnRootMismatch"], errors);
    seccomp(&context.at("seccompProfile"), errors);
    app_armor(&context.at("appArmorProfile"), errors);
    context
        .at("supplementalGroupsPolicy")
        .none_or_one_of(&["Merge", "Strict"], errors);
    context
        .at("seLinuxChangePolicy")
        .none_or_one_of(&["MountOption", "Recursive"], errors);
    if spec.at("hostUsers").value == false {
        for (name, shown) in [
            ("hostNetwork", "hostNetwork"),
            ("hostPID", "HostPID"),
            ("hostIPC", "HostIPC"),
        ] {
            if spec.flag(name) {
                spec.at(shown)
                    .forbidden("when `pod.Spec.HostUsers` is false", errors);
            }
        }
    }
}

pub(super) fn container(spec: &Place<'_>, context: &Place<'_>, errors: &mut Errors) {
    identifier(&context.at("runAsUser"), errors);
    identifier(&context.at("runAsGroup"), errors);
    let proc_mount = context.at("procMount");
    proc_mount.none_or_one_of(&["Default", "Unmasked"], errors);
    if proc_mount.str() == "Unmasked" && spec.at("hostUsers").value != false {
        proc_mount.invalid("`hostUsers` must be false to use `Unmasked`", errors);
    }
    seccomp(&context.at("seccompProfile"), errors);
    if context.at("allowPrivilegeEscalation").value == false {
        if context.flag("privileged") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            context.invalid(detail, errors);
        }
        let mut added = context.at("capabilities").each("add");
        if added.any(|capability| capability.str() == "CAP_SYS_ADMIN") {
            let detail =
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            context.invalid(detail, errors);
        }
    }
    app_armor(&context.at("appArmorProfile"), errors);
}

fn seccomp(profile: &Place<'_>, errors: &mut Errors) {
    if !profile.is_set() {
        return;
    }
    let kind = profile.at("type");
    if kind.str().is_empty() {
        kind.required("type is required when seccompProfile is set", errors);
    } else {
        kind.one_of(&PROFILES, errors);
    }
    let local = profile.at("localhostProfile");
    if kind.str() == "Localhost" {
        if local.is_set() {
            paths::descending(local.str(), &local, errors);
        } else {
            local.required("must be set when seccomp type is Localhost", errors);
        }
    } else if local.is_set() {
        let detail = "can only be set when seccomp type is Localhost";
        local.invalid_as(profile.value.clone(), detail, errors);
    }
}

fn app_armor(profile: &Place<'_>, errors: &mut Errors) {
    if !profile.is_set() {
        return;
    }
    let (kind, local) = (profile.at("type"), profile.at("localhostProfile"));
    match kind.str() {
        "Localhost" => {
            let name = local.str();
            if name.trim().is_empty() && name == name.trim() {
                local.required("must be set when AppArmor type is Localhost", errors);
            } else if name != name.trim() {
                local.invalid("must not be padded with whitespace", errors);
            }
            if name.len() > MAX_PROFILE {
                let detail = format!("may not be more than {MAX_PROFILE} bytes");
                errors.push(strongroom_objects::FieldError::too_long(&local.path, &detail));
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if local.is_set() {
                local.invalid("can only be set when AppArmor type is Localhost", errors);
            }
        }
        "" => kind.required("type is required when appArmorProfile is set", errors),
        _ => kind.one_of(&PROFILES, errors),
    }
}

fn kernel_parameters(spec: &Place<'_>, context: &Place<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for parameter in context.each("sysctls") {
        let name = parameter.at("name");
        if name.str().is_empty() {
            name.required("", errors);
        } else if !is_kernel_parameter(name.str()) {
            let detail = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            name.invalid(detail, errors);
        } else if !seen.insert(name.str()) {
            name.duplicate(errors);
        }
        let dotted = name.str().replace('/', ".");
        let shared = KERNEL_NAMESPACES
            .iter()
            .find(|(prefix, host)| dotted.starts_with(prefix) && spec.flag(host));
        if let Some((_, host)) = shared {
            name.invalid(&format!("may not be specified when '{host}' is true"), errors);
        }
    }
}

fn is_kernel_parameter(name: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let segment = |segment: &str| {
        let bytes = segment.as_bytes();
        bytes.first().is_some_and(plain)
            && bytes.last().is_some_and(plain)
            && bytes.iter().all(|byte| plain(byte) || b"-_".contains(byte))
    };
    name.len() <= 253 && name.split(['.', '/']).all(segment)
}
