use std::path::Path;

use jiff::Timestamp;
use strongroom_audit::query::{Filter, What};
use strongroom_audit::{
    Event, Head, HeadSigner, Level, Log, LogConfig, ObjectReference, ResponseStatus, Stage, User,
};

use super::head::Source;
use super::verify::{KeyFrom, Witness, prove};
use super::*;
use crate::command_line::{self, Subcommands};

/// A log with rotated files: `alice` gets, `bob` deletes, in turn.
fn log(directory: &Path, records: usize) -> (Vec<PathBuf>, Head, Vec<u8>) {
    let path = directory.join("audit/audit.log");
    let signer = HeadSigner::from_pkcs8(&HeadSigner::generate().unwrap()).unwrap();
    let config = LogConfig {
        max_size_bytes: 4096,
        ..LogConfig::new(&path)
    };
    let log = Log::open(config, signer).unwrap();
    for number in 0..records {
        let (username, verb) = if number % 2 == 0 {
            ("alice", "get")
        } else {
            ("bob", "delete")
        };
        let user = User {
            username,
            ..User::default()
        };
        let at: Timestamp = "2026-11-22T05:00:00Z".parse().unwrap();
        let at = at + jiff::SignedDuration::from_mins(number as i64);
        let name = format!("db-{number}");
        let reference = ObjectReference {
            resource: "secrets",
            namespace: "shop",
            name: &name,
            ..ObjectReference::default()
        };
        let status = ResponseStatus {
            code: 200,
            ..ResponseStatus::default()
        };
        log.record(&Event {
            level: Level::Metadata,
            audit_id: "id",
            stage: Stage::ResponseComplete,
            request_uri: "/api",
            verb,
            user,
            impersonated_user: None,
            source_ips: &[],
            user_agent: "test",
            object_reference: Some(reference),
            response_status: Some(status),
            request_object: None,
            response_object: None,
            request_received: at,
            stage_time: at,
            annotations: &[],
        })
        .unwrap();
    }
    log.flush().unwrap();
    let (head, key) = (log.head(), log.public_key().to_vec());
    drop(log);
    (strongroom_audit::query::files_of(&path).unwrap(), head, key)
}

