//! The facts about the command line that the harness relies on, in one place.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The administrator's kubeconfig, relative to the data directory.
pub const ADMIN_KUBECONFIG: &str = "kubeconfig";

/// The binary under test.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("STRONGROOM_BIN") {
        return path.into();
    }
    // A test runs as target/<profile>/deps/<name>-<hash>.
    let test = std::env::current_exe().expect("a running test has a path");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("tests live in target/<profile>/deps");
    let binary = profile.join("strongroom");
    assert!(
        binary.exists(),
        "{} is missing: cargo build -p strongroom",
        binary.display()
    );
    binary
}

/// `strongroom up` on `data`, on a port (0 for any free one), speaking its mind at `level`.
pub(crate) fn up(wrapper: &[String], data: &Path, port: u16, level: &str, arguments: &[String]) -> Command {
    // The server must not outlive a test that was killed.
    let mut words: Vec<String> = ["setpriv", "--pdeathsig", "KILL", "--"]
        .map(str::to_owned)
        .to_vec();
    words.extend_from_slice(wrapper);
    words.push(binary().display().to_string());
    words.extend(["up", "--bind-address", "127.0.0.1", "--log-level", level].map(str::to_owned));
    words.extend(["--secure-port".to_owned(), port.to_string()]);
    words.push("--data-dir".to_owned());
    words.push(data.display().to_string());
    words.extend_from_slice(arguments);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// The port in what `strongroom up` prints once it listens: the first `https://127.0.0.1:PORT`.
pub(crate) fn printed_port(stdout: &str) -> Option<u16> {
    let complete = &stdout[..stdout.rfind('\n')?];
    let rest = &complete[complete.find("https://127.0.0.1:")? + "https://127.0.0.1:".len()..];
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
