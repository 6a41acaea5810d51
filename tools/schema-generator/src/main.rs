//! Derives the descriptor table of `strongroom-objects` from Kubernetes' Go type definitions.
//!
//! `schema-generator <directory of k8s.io/{api,apimachinery}> <output directory>`
//!
//! Writes `schema.txt` (the table) and `descriptions.gz` (doc comments for `kubectl explain`). Both are committed;
//! run this again when the Kubernetes version that Strongroom follows changes.

mod description;
mod go_source;
mod render;
mod resolve;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use flate2::{Compression, GzBuilder};

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [source, output] = arguments.as_slice() else {
        bail!("usage: schema-generator <directory of k8s.io> <output directory>");
    };
    let universe = resolve::Universe::read(source)?;
    let types = universe.types()?;

    std::fs::write(output.join("schema.txt"), render::schema(&types)).context("writing schema.txt")?;

    let file = std::fs::File::create(output.join("descriptions.gz")).context("creating descriptions.gz")?;
    let mut compressed = GzBuilder::new().mtime(0).write(file, Compression::best());
    compressed.write_all(render::descriptions(&types).as_bytes())?;
    compressed.finish()?;

    let fields: usize = types.iter().map(|ty| ty.fields.len()).sum();
    println!("{} types, {fields} fields", types.len());
    Ok(())
}
