//! One record as one line for people.

use strongroom_audit::Record;

/// The same widths in every line, so that what follows them stands in columns.
const USER_WIDTH: usize = 28;
const VERB_WIDTH: usize = 6;
const NOTE: &str = "strongroom.dev/audit-note";

/// `2026-11-22T05:43:00.000Z  200  alice                         get     secrets shop/db`.
pub fn for_people(record: &Record) -> String {
    let time = record
        .time()
        .map_or_else(|| "-".to_owned(), |time| format!("{time:.3}"));
    let code = match &record.response_status {
        Some(status) => status.code.to_string(),
        None => "...".to_owned(),
    };
    let mut user = shown(&record.user.username);
    if let Some(other) = &record.impersonated_user {
        user = format!("{user} as {}", shown(&other.username));
    }
    let what = match &record.object_reference {
        Some(reference) => reference.to_string(),
        None => shown(&record.request_uri),
    };
    let verb = shown(&record.verb);
    let mut line = format!("{time:24}  {code:3}  {user:USER_WIDTH$}  {verb:VERB_WIDTH$}  {what}");
    if let Some(note) = record.annotations.get(NOTE) {
        line.push_str(&format!("  ({})", shown(note)));
    }
    line.push('\n');
    line
}

/// Text from a client, without what would move a terminal's cursor or begin a second line.
fn shown(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    let visible = text
        .chars()
        .map(|letter| if letter.is_control() { '?' } else { letter });
    visible.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_as_lines() {
        let check = |json: &str, expected: &str| {
            assert_eq!(for_people(&Record::parse(json.as_bytes()).unwrap()), expected);
        };
        check(
            r#"{"verb":"get","user":{"username":"alice"},"objectRef":{"resource":"secrets","namespace":"shop",
                "name":"db"},"responseStatus":{"code":200},"stageTimestamp":"2026-11-22T05:43:00.123456Z"}"#,
            "2026-11-22T05:43:00.123Z  200  alice                         get     secrets shop/db\n",
        );
        check(
            r#"{"verb":"get","user":{"username":"root"},"impersonatedUser":{"username":"a\u001b\nb"},
                "requestURI":"/api?x","annotations":{"strongroom.dev/audit-note":"opened"}}"#,
            "-                         ...  root as a??b                  get     /api?x  (opened)\n",
        );
    }
}
