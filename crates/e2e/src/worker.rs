//! A node in a process of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::command::binary;
use crate::kubectl::Kubectl;
use crate::pods::containers;
use crate::server::Server;

const TOKEN: &str = "abcdef.0123456789abcdef";
const TOKEN_SECRET: &str = r#"
apiVersion: v1
kind: Secret
metadata: {name: bootstrap-token-abcdef, namespace: kube-system}
type: bootstrap.kubernetes.io/token
stringData:
  token-id: abcdef
  token-secret: 0123456789abcdef
  usage-bootstrap-authentication: "true"
"#;

/// A `strongroom node` process; killed when dropped, its containers not.
pub struct Worker {
    child: Child,
    directory: PathBuf,
    starts: usize,
    arguments: Vec<String>,
    group: u32,
    /// The node's name.
    pub name: String,
}

impl Worker {
    /// A node that gets its credentials by a bootstrap token; its process is of this group.
    pub fn start(server: &Server, kubectl: &Kubectl, group: u32) -> Worker {
        kubectl.run_with(&["apply", "-f", "-"], TOKEN_SECRET, &[]).ok();
        for role in [
            "system:node-bootstrapper",
            "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        ] {
            let name = role.replace(':', "-");
            let role = format!("--clusterrole={role}");
            kubectl.ok(&[
                "create",
                "clusterrolebinding",
                &name,
                &role,
                "--group=system:bootstrappers",
            ]);
        }
        let directory = server.scratch().join("worker");
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join("token"), format!("{TOKEN}\n")).expect("a file");
        let name = format!("worker-{}-{}", std::process::id(), server.port());
        let path = |name: &str| directory.join(name).display().to_string();
        let arguments: Vec<String> = [
            ("--server", server.url()),
            (
                "--certificate-authority",
                server.data().join("pki/ca.crt").display().to_string(),
            ),
            ("--token-file", path("token")),
            ("--kubeconfig", path("kubeconfig")),
            ("--node-name", name.clone()),
            ("--root-dir", path("node")),
            ("--pod-logs-dir", path("node/logs")),
            ("--port", "0".to_owned()),
            ("--container-runtime-endpoint", containers().containerd.endpoint()),
        ]
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect();
        Worker {
            child: spawn(&directory, 0, &arguments, group),
            directory,
            starts: 0,
            arguments,
            group,
            name,
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, killing it first.
    pub fn restart(&mut self) {
        self.kill();
        self.starts += 1;
        self.child = spawn(&self.directory, self.starts, &self.arguments, self.group);
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its volumes and logs lie.
    pub fn root_dir(&self) -> PathBuf {
        self.directory.join("node")
    }

    /// All it printed.
    pub fn logs(&self) -> String {
        let read = |start| fs::read_to_string(self.directory.join(format!("log.{start}")));
        (0..=self.starts)
            .map(|start| read(start).unwrap_or_default())
            .collect()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the node's log ---\n{}", self.logs());
        }
    }
}

fn spawn(directory: &Path, start: usize, arguments: &[String], group: u32) -> Child {
    let log = File::create(directory.join(format!("log.{start}"))).expect("a log");
    Command::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "--keep-groups",
            "--regid",
            &group.to_string(),
            "--",
        ])
        .arg(binary())
        .arg("node")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a handle"))
        .stderr(log)
        .spawn()
        .expect("the node starts")
}
