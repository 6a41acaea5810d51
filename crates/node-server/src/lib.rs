//! What does a node answer on port 10250? Logs, exec, attach, port-forward, health and metrics, to those who may.
//!
//! [`Node`] is what stands behind the port, [`Reviewer`] is who says who a caller is and what they may do.

mod answer;
mod cache;
mod gate;
mod logs;
mod metrics;
mod node;
mod requests;
mod review;
mod server;
mod streams;
mod tls;

pub use node::{Node, Refused, RunningContainer};
pub use review::{KubeReviewer, ReviewError, Reviewer};
pub use server::{Config, Limits, NodeServer, ServeError};
pub use strongroom_streams::remote_command::Streams;
pub use tls::{TlsError, tls_config};
