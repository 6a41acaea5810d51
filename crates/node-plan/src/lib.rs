//! What should the node do next? Pods, volumes and environment in; payloads, container environments, actions and
//! statuses out. Pure: no clock, no file, no socket; `now` and what the runtime reports are arguments.

mod payload;

pub use payload::{File, Payload};
