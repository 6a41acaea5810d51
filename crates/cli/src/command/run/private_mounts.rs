//! A mount namespace for this process and what it starts, so that nobody else sees what is mounted in it.

use anyhow::{Context as _, bail};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::UnshareFlags;

/// Enters a new mount namespace; without the privilege for it, in a new user namespace in which the user stays the
/// same. What is mounted elsewhere later is seen here, but not the other way round. The process must have one thread.
///
/// # Errors
/// The system allows neither.
pub fn enter() -> anyhow::Result<()> {
    match unshare(UnshareFlags::NEWNS) {
        Ok(()) => {}
        Err(Errno::PERM) => enter_with_user()?,
        Err(errno) => return Err(errno).context("A mount namespace cannot be had"),
    }
    let propagation = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", propagation).context("The mount namespace cannot be made private")
}

fn enter_with_user() -> anyhow::Result<()> {
    let (user, group) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    match unshare(UnshareFlags::NEWNS | UnshareFlags::NEWUSER) {
        Ok(()) => {}
        Err(errno @ (Errno::PERM | Errno::ACCESS | Errno::NOSPC | Errno::USERS | Errno::INVAL)) => bail!(
            "Files in memory need a mount namespace, which this system refuses you ({errno}); run this as root or \
             with CAP_SYS_ADMIN, let users have namespaces (`sysctl user.max_user_namespaces`, on Ubuntu also \
             `kernel.apparmor_restrict_unprivileged_userns`), or take environment variables with --secret."
        ),
        Err(errno) => return Err(errno).context("A user namespace cannot be had"),
    }
    // The files below belong to root as long as the process is one that cannot be dumped. It holds no secret yet.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    let mapped = std::fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| std::fs::write("/proc/self/uid_map", format!("{user} {user} 1")))
        .and_then(|()| std::fs::write("/proc/self/gid_map", format!("{group} {group} 1")));
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    mapped.context("The user cannot be mapped into a namespace of its own")
}

fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // Deprecated for what it does to file descriptors with `UnshareFlags::FILES`, which is not used here; its
    // successor could not be called without `unsafe`.
    #[expect(deprecated)]
    rustix::thread::unshare(flags)
}
