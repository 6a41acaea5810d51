//! Whether one rule covers one request (auth.md §5.2).

use crate::Attributes;
use crate::rbac::PolicyRule;

const ALL: &str = "*";

/// Whether the rule allows the request, wherever the rule comes from.
pub fn rule_allows(rule: &PolicyRule, attributes: &Attributes<'_>) -> bool {
    if !attributes.is_resource_request {
        return verb_matches(rule, attributes.verb) && path_matches(rule, attributes.path);
    }
    verb_matches(rule, attributes.verb)
        && group_matches(rule, attributes.api_group)
        && resource_matches(rule, attributes.resource, attributes.subresource)
        && name_matches(rule, attributes.name)
}

pub(super) fn verb_matches(rule: &PolicyRule, verb: &str) -> bool {
    rule.verbs.iter().any(|own| own == ALL || own == verb)
}

pub(super) fn group_matches(rule: &PolicyRule, group: &str) -> bool {
    rule.api_groups.iter().any(|own| own == ALL || own == group)
}

/// `pods` does not cover `pods/log`; `*` covers everything and `*/log` the subresource of every resource.
pub(super) fn resource_matches(rule: &PolicyRule, resource: &str, subresource: &str) -> bool {
    rule.resources.iter().any(|own| {
        if own == ALL {
            return true;
        }
        if subresource.is_empty() {
            return own == resource;
        }
        own.strip_suffix(subresource)
            .and_then(|rest| rest.strip_suffix('/'))
            .is_some_and(|rest| rest == ALL || rest == resource)
    })
}

pub(super) fn name_matches(rule: &PolicyRule, name: &str) -> bool {
    rule.resource_names.is_empty() || rule.resource_names.iter().any(|own| own == name)
}

pub(super) fn path_matches(rule: &PolicyRule, path: &str) -> bool {
    rule.non_resource_urls.iter().any(|own| path_covers(own, path))
}

/// `own` is a path, or a beginning followed by `*`.
pub(super) fn path_covers(own: &str, path: &str) -> bool {
    own == path || (own.ends_with('*') && path.starts_with(own.trim_end_matches('*')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    fn list(text: &str) -> Vec<String> {
        if text == "-" {
            return Vec::new();
        }
        text.split(',').map(str::to_owned).collect()
    }

    /// A rule as `verbs groups resources names`, a request as `verb group resource subresource name`, the empty
    /// string as nothing between commas and `-` for no list.
    fn check(rule: &str, request: [&str; 5], expected: bool) {
        let parts: Vec<Vec<String>> = rule.split(' ').map(list).collect();
        let rule = PolicyRule {
            verbs: parts[0].clone(),
            api_groups: parts[1].clone(),
            resources: parts[2].clone(),
            resource_names: parts[3].clone(),
            ..PolicyRule::default()
        };
        let user = Identity::default();
        let [verb, api_group, resource, subresource, name] = request;
        let attributes = Attributes {
            is_resource_request: true,
            api_group,
            resource,
            subresource,
            name,
            ..Attributes::for_path(&user, verb, "/x")
        };
        assert_eq!(rule_allows(&rule, &attributes), expected, "{rule:?} {request:?}");
    }

    #[test]
    fn resource_rules() {
        check("get  secrets -", ["get", "", "secrets", "", "s"], true);
        check("get  secrets -", ["list", "", "secrets", "", "s"], false);
        check("get apps secrets -", ["get", "", "secrets", "", "s"], false);
        check("* * * -", ["anything", "any.group", "things", "sub", ""], true);
        check("* * * -", ["", "", "", "", ""], true);
        check("get  secrets -", ["", "", "secrets", "", ""], false);
        check("get  pods -", ["get", "", "pods", "log", "p"], false);
        check("get  pods/log -", ["get", "", "pods", "log", "p"], true);
        check("get  pods/log -", ["get", "", "pods", "", "p"], false);
        check("get  */log -", ["get", "", "pods", "log", "p"], true);
        check("get  */log -", ["get", "", "pods", "", "p"], false);
        check("get  */ -", ["get", "", "pods", "", "p"], false);
        check("get  /log -", ["get", "", "pods", "log", "p"], false);
        check("get  xpods/log -", ["get", "", "pods", "log", "p"], false);
        check("get  secrets s,t", ["get", "", "secrets", "", "t"], true);
        check("get  secrets s,t", ["get", "", "secrets", "", "u"], false);
        check("create  secrets s", ["create", "", "secrets", "", ""], false);
        check("- - - -", ["get", "", "secrets", "", ""], false);
    }

    #[test]
    fn paths() {
        let cases = [
            ("/healthz", "/healthz", true),
            ("/healthz", "/healthz/", false),
            ("/healthz/*", "/healthz/ping", true),
            ("/healthz/*", "/healthz", false),
            ("*", "/anything", true),
            ("/a**", "/abc", true),
            ("/*/b", "/x/b", false),
        ];
        let user = Identity::default();
        for (own, path, expected) in cases {
            let rule = PolicyRule {
                verbs: vec!["get".to_owned()],
                non_resource_urls: vec![own.to_owned()],
                ..PolicyRule::default()
            };
            assert_eq!(
                rule_allows(&rule, &Attributes::for_path(&user, "get", path)),
                expected,
                "{own} {path}"
            );
            assert!(!rule_allows(&rule, &Attributes::for_path(&user, "post", path)));
        }
    }
}
