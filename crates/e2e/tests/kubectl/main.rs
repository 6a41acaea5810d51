//! Real kubectl, three versions: every command of the reference documents that needs no pod, and the
//! everyday ones around secrets.

mod changing;
mod creating;
mod discovering;
mod documents;
mod listing;
mod others;

use serde_json::Value;
use strongroom_e2e::{Check, Kubectl, Ran, Server};

/// One test for each version of kubectl.
macro_rules! with_every_kubectl {
    ($($test:ident),* $(,)?) => {
        mod with_1_20 { $( #[test] fn $test() { super::$test(crate::Session::start("1.20")) } )* }
        mod with_1_32 { $( #[test] fn $test() { super::$test(crate::Session::start("1.32")) } )* }
        mod with_1_36 { $( #[test] fn $test() { super::$test(crate::Session::start("1.36")) } )* }
    };
}
pub(crate) use with_every_kubectl;

/// A server, one kubectl, and what was not as expected.
struct Session {
    server: Server,
    kubectl: Kubectl,
    check: Check,
}

impl Session {
    fn start(version: &'static str) -> Session {
        let server = Server::start();
        let kubectl = Kubectl::new(version, &server);
        let check = Check::new(server.client());
        Session {
            server,
            kubectl,
            check,
        }
    }

    /// Splits at blanks; for arguments with blanks use `ok_words`.
    fn ok(&mut self, line: &str) -> String {
        self.ok_words(&line.split(' ').collect::<Vec<_>>())
    }

    fn ok_words(&mut self, words: &[&str]) -> String {
        let ran = self.kubectl.run(words);
        self.succeeded(ran)
    }

    fn ok_input(&mut self, line: &str, input: &str) -> String {
        let ran = self
            .kubectl
            .run_with(&line.split(' ').collect::<Vec<_>>(), input, &[]);
        self.succeeded(ran)
    }

    fn succeeded(&mut self, ran: Ran) -> String {
        self.check.that(ran.code == 0, || {
            format!(
                "{}: exit {}\n    {}{}",
                ran.line, ran.code, ran.stdout, ran.stderr
            )
        });
        ran.stdout
    }

    fn json(&mut self, line: &str) -> Value {
        let text = self.ok(line);
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Succeeds and prints exactly this.
    fn prints(&mut self, line: &str, expected: &str) {
        let got = self.ok(line);
        self.check.equal(line, got.trim_end(), expected);
    }

    /// Succeeds, and its output has every part.
    fn shows(&mut self, line: &str, parts: &[&str]) -> String {
        let got = self.ok(line);
        for part in parts {
            self.check
                .that(got.contains(part), || format!("{line}: no {part:?} in\n{got}"));
        }
        got
    }

    /// Fails, and standard error has every part.
    fn fails(&mut self, line: &str, parts: &[&str]) {
        let ran = self.kubectl.run(&line.split(' ').collect::<Vec<_>>());
        self.check
            .that(ran.code != 0, || format!("{line}: succeeded: {}", ran.stdout));
        for part in parts {
            self.check.that(ran.stderr.contains(part), || {
                format!("{line}: no {part:?} in\n{}{}", ran.stderr, ran.stdout)
            });
        }
    }

    fn finish(mut self) {
        self.server.assert_healthy();
        self.check.finish();
    }
}
