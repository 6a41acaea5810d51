//! As whom and with what does a container run? The pod's and the container's security contexts, resolved, and its
//! share of the machine.

use k8s_openapi::api::core::v1::{AppArmorProfile, Container, Pod, PodSecurityContext, SELinuxOptions};
use k8s_openapi::api::core::v1::{SeccompProfile, SecurityContext};

use crate::node_facts::NodeFacts;
use crate::pod::{self, Member, Role};
use crate::quantity::{Amount, QuantityError};

#[cfg(test)]
mod tests;

/// What a container runs as: its own security context over the pod's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Security {
    /// User id; `None` leaves the image's.
    pub run_as_user: Option<i64>,
    /// Group id; `None` leaves the image's.
    pub run_as_group: Option<i64>,
    /// Must not be root.
    pub run_as_non_root: bool,
    /// Further groups, fsGroup among them, each once.
    pub supplemental_groups: Vec<i64>,
    /// `Strict` leaves out the groups that the image's `/etc/group` adds.
    pub supplemental_groups_policy: Option<String>,
    /// All powers.
    pub privileged: bool,
    /// Whether set-user-id programs work; `no_new_privs` is the opposite.
    pub allow_privilege_escalation: bool,
    /// The image's files cannot be written.
    pub read_only_root_filesystem: bool,
    /// Capabilities beyond the runtime's own.
    pub add_capabilities: Vec<String>,
    /// Capabilities taken away; `ALL` takes all.
    pub drop_capabilities: Vec<String>,
    /// The seccomp profile; `None` is unconfined.
    pub seccomp: Option<SeccompProfile>,
    /// The AppArmor profile; `None` is the runtime's default.
    pub app_armor: Option<AppArmorProfile>,
    /// SELinux labels.
    pub se_linux: Option<SELinuxOptions>,
    /// Paths hidden from the container; empty with `procMount: Unmasked` and for privileged containers.
    pub masked_paths: &'static [&'static str],
    /// Paths it cannot write; empty likewise.
    pub readonly_paths: &'static [&'static str],
}

