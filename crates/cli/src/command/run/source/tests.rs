use super::{Owner, directory, file_mode, owner, variable};

#[test]
fn variables() {
    let check = |text: &str, expect: Result<(&str, Option<(&str, &str)>), &str>| {
        let found = variable(text);
        let found = match &found {
            Ok(source) => {
                let one = source.one.as_ref();
                Ok((
                    source.name.as_str(),
                    one.map(|(key, variable)| (key.as_str(), variable.as_str())),
                ))
            }
            Err(misread) => Err(misread.0.split(' ').nth(1).unwrap()),
        };
        assert_eq!(found, expect, "{text:?}");
    };
    check("db", Ok(("db", None)));
    check("db.v1-2", Ok(("db.v1-2", None)));
    check("db:password", Ok(("db", Some(("password", "password")))));
    check("db:tls.crt=CRT", Ok(("db", Some(("tls.crt", "CRT")))));
    check("db:a=B:C", Ok(("db", Some(("a", "B:C")))));
    check("db=PREFIX", Err("NAME:KEY=VAR:"));
    check("db:a=", Err("the"));
    check("db:a=B=C", Err("the"));
    check("db:a=ü", Err("the"));
    check("db:", Err("a"));
    check("db:a b", Err("a"));
    check("db:a/b", Err("a"));
    check("", Err("an"));
    check(":a", Err("an"));
    check("DB", Err("an"));
    check("../etc", Err("an"));
    check("a/b", Err("an"));
}

#[test]
fn directories() {
    let check = |text: &str, expect: Option<(&str, &str)>| {
        let found = directory(text).ok();
        let found = found
            .as_ref()
            .map(|source| (source.name.as_str(), source.path.to_str().unwrap()));
        assert_eq!(found, expect, "{text:?}");
    };
    check("tls=/etc/tls", Some(("tls", "/etc/tls")));
    check("tls=here", Some(("tls", "here")));
    check("tls=/a=b", Some(("tls", "/a=b")));
    check("tls", None);
    check("tls=", None);
    check("=/etc/tls", None);
}

#[test]
fn modes_and_owners() {
    for (text, expect) in [
        ("0400", Some(0o400)),
        ("644", Some(0o644)),
        ("0o640", Some(0o640)),
        ("0", Some(0)),
        ("1000", None),
    ] {
        assert_eq!(file_mode(text).ok().map(|mode| mode.0), expect, "{text:?}");
    }
    for text in ["", "888", "-1", "+4", "0x1ff", "r--"] {
        assert!(file_mode(text).is_err(), "{text:?}");
    }
    assert_eq!(
        owner("1000"),
        Ok(Owner {
            user: 1000,
            group: None
        })
    );
    assert_eq!(
        owner("0:33"),
        Ok(Owner {
            user: 0,
            group: Some(33)
        })
    );
    for text in [
        "",
        ":",
        "1:",
        "-1",
        "root",
        "4294967295",
        "4294967296",
        "+1",
        "1:2:3",
    ] {
        assert!(owner(text).is_err(), "{text:?}");
    }
}
