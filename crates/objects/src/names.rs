//! The grammars of names, label keys and label values, with the texts that complain about them
//! (api-conventions.md §5). Each function returns the complaints; none means the text is fine.

const LABEL_KEY_FORMAT: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_KEY_TEXT: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
     alphanumeric character";
const LABEL_VALUE_TEXT: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' \
     or '.', and must start and end with an alphanumeric character";
const DNS_LABEL_FORMAT: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const DNS_LABEL_TEXT: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and \
     must start and end with an alphanumeric character";
const DNS_SUBDOMAIN_TEXT: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
     '-' or '.', and must start and end with an alphanumeric character";

/// A label or annotation key: an optional DNS subdomain and `/`, then a name of at most 63 bytes.
pub fn qualified_name(text: &str) -> Vec<String> {
    let format_text = || {
        pattern_text(
            LABEL_KEY_TEXT,
            LABEL_KEY_FORMAT,
            &["MyName", "my.name", "123-abc"],
        )
    };
    let mut problems = Vec::new();
    let name = match text.split('/').collect::<Vec<_>>().as_slice() {
        [name] => *name,
        ["", name] => {
            problems.push("prefix part must be non-empty".to_owned());
            *name
        }
        [prefix, name] => {
            problems.extend(
                dns_subdomain(prefix)
                    .iter()
                    .map(|problem| format!("prefix part {problem}")),
            );
            *name
        }
        _ => {
            let rest = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {} {rest}", format_text())];
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        problems.push("name part must be no more than 63 bytes".to_owned());
    }
    if !is_label_text(name) {
        problems.push(format!("name part {}", format_text()));
    }
    problems
}

/// A label value: empty, or at most 63 bytes of the name grammar.
pub fn label_value(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > 63 {
        problems.push("must be no more than 63 bytes".to_owned());
    }
    if !text.is_empty() && !is_label_text(text) {
        let format = format!("({LABEL_KEY_FORMAT})?");
        problems.push(pattern_text(
            LABEL_VALUE_TEXT,
            &format,
            &["MyValue", "my_value", "12345"],
        ));
    }
    problems
}

/// A lowercase DNS-1123 subdomain of at most 253 bytes.
pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > 253 {
        problems.push("must be no more than 253 bytes".to_owned());
    }
    if !text.split('.').all(is_dns_label) {
        let format = format!("{DNS_LABEL_FORMAT}(\\.{DNS_LABEL_FORMAT})*");
        problems.push(pattern_text(DNS_SUBDOMAIN_TEXT, &format, &["example.com"]));
    }
    problems
}

/// A lowercase DNS-1123 label of at most 63 bytes.
pub fn dns_label(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > 63 {
        problems.push("must be no more than 63 bytes".to_owned());
    }
    if !is_dns_label(text) {
        problems.push(if text.split('.').all(is_dns_label) {
            "must not contain dots".to_owned()
        } else {
            pattern_text(DNS_LABEL_TEXT, DNS_LABEL_FORMAT, &["my-name", "123-abc"])
        });
    }
    problems
}

fn is_label_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    ends(bytes.first())
        && ends(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn is_dns_label(text: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
        && bytes.iter().all(|byte| plain(byte) || *byte == b'-')
}

/// `<text> (e.g. 'a',  or 'b', regex used for validation is '<format>')`; the two spaces are Kubernetes'.
fn pattern_text(text: &str, format: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!(
        "{text} (e.g. {}regex used for validation is '{format}')",
        examples.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualified_names() {
        let format = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with \
             an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
             '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
        let cases: &[(&str, &[&str])] = &[
            ("app", &[]),
            ("example.com/My_Name.x", &[]),
            ("-a", &[format]),
            ("", &["name part must be non-empty", format]),
            ("/a", &["prefix part must be non-empty"]),
        ];
        for (text, expect) in cases {
            assert_eq!(qualified_name(text), *expect, "{text}");
        }
        assert_eq!(
            qualified_name(&"a".repeat(64)),
            ["name part must be no more than 63 bytes"]
        );
        assert!(
            qualified_name("A/b")[0]
                .starts_with("prefix part a lowercase RFC 1123 subdomain must consist of")
        );
        assert!(qualified_name("a/b/c")[0].ends_with("prefix and '/' (e.g. 'example.com/MyName')"));
    }

    #[test]
    fn other_names() {
        assert!(label_value("").is_empty() && label_value("a_B.c-1").is_empty());
        assert!(label_value("$$")[0].starts_with("a valid label must be an empty string or consist of"));
        assert!(dns_subdomain("a.b-c.d1").is_empty());
        assert_eq!(dns_subdomain("A").len(), 1);
        assert_eq!(dns_label("a.b"), ["must not contain dots"]);
    }
}
