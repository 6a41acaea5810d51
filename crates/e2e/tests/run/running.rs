//! A server with objects, and commands that run under `strongroom run`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_e2e::{Client, Server, binary};
use tokio::runtime::Runtime;

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server, its administrator, and a directory.
pub struct Place {
    pub server: Server,
    client: Client,
    runtime: Runtime,
}

impl Place {
    pub fn new() -> Place {
        let server = Server::start();
        let client = server.client();
        Place {
            server,
            client,
            runtime: Runtime::new().unwrap(),
        }
    }

    /// A directory of the test's own, for files to be mounted over.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.server.scratch().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Makes a Secret hold exactly these keys. Returns when that was acknowledged.
    pub fn secret(&self, name: &str, data: &[(&str, &str)]) -> Instant {
        self.put("secrets", name, json!({"stringData": text(data)}))
    }

    pub fn config_map(&self, name: &str, data: &[(&str, &str)]) -> Instant {
        self.put("configmaps", name, json!({"data": text(data)}))
    }

    /// Gives a user these verbs on one Secret, and no others.
    pub fn role(&self, name: &str, user: &str, verbs: &[&str], secret: &str) {
        let rules =
            json!([{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": verbs}]);
        let group = "rbac.authorization.k8s.io";
        let reference = json!({"apiGroup": group, "kind": "Role", "name": name});
        let subjects = json!([{"apiGroup": group, "kind": "User", "name": user}]);
        let base = format!("/apis/{group}/v1/namespaces/default");
        self.put_at(&format!("{base}/roles"), name, json!({"rules": rules}));
        self.put_at(
            &format!("{base}/rolebindings"),
            name,
            json!({"roleRef": reference, "subjects": subjects}),
        );
    }

    /// Makes an object be so, with this name.
    pub fn put(&self, resource: &str, name: &str, body: Value) -> Instant {
        self.put_at(&format!("/api/v1/namespaces/default/{resource}"), name, body)
    }

    fn put_at(&self, collection: &str, name: &str, mut body: Value) -> Instant {
        body["metadata"] = json!({"name": name});
        self.runtime.block_on(async {
            let mut reply = self.client.put(&format!("{collection}/{name}"), &body).await;
            if reply.status == 404 {
                reply = self.client.post(collection, &body).await;
            }
            assert!(reply.status == 200 || reply.status == 201, "{}", reply.text());
        });
        Instant::now()
    }

    pub fn delete(&self, resource: &str, name: &str) {
        let path = format!("/api/v1/namespaces/default/{resource}/{name}");
        self.runtime.block_on(self.client.delete(&path)).expect(200);
    }

    /// Stops the server; `restart` brings it back under the same address.
    pub fn kill(&mut self) {
        self.server.options().port = self.server.port();
        self.server.kill();
    }

    pub fn restart(&mut self) {
        self.server.restart();
        self.client = self.server.client();
    }

    /// `strongroom run` with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Running {
        Running::spawn(&mut self.command(arguments))
    }

    /// The same, run to its end: exit code, output, errors.
    pub fn ended(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut running = self.run(arguments);
        let code = running.wait().code().expect("an exit code");
        (code, running.output(), running.errors())
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        // What started the tests may ignore signals, which everything below inherits.
        let mut command = Command::new("env");
        command
            .args(["--default-signal", "setpriv", "--pdeathsig", "KILL", "--"])
            .arg(binary())
            .arg("run")
            .args(arguments);
        command
            .env("KUBECONFIG", self.server.kubeconfig())
            .current_dir(self.server.scratch());
        command
    }
}

fn text(data: &[(&str, &str)]) -> Value {
    data.iter()
        .map(|(key, value)| ((*key).to_owned(), Value::from(*value)))
        .collect()
}

/// A process and what it has printed so far; killed when dropped.
pub struct Running {
    child: Child,
    output: Arc<Mutex<Vec<u8>>>,
    errors: Arc<Mutex<Vec<u8>>>,
}

impl Running {
    pub fn spawn(command: &mut Command) -> Running {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = collect(child.stdout.take().unwrap());
        let errors = collect(child.stderr.take().unwrap());
        Running {
            child,
            output,
            errors,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn type_in(&mut self, text: &str) {
        use std::io::Write;
        self.child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
        assert!(status.unwrap().success());
    }

    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap()).into_owned()
    }

    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.errors.lock().unwrap()).into_owned()
    }

    /// Waits until the output has this line.
    pub fn prints(&self, line: &str) {
        self.prints_within(line, PATIENCE);
    }

    pub fn prints_within(&self, line: &str, patience: Duration) {
        let has = || self.output().lines().any(|printed| printed == line);
        assert!(
            comes_true(patience, has),
            "no {line:?} in\n{}\n{}",
            self.output(),
            self.errors()
        );
    }

    /// Waits until the errors have this text.
    pub fn warns(&self, text: &str) {
        let has = || self.errors().contains(text);
        assert!(
            comes_true(PATIENCE, has),
            "no {text:?} in\n{}\n{}",
            self.output(),
            self.errors()
        );
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn wait(&mut self) -> ExitStatus {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                // What was printed last is on its way.
                std::thread::sleep(Duration::from_millis(30));
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end:\n{}\n{}", self.output(), self.errors());
    }
}

impl Drop for Running {
    /// The command outlives a killed launcher, so it goes first.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            for pid in descendants(self.pid()) {
                let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn comes_true(patience: Duration, holds: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < patience {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    holds()
}

/// The children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn descendants(pid: u32) -> Vec<u32> {
    let mut all = children(pid);
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        all.extend(children(*pid));
        next += 1;
    }
    all
}

/// The volume as the command sees it, from outside its namespace.
pub fn inside(running: &Running, path: &Path) -> PathBuf {
    let child = *children(running.pid()).first().expect("a command");
    Path::new(&format!("/proc/{child}/root")).join(path.strip_prefix("/").unwrap())
}

fn collect(mut from: impl Read + Send + 'static) -> Arc<Mutex<Vec<u8>>> {
    let collected = Arc::new(Mutex::new(Vec::new()));
    let into = collected.clone();
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(count) = from.read(&mut piece) {
            if count == 0 {
                break;
            }
            into.lock().unwrap().extend_from_slice(&piece[..count]);
        }
    });
    collected
}
