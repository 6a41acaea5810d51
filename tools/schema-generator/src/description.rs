//! Doc comments as OpenAPI descriptions: paragraphs joined, Go markers and TODO lines dropped, nothing after `---`.

/// The description that a comment block stands for; empty when there is none.
pub fn from_comment(comment: &[String]) -> String {
    let mut text = String::new();
    for line in comment
        .iter()
        .map(|line| line.trim_end())
        .take_while(|line| *line != "---")
    {
        let word = line.trim_start();
        if word.starts_with('+') || word.starts_with("TODO") {
            continue;
        }
        if line.is_empty() {
            trim_last_space(&mut text);
            text.push_str("\n\n");
        } else if line.starts_with([' ', '\t']) {
            trim_last_space(&mut text);
            text.push('\n');
            text.push_str(line);
            text.push('\n');
        } else {
            text.push_str(line);
            text.push(' ');
        }
    }
    text.trim().to_owned()
}

fn trim_last_space(text: &mut String) {
    if text.ends_with(' ') {
        text.pop();
    }
}

/// The paragraph that lists the values of an enum type.
pub fn of_enum<'a>(values: impl Iterator<Item = (&'a str, &'a [String])>) -> String {
    let mut text = String::from("Possible enum values:");
    for (value, comment) in values {
        text.push_str(&format!("\n - `\"{value}\"`"));
        let comment = from_comment(comment);
        if !comment.is_empty() {
            text.push(' ');
            text.push_str(&comment.replace('\n', " "));
        }
    }
    text
}
