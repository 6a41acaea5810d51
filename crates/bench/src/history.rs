//! The figures of every run, one record after the other.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figure::Figure;

/// Adds a record to the JSON list in `file`.
pub fn append(file: &Path, figures: &[Figure], server: &Path) -> Result<()> {
    let mut records: Vec<Value> = match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text)
            .with_context(|| format!("{} is not a list of records", file.display()))?,
        Err(_) => Vec::new(),
    };
    records.push(json!({
        "time": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "commit": first_line("git", &["describe", "--always", "--dirty"]),
        "kernel": first_line("uname", &["-sr"]),
        "cpu": cpu(),
        "server": server,
        "figures": figures,
    }));
    let temporary = file.with_extension("json.new");
    std::fs::write(&temporary, serde_json::to_vec_pretty(&records)?)
        .and_then(|()| std::fs::rename(&temporary, file))
        .with_context(|| format!("writing {}", file.display()))
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    String::from_utf8(output.stdout)
        .ok()?
        .lines()
        .next()
        .map(str::to_owned)
}

fn cpu() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let model = info.lines().find(|line| line.starts_with("model name"))?;
    model.split(": ").nth(1).map(str::to_owned)
}
