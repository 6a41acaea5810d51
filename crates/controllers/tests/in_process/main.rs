//! The controllers beside a real API server, in one process, on the memory engine.

mod bootstrap_tokens;
mod events;
mod garbage;
mod namespaces;
mod pods;
mod role_aggregation;
mod service_account_tokens;
mod world;
