use std::fs::{self, OpenOptions};
use std::io::Write;

use super::*;

fn append(path: &Path, text: &str) {
    let mut options = OpenOptions::new();
    let mut file = options.create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn read(tail: &mut Tail) -> Vec<String> {
    let lines = tail.read().unwrap().into_iter();
    lines.map(|line| String::from_utf8(line).unwrap()).collect()
}

#[test]
fn lines_are_followed_across_rotations() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let rotated = |at: u8| {
        directory
            .path()
            .join(format!("audit-2026-01-01T00-00-0{at}.000.log"))
    };
    append(&rotated(0), "a\nb\n");
    append(&path, "c\nd\n");
    assert_eq!(read(&mut Tail::open(&path, 0).unwrap()), Vec::<String>::new());
    assert_eq!(read(&mut Tail::open(&path, 3).unwrap()), ["b", "c", "d"]);
    assert_eq!(read(&mut Tail::open(&path, 9).unwrap()), ["a", "b", "c", "d"]);
    let mut tail = Tail::open(&path, 1).unwrap();
    assert_eq!(read(&mut tail), ["d"]);
    append(&path, "e\nf");
    assert_eq!(read(&mut tail), ["e"]);
    append(&path, "f\n\ng");
    assert_eq!(read(&mut tail), ["ff", ""]);
    append(&path, "g\n");
    fs::rename(&path, rotated(1)).unwrap();
    assert_eq!(read(&mut tail), ["gg"]);
    append(&path, "h\n");
    fs::rename(&path, rotated(2)).unwrap();
    append(&path, "i\n");
    assert_eq!(read(&mut tail), ["h", "i"]);
    assert_eq!(read(&mut tail), Vec::<String>::new());
    append(&path, "j\n");
    assert_eq!(read(&mut tail), ["j"]);
}

#[test]
fn a_log_that_comes_later_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("later/audit.log");
    let mut tail = Tail::open(&path, 5).unwrap();
    assert_eq!(read(&mut tail), Vec::<String>::new());
    fs::create_dir(path.parent().unwrap()).unwrap();
    append(&path, "a\n");
    assert_eq!(read(&mut tail), ["a"]);
}
