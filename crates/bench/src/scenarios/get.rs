//! Reading one Secret: how often in a second, how that compares with answering at all, and how
//! long it takes when the server is half as busy as it can be.

use anyhow::Result;

use crate::figure::{Figure, Target};
use crate::http2;
use crate::load::{Load, Source, Until, closed, connect, multiplexed, open};
use crate::requests;
use crate::scenarios::{Setting, busy_note, milliseconds, populate};
use crate::server::{Busy, Server};

const CONNECTIONS: usize = 64;
const ACCEPT: &str = "application/json";
/// Kubernetes' own clients ask like this for built-in types.
const ACCEPT_PROTOBUF: &str = "application/vnd.kubernetes.protobuf,application/json";

#[derive(Default)]
struct Runs {
    livez: Vec<f64>,
    get: Vec<f64>,
    ratio: Vec<f64>,
    median: Vec<f64>,
    tail: Vec<f64>,
    protobuf: Vec<f64>,
    single: Vec<f64>,
    multiplexed: Vec<f64>,
    multiplexed_livez: Vec<f64>,
    get_busy: String,
    livez_busy: String,
    multiplexed_busy: String,
    half_busy: String,
}

pub async fn measure(setting: &Setting) -> Result<Vec<Figure>> {
    let server = Server::fresh(setting).await?;
    populate::populate(&server, "bench", 0, 1).await?;
    let path = format!("{}/{}", requests::secrets("bench"), requests::name(0));
    let fixed = |request: Vec<u8>| Source::Fixed(request.into());
    let (get, livez) = (
        fixed(requests::get(&path, ACCEPT)),
        fixed(requests::get("/livez", "*/*")),
    );
    let protobuf = fixed(requests::get(&path, ACCEPT_PROTOBUF));
    let mut many = connect(&server.access, CONNECTIONS).await?;
    let mut one = connect(&server.access, 1).await?;
    let mut runs = Runs::default();
    closed(&mut many, &get, Until::Elapsed(setting.run / 4)).await?;
    for _ in 0..setting.runs {
        let (load, busy) = watched(&server, closed(&mut many, &livez, Until::Elapsed(setting.run))).await?;
        let livez_rate = load.rate();
        runs.livez.push(livez_rate);
        runs.livez_busy = busy;
        let (load, busy) = watched(&server, closed(&mut many, &get, Until::Elapsed(setting.run))).await?;
        let rate = load.rate();
        runs.get.push(rate);
        runs.ratio.push(rate / livez_rate);
        runs.get_busy = format!(
            "p50 {:.2} ms, p99 {:.2} ms; {busy}",
            milliseconds(load.latency.percentile(50.0)),
            milliseconds(load.latency.percentile(99.0))
        );
        let (load, busy) = watched(&server, open(&mut many, &get, rate / 2.0, setting.run)).await?;
        runs.median.push(milliseconds(load.latency.percentile(50.0)));
        runs.tail.push(milliseconds(load.latency.percentile(99.0)));
        runs.half_busy = format!("{:.0}/s asked, {:.0}/s answered; {busy}", rate / 2.0, load.rate());
        runs.protobuf.push(
            closed(&mut many, &protobuf, Until::Elapsed(setting.run))
                .await?
                .rate(),
        );
        runs.single
            .push(closed(&mut one, &get, Until::Elapsed(setting.run)).await?.rate());
        let over_http2 = |path: &str, accept: &str| http2::Request::get(path, accept);
        let (load, busy) = watched(
            &server,
            multiplexed(
                &server.access,
                &over_http2(&path, ACCEPT),
                CONNECTIONS,
                setting.run,
            ),
        )
        .await?;
        runs.multiplexed.push(load.rate());
        runs.multiplexed_busy = busy;
        runs.multiplexed_livez.push(
            multiplexed(
                &server.access,
                &over_http2("/livez", "*/*"),
                CONNECTIONS,
                setting.run,
            )
            .await?
            .rate(),
        );
    }
    Ok(figures(&runs))
}

async fn watched(server: &Server, load: impl Future<Output = Result<Load>>) -> Result<(Load, String)> {
    let busy = Busy::begin(server);
    let load = load.await?;
    let note = busy_note(busy.end(), &load);
    Ok((load, note))
}

fn figures(runs: &Runs) -> Vec<Figure> {
    vec![
        Figure::new(
            "GET one Secret, 64 connections, HTTP/1.1",
            "/s",
            Target::AtLeast(20_000.0),
            &runs.get,
        )
        .note(&runs.get_busy),
        Figure::new("  /livez, the same", "/s", Target::None, &runs.livez).note(&runs.livez_busy),
        Figure::new("  GET / livez", "x", Target::AtLeast(0.6), &runs.ratio),
        Figure::new(
            "  p99 at half load (open loop)",
            "ms",
            Target::AtMost(5.0),
            &runs.tail,
        )
        .note(&runs.half_busy),
        Figure::new("  p50 at half load (open loop)", "ms", Target::None, &runs.median),
        Figure::new("  as protobuf", "/s", Target::None, &runs.protobuf),
        Figure::new(
            "GET one Secret, 1 connection, HTTP/1.1",
            "/s",
            Target::None,
            &runs.single,
        ),
        Figure::new(
            "GET one Secret, 64 streams on one HTTP/2 connection",
            "/s",
            Target::None,
            &runs.multiplexed,
        )
        .note(&runs.multiplexed_busy),
        Figure::new("  /livez, the same", "/s", Target::None, &runs.multiplexed_livez),
    ]
}
