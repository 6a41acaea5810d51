//! The harness of the end-to-end tests: a real `strongroom up` in a directory of its own, real kubectl,
//! a plain HTTPS client that hides nothing, and what is needed to hurt a server and look inside it.
//!
//! Before the first run: `cargo xtask tools`. The binary under test is `target/<profile>/strongroom`,
//! or what `STRONGROOM_BIN` names.

mod check;
mod client;
mod command;
mod kubectl;
mod partition;
mod pods;
mod process;
mod random;
mod scan;
mod server;
mod session;
mod tools;
mod watch;
mod worker;

pub use check::{Check, contains};
pub use client::{Client, ClientError, Credentials, Http, Reply, Request};
pub use command::{ADMIN_KUBECONFIG, binary};
pub use kubectl::{Kubectl, Ran};
pub use partition::Partition;
pub use pods::{BASH, BUSYBOX, Containers, Pods, containers};
pub use process::{memory, open_descriptors, resident_bytes};
pub use random::Random;
pub use scan::{Scanner, Sighting};
pub use server::{Options, Server, setting};
pub use session::Session;
pub use tools::{fixture, kubectl_directory, python, tool};
pub use watch::Watch;
pub use worker::Worker;
