//! What may be a name or a data key: pure checks that return the texts Kubernetes clients know (api-conventions §5,
//! secrets §3). An empty list means the text is fine.

use strongroom_objects::names::{dns_label, dns_subdomain};

const DNS_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/// How a resource's objects may be named. Each variant is one of Kubernetes' name rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameRule {
    /// Dots allowed, at most 253 characters: most objects.
    Subdomain,
    /// One label of at most 63 characters: namespaces.
    Label,
    /// One label that starts with a letter: services.
    Dns1035Label,
    /// Anything that can stand in a URL's path: roles and bindings.
    PathSegment,
}

impl NameRule {
    /// What is wrong with `name`; with `prefix` set, `name` is a `generateName`, to which characters are appended.
    pub fn check(self, name: &str, prefix: bool) -> Vec<String> {
        let masked;
        // A trailing dash is legal in a generateName because random characters follow it.
        let name = if prefix && name.len() > 1 && name.ends_with('-') {
            masked = format!("{}a", &name[..name.len() - 1]);
            &masked
        } else {
            name
        };
        match self {
            Self::Subdomain => subdomain(name),
            Self::Label => label_name(name),
            Self::Dns1035Label => dns_1035(name),
            Self::PathSegment => path_segment(name),
        }
    }
}

/// DNS-1123 subdomain of at most 253 characters.
fn subdomain(name: &str) -> Vec<String> {
    characters(dns_subdomain(name))
}

/// DNS-1123 label of at most 63 characters.
pub fn label_name(name: &str) -> Vec<String> {
    characters(dns_label(name))
}

/// Object names are counted in characters where label keys are counted in bytes; all that is legal is ASCII.
fn characters(problems: Vec<String>) -> Vec<String> {
    problems
        .into_iter()
        .map(|problem| problem.replace(" bytes", " characters"))
        .collect()
}

fn dns_1035(name: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if name.len() > 63 {
        problems.push("must be no more than 63 characters".to_owned());
    }
    let cut = &name[..name.floor_char_boundary(63)];
    if !dns_label(cut).is_empty() || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        problems.push(DNS_1035.to_owned());
    }
    problems
}

/// A key of a Secret's or ConfigMap's data (secrets §3.2); each violation is its own message.
pub fn config_key(key: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if key.len() > 253 {
        problems.push("must be no more than 253 characters".to_owned());
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if key.is_empty() || !key.bytes().all(legal) {
        problems.push(CONFIG_KEY.to_owned());
    }
    match key {
        "." => problems.push("must not be '.'".to_owned()),
        ".." => problems.push("must not be '..'".to_owned()),
        _ if key.starts_with("..") => problems.push("must not start with '..'".to_owned()),
        _ => {}
    }
    problems
}

/// A name that is used as one segment of a URL path.
pub fn path_segment(name: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if name == "." || name == ".." {
        problems.push(format!("may not be '{name}'"));
    }
    problems.extend(
        ['/', '%']
            .iter()
            .filter(|character| name.contains(**character))
            .map(|character| format!("may not contain '{character}'")),
    );
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(problems: Vec<String>, expect: &[&str]) {
        let starts: Vec<bool> = problems
            .iter()
            .zip(expect)
            .map(|(p, e)| p.starts_with(e))
            .collect();
        assert!(
            problems.len() == expect.len() && starts.iter().all(|ok| *ok),
            "got {problems:?}, expected {expect:?}"
        );
    }

    #[test]
    fn names() {
        check(subdomain("a.b-c.0"), &[]);
        check(subdomain("A"), &["a lowercase RFC 1123 subdomain"]);
        check(subdomain("a..b"), &["a lowercase RFC 1123 subdomain"]);
        check(
            subdomain(&"a".repeat(254)),
            &["must be no more than 253 characters"],
        );
        check(label_name("a.b"), &["must not contain dots"]);
        check(label_name("-a"), &["a lowercase RFC 1123 label"]);
        check(NameRule::Subdomain.check("base-", true), &[]);
        check(NameRule::Subdomain.check("base.", true), &["a lowercase"]);
        check(NameRule::Dns1035Label.check("0a", false), &["a DNS-1035 label"]);
    }

    #[test]
    fn config_keys() {
        for fine in [".x", "-", "_", "A.b-c_d", ".secret-file"] {
            check(config_key(fine), &[]);
        }
        check(config_key(""), &["a valid config key"]);
        check(config_key("a/b"), &["a valid config key"]);
        check(config_key("."), &["must not be '.'"]);
        check(config_key(".."), &["must not be '..'"]);
        check(config_key("..x"), &["must not start with '..'"]);
        check(
            config_key(&"k".repeat(254)),
            &["must be no more than 253 characters"],
        );
    }
}