/// What the runtime hides of `/proc` and `/sys` unless told otherwise.
pub const MASKED_PATHS: &[&str] = &[
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
/// What of `/proc` cannot be written unless told otherwise.
pub const READONLY_PATHS: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Why a container must not run: waiting reason `CreateContainerConfigError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecurityError {
    /// The image's user is root.
    #[error("container has runAsNonRoot and image will run as root (pod: \"{pod}\", container: {container})")]
    ImageIsRoot {
        /// `p_ns(uid)`.
        pod: String,
        /// Its name.
        container: String,
    },
    /// The image names its user by name, which may be root's.
    #[error(
        "container has runAsNonRoot and image has non-numeric user ({user}), cannot verify user is non-root (pod: \"{pod}\", container: {container})"
    )]
    ImageUserByName {
        /// The name.
        user: String,
        /// `p_ns(uid)`.
        pod: String,
        /// Its name.
        container: String,
    },
    /// The pod asks for root and forbids it.
    #[error("container's runAsUser breaks non-root policy (pod: \"{pod}\", container: {container})")]
    RunsAsRoot {
        /// `p_ns(uid)`.
        pod: String,
        /// Its name.
        container: String,
    },
}

/// The user that an image names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageUser {
    /// By number; an image that names none runs as 0.
    Id(i64),
    /// By name.
    Name(String),
}

/// Who a container runs as, and with which powers.
#[must_use]
pub fn security(pod: &Pod, container: &Container) -> Security {
    let (of_pod, own) = contexts(pod, container);
    let capabilities = own.and_then(|own| own.capabilities.as_ref());
    let privileged = own.and_then(|own| own.privileged).unwrap_or(false);
    let unmasked = own.and_then(|own| own.proc_mount.as_deref()) == Some("Unmasked") || privileged;
    let list = |names: Option<&Vec<String>>| names.cloned().unwrap_or_default();
    Security {
        run_as_user: run_as_user(pod, container),
        run_as_group: own
            .and_then(|own| own.run_as_group)
            .or(of_pod.and_then(|of_pod| of_pod.run_as_group)),
        run_as_non_root: run_as_non_root(pod, container),
        supplemental_groups: supplemental_groups(pod),
        supplemental_groups_policy: of_pod.and_then(|of_pod| of_pod.supplemental_groups_policy.clone()),
        privileged,
        allow_privilege_escalation: own.and_then(|own| own.allow_privilege_escalation).unwrap_or(true),
        read_only_root_filesystem: own.and_then(|own| own.read_only_root_filesystem).unwrap_or(false),
        add_capabilities: list(capabilities.and_then(|capabilities| capabilities.add.as_ref())),
        drop_capabilities: list(capabilities.and_then(|capabilities| capabilities.drop.as_ref())),
        seccomp: own
            .and_then(|own| own.seccomp_profile.clone())
            .or(of_pod.and_then(|of_pod| of_pod.seccomp_profile.clone())),
        app_armor: own
            .and_then(|own| own.app_armor_profile.clone())
            .or(of_pod.and_then(|of_pod| of_pod.app_armor_profile.clone())),
        se_linux: own
            .and_then(|own| own.se_linux_options.clone())
            .or(of_pod.and_then(|of_pod| of_pod.se_linux_options.clone())),
        masked_paths: if unmasked { &[] } else { MASKED_PATHS },
        readonly_paths: if unmasked { &[] } else { READONLY_PATHS },
    }
}

/// The pod's further groups with fsGroup, each once: what the sandbox and every container get.
#[must_use]
pub fn supplemental_groups(pod: &Pod) -> Vec<i64> {
    let Some(context) = pod_context(pod) else {
        return Vec::new();
    };
    let written = context.supplemental_groups.as_deref().unwrap_or_default();
    let mut groups: Vec<i64> = Vec::new();
    for group in written.iter().copied().chain(context.fs_group) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

/// The group that volumes belong to.
#[must_use]
pub fn fs_group(pod: &Pod) -> Option<i64> {
    pod_context(pod).and_then(|context| context.fs_group)
}

/// The user that token files belong to: the one that every container, init containers included, runs as, if they all
/// run as the same (§3.2).
#[must_use]
pub fn fs_user(pod: &Pod) -> Option<i64> {
    let mut users = pod::members(pod).map(|member| run_as_user(pod, member.container));
    let first = users.next()??;
    users.all(|user| user == Some(first)).then_some(first)
}

/// Whether the container may run, given what the image says of its user.
///
/// # Errors
/// With the text of pods-and-kubelet §6.
pub fn verify_non_root(
    pod: &Pod,
    container: &Container,
    image_user: &ImageUser,
) -> Result<(), SecurityError> {
    if !run_as_non_root(pod, container) {
        return Ok(());
    }
    let (shown, name) = (pod::display(pod), container.name.clone());
    match (run_as_user(pod, container), image_user) {
        (Some(0), _) => Err(SecurityError::RunsAsRoot {
            pod: shown,
            container: name,
        }),
        (Some(_), _) => Ok(()),
        (None, ImageUser::Id(0)) => Err(SecurityError::ImageIsRoot {
            pod: shown,
            container: name,
        }),
        (None, ImageUser::Id(_)) => Ok(()),
        (None, ImageUser::Name(user)) => Err(SecurityError::ImageUserByName {
            user: user.clone(),
            pod: shown,
            container: name,
        }),
    }
}

fn run_as_user(pod: &Pod, container: &Container) -> Option<i64> {
    let (of_pod, own) = contexts(pod, container);
    own.and_then(|own| own.run_as_user)
        .or(of_pod.and_then(|of_pod| of_pod.run_as_user))
}

fn run_as_non_root(pod: &Pod, container: &Container) -> bool {
    let (of_pod, own) = contexts(pod, container);
    let own = own.and_then(|own| own.run_as_non_root);
    own.or(of_pod.and_then(|of_pod| of_pod.run_as_non_root))
        .unwrap_or(false)
}

fn contexts<'a>(
    pod: &'a Pod,
    container: &'a Container,
) -> (Option<&'a PodSecurityContext>, Option<&'a SecurityContext>) {
    (pod_context(pod), container.security_context.as_ref())
}

fn pod_context(pod: &Pod) -> Option<&PodSecurityContext> {
    pod::spec(pod).and_then(|spec| spec.security_context.as_ref())
}

/// A container's share of the machine, as cgroups have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Weight against other containers, 2–262144.
    pub cpu_shares: i64,
    /// Microseconds of a period; 0 is no limit.
    pub cpu_quota: i64,
    /// Microseconds.
    pub cpu_period: i64,
    /// Bytes; 0 is no limit.
    pub memory_limit_bytes: i64,
    /// Who goes first when memory is short: −997 (last) to 1000 (first).
    pub oom_score_adj: i64,
}

/// A container's share.
///
/// # Errors
/// When a quantity cannot be read.
pub fn share(pod: &Pod, member: &Member<'_>, node: &NodeFacts) -> Result<Share, QuantityError> {
    let cpu_limit = amount(member.container, true, "cpu")?.map(Amount::milli);
    let cpu_request = amount(member.container, false, "cpu")?.map(Amount::milli);
    let memory_limit = amount(member.container, true, "memory")?.map(Amount::value);
    let cpu_for_shares = cpu_request.or(cpu_limit).unwrap_or(0);
    Ok(Share {
        cpu_shares: (cpu_for_shares * 1024 / 1000).clamp(2, 262_144),
        cpu_quota: match cpu_limit.unwrap_or(0) {
            0 => 0,
            milli => (milli * CPU_PERIOD / 1000).max(1000),
        },
        cpu_period: CPU_PERIOD,
        memory_limit_bytes: memory_limit.unwrap_or(0),
        oom_score_adj: oom_score_adj(pod, member, node)?,
    })
}

const CPU_PERIOD: i64 = 100_000;

fn amount(container: &Container, limit: bool, resource: &str) -> Result<Option<Amount>, QuantityError> {
    let Some(resources) = &container.resources else {
        return Ok(None);
    };
    let list = if limit {
        &resources.limits
    } else {
        &resources.requests
    };
    let own = list.as_ref().and_then(|list| list.get(resource));
    own.map(Amount::of).transpose()
}

fn oom_score_adj(pod: &Pod, member: &Member<'_>, node: &NodeFacts) -> Result<i64, QuantityError> {
    match qos_class(pod) {
        "Guaranteed" => return Ok(-997),
        "BestEffort" => return Ok(1000),
        _ => {}
    }
    let own = burstable_score(member.container, node)?;
    if member.role != Role::Sidecar {
        return Ok(own);
    }
    let mut lowest = own;
    for regular in pod::regular_members(pod) {
        lowest = lowest.min(burstable_score(regular.container, node)?);
    }
    Ok(lowest)
}

fn burstable_score(container: &Container, node: &NodeFacts) -> Result<i64, QuantityError> {
    let memory = amount(container, false, "memory")?
        .or(amount(container, true, "memory")?)
        .map_or(0, Amount::value);
    let capacity = i128::from(node.memory_bytes.max(1));
    let score = 1000 - i64::try_from(i128::from(memory) * 1000 / capacity).unwrap_or(1000);
    Ok(score.clamp(3, 999))
}

/// `Guaranteed`, `Burstable` or `BestEffort` (§1): what the API server said, else reckoned anew.
#[must_use]
pub fn qos_class(pod: &Pod) -> &'static str {
    let said = pod.status.as_ref().and_then(|status| status.qos_class.as_deref());
    match said {
        Some("Guaranteed") => return "Guaranteed",
        Some("Burstable") => return "Burstable",
        Some("BestEffort") => return "BestEffort",
        _ => {}
    }
    let (mut any, mut guaranteed) = (false, true);
    for member in pod::members(pod) {
        for resource in ["cpu", "memory"] {
            let read = |limit| {
                amount(member.container, limit, resource)
                    .ok()
                    .flatten()
                    .filter(|set| !set.is_zero())
            };
            let (limit, request) = (read(true), read(false));
            any |= limit.is_some() || request.is_some();
            let request = request.or(limit);
            guaranteed &= limit.is_some() && limit.map(Amount::milli) == request.map(Amount::milli);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
