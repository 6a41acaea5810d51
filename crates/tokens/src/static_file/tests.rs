use super::*;

fn parse(file: &str) -> Result<StaticTokens, String> {
    StaticTokens::parse(file, &[7; 32]).map_err(|error| error.to_string())
}

#[test]
fn a_file_is_read() {
    let file = "t1,alice,1\r\n\nt2,bob,2,\"g1,g2\"\n\"t\"\"3\",\"carol, c\",,g3\n t4,dave,4,\"system:masters\",more\n";
    let tokens = parse(file).unwrap();
    let cases: [(&str, &str, &str, &[&str]); 4] = [
        ("t1", "alice", "1", &["system:authenticated"]),
        ("t2", "bob", "2", &["g1", "g2", "system:authenticated"]),
        ("t\"3", "carol, c", "", &["g3", "system:authenticated"]),
        ("t4", "dave", "4", &["system:masters", "system:authenticated"]),
    ];
    for (token, user, uid, groups) in cases {
        let identity = tokens.authenticate(token).unwrap();
        assert_eq!((identity.user.as_str(), identity.uid.as_str()), (user, uid));
        assert_eq!(identity.groups, groups);
    }
    for token in ["", "t", "t5", "alice", "T1"] {
        assert_eq!(tokens.authenticate(token), None);
    }
    assert_eq!(format!("{tokens:?}"), "StaticTokens { tokens: 4 }");
}

#[test]
fn a_bad_line_is_named_and_not_shown() {
    let cases = [
        ("secret,alice", "line 1: there must be a token, a user and a uid"),
        ("t,a,1\n,bob,2", "line 2: the token is empty"),
        ("t,a,1\n\nx,,2", "line 3: the user is empty"),
        ("t,a,1\nt,b,2", "line 2: an earlier line has the same token"),
        ("\"t,a,1", "line 1: a quote is not closed"),
        (
            "t\"x,a,1",
            "line 1: there is a quote inside a field that is not quoted",
        ),
        ("\"t\"x,a,1", "line 1: there is text behind a quoted field"),
    ];
    for (file, expected) in cases {
        assert_eq!(parse(file).unwrap_err(), expected);
    }
    assert!(parse("").unwrap().authenticate("").is_none());
}
