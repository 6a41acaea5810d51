//! JWTs of outside issuers: kube-apiserver's `AuthenticationConfiguration`, and the older `--oidc-*` flags.
//!
//! [`AuthenticationConfiguration::parse`] reads the file once, at start; [`Issuer::authenticate`] judges tokens with
//! the keys that the crate `oidc` fetches.

mod check;
mod expression;
mod file;
mod flags;
mod issuer;
#[cfg(test)]
mod tests;

pub use flags::OidcFlags;
pub use issuer::{Issuer, VerifiedIssuer};

/// The whole file, checked.
#[derive(Debug, Default)]
pub struct AuthenticationConfiguration {
    /// `jwt[]`, each with a URL of its own.
    pub issuers: Vec<Issuer>,
    /// `anonymous`; when absent, `--anonymous-auth` decides.
    pub anonymous: Option<Anonymous>,
}

/// Who may come without credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Anonymous {
    /// Whether anybody may.
    pub enabled: bool,
    /// The paths (compared exactly) for which they may; empty stands for all.
    pub paths: Vec<String>,
}

impl Anonymous {
    /// Whether a request for `path` may come without credentials.
    pub fn allows(&self, path: &str) -> bool {
        self.enabled && (self.paths.is_empty() || self.paths.iter().any(|allowed| allowed == path))
    }
}

/// What is wrong with a configuration, in one sentence: the line, the field and the problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// A field holds what it may not.
    #[error("line {line}: {field}: {problem}")]
    Field {
        /// Counted from 1.
        line: u64,
        /// `jwt[0].issuer.url`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The text is not YAML of this form at all.
    #[error("line {line}: {problem}")]
    Form {
        /// Counted from 1; 0 when unknown.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// A flag holds what it may not.
    #[error("--{flag}: {problem}")]
    Flag {
        /// Without dashes.
        flag: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}
