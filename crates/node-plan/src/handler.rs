//! How the node reaches into a container: what probes and lifecycle hooks name, with ports as numbers.

use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::events::Hook;

/// What to do to ask or to tell a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// Runs a command in the container; 0 is success.
    Exec {
        /// The command, not expanded.
        command: Vec<String>,
    },
    /// GET; 200–399 is success.
    Http {
        /// `http` or `https` (whose certificate is not verified).
        scheme: &'static str,
        /// Where to; `None` is the pod's own address.
        host: Option<String>,
        /// The port's number.
        port: u16,
        /// Path and query.
        path: String,
        /// Headers in order.
        headers: Vec<(String, String)>,
    },
    /// Opens a connection.
    Tcp {
        /// Where to; `None` is the pod's own address.
        host: Option<String>,
        /// The port's number.
        port: u16,
    },
    /// gRPC health check.
    Grpc {
        /// The port's number.
        port: u16,
        /// The service asked about; may be empty.
        service: String,
    },
    /// Does nothing for a while (hooks only).
    Sleep {
        /// How long.
        seconds: i64,
    },
}

/// A handler that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    /// No container port has that name.
    #[error("couldn't find port: \"{0}\"")]
    NoSuchPort(String),
    /// Not between 1 and 65535.
    #[error("invalid port number: {0}")]
    InvalidPort(i64),
    /// No handler is written.
    #[error("missing handler")]
    NoHandler,
}

/// What a probe does.
///
/// # Errors
/// When its port has no number or it has no handler.
pub fn of_probe(container: &Container, probe: &Probe) -> Result<Handler, HandlerError> {
    if let Some(exec) = &probe.exec {
        return Ok(Handler::Exec {
            command: exec.command.clone().unwrap_or_default(),
        });
    }
    if let Some(http) = &probe.http_get {
        return of_http(container, http);
    }
    if let Some(tcp) = &probe.tcp_socket {
        return Ok(Handler::Tcp {
            host: filled(tcp.host.as_ref()),
            port: port(container, &tcp.port)?,
        });
    }
    if let Some(grpc) = &probe.grpc {
        let port = port(container, &IntOrString::Int(grpc.port))?;
        return Ok(Handler::Grpc {
            port,
            service: grpc.service.clone().unwrap_or_default(),
        });
    }
    Err(HandlerError::NoHandler)
}

/// What a lifecycle hook of a container does, if it has one.
///
/// # Errors
/// When its port has no number or it has no handler.
pub fn of_hook(container: &Container, hook: Hook) -> Result<Option<Handler>, HandlerError> {
    let Some(lifecycle) = &container.lifecycle else {
        return Ok(None);
    };
    let written = match hook {
        Hook::PostStart => &lifecycle.post_start,
        Hook::PreStop => &lifecycle.pre_stop,
    };
    let Some(written) = written else { return Ok(None) };
    if let Some(exec) = &written.exec {
        return Ok(Some(Handler::Exec {
            command: exec.command.clone().unwrap_or_default(),
        }));
    }
    if let Some(http) = &written.http_get {
        return of_http(container, http).map(Some);
    }
    if let Some(sleep) = &written.sleep {
        return Ok(Some(Handler::Sleep {
            seconds: sleep.seconds.max(0),
        }));
    }
    Err(HandlerError::NoHandler)
}

fn of_http(container: &Container, http: &HTTPGetAction) -> Result<Handler, HandlerError> {
    let headers = http.http_headers.as_deref().unwrap_or_default();
    let path = http.path.clone().unwrap_or_default();
    Ok(Handler::Http {
        scheme: if http.scheme.as_deref() == Some("HTTPS") {
            "https"
        } else {
            "http"
        },
        host: filled(http.host.as_ref()),
        port: port(container, &http.port)?,
        path: if path.starts_with('/') {
            path
        } else {
            format!("/{path}")
        },
        headers: headers
            .iter()
            .map(|header| (header.name.clone(), header.value.clone()))
            .collect(),
    })
}

fn filled(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

fn port(container: &Container, port: &IntOrString) -> Result<u16, HandlerError> {
    let number = match port {
        IntOrString::Int(number) => i64::from(*number),
        IntOrString::String(name) => {
            let ports = container.ports.as_deref().unwrap_or_default();
            let named = ports.iter().find(|port| port.name.as_deref() == Some(name));
            match named {
                Some(port) => i64::from(port.container_port),
                None => name.parse().map_err(|_| HandlerError::NoSuchPort(name.clone()))?,
            }
        }
    };
    u16::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .ok_or(HandlerError::InvalidPort(number))
}
