use std::time::Duration;

use super::*;
use crate::settings::Settings;

fn settings(arguments: &[&str]) -> Settings {
    let arguments = ["strongroom", "serve"].iter().chain(arguments).map(Into::into);
    match parse(arguments).unwrap().command {
        Subcommands::Serve(serve) => serve.settings,
        other => panic!("{other:?}"),
    }
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("strongroom.yaml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

/// Environment variables belong to the whole process, so one test sets them, in a process of its own.
fn in_process_of_its_own(test: &str, environment: &[(&str, &str)]) -> bool {
    if std::env::var_os("STRONGROOM_TEST_CHILD").is_some() {
        return true;
    }
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env("STRONGROOM_TEST_CHILD", "1")
        .envs(environment.iter().copied())
        .status()
        .unwrap();
    assert!(status.success());
    false
}

#[test]
fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
    let environment = [
        ("STRONGROOM_SECURE_PORT", "2"),
        ("STRONGROOM_MAX_REQUESTS_INFLIGHT", "2"),
        ("STRONGROOM_LOGGING_FORMAT", "json"),
    ];
    let test = "command_line::tests::a_flag_goes_before_the_environment_before_the_file_before_the_default";
    if !in_process_of_its_own(test, &environment) {
        return;
    }
    let (_dir, path) =
        file("secure-port: 3\nmax-requests-inflight: 3\nmax-mutating-requests-inflight: 3\nevent-ttl: 3s\n");
    let got = settings(&["--config", &path, "--secure-port", "1"]);
    assert_eq!(got.secure_port, 1, "flag");
    assert_eq!(got.max_requests_inflight, 2, "environment");
    assert_eq!(
        got.logging_format,
        crate::settings::LoggingFormat::Json,
        "environment"
    );
    assert_eq!(got.max_mutating_requests_inflight, 3, "file");
    assert_eq!(got.event_ttl, Duration::from_secs(3), "file");
    assert_eq!(got.request_timeout, Duration::from_secs(60), "default");
    assert_eq!(got.http2_max_streams_per_connection, 250, "default");
}

#[test]
fn what_is_wrong_in_the_file_is_told_with_its_line() {
    let cases = [
        (
            "secure-port: 1\nsecureport: 2\n",
            "line 2: there is no setting `secureport`",
        ),
        ("config: other.yaml\n", "line 1: there is no setting `config`"),
        (
            "\nsecure-port: many\n",
            "line 2: invalid value 'many' for '--secure-port",
        ),
        ("event-ttl: 60\n", "expected a duration such as"),
        ("storage-backend: paper\n", "invalid value 'paper'"),
    ];
    for (text, expected) in cases {
        let (_dir, path) = file(text);
        let arguments = ["strongroom", "serve", "--config", &path].map(Into::into);
        match parse(arguments) {
            Err(Refusal::ConfigFile(error)) => {
                let got = format!("{error:#}");
                assert!(got.contains(expected), "{text:?}: {got}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn the_command_line_is_sound_and_every_command_shows_an_example() {
    fn check(command: &Command) {
        for subcommand in command.get_subcommands() {
            let examples = subcommand
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(examples.contains("Example"), "{}", subcommand.get_name());
            check(subcommand);
        }
    }
    command().debug_assert();
    check(&command());
}
