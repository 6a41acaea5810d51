//! What a request wants to do: everything a policy can ask about.

use std::fmt::Write as _;

use crate::Identity;

/// A request as an authorizer sees it. The shell fills one in for every request, resource or not;
/// absent strings are empty, as in Kubernetes' `authorizer.Attributes`.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    /// Who asks.
    pub user: &'a Identity,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for a
    /// path that is no resource the HTTP method in lower case (api-conventions.md §1).
    pub verb: &'a str,
    /// The namespace, empty for cluster-scoped resources and requests across namespaces.
    pub namespace: &'a str,
    /// The API group, empty for the core group.
    pub api_group: &'a str,
    /// The API version, such as `v1`.
    pub api_version: &'a str,
    /// The resource in the plural, without its subresource.
    pub resource: &'a str,
    /// The subresource, such as `status`.
    pub subresource: &'a str,
    /// The object's name; for list and watch the name that the field selector requires, if any.
    pub name: &'a str,
    /// The URL's path.
    pub path: &'a str,
    /// Whether `resource` and its companions describe the request; if not, only `path` does.
    pub is_resource_request: bool,
    /// The field selector as the client wrote it.
    pub field_selector: Option<&'a str>,
    /// The label selector as the client wrote it.
    pub label_selector: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    /// A request for a path that is no resource; also the start for filling in the fields of one
    /// that is.
    pub fn for_path(user: &'a Identity, verb: &'a str, path: &'a str) -> Attributes<'a> {
        Attributes {
            user,
            verb,
            namespace: "",
            api_group: "",
            api_version: "",
            resource: "",
            subresource: "",
            name: "",
            path,
            is_resource_request: false,
            field_selector: None,
            label_selector: None,
        }
    }
}

/// The message of the 403 for a request that was not allowed, in Kubernetes' words. `reason` is
/// what the authorizer said, possibly nothing.
pub fn forbidden_message(attributes: &Attributes<'_>, reason: &str) -> String {
    let mut message = subject_of_refusal(attributes);
    message.push_str("forbidden: ");
    message.push_str(&without_markup(&what_was_refused(attributes)));
    if !reason.is_empty() {
        message.push_str(": ");
        message.push_str(reason);
    }
    message
}

fn subject_of_refusal(attributes: &Attributes<'_>) -> String {
    let mut subject = String::new();
    if !attributes.is_resource_request || attributes.resource.is_empty() {
        return subject;
    }
    subject.push_str(attributes.resource);
    if !attributes.api_group.is_empty() {
        let _ = write!(subject, ".{}", attributes.api_group);
    }
    if !attributes.name.is_empty() {
        let _ = write!(subject, " {}", quoted(attributes.name));
    }
    subject.push_str(" is ");
    subject
}

fn what_was_refused(attributes: &Attributes<'_>) -> String {
    let user = quoted(&attributes.user.user);
    let verb = attributes.verb;
    if !attributes.is_resource_request {
        return format!("User {user} cannot {verb} path {}", quoted(attributes.path));
    }
    let resource = if attributes.subresource.is_empty() {
        quoted(attributes.resource)
    } else {
        quoted(&format!("{}/{}", attributes.resource, attributes.subresource))
    };
    let group = quoted(attributes.api_group);
    let place = if attributes.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {}", quoted(attributes.namespace))
    };
    format!("User {user} cannot {verb} resource {resource} in API group {group} {place}")
}

/// Names come from the caller and the answer may be shown by a browser.
fn without_markup(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// `text` as Go's `%q` prints it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            other => push_printable(&mut out, other),
        }
    }
    out.push('"');
    out
}

/// Go escapes what is not printable; of all spaces only U+0020 is.
fn push_printable(out: &mut String, character: char) {
    let code = u32::from(character);
    let unprintable = character.is_control()
        || (character.is_whitespace() && character != ' ')
        || matches!(code, 0xad | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe000..=0xf8ff);
    if !unprintable {
        out.push(character);
        return;
    }
    let _ = match code {
        0..=0x7f => write!(out, "\\x{code:02x}"),
        0x80..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attributes: Attributes<'_>, reason: &str, expected: &str) {
        assert_eq!(forbidden_message(&attributes, reason), expected);
    }

    #[test]
    fn refusals_read_as_in_kubernetes() {
        let anonymous = &Identity::anonymous();
        let alice = &Identity {
            user: "alice".to_owned(),
            ..Identity::default()
        };
        let odd = &Identity {
            user: "a\"<b>\n\u{200b}".to_owned(),
            ..Identity::default()
        };
        let secrets = |user, verb| Attributes {
            resource: "secrets",
            api_version: "v1",
            is_resource_request: true,
            namespace: "default",
            ..Attributes::for_path(user, verb, "/api/v1/namespaces/default/secrets")
        };

        check(
            secrets(anonymous, "list"),
            "",
            r#"secrets is forbidden: User "system:anonymous" cannot list resource "secrets" in API group "" in the namespace "default""#,
        );
        check(
            Attributes {
                name: "x",
                ..secrets(alice, "get")
            },
            "",
            r#"secrets "x" is forbidden: User "alice" cannot get resource "secrets" in API group "" in the namespace "default""#,
        );
        check(
            Attributes {
                name: "s",
                ..secrets(alice, "get")
            },
            "no relationship found between node 'n1' and this object",
            r#"secrets "s" is forbidden: User "alice" cannot get resource "secrets" in API group "" in the namespace "default": no relationship found between node 'n1' and this object"#,
        );
        check(
            Attributes {
                name: "sa",
                resource: "serviceaccounts",
                subresource: "token",
                ..secrets(alice, "create")
            },
            "",
            r#"serviceaccounts "sa" is forbidden: User "alice" cannot create resource "serviceaccounts/token" in API group "" in the namespace "default""#,
        );
        check(
            Attributes {
                namespace: "",
                api_group: "rbac.authorization.k8s.io",
                resource: "clusterroles",
                ..secrets(alice, "watch")
            },
            "",
            r#"clusterroles.rbac.authorization.k8s.io is forbidden: User "alice" cannot watch resource "clusterroles" in API group "rbac.authorization.k8s.io" at the cluster scope"#,
        );
        check(
            Attributes::for_path(alice, "get", "/foo"),
            "",
            r#"forbidden: User "alice" cannot get path "/foo""#,
        );
        check(
            Attributes::for_path(odd, "get", "/a&b"),
            "",
            r#"forbidden: User "a\"&lt;b&gt;\n\u200b" cannot get path "/a&amp;b""#,
        );
    }
}
