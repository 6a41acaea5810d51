//! Signals, and where they come from.

use std::collections::BTreeSet;

use anyhow::Context as _;
use rustix::process::Signal;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::mpsc;

/// What is passed on to the command.
const PASSED_ON: [Signal; 8] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::TERM,
    Signal::WINCH,
];
/// What a terminal tells everybody in its foreground, the command included.
const FROM_TERMINAL: [Signal; 3] = [Signal::INT, Signal::QUIT, Signal::WINCH];

/// A signal that this process was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A process that was started has ended.
    Child,
    /// Something for the command.
    PassOn(Signal),
    /// Something that the command was sent as well.
    Shared(Signal),
}

/// Listens from now on. What was ignored when this process began, as under `nohup`, stays so.
///
/// # Errors
/// The system's.
pub fn listen() -> anyhow::Result<mpsc::UnboundedReceiver<Heard>> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = ignored(&status);
    let listened: Vec<i32> = PASSED_ON
        .into_iter()
        .chain([Signal::CHILD])
        .map(Signal::as_raw)
        .filter(|signal| *signal == Signal::CHILD.as_raw() || !ignored.contains(signal))
        .collect();
    let mut signals: SignalsInfo<WithOrigin> =
        SignalsInfo::new(listened).context("Signals cannot be listened to")?;
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for origin in &mut signals {
                let Some(heard) = heard(origin.signal, origin.cause) else {
                    continue;
                };
                if sender.send(heard).is_err() {
                    return;
                }
            }
        })?;
    Ok(receiver)
}

fn heard(raw: i32, cause: Cause) -> Option<Heard> {
    if raw == Signal::CHILD.as_raw() {
        return Some(Heard::Child);
    }
    let signal = PASSED_ON.into_iter().find(|signal| signal.as_raw() == raw)?;
    let is_shared = matches!(cause, Cause::Kernel) && FROM_TERMINAL.contains(&signal);
    Some(if is_shared {
        Heard::Shared(signal)
    } else {
        Heard::PassOn(signal)
    })
}

/// The signals that `/proc/self/status` says are ignored.
fn ignored(status: &str) -> BTreeSet<i32> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    (1..=64)
        .filter(|signal| mask & (1 << (signal - 1)) != 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals() {
        for (status, expect) in [
            ("Name:\tx\nSigIgn:\t0000000000000001\n", vec![1]),
            ("SigIgn:\t0000000000001006\nSigCgt:\t1\n", vec![2, 3, 13]),
            ("SigIgn:\t8000000000000000\n", vec![64]),
            ("SigIgn:\t0\n", vec![]),
            ("nothing", vec![]),
        ] {
            assert_eq!(
                ignored(status).into_iter().collect::<Vec<_>>(),
                expect,
                "{status:?}"
            );
        }
    }
}
