//! Creating Secrets: the answer comes when the Secret is on the disk.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::Result;

use crate::figure::{Figure, Target};
use crate::load::{Source, Until, closed, connect};
use crate::requests::Template;
use crate::scenarios::{Setting, busy_note, milliseconds};
use crate::server::{Busy, Server};

const WRITERS: [(usize, Target); 4] = [
    (1, Target::AtLeast(800.0)),
    (16, Target::None),
    (64, Target::AtLeast(5_000.0)),
    (256, Target::AtLeast(6_000.0)),
];

pub async fn measure(setting: &Setting) -> Result<Vec<Figure>> {
    let server = Server::fresh(setting).await?;
    let source = Source::Counting(Template::create("bench"), Rc::new(Cell::new(0)));
    let mut figures = Vec::new();
    for (writers, target) in WRITERS {
        let mut connections = connect(&server.access, writers).await?;
        let mut rates = Vec::new();
        let mut note = String::new();
        for _ in 0..setting.runs {
            let busy = Busy::begin(&server);
            let load = closed(&mut connections, &source, Until::Elapsed(setting.run)).await?;
            rates.push(load.rate());
            let (p50, p99) = (load.latency.percentile(50.0), load.latency.percentile(99.0));
            note = format!(
                "p50 {:.2} ms, p99 {:.2} ms; {}",
                milliseconds(p50),
                milliseconds(p99),
                busy_note(busy.end(), &load)
            );
        }
        let plural = if writers == 1 { "" } else { "s" };
        figures.push(
            Figure::new(
                format!("durable create, {writers} writer{plural}"),
                "/s",
                target,
                &rates,
            )
            .note(note),
        );
    }
    Ok(figures)
}
