//! A container's environment, and what is written with its variables: command, arguments, sub-paths
//! (pods-and-kubelet §4).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar, Pod, Service, VolumeMount};
use zeroize::Zeroizing;

use crate::events::{self, Event};
use crate::node_facts::NodeFacts;
use crate::objects::{LookupError, Objects};
use crate::{downward, pod};

pub mod expansion;
mod services;
#[cfg(test)]
mod tests;

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
    places: BTreeMap<String, usize>,
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
    /// A variable, word or path, or all variables together, are too much for a process.
    #[error("environment or command line is {0}")]
    TooLarge(#[from] expansion::TooLarge),
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
        self.places
            .get(name)
            .map(|place| self.variables[*place].value.as_slice())
    }
}

/// The environment of one container: `envFrom` in order, `env` in order, then the services' variables that are not
/// set yet.
///
/// # Errors
/// When something it names is missing and not optional.
pub fn environment(
    pod: &Pod,
    container: &Container,
    sources: &Sources<'_>,
) -> Result<Environment, EnvironmentError> {
    let services = sources.services.ok_or(EnvironmentError::NoServices)?;
    let services = services::variables(pod, services);
    let mut collected = Collected::default();
    for source in container.env_from.as_deref().unwrap_or_default() {
        collected.env_from(pod, source, sources)?;
    }
    for variable in container.env.as_deref().unwrap_or_default() {
        collected.env(pod, container, variable, sources, &services)?;
    }
    for (name, value) in services {
        if collected.environment.get(&name).is_none() {
            collected.set(&name, value.as_bytes())?;
        }
    }
    Ok(collected.environment)
}

/// An environment while it is being put together.
#[derive(Default)]
struct Collected {
    environment: Environment,
    bytes: usize,
}

impl Collected {
    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), EnvironmentError> {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(EnvironmentError::Name(name.to_owned()));
        }
        if value.contains(&0) {
            return Err(EnvironmentError::Nul(name.to_owned()));
        }
        self.bytes += name.len() + value.len() + 2;
        if self.bytes > expansion::MAXIMUM_BYTES {
            return Err(expansion::TooLarge.into());
        }
        let value = Zeroizing::new(value.to_vec());
        let Environment {
            variables, places, ..
        } = &mut self.environment;
        match places.get(name) {
            Some(place) => variables[*place].value = value,
            None => {
                places.insert(name.to_owned(), variables.len());
                variables.push(Variable {
                    name: name.to_owned(),
                    value,
                });
            }
        }
        Ok(())
    }

    fn env_from(
        &mut self,
        pod: &Pod,
        source: &EnvFromSource,
        sources: &Sources<'_>,
    ) -> Result<(), EnvironmentError> {
        let (namespace, prefix) = (pod::namespace(pod), source.prefix.as_deref().unwrap_or_default());
        let mut skipped = Vec::new();
        if let Some(written) = &source.config_map_ref {
            let found = sources.objects.config_map(namespace, &written.name);
            let Some(found) = unless_optional(found, written.optional)? else {
                return Ok(());
            };
            for (key, value) in found.data.iter().flatten() {
                self.set_key(prefix, key, value.as_bytes(), sources.names, &mut skipped)?;
            }
            self.skipped(skipped, "configMap", namespace, &written.name);
        } else if let Some(written) = &source.secret_ref {
            let found = sources.objects.secret(namespace, &written.name);
            let Some(found) = unless_optional(found, written.optional)? else {
                return Ok(());
            };
            for (key, value) in found.data.iter().flatten() {
                self.set_key(prefix, key, &value.0, sources.names, &mut skipped)?;
            }
            self.skipped(skipped, "secret", namespace, &written.name);
        }
        Ok(())
    }

    fn set_key(
        &mut self,
        prefix: &str,
        key: &str,
        value: &[u8],
        names: EnvNames,
        skipped: &mut Vec<String>,
    ) -> Result<(), EnvironmentError> {
        let name = format!("{prefix}{key}");
        if names == EnvNames::Strict && !is_strict_name(&name) {
            skipped.push(name);
            return Ok(());
        }
        self.set(&name, value)
    }

    fn skipped(&mut self, keys: Vec<String>, kind: &str, namespace: &str, name: &str) {
        if !keys.is_empty() {
            self.environment
                .events
                .push(events::invalid_environment_names(keys, kind, namespace, name));
        }
    }

    fn env(
        &mut self,
        pod: &Pod,
        container: &Container,
        variable: &EnvVar,
        sources: &Sources<'_>,
        services: &BTreeMap<String, String>,
    ) -> Result<(), EnvironmentError> {
        let written = variable.value.as_deref().unwrap_or_default();
        if !written.is_empty() {
            let lookup = |name: &str| {
                let set = self.environment.get(name);
                set.or_else(|| services.get(name).map(|value| value.as_bytes()))
            };
            let value = Zeroizing::new(expansion::expand(written.as_bytes(), lookup)?);
            return self.set(&variable.name, &value);
        }
        let Some(source) = &variable.value_from else {
            return self.set(&variable.name, b"");
        };
        let namespace = pod::namespace(pod);
        if let Some(field) = &source.field_ref {
            let value = downward::environment_field(pod, &field.field_path, sources.node, sources.pod_ips)?;
            self.set(&variable.name, value.as_bytes())
        } else if let Some(resource) = &source.resource_field_ref {
            let value = downward::resource(pod, Some(container), resource, sources.node)?;
            self.set(&variable.name, value.as_bytes())
        } else if let Some(key) = &source.config_map_key_ref {
            let found = sources.objects.config_map(namespace, &key.name);
            let Some(found) = unless_optional(found, key.optional)? else {
                return Ok(());
            };
            match found.data.as_ref().and_then(|data| data.get(&key.key)) {
                Some(value) => self.set(&variable.name, value.as_bytes()),
                None if key.optional == Some(true) => Ok(()),
                None => Err(EnvironmentError::NoConfigMapKey {
                    key: key.key.clone(),
                    namespace: namespace.to_owned(),
                    name: key.name.clone(),
                }),
            }
        } else if let Some(key) = &source.secret_key_ref {
            let found = sources.objects.secret(namespace, &key.name);
            let Some(found) = unless_optional(found, key.optional)? else {
                return Ok(());
            };
            match found.data.as_ref().and_then(|data| data.get(&key.key)) {
                Some(value) => self.set(&variable.name, &value.0),
                None if key.optional == Some(true) => Ok(()),
                None => Err(EnvironmentError::NoSecretKey {
                    key: key.key.clone(),
                    namespace: namespace.to_owned(),
                    name: key.name.clone(),
                }),
            }
        } else if source.file_key_ref.is_some() {
            Err(EnvironmentError::Unsupported {
                variable: variable.name.clone(),
                source_kind: "fileKeyRef",
            })
        } else {
            self.set(&variable.name, b"")
        }
    }
}

