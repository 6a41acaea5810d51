//! A network that loses whatever one process and a server say to each other, without a word to either.

use std::process::{Command, Stdio};

/// Marks what processes of one user or group say to a server's port, so that it can be lost in both directions. Ends
/// when dropped. Needs root and iptables.
pub struct Partition {
    mark: Vec<String>,
    lost: Vec<String>,
}

impl Partition {
    /// Between processes of a user and a port of this machine.
    pub fn of_user(user: u32, port: u16) -> Partition {
        Partition::new("--uid-owner", user, port)
    }

    /// Between processes of a group and a port of this machine.
    pub fn of_group(group: u32, port: u16) -> Partition {
        Partition::new("--gid-owner", group, port)
    }

    fn new(owner: &str, id: u32, port: u16) -> Partition {
        let words = |line: String| line.split(' ').map(str::to_owned).collect();
        let partition = Partition {
            mark: words(format!(
                "OUTPUT -p tcp --dport {port} -m owner {owner} {id} -j CONNMARK --set-mark {id}"
            )),
            lost: words(format!("INPUT -i lo -m connmark --mark {id} -j DROP")),
        };
        iptables(&["-t", "mangle", "-A"], &partition.mark);
        partition
    }

    /// From now on everything is lost.
    pub fn begin(&self) {
        iptables(&["-I"], &self.lost);
    }

    /// From now on everything gets through.
    pub fn end(&self) {
        iptables(&["-D"], &self.lost);
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        let _ = command(&["-D"], &self.lost).stderr(Stdio::null()).status();
        iptables(&["-t", "mangle", "-D"], &self.mark);
    }
}

fn command(action: &[&str], rule: &[String]) -> Command {
    let mut command = Command::new("iptables");
    command.arg("-w").args(action).args(rule);
    command
}

fn iptables(action: &[&str], rule: &[String]) {
    let status = command(action, rule).status();
    assert!(
        status.expect("iptables is installed").success(),
        "{action:?} {rule:?}"
    );
}
