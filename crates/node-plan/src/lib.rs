//! What should the node do next? Pods, volumes and environment in; payloads, container environments, actions and
//! statuses out. Pure: no clock, no file, no socket; `now` and what the runtime reports are arguments.
//!
//! The texts are those of `spec/pods-and-kubelet.md`, because clients match on them.

pub mod actions;
pub mod backoff;
pub mod downward;
pub mod environment;
pub mod events;
pub mod handler;
pub mod image;
pub mod keyring;
pub mod logs;
pub mod node_facts;
pub mod objects;
pub mod observed;
mod payload;
pub mod pod;
pub mod probes;
pub mod quantity;
pub mod references;
pub mod security;
pub mod status;
pub mod termination;
#[cfg(test)]
mod testing;
pub mod token_refresh;
pub mod volumes;
pub mod waiting;

pub use payload::{File, Payload};
