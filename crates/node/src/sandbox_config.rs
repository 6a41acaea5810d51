//! A pod's sandbox, as the runtime is told of it (pods-and-kubelet §6).

use std::collections::BTreeMap;
use std::fs;

use k8s_openapi::api::core::v1::{Pod, PodSpec, SeccompProfile};
use strongroom_cri::messages::sandbox::{
    DnsConfig, Int64Value, LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NamespaceMode,
    NamespaceOption, PodSandboxConfig, PodSandboxMetadata, PortMapping, ProfileType, Protocol,
    SecurityProfile,
};
use strongroom_node_plan::pod;
use strongroom_node_plan::security::supplemental_groups;

use crate::context::Context;

/// Labels by which sandboxes and containers are found again.
pub(crate) mod label {
    /// The pod's name.
    pub const POD_NAME: &str = "io.kubernetes.pod.name";
    /// The pod's namespace.
    pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
    /// The pod's uid.
    pub const POD_UID: &str = "io.kubernetes.pod.uid";
    /// The container's name.
    pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";
    /// The agent's own directory: what another agent runs in the same runtime is left alone.
    pub const ROOT_DIR: &str = "strongroom.dev/root-dir";
}

/// The labels that tell whose a sandbox or container is.
pub(crate) fn owner_labels(context: &Context, pod: &Pod) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, value) in [
        (label::POD_NAME, pod::name(pod)),
        (label::POD_NAMESPACE, pod::namespace(pod)),
        (label::POD_UID, pod::uid(pod)),
    ] {
        labels.insert(name.to_owned(), value.to_owned());
    }
    labels.insert(label::ROOT_DIR.to_owned(), root_dir(context));
    labels
}

/// The value of [`label::ROOT_DIR`].
pub(crate) fn root_dir(context: &Context) -> String {
    context.config.root_dir.display().to_string()
}

/// The host name that the pod's processes see.
pub(crate) fn hostname(pod: &Pod, node: &str) -> String {
    if pod::host_network(pod) {
        return node.to_owned();
    }
    let wanted = pod.spec.as_ref().and_then(|spec| spec.hostname.as_deref());
    let name = wanted
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| pod::name(pod));
    // Linux takes 64 characters, DNS 63.
    let mut name: String = name.chars().take(63).collect();
    name.truncate(name.trim_end_matches(['-', '.']).len());
    name
}

/// The sandbox.
pub(crate) fn sandbox_config(context: &Context, pod: &Pod, attempt: u32) -> PodSandboxConfig {
    let default = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&default);
    let mut labels = pod.metadata.labels.clone().unwrap_or_default();
    labels.extend(owner_labels(context, pod));
    PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: pod::name(pod).to_owned(),
            uid: pod::uid(pod).to_owned(),
            namespace: pod::namespace(pod).to_owned(),
            attempt,
        }),
        // The host's name cannot be set from a pod that shares it.
        hostname: if pod::host_network(pod) {
            String::new()
        } else {
            hostname(pod, &context.config.name)
        },
        log_directory: context
            .places
            .pod_logs(pod::namespace(pod), pod::name(pod), pod::uid(pod))
            .display()
            .to_string(),
        dns_config: Some(dns(context, spec, pod::namespace(pod))),
        port_mappings: port_mappings(pod, spec),
        labels,
        annotations: pod.metadata.annotations.clone().unwrap_or_default(),
        linux: Some(LinuxPodSandboxConfig {
            cgroup_parent: String::new(),
            security_context: Some(security(pod, spec)),
            sysctls: sysctls(spec),
        }),
    }
}

/// The namespaces of the pod and of each of its containers.
pub(crate) fn namespaces(spec: &PodSpec) -> NamespaceOption {
    let host = |wanted: Option<bool>, otherwise: NamespaceMode| {
        if wanted == Some(true) {
            NamespaceMode::Node
        } else {
            otherwise
        }
    };
    let pid = if spec.share_process_namespace == Some(true) {
        NamespaceMode::Pod
    } else {
        NamespaceMode::Container
    };
    NamespaceOption {
        network: host(spec.host_network, NamespaceMode::Pod) as i32,
        pid: host(spec.host_pid, pid) as i32,
        ipc: host(spec.host_ipc, NamespaceMode::Pod) as i32,
        target_id: String::new(),
    }
}

/// A seccomp profile as the runtime is told of it; none is unconfined.
pub(crate) fn seccomp(profile: Option<&SeccompProfile>) -> SecurityProfile {
    let (kind, localhost_ref) =
        match profile.map(|profile| (profile.type_.as_str(), &profile.localhost_profile)) {
            Some(("RuntimeDefault", _)) => (ProfileType::RuntimeDefault, String::new()),
            Some(("Localhost", path)) => (
                ProfileType::Localhost,
                format!("/var/lib/kubelet/seccomp/{}", path.as_deref().unwrap_or_default()),
            ),
            _ => (ProfileType::Unconfined, String::new()),
        };
    SecurityProfile {
        profile_type: kind as i32,
        localhost_ref,
    }
}

