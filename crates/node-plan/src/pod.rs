//! What every question about a pod begins with: its containers in order, their roles, its names and grace.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// An init container that has to end with 0 before the next one starts.
    Init,
    /// An init container with `restartPolicy: Always`: started before the later ones, stopped after the regular ones.
    Sidecar,
    /// One of `spec.containers`.
    Regular,
}

impl Role {
    /// Whether the container stands in `spec.initContainers`.
    #[must_use]
    pub fn is_init(self) -> bool {
        !matches!(self, Role::Regular)
    }
}

/// A container, where it stands and what it is for.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// What it is for.
    pub role: Role,
    /// Its place in `spec.initContainers` or `spec.containers`.
    pub index: usize,
    /// The container as written.
    pub container: &'a Container,
}

impl Member<'_> {
    /// The field path that events of this container carry, `spec.containers{c}` (pods-and-kubelet §5.2).
    #[must_use]
    pub fn field_path(&self) -> String {
        let list = if self.role.is_init() {
            "initContainers"
        } else {
            "containers"
        };
        format!("spec.{list}{{{}}}", self.container.name)
    }
}

/// All init containers in order, then all regular containers in order. Ephemeral containers are not served.
pub fn members(pod: &Pod) -> impl DoubleEndedIterator<Item = Member<'_>> {
    init_members(pod).chain(regular_members(pod))
}

/// The init containers and sidecars in order.
pub fn init_members(pod: &Pod) -> impl DoubleEndedIterator<Item = Member<'_>> + ExactSizeIterator {
    let containers = spec(pod)
        .and_then(|spec| spec.init_containers.as_deref())
        .unwrap_or_default();
    containers.iter().enumerate().map(|(index, container)| Member {
        role: if container.restart_policy.as_deref() == Some("Always") {
            Role::Sidecar
        } else {
            Role::Init
        },
        index,
        container,
    })
}

/// The regular containers in order.
pub fn regular_members(pod: &Pod) -> impl DoubleEndedIterator<Item = Member<'_>> + ExactSizeIterator {
    let containers = spec(pod)
        .map(|spec| spec.containers.as_slice())
        .unwrap_or_default();
    containers.iter().enumerate().map(|(index, container)| Member {
        role: Role::Regular,
        index,
        container,
    })
}

/// The container of that name, whatever its role.
#[must_use]
pub fn member<'a>(pod: &'a Pod, name: &str) -> Option<Member<'a>> {
    members(pod).find(|member| member.container.name == name)
}

/// `name_namespace(uid)`, as messages name a pod.
#[must_use]
pub fn display(pod: &Pod) -> String {
    format!("{}_{}({})", name(pod), namespace(pod), uid(pod))
}

/// `metadata.name`, empty if unset.
#[must_use]
pub fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// `metadata.namespace`, empty if unset.
#[must_use]
pub fn namespace(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or_default()
}

/// `metadata.uid`, empty if unset.
#[must_use]
pub fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

/// The pod's service account: `serviceAccountName`, else its old name `serviceAccount`, else `default`.
#[must_use]
pub fn service_account(pod: &Pod) -> &str {
    spec(pod)
        .and_then(|spec| {
            let newer = spec
                .service_account_name
                .as_deref()
                .filter(|name| !name.is_empty());
            newer.or(spec.service_account.as_deref().filter(|name| !name.is_empty()))
        })
        .unwrap_or("default")
}

/// Whether the pod shares the node's network.
#[must_use]
pub fn host_network(pod: &Pod) -> bool {
    spec(pod).and_then(|spec| spec.host_network).unwrap_or(false)
}

/// When containers of a pod are started again after they ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Always.
    Always,
    /// Only when the exit code was not 0.
    OnFailure,
    /// Never.
    Never,
}

impl RestartPolicy {
    fn read(text: Option<&str>) -> Option<RestartPolicy> {
        match text? {
            "Always" => Some(RestartPolicy::Always),
            "OnFailure" => Some(RestartPolicy::OnFailure),
            "Never" => Some(RestartPolicy::Never),
            _ => None,
        }
    }

    fn restarts(self, exit_code: i32) -> bool {
        match self {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => exit_code != 0,
            RestartPolicy::Never => false,
        }
    }
}

/// The pod's own restart policy; `Always` when unset.
#[must_use]
pub fn restart_policy(pod: &Pod) -> RestartPolicy {
    RestartPolicy::read(spec(pod).and_then(|spec| spec.restart_policy.as_deref()))
        .unwrap_or(RestartPolicy::Always)
}

/// Whether a container that ended with `exit_code` is started again: its `restartPolicyRules`, else its own policy,
/// else the pod's. An init container that ended with 0 is done; a sidecar is always started again.
#[must_use]
pub fn restarts_after(pod: &Pod, member: &Member<'_>, exit_code: i32) -> bool {
    match member.role {
        Role::Sidecar => return true,
        Role::Init if exit_code == 0 => return false,
        Role::Init | Role::Regular => {}
    }
    let rules = member
        .container
        .restart_policy_rules
        .as_deref()
        .unwrap_or_default();
    let by_rule = rules.iter().any(|rule| {
        let Some(codes) = &rule.exit_codes else {
            return false;
        };
        let listed = codes.values.as_deref().unwrap_or_default().contains(&exit_code);
        rule.action == "Restart"
            && match codes.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                _ => false,
            }
    });
    let own = RestartPolicy::read(member.container.restart_policy.as_deref());
    by_rule || own.unwrap_or_else(|| restart_policy(pod)).restarts(exit_code)
}

/// Seconds between the polite and the forcible end of the pod's containers: what its deletion says, else its spec,
/// else 30; never negative.
#[must_use]
pub fn grace_seconds(pod: &Pod) -> i64 {
    let asked = pod.metadata.deletion_grace_period_seconds;
    let written = || spec(pod).and_then(|spec| spec.termination_grace_period_seconds);
    asked.or_else(written).unwrap_or(30).max(0)
}

/// Whether someone asked for the pod's end.
#[must_use]
pub fn is_being_deleted(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

pub(crate) fn spec(pod: &Pod) -> Option<&PodSpec> {
    pod.spec.as_ref()
}
