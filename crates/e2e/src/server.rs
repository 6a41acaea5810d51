//! One `strongroom up` process with its own data directory.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::{Client, Credentials, Http};
use crate::command::{ADMIN_KUBECONFIG, printed_port, up};

const PATIENCE: Duration = Duration::from_secs(30);

/// How to start a server; `Options::default()` is what a new user types.
#[derive(Clone, Default)]
pub struct Options {
    /// More arguments of `strongroom up`.
    pub arguments: Vec<String>,
    /// More environment.
    pub environment: Vec<(String, String)>,
    /// A program to run it under, such as `strace`, with its arguments.
    pub wrapper: Vec<String>,
    /// The port; any free one when 0.
    pub port: u16,
    /// The log level; `info` when empty.
    pub log_level: String,
    /// A data directory that somebody else owns; a fresh temporary one when none.
    pub data_directory: Option<PathBuf>,
}

impl Options {
    /// The defaults with more arguments.
    pub fn with_arguments(arguments: &[&str]) -> Options {
        Options {
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            ..Options::default()
        }
    }
}

/// A running server; killed when dropped.
pub struct Server {
    options: Options,
    directory: TempDir,
    child: Child,
    port: u16,
    starts: usize,
}

impl Server {
    /// A server on a new data directory, ready.
    pub fn start() -> Server {
        Server::start_with(Options::default())
    }

    /// A server with options, ready.
    pub fn start_with(options: Options) -> Server {
        match Server::try_start(options) {
            Ok(server) => server,
            Err(message) => panic!("{message}"),
        }
    }

    /// A server with options, or what it printed instead of becoming ready.
    #[allow(clippy::result_large_err)]
    pub fn try_start(options: Options) -> Result<Server, StartFailure> {
        let directory = tempfile::Builder::new()
            .prefix("strongroom-e2e-")
            .tempdir()
            .expect("a temporary directory");
        let child = spawn(&options, directory.path(), 0);
        let mut server = Server {
            options,
            directory,
            child,
            port: 0,
            starts: 1,
        };
        server.wait_until_listening()?;
        Ok(server)
    }

    /// Starts again on the same data, after the process has ended.
    pub fn restart(&mut self) {
        if let Err(failure) = self.try_restart() {
            panic!("{failure}");
        }
    }

    /// Starts again on the same data, or says what it printed instead of becoming ready.
    pub fn try_restart(&mut self) -> Result<(), StartFailure> {
        self.kill();
        self.child = spawn(&self.options, self.directory.path(), self.starts);
        self.starts += 1;
        self.wait_until_listening()
    }

    /// Options for the next start.
    pub fn options(&mut self) -> &mut Options {
        &mut self.options
    }

