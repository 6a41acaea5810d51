//! A container, as the runtime is told of it (pods-and-kubelet §6).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use serde_json::json;
use strongroom_cri::messages::container::{
    Capability, ContainerConfig, ContainerMetadata, KeyValue, LinuxContainerConfig, LinuxContainerResources,
    LinuxContainerSecurityContext, Mount,
};
use strongroom_cri::messages::image::ImageSpec;
use strongroom_cri::messages::sandbox::{Int64Value, NamespaceOption, ProfileType, SecurityProfile};
use strongroom_node_plan::actions::spec_hash;
use strongroom_node_plan::environment::{CommandLine, Environment};
use strongroom_node_plan::pod::Member;
use strongroom_node_plan::security::{ImageUser, Security, Share};

use crate::context::Context;
use crate::sandbox_config::{label, namespaces, owner_labels, seccomp};

/// What a container is made of besides what its pod says.
pub(crate) struct Parts<'a> {
    pub attempt: u32,
    /// What the image's name was resolved to.
    pub image_ref: &'a str,
    pub image_user: &'a ImageUser,
    pub environment: &'a Environment,
    pub command_line: &'a CommandLine,
    pub mounts: Vec<Mount>,
    pub security: &'a Security,
    pub share: Share,
}

/// The container.
pub(crate) fn container_config(
    context: &Context,
    pod: &Pod,
    member: &Member<'_>,
    parts: Parts<'_>,
) -> ContainerConfig {
    let container = member.container;
    let default = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&default);
    let mut labels = owner_labels(context, pod);
    labels.insert(label::CONTAINER_NAME.to_owned(), container.name.clone());
    let words = |words: &[zeroize::Zeroizing<String>]| words.iter().map(|word| word.to_string()).collect();
    ContainerConfig {
        metadata: Some(ContainerMetadata {
            name: container.name.clone(),
            attempt: parts.attempt,
        }),
        image: Some(ImageSpec {
            image: parts.image_ref.to_owned(),
            ..ImageSpec::default()
        }),
        command: words(&parts.command_line.command),
        args: words(&parts.command_line.args),
        working_dir: container.working_dir.clone().unwrap_or_default(),
        envs: parts
            .environment
            .variables()
            .iter()
            .map(|variable| KeyValue {
                key: variable.name.clone(),
                value: variable.value.to_vec(),
            })
            .collect(),
        mounts: parts.mounts,
        devices: Vec::new(),
        labels,
        annotations: annotations(pod, member, parts.attempt),
        log_path: format!("{}/{}.log", container.name, parts.attempt),
        stdin: container.stdin.unwrap_or(false),
        stdin_once: container.stdin_once.unwrap_or(false),
        tty: container.tty.unwrap_or(false),
        linux: Some(LinuxContainerConfig {
            resources: Some(resources(parts.share)),
            security_context: Some(security(parts.security, parts.image_user, namespaces(spec))),
        }),
    }
}

fn annotations(pod: &Pod, member: &Member<'_>, attempt: u32) -> BTreeMap<String, String> {
    let container = member.container;
    let mut annotations = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        annotations.insert(format!("io.kubernetes.container.{name}"), value);
    };
    set("hash", spec_hash(container));
    set("restartCount", attempt.to_string());
    set(
        "terminationMessagePath",
        strongroom_node_plan::termination::path(container).to_owned(),
    );
    let policy = container.termination_message_policy.as_deref();
    set("terminationMessagePolicy", policy.unwrap_or("File").to_owned());
    if let Some(ports) = &container.ports {
        set("ports", json!(ports).to_string());
    }
    let hook = container
        .lifecycle
        .as_ref()
        .and_then(|lifecycle| lifecycle.pre_stop.as_ref());
    if let Some(hook) = hook {
        set("preStopHandler", json!(hook).to_string());
    }
    let grace = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.termination_grace_period_seconds);
    if let Some(grace) = grace {
        annotations.insert(
            "io.kubernetes.pod.terminationGracePeriod".to_owned(),
            grace.to_string(),
        );
    }
    annotations
}

fn resources(share: Share) -> LinuxContainerResources {
    LinuxContainerResources {
        cpu_period: share.cpu_period,
        cpu_quota: share.cpu_quota,
        cpu_shares: share.cpu_shares,
        memory_limit_in_bytes: share.memory_limit_bytes,
        oom_score_adj: share.oom_score_adj,
        ..LinuxContainerResources::default()
    }
}

fn security(
    security: &Security,
    image_user: &ImageUser,
    namespaces: NamespaceOption,
) -> LinuxContainerSecurityContext {
    let id = |value: i64| Some(Int64Value { value });
    let (run_as_user, run_as_username) = match (security.run_as_user, image_user) {
        (Some(user), _) => (id(user), String::new()),
        (None, ImageUser::Id(user)) => (id(*user), String::new()),
        (None, ImageUser::Name(name)) => (None, name.clone()),
    };
    let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
    let app_armor = security.app_armor.as_ref().map(|profile| {
        let kind = match profile.type_.as_str() {
            "RuntimeDefault" => ProfileType::RuntimeDefault,
            "Localhost" => ProfileType::Localhost,
            _ => ProfileType::Unconfined,
        };
        SecurityProfile {
            profile_type: kind as i32,
            localhost_ref: profile.localhost_profile.clone().unwrap_or_default(),
        }
    });
    LinuxContainerSecurityContext {
        capabilities: Some(Capability {
            add_capabilities: security.add_capabilities.clone(),
            drop_capabilities: security.drop_capabilities.clone(),
        }),
        privileged: security.privileged,
        namespace_options: Some(namespaces),
        run_as_user,
        run_as_username,
        readonly_rootfs: security.read_only_root_filesystem,
        supplemental_groups: security.supplemental_groups.clone(),
        no_new_privs: !security.allow_privilege_escalation,
        run_as_group: security.run_as_group.map(|value| Int64Value { value }),
        masked_paths: paths(security.masked_paths),
        readonly_paths: paths(security.readonly_paths),
        seccomp: Some(if security.privileged {
            seccomp(None)
        } else {
            seccomp(security.seccomp.as_ref())
        }),
        apparmor: app_armor,
    }
}

/// The user that an image names, as the runtime tells it.
pub(crate) fn image_user(image: &strongroom_cri::messages::image::Image) -> ImageUser {
    match (&image.uid, image.username.as_str()) {
        (Some(uid), _) => ImageUser::Id(uid.value),
        (None, "") => ImageUser::Id(0),
        (None, name) => ImageUser::Name(name.to_owned()),
    }
}
