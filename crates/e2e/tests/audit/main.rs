//! What is recorded of whom, that nothing can be taken back, and what happens when nothing can be recorded
//! (`spec/auth.md` §10, R17).

mod chain;
mod events;
mod gone;
mod policy;
mod sink;
mod webhook;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use strongroom_audit::Head;
use strongroom_e2e::{Client, Server};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const HEAD: &str = "/.well-known/strongroom/audit-head";

/// The log and its rotated predecessors in a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("the audit directory")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    files
}

fn files_of(server: &Server) -> Vec<PathBuf> {
    files(server.audit_log().parent().expect("a directory"))
}

/// All records of some files.
fn records(files: &[PathBuf]) -> Vec<Value> {
    let text: String = files
        .iter()
        .map(|file| std::fs::read_to_string(file).expect("UTF-8"))
        .collect();
    let record = |line: &str| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("not a record: {error}: {line}"))
    };
    text.lines().map(record).collect()
}

/// The records with this id, once there are so many.
async fn with_id(server: &Server, id: &str, count: usize) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let mut found = records(&files_of(server));
        found.retain(|record| record["auditID"] == id);
        if found.len() >= count || start.elapsed() > Duration::from_secs(5) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The signed head, as anybody gets it.
async fn head(anonymous: &Client) -> Head {
    let reply = anonymous.get(HEAD).await;
    reply.expect(200);
    Head::from_json(&reply.text()).expect("a head")
}

/// The signed head once it is not before `sequence`.
async fn head_at(anonymous: &Client, sequence: u64) -> Head {
    let start = Instant::now();
    loop {
        let head = head(anonymous).await;
        if head.sequence >= sequence || start.elapsed() > Duration::from_secs(5) {
            return head;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn sequence(record: &Value) -> u64 {
    let text = record["annotations"]["strongroom.dev/audit-sequence"].as_str();
    text.and_then(|text| text.parse().ok())
        .expect("a place in the chain")
}
