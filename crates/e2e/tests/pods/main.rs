//! Pods that consume Secrets, through a real containerd. Needs root and `cargo xtask tools`.

mod crashes;
mod delivery;
mod lifecycle;
mod logs;
mod restarts;
mod runtime;
mod streams;
