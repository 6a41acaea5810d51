//! What is lacking, in one sentence with the next step.

use super::source::Wanted;
use super::variables::{Lacking, ValueProblem};

impl Wanted {
    /// `Secret "db" in namespace "shop"`.
    pub fn in_namespace(&self, namespace: &str) -> String {
        format!("{} {:?} in namespace {namespace:?}", self.kind, self.name)
    }
}

/// Says what is lacking, when the command is to be started.
pub fn at_start(lacking: &Lacking, namespace: &str) -> String {
    match lacking {
        Lacking::Object(wanted) => format!(
            "There is no {}; create it, look for it with -n, or go without it with --optional.",
            wanted.in_namespace(namespace)
        ),
        Lacking::Key {
            wanted, key, keys, ..
        } => {
            let keys = if keys.is_empty() {
                "it is empty".to_owned()
            } else {
                format!("it has {}", keys.join(", "))
            };
            format!(
                "The {} has no key {key:?} ({keys}); add it, or go without it with --optional.",
                wanted.in_namespace(namespace)
            )
        }
        Lacking::Value {
            wanted, key, problem, ..
        } => {
            let (problem, flag) = (problem.sentence(), wanted.directory_flag());
            format!(
                "The value of {key:?} in the {} {problem}, so it cannot be a variable; give it as a file with {flag}.",
                wanted.in_namespace(namespace)
            )
        }
        Lacking::Skipped { wanted, keys } => format!(
            "Of the {}, {} were skipped: --env-names=strict takes no such names; rename them with :KEY=VAR.",
            wanted.in_namespace(namespace),
            keys.join(", ")
        ),
    }
}

/// Says what is lacking since a change, while the command runs.
pub fn after_change(lacking: &Lacking, namespace: &str) -> String {
    match lacking {
        Lacking::Object(wanted) => format!("There is no {} any more.", wanted.in_namespace(namespace)),
        Lacking::Key {
            wanted,
            key,
            variable,
            ..
        } => format!(
            "The {} has no key {key:?} any more; {variable} keeps its last value until the key is back.",
            wanted.in_namespace(namespace)
        ),
        Lacking::Value {
            wanted,
            key,
            problem,
            variable,
        } => format!(
            "The value of {key:?} in the {} {}; {variable} keeps its last value until it can be a variable again.",
            wanted.in_namespace(namespace),
            problem.sentence()
        ),
        Lacking::Skipped { .. } => at_start(lacking, namespace),
    }
}

impl Wanted {
    fn directory_flag(&self) -> &'static str {
        match self.kind {
            super::source::Kind::Secret => "--secret-dir",
            super::source::Kind::ConfigMap => "--config-map-dir",
        }
    }
}

impl ValueProblem {
    fn sentence(self) -> String {
        match self {
            ValueProblem::Nul => "has a NUL byte in it".to_owned(),
            ValueProblem::TooLong(bytes) => format!("is {bytes} bytes long"),
        }
    }
}
