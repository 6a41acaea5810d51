//! What an operation costs as the number of Secrets grows.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::figure::{Figure, Target};
use crate::http1::Connection;
use crate::load::{Source, Until, closed, connect};
use crate::requests::{self, Random, Template};
use crate::scenarios::{Setting, milliseconds, populate};
use crate::server::Server;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
const FULL: usize = 1_000_000;
const READERS: usize = 64;
const WRITERS: usize = 64;
/// Creates in one run: few, so that the size stays what it is said to be. They are deleted again.
const CREATES: u64 = 2_000;
/// Lists in one run.
const LISTS: u32 = 50;

/// Microseconds for one operation, at one size.
struct Cost {
    size: usize,
    get: Vec<f64>,
    create: Vec<f64>,
    list: Vec<f64>,
}

pub async fn measure(setting: &Setting) -> Result<Vec<Figure>> {
    let server = Server::fresh(setting).await?;
    server.create_namespace("passing").await?;
    let sizes = SIZES.into_iter().chain(setting.full.then_some(FULL));
    let mut costs = Vec::new();
    let mut stored = 0;
    for size in sizes {
        populate::populate(&server, "bench", stored, size).await?;
        stored = size;
        costs.push(measure_at(setting, &server, size).await?);
    }
    let figures = [
        figures("GET of any Secret, 64 connections", &costs, |cost| &cost.get),
        figures("durable create, 64 writers", &costs, |cost| &cost.create),
        figures("LIST limit=500, 1 connection", &costs, |cost| &cost.list),
    ];
    Ok(figures.concat())
}

async fn measure_at(setting: &Setting, server: &Server, size: usize) -> Result<Cost> {
    let mut cost = Cost {
        size,
        get: Vec::new(),
        create: Vec::new(),
        list: Vec::new(),
    };
    let get = Source::Random(
        Template::get("bench"),
        Rc::new(RefCell::new(Random::new(size as u64))),
        size,
    );
    let mut readers = connect(&server.access, READERS).await?;
    let mut writers = connect(&server.access, WRITERS).await?;
    let mut lister = Connection::open(&server.access).await?;
    closed(&mut readers, &get, Until::Elapsed(setting.run / 4)).await?;
    for _ in 0..setting.runs {
        cost.get.push(
            1e6 / closed(&mut readers, &get, Until::Elapsed(setting.run))
                .await?
                .rate(),
        );
        let create = Source::Counting(Template::create("passing"), Rc::new(Cell::new(0)));
        cost.create.push(
            1e6 / closed(&mut writers, &create, Until::Requests(CREATES))
                .await?
                .rate(),
        );
        server
            .expect(&requests::with_body(
                "DELETE",
                &requests::secrets("passing"),
                "application/json",
                "{}",
            ))
            .await?;
        cost.list.push(list(&mut lister).await?);
    }
    Ok(cost)
}

async fn list(connection: &mut Connection) -> Result<f64> {
    let request = requests::get(
        &format!("{}?limit=500", requests::secrets("bench")),
        "application/json",
    );
    let began = Instant::now();
    for _ in 0..LISTS {
        let (status, _) = connection.exchange(&request).await?;
        ensure!(status == 200, "the server answered {status}");
    }
    Ok(milliseconds(began.elapsed()) * 1000.0 / f64::from(LISTS))
}

/// The cost at each size, and how it grew from the smallest to the largest.
fn figures(what: &str, costs: &[Cost], of: impl Fn(&Cost) -> &Vec<f64>) -> Vec<Figure> {
    let mut figures: Vec<_> = costs
        .iter()
        .map(|cost| {
            Figure::new(
                format!("{what}, of {}", thousands(cost.size)),
                "µs",
                Target::None,
                of(cost),
            )
        })
        .collect();
    if let (Some(first), Some(last)) = (figures.first(), figures.last()) {
        let growth = last.median / first.median;
        figures.push(Figure::new(
            "  growth from smallest to largest",
            "x",
            Target::AtMost(1.5),
            &[growth],
        ));
    }
    figures
}

fn thousands(size: usize) -> String {
    if size >= 1_000_000 {
        "1,000,000".to_owned()
    } else {
        format!("{},000", size / 1000)
    }
}