#[test]
fn a_whole_log_is_proven_and_a_broken_one_names_the_place() {
    let directory = tempfile::tempdir().unwrap();
    let (files, head, public_key) = log(directory.path(), 40);
    assert!(files.len() > 2, "{files:?}");
    let witness = Witness {
        head,
        public_key,
        key_from: KeyFrom::Given,
    };
    let proof = prove(&files, Some(&witness), true).unwrap().to_string();
    for part in [
        "Proven: from record 1 to 40 nothing was removed, reordered or changed.",
        "Records  40, number 1 to 40\n",
        "Time     2026-11-22T05:00:00.000Z to 2026-11-22T05:39:00.000Z\n",
        "Head     holds: record 40",
        "(the one that was given)",
    ] {
        assert!(proof.contains(part), "{part:?} is not in\n{proof}");
    }
    let later = prove(&files[1..], None, false).unwrap().to_string();
    assert!(
        later.contains("are in older files")
            && later.contains("Head     none")
            && later.starts_with("The chain holds: no gap"),
        "{later}"
    );

    let unsure = Witness {
        key_from: KeyFrom::Head,
        ..witness.clone()
    };
    let proof = prove(&files, Some(&unsure), true).unwrap().to_string();
    assert!(
        proof.contains("if its key is the server's") && !proof.contains("Proven"),
        "{proof}"
    );

    let refused = |files: &[PathBuf], witness: Option<&Witness>, complete, expected: &str| {
        let error = prove(files, witness, complete).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    refused(&files[1..], None, true, "records 1 to");
    refused(
        &files[..files.len() - 1],
        Some(&witness),
        false,
        "signed head is at record 40",
    );
    let gap = [&files[..1], &files[2..]].concat();
    refused(&gap, None, false, "should be here");
    let stranger = Witness {
        public_key: vec![7; 32],
        ..witness.clone()
    };
    refused(&files, Some(&stranger), false, "not signed by the key");

    let text = std::fs::read_to_string(&files[1]).unwrap();
    let second = text.lines().nth(1).unwrap();
    let changed = text.replace(second, &second.replace("shop", "shap"));
    std::fs::write(&files[1], changed).unwrap();
    refused(
        &files,
        Some(&witness),
        false,
        &format!("{} line 2: record", files[1].display()),
    );
}

#[test]
fn records_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let (files, ..) = log(directory.path(), 40);
    let find = |filter: &Filter| {
        let mut found = Vec::new();
        let strange = query::find(&files, filter, |line, record| {
            assert_eq!(strongroom_audit::Record::parse(line).unwrap(), *record);
            found.push(record.object_reference.clone().unwrap().name);
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!(strange.unwrap(), [""; 0]);
        found
    };
    let filter = Filter {
        who: Some("bob".to_owned()),
        what: Some(What::parse("delete secrets")),
        since: Some("2026-11-22T05:35:00Z".parse().unwrap()),
        ..Filter::default()
    };
    assert_eq!(find(&filter), ["db-35", "db-37", "db-39"]);
    assert_eq!(find(&Filter::default()).len(), 40);

    let mut shown = 0;
    let breaking = |_: &[u8], _: &strongroom_audit::Record| {
        shown += 1;
        Ok(ControlFlow::Break(()))
    };
    query::find(&files, &Filter::default(), breaking).unwrap();
    assert_eq!(shown, 1, "a reader that goes away is not written to any more");

    std::fs::write(&files[0], "{}\nnonsense\n").unwrap();
    let strange = query::find(&files[..1], &Filter::default(), |_, _| {
        Ok(ControlFlow::Continue(()))
    });
    assert_eq!(strange.unwrap(), [format!("{} line 2", files[0].display())]);
}

#[test]
fn heads_come_from_three_places() {
    assert_eq!(Source::parse("-"), Ok(Source::Input));
    assert_eq!(Source::parse("a.head"), Ok(Source::File("a.head".into())));
    assert!(matches!(
        Source::parse("https://127.0.0.1:6443"),
        Ok(Source::Url(_))
    ));
    assert!(Source::parse("http://127.0.0.1:6443").is_err());
    assert!(Source::parse("https://a b").is_err());

    let directory = tempfile::tempdir().unwrap();
    let (_, head, key) = log(directory.path(), 1);
    let file = directory.path().join("head");
    std::fs::write(&file, head.to_json()).unwrap();
    assert_eq!(Source::File(file.clone()).read(None, None).unwrap(), head);
    std::fs::write(&file, "{}").unwrap();
    let error = Source::File(file).read(None, None).unwrap_err();
    assert!(error.to_string().contains("holds no audit head"), "{error}");

    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &key);
    assert_eq!(head::public_key(&text), Ok(key.clone()));
    let file = directory.path().join("key");
    std::fs::write(&file, text + "\n").unwrap();
    assert_eq!(head::public_key(file.to_str().unwrap()), Ok(key));
    for bad in ["", "AAAA", "/nonexistent"] {
        assert!(head::public_key(bad).is_err(), "{bad}");
    }
}

#[test]
fn arguments_are_read() {
    let parse = |arguments: &str| {
        let words = ["strongroom", "audit"]
            .into_iter()
            .chain(arguments.split_whitespace());
        command_line::parse(words.map(Into::into))
    };
    for arguments in [
        "verify",
        "verify a.log b.log --complete -o json",
        "verify --head - --public-key zCgspKaS8cDHkRW6uyp1xR/vrf2vkEyVudqPAJExSII=",
        "tail",
        "tail -f -n 0 a.log -o json",
        "query",
        "query --who sa:shop/web --what get --since 2h --until 2026-11-22T05:00:00Z -n shop a.log b.log",
    ] {
        let parsed = parse(arguments).unwrap();
        assert!(matches!(parsed.command, Subcommands::Audit(_)), "{arguments}");
    }
    for arguments in [
        "",
        "verify --head http://a",
        "verify --public-key AAAA",
        "verify -o yaml",
        "tail -n x",
        "query --since yesterday",
        "query --who sa:web",
    ] {
        assert!(parse(arguments).is_err(), "{arguments}");
    }
}
