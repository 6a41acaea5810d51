//! All that somebody may do in one place.

use crate::rbac::PolicyRule;

/// Every rule that applies to a user, and what could not be found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The rules, those of ClusterRoleBindings first.
    pub rules: Vec<PolicyRule>,
    /// Roles that bindings name and that do not exist, in Kubernetes' words.
    pub errors: Vec<String>,
}

impl Found {
    /// The rules about resources.
    pub fn resource_rules(&self) -> impl Iterator<Item = &PolicyRule> {
        self.rules.iter().filter(|rule| !rule.resources.is_empty())
    }

    /// The rules about other paths.
    pub fn non_resource_rules(&self) -> impl Iterator<Item = &PolicyRule> {
        self.rules
            .iter()
            .filter(|rule| !rule.non_resource_urls.is_empty())
    }

    /// The errors as one text; empty if there are none.
    pub fn error_text(&self) -> String {
        aggregate_texts(&self.errors)
    }
}

/// Errors as Kubernetes' aggregate prints them: one as it is, several once each in brackets.
pub(super) fn aggregate_texts(errors: &[String]) -> String {
    let mut once: Vec<&str> = Vec::with_capacity(errors.len());
    for error in errors {
        if !once.contains(&error.as_str()) {
            once.push(error);
        }
    }
    match once.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        several => format!("[{}]", several.join(", ")),
    }
}
