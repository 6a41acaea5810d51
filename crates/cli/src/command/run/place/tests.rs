use std::os::unix::fs::symlink;
use std::path::Path;

use super::super::source::{DirectorySource, Kind};
use super::{Created, settle};

#[test]
fn paths() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("a/b")).unwrap();
    std::fs::write(root.join("file"), "").unwrap();
    symlink("a", root.join("link")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    let check = |paths: &[&str], expect: Result<&[&str], &str>| {
        let sources = paths.iter().map(|path| {
            let path = if path.starts_with('/') {
                Path::new(path).to_owned()
            } else {
                root.join(path)
            };
            (
                Kind::Secret,
                DirectorySource {
                    name: "s".to_owned(),
                    path,
                },
            )
        });
        let found = settle(sources.collect());
        match (found, expect) {
            (Ok(found), Ok(expect)) => {
                let found: Vec<_> = found.into_iter().map(|(_, source)| source.path).collect();
                assert_eq!(
                    found,
                    expect.iter().map(|path| root.join(path)).collect::<Vec<_>>(),
                    "{paths:?}"
                );
            }
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{paths:?}: {error}"),
            (found, _) => panic!("{paths:?}: {found:?}"),
        }
    };
    check(&["a"], Ok(&["a"]));
    check(&["a/b/../b/"], Ok(&["a/b"]));
    check(&["link/b"], Ok(&["a/b"]));
    check(&["link/new/er"], Ok(&["a/new/er"]));
    check(
        &["a/one", "a/two", "a/onetwo"],
        Ok(&["a/one", "a/two", "a/onetwo"]),
    );
    check(&["/"], Err("over /"));
    check(&["/new/.."], Err("leads nowhere"));
    check(&["file"], Err("no directory"));
    check(&["file/x"], Err("cannot be looked at"));
    check(&["dangling"], Err("leads nowhere"));
    check(&["a", "link"], Err("of its own"));
    check(&["a", "a/b"], Err("of its own"));
    check(&["a/new/er", "a/new"], Err("of its own"));
}

#[test]
fn what_was_created_goes_and_what_was_there_stays() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::create_dir(scratch.path().join("there")).unwrap();
    {
        let mut created = Created::default();
        for path in ["there", "there/a/b", "there/a/c", "new"] {
            created.create(&scratch.path().join(path)).unwrap();
            assert!(scratch.path().join(path).is_dir());
        }
        std::fs::write(scratch.path().join("new/file"), "").unwrap();
    }
    assert!(scratch.path().join("there").is_dir() && scratch.path().join("new/file").exists());
    assert!(!scratch.path().join("there/a").exists());
}