    fn wait_until_listening(&mut self) -> Result<(), StartFailure> {
        let start = Instant::now();
        loop {
            if let Some(port) = printed_port(&self.stdout())
                && TcpStream::connect(("127.0.0.1", port)).is_ok()
            {
                self.port = port;
                return Ok(());
            }
            let ended = self.child.try_wait().expect("the child is ours");
            if ended.is_some() || start.elapsed() > PATIENCE {
                return Err(StartFailure {
                    status: ended,
                    output: self.logs(),
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        data_directory(&self.options, self.directory.path())
    }

    /// A directory for files of the test, removed with the server.
    pub fn scratch(&self) -> PathBuf {
        let path = self.directory.path().join("scratch");
        fs::create_dir_all(&path).expect("a scratch directory");
        path
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.data().join(ADMIN_KUBECONFIG)
    }

    /// The port it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The process id of the server itself, not of a program it runs under.
    pub fn pid(&self) -> u32 {
        let child = self.child.id();
        if self.options.wrapper.is_empty() {
            return child;
        }
        let children = fs::read_to_string(format!("/proc/{child}/task/{child}/children")).unwrap_or_default();
        children
            .split_whitespace()
            .next()
            .and_then(|pid| pid.parse().ok())
            .unwrap_or(child)
    }

    /// The administrator over HTTP/1.1.
    pub fn client(&self) -> Client {
        Client::new(
            self.port,
            &Credentials::from_kubeconfig(&self.kubeconfig()),
            Http::One,
        )
    }

    /// The administrator over HTTP/2.
    pub fn client_http2(&self) -> Client {
        Client::new(
            self.port,
            &Credentials::from_kubeconfig(&self.kubeconfig()),
            Http::Two,
        )
    }

    /// Somebody else, with a certificate of this server's authority, over HTTP/1.1.
    pub fn user(&self, name: &str, groups: &[&str]) -> Client {
        let file = self.scratch().join(format!("{name}.kubeconfig"));
        let mut command = std::process::Command::new(crate::command::binary());
        command
            .args(["kubeconfig", "--user", name, "--data-dir"])
            .arg(self.data())
            .arg("--output")
            .arg(&file);
        for group in groups {
            command.args(["--group", group]);
        }
        let output = command.output().expect("strongroom kubeconfig runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Client::new(self.port, &Credentials::from_kubeconfig(&file), Http::One)
    }

    /// A caller without a certificate.
    pub fn anonymous(&self) -> Client {
        Client::new(
            self.port,
            &Credentials::from_kubeconfig(&self.kubeconfig()).without_certificate(),
            Http::One,
        )
    }

    /// A caller with a bearer token.
    pub fn bearer(&self, token: &str) -> Client {
        self.anonymous()
            .with_header("authorization", &format!("Bearer {token}"))
    }

    /// The audit log's file of now, where it is unless an option says otherwise.
    pub fn audit_log(&self) -> PathBuf {
        self.data().join("audit/audit.log")
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill(&mut self) {
        signal("KILL", self.pid());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by name, such as `INT`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        signal(name, self.pid());
    }

    /// SIGINT (Ctrl-C), and the exit status once it has ended.
    pub fn interrupt(&mut self) -> ExitStatus {
        self.signal("INT");
        self.wait(PATIENCE).expect("the server ends after SIGINT")
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return Some(status);
            }
            if start.elapsed() > patience {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_none()
    }

    /// Standard output of the last start.
    pub fn stdout(&self) -> String {
        read(&output_file(self.directory.path(), self.starts - 1, "stdout"))
    }

    /// Standard error of the last start.
    pub fn stderr(&self) -> String {
        read(&output_file(self.directory.path(), self.starts - 1, "stderr"))
    }

    /// All that every start printed.
    pub fn logs(&self) -> String {
        (0..self.starts)
            .flat_map(|start| {
                ["stdout", "stderr"].map(|stream| read(&output_file(self.directory.path(), start, stream)))
            })
            .collect()
    }

    /// Panics when the server has ended or said that something panicked.
    pub fn assert_healthy(&mut self) {
        assert!(self.is_running(), "the server has ended:\n{}", self.logs());
        let logs = self.logs();
        assert!(!logs.contains("panicked at"), "a panic:\n{logs}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let logs = self.logs();
            let tail: Vec<&str> = logs.lines().rev().take(40).collect();
            eprintln!("--- the server's last lines ---");
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
        }
    }
}

/// A server that did not become ready.
#[derive(Debug)]
pub struct StartFailure {
    /// How it ended, if it did.
    pub status: Option<ExitStatus>,
    /// All it printed.
    pub output: String,
}

impl std::fmt::Display for StartFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            Some(status) => write!(
                formatter,
                "the server ended ({status}) before it was ready:\n{}",
                self.output
            ),
            None => write!(formatter, "the server was not ready in time:\n{}", self.output),
        }
    }
}

impl std::error::Error for StartFailure {}

/// A number from the environment, or the default: how long a bounded test runs.
pub fn setting<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn spawn(options: &Options, directory: &Path, number: usize) -> Child {
    let create = |stream| File::create(output_file(directory, number, stream)).expect("a log file");
    let level = if options.log_level.is_empty() {
        "info"
    } else {
        &options.log_level
    };
    let mut command = up(
        &options.wrapper,
        &data_directory(options, directory),
        options.port,
        level,
        &options.arguments,
    );
    command
        .current_dir(directory)
        .env("HOME", directory)
        .envs(options.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(create("stdout"))
        .stderr(create("stderr"));
    command.spawn().expect("the server starts")
}

fn data_directory(options: &Options, directory: &Path) -> PathBuf {
    options
        .data_directory
        .clone()
        .unwrap_or_else(|| directory.join("data"))
}

fn output_file(directory: &Path, number: usize, stream: &str) -> PathBuf {
    directory.join(format!("{stream}.{number}"))
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn signal(name: &str, pid: u32) {
    let _ = std::process::Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .stderr(Stdio::null())
        .status();
}
