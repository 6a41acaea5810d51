//! Filling a server with Secrets.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::Result;

use crate::load::{Source, Until, closed, connect};
use crate::requests::Template;
use crate::server::Server;

const WRITERS: usize = 64;

/// Creates Secrets `from` up to, without, `to` in a namespace.
pub async fn populate(server: &Server, namespace: &str, from: usize, to: usize) -> Result<()> {
    let mut connections = connect(&server.access, WRITERS).await?;
    let source = Source::Counting(Template::create(namespace), Rc::new(Cell::new(from)));
    closed(&mut connections, &source, Until::Requests((to - from) as u64))
        .await
        .map(drop)
}
