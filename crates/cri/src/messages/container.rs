//! Containers.

use std::collections::BTreeMap;
use std::fmt;

use super::image::ImageSpec;
use super::sandbox::{Int64Value, NamespaceOption, PodSandboxConfig, SecurityProfile};

/// What tells the containers of a pod apart.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ContainerMetadata {
    /// The container's name in the pod.
    #[prost(string, tag = "1")]
    pub name: String,
    /// How many containers of this name the pod had before.
    #[prost(uint32, tag = "2")]
    pub attempt: u32,
}

/// An environment variable. Newer definitions and this one have the value as bytes, older ones as text.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct KeyValue {
    /// The name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value; not in `Debug`.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// Whether mounts made later are seen through a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum MountPropagation {
    /// They are not.
    Private = 0,
    /// The host's are seen in the container.
    HostToContainer = 1,
    /// Both ways.
    Bidirectional = 2,
}

/// A path of the host in a container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Mount {
    /// Where in the container.
    #[prost(string, tag = "1")]
    pub container_path: String,
    /// Which of the host.
    #[prost(string, tag = "2")]
    pub host_path: String,
    /// Whether it can only be read.
    #[prost(bool, tag = "3")]
    pub readonly: bool,
    /// Whether it gets the container's SELinux label.
    #[prost(bool, tag = "4")]
    pub selinux_relabel: bool,
    /// Whether mounts made later are seen.
    #[prost(enumeration = "MountPropagation", tag = "5")]
    pub propagation: i32,
}

/// A device of the host in a container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Device {
    /// Where in the container.
    #[prost(string, tag = "1")]
    pub container_path: String,
    /// Which of the host.
    #[prost(string, tag = "2")]
    pub host_path: String,
    /// Of `r`, `w` and `m`.
    #[prost(string, tag = "3")]
    pub permissions: String,
}

/// What a container may use.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LinuxContainerResources {
    /// Length of a period in microseconds; 0 for the default.
    #[prost(int64, tag = "1")]
    pub cpu_period: i64,
    /// Microseconds of each period; 0 for no limit.
    #[prost(int64, tag = "2")]
    pub cpu_quota: i64,
    /// Weight against others; 0 for the default.
    #[prost(int64, tag = "3")]
    pub cpu_shares: i64,
    /// Memory; 0 for no limit.
    #[prost(int64, tag = "4")]
    pub memory_limit_in_bytes: i64,
    /// How early it is killed when memory runs out, -1000 to 1000.
    #[prost(int64, tag = "5")]
    pub oom_score_adj: i64,
    /// Processors it may use.
    #[prost(string, tag = "6")]
    pub cpuset_cpus: String,
    /// Memory nodes it may use.
    #[prost(string, tag = "7")]
    pub cpuset_mems: String,
}

/// Changes to the capabilities of a container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Capability {
    /// Names without `CAP_`, or `ALL`.
    #[prost(string, repeated, tag = "1")]
    pub add_capabilities: Vec<String>,
    /// Names without `CAP_`, or `ALL`.
    #[prost(string, repeated, tag = "2")]
    pub drop_capabilities: Vec<String>,
}

/// What a container's process may do.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LinuxContainerSecurityContext {
    /// Capabilities added and dropped.
    #[prost(message, optional, tag = "1")]
    pub capabilities: Option<Capability>,
    /// Whether it may do everything.
    #[prost(bool, tag = "2")]
    pub privileged: bool,
    /// Its namespaces.
    #[prost(message, optional, tag = "3")]
    pub namespace_options: Option<NamespaceOption>,
    /// Its user.
    #[prost(message, optional, tag = "5")]
    pub run_as_user: Option<Int64Value>,
    /// Its user by the image's name for it.
    #[prost(string, tag = "6")]
    pub run_as_username: String,
    /// Whether its root is read-only.
    #[prost(bool, tag = "7")]
    pub readonly_rootfs: bool,
    /// Its groups besides the primary one.
    #[prost(int64, repeated, tag = "8")]
    pub supplemental_groups: Vec<i64>,
    /// Whether programs it runs gain no privileges.
    #[prost(bool, tag = "11")]
    pub no_new_privs: bool,
    /// Its primary group.
    #[prost(message, optional, tag = "12")]
    pub run_as_group: Option<Int64Value>,
    /// Paths that are hidden.
    #[prost(string, repeated, tag = "13")]
    pub masked_paths: Vec<String>,
    /// Paths that can only be read.
    #[prost(string, repeated, tag = "14")]
    pub readonly_paths: Vec<String>,
    /// Its seccomp profile.
    #[prost(message, optional, tag = "15")]
    pub seccomp: Option<SecurityProfile>,
    /// Its AppArmor profile.
    #[prost(message, optional, tag = "16")]
    pub apparmor: Option<SecurityProfile>,
}

