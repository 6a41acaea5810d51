use serde_json::{Value, json};

use super::*;
use crate::pod;
use crate::testing::{self, at, container};

fn with_probe(question: Question, probe: Value) -> k8s_openapi::api::core::v1::Pod {
    let field = match question {
        Question::Startup => "startupProbe",
        Question::Liveness => "livenessProbe",
        Question::Readiness => "readinessProbe",
    };
    let mut whole = json!({"tcpSocket": {"port": 80}});
    for (key, value) in probe.as_object().expect("an object") {
        whole[key] = value.clone();
    }
    testing::pod(
        json!({"containers": [container(json!({field: whole, "ports": [{"name": "web", "containerPort": 8080}]}))]}),
    )
}

/// Feeds outcomes (`S`, `F`, `?`) one period apart; answers the verdicts after each (`S`, `F`, `-`).
fn run(question: Question, probe: Value, outcomes: &str) -> String {
    let pod = with_probe(question, probe);
    let member = pod::regular_members(&pod).next().expect("a container");
    let spec = ProbeSpec::of(member.container, question)
        .expect("a probe")
        .expect("a probe");
    let mut prober = Prober::new(spec, at(0));
    let mut verdicts = String::new();
    for letter in outcomes.chars() {
        let Some(due) = prober.due_at() else {
            verdicts.push('.');
            continue;
        };
        let outcome = match letter {
            'S' => Outcome::Success,
            'F' => Outcome::Failure("no".to_owned()),
            _ => Outcome::Unknown("?".to_owned()),
        };
        let before = prober.verdict();
        let report = prober.record(&member, &outcome, due);
        assert_eq!(report.changed, prober.verdict() != before);
        assert_eq!(report.event.is_some(), letter != 'S');
        verdicts.push(match prober.verdict() {
            None => '-',
            Some(Verdict::Success) => 'S',
            Some(Verdict::Failure) => 'F',
        });
    }
    verdicts
}

#[test]
fn thresholds() {
    use Question::{Liveness, Readiness, Startup};
    for (question, probe, outcomes, expect) in [
        (Liveness, json!({}), "FFSFFFF", "--SSSF."),
        (Liveness, json!({"failureThreshold": 1}), "SF", "SF"),
        (Liveness, json!({}), "F?F?F", "----F"),
        (Readiness, json!({}), "SFFFS", "SSSFS"),
        (
            Readiness,
            json!({"successThreshold": 2, "failureThreshold": 1}),
            "SFSSF",
            "-FFSF",
        ),
        (Startup, json!({"failureThreshold": 3}), "FFSF", "--S."),
        (Startup, json!({"failureThreshold": 2}), "FFS", "-F."),
    ] {
        assert_eq!(
            run(question, probe.clone(), outcomes),
            expect,
            "{question:?} {probe} {outcomes}"
        );
    }
}

#[test]
fn times() {
    let pod = with_probe(
        Question::Liveness,
        json!({"initialDelaySeconds": 7, "periodSeconds": 3}),
    );
    let member = pod::regular_members(&pod).next().expect("a container");
    let spec = ProbeSpec::of(member.container, Question::Liveness)
        .expect("a probe")
        .expect("a probe");
    assert_eq!(
        (
            spec.timeout_seconds,
            spec.success_threshold,
            spec.failure_threshold
        ),
        (1, 1, 3)
    );
    let mut prober = Prober::new(spec, at(10));
    assert_eq!(prober.due_at(), Some(at(17)));
    let _ = prober.record(&member, &Outcome::Success, at(20));
    assert_eq!(prober.due_at(), Some(at(23)));
}

#[test]
fn texts() {
    let check = |question: Question, outcome: Outcome, expect: (&str, &str)| {
        let pod = with_probe(question, json!({}));
        let member = pod::regular_members(&pod).next().expect("a container");
        let spec = ProbeSpec::of(member.container, question)
            .expect("a probe")
            .expect("a probe");
        let event = Prober::new(spec, at(0))
            .record(&member, &outcome, at(0))
            .event
            .expect("an event");
        assert_eq!((event.reason, event.message.as_str()), expect);
        assert_eq!(event.field_path.as_deref(), Some("spec.containers{c}"));
    };
    let failed = |text: &str| Outcome::Failure(text.to_owned());
    check(
        Question::Liveness,
        failed("HTTP probe failed with statuscode: 500"),
        (
            "Unhealthy",
            "Liveness probe failed: HTTP probe failed with statuscode: 500",
        ),
    );
    check(
        Question::Readiness,
        failed("cat: x"),
        ("Unhealthy", "Readiness probe failed: cat: x"),
    );
    check(
        Question::Startup,
        failed("x"),
        ("Unhealthy", "Startup probe failed: x"),
    );
    check(
        Question::Liveness,
        Outcome::Unknown("gone".to_owned()),
        ("Unhealthy", "Liveness probe errored: gone"),
    );
    check(
        Question::Liveness,
        Outcome::Warning("moved".to_owned()),
        ("ProbeWarning", "Liveness probe warning: moved"),
    );
}

