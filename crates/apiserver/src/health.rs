//! `/healthz`, `/livez` and `/readyz` (api-conventions §2.3).

use http::{Response, StatusCode};
use strongroom_resources::options::Query;
use strongroom_storage::Serving;

use crate::body::Body;
use crate::respond;
use crate::server::ApiServer;

/// One thing that must be well, and which endpoints ask for it: a full disk is no reason to restart, and a server that
/// is about to stop is well, but wants no new clients.
struct Check {
    name: &'static str,
    endpoints: &'static [&'static str],
    problem: fn(&ApiServer) -> Option<String>,
}

const ALL: &[&str] = &["healthz", "livez", "readyz"];

const CHECKS: [Check; 4] = [
    Check {
        name: "ping",
        endpoints: ALL,
        problem: |_| None,
    },
    Check {
        name: "log",
        endpoints: ALL,
        problem: |_| None,
    },
    Check {
        name: "storage",
        endpoints: &["healthz", "readyz"],
        problem: storage_problem,
    },
    Check {
        name: "shutdown",
        endpoints: &["readyz"],
        problem: |server| {
            server
                .is_stopping()
                .then(|| "the server is about to stop".to_owned())
        },
    },
];

/// Why the store takes no writes.
pub(crate) fn storage_problem(server: &ApiServer) -> Option<String> {
    match server.0.store.store().status().serving {
        Serving::Yes => None,
        Serving::Full => Some("the disk is full".to_owned()),
        Serving::Failed { reason } => Some(reason),
        Serving::Closed => Some("the store is closed".to_owned()),
    }
}

/// Answers a health path; `None` for any other.
pub(crate) fn answer(server: &ApiServer, path: &str, query: &Query) -> Option<Response<Body>> {
    let (endpoint, check) = match path.trim_start_matches('/').split_once('/') {
        Some((endpoint, check)) => (endpoint, Some(check)),
        None => (path.trim_start_matches('/'), None),
    };
    if !matches!(endpoint, "healthz" | "livez" | "readyz") {
        return None;
    }
    let asked = |check: &&Check| check.endpoints.contains(&endpoint);
    let checks: Vec<&Check> = CHECKS.iter().filter(asked).collect();
    Some(match check {
        Some("") | None => all(server, endpoint, &checks, query),
        Some(name) => match checks.iter().find(|check| check.name == name) {
            Some(check) => one(server, check),
            None => respond::page_not_found(),
        },
    })
}

fn one(server: &ApiServer, check: &Check) -> Response<Body> {
    match (check.problem)(server) {
        None => respond::text(StatusCode::OK, "ok"),
        Some(problem) => {
            tracing::warn!(check = check.name, problem, "health check failed");
            respond::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal server error: reason withheld\n",
            )
        }
    }
}

fn all(server: &ApiServer, endpoint: &str, checks: &[&Check], query: &Query) -> Response<Body> {
    let excluded = query.all("exclude");
    let mut lines = String::new();
    let mut failed = false;
    for check in checks {
        let name = check.name;
        if excluded.contains(&name) {
            lines.push_str(&format!("[+]{name} excluded: ok\n"));
        } else if let Some(problem) = (check.problem)(server) {
            failed = true;
            tracing::warn!(check = name, problem, "health check failed");
            lines.push_str(&format!("[-]{name} failed: reason withheld\n"));
        } else {
            lines.push_str(&format!("[+]{name} ok\n"));
        }
    }
    if failed {
        lines.push_str(&format!("{endpoint} check failed\n"));
        return respond::text(StatusCode::INTERNAL_SERVER_ERROR, lines);
    }
    if query.get("verbose").is_none() {
        return respond::text(StatusCode::OK, "ok");
    }
    lines.push_str(&format!("{endpoint} check passed\n"));
    respond::text(StatusCode::OK, lines)
}
