//! The command while it runs: signals go in, changes lead to what was asked for, its end is the end.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until};

use super::delivered::Delivered;
use super::follow::Change;
use super::on_change::OnChange;
use super::process::{self, NotStarted};
use super::server::Server;
use super::signals::{self, Heard};

/// Several changes within this time lead to one action.
const SETTLING: Duration = Duration::from_millis(50);
/// When files that could not be updated are tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The command, and what is to be done about it.
pub struct Supervisor {
    command: Vec<OsString>,
    on_change: OnChange,
    stop_timeout: Duration,
    delivered: Delivered,
    child: Option<Pid>,
    stopping: Stopping,
    /// A command of `--on-change exec=`.
    other: Option<Pid>,
    other_again: bool,
    act_at: Option<Instant>,
    retry_at: Option<Instant>,
    sweep_at: Option<Instant>,
}

/// Why the command is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    /// It is not.
    No,
    /// To be started again; killed at this time.
    ToRestart(Option<Instant>),
    /// Somebody sent it a signal to end.
    ForGood,
}

impl Supervisor {
    /// Nothing runs yet.
    pub fn new(
        command: Vec<OsString>,
        on_change: OnChange,
        stop_timeout: Duration,
        delivered: Delivered,
    ) -> Supervisor {
        Supervisor {
            command,
            on_change,
            stop_timeout,
            delivered,
            child: None,
            stopping: Stopping::No,
            other: None,
            other_again: false,
            act_at: None,
            retry_at: None,
            sweep_at: None,
        }
    }

    /// Starts the command and stays until it ends.
    ///
    /// # Errors
    /// Signals cannot be listened to.
    pub async fn run(mut self, server: &Server) -> anyhow::Result<ExitCode> {
        let mut signals = signals::listen()?;
        let code = match self.start() {
            Err(code) => code,
            Ok(()) => {
                let needs_changes = self.delivered.has_files() || self.on_change != OnChange::None;
                let wanted = if needs_changes {
                    self.delivered.wanted()
                } else {
                    Default::default()
                };
                let mut changes = server.follow(wanted);
                loop {
                    let ended = tokio::select! {
                        Some(heard) = signals.recv() => self.hear(heard),
                        Some(change) = changes.recv() => {
                            self.change(change, &mut changes);
                            None
                        }
                        () = sleep(self.next_time()) => self.time(),
                    };
                    if let Some(code) = ended {
                        break code;
                    }
                }
            }
        };
        self.delivered.finish();
        Ok(ExitCode::from(code))
    }

    fn start(&mut self) -> Result<(), u8> {
        match process::start(&self.command, self.delivered.variables()) {
            Ok(child) => {
                self.child = Some(child);
                Ok(())
            }
            Err(NotStarted { code, message }) => {
                eprintln!("error: {message}");
                Err(code)
            }
        }
    }

    /// Returns the exit code if this was the end.
    fn hear(&mut self, heard: Heard) -> Option<u8> {
        match heard {
            Heard::Child => return self.bury(),
            Heard::PassOn(signal) => {
                self.send(signal);
                self.note_the_end(signal);
            }
            Heard::Shared(signal) => self.note_the_end(signal),
        }
        None
    }

    /// A command that was told to end by somebody else is not started again.
    fn note_the_end(&mut self, signal: Signal) {
        if matches!(self.stopping, Stopping::ToRestart(_))
            && [Signal::INT, Signal::TERM, Signal::QUIT].contains(&signal)
        {
            self.stopping = Stopping::ForGood;
        }
    }

    fn send(&self, signal: Signal) {
        if let Some(child) = self.child {
            // Fails only if it has ended and is about to be buried.
            let _ = kill_process(child, signal);
        }
    }

    fn bury(&mut self) -> Option<u8> {
        let known: Vec<Pid> = self.child.into_iter().chain(self.other).collect();
        process::bury_orphans(&known);
        if let Some(status) = self.other.and_then(process::ended) {
            self.other = None;
            if process::exit_code(status) != 0 {
                let code = process::exit_code(status);
                eprintln!("strongroom: The command of --on-change exec= ended with {code}.");
            }
            if std::mem::take(&mut self.other_again) {
                self.execute_other();
            }
        }
        let status = self.child.and_then(process::ended)?;
        self.child = None;
        match self.stopping {
            Stopping::ToRestart(_) => {
                self.stopping = Stopping::No;
                self.start().err()
            }
            Stopping::No | Stopping::ForGood => Some(process::exit_code(status)),
        }
    }

    fn change(&mut self, change: Change, more: &mut Receiver<Change>) {
        let mut next = Some(change);
        while let Some(change) = next {
            match change {
                Change::Seen(wanted, contents) => self.delivered.take(wanted, contents),
                Change::Lost(wanted, reason) => eprintln!(
                    "strongroom: Changes of the {} {:?} cannot be seen now: {reason}. What is in place stays.",
                    wanted.kind, wanted.name
                ),
                Change::Found(wanted) => eprintln!(
                    "strongroom: Changes of the {} {:?} are seen again.",
                    wanted.kind, wanted.name
                ),
            }
            next = more.try_recv().ok();
        }
        self.update();
    }

    fn update(&mut self) {
        if self.delivered.update() && self.on_change != OnChange::None && self.act_at.is_none() {
            self.act_at = Some(Instant::now() + SETTLING);
        }
        self.retry_at = self.delivered.is_behind().then(|| Instant::now() + RETRY);
        self.sweep_at = self.delivered.sweep().map(Instant::from_std);
    }

    fn next_time(&self) -> Option<Instant> {
        let kill_at = match self.stopping {
            Stopping::ToRestart(kill_at) => kill_at,
            Stopping::No | Stopping::ForGood => None,
        };
        [self.act_at, self.retry_at, self.sweep_at, kill_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due. Returns the exit code if that was the end.
    fn time(&mut self) -> Option<u8> {
        let now = Instant::now();
        let is_due = |time: Option<Instant>| time.is_some_and(|time| time <= now);
        if is_due(self.retry_at) {
            self.update();
        }
        if is_due(self.sweep_at) {
            self.sweep_at = self.delivered.sweep().map(Instant::from_std);
        }
        if let Stopping::ToRestart(kill_at) = self.stopping
            && is_due(kill_at)
        {
            self.send(Signal::KILL);
            self.stopping = Stopping::ToRestart(None);
        }
        if is_due(self.act_at) {
            self.act_at = None;
            self.act();
        }
        None
    }

    fn act(&mut self) {
        match &self.on_change {
            OnChange::None => {}
            OnChange::Signal(signal) => self.send(*signal),
            OnChange::Restart if self.stopping == Stopping::No => {
                self.stopping = Stopping::ToRestart(Some(Instant::now() + self.stop_timeout));
                self.send(Signal::TERM);
            }
            // On its way already; it will be started with what there is then.
            OnChange::Restart => {}
            OnChange::Execute(_) if self.other.is_some() => self.other_again = true,
            OnChange::Execute(_) => self.execute_other(),
        }
    }

    fn execute_other(&mut self) {
        let OnChange::Execute(command) = &self.on_change else {
            return;
        };
        let command = ["/bin/sh", "-c", command].map(OsString::from);
        match process::start(&command, self.delivered.variables()) {
            Ok(process) => self.other = Some(process),
            Err(NotStarted { message, .. }) => eprintln!("strongroom: {message}"),
        }
    }
}

async fn sleep(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
