//! Real kubectl against a server.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::server::Server;
use crate::tools::kubectl_directory;

/// A kubectl of one version with a home of its own.
pub struct Kubectl {
    /// `1.20`, `1.32` or `1.36`.
    pub version: &'static str,
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    /// The command, for messages.
    pub line: String,
    /// The exit code; −1 when killed.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Kubectl {
    /// A kubectl for the administrator of a server.
    pub fn new(version: &'static str, server: &Server) -> Kubectl {
        let home = server.scratch().join(format!("home-{version}"));
        std::fs::create_dir_all(&home).expect("a home");
        Kubectl {
            version,
            program: kubectl_directory(version).join("kubectl"),
            kubeconfig: server.kubeconfig(),
            home,
        }
    }

    /// A kubectl for somebody with a bearer token, by a kubeconfig that kubectl itself has written.
    #[track_caller]
    pub fn with_token(&self, user: &str, server: &Server, token: &str) -> Kubectl {
        self.with_credentials(user, server, &[&format!("--token={token}")])
    }

    /// A kubectl for somebody with a certificate and its key, both PEM.
    #[track_caller]
    pub fn with_certificate(&self, user: &str, server: &Server, certificate: &str, key: &str) -> Kubectl {
        let file = |kind: &str, content: &str| {
            let path = self.file(&format!("{user}.{kind}"), content);
            format!("--client-{kind}={}", path.display())
        };
        let (certificate, key) = (file("certificate", certificate), file("key", key));
        self.with_credentials(user, server, &[&certificate, &key, "--embed-certs=true"])
    }

    #[track_caller]
    fn with_credentials(&self, user: &str, server: &Server, credentials: &[&str]) -> Kubectl {
        let path = self.home.join(format!("{user}.kubeconfig"));
        let file = format!("--kubeconfig={}", path.display());
        let authority = format!(
            "--certificate-authority={}",
            server.data().join("pki/ca.crt").display()
        );
        let address = format!("--server={}", server.url());
        let user_flag = format!("--user={user}");
        // Debian's 1.20 crashes when it writes credentials.
        let writer = Kubectl {
            version: "1.36",
            program: kubectl_directory("1.36").join("kubectl"),
            kubeconfig: self.kubeconfig.clone(),
            home: self.home.clone(),
        };
        for words in [
            &["set-cluster", "here", &address, &authority, "--embed-certs=true"][..],
            &[&["set-credentials", user], credentials].concat(),
            &["set-context", "here", "--cluster=here", &user_flag],
            &["use-context", "here"],
        ] {
            writer.ok(&[&["config", file.as_str()], words].concat());
        }
        Kubectl {
            version: self.version,
            program: self.program.clone(),
            kubeconfig: path,
            home: self.home.clone(),
        }
    }

    /// Its working directory, where the files of a test lie.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Writes a file into the working directory.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home.join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// The minor version as a number.
    pub fn minor(&self) -> u32 {
        self.version
            .rsplit('.')
            .next()
            .and_then(|minor| minor.parse().ok())
            .expect("1.NN")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(&self.home)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", &self.home)
            .env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// Runs a command to its end; at most a minute.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "", &[])
    }

    /// Runs with standard input and more environment.
    pub fn run_with(&self, arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> Ran {
        let line = format!("kubectl-{} {}", self.version, arguments.join(" "));
        let mut command = Command::new("timeout");
        let inner = self.command(arguments);
        command
            .args(["-k", "1", "60"])
            .arg(inner.get_program())
            .args(inner.get_args())
            .current_dir(&self.home);
        command.env_clear();
        for (name, value) in inner.get_envs() {
            command.env(name, value.expect("only set variables"));
        }
        command.envs(environment.iter().copied());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        let mut stdin = child.stdin.take().expect("piped");
        let input = input.to_owned();
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(input.as_bytes());
        });
        let output = child.wait_with_output().expect("kubectl ends");
        let _ = writer.join();
        Ran {
            line,
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs and expects success; returns standard output.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).ok()
    }

    /// Runs and expects success; returns standard output as JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(arguments);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// Runs and expects failure; returns standard error.
    #[track_caller]
    pub fn fails(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_ne!(ran.code, 0, "should have failed: {ran:?}");
        ran.stderr
    }

    /// Starts a command that goes on, its output in a file of the working directory.
    pub fn spawn(&self, arguments: &[&str], output: &str) -> Child {
        let file = std::fs::File::create(self.home.join(output)).expect("a file");
        let errors = file.try_clone().expect("a second handle");
        self.command(arguments)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .expect("kubectl starts")
    }

    /// The same with a standard input that begins with `input` and does not end before the process.
    pub fn spawn_with_input(&self, arguments: &[&str], output: &str, input: &str) -> Child {
        let file = std::fs::File::create(self.home.join(output)).expect("a file");
        let errors = file.try_clone().expect("a second handle");
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .expect("kubectl starts");
        let stdin = child.stdin.as_mut().expect("piped");
        stdin.write_all(input.as_bytes()).expect("kubectl reads");
        child
    }
}

impl Ran {
    /// Standard output of a command that must succeed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(
            self.code, 0,
            "{}\nstdout: {}\nstderr: {}",
            self.line, self.stdout, self.stderr
        );
        self.stdout
    }
}
