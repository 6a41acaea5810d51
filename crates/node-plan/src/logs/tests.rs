use proptest::prelude::*;

use super::*;

const LOG: &[u8] = b"2026-01-02T03:04:05.1Z stdout F one\n\
2026-01-02T03:04:06.123456789Z stderr F two\n\
2026-01-02T03:04:07Z stdout P thr\n\
2026-01-02T03:04:07.5Z stdout F ee\n\
2026-01-02T04:04:08+01:00 stdout F \n\
2026-01-02T03:04:09Z stdout F four  \xff\n";

fn answer(selection: Selection) -> String {
    let start = selection
        .tail_lines
        .and_then(|lines| tail_start(LOG, lines))
        .unwrap_or(0);
    let mut writer = Writer::new(selection);
    let mut answer = Vec::new();
    for line in LOG[start..].split_inclusive(|byte| *byte == b'\n') {
        writer.write(&parse(line).expect("a line"), &mut answer);
        if writer.is_full() {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn selections() {
    let all = Selection::default;
    let check =
        |selection: Selection, expect: &str| assert_eq!(answer(selection.clone()), expect, "{selection:?}");
    check(all(), "one\ntwo\nthree\n\nfour  \u{fffd}\n");
    check(
        Selection {
            stream: Some(Stream::Stderr),
            ..all()
        },
        "two\n",
    );
    check(
        Selection {
            stream: Some(Stream::Stdout),
            ..all()
        },
        "one\nthree\n\nfour  \u{fffd}\n",
    );
    check(
        Selection {
            tail_lines: Some(1),
            ..all()
        },
        "four  \u{fffd}\n",
    );
    check(
        Selection {
            tail_lines: Some(3),
            ..all()
        },
        "ee\n\nfour  \u{fffd}\n",
    );
    check(
        Selection {
            tail_lines: Some(0),
            ..all()
        },
        "",
    );
    check(
        Selection {
            tail_lines: Some(100),
            ..all()
        },
        "one\ntwo\nthree\n\nfour  \u{fffd}\n",
    );
    let since = "2026-01-02T03:04:08Z".parse().ok();
    check(Selection { since, ..all() }, "\nfour  \u{fffd}\n");
    check(
        Selection {
            limit_bytes: Some(6),
            ..all()
        },
        "one\ntw",
    );
    check(
        Selection {
            limit_bytes: Some(0),
            ..all()
        },
        "",
    );
    check(
        Selection {
            timestamps: true,
            ..all()
        },
        "2026-01-02T03:04:05.100000000Z one\n2026-01-02T03:04:06.123456789Z two\n2026-01-02T03:04:07.000000000Z three\n\
         2026-01-02T04:04:08.000000000+01:00 \n2026-01-02T03:04:09.000000000Z four  \u{fffd}\n",
    );
    check(
        Selection {
            timestamps: true,
            limit_bytes: Some(35),
            ..all()
        },
        "2026-01-02T03:04:05.100000000Z one\n",
    );
}

#[test]
fn lines() {
    let line = parse(b"2026-01-02T03:04:05.000000001+00:00 stderr P:x some text ").expect("a line");
    assert_eq!(
        (line.stream, line.partial, line.text),
        (Stream::Stderr, true, &b"some text "[..])
    );
    assert_eq!(line.time.as_nanosecond() % 1_000_000_000, 1);
    assert_eq!(parse(b"2026-01-02T03:04:05Z stdout F").expect("a line").text, b"");
    for (text, error) in [
        (&b""[..], LineError::Time),
        (b"plain text of a broken file", LineError::Time),
        (b"2026-01-02T03:04:05Z", LineError::Time),
        (b"2026-01-02T03:04:05Z stdout", LineError::Stream),
        (b"2026-01-02T03:04:05Z stdin F x", LineError::Stream),
        (b"2026-01-02T03:04:05Z stdout X x", LineError::Tag),
        (b"2026-13-02T03:04:05Z stdout F x", LineError::Time),
        (b"\xff\xff stdout F x", LineError::Time),
    ] {
        assert_eq!(parse(text), Err(error), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn tails_of_pieces() {
    assert_eq!(tail_start(b"half a line\nb\nc\n", 2), Some(12));
    assert_eq!(
        tail_start(b"half a line\nb\nc\n", 3),
        None,
        "more of the file has to be read"
    );
    assert_eq!(tail_start(b"a\nb", 1), Some(2));
    assert_eq!(tail_start(b"", 1), None);
}

proptest! {
    #[test]
    fn any_line_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn what_is_written_is_read_again(text in "[^\n]{0,60}", partial: bool, nanosecond in 0_i128..4_000_000_000_000_000_000) {
        let time = Timestamp::from_nanosecond(nanosecond).expect("a time");
        let written = format!("{time} stdout {} {text}\n", if partial { "P" } else { "F" });
        let line = parse(written.as_bytes()).expect("a line");
        prop_assert_eq!((line.time, line.partial, line.text), (time, partial, text.as_bytes()));
    }

    #[test]
    fn limits_hold(limit in 0_u64..200, timestamps: bool) {
        let whole = answer(Selection { timestamps, ..Selection::default() }).replace('\u{fffd}', "?");
        let cut = answer(Selection { timestamps, limit_bytes: Some(limit), ..Selection::default() }).replace('\u{fffd}', "?");
        prop_assert!(cut.len() as u64 <= limit && whole.starts_with(&cut));
        prop_assert_eq!(cut.len(), whole.len().min(usize::try_from(limit).expect("small")));
    }
}
