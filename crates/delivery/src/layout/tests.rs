use std::collections::BTreeMap;

use strongroom_node_plan::{File, Payload};
use zeroize::Zeroizing;

use super::{Layout, check_path};

#[test]
fn paths() {
    let long = "a".repeat(256);
    let deep = "a/".repeat(2049);
    let check = |path: &str, problem: Option<&str>| {
        let found = check_path(path).map_err(|error| error.to_string());
        match problem {
            None => assert_eq!(found, Ok(()), "{path:?}"),
            Some(problem) => {
                let shown: String = path.chars().take(100).collect();
                assert_eq!(found, Err(format!("invalid path {shown:?}: {problem}")));
            }
        }
    };
    for good in [
        "a",
        "a.b",
        ".a",
        "dir/a.txt",
        "a/..b",
        "./a",
        "a//b",
        "a/",
        "a/./b",
        "ü",
        "a.",
        " ",
        "\\",
    ] {
        check(good, None);
    }
    check(&"a".repeat(255), None);
    check(&"a/".repeat(2048), None);
    for (path, problem) in [
        ("", "must not be empty"),
        (".", "must not be empty"),
        ("./", "must not be empty"),
        ("/a", "must be a relative path"),
        ("//", "must be a relative path"),
        ("..", "must not contain '..'"),
        ("a/..", "must not contain '..'"),
        ("a/../b", "must not contain '..'"),
        ("../../etc/passwd", "must not contain '..'"),
        ("..data", "must not start with '..'"),
        ("./..data", "must not start with '..'"),
        ("..a/b", "must not start with '..'"),
        ("...a/b", "must not start with '..'"),
        ("a\0b", "must not contain a NUL byte"),
        (&*long, "must have no element of more than 255 bytes"),
        (&*deep, "must be no more than 4096 bytes"),
    ] {
        check(path, Some(problem));
    }
}

#[test]
fn files_and_directories_of_one_name() {
    let check = |paths: &[&str], expect: Option<&[&str]>| {
        let file = File {
            content: Zeroizing::new(Vec::new()),
            mode: 0o644,
            owner: None,
        };
        let files: BTreeMap<_, _> = paths
            .iter()
            .map(|path| ((*path).to_owned(), file.clone()))
            .collect();
        let payload = Payload { files };
        let names = Layout::of(&payload)
            .ok()
            .map(|layout| layout.names().into_iter().collect::<Vec<_>>());
        assert_eq!(names.as_deref(), expect, "{paths:?}");
    };
    check(&[], Some(&[]));
    check(&["b", "a/1", "a/2", "a/c/d"], Some(&["a", "b"]));
    check(&["a", "a-b", "a-b/c"], None);
    check(&["a", "a/b"], None);
    check(&["a/b/c", "a/b"], None);
    check(&["./a", "a"], None);
    check(&["a//b", "a/b"], None);
}
