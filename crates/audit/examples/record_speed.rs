//! How long one record takes: `cargo run --release -p strongroom-audit --example record_speed [DIRECTORY]`.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use strongroom_audit::{
    Event, Fsync, HeadSigner, Level, Log, LogConfig, ObjectReference, Policy, Request, ResponseStatus, Stage,
    User, verify,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = directory.join(format!("audit-speed-{}", std::process::id()));
    let groups = [
        "system:serviceaccounts".to_owned(),
        "system:authenticated".to_owned(),
    ];
    let addresses = ["10.0.0.1".parse()?];
    let event = || Event {
        level: Level::Metadata,
        audit_id: "f0a7a3a0-5d6c-4b5e-9a54-c1c6dbb5f8f1",
        stage: Stage::ResponseComplete,
        request_uri: "/api/v1/namespaces/shop/secrets/database-credentials",
        verb: "get",
        user: User {
            username: "system:serviceaccount:shop:web",
            uid: "0c9b7a1e-8a3a-4b0e-9f6d-2f7d6a0e6d11",
            groups: &groups,
            extra: None,
        },
        impersonated_user: None,
        source_ips: &addresses,
        user_agent: "kubectl/v1.32.0 (linux/amd64) kubernetes/70d3cc9",
        object_reference: Some(ObjectReference {
            resource: "secrets",
            namespace: "shop",
            name: "database-credentials",
            api_version: "v1",
            ..ObjectReference::default()
        }),
        response_status: Some(ResponseStatus {
            code: 200,
            ..ResponseStatus::default()
        }),
        request_object: None,
        response_object: None,
        request_received: Timestamp::now(),
        stage_time: Timestamp::now(),
        annotations: &[
            ("authorization.k8s.io/decision", "allow"),
            (
                "authorization.k8s.io/reason",
                "RBAC: allowed by RoleBinding \"web\" of Role \"reader\"",
            ),
        ],
    };
    let policy = Policy::default();
    time("decide", 1_000_000, || {
        let request = Request {
            user: "alice",
            groups: &groups,
            is_resource: true,
            ..Request::default()
        };
        black_box(policy.decide(black_box(&request)));
    });
    println!(
        "a line has {} bytes before its place in the chain",
        event().to_json().len()
    );
    time("build and serialise", 300_000, || {
        drop(black_box(event().to_json()))
    });
    for (name, fsync, count) in [
        (
            "record, synced every second",
            Fsync::Every(Duration::from_secs(1)),
            500_000,
        ),
        ("record, always synced, one thread", Fsync::Always, 500),
    ] {
        let mut config = LogConfig::new(directory.join("audit.log"));
        config.fsync = fsync;
        let log = Log::open(config, HeadSigner::from_pkcs8(&HeadSigner::generate()?)?)?;
        time(name, count, || log.record(&event()).expect("a record is written"));
        let threads = 4;
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    (0..count / 4).for_each(|_| log.record(&event()).expect("a record is written"))
                });
            }
        });
        let each = begun.elapsed().as_secs_f64() * 1e6 / f64::from(count);
        println!("{name}: {each:.2} µs of wall time each from {threads} threads");
        log.flush()?;
        let begun = Instant::now();
        let files = strongroom_audit::query::files_of(&directory.join("audit.log"))?;
        let summary = verify(&files, Some(&log.head()), Some(log.public_key()))?;
        println!(
            "verify: {} records in {:.2} s",
            summary.records,
            begun.elapsed().as_secs_f64()
        );
    }
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

fn time(name: &str, count: u32, mut work: impl FnMut()) {
    let mut samples = Vec::with_capacity(count as usize);
    let begun = Instant::now();
    for _ in 0..count {
        let begun = Instant::now();
        work();
        samples.push(begun.elapsed().as_nanos());
    }
    let mean = begun.elapsed().as_secs_f64() * 1e6 / f64::from(count);
    samples.sort_unstable();
    let at = |share: f64| samples[(samples.len() as f64 * share) as usize] as f64 / 1000.0;
    println!(
        "{name}: {mean:.2} µs mean, {:.2} µs p50, {:.2} µs p99",
        at(0.5),
        at(0.99)
    );
}
