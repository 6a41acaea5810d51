//! Where the audit log ends, signed: anyone may fetch it, and hold the server to it later.

use http::{Response, StatusCode};

use crate::body::Body;
use crate::respond;
use crate::server::ApiServer;

/// Where it is fetched.
pub(crate) const PATH: &str = "/.well-known/strongroom/audit-head";

/// Answers with the head.
pub(crate) fn answer(server: &ApiServer) -> Response<Body> {
    let Some(auditing) = &server.0.auditing else {
        return respond::page_not_found();
    };
    let head = auditing.log.head().to_json();
    respond::answer(
        StatusCode::OK,
        "application/json",
        format!("{head}\n").into_bytes(),
    )
}
