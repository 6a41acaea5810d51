//! Texts as Go's `strconv` and `fmt` write them, which API messages are made of.

/// A string in double quotes with Go's escapes, like `%q`.
pub fn quote(text: &str) -> String {
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
            ' '..='~' => out.push(character),
            '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ if is_printable(character) => out.push(character),
            '\u{80}'..='\u{ffff}' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => out.push_str(&format!("\\U{:08x}", u32::from(character))),
        }
    }
    out.push('"');
    out
}

/// Close to Go's `unicode.IsPrint` for what is not ASCII.
fn is_printable(character: char) -> bool {
    !character.is_whitespace() && (character.is_alphanumeric() || character.escape_debug().len() == 1)
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn quoted_as_go_does() {
        let cases = [
            ("a", r#""a""#),
            ("", r#""""#),
            ("a\"b\\", r#""a\"b\\""#),
            ("\n\t\u{7}\0\u{7f}", r#""\n\t\a\x00\x7f""#),
            ("ключ 秘", r#""ключ 秘""#),
            ("\u{85}\u{a0}\u{200b}", r#""\u0085\u00a0\u200b""#),
            ("\u{e0001}", r#""\U000e0001""#),
        ];
        for (text, expect) in cases {
            assert_eq!(quote(text), expect);
        }
    }
}
