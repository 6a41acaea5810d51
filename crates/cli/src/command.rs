//! The commands, one file each.

pub mod access;
pub mod audit;
pub mod backup;
pub mod completion;
pub mod kubeconfig;
pub mod node;
pub mod restore;
pub mod run;
pub mod serve;
pub mod up;
pub mod version;
