//! A server, one kubectl, and many expectations.

use serde_json::Value;

use crate::check::Check;
use crate::kubectl::{Kubectl, Ran};
use crate::server::Server;

/// A server, one kubectl, and what was not as expected.
pub struct Session {
    /// The server.
    pub server: Server,
    /// Who types.
    pub kubectl: Kubectl,
    /// What was found so far.
    pub check: Check,
}

impl Session {
    /// On a server with the defaults, as its administrator.
    pub fn start(version: &'static str) -> Session {
        Session::on(version, Server::start())
    }

    /// On this server, as its administrator.
    pub fn on(version: &'static str, server: Server) -> Session {
        let kubectl = Kubectl::new(version, &server);
        let check = Check::new(server.client());
        Session {
            server,
            kubectl,
            check,
        }
    }

    /// Somebody else types, until given another; returns who typed so far.
    pub fn switch(&mut self, kubectl: Kubectl) -> Kubectl {
        std::mem::replace(&mut self.kubectl, kubectl)
    }

    /// Splits at blanks; for arguments with blanks use `ok_words`.
    pub fn ok(&mut self, line: &str) -> String {
        self.ok_words(&line.split(' ').collect::<Vec<_>>())
    }

    /// Runs words and expects success; standard output.
    pub fn ok_words(&mut self, words: &[&str]) -> String {
        let ran = self.kubectl.run(words);
        self.succeeded(ran)
    }

    /// Runs with standard input and expects success; standard output.
    pub fn ok_input(&mut self, line: &str, input: &str) -> String {
        let ran = self
            .kubectl
            .run_with(&line.split(' ').collect::<Vec<_>>(), input, &[]);
        self.succeeded(ran)
    }

    /// Expects that a command has succeeded; standard output.
    pub fn succeeded(&mut self, ran: Ran) -> String {
        self.check.that(ran.code == 0, || {
            format!(
                "{}: exit {}\n    {}{}",
                ran.line, ran.code, ran.stdout, ran.stderr
            )
        });
        ran.stdout
    }

    /// Runs, expects success, and reads standard output as JSON.
    pub fn json(&mut self, line: &str) -> Value {
        let text = self.ok(line);
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Succeeds and prints exactly this.
    pub fn prints(&mut self, line: &str, expected: &str) {
        let got = self.ok(line);
        self.check.equal(line, got.trim_end(), expected);
    }

    /// Succeeds, and its output has every part.
    pub fn shows(&mut self, line: &str, parts: &[&str]) -> String {
        let got = self.ok(line);
        for part in parts {
            self.check
                .that(got.contains(part), || format!("{line}: no {part:?} in\n{got}"));
        }
        got
    }

    /// Fails, and standard error has every part.
    pub fn fails(&mut self, line: &str, parts: &[&str]) {
        let ran = self.kubectl.run(&line.split(' ').collect::<Vec<_>>());
        self.check
            .that(ran.code != 0, || format!("{line}: succeeded: {}", ran.stdout));
        for part in parts {
            self.check.that(ran.stderr.contains(part), || {
                format!("{line}: no {part:?} in\n{}{}", ran.stderr, ran.stdout)
            });
        }
    }

    /// Ends with this code, and standard output (trimmed) is exactly this.
    pub fn answers(&mut self, line: &str, code: i32, expected: &str) {
        let ran = self.kubectl.run(&line.split(' ').collect::<Vec<_>>());
        self.check
            .that(ran.code == code && ran.stdout.trim_end() == expected, || {
                format!(
                    "{line}: expected exit {code} and {expected:?}\n    got exit {}: {}{}",
                    ran.code, ran.stdout, ran.stderr
                )
            });
    }

    /// Panics with everything that was not as expected.
    pub fn finish(mut self) {
        self.server.assert_healthy();
        self.check.finish();
    }
}
