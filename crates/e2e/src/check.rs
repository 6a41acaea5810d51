//! Many expectations in one test, all failures told at the end.

use serde_json::{Value, json};

use crate::client::{Client, ClientError, Reply};

/// Collects what did not come as expected.
pub struct Check {
    client: Client,
    failures: Vec<String>,
    passed: usize,
}

impl Check {
    /// Checks through this client.
    pub fn new(client: Client) -> Check {
        Check {
            client,
            failures: Vec::new(),
            passed: 0,
        }
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Notes a failure, or a success.
    pub fn that(&mut self, holds: bool, otherwise: impl FnOnce() -> String) -> bool {
        if holds {
            self.passed += 1;
        } else {
            self.failures.push(otherwise());
        }
        holds
    }

    /// Expects two values to be equal.
    pub fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, got: T, expected: T) -> bool {
        let holds = got == expected;
        self.that(holds, || {
            format!("{what}\n    expected {expected:?}\n    got      {got:?}")
        })
    }

    /// Expects a success with this status, whose body contains `expected` (see [`contains`]).
    pub fn accepts(&mut self, reply: &Reply, status: u16, expected: Value) -> Value {
        let body = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        let missing = contains(&body, &expected);
        self.that(reply.status == status && missing.is_none(), || {
            let what = missing.map(|path| format!(" ({path})")).unwrap_or_default();
            format!(
                "{}\n    expected {status} {expected}\n    got      {} {}{what}",
                reply.request,
                reply.status,
                brief(reply)
            )
        });
        body
    }

    /// Expects a Status with this code, reason and message.
    pub fn rejects(&mut self, reply: &Reply, status: u16, reason: &str, message: &str) -> Value {
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        let got_reason = body["reason"].as_str().unwrap_or_default();
        let got_message = body["message"].as_str().unwrap_or_default();
        let envelope = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": status});
        let holds = reply.status == status
            && got_reason == reason
            && got_message == message
            && contains(&body, &envelope).is_none();
        self.that(holds, || {
            format!(
                "{}\n    expected {status} {reason}: {message}\n    got      {} {}",
                reply.request,
                reply.status,
                brief(reply)
            )
        });
        body
    }

    /// Expects a Status whose message begins with `message`.
    pub fn rejects_like(&mut self, reply: &Reply, status: u16, reason: &str, message: &str) -> Value {
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        let holds = reply.status == status
            && body["reason"].as_str().unwrap_or_default() == reason
            && body["message"].as_str().unwrap_or_default().starts_with(message);
        self.that(holds, || {
            format!(
                "{}\n    expected {status} {reason}: {message}…\n    got      {} {}",
                reply.request,
                reply.status,
                brief(reply)
            )
        });
        body
    }

    /// Expects a Status whose message contains every one of `parts`.
    pub fn rejects_with(&mut self, reply: &Reply, status: u16, reason: &str, parts: &[&str]) -> Value {
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        let message = body["message"].as_str().unwrap_or_default();
        let holds = reply.status == status
            && body["reason"].as_str().unwrap_or_default() == reason
            && parts.iter().all(|part| message.contains(part));
        self.that(holds, || {
            format!(
                "{}\n    expected {status} {reason}: {parts:?}\n    got      {} {}",
                reply.request,
                reply.status,
                brief(reply)
            )
        });
        body
    }

    /// Expects the refusal of a body over 3 MiB, and that it can be read although not all was sent.
    pub fn rejects_large(&mut self, reply: Result<Reply, ClientError>) {
        match reply {
            Ok(reply) => {
                self.rejects(
                    &reply,
                    413,
                    "RequestEntityTooLarge",
                    "Request entity too large: limit is 3145728",
                );
            }
            Err(error) => {
                self.that(false, || {
                    format!("a large body: instead of 413 the client sees: {error}")
                });
            }
        }
    }

    /// Expects a part in a document.
    pub fn has(&mut self, what: &str, actual: &Value, expected: Value) {
        let missing = contains(actual, &expected);
        self.that(missing.is_none(), || {
            let shown: String = actual.to_string().chars().take(700).collect();
            format!(
                "{what}: {}\n    expected {expected}\n    got      {shown}",
                missing.unwrap_or_default()
            )
        });
    }

    /// Panics with every failure.
    #[track_caller]
    pub fn finish(self) {
        let total = self.passed + self.failures.len();
        assert!(
            self.failures.is_empty(),
            "{} of {total} failed:\n- {}",
            self.failures.len(),
            self.failures.join("\n- ")
        );
    }
}

fn brief(reply: &Reply) -> String {
    reply.text().chars().take(700).collect()
}

/// Where `actual` lacks something of `expected`, if anywhere. Objects may have more members; `null` means
/// absent (or null); arrays must be as long; the string `"*"` means any value that is there.
pub fn contains(actual: &Value, expected: &Value) -> Option<String> {
    missing(actual, expected, String::new())
}

fn missing(actual: &Value, expected: &Value, path: String) -> Option<String> {
    match (actual, expected) {
        (Value::Null, Value::Null) => None,
        (Value::Null, _) => Some(format!("{path} is absent")),
        (_, Value::String(any)) if any == "*" => None,
        (Value::Object(actual), Value::Object(expected)) => expected.iter().find_map(|(name, value)| {
            missing(
                actual.get(name).unwrap_or(&Value::Null),
                value,
                format!("{path}.{name}"),
            )
        }),
        (Value::Array(actual), Value::Array(expected)) => {
            if actual.len() != expected.len() {
                return Some(format!(
                    "{path} has {} items, not {}",
                    actual.len(),
                    expected.len()
                ));
            }
            actual
                .iter()
                .zip(expected)
                .enumerate()
                .find_map(|(index, (actual, expected))| missing(actual, expected, format!("{path}[{index}]")))
        }
        (actual, expected) if actual == expected => None,
        (actual, expected) => Some(format!("{path} is {actual}, not {expected}")),
    }
}

#[cfg(test)]
mod tests {
    use super::contains;
    use serde_json::{Value, json};

    #[test]
    fn an_expectation_is_a_part() {
        let check = |actual: Value, expected: Value, holds: bool| {
            assert_eq!(
                contains(&actual, &expected).is_none(),
                holds,
                "{actual} {expected}"
            );
        };
        check(json!({"a": 1, "b": 2}), json!({"a": 1}), true);
        check(json!({"a": 1}), json!({"a": null}), false);
        check(json!({"b": 1}), json!({"a": null}), true);
        check(json!({"a": [1, 2]}), json!({"a": [1]}), false);
        check(json!({"a": [{"x": 1, "y": 2}]}), json!({"a": [{"y": 2}]}), true);
        check(json!({"a": "what"}), json!({"a": "*"}), true);
        check(json!({}), json!({"a": "*"}), false);
    }
}
