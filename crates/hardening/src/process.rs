use crate::shortfall::{Measure, Shortfall};

/// Makes the process undumpable and forbids core files; returns what the kernel refused.
///
/// Call it first in `main`. Undumpable also means that other processes of the same user can neither attach a
/// debugger nor read `/proc/<pid>/mem` and `/proc/<pid>/environ` (root with CAP_SYS_PTRACE still can), and that
/// `/proc/self` belongs to root. A program started later is dumpable again, but inherits that it writes no core.
pub fn harden_process() -> Vec<Shortfall> {
    let mut shortfalls = Vec::new();
    // SAFETY: this prctl takes plain numbers and touches no memory of ours.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) } != 0 {
        shortfalls.push(Shortfall::from_errno(Measure::NotDumpable));
    }
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel reads one `rlimit`, which lives until the call returns.
    if unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) } != 0 {
        shortfalls.push(Shortfall::from_errno(Measure::NoCoreFiles));
    }
    shortfalls
}

/// Gives up, for this process and all it starts, whatever set-user-id programs and file capabilities would grant.
///
/// Holds for the calling thread and for threads and processes that it starts afterwards: call it in `main` before
/// there are others.
///
/// Not part of [`harden_process`], because a workload started by `strongroom` may rightly need `sudo` or `ping`:
/// only for processes that start no programs of other people.
///
/// # Errors
/// When the kernel refuses; the process runs on as before.
pub fn forbid_new_privileges() -> Result<(), Shortfall> {
    // SAFETY: this prctl takes plain numbers and touches no memory of ours.
    match unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(Shortfall::from_errno(Measure::NoNewPrivileges)),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{forbid_new_privileges, harden_process};

    /// Set in the child: hardening cannot be undone, so the test process itself must stay as it is.
    const IN_CHILD: &str = "STRONGROOM_TEST_HARDENED_CHILD";

    fn is_dumpable() -> bool {
        // SAFETY: this prctl takes plain numbers and touches no memory of ours.
        unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 }
    }

    #[test]
    fn a_hardened_process_cannot_be_dumped() {
        if std::env::var_os(IN_CHILD).is_some() {
            return check_in_child();
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "process::tests::a_hardened_process_cannot_be_dumped",
                "--nocapture",
            ])
            .env(IN_CHILD, "1")
            .output()
            .unwrap();
        assert!(
            child.status.success(),
            "{}",
            String::from_utf8_lossy(&child.stderr)
        );
        assert!(String::from_utf8_lossy(&child.stdout).contains("child was hardened"));
    }

    fn check_in_child() {
        assert!(is_dumpable());
        assert!(harden_process().is_empty());
        assert!(!is_dumpable());
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap();
        assert_eq!(
            core.split_whitespace().skip(4).collect::<Vec<_>>(),
            ["0", "0", "bytes"]
        );

        forbid_new_privileges().unwrap();
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(status.lines().any(|line| line == "NoNewPrivs:\t1"));
        println!("child was hardened");
    }
}