fn security(pod: &Pod, spec: &PodSpec) -> LinuxSandboxSecurityContext {
    let context = spec.security_context.as_ref();
    let id = |id: Option<i64>| id.map(|value| Int64Value { value });
    let user = context.and_then(|context| context.run_as_user);
    let group = context.and_then(|context| context.run_as_group);
    let privileged = pod::members(pod).any(|member| {
        let own = member.container.security_context.as_ref();
        own.and_then(|own| own.privileged) == Some(true)
    });
    LinuxSandboxSecurityContext {
        namespace_options: Some(namespaces(spec)),
        run_as_user: id(user),
        // A group without a user is refused by runtimes.
        run_as_group: user.and(id(group)),
        readonly_rootfs: false,
        supplemental_groups: supplemental_groups(pod),
        privileged,
        seccomp: Some(seccomp(
            context.and_then(|context| context.seccomp_profile.as_ref()),
        )),
    }
}

fn sysctls(spec: &PodSpec) -> BTreeMap<String, String> {
    let context = spec.security_context.as_ref();
    let sysctls = context.and_then(|context| context.sysctls.as_deref());
    sysctls
        .unwrap_or_default()
        .iter()
        .map(|sysctl| (sysctl.name.clone(), sysctl.value.clone()))
        .collect()
}

fn port_mappings(pod: &Pod, spec: &PodSpec) -> Vec<PortMapping> {
    if pod::host_network(pod) {
        return Vec::new();
    }
    let mut mappings = Vec::new();
    for port in spec
        .containers
        .iter()
        .flat_map(|container| container.ports.as_deref().unwrap_or_default())
    {
        let Some(host_port) = port.host_port.filter(|host_port| *host_port > 0) else {
            continue;
        };
        let protocol = match port.protocol.as_deref() {
            Some("UDP") => Protocol::Udp,
            Some("SCTP") => Protocol::Sctp,
            _ => Protocol::Tcp,
        };
        mappings.push(PortMapping {
            protocol: protocol as i32,
            container_port: port.container_port,
            host_port,
            host_ip: port.host_ip.clone().unwrap_or_default(),
        });
    }
    mappings
}

/// `/etc/resolv.conf` by `dnsPolicy` and `dnsConfig`.
fn dns(context: &Context, spec: &PodSpec, namespace: &str) -> DnsConfig {
    let policy = spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
    let has_cluster_dns = !context.config.cluster_dns.is_empty();
    let host_network = spec.host_network == Some(true);
    let mut dns = match policy {
        "None" => DnsConfig::default(),
        "ClusterFirstWithHostNet" if has_cluster_dns => cluster_dns(context, namespace),
        "ClusterFirst" if has_cluster_dns && !host_network => cluster_dns(context, namespace),
        _ => resolv_conf(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default()),
    };
    if let Some(own) = &spec.dns_config {
        dns.servers.extend(own.nameservers.iter().flatten().cloned());
        dns.searches.extend(own.searches.iter().flatten().cloned());
        for option in own.options.iter().flatten() {
            let name = option.name.as_deref().unwrap_or_default();
            dns.options
                .retain(|had| had.split(':').next().unwrap_or_default() != name);
            dns.options.push(match option.value.as_deref() {
                Some(value) => format!("{name}:{value}"),
                None => name.to_owned(),
            });
        }
        let mut seen = Vec::new();
        dns.servers.retain(|server| {
            let is_new = !seen.contains(server);
            seen.push(server.clone());
            is_new
        });
    }
    dns
}

fn cluster_dns(context: &Context, namespace: &str) -> DnsConfig {
    let domain = &context.config.cluster_domain;
    let host = resolv_conf(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
    let mut searches = vec![
        format!("{namespace}.svc.{domain}"),
        format!("svc.{domain}"),
        domain.clone(),
    ];
    searches.extend(host.searches);
    DnsConfig {
        servers: context
            .config
            .cluster_dns
            .iter()
            .map(ToString::to_string)
            .collect(),
        searches,
        options: vec!["ndots:5".to_owned()],
    }
}

fn resolv_conf(text: &str) -> DnsConfig {
    let mut dns = DnsConfig::default();
    for line in text.lines() {
        let mut words = line
            .split(['#', ';'])
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let Some(keyword) = words.next() else { continue };
        let rest = words.map(str::to_owned);
        match keyword {
            "nameserver" => dns.servers.extend(rest.take(1)),
            "search" | "domain" => dns.searches = rest.collect(),
            "options" => dns.options.extend(rest),
            _ => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn host_names() {
        for (spec, name, expect) in [
            (json!({"containers": []}), "p1", "p1"),
            (json!({"containers": [], "hostname": "h"}), "p1", "h"),
            (json!({"containers": [], "hostNetwork": true}), "p1", "node"),
        ] {
            let pod: Pod = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap();
            assert_eq!(hostname(&pod, "node"), expect);
        }
        let long = format!("{}-{}", "a".repeat(62), "b".repeat(20));
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": long}})).unwrap();
        assert_eq!(hostname(&pod, "node"), "a".repeat(62));
    }

    #[test]
    fn the_hosts_own_resolver() {
        let dns =
            resolv_conf("# x\nnameserver 1.1.1.1\nnameserver ::1 # y\nsearch a b\noptions ndots:1 rotate\n");
        assert_eq!(dns.servers, ["1.1.1.1", "::1"]);
        assert_eq!(dns.searches, ["a", "b"]);
        assert_eq!(dns.options, ["ndots:1", "rotate"]);
    }
}
