//! What does a node answer on port 10250? Logs, exec, attach, port-forward, health and metrics, to those who may.

mod node;

pub use node::{Node, Refused, RunningContainer, Streams};