#[test]
fn handlers() {
    let check = |probe: Value, expect: Result<Handler, &str>| {
        let mut probe = probe;
        probe["tcpSocket"] = probe.get("tcpSocket").cloned().unwrap_or(Value::Null);
        let pod = with_probe(Question::Liveness, probe);
        let member = pod::regular_members(&pod).next().expect("a container");
        let found = ProbeSpec::of(member.container, Question::Liveness);
        let found = found
            .map(|spec| spec.expect("a probe").handler)
            .map_err(|error| error.to_string());
        assert_eq!(found, expect.map_err(str::to_owned));
    };
    check(
        json!({"exec": {"command": ["a", "$(B)"]}}),
        Ok(Handler::Exec {
            command: vec!["a".into(), "$(B)".into()],
        }),
    );
    let http = |host: Option<&str>, port, path: &str, scheme| Handler::Http {
        scheme,
        host: host.map(str::to_owned),
        port,
        path: path.to_owned(),
        headers: vec![],
    };
    check(json!({"httpGet": {"port": 80}}), Ok(http(None, 80, "/", "http")));
    check(
        json!({"httpGet": {"port": "web", "path": "ready?x=1", "scheme": "HTTPS", "host": "h"}}),
        Ok(http(Some("h"), 8080, "/ready?x=1", "https")),
    );
    check(
        json!({"httpGet": {"port": "81"}}),
        Ok(http(None, 81, "/", "http")),
    );
    check(
        json!({"tcpSocket": {"port": "web", "host": ""}}),
        Ok(Handler::Tcp {
            host: None,
            port: 8080,
        }),
    );
    check(
        json!({"grpc": {"port": 9000, "service": "s"}}),
        Ok(Handler::Grpc {
            port: 9000,
            service: "s".into(),
        }),
    );
    check(
        json!({"tcpSocket": {"port": "none"}}),
        Err("couldn't find port: \"none\""),
    );
    check(json!({"tcpSocket": {"port": 0}}), Err("invalid port number: 0"));
    check(
        json!({"tcpSocket": {"port": 65536}}),
        Err("invalid port number: 65536"),
    );
    check(json!({}), Err("missing handler"));
}

#[test]
fn hooks() {
    let read = |hook: Value| {
        let container = testing::read(container(json!({"lifecycle": {"preStop": hook}})));
        handler::of_hook(&container, crate::events::Hook::PreStop)
    };
    assert_eq!(read(Value::Null), Ok(None));
    assert_eq!(
        read(json!({"sleep": {"seconds": 5}})),
        Ok(Some(Handler::Sleep { seconds: 5 }))
    );
    assert_eq!(
        read(json!({"exec": {"command": ["x"]}})),
        Ok(Some(Handler::Exec {
            command: vec!["x".into()]
        }))
    );
    assert_eq!(read(json!({})), Err(HandlerError::NoHandler));
}

#[test]
fn started_and_ready() {
    let success = Some(Verdict::Success);
    let probe = json!({"exec": {"command": ["x"]}});
    for (fields, verdicts, expect) in [
        (json!({}), Verdicts::default(), (true, true)),
        (
            json!({}),
            Verdicts {
                post_start_running: true,
                ..Verdicts::default()
            },
            (false, false),
        ),
        (
            json!({"startupProbe": probe}),
            Verdicts::default(),
            (false, false),
        ),
        (
            json!({"startupProbe": probe}),
            Verdicts {
                startup: success,
                ..Verdicts::default()
            },
            (true, true),
        ),
        (
            json!({"readinessProbe": probe}),
            Verdicts::default(),
            (true, false),
        ),
        (
            json!({"readinessProbe": probe}),
            Verdicts {
                readiness: success,
                ..Verdicts::default()
            },
            (true, true),
        ),
        (
            json!({"readinessProbe": probe, "startupProbe": probe}),
            Verdicts {
                readiness: success,
                ..Verdicts::default()
            },
            (false, false),
        ),
        (
            json!({"livenessProbe": probe}),
            Verdicts {
                liveness: Some(Verdict::Failure),
                ..Verdicts::default()
            },
            (true, true),
        ),
    ] {
        let container = testing::read(container(fields.clone()));
        assert_eq!(
            (started(&container, verdicts), ready(&container, verdicts)),
            expect,
            "{fields} {verdicts:?}"
        );
    }
}