/// What only Linux knows of a container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LinuxContainerConfig {
    /// What it may use.
    #[prost(message, optional, tag = "1")]
    pub resources: Option<LinuxContainerResources>,
    /// What it may do.
    #[prost(message, optional, tag = "2")]
    pub security_context: Option<LinuxContainerSecurityContext>,
}

/// A container as it shall be.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ContainerConfig {
    /// What tells it apart.
    #[prost(message, optional, tag = "1")]
    pub metadata: Option<ContainerMetadata>,
    /// The image.
    #[prost(message, optional, tag = "2")]
    pub image: Option<ImageSpec>,
    /// In place of the image's entry point.
    #[prost(string, repeated, tag = "3")]
    pub command: Vec<String>,
    /// In place of the image's command.
    #[prost(string, repeated, tag = "4")]
    pub args: Vec<String>,
    /// Its working directory.
    #[prost(string, tag = "5")]
    pub working_dir: String,
    /// Its environment.
    #[prost(message, repeated, tag = "6")]
    pub envs: Vec<KeyValue>,
    /// Its mounts.
    #[prost(message, repeated, tag = "7")]
    pub mounts: Vec<Mount>,
    /// Its devices.
    #[prost(message, repeated, tag = "8")]
    pub devices: Vec<Device>,
    /// Labels, for finding it again.
    #[prost(btree_map = "string, string", tag = "9")]
    pub labels: BTreeMap<String, String>,
    /// Annotations, kept as they are.
    #[prost(btree_map = "string, string", tag = "10")]
    pub annotations: BTreeMap<String, String>,
    /// Its log, below the sandbox's log directory.
    #[prost(string, tag = "11")]
    pub log_path: String,
    /// Whether standard input stays open.
    #[prost(bool, tag = "12")]
    pub stdin: bool,
    /// Whether standard input ends with the first client.
    #[prost(bool, tag = "13")]
    pub stdin_once: bool,
    /// Whether it has a terminal.
    #[prost(bool, tag = "14")]
    pub tty: bool,
    /// What only Linux knows.
    #[prost(message, optional, tag = "15")]
    pub linux: Option<LinuxContainerConfig>,
}

/// Makes a container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CreateContainerRequest {
    /// In which sandbox.
    #[prost(string, tag = "1")]
    pub pod_sandbox_id: String,
    /// As it shall be.
    #[prost(message, optional, tag = "2")]
    pub config: Option<ContainerConfig>,
    /// As the sandbox was made.
    #[prost(message, optional, tag = "3")]
    pub sandbox_config: Option<PodSandboxConfig>,
}

/// A container that is made.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CreateContainerResponse {
    /// Its id.
    #[prost(string, tag = "1")]
    pub container_id: String,
}

/// Starts a container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StartContainerRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub container_id: String,
}

/// Stops a container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StopContainerRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Seconds between SIGTERM and SIGKILL.
    #[prost(int64, tag = "2")]
    pub timeout: i64,
}

/// Removes a container, killing it if need be.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RemoveContainerRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub container_id: String,
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum ContainerState {
    /// It is not started yet.
    Created = 0,
    /// It runs.
    Running = 1,
    /// It has ended.
    Exited = 2,
    /// The runtime does not know.
    Unknown = 3,
}

/// A state to look for.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ContainerStateValue {
    /// The state.
    #[prost(enumeration = "ContainerState", tag = "1")]
    pub state: i32,
}

/// Which containers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ContainerFilter {
    /// The one with this id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Those in this state.
    #[prost(message, optional, tag = "2")]
    pub state: Option<ContainerStateValue>,
    /// Those of this sandbox.
    #[prost(string, tag = "3")]
    pub pod_sandbox_id: String,
    /// Those with all of these labels.
    #[prost(btree_map = "string, string", tag = "4")]
    pub label_selector: BTreeMap<String, String>,
}

/// Asks for containers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListContainersRequest {
    /// Which.
    #[prost(message, optional, tag = "1")]
    pub filter: Option<ContainerFilter>,
}

/// A container in a list.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Container {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its sandbox.
    #[prost(string, tag = "2")]
    pub pod_sandbox_id: String,
    /// What tells it apart.
    #[prost(message, optional, tag = "3")]
    pub metadata: Option<ContainerMetadata>,
    /// The image it was made with.
    #[prost(message, optional, tag = "4")]
    pub image: Option<ImageSpec>,
    /// What the image was resolved to.
    #[prost(string, tag = "5")]
    pub image_ref: String,
    /// What it does.
    #[prost(enumeration = "ContainerState", tag = "6")]
    pub state: i32,
    /// When it was made, in nanoseconds since 1970.
    #[prost(int64, tag = "7")]
    pub created_at: i64,
    /// Labels it was made with.
    #[prost(btree_map = "string, string", tag = "8")]
    pub labels: BTreeMap<String, String>,
    /// Annotations it was made with.
    #[prost(btree_map = "string, string", tag = "9")]
    pub annotations: BTreeMap<String, String>,
}

