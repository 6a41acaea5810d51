//! A container's environment, and what is written with its variables: command, arguments, sub-paths
//! (pods-and-kubelet §4).

use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Pod, Service, VolumeMount};
use zeroize::Zeroizing;

use crate::events::Event;
use crate::node_facts::NodeFacts;
use crate::objects::{LookupError, Objects};

/// Which names `envFrom` may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EnvNames {
    /// Any key, as Kubernetes 1.36 has it.
    #[default]
    Relaxed,
    /// Only `[-._a-zA-Z][-._a-zA-Z0-9]*`; other keys are skipped with an event, as kubelets before 1.30 had it.
    Strict,
}

/// What an environment is made from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The node's caches.
    pub objects: &'a dyn Objects,
    /// All services of all namespaces; `None` until they have been read once.
    pub services: Option<&'a [Arc<Service>]>,
    /// The node.
    pub node: &'a NodeFacts,
    /// The pod's addresses, the first one first.
    pub pod_ips: &'a [String],
    /// Which names `envFrom` may bring.
    pub names: EnvNames,
}

/// One variable.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name, without `=` and NUL.
    pub name: String,
    /// Its bytes, without NUL; wiped when dropped.
    pub value: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Variable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Variable")
            .field("name", &self.name)
            .field("bytes", &self.value.len())
            .finish()
    }
}

/// All variables of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: Vec<Variable>,
    /// What was left out ([`EnvNames::Strict`]), one event for each source.
    pub events: Vec<Event>,
}

/// Why a container cannot be configured: waiting reason `CreateContainerConfigError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// Services were never read.
    #[error("services have not yet been read at least once, cannot construct envvars")]
    NoServices,
    /// An object cannot be used.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// A Secret has no such key.
    #[error("couldn't find key {key} in Secret {namespace}/{name}")]
    NoSecretKey {
        /// The key.
        key: String,
        /// The Secret's namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A ConfigMap has no such key.
    #[error("couldn't find key {key} in ConfigMap {namespace}/{name}")]
    NoConfigMapKey {
        /// The key.
        key: String,
        /// The ConfigMap's namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A field of the pod cannot be shown.
    #[error(transparent)]
    Downward(#[from] crate::downward::DownwardError),
    /// A value holds a NUL byte, which no environment can carry.
    #[error("value of environment variable \"{0}\" contains a NUL byte: invalid argument")]
    Nul(String),
    /// A name is empty or holds `=` or NUL.
    #[error("\"{}\" cannot be the name of an environment variable: invalid argument", .0.escape_debug())]
    Name(String),
    /// A variable's source is of a kind this node does not serve.
    #[error("environment variable \"{variable}\": {source_kind} is not supported by this node")]
    Unsupported {
        /// The variable.
        variable: String,
        /// The field that names the source.
        source_kind: &'static str,
    },
    /// A command or argument becomes bytes that are no UTF-8 when its variables are filled in.
    #[error("command or argument is not valid UTF-8 once $({0}) is expanded")]
    NotText(String),
    /// Variables of a `subPathExpr` are unset or empty.
    #[error("missing value for {}", .0.join(", "))]
    Missing(Vec<String>),
    /// A sub-path begins with `/`.
    #[error("error SubPath `{0}` must not be an absolute path")]
    AbsoluteSubPath(String),
    /// A sub-path leads upwards.
    #[error("unable to provision SubPath `{0}`: must not contain '..'")]
    UpwardSubPath(String),
}

impl Environment {
    /// The variables, each name once.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// One variable's bytes.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.variables.iter().find(|variable| variable.name == name);
        found.map(|variable| variable.value.as_slice())
    }
}

/// The environment of one container.
///
/// # Errors
/// When something it names is missing and not optional.
pub fn environment(
    pod: &Pod,
    container: &Container,
    sources: &Sources<'_>,
) -> Result<Environment, EnvironmentError> {
    let _ = (pod, container, sources);
    Ok(Environment::default())
}

/// `command` and `args` with `$(VAR)` filled in; what is not set stays as written. Wiped when dropped, because a value
/// may be in it.
///
/// # Errors
/// [`EnvironmentError::NotText`] or [`EnvironmentError::Nul`].
pub fn command_line(
    container: &Container,
    environment: &Environment,
) -> Result<CommandLine, EnvironmentError> {
    let _ = (container, environment);
    Ok(CommandLine::default())
}

/// What a container runs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// Replaces the image's entrypoint; empty leaves it.
    pub command: Vec<Zeroizing<String>>,
    /// Replaces the image's arguments; empty leaves them.
    pub args: Vec<Zeroizing<String>>,
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = (self.command.len(), self.args.len());
        formatter
            .debug_tuple("CommandLine")
            .field(&counts.0)
            .field(&counts.1)
            .finish()
    }
}

/// The path inside the volume that a mount shows: `subPath`, or `subPathExpr` filled in; `None` for the whole volume.
///
/// # Errors
/// When a variable is unset or empty, or the path is absolute or leads upwards.
pub fn sub_path(mount: &VolumeMount, environment: &Environment) -> Result<Option<String>, EnvironmentError> {
    let _ = (mount, environment);
    Ok(None)
}
