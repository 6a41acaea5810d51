//! Rules, subjects and lists in words.

use strongroom_access::rbac::PolicyRule;

/// Longer lists are cut, with the number of what is left out.
const LISTED: usize = 5;

/// Text from the cluster, without what would move a terminal's cursor or begin a second line.
pub fn shown(text: &str) -> String {
    let visible = text
        .chars()
        .map(|letter| if letter.is_control() { '?' } else { letter });
    visible.collect()
}

/// `a, b and c`. What interests most comes first, and long lists are cut.
pub fn listed(items: &[String], first: &str) -> String {
    let mut items: Vec<String> = items.iter().map(|item| shown(item)).collect();
    items.sort_by_key(|item| item != first);
    let more = items.len().saturating_sub(LISTED);
    if more > 1 {
        items.truncate(LISTED);
        items.push(format!("{more} more"));
    }
    match items.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// What a rule allows, as in `get and list on secrets named db`. `resource` is what the question is about.
pub fn rule(rule: &PolicyRule, resource: &str) -> String {
    let verbs = verbs(rule);
    if !rule.non_resource_urls.is_empty() && rule.resources.is_empty() {
        if has_all(&rule.non_resource_urls) {
            return format!("{verbs} on every path");
        }
        return format!("{verbs} on {}", listed(&rule.non_resource_urls, resource));
    }
    let resources = if has_all(&rule.resources) {
        "every resource".to_owned()
    } else {
        listed(&rule.resources, resource)
    };
    format!("{verbs} on {resources}{}{}", groups(rule), names(rule))
}

/// The verbs of a rule.
pub fn verbs(rule: &PolicyRule) -> String {
    if has_all(&rule.verbs) {
        "every verb".to_owned()
    } else {
        listed(&rule.verbs, "")
    }
}

/// Nothing for the core group.
fn groups(rule: &PolicyRule) -> String {
    if has_all(&rule.api_groups) {
        return " in every API group".to_owned();
    }
    let name = |group: &String| {
        if group.is_empty() {
            "core".to_owned()
        } else {
            group.clone()
        }
    };
    let groups: Vec<String> = rule.api_groups.iter().map(name).collect();
    match groups.as_slice() {
        [only] if only == "core" => String::new(),
        [only] => format!(" in API group {}", shown(only)),
        several => format!(" in API groups {}", listed(several, "")),
    }
}

fn names(rule: &PolicyRule) -> String {
    if rule.resource_names.is_empty() {
        return String::new();
    }
    format!(" named {}", listed(&rule.resource_names, ""))
}

fn has_all(list: &[String]) -> bool {
    list.iter().any(|item| item == "*")
}

/// A word that a shell reads as it is.
pub fn shell(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+@%:=,".contains(letter);
    let text = shown(text);
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Rows with aligned columns, two spaces apart; the last column is not filled up.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|&title| title.to_owned()).collect();
    let all = || std::iter::once(&header).chain(rows);
    let width = |column: usize| {
        let cells = all().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut out = String::new();
    for row in all() {
        let cells = row.iter().zip(&widths);
        let padded: Vec<String> = cells.map(|(cell, &width)| format!("{cell:width$}")).collect();
        out.push_str(padded.join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn rules_read_as_sentences() {
        let check = |groups: &[&str], verbs: &str, resources: &str, names: &str, expected: &str| {
            let rule = PolicyRule {
                verbs: list(verbs),
                api_groups: groups.iter().map(|&group| group.to_owned()).collect(),
                resources: list(resources),
                resource_names: list(names),
                ..PolicyRule::default()
            };
            assert_eq!(super::rule(&rule, "secrets"), expected);
        };
        check(&[""], "get", "secrets", "", "get on secrets");
        check(
            &[""],
            "get list",
            "secrets",
            "a b c",
            "get and list on secrets named a, b and c",
        );
        check(
            &["*"],
            "*",
            "*",
            "",
            "every verb on every resource in every API group",
        );
        check(&["apps"], "get", "a", "", "get on a in API group apps");
        check(
            &["", "apps"],
            "get",
            "a",
            "",
            "get on a in API groups core and apps",
        );
        check(
            &[""],
            "get",
            "a b c d e f secrets",
            "",
            "get on secrets, a, b, c, d and 2 more",
        );
        check(
            &[""],
            "get",
            "a b c d e secrets",
            "",
            "get on secrets, a, b, c, d and e",
        );
        let path = PolicyRule {
            verbs: list("get"),
            non_resource_urls: list("/metrics /x/*"),
            ..PolicyRule::default()
        };
        assert_eq!(rule(&path, "/x/*"), "get on /x/* and /metrics");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [list("a jörg x"), list("long b yy")];
        let expected = "A     B     C\na     jörg  x\nlong  b     yy\n";
        assert_eq!(table(&["A", "B", "C"], &rows), expected);
        assert_eq!(shown("a\u{1b}[2J\nb"), "a?[2J?b");
    }
}
