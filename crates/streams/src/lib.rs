//! How do bytes flow between a client and a process? WebSocket and SPDY streams of exec, attach and port-forward.

mod idle;
pub mod port_forward;
pub mod remote_command;
pub mod spdy;
pub mod upgrade;
pub mod websocket;

use std::time::Duration;

pub use idle::Idle;

/// How long a connection may be silent, unless somebody says otherwise: the kubelet's
/// `--streaming-connection-idle-timeout`.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(4 * 60 * 60);