/// What was found, or nothing where an optional object does not exist.
fn unless_optional<T>(
    found: Result<T, LookupError>,
    optional: Option<bool>,
) -> Result<Option<T>, EnvironmentError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() && optional == Some(true) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// `[-._a-zA-Z][-._a-zA-Z0-9]*`, and neither `.` nor anything that begins with `..`.
fn is_strict_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'.' | b'_');
    let first = name.bytes().next().is_some_and(letter);
    first
        && name != "."
        && !name.starts_with("..")
        && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

/// `command` and `args` with `$(VAR)` filled in; what is not set stays as written. Wiped when dropped, because a value
/// may be in it.
///
/// # Errors
/// [`EnvironmentError::NotText`] when a value is no UTF-8, which the runtime's protocol cannot carry here.
pub fn command_line(
    container: &Container,
    environment: &Environment,
) -> Result<CommandLine, EnvironmentError> {
    let expand_all = |words: Option<&Vec<String>>| -> Result<Vec<Zeroizing<String>>, EnvironmentError> {
        words
            .into_iter()
            .flatten()
            .map(|word| expand_word(word, environment))
            .collect()
    };
    Ok(CommandLine {
        command: expand_all(container.command.as_ref())?,
        args: expand_all(container.args.as_ref())?,
    })
}

fn expand_word(word: &str, environment: &Environment) -> Result<Zeroizing<String>, EnvironmentError> {
    let mut culprit = None;
    let lookup = |name: &str| {
        let value = environment.get(name)?;
        if std::str::from_utf8(value).is_err() {
            culprit.get_or_insert_with(|| name.to_owned());
        }
        Some(value)
    };
    let expanded = Zeroizing::new(expansion::expand(word.as_bytes(), lookup)?);
    if let Some(name) = culprit {
        return Err(EnvironmentError::NotText(name));
    }
    Ok(Zeroizing::new(String::from_utf8_lossy(&expanded).into_owned()))
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
    let expression = mount.sub_path_expr.as_deref().unwrap_or_default();
    let path = if expression.is_empty() {
        mount.sub_path.clone().unwrap_or_default()
    } else {
        let mut missing = BTreeSet::new();
        let lookup = |name: &str| {
            let value = environment.get(name).unwrap_or_default();
            if value.is_empty() {
                missing.insert(name.to_owned());
            }
            Some(value)
        };
        let expanded = Zeroizing::new(expansion::expand(expression.as_bytes(), lookup)?);
        if !missing.is_empty() {
            return Err(EnvironmentError::Missing(missing.into_iter().collect()));
        }
        let text =
            std::str::from_utf8(&expanded).map_err(|_| EnvironmentError::NotText(expression.to_owned()))?;
        text.to_owned()
    };
    if path.starts_with('/') {
        return Err(EnvironmentError::AbsoluteSubPath(path));
    }
    if path.split('/').any(|element| element == "..") {
        return Err(EnvironmentError::UpwardSubPath(path));
    }
    Ok(Some(path).filter(|path| !path.is_empty()))
}
