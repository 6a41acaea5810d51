//! What it costs to be let in by a service-account token rather than a certificate, and to be recorded: always two
//! servers or two callers side by side, because the machine's speed changes from minute to minute.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::{Context, Result};

use crate::figure::{Figure, Target};
use crate::http1::Connection;
use crate::load::{Source, Until, closed, connect};
use crate::requests::{self, Template};
use crate::scenarios::{Setting, populate};
use crate::server::Server;

const CONNECTIONS: usize = 64;
const ACCEPT: &str = "application/json";
/// Records nothing: what the audit log's cost is measured against.
const SILENT: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: None\n";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/bench";
const ROLE: &str =
    r#"{"metadata":{"name":"reader"},"rules":[{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}]}"#;
const BINDING: &str = r#"{"metadata":{"name":"reader"},"roleRef":{"kind":"Role","name":"reader"},"subjects":[{"kind":"ServiceAccount","name":"default","namespace":"bench"}]}"#;

pub async fn measure(setting: &Setting) -> Result<Vec<Figure>> {
    let policy = tempfile::NamedTempFile::new()?;
    std::fs::write(policy.path(), SILENT)?;
    let policy_path = policy.path().to_string_lossy().into_owned();
    let recording = Server::fresh(setting).await?;
    let silent = Server::fresh_with(setting, &["--audit-policy-file", &policy_path]).await?;
    for server in [&recording, &silent] {
        populate::populate(server, "bench", 0, 1).await?;
    }
    let token = token(&recording).await?;
    let path = format!("{}/{}", requests::secrets("bench"), requests::name(0));
    let by_certificate = Source::Fixed(requests::get(&path, ACCEPT).into());
    let by_token = Source::Fixed(requests::get_with_token(&path, ACCEPT, &token).into());
    let (first, second) = (
        Source::Counting(Template::create("bench"), Rc::new(Cell::new(1))),
        Source::Counting(Template::create("bench"), Rc::new(Cell::new(1))),
    );
    let mut certified = connect(&recording.access, CONNECTIONS).await?;
    let mut bearers = connect(&recording.access.without_certificate(), CONNECTIONS).await?;
    let mut unrecorded = connect(&silent.access, CONNECTIONS).await?;

    let (mut tokens, mut reads, mut creates) = (Vec::new(), Vec::new(), Vec::new());
    let (mut token_rates, mut create_rates) = (Vec::new(), Vec::new());
    for _ in 0..setting.runs.max(3) {
        let until = || Until::Elapsed(setting.run);
        let plain = closed(&mut unrecorded, &by_certificate, until()).await?.rate();
        let certificate = closed(&mut certified, &by_certificate, until()).await?.rate();
        let bearer = closed(&mut bearers, &by_token, until()).await?.rate();
        let unrecorded_create = closed(&mut unrecorded, &first, until()).await?.rate();
        let recorded_create = closed(&mut certified, &second, until()).await?.rate();
        tokens.push(bearer / certificate);
        reads.push(certificate / plain);
        creates.push(recorded_create / unrecorded_create);
        token_rates.push(bearer);
        create_rates.push(recorded_create);
    }
    Ok(vec![
        Figure::new(
            "GET by service-account token / by certificate",
            "x",
            Target::AtLeast(0.9),
            &tokens,
        ),
        Figure::new("  by token", "/s", Target::None, &token_rates),
        Figure::new("GET recorded / not recorded", "x", Target::AtLeast(0.85), &reads),
        Figure::new(
            "durable create recorded / not recorded, 64 writers",
            "x",
            Target::AtLeast(0.9),
            &creates,
        ),
        Figure::new("  recorded", "/s", Target::None, &create_rates),
    ])
}

/// A token of the service account `default`, which may read the namespace's Secrets.
async fn token(server: &Server) -> Result<String> {
    let json = |path: &str, body: &str| requests::with_body("POST", path, "application/json", body);
    server.expect(&json(&format!("{RBAC}/roles"), ROLE)).await?;
    server
        .expect(&json(&format!("{RBAC}/rolebindings"), BINDING))
        .await?;
    let path = "/api/v1/namespaces/bench/serviceaccounts/default/token";
    // The account comes a moment after its namespace.
    let mut tries = 0;
    let answer = loop {
        match server.expect(&json(path, "{}")).await {
            Ok(answer) => break answer,
            Err(error) if tries == 100 => return Err(error),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
        tries += 1;
    };
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let token = answer["status"]["token"].as_str().context("a token")?;
    // Whoever is let in by it has been let in once before the measurement.
    let path = format!("{}/{}", requests::secrets("bench"), requests::name(0));
    let access = server.access.without_certificate();
    let (status, _) = Connection::open(&access)
        .await?
        .fetch(&requests::get_with_token(&path, ACCEPT, token))
        .await?;
    anyhow::ensure!(status == 200, "the token is answered {status}");
    Ok(token.to_owned())
}
