use super::*;
use crate::testing::{self, container};
use serde_json::json;

#[test]
fn messages() {
    let check = |file: &[u8], log: Option<&[u8]>, expect: &str| assert_eq!(message(file, log), expect);
    check(b"bye\n", None, "bye\n");
    check(b"bye", Some(b"log"), "bye");
    check(b"", None, "");
    check(b"", Some(b"log\n"), "log\n");
    check(&[b'x'; 5000], None, &"x".repeat(4096));
    check(b"\xff", None, "\u{fffd}");
    let lines: String = (0..100).map(|line| format!("{line}\n")).collect();
    let last: String = (20..100).map(|line| format!("{line}\n")).collect();
    check(b"", Some(lines.as_bytes()), &last);
    check(b"", Some(lines.trim_end().as_bytes()), last.trim_end());
    check(b"", Some(&[b'y'; 3000]), &"y".repeat(2048));
}

#[test]
fn where_and_when() {
    let read = |fields| testing::read::<Container>(container(fields));
    assert_eq!(path(&read(json!({}))), "/dev/termination-log");
    assert_eq!(path(&read(json!({"terminationMessagePath": "/tmp/x"}))), "/tmp/x");
    let fallback = read(json!({"terminationMessagePolicy": "FallbackToLogsOnError"}));
    assert!(falls_back_to_logs(&fallback, 1) && !falls_back_to_logs(&fallback, 0));
    assert!(!falls_back_to_logs(
        &read(json!({"terminationMessagePolicy": "File"})),
        1
    ));
}
