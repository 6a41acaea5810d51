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

    let (mut tokens, mut reads, mut creates) = (Pairs::default(), Pairs::default(), Pairs::default());
    for turn in 0..setting.runs.max(3) {
        let run = async |server, connections: &mut _, source| {
            let before = Server::cpu_of_threads(server);
            let load = closed(connections, source, Until::Elapsed(setting.run)).await?;
            let used = Server::cpu_of_threads(server) - before;
            anyhow::Ok(Measured {
                rate: load.rate(),
                microseconds: used * 1e6 / load.latency.count() as f64,
            })
        };
        // In turns: a machine that is given more processor time after a pause would favour whoever comes first.
        let (plain, certificate) = if turn % 2 == 0 {
            let plain = run(&silent, &mut unrecorded, &by_certificate).await?;
            (plain, run(&recording, &mut certified, &by_certificate).await?)
        } else {
            let certificate = run(&recording, &mut certified, &by_certificate).await?;
            (run(&silent, &mut unrecorded, &by_certificate).await?, certificate)
        };
        let bearer = run(&recording, &mut bearers, &by_token).await?;
        let (unrecorded_create, recorded_create) = if turn % 2 == 0 {
            let create = run(&silent, &mut unrecorded, &first).await?;
            (create, run(&recording, &mut certified, &second).await?)
        } else {
            let create = run(&recording, &mut certified, &second).await?;
            (run(&silent, &mut unrecorded, &first).await?, create)
        };
        tokens.add(bearer, certificate);
        reads.add(certificate, plain);
        creates.add(recorded_create, unrecorded_create);
    }
    let mut figures = Vec::new();
    figures.extend(tokens.figures("GET by service-account token / by certificate", 0.9));
    figures.extend(reads.figures("GET recorded / not recorded", 0.85));
    figures.extend(creates.figures("durable create recorded / not recorded, 64 writers", 0.9));
    Ok(figures)
}

/// What one run came to.
#[derive(Clone, Copy)]
struct Measured {
    rate: f64,
    /// Processor time of the server for each request.
    microseconds: f64,
}

/// Runs with and without something, one right after the other.
#[derive(Default)]
struct Pairs {
    ratios: Vec<f64>,
    processor: Vec<f64>,
    rates: Vec<f64>,
    with: Vec<f64>,
    without: Vec<f64>,
}

impl Pairs {
    fn add(&mut self, with: Measured, without: Measured) {
        self.ratios.push(with.rate / without.rate);
        self.processor.push(without.microseconds / with.microseconds);
        self.rates.push(with.rate);
        self.with.push(with.microseconds);
        self.without.push(without.microseconds);
    }

    fn figures(&self, what: &str, target: f64) -> [Figure; 5] {
        let figure = |what, unit, runs| Figure::new(what, unit, Target::None, runs);
        [
            Figure::new(what, "x", Target::AtLeast(target), &self.ratios),
            // Says the same where the server's core is the limit, and other processes disturb it less.
            figure("  by the server's processor time", "x", &self.processor),
            figure("  with", "/s", &self.rates),
            figure("  processor time with", "µs", &self.with),
            figure("  processor time without", "µs", &self.without),
        ]
    }
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
