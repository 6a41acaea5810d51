//! What a client wants of a log or a command, and how a node is asked for it.

use jiff::Timestamp;
use strongroom_objects::{FieldError, Status};
use strongroom_resources::options::Query;
use strongroom_streams::remote_command::Streams;

/// Longest command, in bytes of all its words.
const MAX_COMMAND: usize = 64 * 1024;

/// `PodLogOptions`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// The container; perhaps none is named.
    pub container: Option<String>,
    /// Whether to wait for what is still to be written.
    pub follow: bool,
    /// Whether the node's certificate does not matter.
    pub insecure: bool,
    /// All of it, as the node is asked.
    pub query: String,
}

impl LogOptions {
    /// Reads the options for the log of the pod called `pod`.
    ///
    /// # Errors
    /// 400 for values of another type, 422 for those that are out of range.
    pub fn parse(query: &Query, pod: &str) -> Result<Self, Box<Status>> {
        let bad = |text: String| Box::new(Status::bad_request(&text));
        let number = |name: &str| {
            let value = query.get(name).filter(|value| !value.is_empty());
            let parse = |text: &str| {
                let problem = || bad(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"));
                text.parse::<i64>().map_err(|_| problem())
            };
            value.map(parse).transpose()
        };
        let tail_lines = number("tailLines")?;
        let limit_bytes = number("limitBytes")?;
        let since_seconds = number("sinceSeconds")?;
        let since_time = query.get("sinceTime").filter(|value| !value.is_empty());
        if let Some(text) = since_time {
            let parsed = text.parse::<Timestamp>();
            parsed.map_err(|_| bad(format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\"")))?;
        }
        let stream = query.get("stream").filter(|value| !value.is_empty());
        let mut errors = Vec::new();
        let mut check = |name: &str, value: Option<i64>, least: i64, detail: &str| {
            if let Some(value) = value.filter(|value| *value < least) {
                errors.push(FieldError::invalid(name, value, detail));
            }
        };
        let not_negative = "must be greater than or equal to 0";
        check("tailLines", tail_lines, 0, not_negative);
        check("limitBytes", limit_bytes, 1, "must be greater than 0");
        check("sinceSeconds", since_seconds, 1, "must be greater than 0");
        if since_seconds.is_some() && since_time.is_some() {
            let detail = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            errors.push(FieldError::forbidden("", detail));
        }
        match stream {
            None | Some("All") => {}
            Some("Stdout" | "Stderr") if tail_lines.is_none() => {}
            Some("Stdout" | "Stderr") => {
                let detail = "`tailLines` and specific `stream` are mutually exclusive for now";
                errors.push(FieldError::forbidden("", detail));
            }
            Some(other) => {
                let known = ["All", "Stdout", "Stderr"];
                errors.push(FieldError::not_supported("stream", other, &known));
            }
        }
        if !errors.is_empty() {
            return Err(Box::new(Status::invalid("", "PodLogOptions", pod, errors)));
        }
        let mut asked = Parameters::default();
        for name in ["follow", "previous", "timestamps"] {
            if query.flag(name) {
                asked.add(name, "true");
            }
        }
        for name in ["sinceSeconds", "sinceTime", "tailLines", "limitBytes", "stream"] {
            if let Some(value) = query.get(name).filter(|value| !value.is_empty()) {
                asked.add(name, value);
            }
        }
        Ok(Self {
            container: query.get("container").map(str::to_owned),
            follow: query.flag("follow"),
            insecure: query.flag("insecureSkipTLSVerifyBackend"),
            query: asked.0,
        })
    }
}

/// `PodExecOptions` and `PodAttachOptions`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandOptions {
    /// The container; perhaps none is named.
    pub container: Option<String>,
    /// Which streams are wanted.
    pub streams: Streams,
    /// All of it, as the node is asked.
    pub query: String,
}

impl CommandOptions {
    /// Reads the options.
    ///
    /// # Errors
    /// 400 without any stream, or for a command without end.
    pub fn parse(query: &Query) -> Result<Self, Box<Status>> {
        let bad = |text: &str| Box::new(Status::bad_request(text));
        let tty = query.flag("tty");
        let streams = Streams {
            stdin: query.flag("stdin"),
            stdout: query.flag("stdout"),
            stderr: query.flag("stderr") && !tty,
            tty,
        };
        if !streams.stdin && !streams.stdout && !streams.stderr {
            return Err(bad("you must specify at least 1 of stdin, stdout, stderr"));
        }
        let command = query.all("command");
        if command.iter().map(|word| word.len()).sum::<usize>() > MAX_COMMAND {
            return Err(bad("the command is too long"));
        }
        let mut asked = Parameters::default();
        for (name, wanted) in [
            ("input", streams.stdin),
            ("output", streams.stdout),
            ("error", streams.stderr),
            ("tty", streams.tty),
        ] {
            if wanted {
                asked.add(name, "1");
            }
        }
        for word in command {
            asked.add("command", word);
        }
        Ok(Self {
            container: query.get("container").map(str::to_owned),
            streams,
            query: asked.0,
        })
    }
}

/// Parameters of a URL that is being made.
#[derive(Debug, Default)]
struct Parameters(String);

impl Parameters {
    fn add(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    self.0.push(char::from(byte));
                }
                _ => self.0.push_str(&format!("%{byte:02X}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs() {
        let check = |query: &str, expect: &str| {
            let got = LogOptions::parse(&Query::parse(query), "p");
            let got = got.map_or_else(
                |status| format!("{} {}", status.code, status.message),
                |options| options.query,
            );
            assert_eq!(got, expect, "{query}");
        };
        check("", "");
        check(
            "container=c&follow=true&previous=false&tailLines=5",
            "?follow=true&tailLines=5",
        );
        check(
            "sinceTime=2026-01-02T03:04:05%2B01:00",
            "?sinceTime=2026-01-02T03%3A04%3A05%2B01%3A00",
        );
        check(
            "stream=Stderr&limitBytes=1&timestamps=1",
            "?timestamps=true&limitBytes=1&stream=Stderr",
        );
        check(
            "tailLines=x",
            "400 strconv.ParseInt: parsing \"x\": invalid syntax",
        );
        let invalid = |problem: &str| format!("422 PodLogOptions \"p\" is invalid: {problem}");
        check(
            "tailLines=-1",
            &invalid("tailLines: Invalid value: -1: must be greater than or equal to 0"),
        );
        check(
            "limitBytes=0",
            &invalid("limitBytes: Invalid value: 0: must be greater than 0"),
        );
        let both = "sinceSeconds=1&sinceTime=2026-01-02T03:04:05Z";
        let problem = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified";
        assert!(
            LogOptions::parse(&Query::parse(both), "p")
                .unwrap_err()
                .message
                .ends_with(problem)
        );
    }

    #[test]
    fn commands() {
        let check = |query: &str, expect: &str| {
            let got = CommandOptions::parse(&Query::parse(query));
            let got = got.map_or_else(
                |status| format!("{} {}", status.code, status.message),
                |options| options.query,
            );
            assert_eq!(got, expect, "{query}");
        };
        check(
            "container=c&stdin=true&stdout=true&stderr=true&command=sh&command=-c&command=a+%26b",
            "?input=1&output=1&error=1&command=sh&command=-c&command=a%20%26b",
        );
        check(
            "stdout=true&stderr=true&tty=true&command=sh",
            "?output=1&tty=1&command=sh",
        );
        check(
            "command=sh",
            "400 you must specify at least 1 of stdin, stdout, stderr",
        );
    }
}
