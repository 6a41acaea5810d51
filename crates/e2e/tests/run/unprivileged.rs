//! Somebody who is not root.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use strongroom_e2e::binary;

use crate::running::{Place, Running};

const NOBODY: u32 = 65534;

/// What a user needs: a program and a kubeconfig that can be read, and a directory of one's own.
pub struct Home(tempfile::TempDir, u32);

impl Home {
    pub fn new(place: &Place, user: u32) -> Home {
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let program = home.path().join("strongroom");
        if std::fs::hard_link(binary(), &program).is_err() {
            std::fs::copy(binary(), &program).unwrap();
        }
        let kubeconfig = home.path().join("kubeconfig");
        std::fs::copy(place.server.kubeconfig(), &kubeconfig).unwrap();
        std::fs::create_dir(home.path().join("files")).unwrap();
        for path in [home.path(), &kubeconfig, &home.path().join("files")] {
            chown(path, Some(user), Some(user)).unwrap();
        }
        Home(home, user)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn run(&self, before: &[&str], arguments: &[&str]) -> Running {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid",
                &self.1.to_string(),
                "--regid",
                &self.1.to_string(),
                "--clear-groups",
            ])
            .args(before)
            .arg("--")
            .arg(self.path().join("strongroom"))
            .arg("run")
            .args(arguments)
            .env("KUBECONFIG", self.path().join("kubeconfig"))
            .current_dir(self.path());
        Running::spawn(&mut command)
    }
}

#[test]
fn files_by_a_user_namespace() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    let home = Home::new(&place, NOBODY);
    let script = "id -u; id -g; stat -L -c '%a %u:%g' files/a; cat files/a new/er/a; echo; \
                  trap 'cat files/a; echo; exit 0' USR1; echo ready; while :; do sleep 0.1; done";
    let mut running = home.run(
        &[],
        &[
            "--secret-dir",
            "db=files",
            "--secret-dir",
            "db=new/er",
            "--on-change",
            "signal=USR1",
            "--",
            "sh",
            "-c",
            script,
        ],
    );
    running.prints("ready");
    assert_eq!(
        running.output(),
        "65534\n65534\n400 65534:65534\n11\nready\n",
        "{}",
        running.errors()
    );
    assert_eq!(std::fs::read_dir(home.path().join("files")).unwrap().count(), 0);
    place.secret("db", &[("a", "2")]);
    assert_eq!(running.wait().code(), Some(0));
    assert!(running.output().ends_with("ready\n2\n"), "{}", running.output());
    assert!(!home.path().join("new").exists());
    assert_eq!(running.errors(), "");
}

#[test]
fn without_namespaces_it_says_what_is_needed() {
    let place = Place::new();
    place.secret("db", &[("a", "1")]);
    let home = Home::new(&place, NOBODY);
    // In a user namespace that may have no more below it.
    let limited = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--",
            "unshare",
            "--user",
            "--map-root-user",
        ])
        .args([
            "sh",
            "-c",
            limited,
            "sh",
            "setpriv",
            "--bounding-set",
            "-all",
            "--inh-caps",
            "-all",
        ])
        .arg(home.path().join("strongroom"))
        .args(["run", "--secret-dir", "db=files", "--", "echo", "ran"])
        .env("KUBECONFIG", home.path().join("kubeconfig"))
        .current_dir(home.path());
    let mut running = Running::spawn(&mut command);
    let code = running.wait().code();
    assert_eq!(
        (code, running.output().as_str()),
        (Some(125), ""),
        "{}",
        running.errors()
    );
    assert!(
        running
            .errors()
            .contains("Files in memory need a mount namespace, which this system refuses you")
            && running
                .errors()
                .contains("run this as root or with CAP_SYS_ADMIN"),
        "{}",
        running.errors()
    );
    // Variables need nothing.
    let mut running = home.run(
        &["--bounding-set", "-all"],
        &["--secret", "db", "--", "sh", "-c", "echo $a"],
    );
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(running.output(), "1\n");
}
