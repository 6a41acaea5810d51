//! What a change leads to.

use rustix::process::Signal;

use crate::misread::Misread;

/// What a change leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnChange {
    /// Nothing; files follow all the same.
    None,
    /// The command is ended and started again.
    Restart,
    /// The command is sent a signal.
    Signal(Signal),
    /// Another command is run.
    Execute(String),
}

/// The signals that can be asked for.
const SIGNALS: [(&str, Signal); 11] = [
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("ALARM", Signal::ALARM),
    ("ALRM", Signal::ALARM),
    ("TERM", Signal::TERM),
    ("CONT", Signal::CONT),
    ("WINCH", Signal::WINCH),
    ("KILL", Signal::KILL),
];

/// Reads `restart`, `signal=HUP`, `exec=COMMAND` or `none`.
pub fn parse(text: &str) -> Result<OnChange, Misread> {
    match text.split_once('=') {
        None if text == "none" => Ok(OnChange::None),
        None if text == "restart" => Ok(OnChange::Restart),
        Some(("signal", name)) => {
            let upper = name.to_ascii_uppercase();
            let short = upper.strip_prefix("SIG").unwrap_or(&upper);
            let is_meant =
                |known: &str, signal: Signal| known == short || signal.as_raw().to_string() == short;
            let found = SIGNALS
                .into_iter()
                .find(|(known, signal)| is_meant(known, *signal));
            let (_, signal) = found.ok_or(Misread(
                "expected a signal that programs handle, such as signal=HUP or signal=USR1",
            ))?;
            Ok(OnChange::Signal(signal))
        }
        Some(("exec", command)) if !command.trim().is_empty() => Ok(OnChange::Execute(command.to_owned())),
        _ => Err(Misread("expected restart, signal=HUP, exec=COMMAND or none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions() {
        for (text, expect) in [
            ("none", Some(OnChange::None)),
            ("restart", Some(OnChange::Restart)),
            ("signal=HUP", Some(OnChange::Signal(Signal::HUP))),
            ("signal=SIGUSR1", Some(OnChange::Signal(Signal::USR1))),
            ("signal=usr2", Some(OnChange::Signal(Signal::USR2))),
            ("signal=1", Some(OnChange::Signal(Signal::HUP))),
            (
                "exec=nginx -s reload",
                Some(OnChange::Execute("nginx -s reload".to_owned())),
            ),
            ("exec=a=b", Some(OnChange::Execute("a=b".to_owned()))),
            ("", None),
            ("reload", None),
            ("restart=now", None),
            ("signal", None),
            ("signal=", None),
            ("signal=SEGV", None),
            ("exec=", None),
            ("exec= ", None),
        ] {
            assert_eq!(parse(text).ok(), expect, "{text:?}");
        }
    }
}
