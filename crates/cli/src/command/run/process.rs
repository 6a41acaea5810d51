//! Starting the command, and how it ended.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};

use super::variables::Variables;

/// It cannot be executed.
const NOT_EXECUTABLE: u8 = 126;
/// There is no such command.
const NOT_FOUND: u8 = 127;
/// Added to the number of the signal that ended a process.
const SIGNALLED: i32 = 128;

/// Why a command was not started.
pub struct NotStarted {
    /// The exit code for it.
    pub code: u8,
    /// A sentence.
    pub message: String,
}

/// Starts a command with these variables besides those of this process.
///
/// # Errors
/// It does not exist or cannot be executed.
pub fn start(command: &[OsString], variables: &Variables) -> Result<Pid, NotStarted> {
    let (program, arguments) = command.split_first().ok_or_else(|| NotStarted {
        code: NOT_FOUND,
        message: "There is no command.".to_owned(),
    })?;
    let name = program.to_string_lossy();
    let spawned = Command::new(program)
        .args(arguments)
        .envs(
            variables
                .iter()
                .map(|(name, value)| (name, OsStr::from_bytes(value))),
        )
        .spawn();
    match spawned {
        Ok(child) => Pid::from_raw(child.id().cast_signed()).ok_or_else(|| NotStarted {
            code: NOT_EXECUTABLE,
            message: format!("{name} has no process."),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(NotStarted {
            code: NOT_FOUND,
            message: format!("There is no command {name}; look at its spelling and at $PATH."),
        }),
        Err(error) if error.kind() == ErrorKind::ArgumentListTooLong => Err(NotStarted {
            code: NOT_EXECUTABLE,
            message: format!(
                "{name} cannot be started with so much in its environment; give large values as files with \
                 --secret-dir."
            ),
        }),
        Err(error) => Err(NotStarted {
            code: NOT_EXECUTABLE,
            message: format!("{name} cannot be executed: {error}."),
        }),
    }
}

/// How a process ended that was started here; `None` while it runs.
pub fn ended(process: Pid) -> Option<WaitStatus> {
    waitpid(Some(process), WaitOptions::NOHANG)
        .ok()
        .flatten()
        .map(|(_, status)| status)
}

/// As process 1, also buries what others left behind. `known` are waited for by themselves.
pub fn bury_orphans(known: &[Pid]) {
    if rustix::process::getpid() != Pid::INIT {
        return;
    }
    let children = std::fs::read_to_string("/proc/self/task/1/children").unwrap_or_default();
    let children = children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .filter_map(Pid::from_raw);
    for orphan in children.filter(|child| !known.contains(child)) {
        ended(orphan);
    }
}

/// The exit code that tells how a process ended.
pub fn exit_code(status: WaitStatus) -> u8 {
    let code = status
        .exit_status()
        .or(status.terminating_signal().map(|signal| SIGNALLED + signal));
    u8::try_from(code.unwrap_or(0)).unwrap_or(u8::MAX)
}
