//! Sandboxes: what holds the namespaces of a pod.

use std::collections::BTreeMap;

/// What tells sandboxes apart.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PodSandboxMetadata {
    /// The pod's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The pod's uid.
    #[prost(string, tag = "2")]
    pub uid: String,
    /// The pod's namespace.
    #[prost(string, tag = "3")]
    pub namespace: String,
    /// How many sandboxes this pod had before.
    #[prost(uint32, tag = "4")]
    pub attempt: u32,
}

/// The content of `/etc/resolv.conf`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DnsConfig {
    /// Name servers, in order.
    #[prost(string, repeated, tag = "1")]
    pub servers: Vec<String>,
    /// Search domains, in order.
    #[prost(string, repeated, tag = "2")]
    pub searches: Vec<String>,
    /// Options such as `ndots:5`.
    #[prost(string, repeated, tag = "3")]
    pub options: Vec<String>,
}

/// What travels through a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum Protocol {
    /// TCP.
    Tcp = 0,
    /// UDP.
    Udp = 1,
    /// SCTP.
    Sctp = 2,
}

/// A port of the host that leads into the pod.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PortMapping {
    /// What travels through it.
    #[prost(enumeration = "Protocol", tag = "1")]
    pub protocol: i32,
    /// The pod's port.
    #[prost(int32, tag = "2")]
    pub container_port: i32,
    /// The host's port.
    #[prost(int32, tag = "3")]
    pub host_port: i32,
    /// The host's address; empty for all.
    #[prost(string, tag = "4")]
    pub host_ip: String,
}

/// Whose namespace it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum NamespaceMode {
    /// The pod's own, shared by its containers.
    Pod = 0,
    /// The container's own.
    Container = 1,
    /// The host's.
    Node = 2,
    /// That of another container.
    Target = 3,
}

/// The Linux namespaces of a pod or container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NamespaceOption {
    /// Network: of the pod or the host.
    #[prost(enumeration = "NamespaceMode", tag = "1")]
    pub network: i32,
    /// Processes.
    #[prost(enumeration = "NamespaceMode", tag = "2")]
    pub pid: i32,
    /// Shared memory: of the pod or the host.
    #[prost(enumeration = "NamespaceMode", tag = "3")]
    pub ipc: i32,
    /// The container whose process namespace is shared in mode `Target`.
    #[prost(string, tag = "4")]
    pub target_id: String,
}

/// A number that may be absent.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Int64Value {
    /// The number.
    #[prost(int64, tag = "1")]
    pub value: i64,
}

/// Which seccomp or AppArmor profile applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum ProfileType {
    /// The runtime's own.
    RuntimeDefault = 0,
    /// None.
    Unconfined = 1,
    /// One that is on the host.
    Localhost = 2,
}

/// A seccomp or AppArmor profile.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SecurityProfile {
    /// Which.
    #[prost(enumeration = "ProfileType", tag = "1")]
    pub profile_type: i32,
    /// Path or name of one that is on the host.
    #[prost(string, tag = "2")]
    pub localhost_ref: String,
}

/// What the sandbox's own process may do.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LinuxSandboxSecurityContext {
    /// Its namespaces.
    #[prost(message, optional, tag = "1")]
    pub namespace_options: Option<NamespaceOption>,
    /// Its user.
    #[prost(message, optional, tag = "3")]
    pub run_as_user: Option<Int64Value>,
    /// Whether its root is read-only.
    #[prost(bool, tag = "4")]
    pub readonly_rootfs: bool,
    /// Its groups besides the primary one.
    #[prost(int64, repeated, tag = "5")]
    pub supplemental_groups: Vec<i64>,
    /// Whether any container of the pod is privileged.
    #[prost(bool, tag = "6")]
    pub privileged: bool,
    /// Its primary group.
    #[prost(message, optional, tag = "8")]
    pub run_as_group: Option<Int64Value>,
    /// Its seccomp profile.
    #[prost(message, optional, tag = "9")]
    pub seccomp: Option<SecurityProfile>,
}

/// What only Linux knows of a sandbox.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LinuxPodSandboxConfig {
    /// The cgroup above those of the pod.
    #[prost(string, tag = "1")]
    pub cgroup_parent: String,
    /// What its process may do.
    #[prost(message, optional, tag = "2")]
    pub security_context: Option<LinuxSandboxSecurityContext>,
    /// Kernel settings of its namespaces.
    #[prost(btree_map = "string, string", tag = "3")]
    pub sysctls: BTreeMap<String, String>,
}

/// A sandbox as it shall be.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PodSandboxConfig {
    /// What tells it apart.
    #[prost(message, optional, tag = "1")]
    pub metadata: Option<PodSandboxMetadata>,
    /// Its host name.
    #[prost(string, tag = "2")]
    pub hostname: String,
    /// The host's directory for the logs of its containers.
    #[prost(string, tag = "3")]
    pub log_directory: String,
    /// How names are resolved.
    #[prost(message, optional, tag = "4")]
    pub dns_config: Option<DnsConfig>,
    /// Ports of the host.
    #[prost(message, repeated, tag = "5")]
    pub port_mappings: Vec<PortMapping>,
    /// Labels, for finding it again.
    #[prost(btree_map = "string, string", tag = "6")]
    pub labels: BTreeMap<String, String>,
    /// Annotations, kept as they are.
    #[prost(btree_map = "string, string", tag = "7")]
    pub annotations: BTreeMap<String, String>,
    /// What only Linux knows.
    #[prost(message, optional, tag = "8")]
    pub linux: Option<LinuxPodSandboxConfig>,
}