/// Containers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListContainersResponse {
    /// In no order.
    #[prost(message, repeated, tag = "1")]
    pub containers: Vec<Container>,
}

/// Asks how a container is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ContainerStatusRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Whether the runtime's own information is wanted too.
    #[prost(bool, tag = "2")]
    pub verbose: bool,
}

/// How a container is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ContainerStatus {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// What tells it apart.
    #[prost(message, optional, tag = "2")]
    pub metadata: Option<ContainerMetadata>,
    /// What it does.
    #[prost(enumeration = "ContainerState", tag = "3")]
    pub state: i32,
    /// When it was made, in nanoseconds since 1970.
    #[prost(int64, tag = "4")]
    pub created_at: i64,
    /// When it was started, likewise; 0 when it was not.
    #[prost(int64, tag = "5")]
    pub started_at: i64,
    /// When it ended, likewise; 0 when it has not.
    #[prost(int64, tag = "6")]
    pub finished_at: i64,
    /// Its exit code, once it has ended.
    #[prost(int32, tag = "7")]
    pub exit_code: i32,
    /// The image it was made with.
    #[prost(message, optional, tag = "8")]
    pub image: Option<ImageSpec>,
    /// What the image was resolved to.
    #[prost(string, tag = "9")]
    pub image_ref: String,
    /// Why it is as it is, in one word.
    #[prost(string, tag = "10")]
    pub reason: String,
    /// Why, in more words.
    #[prost(string, tag = "11")]
    pub message: String,
    /// Labels it was made with.
    #[prost(btree_map = "string, string", tag = "12")]
    pub labels: BTreeMap<String, String>,
    /// Annotations it was made with.
    #[prost(btree_map = "string, string", tag = "13")]
    pub annotations: BTreeMap<String, String>,
    /// Its mounts.
    #[prost(message, repeated, tag = "14")]
    pub mounts: Vec<Mount>,
    /// The host's path of its log.
    #[prost(string, tag = "15")]
    pub log_path: String,
}

/// How a container is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ContainerStatusResponse {
    /// The status.
    #[prost(message, optional, tag = "1")]
    pub status: Option<ContainerStatus>,
    /// The runtime's own information.
    #[prost(btree_map = "string, string", tag = "2")]
    pub info: BTreeMap<String, String>,
}

/// Runs a program in a container and waits for it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExecSyncRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Program and arguments.
    #[prost(string, repeated, tag = "2")]
    pub cmd: Vec<String>,
    /// Seconds until it is killed; 0 for never.
    #[prost(int64, tag = "3")]
    pub timeout: i64,
}

/// What a program did.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct ExecSyncResponse {
    /// What it wrote to standard output; not in `Debug`.
    #[prost(bytes = "vec", tag = "1")]
    pub stdout: Vec<u8>,
    /// What it wrote to standard error; not in `Debug`.
    #[prost(bytes = "vec", tag = "2")]
    pub stderr: Vec<u8>,
    /// Its exit code.
    #[prost(int32, tag = "3")]
    pub exit_code: i32,
}

/// Asks for a place that runs a program in a container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExecRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Program and arguments.
    #[prost(string, repeated, tag = "2")]
    pub cmd: Vec<String>,
    /// Whether it has a terminal.
    #[prost(bool, tag = "3")]
    pub tty: bool,
    /// Whether standard input is wanted.
    #[prost(bool, tag = "4")]
    pub stdin: bool,
    /// Whether standard output is wanted.
    #[prost(bool, tag = "5")]
    pub stdout: bool,
    /// Whether standard error is wanted; not with a terminal.
    #[prost(bool, tag = "6")]
    pub stderr: bool,
}

/// Asks for a place that is connected to a container's first process.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AttachRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Whether standard input is wanted.
    #[prost(bool, tag = "2")]
    pub stdin: bool,
    /// Whether it has a terminal.
    #[prost(bool, tag = "3")]
    pub tty: bool,
    /// Whether standard output is wanted.
    #[prost(bool, tag = "4")]
    pub stdout: bool,
    /// Whether standard error is wanted; not with a terminal.
    #[prost(bool, tag = "5")]
    pub stderr: bool,
}

/// The place that was asked for (ExecResponse, AttachResponse, PortForwardResponse).
#[derive(Clone, PartialEq, prost::Message)]
pub struct StreamingResponse {
    /// Its URL, good for one use.
    #[prost(string, tag = "1")]
    pub url: String,
}

/// Says that a container's log was moved away.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReopenContainerLogRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub container_id: String,
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyValue")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ExecSyncResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ExecSyncResponse")
            .field("exit_code", &self.exit_code)
            .finish_non_exhaustive()
    }
}
