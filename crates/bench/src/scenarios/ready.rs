//! How long a server that holds much takes to start.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use crate::figure::{Figure, Target};
use crate::load::{Source, Until, closed, connect};
use crate::requests::Template;
use crate::scenarios::{Setting, milliseconds, populate};
use crate::server::Server;

const SECRETS: usize = 100_000;
/// How long the server is watched after a start, to see what its own housekeeping costs.
const HOUSEKEEPING: Duration = Duration::from_secs(20);
/// Writers under whom the server is killed, and for how long they write.
const WRITERS: usize = 16;
const WRITING: Duration = Duration::from_millis(300);

pub async fn measure(setting: &Setting) -> Result<Vec<Figure>> {
    let mut server = Server::fresh(setting).await?;
    populate::populate(&server, "bench", 0, SECRETS).await?;
    let (mut stopped, mut killed) = (Vec::new(), Vec::new());
    for _ in 0..setting.runs {
        server = server.stop()?.start().await?;
        stopped.push(milliseconds(server.ready_after));
    }
    let ready_cpu = server.cpu();
    tokio::time::sleep(HOUSEKEEPING).await;
    let housekeeping = server.cpu() - ready_cpu;
    let source = Source::Counting(Template::create("bench"), Rc::new(Cell::new(SECRETS)));
    for _ in 0..setting.runs {
        let mut connections = connect(&server.access, WRITERS).await?;
        let writers = tokio::task::spawn_local({
            let source = source.clone();
            // They end with an error when the server is gone.
            async move { drop(closed(&mut connections, &source, Until::Elapsed(Duration::MAX)).await) }
        });
        tokio::time::sleep(WRITING).await;
        let data = server.kill()?;
        writers.abort();
        server = data.start().await?;
        killed.push(milliseconds(server.ready_after));
    }
    Ok(vec![
        Figure::new(
            "ready with 100,000 Secrets, after a clean stop",
            "ms",
            Target::AtMost(1000.0),
            &stopped,
        ),
        Figure::new(
            "  its processor time in the 20 s after that",
            "s",
            Target::None,
            &[housekeeping],
        ),
        Figure::new(
            "ready with 100,000 Secrets, after kill -9 under 16 writers",
            "ms",
            Target::AtMost(1000.0),
            &killed,
        ),
    ])
}