/// Makes and starts a sandbox.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RunPodSandboxRequest {
    /// As it shall be.
    #[prost(message, optional, tag = "1")]
    pub config: Option<PodSandboxConfig>,
    /// Which configured runtime; empty for the default.
    #[prost(string, tag = "2")]
    pub runtime_handler: String,
}

/// A sandbox that is ready.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RunPodSandboxResponse {
    /// Its id.
    #[prost(string, tag = "1")]
    pub pod_sandbox_id: String,
}

/// Stops a sandbox and all in it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StopPodSandboxRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub pod_sandbox_id: String,
}

/// Removes a sandbox and all in it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RemovePodSandboxRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub pod_sandbox_id: String,
}

/// Asks how a sandbox is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PodSandboxStatusRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub pod_sandbox_id: String,
    /// Whether the runtime's own information is wanted too.
    #[prost(bool, tag = "2")]
    pub verbose: bool,
}

/// An address.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PodIp {
    /// As text.
    #[prost(string, tag = "1")]
    pub ip: String,
}

/// A sandbox's addresses.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PodSandboxNetworkStatus {
    /// The first one; empty on the host's network.
    #[prost(string, tag = "1")]
    pub ip: String,
    /// All others.
    #[prost(message, repeated, tag = "2")]
    pub additional_ips: Vec<PodIp>,
}

/// Whether containers can be started in a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum PodSandboxState {
    /// They can.
    Ready = 0,
    /// They cannot: it has stopped.
    NotReady = 1,
}

/// The namespaces of a sandbox.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Namespace {
    /// Which.
    #[prost(message, optional, tag = "2")]
    pub options: Option<NamespaceOption>,
}

/// What only Linux knows of a sandbox's status.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LinuxPodSandboxStatus {
    /// Its namespaces.
    #[prost(message, optional, tag = "1")]
    pub namespaces: Option<Namespace>,
}

/// How a sandbox is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PodSandboxStatus {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// What tells it apart.
    #[prost(message, optional, tag = "2")]
    pub metadata: Option<PodSandboxMetadata>,
    /// Whether it is ready.
    #[prost(enumeration = "PodSandboxState", tag = "3")]
    pub state: i32,
    /// When it was made, in nanoseconds since 1970.
    #[prost(int64, tag = "4")]
    pub created_at: i64,
    /// Its addresses.
    #[prost(message, optional, tag = "5")]
    pub network: Option<PodSandboxNetworkStatus>,
    /// What only Linux knows.
    #[prost(message, optional, tag = "6")]
    pub linux: Option<LinuxPodSandboxStatus>,
    /// Labels it was made with.
    #[prost(btree_map = "string, string", tag = "7")]
    pub labels: BTreeMap<String, String>,
    /// Annotations it was made with.
    #[prost(btree_map = "string, string", tag = "8")]
    pub annotations: BTreeMap<String, String>,
}

/// How a sandbox is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PodSandboxStatusResponse {
    /// The status.
    #[prost(message, optional, tag = "1")]
    pub status: Option<PodSandboxStatus>,
    /// The runtime's own information.
    #[prost(btree_map = "string, string", tag = "2")]
    pub info: BTreeMap<String, String>,
}

/// A state to look for.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PodSandboxStateValue {
    /// The state.
    #[prost(enumeration = "PodSandboxState", tag = "1")]
    pub state: i32,
}

/// Which sandboxes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PodSandboxFilter {
    /// The one with this id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Those in this state.
    #[prost(message, optional, tag = "2")]
    pub state: Option<PodSandboxStateValue>,
    /// Those with all of these labels.
    #[prost(btree_map = "string, string", tag = "3")]
    pub label_selector: BTreeMap<String, String>,
}

/// Asks for sandboxes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListPodSandboxRequest {
    /// Which.
    #[prost(message, optional, tag = "1")]
    pub filter: Option<PodSandboxFilter>,
}

/// A sandbox in a list.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PodSandbox {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// What tells it apart.
    #[prost(message, optional, tag = "2")]
    pub metadata: Option<PodSandboxMetadata>,
    /// Whether it is ready.
    #[prost(enumeration = "PodSandboxState", tag = "3")]
    pub state: i32,
    /// When it was made, in nanoseconds since 1970.
    #[prost(int64, tag = "4")]
    pub created_at: i64,
    /// Labels it was made with.
    #[prost(btree_map = "string, string", tag = "5")]
    pub labels: BTreeMap<String, String>,
    /// Annotations it was made with.
    #[prost(btree_map = "string, string", tag = "6")]
    pub annotations: BTreeMap<String, String>,
}

/// Sandboxes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListPodSandboxResponse {
    /// In no order.
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<PodSandbox>,
}

/// Asks for a place that forwards ports of a sandbox.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PortForwardRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub pod_sandbox_id: String,
    /// The ports.
    #[prost(int32, repeated, tag = "2")]
    pub port: Vec<i32>,
}
