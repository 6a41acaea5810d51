//! `strongroom run`: a process gets Secrets as variables and files, they follow changes, and signals and exit codes
//! pass through. Needs root, as mounts do; what others can do is tried as user 65534.

mod changes;
mod files;
mod outages;
mod running;
mod signals;
mod unprivileged;
mod variables;
